/**
 * Who writes the kernel's table without BGP: Martlet's kernel half, a C program that does nothing else, `ip -batch`.
 * Each is told the same prefixes, and has them in memory before its clock starts.
 */
import { type ChildProcess, execFileSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Host } from '../host.ts'
import { makeTable } from '../load/traffic.ts'
import type { HalfAnswer, HalfOrder } from './half.ts'
import type { NetlinkTool } from './tool.ts'

/** How routes say where they lead: each names a nexthop object, or its gateway. */
export type Ways = 'ids' | 'gateways'

/** What a writer has to do. */
export interface Work {
  readonly host: Host
  readonly tool: NetlinkTool
  readonly count: number
  readonly ways: Ways
  /** where routes lead at first, and where after the replacement */
  readonly gateways: readonly [string, string]
}

/** What a step took; processor time where it is known. */
export interface Step {
  readonly ms: number
  readonly cpuMs?: number
}

/** The three steps. */
export interface Wrote {
  readonly add: Step
  readonly replace: Step
  readonly remove: Step
}

/** Somebody who writes routes. */
export interface Writer {
  readonly name: string
  version(): string | undefined
  /** writes all, replaces all, removes all */
  write(work: Work): Promise<Wrote>
  readonly cannot: Readonly<Record<string, string>>
}

/** Ids of the two nexthop objects that the C program and `ip` are given. */
const OBJECT_IDS = [7, 8] as const
const PROTOCOL = 99
const METRIC = 1_024

/** The words of a route's way, for `ip` and for netlink.c; makes the nexthop objects first. */
function waysOf({ host, ways, gateways }: Work): readonly (readonly string[])[] {
  if (ways === 'gateways') return gateways.map(gateway => ['via', gateway, 'bgp0'])
  return gateways.map((gateway, at) => {
    const id = String(OBJECT_IDS[at])
    host.run(['ip', 'nexthop', 'replace', 'id', id, 'via', gateway, 'dev', 'bgp0'])
    return ['nhid', id]
  })
}

/** A netlink writer in C that keeps nothing and asks for one answer in 128 kB. */
export const MINIMAL: Writer = {
  name: 'netlink in C',
  version: () => (compiler() === undefined ? undefined : `netlink.c, cc ${compiler()}`),
  write: async work => {
    const file = work.tool.prefixes(makeTable(work.count))
    const [first = [], second = []] = waysOf(work)
    const write = (...words: readonly string[]): Promise<Step> =>
      work.tool.run('write', file, ...words)
    return {
      add: await write('add', ...first),
      replace: await write('replace', ...second),
      remove: await write('delete'),
    }
  },
  cannot: {},
}

function compiler(): string | undefined {
  try {
    return execFileSync('cc', ['-dumpversion'], { encoding: 'utf8' }).trim()
  } catch {
    return undefined
  }
}

/** `ip -batch`, its start included. */
export const IP_BATCH: Writer = {
  name: 'ip -batch',
  version: () => execFileSync('ip', ['-V'], { encoding: 'utf8' }).trim(),
  write: async work => {
    const { numbers, lengths } = makeTable(work.count)
    const [first = [], second = []] = waysOf(work)
    const run = async (verb: string, way: readonly string[]): Promise<Step> => {
      const words = way.length === 3 ? `via ${way[1]} dev ${way[2]}` : way.join(' ')
      const common = `proto ${PROTOCOL} metric ${METRIC}`
      const lines = Array.from(numbers, (number, at) => {
        const text = `${number >>> 16}.${(number >>> 8) & 255}.${number & 255}.0/${lengths[at]}`
        return `route ${verb} ${text} ${common} ${words}\n`
      })
      const path = join(work.host.directory, 'batch')
      writeFileSync(path, lines.join(''))
      const start = performance.now()
      await work.host.execute(['ip', '-batch', path])
      return { ms: performance.now() - start }
    }
    return {
      add: await run('add', first),
      replace: await run('replace', second),
      remove: await run('del', []),
    }
  },
  cannot: {},
}

/** Martlet's kernel half as it was built beside `main`. */
export class KernelHalf implements Writer {
  readonly name: string
  readonly cannot: Readonly<Record<string, string>> = {}
  readonly #main: string

  constructor(name: string, main: string) {
    this.name = name
    this.#main = main
  }

  version(): string | undefined {
    return existsSync(this.#main) ? `Martlet, Node ${process.versions.node}` : undefined
  }

  async write({ host, count, ways, gateways }: Work): Promise<Wrote> {
    const [first, second] = gateways
    const half = this.open(host)
    try {
      const objects = ways === 'ids'
      const add = await half.ask({ do: 'start', count, objects, gateways: [first] })
      const replace = await half.ask({ do: 'replace', gateways: [second] })
      const remove = await half.ask({ do: 'remove' })
      return { add, replace, remove }
    } finally {
      half.end()
    }
  }

  /** Starts its process. */
  open(host: Host): HalfProcess {
    return new HalfProcess(host, dirname(this.#main))
  }
}

/** The kernel half as its parent sees it: one order at a time. */
export class HalfProcess {
  readonly #child: ChildProcess
  #settle: ((result: { answer?: HalfAnswer; error?: string }) => void) | undefined

  constructor(host: Host, root: string) {
    const file = join(import.meta.dirname, 'half.ts')
    const command = [process.execPath, '--disable-warning=ExperimentalWarning', file, root]
    this.#child = host.fork(command)
    this.#child.on('message', (message: { answer?: HalfAnswer; error?: string }) =>
      this.#settle?.(message),
    )
    this.#child.on('exit', code => this.#settle?.({ error: `the kernel half ended with ${code}` }))
  }

  async ask(order: HalfOrder): Promise<HalfAnswer> {
    const { answer, error } = await new Promise<{ answer?: HalfAnswer; error?: string }>(
      resolve => {
        this.#settle = resolve
        this.#child.send(order)
      },
    )
    if (answer === undefined) throw new Error(error ?? 'the kernel half gave no answer')
    return answer
  }

  /** Ends it as kill -9 does: its routes stay. */
  end(): void {
    this.#settle = undefined
    this.#child.kill('SIGKILL')
  }
}
