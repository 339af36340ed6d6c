/**
 * Row numbers as bits: which rows wait for something.
 */

/** Words of an empty set. */
const WORDS_MIN = 4

/**
 * A set of small integers, one bit each; grows by half to hold the largest. Not ordered by arrival.
 */
export class Bitset {
  #words = new Uint32Array(WORDS_MIN)
  #size = 0
  #cursor = 0

  /** How many numbers are in the set. */
  get size(): number {
    return this.#size
  }

  has(at: number): boolean {
    const word = at >>> 5
    return word < this.#words.length && ((this.#words[word]! >>> (at & 31)) & 1) === 1
  }

  /** Puts `at` in. True when it was not. */
  add(at: number): boolean {
    const word = at >>> 5
    if (word >= this.#words.length) this.#grow(word)
    const bit = 1 << (at & 31)
    if ((this.#words[word]! & bit) !== 0) return false
    this.#words[word]! |= bit
    this.#size++
    return true
  }

  /** Takes `at` out. True when it was in. */
  delete(at: number): boolean {
    if (!this.has(at)) return false
    this.#words[at >>> 5]! &= ~(1 << (at & 31))
    this.#size--
    return true
  }

  /**
   * The first number at or after `from`, or -1. A walk of the whole set costs O(largest / 32 +
   * size).
   */
  next(from: number): number {
    const words = this.#words
    let word = from >>> 5
    if (word >= words.length || this.#size === 0) return -1
    let bits = words[word]! & (-1 << (from & 31))
    while (bits === 0) {
      if (++word === words.length) return -1
      bits = words[word]!
    }
    return (word << 5) + 31 - Math.clz32(bits & -bits)
  }

  /**
   * Takes the next number out, or -1 when empty. In order, going round; a whole round is O(largest
   * / 32).
   */
  take(): number {
    if (this.#size === 0) return -1
    let at = this.next(this.#cursor)
    if (at < 0) at = this.next(0)
    this.delete(at)
    this.#cursor = at + 1
    return at
  }

  /** Empties the set and gives its memory back. */
  clear(): void {
    this.#cursor = 0
    if (this.#size === 0 && this.#words.length === WORDS_MIN) return
    this.#words = new Uint32Array(WORDS_MIN)
    this.#size = 0
  }

  #grow(word: number): void {
    const words = new Uint32Array(
      Math.max(word + 1, this.#words.length + (this.#words.length >>> 1)),
    )
    words.set(this.#words)
    this.#words = words
  }
}
