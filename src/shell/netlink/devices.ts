import type { DevicesSeen, Refusal } from '../../core/dataplane/index.ts'
import {
  DEVICE_OCTETS_MAX,
  type DeviceChange,
  decodeAddress,
  decodeAnswer,
  decodeDevice,
  decodeNeighbour,
  ENOBUFS,
  encodeAddressDump,
  encodeDeviceChange,
  encodeLinkDump,
  encodeNeighbourDump,
  errnoText,
  MessageReader,
  NativeWriter,
  NEIGHBOUR_FAMILIES,
  NLM_F_DUMP_INTR,
  NLMSG_DONE,
  NLMSG_ERROR,
  RTM_NEWADDR,
  RTM_NEWLINK,
  RTM_NEWNEIGH,
  requestAnswer,
} from '../../core/rtnl/index.ts'
import { PosixError } from '../posix/index.ts'
import type { NetlinkSocket } from './socket.ts'

/** Links, their addresses and neighbours: read whole, and changed. */

/** Changes in one send: all their answers fit the socket's buffer. */
const CHANGES_PER_SEND = 128

/** Octets of one part of a dump: the kernel fills up to 32 kB where the reader offers that. */
const PART_OCTETS_MAX = 65_536

/** A table that changes while it is read is read again, so often at most. */
const ATTEMPTS_MAX = 3

const EOPNOTSUPP = 95
const EAFNOSUPPORT = 97

/** What was read, or why it was not. */
export type Inspection = { readonly seen: DevicesSeen } | { readonly why: string }

/**
 * Questions and changes on a socket of their own. The kernel answers before a send returns, and
 * makes the next part of a dump when the last one is taken, so nothing waits: some milliseconds for
 * a thousand entries.
 */
export class Devices {
  readonly #socket: NetlinkSocket
  readonly #writer = new NativeWriter(CHANGES_PER_SEND * DEVICE_OCTETS_MAX)
  readonly #messages = new MessageReader()
  readonly #part = new Uint8Array(PART_OCTETS_MAX)
  #sequence = 0

  constructor(socket: NetlinkSocket) {
    this.#socket = socket
  }

  /** Reads all links, addresses and neighbours. Never throws: a failure is a result. */
  inspect(): Inspection {
    try {
      for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        const found = this.#read()
        if (found !== undefined) return found
      }
      return { why: 'the tables changed meanwhile' }
    } catch (error) {
      if (error instanceof PosixError) return { why: error.message }
      throw error
    }
  }

  /** Does the changes in order; answers what the kernel refused. Never throws. */
  configure(changes: readonly DeviceChange[]): Refusal[] {
    const refusals: Refusal[] = []
    for (let at = 0; at < changes.length; at += CHANGES_PER_SEND)
      refusals.push(...this.#send(changes.slice(at, at + CHANGES_PER_SEND), at))
    return refusals
  }

  close(): void {
    this.#socket.socket.close()
  }

  /** Undefined where a table changed meanwhile. */
  #read(): Inspection | undefined {
    const links: DevicesSeen['links'][number][] = []
    const addresses: DevicesSeen['addresses'][number][] = []
    const neighbours: DevicesSeen['neighbours'][number][] = []
    const take = (): void => {
      const from = this.#messages
      if (from.type === RTM_NEWLINK) push(links, decodeDevice(from))
      if (from.type === RTM_NEWADDR) push(addresses, decodeAddress(from))
      if (from.type === RTM_NEWNEIGH) push(neighbours, decodeNeighbour(from))
    }
    const questions: ((to: NativeWriter, sequence: number) => void)[] = [
      encodeLinkDump,
      encodeAddressDump,
      ...NEIGHBOUR_FAMILIES.map(
        family =>
          (to: NativeWriter, sequence: number): void =>
            encodeNeighbourDump(to, family, sequence),
      ),
    ]
    for (const question of questions) {
      const errno = this.#ask(question, take)
      if (errno === undefined) return undefined
      // a family that is off, or a kernel without bridges: empty
      if (errno !== 0 && errno !== EOPNOTSUPP && errno !== EAFNOSUPPORT)
        return { why: errnoText(errno) }
    }
    return { seen: { links, addresses, neighbours } }
  }

  /** The errno of a dump, 0 when all of it was taken; undefined where it is not one state. */
  #ask(
    question: (to: NativeWriter, sequence: number) => void,
    take: () => void,
  ): number | undefined {
    const sequence = ++this.#sequence
    this.#writer.reset()
    question(this.#writer, sequence)
    this.#socket.socket.sendNow(this.#writer.bytes())
    let interrupted = false
    for (;;) {
      const length = this.#socket.socket.receive(this.#part)
      // a dump whose next part is not there was lost
      if (length < 0) return undefined
      const messages = this.#messages
      messages.open(this.#part, length)
      while (messages.next()) {
        if (messages.sequence !== sequence) continue
        interrupted ||= (messages.flags & NLM_F_DUMP_INTR) !== 0
        if (messages.type === NLMSG_DONE || messages.type === NLMSG_ERROR)
          return interrupted ? undefined : decodeAnswer(messages).errno
        take()
      }
    }
  }

  #send(changes: readonly DeviceChange[], first: number): Refusal[] {
    const base = (this.#sequence + 1) >>> 0
    this.#sequence = (this.#sequence + changes.length) >>> 0
    this.#writer.reset()
    for (const [at, change] of changes.entries()) {
      const start = this.#writer.length
      encodeDeviceChange(this.#writer, (base + at) >>> 0, change)
      requestAnswer(this.#writer.buffer, start)
    }
    // what has no answer was not done, or nobody knows
    const answers = changes.map((): Omit<Refusal, 'at'> => ({ errno: ENOBUFS }))
    try {
      this.#socket.socket.sendNow(this.#writer.bytes())
      for (;;) {
        const length = this.#socket.socket.receive(this.#part)
        if (length < 0) break
        const messages = this.#messages
        messages.open(this.#part, length)
        while (messages.next()) {
          const at = (messages.sequence - base) >>> 0
          if (messages.type === NLMSG_ERROR && at < answers.length)
            answers[at] = decodeAnswer(messages)
        }
      }
    } catch (error) {
      if (!(error instanceof PosixError)) throw error
    }
    return answers.flatMap((answer, at) =>
      answer.errno === 0 ? [] : [{ ...answer, at: first + at }],
    )
  }
}

function push<Item>(list: Item[], item: Item | undefined): void {
  if (item !== undefined) list.push(item)
}
