import type { Brand } from '../base/index.ts'
import { freeColumn, grownInt32, grownUint8, invariant } from '../base/index.ts'
import { type Address, addressBytes, addressOctets, type Family, familyOf } from './address.ts'
import { formatPrefix, type Prefix, prefixParts } from './prefix.ts'

/**
 * The prefixes of one family as row numbers: what every table of routes is indexed by.
 */

/**
 * A row of a `PrefixTable`. Stays the same while the prefix is in the table, then is used again.
 */
export type PrefixId = Brand<number, 'PrefixId'>

/** No row. */
export const NO_PREFIX = -1 as PrefixId

/** Most prefixes that one table holds. Beyond it `add` returns `NO_PREFIX`. */
export const PREFIX_TABLE_ROWS_MAX = 67_108_863

/** Rows of an empty table. */
const ROWS_MIN = 64

/** An empty slot: of a prefix it would be the row after the last. */
const EMPTY = -1

/** Bits of a slot that are its row; the others are its tag. */
const ROW_MASK = 0x3ff_ffff

/** The length of a row that is free. */
const FREE = 255

/**
 * The prefixes of one family, each with a row number that stays.
 *
 *   row     words    network in 32-bit words; of a free row the next free one   4 bytes (IPv6: 16)
 *           lengths  bits of the prefix; FREE where the row is free             1 byte
 *   slot    slots    | row, 26 bits | tag, 6 bits |, or EMPTY                   4 bytes
 *
 * 10 to 31 bytes an IPv4 prefix, 22 to 55 an IPv6 one, with 1.3 to 5.3 slots each. A tag is bits of
 * the hash: of slots that are another prefix's one in 64 has its row looked at. Rows grow to twice
 * as many, slots to four times: to move a row to other slots takes as long as to find it. The table
 * gives its memory back when its last prefix leaves. A freed row is the first to be used again.
 * Deletion moves later entries back: no tombstones, and a table that churns does not decay.
 *
 * A prefix is given as bytes at an offset, as NLRI writes it: `(length + 7) >> 3` octets. Bits
 * beyond `length` are ignored. RFC 4271 §4.3: "the value of trailing bits is irrelevant".
 *
 * Limit: `PREFIX_TABLE_ROWS_MAX` (docs/LIMITS.md).
 */
export class PrefixTable {
  readonly family: Family
  readonly #stride: 1 | 4
  readonly #seed: number
  /** how many prefixes there are of each length */
  readonly #counts = new Uint32Array(129)
  #words: Int32Array<ArrayBuffer>
  #lengths: Uint8Array<ArrayBuffer>
  #slots: Int32Array<ArrayBuffer>
  #rows = 0
  #size = 0
  #free = -1
  // the prefix being looked for
  #w0 = 0
  #w1 = 0
  #w2 = 0
  #w3 = 0
  // where it is not there: its hash, and the slot that it would have
  #hash = 0
  #slot = 0

  /**
   * @param seed  any 32-bit integer; one that peers cannot guess keeps them from choosing
   * collisions
   */
  constructor(family: Family, seed = 0) {
    this.family = family
    this.#stride = family === 'ipv4' ? 1 : 4
    this.#seed = seed | 0
    this.#words = new Int32Array(ROWS_MIN * this.#stride)
    this.#lengths = new Uint8Array(ROWS_MIN).fill(FREE)
    this.#slots = new Int32Array(ROWS_MIN * 2).fill(EMPTY)
  }

  /** How many prefixes there are. */
  get size(): number {
    return this.#size
  }

  /** Every row number is below this. Only grows while the table holds something: walks end here. */
  get rows(): number {
    return this.#rows
  }

  /**
   * Rows that are allocated: a column of this length has place for every row until the next `add`.
   */
  get capacity(): number {
    return this.#lengths.length
  }

  /** Bytes that the columns take. */
  get bytes(): number {
    return this.#words.byteLength + this.#lengths.byteLength + this.#slots.byteLength
  }

  /** The row of a prefix, made where there is none; `NO_PREFIX` when the table is full. O(1). */
  add(bytes: Uint8Array, offset: number, length: number): PrefixId {
    const row = this.find(bytes, offset, length)
    return row === NO_PREFIX ? this.#insert(length) : row
  }

  /** The row of a prefix, or `NO_PREFIX`. O(1). */
  find(bytes: Uint8Array, offset: number, length: number): PrefixId {
    this.#load(bytes, offset, length)
    const slots = this.#slots
    const mask = slots.length - 1
    const hash = this.#hashOf(length)
    let slot = hash & mask
    for (; ; slot = (slot + 1) & mask) {
      const entry = slots[slot]!
      if (entry === EMPTY) break
      if (((entry ^ hash) & ~ROW_MASK) !== 0) continue
      const row = entry & ROW_MASK
      if (this.#equals(row, length)) return row as PrefixId
    }
    this.#hash = hash
    this.#slot = slot
    return NO_PREFIX
  }

  /** Removes the prefix of a row. O(1). */
  free(row: PrefixId): void {
    const length = this.length(row)
    this.#select(row)
    this.#unlink(this.#slotOf(row, length))
    this.#counts[length]!--
    this.#lengths[row] = FREE
    this.#words[row * this.#stride] = this.#free
    this.#free = row
    this.#size--
    if (this.#size === 0) this.#clear()
  }

  /** True when `row` holds a prefix. */
  has(row: number): boolean {
    return row >= 0 && row < this.#rows && this.#lengths[row] !== FREE
  }

  /** Bits of the prefix of a row. */
  length(row: PrefixId): number {
    invariant(this.has(row), 'the row of a prefix is in use')
    return this.#lengths[row]!
  }

  /** Writes the network octets of a row, `(length + 7) >> 3` of them, and returns how many. */
  write(row: PrefixId, into: Uint8Array, offset: number): number {
    const octets = (this.#lengths[row]! + 7) >> 3
    let word = this.#words[row * this.#stride]!
    for (let at = 0; at < octets; at++, word <<= 8) {
      if (at > 0 && (at & 3) === 0) word = this.#words[row * this.#stride + (at >> 2)]!
      into[offset + at] = word >>> 24
    }
    return octets
  }

  /** Octets of the prefix of a row as NLRI has it: its length, then its network. */
  nlriOctets(row: PrefixId): number {
    return (this.#lengths[row]! + 15) >> 3
  }

  /** Writes the prefix of a row as NLRI has it, and returns how many octets. */
  writeNlri(row: PrefixId, into: Uint8Array, at: number): number {
    into[at] = this.#lengths[row]!
    return 1 + this.write(row, into, at + 1)
  }

  /** The prefix of a row as text. Allocates: for people, not for tables. */
  text(row: PrefixId): Prefix {
    const bytes = new Uint8Array(addressOctets(this.family))
    const length = this.length(row)
    this.write(row, bytes, 0)
    return formatPrefix(bytes, length)
  }

  /**
   * The row of a prefix that is text, made where there is none; `NO_PREFIX` when the table is full.
   */
  addPrefix(prefix: Prefix): PrefixId {
    const { family, bytes, length } = prefixParts(prefix)
    invariant(family === this.family, 'a table has prefixes of its own family')
    return this.add(bytes, 0, length)
  }

  /** The row of a prefix that is text, or `NO_PREFIX`. */
  findPrefix(prefix: Prefix): PrefixId {
    const { family, bytes, length } = prefixParts(prefix)
    return family === this.family ? this.find(bytes, 0, length) : NO_PREFIX
  }

  /**
   * The longest prefix that holds `address` and that `accept` takes, or `NO_PREFIX`. One probe for
   * each length that the table has; about five million a second in a full table.
   */
  match(address: Address, accept: (row: PrefixId) => boolean = () => true): PrefixId {
    if (familyOf(address) !== this.family) return NO_PREFIX
    const bytes = addressBytes(address)
    for (let length = 8 * bytes.length; length >= 0; length--) {
      if (this.#counts[length] === 0) continue
      const row = this.find(bytes, 0, length)
      if (row >= 0 && accept(row)) return row
    }
    return NO_PREFIX
  }

  /** Calls `visit` for each row inside `prefix`, itself included, in order of rows. O(rows). */
  within(prefix: Prefix, visit: (row: PrefixId) => void): void {
    const { family, bytes, length } = prefixParts(prefix)
    if (family !== this.family) return
    const [stride, words] = [this.#stride, this.#words]
    const wanted = new Int32Array(stride)
    const masks = new Int32Array(stride)
    this.#load(bytes, 0, length)
    for (let at = 0; at < stride; at++) {
      wanted[at] = at === 0 ? this.#w0 : at === 1 ? this.#w1 : at === 2 ? this.#w2 : this.#w3
      masks[at] = maskOf(length - 32 * at)
    }
    for (let row = 0; row < this.#rows; row++) {
      const bits = this.#lengths[row]!
      if (bits === FREE || bits < length) continue
      let at = 0
      while (at < stride && ((words[row * stride + at]! ^ wanted[at]!) & masks[at]!) === 0) at++
      if (at === stride) visit(row as PrefixId)
    }
  }

  /** Orders two rows by number, then shorter first: the order of every listing. */
  compare(left: PrefixId, right: PrefixId): number {
    const stride = this.#stride
    for (let at = 0; at < stride; at++) {
      const a = this.#words[left * stride + at]! >>> 0
      const b = this.#words[right * stride + at]! >>> 0
      if (a !== b) return a < b ? -1 : 1
    }
    return this.#lengths[left]! - this.#lengths[right]!
  }

  #load(bytes: Uint8Array, offset: number, length: number): void {
    this.#w0 = wordAt(bytes, offset, length)
    if (this.#stride === 1) return
    this.#w1 = wordAt(bytes, offset + 4, length - 32)
    this.#w2 = wordAt(bytes, offset + 8, length - 64)
    this.#w3 = wordAt(bytes, offset + 12, length - 96)
  }

  #select(row: number): void {
    const words = this.#words
    const first = row * this.#stride
    this.#w0 = words[first]!
    if (this.#stride === 1) return
    this.#w1 = words[first + 1]!
    this.#w2 = words[first + 2]!
    this.#w3 = words[first + 3]!
  }

  #hashOf(length: number): number {
    let hash = Math.imul(this.#w0 ^ this.#seed, 0x9e3779b1)
    if (this.#stride === 4) {
      hash = Math.imul((hash ^ (hash >>> 15)) + this.#w1, 0x85ebca6b)
      hash = Math.imul((hash ^ (hash >>> 15)) + this.#w2, 0xc2b2ae35)
      hash = Math.imul((hash ^ (hash >>> 15)) + this.#w3, 0x27d4eb2f)
    }
    hash = Math.imul((hash ^ (hash >>> 15)) + length, 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 13) ^ this.#seed, 0xc2b2ae35)
    return hash ^ (hash >>> 16)
  }

  #equals(row: number, length: number): boolean {
    if (this.#lengths[row] !== length) return false
    const words = this.#words
    if (this.#stride === 1) return words[row] === this.#w0
    const first = 4 * row
    return (
      words[first] === this.#w0 &&
      words[first + 1] === this.#w1 &&
      words[first + 2] === this.#w2 &&
      words[first + 3] === this.#w3
    )
  }

  #slotOf(row: number, length: number): number {
    const slots = this.#slots
    const mask = slots.length - 1
    const hash = this.#hashOf(length)
    const entry = row | (hash & ~ROW_MASK)
    let slot = hash & mask
    while (slots[slot] !== entry) {
      invariant(slots[slot] !== EMPTY, 'a row in use has a slot')
      slot = (slot + 1) & mask
    }
    return slot
  }

  /** Puts in the prefix that `find` has just not found. */
  #insert(length: number): PrefixId {
    let row = this.#free
    if (row >= 0) this.#free = this.#words[row * this.#stride]!
    else {
      row = this.#rows
      if (row === PREFIX_TABLE_ROWS_MAX) return NO_PREFIX
      if (row === this.#lengths.length) this.#growRows()
      this.#rows++
    }
    const words = this.#words
    const first = row * this.#stride
    words[first] = this.#w0
    if (this.#stride === 4) {
      words[first + 1] = this.#w1
      words[first + 2] = this.#w2
      words[first + 3] = this.#w3
    }
    this.#lengths[row] = length
    this.#counts[length]!++
    this.#slots[this.#slot] = row | (this.#hash & ~ROW_MASK)
    this.#size++
    // three quarters full: probes would become long
    if (4 * this.#size > 3 * this.#slots.length) this.#growSlots()
    return row as PrefixId
  }

  #growRows(): void {
    const rows = 2 * this.#lengths.length
    const used = this.#lengths.length
    this.#words = grownInt32(this.#words, rows * this.#stride)
    this.#lengths = grownUint8(this.#lengths, rows).fill(FREE, used)
  }

  #growSlots(): void {
    const slots = new Int32Array(this.#slots.length * 4).fill(EMPTY)
    const mask = slots.length - 1
    freeColumn(this.#slots)
    this.#slots = slots
    for (let row = 0; row < this.#rows; row++) {
      const length = this.#lengths[row]!
      if (length === FREE) continue
      this.#select(row)
      const hash = this.#hashOf(length)
      let slot = hash & mask
      while (slots[slot] !== EMPTY) slot = (slot + 1) & mask
      slots[slot] = row | (hash & ~ROW_MASK)
    }
  }

  /** Empties a slot and moves back those behind it that would no longer be found. */
  #unlink(slot: number): void {
    const slots = this.#slots
    const mask = slots.length - 1
    let hole = slot
    let at = slot
    for (;;) {
      at = (at + 1) & mask
      const entry = slots[at]!
      if (entry === EMPTY) break
      const row = entry & ROW_MASK
      this.#select(row)
      const home = this.#hashOf(this.#lengths[row]!) & mask
      // may move when its home is not between the hole and where it is, going round
      if (((at - home) & mask) >= ((at - hole) & mask)) {
        slots[hole] = entry
        hole = at
      }
    }
    slots[hole] = EMPTY
  }

  #clear(): void {
    this.#free = -1
    this.#rows = 0
    if (this.#lengths.length === ROWS_MIN) return
    this.#words = grownInt32(this.#words, ROWS_MIN * this.#stride)
    this.#lengths = grownUint8(this.#lengths, ROWS_MIN).fill(FREE)
    this.#slots = grownInt32(this.#slots, ROWS_MIN * 2).fill(EMPTY)
  }
}

/** The first 32 of `bits` bits at `offset`, then zeros; octets beyond those are not read. */
function wordAt(bytes: Uint8Array, offset: number, bits: number): number {
  if (bits <= 0) return 0
  let word = bytes[offset]! << 24
  if (bits > 8) word |= bytes[offset + 1]! << 16
  if (bits > 16) word |= bytes[offset + 2]! << 8
  if (bits > 24) word |= bytes[offset + 3]!
  return word & maskOf(bits)
}

/** A word whose first `bits` bits are set. */
function maskOf(bits: number): number {
  if (bits <= 0) return 0
  return bits >= 32 ? -1 : -1 << (32 - bits)
}
