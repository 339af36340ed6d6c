import { invariant, Writer } from '../base/index.ts'
import type { Family, PrefixId, PrefixTable } from '../net/index.ts'
import { writeAttribute } from './attributes/encode.ts'
import { MP_REACH_NLRI } from './attributes/mp-reach.ts'
import { MP_UNREACH_NLRI } from './attributes/mp-unreach.ts'
import { afiSafiOf, PATH_IDENTIFIER_OCTETS } from './families.ts'
import { HEADER_OCTETS, newMessage } from './framer.ts'
import { FLAG, MESSAGE_TYPES } from './iana.ts'

/**
 * Packs prefixes that share attributes, or that are withdrawn, into UPDATE messages, one at a time.
 *
 *   IPv4   withdrawn routes, or attributes and NLRI, in the fields of RFC 4271 §4.3
 *   IPv6   MP_UNREACH_NLRI alone, or MP_REACH_NLRI first (RFC 7606 §5.1) and the other attributes
 *
 * IPv4 with an IPv6 next hop is announced as IPv6 is, and withdrawn as IPv4 is: RFC 8950 §3. Where
 * several paths of a prefix are sent, each prefix follows its path identifier, four octets, in all
 * of these: RFC 7911 §3.
 *
 * Messages are written where they stay, in buffers of 64 KiB, one behind the other: a buffer, or
 * only a view, for each would cost more than all the rest. One piece that is kept keeps its
 * neighbours.
 *
 *   header | withdrawn routes' length | attributes' length | attributes | NLRI         IPv4
 *   header | 0 | attributes' length | MP_REACH_NLRI: ..., NLRI | attributes            IPv6
 *
 * MP_REACH_NLRI comes first (RFC 7606 §5.1), so attributes follow the NLRI there when it is known.
 */
export class UpdateBuilder {
  readonly #messageMax: number
  /** octets before each prefix */
  readonly #identifier: number
  #pool: Uint8Array = NOTHING
  /** in the pool: what is not handed out begins, the message that is being written, and its end */
  #start = 0
  #message = 0
  #at = 0
  /** where its NLRI begins, and may not go beyond */
  #nlri = 0
  #end = 0
  /** what was finished in pools that are full */
  #pieces: Uint8Array[] = []
  #announces = false
  /** prefixes go into MP_REACH_NLRI or MP_UNREACH_NLRI */
  #multiprotocol = false
  #family: Family = 'ipv4'
  #attributes: Uint8Array = NOTHING
  #nextHop: Uint8Array = NOTHING
  /** octets of NLRI that fit */
  #room = 0
  #count = 0

  /**
   * @param messageMax  octets of a message with its header, as negotiated
   * @param addPath     prefixes have path identifiers
   */
  constructor(messageMax: number, addPath = false) {
    this.#messageMax = messageMax
    this.#identifier = addPath ? PATH_IDENTIFIER_OCTETS : 0
  }

  /** Prefixes added since the last `announce`, `withdraw`, `end` or `finish`. */
  get count(): number {
    return this.#count
  }

  /**
   * Begins announcements.
   *
   * @param attributes  as `encodeAttributes` wrote them; kept until the next call, not copied
   * @param nextHop     of MP_REACH_NLRI: 16 octets, or 32 with a link-local address; none where
   *   `attributes` have NEXT_HOP
   * @returns false where not even the shortest prefix fits beside the attributes
   */
  announce(family: Family, attributes: Uint8Array, nextHop: Uint8Array): boolean {
    this.#announces = true
    this.#multiprotocol = family === 'ipv6' || nextHop.length > 0
    this.#family = family
    this.#count = 0
    this.#attributes = attributes
    this.#nextHop = nextHop
    this.#room = this.#messageMax - FIXED_OCTETS - attributes.length
    if (this.#multiprotocol) this.#room -= MP_OCTETS + 2 + nextHop.length
    return this.#room > this.#identifier
  }

  /** Begins withdrawals. */
  withdraw(family: Family): void {
    this.#announces = false
    this.#multiprotocol = family === 'ipv6'
    this.#family = family
    this.#count = 0
    this.#attributes = NOTHING
    this.#nextHop = NOTHING
    this.#room = this.#messageMax - FIXED_OCTETS
    if (this.#multiprotocol) this.#room -= MP_OCTETS
  }

  /**
   * Adds the prefix of `length` bits at `bytes[offset]`; bits beyond are sent as zero.
   *
   * @param path  its path identifier, where prefixes have one
   * @returns false, with nothing added, when the message is full. False for the first prefix means
   *   that it does not fit beside these attributes at all
   */
  add(bytes: Uint8Array, offset: number, length: number, path = 0): boolean {
    const octets = (length + 7) >>> 3
    if (!this.#begin(1 + octets, path)) return false
    const pool = this.#pool
    let at = this.#at
    pool[at++] = length
    for (let index = 0; index < octets; index++) pool[at++] = bytes[offset + index]!
    if ((length & 7) !== 0) pool[at - 1] = pool[at - 1]! & (0xff00 >>> (length & 7))
    this.#at = at
    return true
  }

  /** The same for the prefix of a row. */
  addRow(prefixes: PrefixTable, row: PrefixId, path: number): boolean {
    if (!this.#begin(prefixes.nlriOctets(row), path)) return false
    this.#at += prefixes.writeNlri(row, this.#pool, this.#at)
    return true
  }

  /** Makes sure of room for `octets`, and writes what is before them. */
  #begin(octets: number, path: number): boolean {
    const needed = this.#identifier + octets
    if (this.#count === 0) {
      if (needed > this.#room) return false
      this.#open()
    }
    if (this.#at + needed > this.#end) return false
    this.#count++
    if (this.#identifier === 0) return true
    const pool = this.#pool
    pool[this.#at++] = path >>> 24
    pool[this.#at++] = path >>> 16
    pool[this.#at++] = path >>> 8
    pool[this.#at++] = path
    return true
  }

  /**
   * Ends a message, which waits for `take`. The builder goes on with the same attributes, so that
   * `add` fills the next message. At least one prefix must have been added.
   */
  end(): void {
    invariant(this.#count > 0, 'an UPDATE is built of at least one prefix')
    const pool = this.#pool
    if (this.#multiprotocol) this.#closeMultiprotocol(pool)
    else if (!this.#announces) {
      this.#word(this.#message + HEADER_OCTETS, this.#at - this.#nlri)
      pool[this.#at++] = 0
      pool[this.#at++] = 0
    }
    this.#word(this.#message + 16, this.#at - this.#message)
    invariant(this.#at <= this.#message + this.#messageMax, 'what `add` let in fits the message')
    this.#message = this.#at
    this.#count = 0
  }

  /**
   * Hands out all messages that were ended since the last time, in their order and in as few pieces
   * as there are buffers: for the receiver to keep.
   */
  take(send: (messages: Uint8Array) => void): void {
    for (const piece of this.#pieces) send(piece)
    if (this.#pieces.length > 0) this.#pieces = []
    if (this.#start === this.#message) return
    const piece = this.#pool.subarray(this.#start, this.#message)
    this.#start = this.#message
    send(piece)
  }

  /** Ends a message and hands it out, with those that waited. */
  finish(): Uint8Array {
    this.end()
    const pieces: Uint8Array[] = []
    this.take(piece => pieces.push(piece))
    const [first = NOTHING] = pieces
    invariant(pieces.length === 1, 'a message that is handed out alone is in one piece')
    return first
  }

  /** The part of a message before its NLRI. The pool is all ones, as a marker must be. */
  #open(): void {
    if (this.#message + this.#messageMax > this.#pool.length) this.#renew()
    const pool = this.#pool
    const { length } = this.#attributes
    let at = this.#message + 18
    pool[at++] = MESSAGE_TYPES.UPDATE
    pool[at++] = 0
    pool[at++] = 0
    if (this.#multiprotocol) at = this.#openMultiprotocol(pool, at)
    else if (this.#announces) {
      this.#word(at, length)
      at += 2
      copy(this.#attributes, pool, at)
      at += length
    }
    this.#nlri = at
    this.#at = at
    this.#end = at + this.#room
  }

  /** Up to the NLRI, with lengths that are filled in later. */
  #openMultiprotocol(pool: Uint8Array, from: number): number {
    const { afi, safi } = afiSafiOf(this.#family)
    let at = from + 2
    const { flags, code } = this.#announces ? MP_REACH_NLRI : MP_UNREACH_NLRI
    pool[at++] = flags
    pool[at++] = code
    at++
    this.#word(at, afi)
    at += 2
    pool[at++] = safi
    if (!this.#announces) return at
    const { length } = this.#nextHop
    pool[at++] = length
    copy(this.#nextHop, pool, at)
    at += length
    // reserved
    pool[at++] = 0
    return at
  }

  #closeMultiprotocol(pool: Uint8Array): void {
    const start = this.#message + HEADER_OCTETS + 4
    const octets = this.#at - start - 3
    if (octets <= 0xff) pool[start + 2] = octets
    else {
      pool.copyWithin(start + 4, start + 3, this.#at++)
      pool[start] = pool[start]! | FLAG.EXTENDED_LENGTH
      this.#word(start + 2, octets)
    }
    copy(this.#attributes, pool, this.#at)
    this.#at += this.#attributes.length
    this.#word(start - 2, this.#at - start)
  }

  #renew(): void {
    if (this.#start < this.#message)
      this.#pieces.push(this.#pool.subarray(this.#start, this.#message))
    this.#pool = new Uint8Array(Math.max(POOL_OCTETS, this.#messageMax)).fill(0xff)
    this.#start = 0
    this.#message = 0
  }

  #word(at: number, value: number): void {
    this.#pool[at] = value >>> 8
    this.#pool[at + 1] = value
  }
}

/** From so many octets on the runtime copies faster than a loop does. */
const LONG_OCTETS = 96

function copy(from: Uint8Array, to: Uint8Array, at: number): void {
  const { length } = from
  if (length >= LONG_OCTETS) to.set(from, at)
  else for (let index = 0; index < length; index++) to[at + index] = from[index]!
}

const NOTHING = new Uint8Array(0)

/** Header, and the two length fields of an UPDATE. */
const FIXED_OCTETS = HEADER_OCTETS + 4

/** Octets from which messages are cut. */
const POOL_OCTETS = 65536

/** An attribute's header with a length of two octets, AFI, SAFI. */
const MP_OCTETS = 4 + 3

/** End-of-RIB: the first table is said, whole. RFC 4724 §2 */
export function endOfRib(family: Family): Uint8Array {
  const body = new Writer(16)
  const { afi, safi } = afiSafiOf(family)
  body.u16(0)
  body.counted16(() => {
    if (family === 'ipv4') return
    writeAttribute(MP_UNREACH_NLRI.flags, MP_UNREACH_NLRI.code, body, () => {
      body.u16(afi)
      body.u8(safi)
    })
  })
  const message = newMessage(MESSAGE_TYPES.UPDATE, HEADER_OCTETS + body.length)
  message.set(body.bytes(), HEADER_OCTETS)
  return message
}
