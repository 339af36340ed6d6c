import { align4, type NativeWriter, s32At, u16At, u32At } from './native.ts'
import {
  NLM_F_ACK,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLMSG_DONE,
  NLMSGERR_ATTR_MSG,
} from './numbers.ts'

/**
 * Netlink's framing: a datagram holds messages, a message holds attributes.
 *
 *   message     length 4 | type 2 | flags 2 | sequence 4 | port 4 | payload, padded to 4
 *   attribute   length 2 | type 2 | payload, padded to 4; the length counts its own header
 */

/** Octets of a message's header. */
export const HEADER_OCTETS = 16

/**
 * Walks the messages of a datagram, and then the attributes of one.
 *
 * A length that leaves its container ends the walk: `broken` says so. The kernel does not send
 * that, so whoever meets it reads again from nothing. O(1) a step; nothing is copied.
 */
export class MessageReader {
  bytes: Uint8Array = new Uint8Array(0)
  type = 0
  flags = 0
  sequence = 0
  /** netlink port of the socket whose request made the kernel send this; 0: the kernel itself */
  port = 0
  /** the payload is from `start` to `end` */
  start = 0
  end = 0
  broken = false
  #next = 0
  #limit = 0

  /** Starts over with the first `length` bytes of `bytes`. */
  open(bytes: Uint8Array, length: number): void {
    this.bytes = bytes
    this.#next = 0
    this.#limit = length
    this.broken = false
  }

  /** Goes to the next message; false at the end. */
  next(): boolean {
    const at = this.#next
    if (at >= this.#limit) return false
    const length = at + HEADER_OCTETS <= this.#limit ? u32At(this.bytes, at) : 0
    if (length < HEADER_OCTETS || at + length > this.#limit) {
      this.broken = true
      this.#next = this.#limit
      return false
    }
    this.type = u16At(this.bytes, at + 4)
    this.flags = u16At(this.bytes, at + 6)
    this.sequence = u32At(this.bytes, at + 8)
    this.port = u32At(this.bytes, at + 12)
    this.start = at + HEADER_OCTETS
    this.end = at + length
    this.#next = at + align4(length)
    return true
  }
}

/**
 * The end of the attribute at `at` when it lies wholly before `end`, else -1: stop there. Its type
 * is `attributeType`, its payload starts at `at + 4`, and the next one is at `align4` of the
 * answer.
 */
export function attributeEnd(bytes: Uint8Array, at: number, end: number): number {
  if (at + 4 > end) return -1
  const length = u16At(bytes, at)
  return length < 4 || at + length > end ? -1 : at + length
}

/** The type of the attribute at `at`, without the flags for nesting and byte order. */
export const attributeType = (bytes: Uint8Array, at: number): number =>
  u16At(bytes, at + 2) & 0x3fff

/**
 * Begins a message and answers where it began, for `endMessage`. The port is 0: the kernel fills it
 * in.
 */
export function beginMessage(
  to: NativeWriter,
  type: number,
  flags: number,
  sequence: number,
): number {
  const at = to.length
  to.u32(0)
  to.u16(type)
  to.u16(flags)
  to.u32(sequence)
  to.u32(0)
  return at
}

/** Ends the message that began at `at`. */
export function endMessage(to: NativeWriter, at: number): void {
  to.close32(at)
  to.pad()
}

/**
 * Asks for an answer to the message at `at` even where it succeeds: done before it, all before it
 * are done.
 */
export function requestAnswer(bytes: Uint8Array, at: number): void {
  bytes[at + 6]! |= NLM_F_ACK
}

/** What the kernel says to a request: errno 0 is an acknowledgement or the end of a dump. */
export interface Answer {
  readonly errno: number
  /** the kernel's own sentence (extended acknowledgement), where it has one */
  readonly text?: string
}

/** Reads NLMSG_ERROR (an acknowledgement too) or NLMSG_DONE, at which `from` stands. */
export function decodeAnswer(from: MessageReader): Answer {
  const { bytes, start, end, flags, type } = from
  if (start + 4 > end) return { errno: 0 }
  const errno = 0 - s32At(bytes, start)
  if ((flags & NLM_F_ACK_TLVS) === 0) return { errno }
  // an error echoes the request's header, and its payload unless capped
  const echoed = (flags & NLM_F_CAPPED) === 0 ? u32At(bytes, start + 4) : HEADER_OCTETS
  let at = start + 4 + (type === NLMSG_DONE ? 0 : align4(echoed))
  for (;;) {
    const stop = attributeEnd(bytes, at, end)
    if (stop < 0) return { errno }
    if (attributeType(bytes, at) === NLMSGERR_ATTR_MSG)
      return { errno, text: decodeText(bytes, at + 4, stop) }
    at = align4(stop)
  }
}

/** ASCII text of an attribute, up to its NUL. */
export function decodeText(bytes: Uint8Array, start: number, end: number): string {
  let text = ''
  for (let at = start; at < end && bytes[at] !== 0; at++) text += String.fromCharCode(bytes[at]!)
  return text
}
