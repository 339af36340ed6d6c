/**
 * The C program beside this file, which writes, reads and watches the kernel's table: compiled when the harness starts,
 * run in the daemon's namespace. Without a C compiler what needs it is a named gap.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Host } from '../host.ts'
import type { Table } from '../load/traffic.ts'

/** What the program prints: see netlink.c. */
export interface Told {
  /** how long it took */
  readonly ms: number
  /** when it was done, CLOCK_MONOTONIC in ms */
  readonly at: number
  readonly count: number
  /** processor time, of `write` and `dump` */
  readonly cpuMs: number
  /** of `restore`: each time in ms, and how many never came back */
  readonly samples: readonly number[]
  readonly lost: number
}

const OCTETS_PER_PREFIX = 5

/** Why there is no program, where there is none. */
export const NO_COMPILER = 'there is no C compiler here (cc) to make the netlink program with'

/** The time now as the program tells it: CLOCK_MONOTONIC in ms. */
export const monotonic = (): number => Number(process.hrtime.bigint()) / 1e6

/** The compiled program. */
export class NetlinkTool {
  readonly #directory: string
  readonly #program: string
  readonly #host: Host

  private constructor(directory: string, host: Host) {
    this.#directory = directory
    this.#program = join(directory, 'netlink')
    this.#host = host
  }

  /** Compiles it; undefined without a C compiler. Throws where the compiler refuses it. */
  static make(host: Host): NetlinkTool | undefined {
    try {
      execFileSync('cc', ['--version'], { stdio: 'ignore' })
    } catch {
      return undefined
    }
    const tool = new NetlinkTool(mkdtempSync(join(tmpdir(), 'perf-netlink-')), host)
    const source = join(import.meta.dirname, 'netlink.c')
    execFileSync('cc', ['-O2', '-o', tool.#program, source])
    return tool
  }

  /** Writes the prefixes of `table` from `from` on, every `step`th, for the program to read. */
  prefixes(table: Table, { step = 1, from = 0 } = {}): string {
    const count = Math.ceil((table.numbers.length - from) / step)
    const octets = new Uint8Array(count * OCTETS_PER_PREFIX)
    for (let at = 0; at < count; at++) {
      const number = table.numbers[from + at * step] ?? 0
      const length = table.lengths[from + at * step] ?? 0
      octets.set([length, number >>> 16, number >>> 8, number, 0], at * OCTETS_PER_PREFIX)
    }
    const path = join(this.#directory, `prefixes-${table.numbers.length}-${from}-${step}`)
    writeFileSync(path, octets)
    return path
  }

  /** Runs it in the daemon's namespace. Rejects with what it says when it fails. */
  async run(...words: readonly string[]): Promise<Told> {
    return JSON.parse(await this.#host.execute([this.#program, ...words]))
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
