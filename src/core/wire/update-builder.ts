import { invariant, Writer } from '../base/index.ts'
import type { Family } from '../net/index.ts'
import { writeAttribute } from './attributes/encode.ts'
import { MP_REACH_NLRI } from './attributes/mp-reach.ts'
import { MP_UNREACH_NLRI } from './attributes/mp-unreach.ts'
import { afiSafiOf, PATH_IDENTIFIER_OCTETS } from './families.ts'
import { HEADER_OCTETS, newMessage } from './framer.ts'
import { MESSAGE_TYPES } from './iana.ts'

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
 * Prefixes are gathered in one buffer of a message's size. Messages are pieces of buffers of 64
 * KiB, because a buffer for each would cost more than all the rest; one that is kept keeps its
 * neighbours.
 */
export class UpdateBuilder {
  readonly #nlri: Uint8Array
  readonly #messageMax: number
  /** octets before each prefix */
  readonly #identifier: number
  readonly #body: Writer
  #pool: Uint8Array = NOTHING
  #pooled = 0
  #mode: 'announce' | 'withdraw' = 'withdraw'
  /** prefixes go into MP_REACH_NLRI or MP_UNREACH_NLRI */
  #multiprotocol = false
  #family: Family = 'ipv4'
  #attributes: Uint8Array = NOTHING
  #nextHop: Uint8Array = NOTHING
  /** octets of NLRI that fit */
  #room = 0
  #used = 0
  #count = 0

  /**
   * @param messageMax  octets of a message with its header, as negotiated
   * @param addPath     prefixes have path identifiers
   */
  constructor(messageMax: number, addPath = false) {
    this.#messageMax = messageMax
    this.#identifier = addPath ? PATH_IDENTIFIER_OCTETS : 0
    this.#nlri = new Uint8Array(messageMax)
    this.#body = new Writer(messageMax - HEADER_OCTETS)
  }

  /** Prefixes added since the last `announce`, `withdraw` or `finish`. */
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
    this.#begin('announce', family, family === 'ipv6' || nextHop.length > 0)
    this.#attributes = attributes
    this.#nextHop = nextHop
    this.#room = this.#messageMax - FIXED_OCTETS - attributes.length
    if (this.#multiprotocol) this.#room -= MP_OCTETS + 2 + nextHop.length
    return this.#room > this.#identifier
  }

  /** Begins withdrawals. */
  withdraw(family: Family): void {
    this.#begin('withdraw', family, family === 'ipv6')
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
    let at = this.#used
    if (at + this.#identifier + 1 + octets > this.#room) return false
    const nlri = this.#nlri
    if (this.#identifier !== 0) {
      nlri[at++] = path >>> 24
      nlri[at++] = path >>> 16
      nlri[at++] = path >>> 8
      nlri[at++] = path
    }
    nlri[at++] = length
    for (let index = 0; index < octets; index++) nlri[at++] = bytes[offset + index]!
    if ((length & 7) !== 0) nlri[at - 1] = nlri[at - 1]! & (0xff00 >>> (length & 7))
    this.#used = at
    this.#count++
    return true
  }

  /**
   * The message, for the caller to keep. The builder is empty then and goes on with the same
   * attributes, so that `add` fills the next message. At least one prefix must have been added.
   */
  finish(): Uint8Array {
    invariant(this.#count > 0, 'an UPDATE is built of at least one prefix')
    const body = this.#body
    const nlri = this.#nlri.subarray(0, this.#used)
    body.reset()
    if (this.#multiprotocol) this.#writeMultiprotocol(body, nlri)
    else this.#writeClassic(body, nlri)
    this.#used = 0
    this.#count = 0
    invariant(!body.overflow, 'what `add` let in fits the message')
    return this.#message(body)
  }

  /** A piece of the pool with a header and `body`. The pool is all ones, as a marker must be. */
  #message(body: Writer): Uint8Array {
    const octets = HEADER_OCTETS + body.length
    if (this.#pooled + octets > this.#pool.length) {
      this.#pool = new Uint8Array(Math.max(POOL_OCTETS, octets)).fill(0xff)
      this.#pooled = 0
    }
    const message = this.#pool.subarray(this.#pooled, this.#pooled + octets)
    this.#pooled += octets
    message[16] = octets >>> 8
    message[17] = octets
    message[18] = MESSAGE_TYPES.UPDATE
    message.set(body.bytes(), HEADER_OCTETS)
    return message
  }

  #begin(mode: 'announce' | 'withdraw', family: Family, multiprotocol: boolean): void {
    this.#mode = mode
    this.#multiprotocol = multiprotocol
    this.#family = family
    this.#used = 0
    this.#count = 0
  }

  #writeClassic(body: Writer, nlri: Uint8Array): void {
    if (this.#mode === 'withdraw') {
      body.u16(nlri.length)
      body.put(nlri)
      body.u16(0)
      return
    }
    body.u16(0)
    body.u16(this.#attributes.length)
    body.put(this.#attributes)
    body.put(nlri)
  }

  #writeMultiprotocol(body: Writer, nlri: Uint8Array): void {
    const { afi, safi } = afiSafiOf(this.#family)
    body.u16(0)
    body.counted16(() => {
      if (this.#mode === 'withdraw') writeUnreach(body, afi, safi, nlri)
      else {
        const reach = { afi, safi, nextHop: this.#nextHop, nlri }
        writeAttribute(MP_REACH_NLRI.flags, MP_REACH_NLRI.code, body, () =>
          MP_REACH_NLRI.encode(reach, body, FOUR_OCTET),
        )
        body.put(this.#attributes)
      }
    })
  }
}

const NOTHING = new Uint8Array(0)

/** Header, and the two length fields of an UPDATE. */
const FIXED_OCTETS = HEADER_OCTETS + 4

/** Octets from which messages are cut. */
const POOL_OCTETS = 65536

/** An attribute's header with a length of two octets, AFI, SAFI. */
const MP_OCTETS = 4 + 3

/** MP_REACH_NLRI is the same whatever the width of AS numbers. */
const FOUR_OCTET = { fourOctetAs: true }

function writeUnreach(body: Writer, afi: number, safi: number, nlri: Uint8Array): void {
  writeAttribute(MP_UNREACH_NLRI.flags, MP_UNREACH_NLRI.code, body, () =>
    MP_UNREACH_NLRI.encode({ afi, safi, nlri }, body, FOUR_OCTET),
  )
}

/** End-of-RIB: the first table is said, whole. RFC 4724 §2 */
export function endOfRib(family: Family): Uint8Array {
  const body = new Writer(16)
  const { afi, safi } = afiSafiOf(family)
  body.u16(0)
  body.counted16(() => {
    if (family !== 'ipv4') writeUnreach(body, afi, safi, NOTHING)
  })
  const message = newMessage(MESSAGE_TYPES.UPDATE, HEADER_OCTETS + body.length)
  message.set(body.bytes(), HEADER_OCTETS)
  return message
}
