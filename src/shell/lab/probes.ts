/** Who reaches whom in a lab: a probe (probe.ts) in each pod and node, driven from outside. */
import { type ChildProcess, spawn } from 'node:child_process'
import { extname } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { LabError } from './error.ts'
import { AGENT_HOME } from './images.ts'
import type { Lab } from './lab.ts'
import type { ProbeReport, ProbeRequest } from './probe.ts'

const EXTENSION = extname(fileURLToPath(import.meta.url))
const TREE = EXTENSION === '.ts' ? 'src' : 'dist'
const PROGRAM = `${AGENT_HOME}/${TREE}/shell/lab/probe${EXTENSION}`
/** A probe that does not answer within this is broken. In milliseconds. */
const PATIENCE = 20_000

/** The probe in one node. */
class Probe {
  readonly #child: ChildProcess
  readonly #waiting: PromiseWithResolvers<readonly ProbeReport[]>[] = []
  readonly #listening = Promise.withResolvers<void>()
  #errors = ''

  constructor(lab: Lab, node: string) {
    const [program = '', ...rest] = lab.node(node).enter(['node', PROGRAM])
    this.#child = spawn(program, rest, { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child.stdin?.on('error', () => {})
    this.#child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      this.#errors = (this.#errors + chunk).slice(-2000)
    })
    this.#child.on('close', () => this.#fail(`the probe in ${node} ended: ${this.#errors.trim()}`))
    if (this.#child.stdout) {
      createInterface({ input: this.#child.stdout }).on('line', line => this.#line(line))
    }
    const timer = setTimeout(() => this.#fail(`the probe in ${node} does not start`), PATIENCE)
    this.#listening.promise.then(
      () => clearTimeout(timer),
      () => clearTimeout(timer),
    )
  }

  #fail(why: string): void {
    const error = new LabError('LAB_FAILED', why)
    this.#listening.reject(error)
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error)
  }

  #line(line: string): void {
    const answer: readonly ProbeReport[] | { listening: true } = JSON.parse(line)
    if ('listening' in answer) this.#listening.resolve()
    else this.#waiting.shift()?.resolve(answer)
  }

  listening(): Promise<void> {
    return this.#listening.promise
  }

  say(request: ProbeRequest): void {
    this.#child.stdin?.write(`${JSON.stringify(request)}\n`)
  }

  report(): Promise<readonly ProbeReport[]> {
    const answer = Promise.withResolvers<readonly ProbeReport[]>()
    this.#waiting.push(answer)
    this.say({})
    return answer.promise
  }

  close(): void {
    this.#child.stdin?.end()
  }
}

/** The probes of a lab. */
export class Probes {
  readonly #probes = new Map<string, Probe>()

  /** Starts a probe in each of `nodes`; resolves when all listen. */
  static async start(lab: Lab, nodes: readonly string[]): Promise<Probes> {
    const probes = new Probes()
    for (const node of nodes) probes.#probes.set(node, new Probe(lab, node))
    await Promise.all([...probes.#probes.values()].map(probe => probe.listening()))
    return probes
  }

  /** Begins to send to `targets` (addresses) from a node, anew; counts begin at nothing. */
  probe(from: string, targets: readonly string[], intervalMs = 100): void {
    this.#of(from).say({ targets, intervalMs })
  }

  /** What the probe of a node has counted, target by target. */
  report(from: string): Promise<readonly ProbeReport[]> {
    return this.#of(from).report()
  }

  #of(node: string): Probe {
    const probe = this.#probes.get(node)
    if (probe === undefined) throw new LabError('LAB_UNKNOWN', `there is no probe in ${node}`)
    return probe
  }

  /** Ends all probes. */
  close(): void {
    for (const probe of this.#probes.values()) probe.close()
  }
}
