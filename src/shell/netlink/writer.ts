import type { ObjectChange, Refusal, RouteChange } from '../../core/dataplane/index.ts'
import {
  decodeAnswer,
  ENOBUFS,
  encodeObject,
  encodeRoute,
  MEMBER_OCTETS,
  MessageReader,
  NativeWriter,
  NLMSG_ERROR,
  OBJECT_OCTETS_MAX,
  ROUTE_OCTETS_MAX,
  type RouteRequest,
  requestAnswer,
  TargetEncoder,
} from '../../core/rtnl/index.ts'
import { PosixError } from '../posix/index.ts'
import type { NetlinkSocket } from './socket.ts'

/**
 * Batches of changes of routes and nexthop objects: many messages in one send, results matched by
 * sequence number.
 */

/** Octets of one send. The kernel takes a socket's send buffer at most, some 200 kB. */
const SEND_OCTETS_MAX = 131_072

/** Octets of one answer: a header, an errno, the request's header, a sentence. */
const ANSWER_OCTETS_MAX = 16_384

/** Where routes are written, and what they all have. */
export interface WriterOptions {
  readonly table: number
  readonly protocol: number
  /** the results of a batch, in its order */
  readonly written: (batch: number, refusals: readonly Refusal[]) => void
}

/**
 * Writes batches, one at a time, on a thread of the runtime's pool: the kernel may take hundreds of
 * milliseconds for one send while its trie grows.
 *
 * Only the last message of a send asks for an answer. The kernel does a send in order and answers
 * before it returns, so when that answer is here, what was not refused is done.
 */
export class RouteWriter {
  readonly #socket: NetlinkSocket
  readonly #options: WriterOptions
  readonly #encoder = new TargetEncoder()
  readonly #reader = new MessageReader()
  readonly #answer = new Uint8Array(ANSWER_OCTETS_MAX)
  readonly #request: RouteRequest
  readonly #slot: { table: number; protocol: number; metric: number }
  #writer = new NativeWriter(SEND_OCTETS_MAX)
  /** where each message of the batch begins, and where the last one ends */
  #starts: number[] = [0]
  #sequence = 1
  #refusals: Refusal[] = []
  #sending = false
  #closed = false

  constructor(socket: NetlinkSocket, options: WriterOptions) {
    this.#socket = socket
    this.#options = options
    this.#slot = { table: options.table, protocol: options.protocol, metric: 0 }
    this.#request = {
      verb: 'add',
      sequence: 0,
      family: 'ipv4',
      bytes: new Uint8Array(0),
      offset: 0,
      length: 0,
    }
  }

  /** Adds one change to the batch. O(octets). */
  add(change: RouteChange): void {
    const request = this.#request
    request.verb = change.verb
    request.sequence = this.#nextSequence
    request.family = change.family
    request.bytes = change.bytes
    request.offset = change.offset
    request.length = change.length
    this.#slot.metric = change.metric
    const any = change.verb === 'delete' && change.target.id === undefined
    const target = any ? undefined : this.#encoder.encode(change.family, change.target)
    this.#reserve(ROUTE_OCTETS_MAX + (target?.attributes.length ?? 0))
    encodeRoute(this.#writer, request, this.#slot, target)
    this.#starts.push(this.#writer.length)
  }

  /** Adds one change of a nexthop object to the batch. O(octets). */
  addObject(change: ObjectChange): void {
    const { verb, object } = change
    const members = object.kind === 'group' ? object.members.length : 0
    this.#reserve(OBJECT_OCTETS_MAX + MEMBER_OCTETS * members)
    encodeObject(this.#writer, verb, this.#nextSequence, this.#slot.protocol, change)
    this.#starts.push(this.#writer.length)
  }

  /** Sends the batch. `written` is called once, later. */
  commit(batch: number): void {
    this.#refusals = []
    this.#sending = true
    this.#sendFrom(0, batch)
  }

  /** Stops: `written` is not called any more. The socket is closed when no send is going. */
  close(): void {
    this.#closed = true
    if (!this.#sending) this.#socket.socket.close()
  }

  get #nextSequence(): number {
    return (this.#sequence + this.#starts.length - 1) >>> 0
  }

  /** Sends the messages from number `first` on, as many as one send takes. */
  #sendFrom(first: number, batch: number): void {
    const starts = this.#starts
    const count = starts.length - 1
    const from = starts[first]!
    let end = first + 1
    while (end < count && starts[end + 1]! - from <= SEND_OCTETS_MAX) end++
    const { buffer } = this.#writer
    requestAnswer(buffer, starts[end - 1]!)
    this.#socket.socket.send(buffer.subarray(from, starts[end]!), sent => {
      if (this.#closed) {
        this.#socket.socket.close()
        return
      }
      if (sent < 0) this.#refuse(first, end, -sent)
      else this.#collect(first, end)
      if (end < count) this.#sendFrom(end, batch)
      else this.#finish(count, batch)
    })
  }

  #finish(count: number, batch: number): void {
    this.#sending = false
    this.#sequence = (this.#sequence + count) >>> 0
    this.#starts = [0]
    this.#writer.reset()
    this.#options.written(batch, this.#refusals)
  }

  /** Reads the answers to the messages from `first` to before `end`. */
  #collect(first: number, end: number): void {
    const reader = this.#reader
    try {
      for (;;) {
        const length = this.#socket.socket.receive(this.#answer)
        // all answers are here when the send returns: one that is missing was lost
        if (length < 0) break
        reader.open(this.#answer, length)
        while (reader.next()) {
          const index = (reader.sequence - this.#sequence) >>> 0
          if (reader.type !== NLMSG_ERROR || index < first || index >= end) continue
          const answer = decodeAnswer(reader)
          if (answer.errno !== 0) this.#refusals.push({ at: index, ...answer })
          if (index === end - 1) return
        }
      }
    } catch (error) {
      if (!(error instanceof PosixError)) throw error
    }
    this.#refusals = this.#refusals.filter(refusal => refusal.at < first)
    this.#refuse(first, end, ENOBUFS)
  }

  #refuse(first: number, end: number, errno: number): void {
    for (let at = first; at < end; at++) this.#refusals.push({ at, errno })
  }

  #reserve(octets: number): void {
    if (this.#writer.room >= octets) return
    const grown = new NativeWriter(2 * this.#writer.buffer.length + octets)
    grown.put(this.#writer.bytes())
    this.#writer = grown
  }
}
