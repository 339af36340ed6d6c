/**
 * A lab as whoever runs it sees it: brought up in a sandbox of its own, entered by commands, ended.
 * Nothing of it is outside the sandbox, and the kernel takes the sandbox down when its owner dies.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, extname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { LabError } from './error.ts'
import type { HostEvent } from './host/host.ts'
import type { Order } from './host/main.ts'
import { type Result, type RunOptions, run } from './host/run.ts'
import { SANDBOX_SCRIPT } from './host/scripts.ts'
import { imageOf, missingPackages } from './images.ts'
import {
  inNode,
  inSandbox,
  LAB_EXEC,
  type LabRecord,
  MARKER,
  type NodeRecord,
  type RunningLab,
  readLog,
  readRecord,
  runningLabs,
} from './record.ts'
import { loadTopology, type Topology } from './topology/topology.ts'

/** How a lab is brought up. */
export interface LabOptions {
  /** values of `${NAME}` in the file; this process's environment is behind them */
  readonly variables?: Readonly<Record<string, string>>
  /** another name than the file's; made unique by a number in any case */
  readonly name?: string
  /** the lab outlives this process */
  readonly detached?: boolean
  /** called as nodes come up, and for main programs that end by themselves */
  readonly onEvent?: (event: HostEvent) => void
  /** the folder that holds the agent; this checkout where absent */
  readonly agentHome?: string
  /** an agent that does not come up within this is a failure; in milliseconds */
  readonly withinMs?: number
}

/** The folder of package.json: three above this file, in src and in dist. */
const HOME = resolve(dirname(fileURLToPath(import.meta.url)), '../../..')
const UP_WITHIN_MS = 60_000

/** A running lab. */
export class Lab {
  readonly name: string
  readonly file: string
  /** of the sandbox's process 1 */
  readonly pid: number
  readonly #host: ChildProcess | undefined
  readonly #orders = new Map<number, PromiseWithResolvers<void>>()
  #order = 0

  private constructor(found: RunningLab, host: ChildProcess | undefined) {
    this.name = found.name
    this.file = found.file
    this.pid = found.pid
    this.#host = host
  }

  /** Brings the topology of `file` up; resolves when all its links and commands are done. */
  static async up(file: string, options: LabOptions = {}): Promise<Lab> {
    const variables = { ...process.env, ...options.variables }
    const topology = loadTopology(file, variables)
    const missing = await missingHere(topology)
    if (missing.length > 0) throw new LabError('LAB_MISSING', missing.join('\n'))
    const name = uniqueName(options.name ?? topology.name)
    const home = options.agentHome ?? HOME
    const child = spawnSandbox({
      file: topology.file,
      name,
      home,
      variables,
      detached: options.detached,
    })
    const events = new Events(child)
    const pid = await events.upTo(options)
    const lab = new Lab({ pid, name, file: topology.file }, child)
    events.onDone = event => lab.#done(event.id, event.error)
    if (options.detached) {
      child.unref()
      child.stdout?.destroy()
      child.stderr?.destroy()
    }
    return lab
  }

  /** A lab that another process brought up; orders are then not possible. */
  static attach(found: RunningLab): Lab {
    return new Lab(found, undefined)
  }

  /** All labs on this machine that this user may see. */
  static running(): readonly RunningLab[] {
    return runningLabs()
  }

  /** What the lab says about itself now. */
  record(): LabRecord {
    const record = readRecord(this.pid)
    if (record === undefined) throw new LabError('LAB_UNKNOWN', `lab ${this.name} is not running`)
    return record
  }

  /** A node by name. */
  node(name: string): LabNode {
    const names = this.record().nodes.map(node => node.name)
    if (names.includes(name)) return new LabNode(this, name)
    throw new LabError(
      'LAB_UNKNOWN',
      `lab ${this.name} has no node "${name}"; it has ${names.join(', ')}`,
    )
  }

  /**
   * The command line that, run on this machine, runs `command` in the sandbox, with `$LAB_EXEC`
   * set.
   */
  enter(command: readonly string[]): readonly string[] {
    return inSandbox(this.pid, ['env', `LAB_EXEC=${LAB_EXEC}`, ...command])
  }

  /** Runs a command in the sandbox: on the lab's "host", where its bridges are. */
  exec(command: readonly string[], options: RunOptions = {}): Promise<Result> {
    return run(this.enter(command), options)
  }

  /** Ends the main program of a node; it stays down until `start`. Default signal: TERM. */
  stop(node: string, signal = 'TERM'): Promise<void> {
    return this.#ask({ action: 'stop', node, signal })
  }

  /** Starts the main program of a node that was stopped. */
  start(node: string): Promise<void> {
    return this.#ask({ action: 'start', node, signal: '' })
  }

  #ask(order: Omit<Order, 'id'>): Promise<void> {
    const input = this.#host?.stdin
    if (!input) {
      throw new LabError('LAB_FAILED', `lab ${this.name} takes orders only from who started it`)
    }
    const id = ++this.#order
    const answer = Promise.withResolvers<void>()
    this.#orders.set(id, answer)
    input.write(`${JSON.stringify({ id, ...order })}\n`)
    return answer.promise
  }

  #done(id: number, error: string | undefined): void {
    const answer = this.#orders.get(id)
    this.#orders.delete(id)
    if (error === undefined) answer?.resolve()
    else answer?.reject(new LabError('LAB_FAILED', error))
  }

  /** Ends the lab and waits until none of it is left. Repeating it does no harm. */
  async down(): Promise<void> {
    try {
      process.kill(this.pid, 'SIGKILL')
    } catch {
      // it is gone already
    }
    const deadline = performance.now() + 10_000
    while (existsSync(`/proc/${this.pid}`) && performance.now() < deadline) {
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }
}

/** One node of a running lab. */
export class LabNode {
  readonly name: string
  readonly #lab: Lab

  constructor(lab: Lab, name: string) {
    this.#lab = lab
    this.name = name
  }

  /** The node as it runs now. */
  record(): NodeRecord {
    const found = this.#lab.record().nodes.find(node => node.name === this.name)
    if (found === undefined) throw new LabError('LAB_UNKNOWN', `no node "${this.name}"`)
    return found
  }

  /**
   * The command line that, run on this machine, runs `command` in the node: for terminals and
   * pipes.
   */
  enter(command: readonly string[]): readonly string[] {
    return inSandbox(this.#lab.pid, inNode(this.record(), command))
  }

  /** Runs a command in the node to its end. */
  exec(command: readonly string[], options: RunOptions = {}): Promise<Result> {
    return run(this.enter(command), options)
  }

  /** What the main program has said so far. */
  log(): string {
    return readLog(this.#lab.pid, this.name)
  }
}

interface SandboxOptions {
  readonly file: string
  readonly name: string
  readonly home: string
  readonly variables: Readonly<Record<string, string | undefined>>
  readonly detached: boolean | undefined
}

function spawnSandbox(options: SandboxOptions): ChildProcess {
  const extension = extname(fileURLToPath(import.meta.url))
  const host = join(dirname(fileURLToPath(import.meta.url)), 'host', `main${extension}`)
  const own = extension === '.ts' ? 'src/main.ts' : 'dist/main.js'
  const main = options.variables[MAIN_VARIABLE] ?? own
  // in its own session: Ctrl-C is for the owner, who then ends it
  const death = options.detached ? [] : ['setpriv', '--pdeathsig', 'KILL']
  const [program = '', ...rest] = [
    ...death,
    ...sandboxCommand(),
    ...['sh', '-c', SANDBOX_SCRIPT, MARKER_SHELL, MARKER, options.name, options.file],
    ...[process.execPath, '--disable-warning=ExperimentalWarning', host],
    ...[options.file, options.name, options.home, main],
  ]
  return spawn(program, rest, {
    detached: true,
    env: { ...options.variables, PATH: searchPath() },
    stdio: [options.detached ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  })
}

/** Names another main program for the nodes to run, below the agent's folder. */
const MAIN_VARIABLE = 'MARTLET_LAB_MAIN'

/** `$0` of the sandbox's shell; the marker behind it is what is looked for. */
const MARKER_SHELL = 'martlet'

function sandboxCommand(): readonly string[] {
  const user =
    process.getuid?.() === 0
      ? []
      : ['--user', '--map-root-user', ...(canMapAll() ? ['--map-auto'] : [])]
  const namespaces = ['--net', '--mount', '--pid', '--uts', '--ipc', '--fork', '--kill-child']
  return ['unshare', ...user, ...namespaces]
}

/** Whether subordinate uids can be mapped: `uidmap` is installed. */
function canMapAll(): boolean {
  return existsSync('/usr/bin/newuidmap') && existsSync('/etc/subuid')
}

/** Where programs are: an ordinary user's own path on Debian leaves out those of administrators. */
const searchPath = (): string =>
  [...(process.env.PATH ?? '').split(':').filter(Boolean), '/usr/local/sbin', '/usr/sbin', '/sbin']
    .filter((folder, at, all) => all.indexOf(folder) === at)
    .join(':')

/** What this machine lacks for this topology, one sentence each. */
async function missingHere(topology: Topology): Promise<readonly string[]> {
  const missing: string[] = []
  if (process.platform !== 'linux') return ['a lab needs Linux: it is made of its namespaces']
  const tools = [
    ['unshare', 'util-linux'],
    ['nsenter', 'util-linux'],
    ['setpriv', 'util-linux'],
    ['mount', 'mount'],
    ['ip', 'iproute2'],
  ] as const
  const path = searchPath().split(':')
  for (const [tool, name] of tools) {
    if (path.some(folder => existsSync(join(folder, tool)))) continue
    missing.push(`${tool} is not installed: apt-get install ${name}`)
  }
  const programs = topology.nodes.filter(node => node.kind === 'linux').map(node => node.image)
  for (const name of new Set(programs)) {
    const packages = missingPackages(imageOf(name))
    if (packages.length === 0) continue
    missing.push(
      `image ${name} needs a program that is not installed: apt-get install ${packages.join(' ')}`,
    )
  }
  if (missing.length > 0) return missing
  return missingPrivilege(programs)
}

async function missingPrivilege(images: readonly string[]): Promise<readonly string[]> {
  if (
    process.getuid?.() !== 0 &&
    !canMapAll() &&
    images.some(name => imageOf(name).program === 'frr')
  ) {
    return [
      'FRR changes its user, for which an ordinary user needs subordinate ids: ' +
        'run as root, or install uidmap',
    ]
  }
  const [program = '', ...rest] = sandboxCommand()
  const trial = await run([program, ...rest, 'true'])
  if (trial.code === 0) return []
  return [
    `this machine does not let us make namespaces (${trial.stderr.trim()}): run as root, ` +
      'or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1 or ' +
      'kernel.apparmor_restrict_unprivileged_userns=0)',
  ]
}

function uniqueName(wanted: string): string {
  const taken = new Set(runningLabs().map(lab => lab.name))
  if (!taken.has(wanted)) return wanted
  for (let number = 2; ; number++) {
    if (!taken.has(`${wanted}-${number}`)) return `${wanted}-${number}`
  }
}

/** The events of a host program, and its end. */
class Events {
  onDone: (event: HostEvent & { type: 'done' }) => void = () => {}
  readonly #child: ChildProcess
  readonly #ready = Promise.withResolvers<number>()
  readonly #closed = Promise.withResolvers<void>()
  #pid = 0
  #errors = ''
  #onEvent: (event: HostEvent) => void = () => {}

  constructor(child: ChildProcess) {
    this.#child = child
    child.on('error', cause => {
      this.#closed.resolve()
      this.#ready.reject(
        new LabError('LAB_MISSING', `the sandbox cannot be started: ${cause.message}`),
      )
    })
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      this.#errors = (this.#errors + chunk).slice(-4000)
    })
    child.on('close', code => {
      this.#closed.resolve()
      const why = this.#errors.trim() || `it ended with ${code}`
      this.#ready.reject(new LabError('LAB_FAILED', `the sandbox ended: ${why}`))
    })
    if (child.stdout) createInterface({ input: child.stdout }).on('line', line => this.#line(line))
  }

  #line(line: string): void {
    const event: HostEvent | { type: 'sandbox'; pid: number } = JSON.parse(line)
    if (event.type === 'sandbox') {
      this.#pid = event.pid
      return
    }
    this.#onEvent(event)
    if (event.type === 'ready') this.#ready.resolve(this.#pid)
    else if (event.type === 'failed') this.#ready.reject(new LabError(event.code, event.text))
    else if (event.type === 'done') this.onDone(event)
  }

  /** Resolves with the sandbox's process when the lab is ready; ends the sandbox when it fails. */
  async upTo(options: LabOptions): Promise<number> {
    this.#onEvent = options.onEvent ?? this.#onEvent
    const within = options.withinMs ?? UP_WITHIN_MS
    const timer = setTimeout(() => {
      this.#ready.reject(new LabError('LAB_FAILED', `the lab is not up after ${within / 1000} s`))
    }, within)
    try {
      return await this.#ready.promise
    } catch (error) {
      this.#child.kill('SIGKILL')
      await this.#closed.promise
      throw error
    } finally {
      clearTimeout(timer)
    }
  }
}
