import { freeColumn, grownInt32, grownUint32 } from './columns.ts'
import { invariant } from './invariant.ts'

/**
 * Byte strings as row numbers: equal strings have equal numbers.
 */

/** No row. */
const EMPTY = -1

/** A chunk of the arena has at most this many words. */
const CHUNK_BITS = 18
const CHUNK_WORDS = 1 << CHUNK_BITS
const CHUNK_WORDS_MIN = 1 << 10
const ROWS_MIN = 32

/** A string is shorter than this. What of it nobody writes to costs nothing. */
const SPACE_OCTETS = 1 << 17

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
 *   row    places   chunk and word in the arena (18 bits)      4 bytes
 *          lengths  octets of the string                      4 bytes
 *          hashes   of the string; of a free row: the next    4 bytes
 *          counts   references; 0 where the row is free       4 bytes
 *   slot   slots    row, or EMPTY                             4 bytes; two to four slots a row
 *
 * About 25 bytes a string beside its octets, which lie one string after another in chunks of up to
 * a megabyte, each padded with zeros to whole words: strings are hashed, compared and copied by
 * words. A string goes when its last reference does; when more is dead than live, the arena is
 * rewritten. Row numbers are used again, so whoever keeps one keeps a reference.
 *
 * A string is looked for in `space`. Whoever writes it there spares a copy.
 *
 * Limits: `INTERNER_ROWS_MAX`, `INTERNER_OCTETS_MAX` (docs/LIMITS.md).
 */
export class Interner {
  /** room for one string, from the first octet on; the next call may overwrite what is there */
  readonly space: Uint8Array
  readonly #words: Int32Array
  readonly #seed: number
  readonly #octetsMax: number
  #places = new Uint32Array(ROWS_MIN)
  #lengths = new Uint32Array(ROWS_MIN)
  #hashes = new Int32Array(ROWS_MIN)
  #counts = new Int32Array(ROWS_MIN)
  #slots = new Int32Array(2 * ROWS_MIN).fill(EMPTY)
  #chunks: Int32Array<ArrayBuffer>[] = []
  /** where the next string goes in the last chunk */
  #fill = 0
  /** words of strings that are there, and of those that have gone */
  #live = 0
  #dead = 0
  #rows = 0
  #size = 0
  #free = EMPTY
  // the string that was looked for last, and the slot that it has or would have
  #length = 0
  #hash = 0
  #slot = 0

  /**
   * @param seed  any 32-bit integer; one that peers cannot guess keeps them from choosing
   * collisions
   * @param octetsMax  of all strings
   */
  constructor(seed = 0, octetsMax = INTERNER_OCTETS_MAX) {
    const words = new Int32Array(SPACE_OCTETS / 4)
    this.#words = words
    this.space = new Uint8Array(words.buffer)
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
    const chunks = this.#chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)
    return 16 * this.#counts.length + 4 * this.#slots.length + chunks
  }

  /** The row of a string, or -1. Holds nothing. O(its octets). */
  find(bytes: Uint8Array, start = 0, end = bytes.length): number {
    const length = end - start
    invariant(length < SPACE_OCTETS - 4, 'an interned string fits its space')
    const { space } = this
    if (bytes !== space) space.set(bytes.subarray(start, end))
    for (let at = length; at < length + 3; at++) space[at] = 0
    this.#length = length
    this.#hash = hashOf(this.#words, length, this.#seed)
    return this.#search()
  }

  /**
   * The row of a string, made where there is none, with one more reference; -1 when full. O(its
   * octets).
   */
  add(bytes: Uint8Array, start = 0, end = bytes.length): number {
    this.find(bytes, start, end)
    return this.take()
  }

  /** `add` of the string that was looked for last, since when nothing else was done here. */
  take(): number {
    const found = this.#slots[this.#slot]!
    if (found >= 0) {
      this.#counts[found]!++
      return found
    }
    const length = this.#length
    if (4 * this.#live + length > this.#octetsMax) return EMPTY
    const row = this.#takeRow()
    if (row < 0) return row
    this.#places[row] = this.#store(this.#words, 0, wordsOf(length))
    this.#lengths[row] = length
    this.#hashes[row] = this.#hash
    this.#counts[row] = 1
    this.#slots[this.#slot] = row
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
    const { buffer } = this.#chunks[place >>> CHUNK_BITS]!
    return new Uint8Array(buffer, 4 * (place & (CHUNK_WORDS - 1)), this.#lengths[row]!)
  }

  /** The row of the string in `space`, or EMPTY. */
  #search(): number {
    const hash = this.#hash
    const slots = this.#slots
    const mask = slots.length - 1
    let slot = hash & mask
    for (; ; slot = (slot + 1) & mask) {
      const row = slots[slot]!
      if (row >= 0 && (this.#hashes[row] !== hash || !this.#equals(row))) continue
      this.#slot = slot
      return row
    }
  }

  #equals(row: number): boolean {
    if (this.#lengths[row] !== this.#length) return false
    const place = this.#places[row]!
    const chunk = this.#chunks[place >>> CHUNK_BITS]!
    const first = place & (CHUNK_WORDS - 1)
    const words = this.#words
    const count = wordsOf(this.#length)
    for (let at = 0; at < count; at++) if (chunk[first + at] !== words[at]) return false
    return true
  }

  #takeRow(): number {
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

  /** Copies `count` words, and returns their place. */
  #store(from: Int32Array, start: number, count: number): number {
    const last = this.#chunks.at(-1)
    if (last === undefined || this.#fill + count > last.length) this.#openChunk(count)
    const index = this.#chunks.length - 1
    const chunk = this.#chunks[index]!
    const first = this.#fill
    for (let at = 0; at < count; at++) chunk[first + at] = from[start + at]!
    this.#fill += count
    this.#live += count
    return index * CHUNK_WORDS + first
  }

  #openChunk(count: number): void {
    const size = Math.min(CHUNK_WORDS, Math.max(CHUNK_WORDS_MIN, this.#live, count))
    this.#chunks.push(new Int32Array(size))
    this.#fill = 0
  }

  #remove(row: number): void {
    const mask = this.#slots.length - 1
    let slot = this.#hashes[row]! & mask
    while (this.#slots[slot] !== row) slot = (slot + 1) & mask
    this.#unlink(slot)
    const count = wordsOf(this.#lengths[row]!)
    this.#live -= count
    this.#dead += count
    this.#hashes[row] = this.#free
    this.#free = row
    this.#size--
    if (this.#size === 0) this.#clear()
    else if (this.#dead > this.#live + CHUNK_WORDS_MIN) this.#compact()
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
    freeColumn(this.#slots)
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
      const from = old[place >>> CHUNK_BITS]!
      const count = wordsOf(this.#lengths[row]!)
      this.#places[row] = this.#store(from, place & (CHUNK_WORDS - 1), count)
    }
    for (const chunk of old) freeColumn(chunk)
  }

  #clear(): void {
    for (const chunk of this.#chunks) freeColumn(chunk)
    this.#chunks = []
    this.#fill = 0
    this.#live = 0
    this.#dead = 0
    this.#rows = 0
    this.#free = EMPTY
    if (this.#counts.length === ROWS_MIN) return
    this.#places = grownUint32(this.#places, ROWS_MIN)
    this.#lengths = grownUint32(this.#lengths, ROWS_MIN)
    this.#hashes = grownInt32(this.#hashes, ROWS_MIN)
    this.#counts = grownInt32(this.#counts, ROWS_MIN)
    this.#slots = grownInt32(this.#slots, 2 * ROWS_MIN).fill(EMPTY)
  }
}

const wordsOf = (octets: number): number => (octets + 3) >>> 2

/**
 * Of the string that `words` begin with, padded with zeros. Even and odd words by themselves, since
 * a step waits for the one before; mixed at the end, since the slot is taken from the low bits.
 */
function hashOf(words: Int32Array, length: number, seed: number): number {
  let even = (seed ^ length) | 0
  let odd = even
  const count = wordsOf(length)
  let at = 0
  for (; at + 1 < count; at += 2) {
    even = mixed(even, words[at]!)
    odd = mixed(odd, words[at + 1]!)
  }
  if (at < count) even = mixed(even, words[at]!)
  const hash = mixed(even, odd)
  return hash ^ (hash >>> 13)
}

function mixed(hash: number, word: number): number {
  const next = Math.imul(hash ^ Math.imul(word, 0xcc9e2d51), 0x1b873593)
  return next ^ (next >>> 15)
}
