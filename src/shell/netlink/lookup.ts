import type { Address } from '../../core/net/index.ts'
import {
  decodeAnswer,
  decodeRoute,
  ENOBUFS,
  emptyRoute,
  encodeLookup,
  type Found,
  foundIn,
  LOOKUP_OCTETS_MAX,
  MessageReader,
  NativeWriter,
  NLMSG_ERROR,
  notFound,
  RTM_NEWROUTE,
} from '../../core/rtnl/index.ts'
import { PosixError } from '../posix/index.ts'
import type { NetlinkSocket } from './socket.ts'

/** Asks the kernel where packets would go. */

/** Questions in one send: all their answers fit the socket's buffer. */
const QUESTIONS_PER_SEND = 64

/** Octets of one answer: a route with some thousand next hops. */
const ANSWER_OCTETS_MAX = 65_536

/**
 * Questions and answers on a socket of their own. The kernel answers before a send returns, some
 * microseconds a question, so nothing waits.
 */
export class Lookup {
  readonly #socket: NetlinkSocket
  readonly #found: (address: Address, found: Found) => void
  readonly #writer = new NativeWriter(QUESTIONS_PER_SEND * LOOKUP_OCTETS_MAX)
  readonly #reader = new MessageReader()
  readonly #route = emptyRoute()
  readonly #answer = new Uint8Array(ANSWER_OCTETS_MAX)
  #sequence = 0
  #closed = false

  constructor(socket: NetlinkSocket, found: (address: Address, found: Found) => void) {
    this.#socket = socket
    this.#found = found
  }

  /** Asks for all of `addresses`. `found` is called for each, in order, after this has returned. */
  ask(addresses: readonly Address[]): void {
    const answers: Found[] = []
    for (let at = 0; at < addresses.length; at += QUESTIONS_PER_SEND)
      answers.push(...this.#askSome(addresses.slice(at, at + QUESTIONS_PER_SEND)))
    queueMicrotask(() => {
      if (this.#closed) return
      for (const [at, answer] of answers.entries()) this.#found(addresses[at]!, answer)
    })
  }

  close(): void {
    this.#closed = true
    this.#socket.socket.close()
  }

  #askSome(addresses: readonly Address[]): Found[] {
    const first = this.#sequence
    this.#sequence += addresses.length
    this.#writer.reset()
    for (const [at, address] of addresses.entries())
      encodeLookup(this.#writer, address, (first + at) >>> 0)
    // what has no answer could not be asked
    const answers = addresses.map(() => notFound(ENOBUFS))
    try {
      this.#socket.socket.sendNow(this.#writer.bytes())
      for (;;) {
        const length = this.#socket.socket.receive(this.#answer)
        if (length < 0) return answers
        this.#reader.open(this.#answer, length)
        while (this.#reader.next()) {
          const at = (this.#reader.sequence - first) >>> 0
          const found = this.#read()
          if (at < answers.length && found !== undefined) answers[at] = found
        }
      }
    } catch (error) {
      if (!(error instanceof PosixError)) throw error
      return answers
    }
  }

  #read(): Found | undefined {
    const reader = this.#reader
    if (reader.type === NLMSG_ERROR) return notFound(decodeAnswer(reader).errno)
    if (reader.type !== RTM_NEWROUTE || !decodeRoute(reader, this.#route)) return undefined
    return foundIn(this.#route)
  }
}
