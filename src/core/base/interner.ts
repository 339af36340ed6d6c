import { grownInt32, grownUint32 } from './columns.ts'
import { invariant } from './invariant.ts'

/**
 * Byte strings as row numbers: equal strings have equal numbers.
 */

/** No row. */
const EMPTY = -1

/** A chunk of the arena is at most this many octets; so is a string. */
const CHUNK_OCTETS = 1 << 20
const CHUNK_OCTETS_MIN = 1 << 12
const ROWS_MIN = 32

/** From so many octets on a string is copied by the runtime, and not octet by octet. */
const LONG_OCTETS = 128

/** Most rows of an `Interner`; beyond it `add` returns -1. */
export const INTERNER_ROWS_MAX = 1 << 24

/**
 * Most octets of an `Interner`: 64 of each row. Dead ones may take as much again, and a place has
 * room for four times as much.
 */
export const INTERNER_OCTETS_MAX = 1 << 30

/**
 * Counts references to byte strings, each kept once.
 *
 *   row    places   chunk and offset in the arena (20 bits)   4 bytes
 *          lengths  octets of the string                      4 bytes
 *          hashes   of the string; of a free row: the next    4 bytes
 *          counts   references; 0 where the row is free       4 bytes
 *   slot   slots    row, or EMPTY                             4 bytes; two to four slots a row
 *
 * About 25 bytes a string beside its octets, which lie one after another in chunks of up to a
 * megabyte. A string goes when its last reference does; when more octets are dead than live, the
 * arena is rewritten. Row numbers are used again, so whoever keeps one keeps a reference.
 *
 * Limits: `INTERNER_ROWS_MAX`, `INTERNER_OCTETS_MAX` (docs/LIMITS.md).
 */
export class Interner {
  readonly #seed: number
  readonly #octetsMax: number
  #places = new Uint32Array(ROWS_MIN)
  #lengths = new Uint32Array(ROWS_MIN)
  #hashes = new Int32Array(ROWS_MIN)
  #counts = new Int32Array(ROWS_MIN)
  #slots = new Int32Array(2 * ROWS_MIN).fill(EMPTY)
  #chunks: Uint8Array[] = []
  /** where the next string goes in the last chunk */
  #fill = 0
  #live = 0
  #dead = 0
  #rows = 0
  #size = 0
  #free = EMPTY

  /**
   * @param seed  any 32-bit integer; one that peers cannot guess keeps them from choosing
   * collisions
   * @param octetsMax  of all strings
   */
  constructor(seed = 0, octetsMax = INTERNER_OCTETS_MAX) {
    this.#seed = seed | 0
    this.#octetsMax = octetsMax
  }

  /** How many strings there are. */
  get size(): number {
    return this.#size
  }

  /** Every row number is below this. */
  get rows(): number {
    return this.#rows
  }

  /**
   * Rows that are allocated: a column of this length has place for every row until the next `add`.
   */
  get capacity(): number {
    return this.#counts.length
  }

  /** The limit that `add` met when it returned -1: of rows, or else of octets. */
  get full(): { readonly limit: number; readonly of: 'rows' | 'octets' } {
    const rows = this.#size === INTERNER_ROWS_MAX
    return rows
      ? { limit: INTERNER_ROWS_MAX, of: 'rows' }
      : { limit: this.#octetsMax, of: 'octets' }
  }

  /** Octets that columns and arena take. */
  get bytes(): number {
    const chunks = this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    return 16 * this.#counts.length + 4 * this.#slots.length + chunks
  }

  /** The row of a string, or -1. Holds nothing. O(its octets). */
  find(bytes: Uint8Array, start = 0, end = bytes.length): number {
    const hash = hashOf(bytes, start, end, this.#seed)
    const slot = this.#search(bytes, start, end, hash)
    return this.#slots[slot]!
  }

  /**
   * The row of a string, made where there is none, with one more reference; -1 when full. O(its
   * octets).
   */
  add(bytes: Uint8Array, start = 0, end = bytes.length): number {
    const hash = hashOf(bytes, start, end, this.#seed)
    const slot = this.#search(bytes, start, end, hash)
    const found = this.#slots[slot]!
    if (found >= 0) {
      this.#counts[found]!++
      return found
    }
    if (this.#live + end - start > this.#octetsMax) return EMPTY
    const row = this.#take()
    if (row < 0) return row
    this.#places[row] = this.#store(bytes, start, end)
    this.#lengths[row] = end - start
    this.#hashes[row] = hash
    this.#counts[row] = 1
    this.#slots[slot] = row
    this.#size++
    if (4 * this.#size > 3 * this.#slots.length) this.#rehash(2 * this.#slots.length)
    return row
  }

  /** One more reference to a row in use. */
  hold(row: number): void {
    this.#counts[row]!++
  }

  /** One reference less. True when it was the last and the row is free. */
  release(row: number): boolean {
    const left = --this.#counts[row]!
    if (left > 0) return false
    invariant(left === 0, 'a reference is released once')
    this.#remove(row)
    return true
  }

  /** References to a row; 0 when it is free. */
  count(row: number): number {
    return this.#counts[row]!
  }

  /** Octets of a string. */
  length(row: number): number {
    return this.#lengths[row]!
  }

  /** The string, not copied; valid until the next `add` or `release`. */
  view(row: number): Uint8Array {
    const place = this.#places[row]!
    const offset = place & (CHUNK_OCTETS - 1)
    return this.#chunks[place >>> 20]!.subarray(offset, offset + this.#lengths[row]!)
  }

  #search(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const mask = this.#slots.length - 1
    let slot = hash & mask
    for (;;) {
      const row = this.#slots[slot]!
      if (row < 0) return slot
      if (this.#hashes[row] === hash && this.#equals(row, bytes, start, end)) return slot
      slot = (slot + 1) & mask
    }
  }

  #equals(row: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#lengths[row] !== end - start) return false
    const place = this.#places[row]!
    const chunk = this.#chunks[place >>> 20]!
    const shift = (place & (CHUNK_OCTETS - 1)) - start
    for (let at = start; at < end; at++) if (chunk[at + shift] !== bytes[at]) return false
    return true
  }

  #take(): number {
    const row = this.#free
    if (row >= 0) {
      this.#free = this.#hashes[row]!
      return row
    }
    if (this.#rows === INTERNER_ROWS_MAX) return EMPTY
    if (this.#rows === this.#counts.length) this.#grow()
    return this.#rows++
  }

  #grow(): void {
    const rows = this.#counts.length + (this.#counts.length >>> 1)
    this.#places = grownUint32(this.#places, rows)
    this.#lengths = grownUint32(this.#lengths, rows)
    this.#hashes = grownInt32(this.#hashes, rows)
    this.#counts = grownInt32(this.#counts, rows)
  }

  #store(bytes: Uint8Array, start: number, end: number): number {
    const octets = end - start
    invariant(octets <= CHUNK_OCTETS, 'an interned string fits a chunk')
    const last = this.#chunks.at(-1)
    if (last === undefined || this.#fill + octets > last.length) this.#openChunk(octets)
    const index = this.#chunks.length - 1
    const chunk = this.#chunks[index]!
    const offset = this.#fill
    if (octets >= LONG_OCTETS) chunk.set(bytes.subarray(start, end), offset)
    else for (let at = start; at < end; at++) chunk[offset + at - start] = bytes[at]!
    this.#fill += octets
    this.#live += octets
    return index * CHUNK_OCTETS + offset
  }

  #openChunk(octets: number): void {
    const size = Math.min(CHUNK_OCTETS, Math.max(CHUNK_OCTETS_MIN, this.#live, octets))
    this.#chunks.push(new Uint8Array(size))
    this.#fill = 0
  }

  #remove(row: number): void {
    const mask = this.#slots.length - 1
    let slot = this.#hashes[row]! & mask
    while (this.#slots[slot] !== row) slot = (slot + 1) & mask
    this.#unlink(slot)
    this.#live -= this.#lengths[row]!
    this.#dead += this.#lengths[row]!
    this.#hashes[row] = this.#free
    this.#free = row
    this.#size--
    if (this.#size === 0) this.#clear()
    else if (this.#dead > this.#live + CHUNK_OCTETS_MIN) this.#compact()
  }

  #unlink(slot: number): void {
    const slots = this.#slots
    const mask = slots.length - 1
    let hole = slot
    for (let at = (slot + 1) & mask; slots[at]! >= 0; at = (at + 1) & mask) {
      const home = this.#hashes[slots[at]!]! & mask
      // may move when its home is not between the hole and where it is, going round
      if (((at - home) & mask) >= ((at - hole) & mask)) {
        slots[hole] = slots[at]!
        hole = at
      }
    }
    slots[hole] = EMPTY
  }

  #rehash(count: number): void {
    const slots = new Int32Array(count).fill(EMPTY)
    const mask = count - 1
    for (let row = 0; row < this.#rows; row++) {
      if (this.#counts[row] === 0) continue
      let slot = this.#hashes[row]! & mask
      while (slots[slot]! >= 0) slot = (slot + 1) & mask
      slots[slot] = row
    }
    this.#slots = slots
  }

  /** Writes the live strings into new chunks, in the order of their rows. O(live octets). */
  #compact(): void {
    const old = this.#chunks
    this.#chunks = []
    this.#fill = 0
    this.#live = 0
    this.#dead = 0
    for (let row = 0; row < this.#rows; row++) {
      if (this.#counts[row] === 0) continue
      const place = this.#places[row]!
      const offset = place & (CHUNK_OCTETS - 1)
      const end = offset + this.#lengths[row]!
      this.#places[row] = this.#store(old[place >>> 20]!, offset, end)
    }
  }

  #clear(): void {
    this.#chunks = []
    this.#fill = 0
    this.#live = 0
    this.#dead = 0
    this.#rows = 0
    this.#free = EMPTY
    if (this.#counts.length === ROWS_MIN) return
    this.#places = new Uint32Array(ROWS_MIN)
    this.#lengths = new Uint32Array(ROWS_MIN)
    this.#hashes = new Int32Array(ROWS_MIN)
    this.#counts = new Int32Array(ROWS_MIN)
    this.#slots = new Int32Array(2 * ROWS_MIN).fill(EMPTY)
  }
}

/**
 * Four octets at a time, then the rest; mixed at the end, since the slot is taken from the low
 * bits.
 */
function hashOf(bytes: Uint8Array, start: number, end: number, seed: number): number {
  let hash = (seed ^ (end - start)) | 0
  let at = start
  for (; at + 4 <= end; at += 4) {
    const word =
      bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    hash = Math.imul(hash ^ Math.imul(word, 0xcc9e2d51), 0x1b873593)
    hash ^= hash >>> 15
  }
  for (; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 16), 0xc2b2ae35)
  return hash ^ (hash >>> 13)
}
