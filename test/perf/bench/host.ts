/**
 * Where a run takes place: two namespaces joined by a veth pair, the daemon under test in one, the generator in the
 * other; processes in them, and what /proc tells of those.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Address, address, FAMILIES, type Family } from '../../../src/core/net/index.ts'
import type { Answer, Order } from './load/generator.ts'

const TICKS_PER_SECOND = 100
const STOP_MS = 10_000
const OUTPUT_OCTETS_MAX = 64 << 20

/** Addresses of the daemon in its namespace. */
export const DAEMON: Readonly<Record<Family, Address>> = {
  ipv4: address('10.99.0.1'),
  ipv6: address('fd99::1'),
}

const GENERATOR_LINK = '02:00:00:00:99:02'

/** The far end of the second link, where a scenario asks for one. */
export const SECOND_GATEWAY = address('10.98.0.2')

/** The address of peer `index` in the generator's namespace. */
export const peerAddress = (index: number, family: Family): Address =>
  family === 'ipv4'
    ? address(`10.99.${1 + Math.floor(index / 250)}.${1 + (index % 250)}`)
    : address(`fd99::1:${(1 + index).toString(16)}`)

/** What the processes of a daemon have used. */
export interface Usage {
  /** processor time, user and system, in seconds */
  readonly cpuSeconds: number
  /** the largest each has been in memory, added up, in MB of 10^6 octets */
  readonly peakMb: number
  /** what they have in memory now, added up */
  readonly presentOctets: number
}

/** Two namespaces. Removed with all their processes by `remove`. */
export class Host {
  readonly daemon: string
  readonly generator: string
  /** for the daemon's files */
  readonly directory: string

  constructor(prefix: string) {
    this.daemon = `${prefix}-d`
    this.generator = `${prefix}-g`
    this.directory = `/tmp/${prefix}`
  }

  /** Makes the namespaces, with addresses for `peers` peers. */
  make(peers: number): void {
    this.remove()
    mkdirSync(this.directory, { recursive: true, mode: 0o755 })
    for (const name of [this.daemon, this.generator]) ip('netns', 'add', name)
    const link = ['link', 'add', 'bgp0', 'netns', this.daemon, 'type', 'veth']
    ip(...link, 'peer', 'name', 'bgp0', 'netns', this.generator)
    const side = (name: string, addresses: readonly string[], more: readonly string[]): void => {
      const lines = [
        'link set lo up',
        'link set bgp0 up',
        ...addresses.map(one => `address add ${one} dev bgp0${one.includes(':') ? ' nodad' : ''}`),
        ...more,
      ]
      const input = `${lines.join('\n')}\n`
      execFileSync('ip', ['-n', name, '-batch', '-'], {
        input,
        stdio: ['pipe', 'ignore', 'inherit'],
      })
    }
    const all = FAMILIES.flatMap(family =>
      Array.from({ length: peers }, (_, index) => peerAddress(index, family)),
    )
    side(
      this.generator,
      all.map(one => `${one}/${one.includes(':') ? 64 : 16}`),
      [`link set bgp0 address ${GENERATOR_LINK}`],
    )
    // the kernel has room for a thousand neighbours that it has found out about itself
    side(
      this.daemon,
      [`${DAEMON.ipv4}/16`, `${DAEMON.ipv6}/64`],
      all.map(one => `neighbour add ${one} lladdr ${GENERATOR_LINK} dev bgp0 nud permanent`),
    )
  }

  /** Joins the namespaces a second time: `bgp1`, whose far end is `SECOND_GATEWAY`. */
  makeSecondLink(): void {
    const link = ['link', 'add', 'bgp1', 'netns', this.daemon, 'type', 'veth']
    ip(...link, 'peer', 'name', 'bgp1', 'netns', this.generator)
    for (const [name, one] of [
      [this.daemon, '10.98.0.1/24'],
      [this.generator, `${SECOND_GATEWAY}/24`],
    ] as const) {
      ip('-n', name, 'address', 'add', one, 'dev', 'bgp1')
      ip('-n', name, 'link', 'set', 'bgp1', 'up')
    }
  }

  /** Ends what runs in the namespaces, and removes them. */
  remove(): void {
    for (const name of [this.daemon, this.generator]) {
      if (!namespaces().includes(name)) continue
      for (const pid of pidsIn(name)) kill(pid)
      ip('netns', 'del', name)
    }
    rmSync(this.directory, { recursive: true, force: true })
  }

  /** Asks what runs in the daemon's namespace to end in order, and waits for that. */
  async stop(): Promise<void> {
    for (const pid of pidsIn(this.daemon)) attempt(() => process.kill(pid, 'SIGTERM'))
    const deadline = performance.now() + STOP_MS
    while (pidsIn(this.daemon).length > 0 && performance.now() < deadline)
      await new Promise(resolve => setTimeout(resolve, 50))
  }

  write(name: string, text: string): string {
    const path = join(this.directory, name)
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, text, { mode: 0o644 })
    return path
  }

  /** Starts a command in the daemon's namespace, on `cores`. Its output is kept in a file. */
  start(command: readonly string[], log: string, cores?: string): ChildProcess {
    const path = this.write(log, '')
    const pinned = cores === undefined ? command : ['taskset', '-c', cores, ...command]
    const line = `exec ${pinned.map(quoted).join(' ')} >${quoted(path)} 2>&1`
    const child = spawn('ip', ['netns', 'exec', this.daemon, 'sh', '-c', line], { stdio: 'ignore' })
    child.on('error', error => {
      throw error
    })
    return child
  }

  /** Starts a command in the daemon's namespace that talks with this process by messages. */
  fork(command: readonly string[]): ChildProcess {
    return spawn('ip', ['netns', 'exec', this.daemon, ...command], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
  }

  /** What a command in the daemon's namespace prints, this process going on meanwhile. */
  async execute(command: readonly string[]): Promise<string> {
    const options = { maxBuffer: OUTPUT_OCTETS_MAX }
    const words = ['netns', 'exec', this.daemon, ...command]
    const { stdout } = await promisify(execFile)('ip', words, options)
    return stdout
  }

  /** What a command in the daemon's namespace prints. */
  run(command: readonly string[]): string {
    return execFileSync('ip', ['netns', 'exec', this.daemon, ...command], { encoding: 'utf8' })
  }

  /** How many IPv4 routes the kernel has in the daemon's main table. */
  kernelRoutes(): number {
    const text = this.run(['cat', '/proc/net/fib_triestat'])
    const main = text.slice(text.indexOf('Main:'))
    return Number(/Prefixes:\s+(\d+)/.exec(main)?.[1] ?? 0)
  }

  /** Usage of each process in the daemon's namespace whose command line has `word`. */
  usage(word: RegExp): Usage {
    let [ticks, peak, present] = [0, 0, 0]
    for (const pid of pidsIn(this.daemon)) {
      const line = attempt(() =>
        readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' '),
      )
      if (line === undefined || !word.test(line)) continue
      const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, 'latin1'))
      const status = attempt(() => readFileSync(`/proc/${pid}/status`, 'latin1'))
      const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? []
      ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0)
      peak += octetsOf('VmHWM', status)
      present += octetsOf('VmRSS', status)
    }
    return { cpuSeconds: ticks / TICKS_PER_SECOND, peakMb: peak / 1e6, presentOctets: present }
  }

  /** Starts the load generator on `core`. */
  startGenerator(core: string): GeneratorProcess {
    return new GeneratorProcess(this.generator, core)
  }
}

/** The load generator as its parent sees it: one order at a time. */
export class GeneratorProcess {
  readonly #child: ChildProcess
  #settle: ((result: { answer?: Answer; error?: string }) => void) | undefined

  constructor(namespace: string, core: string) {
    const file = join(import.meta.dirname, 'load', 'generator.ts')
    const command = [
      'taskset',
      '-c',
      core,
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      file,
    ]
    this.#child = spawn('ip', ['netns', 'exec', namespace, ...command], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#child.on('message', (message: { answer?: Answer; error?: string }) =>
      this.#settle?.(message),
    )
    this.#child.on('exit', code =>
      this.#settle?.({ error: `the load generator ended with ${code}` }),
    )
  }

  async ask(order: Order): Promise<Answer> {
    const { answer, error } = await new Promise<{ answer?: Answer; error?: string }>(resolve => {
      this.#settle = resolve
      this.#child.send(order)
    })
    if (answer === undefined) throw new Error(error ?? 'the load generator gave no answer')
    return answer
  }

  end(): void {
    this.#settle = undefined
    this.#child.kill('SIGKILL')
  }
}

/** A line of /proc/PID/status, in octets. */
const octetsOf = (name: string, status = ''): number =>
  Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) * 1024

function ip(...words: readonly string[]): void {
  execFileSync('ip', words, { stdio: ['ignore', 'ignore', 'inherit'] })
}

const namespaces = (): string[] => (attempt(() => readdirSync('/run/netns')) ?? []).map(String)

function pidsIn(namespace: string): number[] {
  const out = execFileSync('ip', ['netns', 'pids', namespace], { encoding: 'utf8' })
  return out.split('\n').filter(Boolean).map(Number)
}

function kill(pid: number): void {
  attempt(() => process.kill(pid, 'SIGKILL'))
}

/** What may be gone by now: a process, a directory. */
function attempt<Result>(act: () => Result): Result | undefined {
  try {
    return act()
  } catch {
    return undefined
  }
}

const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`
