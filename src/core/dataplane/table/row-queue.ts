/**
 * Row numbers in the order in which they came. Never sorted: the kernel's trie is slow on sorted
 * input.
 */

const ROOM_MIN = 64

/**
 * A ring of numbers that grows by doubling and gives its memory back when it is empty.
 *
 * Limit: whoever pushes sees to it that a row is in at most once, so it is no longer than its
 * table.
 */
export class RowQueue {
  #ring = new Uint32Array(ROOM_MIN)
  #first = 0
  #size = 0

  /** How many wait. */
  get size(): number {
    return this.#size
  }

  /** Adds `row` at the end. O(1) amortised. */
  push(row: number): void {
    if (this.#size === this.#ring.length) this.#grow()
    this.#ring[(this.#first + this.#size) & (this.#ring.length - 1)] = row
    this.#size++
  }

  /** Takes the first; -1 when none waits. O(1). */
  shift(): number {
    if (this.#size === 0) return -1
    const row = this.#ring[this.#first]!
    this.#first = (this.#first + 1) & (this.#ring.length - 1)
    this.#size--
    if (this.#size === 0 && this.#ring.length > 65_536) this.#ring = new Uint32Array(ROOM_MIN)
    if (this.#size === 0) this.#first = 0
    return row
  }

  #grow(): void {
    const grown = new Uint32Array(this.#ring.length * 2)
    const tail = this.#ring.length - this.#first
    grown.set(this.#ring.subarray(this.#first), 0)
    grown.set(this.#ring.subarray(0, this.#first), tail)
    this.#ring = grown
    this.#first = 0
  }
}

/** Bits of the longest prefix, and one queue for each length from 0 on. */
const LENGTHS = 129

/** Row numbers by the length of their prefix: the longest first, in order of arrival within one. */
export class LengthQueue {
  readonly #queues = Array.from({ length: LENGTHS }, () => new RowQueue())
  #size = 0

  /** How many wait. */
  get size(): number {
    return this.#size
  }

  /** Adds `row`, whose prefix has `length` bits. */
  push(length: number, row: number): void {
    this.#queues[length]!.push(row)
    this.#size++
  }

  /** Takes a row of the longest prefix; -1 when none waits. O(lengths). */
  shift(): number {
    if (this.#size === 0) return -1
    let length = LENGTHS - 1
    while (this.#queues[length]!.size === 0) length--
    this.#size--
    return this.#queues[length]!.shift()
  }
}
