/**
 * Two nodes in network namespaces of their own, joined by a veth pair, each with a supervisor and a
 * store that is a directory which both read. For tests of processes: what they may do, and what
 * their deaths cost.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectApi } from '../../../src/shell/api/index.ts'
import { socketPaths } from '../../../src/shell/link/index.ts'
import { until } from '../../support/until.ts'
import { routesIn, routesOf } from './kernel-routes.ts'

/** A line of a node's log. */
export interface Line {
  readonly code?: string
  readonly process?: string
  readonly pid?: number
  readonly text?: string
  readonly [field: string]: unknown
}

/** One node: its namespace, its supervisor and what that said. */
export class LabNode {
  readonly name: string
  readonly namespace: string
  readonly address: string
  readonly podCidr: string
  readonly directory: string
  readonly lines: Line[] = []
  #supervisor: ChildProcess | undefined
  #rest = ''

  constructor(fields: Pick<LabNode, 'name' | 'namespace' | 'address' | 'podCidr' | 'directory'>) {
    this.name = fields.name
    this.namespace = fields.namespace
    this.address = fields.address
    this.podCidr = fields.podCidr
    this.directory = fields.directory
  }

  /** Of the supervisor. */
  get pid(): number {
    return this.#supervisor?.pid ?? 0
  }

  get runDirectory(): string {
    return join(this.directory, `run-${this.name}`)
  }

  start(): void {
    const words = ['netns', 'exec', this.namespace, process.execPath, 'src/main.ts', 'run']
    const config = join(this.directory, `${this.name}.yaml`)
    const child = spawn('ip', [...words, '--config', config], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#supervisor = child
    child.stdout.on('data', bytes => this.#heard(String(bytes)))
    child.stderr.on('data', bytes => this.lines.push({ code: 'STDERR', text: String(bytes) }))
  }

  /** Ends the supervisor with `signal`, and waits for it. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#supervisor
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise(resolve => child.once('close', resolve))
    child.kill(signal)
    await gone
  }

  /** The process that runs as `name` now, as its supervisor said. */
  childPid(name: string): number {
    const started = this.lines.filter(line => line.code === 'CHILD_STARTED' && line.child === name)
    return Number(started.at(-1)?.childPid ?? 0)
  }

  /** A field of /proc/<pid>/status of that process. */
  status(name: string, field: string): string {
    const text = readFileSync(`/proc/${this.childPid(name)}/status`, 'utf8')
    return new RegExp(`^${field}:[ \\t]*(.*)$`, 'm').exec(text)?.[1]?.trim() ?? ''
  }

  /** Runs a command in the namespace. */
  exec(...words: string[]): string {
    return execFileSync('ip', ['netns', 'exec', this.namespace, ...words], { encoding: 'utf8' })
  }

  /** The kernel's routes that are ours, a line each. */
  routes(): string {
    return routesIn(this.exec(...routesOf('-4', 'proto', '77')))
  }

  /** The state of its only session, as its agent answers; undefined while it does not. */
  async session(): Promise<{ state: string; text: string | undefined } | undefined> {
    const client = await connectApi(socketPaths(this.runDirectory).api)
    const [session] = (await client?.sessions().catch(() => [])) ?? []
    return session && { state: session.state, text: session.lastError?.text }
  }

  async established(): Promise<void> {
    await until(async () => (await this.session())?.state === 'Established', 'Established', {
      withinMs: 30_000,
      everyMs: 50,
    })
  }

  #heard(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) this.lines.push(JSON.parse(line))
  }
}

/** Both nodes and where they are. */
export interface TwoNodes {
  readonly left: LabNode
  readonly right: LabNode
  /** the store */
  readonly store: string
  /** Ends what runs, removes the namespaces and the files. */
  down(): Promise<void>
}

/** Makes both nodes; nothing runs yet. */
export function twoNodes(name: string): TwoNodes {
  removeLeftovers()
  const directory = mkdtempSync(join(tmpdir(), `martlet-${name}-`))
  // the speaker's user has to get through to the run directory
  chmodSync(directory, 0o755)
  const store = join(directory, 'store')
  mkdirSync(store)
  const [left, right] = (['left', 'right'] as const).map((side, at) => {
    const node = new LabNode({
      name: side,
      namespace: `mrt-${process.pid}-${name}-${side}`,
      address: `192.0.2.${at + 1}`,
      podCidr: `10.99.${at + 1}.0/24`,
      directory,
    })
    writeFileSync(join(directory, `${side}.yaml`), configurationOf(node, store), { mode: 0o600 })
    writeFileSync(join(store, `${side}.yaml`), resourceOf(node))
    return node
  })
  if (left === undefined || right === undefined) throw new Error('two nodes are two')
  joinNodes(left, right)
  return {
    left,
    right,
    store,
    down: async () => {
      await Promise.all([left.end('SIGKILL'), right.end('SIGKILL')])
      for (const node of [left, right]) execFileSync('ip', ['netns', 'del', node.namespace])
      rmSync(directory, { recursive: true })
    },
  }
}

/** Namespaces of test processes that were killed before they could remove them. */
function removeLeftovers(): void {
  for (const line of execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' }).split('\n')) {
    const [, namespace, pid] = /^(mrt-(\d+)-\S+)/.exec(line) ?? []
    if (namespace !== undefined && !existsSync(`/proc/${pid}`))
      execFileSync('ip', ['netns', 'del', namespace])
  }
}

function joinNodes(left: LabNode, right: LabNode): void {
  const ip = (...words: string[]): string => execFileSync('ip', words, { encoding: 'utf8' })
  for (const node of [left, right]) {
    ip('netns', 'add', node.namespace)
    node.exec('ip', 'link', 'set', 'lo', 'up')
  }
  const ends = ['type', 'veth', 'peer', 'name', 'eth0', 'netns', right.namespace]
  ip('link', 'add', 'eth0', 'netns', left.namespace, ...ends)
  for (const node of [left, right]) {
    node.exec('ip', 'address', 'add', `${node.address}/24`, 'dev', 'eth0')
    node.exec('ip', 'link', 'set', 'eth0', 'up')
  }
}

const configurationOf = (node: LabNode, store: string): string =>
  [
    `node: ${node.name}`,
    `store: { directory: ${store} }`,
    `runDirectory: ${node.runDirectory}`,
    'bgp: { connectRetrySeconds: 1 }',
    'log: { level: debug }',
    '',
  ].join('\n')

/** The Node object of `node`. */
export const resourceOf = (node: LabNode): string =>
  [
    'apiVersion: projectcalico.org/v3',
    'kind: Node',
    `metadata: { name: ${node.name} }`,
    'spec:',
    `  bgp: { ipv4Address: ${node.address}/24, asNumber: 64512 }`,
    `status: { podCIDRs: [${node.podCidr}] }`,
    '',
  ].join('\n')
