/**
 * What the load generator says: UPDATEs made before the clock starts, in one buffer for each sender.
 *
 * They resemble the internet's table: 62 % of the prefixes are /24, an attribute set has 5.7 prefixes on average, paths
 * have 3 to 6 hops, 70 % of the sets carry communities. IPv6 has the same shape with /48 for /24.
 *
 * Each prefix has a number, its octets 0 to 2 (IPv4) or 1 to 3 (IPv6), and with its length a place of its own, by which
 * a receiver knows it without a table. What is replayed from an MRT file has the file's prefixes and attributes.
 */
import { Prng, Reader, Writer } from '../../../../src/core/base/index.ts'
import {
  type Address,
  type Asn,
  addressBytes,
  type Family,
  toAsn,
} from '../../../../src/core/net/index.ts'
import {
  type AsPathSegment,
  encodeAttributes,
  endOfRib,
  UpdateBuilder,
} from '../../../../src/core/wire/index.ts'

/** Numbers of prefixes are below this. */
const NUMBERS = 1 << 24

/** Places of prefixes are below this. */
export const PLACES = 1 << 25

/**
 * The place of a prefix of up to 24 bits, of its own among all of them: those of one length stand together, behind all
 * that are shorter.
 */
export const placeOf = (number: number, length: number): number =>
  (1 << length) | (number >>> (24 - length))

/** Prefixes are in 11.0.0.0 to 125.255.255.0; the namespaces use 10.0.0.0/8. */
const FIRST_NUMBER = 11 << 16
const LAST_NUMBER = 126 << 16

/** The number of the prefix that sender `index` announces last: who has that has read all of its table. */
export const markerOf = (index: number): number => (200 << 16) + index

/** Where the places of markers begin, and how many there may be. */
export const MARKERS = { first: placeOf(200 << 16, 24), count: 1 << 14 }

/** Those of 100 prefixes that are shorter than /24, and how long they are. */
const SHORTER: readonly number[] = [
  ...Array<number>(11).fill(23),
  ...Array<number>(12).fill(22),
  ...Array<number>(5).fill(21),
  ...Array<number>(5).fill(20),
  ...Array<number>(3).fill(19),
  18,
  16,
]

/** Prefixes, in the order in which they are announced; sets of attributes begin where `starts` says. */
export interface Table {
  readonly numbers: Uint32Array
  readonly lengths: Uint8Array
  /** index of the first prefix of each set, and the end of all */
  readonly starts: Uint32Array
  /** of each set, where they are given: with AS numbers of four octets */
  readonly attributes?: readonly Uint8Array[]
}

/** `count` prefixes, the same for the same count. */
export function makeTable(count: number): Table {
  const chance = new Prng(42)
  const taken = new Uint8Array(NUMBERS >> 3)
  const numbers = new Uint32Array(count)
  const lengths = new Uint8Array(count)
  for (let at = 0; at < count; ) {
    const length = SHORTER[chance.below(100)] ?? 24
    const drawn = FIRST_NUMBER + chance.below(LAST_NUMBER - FIRST_NUMBER)
    const number = (drawn >>> (24 - length)) << (24 - length)
    const bit = 1 << (number & 7)
    const octet = taken[number >>> 3] ?? 0
    if ((octet & bit) !== 0) continue
    taken[number >>> 3] = octet | bit
    numbers[at] = number
    lengths[at] = length
    at++
  }
  return { numbers, lengths, starts: startsOf(count, chance) }
}

/** A part of a table, as a table of its own. */
export function slice({ numbers, lengths }: Table, from: number, to: number): Table {
  const starts = startsOf(to - from, new Prng(from + 1))
  return { numbers: numbers.slice(from, to), lengths: lengths.slice(from, to), starts }
}

function startsOf(count: number, chance: Prng): Uint32Array {
  const starts: number[] = []
  // mostly a few to a set, at times many: 5.7 on average
  for (
    let at = 0;
    at < count;
    at += chance.below(8) === 0 ? 4 + chance.below(28) : 1 + chance.below(7)
  )
    starts.push(at)
  return Uint32Array.from([...starts, count])
}

/** Who announces a table. */
export interface Announcer {
  readonly index: number
  readonly asn: number
  readonly nextHop: Address
  readonly family: Family
  /** of the daemon's own AS */
  readonly internal: boolean
  /** times that its path is longer than another's would be */
  readonly longer?: number
}

/**
 * UPDATEs that announce `table`, the marker, and that this is all. Where no attributes are given, another `variant` has
 * other ones.
 */
export function announcements(table: Table, by: Announcer, variant = 0): Uint8Array {
  const chance = new Prng(7 + variant)
  const messages: Uint8Array[] = []
  const packer = new Packer(by)
  const { numbers, lengths, starts } = table
  for (let set = 0; set + 1 < starts.length; set++) {
    const given = table.attributes?.[set]
    if (given === undefined) packer.draw(chance)
    else packer.begin(retold(given, by))
    for (let at = starts[set] ?? 0; at < (starts[set + 1] ?? 0); at++)
      packer.put(numbers[at] ?? 0, lengths[at] ?? 24, messages)
    messages.push(packer.builder.finish())
  }
  packer.make([], [])
  packer.put(markerOf(by.index), 24, messages)
  messages.push(packer.builder.finish(), endOfRib(by.family))
  return Buffer.concat(messages)
}

const [AS_PATH, NEXT_HOP, LOCAL_PREF, MP_REACH_NLRI, MP_UNREACH_NLRI] = [2, 3, 5, 14, 15]
const LEFT_OUT = new Set([LOCAL_PREF, MP_REACH_NLRI, MP_UNREACH_NLRI])
const EXTENDED_LENGTH = 0x10
const AS_SEQUENCE = 2

/**
 * Attributes as another neighbour told them, as `by` would: through its address, its AS number the first of the path in
 * place of that neighbour's.
 */
export function retold(attributes: Uint8Array, by: Announcer): Uint8Array {
  const to = new Writer(attributes.length + 8)
  const from = new Reader(attributes)
  while (from.remaining > 0) {
    const flags = from.u8()
    const code = from.u8()
    const value = from.view((flags & EXTENDED_LENGTH) === 0 ? from.u8() : from.u16())
    if (LEFT_OUT.has(code)) continue
    to.u8(flags | EXTENDED_LENGTH)
    to.u8(code)
    if (code === AS_PATH) {
      // the first of a sequence is told anew; a path that begins otherwise becomes longer
      const begins = value[0] === AS_SEQUENCE && (value[1] ?? 0) > 0
      const rest = begins ? value.subarray(6) : value
      to.u16(6 + rest.length)
      to.u8(AS_SEQUENCE)
      to.u8(begins ? (value[1] ?? 0) : 1)
      to.u32(by.asn)
      to.put(rest)
    } else {
      to.u16(value.length)
      to.put(code === NEXT_HOP ? addressBytes(by.nextHop) : value)
    }
  }
  if (from.overrun || to.overflow) throw new Error('attributes of the MRT file are not whole')
  return to.bytes()
}

/** One UPDATE that announces one prefix: `variant` makes its attributes new. */
export function change(number: number, by: Announcer, variant: number): Uint8Array {
  const packer = new Packer(by)
  packer.make([1_000 + (variant % 60_000)], [variant])
  packer.add(number, 24)
  return packer.builder.finish()
}

/** UPDATEs that withdraw `table`, and the marker, in the order in which it was announced. */
export function withdrawals(table: Table, by: Announcer): Uint8Array {
  const messages: Uint8Array[] = []
  const packer = new Packer(by)
  packer.builder.withdraw(by.family)
  for (const [at, number] of table.numbers.entries())
    packer.put(number, table.lengths[at] ?? 24, messages)
  packer.put(markerOf(by.index), 24, messages)
  messages.push(packer.builder.finish())
  return Buffer.concat(messages)
}

class Packer {
  readonly builder = new UpdateBuilder(4096)
  readonly #by: Announcer
  readonly #attributes = new Writer(4096)
  readonly #nextHop: Uint8Array
  readonly #bytes = Uint8Array.from({ length: 16 }, (_, at) => (at === 0 ? 0x20 : 0))

  constructor(by: Announcer) {
    this.#by = by
    this.#nextHop = by.family === 'ipv4' ? new Uint8Array(0) : addressBytes(by.nextHop)
  }

  /** Begins announcements with attributes as they are on the wire. */
  begin(attributes: Uint8Array): void {
    this.builder.announce(this.#by.family, attributes, this.#nextHop)
  }

  /** Begins announcements with attributes that resemble the internet's. */
  draw(chance: Prng): void {
    const path = Array.from({ length: 2 + chance.below(4) }, () => 1_000 + chance.below(60_000))
    const some = chance.below(10) < 7 ? 1 + chance.below(5) : 0
    this.make(
      path,
      Array.from({ length: some }, () => chance.below(2 ** 31)),
    )
  }

  make(path: readonly number[], communities: readonly number[]): void {
    const { asn, family, internal, nextHop, longer = 0 } = this.#by
    const asns = internal ? path : [...Array<number>(1 + longer).fill(asn), ...path]
    const asPath: readonly AsPathSegment[] =
      asns.length === 0 ? [] : [{ type: 'sequence', asns: asns.map(asNumber) }]
    this.#attributes.reset()
    encodeAttributes(
      {
        origin: 0,
        asPath,
        ...(family === 'ipv4' && { nextHop }),
        ...(internal && { localPref: 100 }),
        ...(communities.length > 0 && { communities }),
      },
      { fourOctetAs: true },
      this.#attributes,
    )
    this.begin(this.#attributes.bytes())
  }

  /** Adds a prefix, to a message that follows where this one is full. */
  put(number: number, length: number, full: Uint8Array[]): void {
    if (this.add(number, length)) return
    full.push(this.builder.finish())
    if (!this.add(number, length)) throw new Error('attributes leave no room for a prefix')
  }

  /** False when the message is full. */
  add(number: number, length: number): boolean {
    const ipv4 = this.#by.family === 'ipv4'
    const at = ipv4 ? 0 : 1
    this.#bytes[at] = number >>> 16
    this.#bytes[at + 1] = number >>> 8
    this.#bytes[at + 2] = number
    return this.builder.add(this.#bytes, 0, ipv4 ? length : length + 24)
  }
}

/** An AS number that is known to be one. */
export function asNumber(value: number): Asn {
  const asn = toAsn(value)
  if (asn === undefined) throw new Error(`${value} is not an AS number`)
  return asn
}
