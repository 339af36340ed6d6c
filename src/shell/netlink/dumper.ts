import {
  decodeAnswer,
  ENOENT,
  encodeLinkDump,
  encodeObjectDump,
  encodeRouteDump,
  errnoText,
  MessageReader,
  NativeWriter,
  NLM_F_DUMP_INTR,
  NLMSG_DONE,
  NLMSG_ERROR,
} from '../../core/rtnl/index.ts'
import { PosixError } from '../posix/index.ts'
import type { KernelReader } from './reader.ts'
import type { NetlinkSocket } from './socket.ts'

/** Reads whole tables of the kernel, in slices between which the process breathes. */

/** Octets of one part of a dump: the kernel fills up to 32 kB where the reader offers that. */
const PART_OCTETS_MAX = 65_536

/** Parts in one slice: some 16 × 400 routes, a few milliseconds. */
const PARTS_PER_SLICE = 16

/** A dump that says nothing for so long has failed. */
const SILENCE_MS = 5_000

/** How a dump ended. */
export interface DumpResult {
  readonly complete: boolean
  readonly why?: string
}

const STAGES = ['links', 'objects', 'ipv4', 'ipv6'] as const

const EOPNOTSUPP = 95
const EAFNOSUPPORT = 97
const EMPTY: ReadonlySet<number> = new Set([ENOENT, EOPNOTSUPP, EAFNOSUPPORT])

/**
 * Dumps links, nexthop objects, IPv4 routes and IPv6 routes of one table, on a socket of its own.
 * The kernel makes the next part when the last one is taken, so a reader that pauses holds nothing
 * up.
 */
export class Dumper {
  /** the kernel has nexthop objects, as far as the last dump knows */
  objects = false
  readonly #socket: NetlinkSocket
  readonly #table: number
  readonly #reader: KernelReader
  readonly #messages = new MessageReader()
  readonly #part = new Uint8Array(PART_OCTETS_MAX)
  #sequence = 0
  #interrupted = false
  #closed = false

  constructor(socket: NetlinkSocket, table: number, reader: KernelReader) {
    this.#socket = socket
    this.#table = table
    this.#reader = reader
  }

  /** Runs dump number `dump`; one at a time. Never rejects: a failure is a result. */
  async run(dump: number): Promise<DumpResult | undefined> {
    this.#interrupted = false
    // nothing is told before the call that asked has returned: a port does not call back
    await undefined
    try {
      for (const stage of STAGES) {
        const errno = await this.#stage(stage, dump)
        if (errno === undefined || this.#closed) return undefined
        if (stage === 'objects') this.objects = errno !== EOPNOTSUPP
        // a table that nobody has used yet, a family or a kind that this kernel lacks: empty
        if (errno !== 0 && !EMPTY.has(errno))
          return { complete: false, why: `${stage}: ${errnoText(errno)}` }
      }
    } catch (error) {
      if (!(error instanceof PosixError)) throw error
      return this.#closed ? undefined : { complete: false, why: error.message }
    }
    if (this.#interrupted) return { complete: false, why: 'the table changed meanwhile' }
    return { complete: true }
  }

  close(): void {
    this.#closed = true
    this.#socket.socket.close()
  }

  /** The errno of one table, 0 when it was read; undefined when closed. */
  async #stage(stage: (typeof STAGES)[number], dump: number): Promise<number | undefined> {
    const request = new NativeWriter(64)
    const sequence = ++this.#sequence
    if (stage === 'links') encodeLinkDump(request, sequence)
    else if (stage === 'objects') encodeObjectDump(request, sequence)
    else encodeRouteDump(request, stage, this.#table, sequence)
    this.#socket.socket.sendNow(request.bytes())
    let silentSince = performance.now()
    while (!this.#closed) {
      for (let part = 0; part < PARTS_PER_SLICE; part++) {
        const length = this.#socket.socket.receive(this.#part)
        if (length < 0) break
        silentSince = performance.now()
        const errno = this.#take(length, sequence, dump)
        if (errno !== undefined) return errno
      }
      if (performance.now() - silentSince > SILENCE_MS) return 110
      await new Promise<void>(resolve => {
        setImmediate(resolve)
      })
    }
    return undefined
  }

  /** Takes one part; the errno when it was the last. */
  #take(length: number, sequence: number, dump: number): number | undefined {
    const messages = this.#messages
    messages.open(this.#part, length)
    while (messages.next()) {
      // the rest of a dump that was given up
      if (messages.sequence !== sequence) continue
      if ((messages.flags & NLM_F_DUMP_INTR) !== 0) this.#interrupted = true
      if (messages.type === NLMSG_DONE || messages.type === NLMSG_ERROR) {
        return decodeAnswer(messages).errno
      }
      this.#reader.read(messages, dump)
    }
    if (messages.broken) this.#interrupted = true
    return undefined
  }
}
