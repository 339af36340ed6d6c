import { invariant } from '../base/index.ts'
import { MESSAGE_MAX, resetFault } from './fault.ts'
import { ERROR_CODES, HEADER_ERROR, MESSAGE_TYPES } from './iana.ts'
import type { Fault } from './message.ts'

/**
 * The header that every message has, read and written.
 *
 *   octets 0..15   marker, all ones
 *   octets 16..17  length of the message, header included
 *   octet  18      type
 */

/** Octets of a message header. RFC 4271 §4.1 */
export const HEADER_OCTETS = 19

/** Fewest octets of a message of each type, header included. RFC 4271 §6.1, RFC 2918 §3 */
const OCTETS_MIN: Readonly<Record<number, number>> = {
  [MESSAGE_TYPES.OPEN]: 29,
  [MESSAGE_TYPES.UPDATE]: 23,
  [MESSAGE_TYPES.NOTIFICATION]: 21,
  [MESSAGE_TYPES.KEEPALIVE]: 19,
  [MESSAGE_TYPES.ROUTE_REFRESH]: 23,
}

/**
 * Splits a byte stream into BGP messages.
 *
 * RFC 4271 §4.1 and §6.1; RFC 8654 for a larger limit. Keeps at most one partial message, in space
 * for the usual limit until one needs `messageMax`. O(bytes); copies only messages that span
 * chunks.
 */
export class Framer {
  /** Longest message that is taken, in octets with the header. May be raised at any time. */
  messageMax: number
  #partial: Uint8Array | undefined
  #held = 0
  #stopped = false

  constructor(messageMax: number = MESSAGE_MAX) {
    this.messageMax = messageMax
  }

  /**
   * Takes bytes as TCP gave them, in any split.
   *
   * @param chunk  not kept: what must wait is copied
   * @param sink   called for each whole message with its type and body (after the header); the view
   *   is valid during the call only. Returns false to stop for good, when the connection is gone
   * @returns a fault of the header with its NOTIFICATION, after which nothing is decoded any more
   */
  push(chunk: Uint8Array, sink: (type: number, body: Uint8Array) => boolean): Fault | undefined {
    let at = 0
    while (!this.#stopped && at < chunk.length) {
      if (this.#held > 0) {
        at = this.#fill(chunk, at)
        const fault = this.#drain(sink)
        if (fault !== undefined) return fault
        continue
      }
      const left = chunk.length - at
      if (left < HEADER_OCTETS) return this.#keep(chunk, at)
      const fault = headerFault(chunk, at, this.messageMax)
      if (fault !== undefined) return this.#stop(fault)
      const length = lengthAt(chunk, at)
      if (left < length) return this.#keep(chunk, at)
      const end = at + length
      if (!sink(chunk[at + 18]!, chunk.subarray(at + HEADER_OCTETS, end))) this.#stopped = true
      at = end
    }
    return undefined
  }

  #keep(chunk: Uint8Array, at: number): undefined {
    const left = chunk.length - at
    this.#space(left).set(chunk.subarray(at))
    this.#held = left
    return undefined
  }

  /** Adds to the partial message what it lacks; returns where the chunk goes on. */
  #fill(chunk: Uint8Array, at: number): number {
    const held = this.#space(HEADER_OCTETS)
    const wanted = this.#held < HEADER_OCTETS ? HEADER_OCTETS : lengthAt(held, 0)
    const end = Math.min(chunk.length, at + wanted - this.#held)
    this.#space(wanted).set(chunk.subarray(at, end), this.#held)
    this.#held += end - at
    return end
  }

  /**
   * Checks the partial message's header once it is whole, and hands the message over once it is.
   */
  #drain(sink: (type: number, body: Uint8Array) => boolean): Fault | undefined {
    if (this.#held < HEADER_OCTETS) return undefined
    const partial = this.#space(this.#held)
    const fault = headerFault(partial, 0, this.messageMax)
    if (fault !== undefined) return this.#stop(fault)
    const length = lengthAt(partial, 0)
    if (this.#held < length) return undefined
    this.#held = 0
    if (!sink(partial[18]!, partial.subarray(HEADER_OCTETS, length))) this.#stopped = true
    return undefined
  }

  #stop(fault: Fault): Fault {
    this.#stopped = true
    return fault
  }

  /** Room for a partial message of `octets`, with what is held of it. */
  #space(octets: number): Uint8Array {
    if (this.#partial !== undefined && this.#partial.length >= octets) return this.#partial
    const space = new Uint8Array(octets <= MESSAGE_MAX ? MESSAGE_MAX : this.messageMax)
    if (this.#partial !== undefined) space.set(this.#partial.subarray(0, this.#held))
    this.#partial = space
    return space
  }
}

function lengthAt(bytes: Uint8Array, at: number): number {
  return (bytes[at + 16]! << 8) | bytes[at + 17]!
}

/** RFC 4271 §6.1: marker, length, type, in the order of the header. */
function headerFault(bytes: Uint8Array, at: number, messageMax: number): Fault | undefined {
  for (let octet = at; octet < at + 16; octet++)
    if (bytes[octet] !== 0xff)
      return resetFault(
        ERROR_CODES.MESSAGE_HEADER,
        HEADER_ERROR.CONNECTION_NOT_SYNCHRONIZED,
        'the marker of a message header is not all ones',
      )
  const length = lengthAt(bytes, at)
  const type = bytes[at + 18]!
  // RFC 8654 §4: "all messages except for OPEN and KEEPALIVE messages" may be longer
  const most = type === MESSAGE_TYPES.OPEN ? MESSAGE_MAX : messageMax
  if (length < HEADER_OCTETS || length > most) return lengthFault(bytes, at, type)
  const least = OCTETS_MIN[type]
  if (least === undefined)
    return resetFault(
      ERROR_CODES.MESSAGE_HEADER,
      HEADER_ERROR.BAD_MESSAGE_TYPE,
      `message type ${type} is not known`,
      bytes.subarray(at + 18, at + 19),
    )
  if (length < least || (type === MESSAGE_TYPES.KEEPALIVE && length !== least))
    return lengthFault(bytes, at, type)
  return undefined
}

/** "The Data field MUST contain the erroneous Length field." RFC 4271 §6.1 */
function lengthFault(bytes: Uint8Array, at: number, type: number): Fault {
  return resetFault(
    ERROR_CODES.MESSAGE_HEADER,
    HEADER_ERROR.BAD_MESSAGE_LENGTH,
    `a message of type ${type} cannot be ${lengthAt(bytes, at)} octets long`,
    bytes.subarray(at + 16, at + 18),
  )
}

/** A message of `octets` in all, its header written; the body is the caller's to fill. */
export function newMessage(type: number, octets: number): Uint8Array {
  invariant(octets >= HEADER_OCTETS && octets <= 0xffff, 'a message length is two octets')
  const message = new Uint8Array(octets)
  message.fill(0xff, 0, 16)
  message[16] = octets >>> 8
  message[17] = octets
  message[18] = type
  return message
}

/** A whole message of `type` with `body`, copied. */
export function withHeader(type: number, body: Uint8Array): Uint8Array {
  const message = newMessage(type, HEADER_OCTETS + body.length)
  message.set(body, HEADER_OCTETS)
  return message
}

/** A KEEPALIVE: the header and nothing else. RFC 4271 §4.4 */
export function encodeKeepalive(): Uint8Array {
  return newMessage(MESSAGE_TYPES.KEEPALIVE, HEADER_OCTETS)
}
