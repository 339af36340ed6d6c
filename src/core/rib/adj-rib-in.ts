import { Bitset } from '../base/index.ts'
import type { PrefixId } from '../net/index.ts'
import { type AttributeSetId, NO_SET, NONE } from './rows.ts'

/** What one peer announced. RFC 4271 §3.2. */

/** Rows of a page, as a power of two. */
const PAGE_BITS = 10
const PAGE_ROWS = 1 << PAGE_BITS
const PAGE_MASK = PAGE_ROWS - 1

/**
 * The Adj-RIB-In of one peer in one family: which attribute set each prefix has from it.
 *
 *   row      PrefixId -> AttributeSetId    4 bytes a prefix, in pages of 1,024 rows; NONE where the
 *                                          peer has no path
 *            repeated                      1 bit a row, while the peer restarts
 *
 * A peer with ten routes costs a page or a few of 4 KB each, one with a million 4 bytes a path; a
 * page goes with its last path. Whoever puts a set here holds a reference to it. Dropping a peer
 * walks its pages, not the table.
 *
 * RFC 4724 §4.2: `age` makes all paths stale, at no cost; one that is put again, changed or not, is
 * stale no more. A stale path is a path like any other until somebody sweeps it.
 */
export class AdjRibIn {
  readonly #pages: (Int32Array | undefined)[] = []
  readonly #counts: number[] = []
  #size = 0
  /** rows that came again since `age`; absent while nothing is stale */
  #repeated: Bitset | undefined
  #stale = 0
  /** false once the session is gone: its paths wait for the sweep and are no candidates any more */
  live = false

  /** How many paths there are. */
  get size(): number {
    return this.#size
  }

  /** How many paths are stale: not repeated since the peer went away. */
  get stale(): number {
    return this.#stale
  }

  /** Every path is stale from now. O(1). */
  age(): void {
    this.#repeated = new Bitset()
    this.#stale = this.#size
  }

  /** No path is stale any more, and none that comes is noted. */
  renew(): void {
    this.#repeated = undefined
    this.#stale = 0
  }

  /** Bytes of the pages. */
  get bytes(): number {
    return this.#pages.reduce((sum, page) => sum + (page?.byteLength ?? 0), 0)
  }

  /** The peer's set of a prefix, or `NO_SET`. */
  get(prefix: PrefixId): AttributeSetId {
    const page = this.#pages[prefix >>> PAGE_BITS]
    return page === undefined ? NO_SET : (page[prefix & PAGE_MASK] as AttributeSetId)
  }

  /**
   * Puts a set, or `NO_SET`, in a row. Returns what was there: its reference is the caller's now.
   */
  put(prefix: PrefixId, set: AttributeSetId): AttributeSetId {
    const index = prefix >>> PAGE_BITS
    let page = this.#pages[index]
    if (page === undefined) {
      if (set === NONE) return NO_SET
      page = this.#open(index)
    }
    const at = prefix & PAGE_MASK
    const last = page[at] as AttributeSetId
    page[at] = set
    if (last === NONE) this.#count(index, set === NONE ? 0 : 1)
    else if (set === NONE) this.#count(index, -1)
    if (this.#repeated !== undefined) this.#repeat(this.#repeated, prefix, last, set)
    return last
  }

  /** The first row at or after `from` whose path is stale, or -1. */
  nextStale(from: number): number {
    if (this.#repeated === undefined || this.#stale === 0) return -1
    let row = this.next(from)
    while (row >= 0 && this.#repeated.has(row)) row = this.next(row + 1)
    return row
  }

  /** The first row at or after `from` that has a path, or -1. */
  next(from: number): number {
    let index = from >>> PAGE_BITS
    let at = from & PAGE_MASK
    for (; index < this.#pages.length; index++, at = 0) {
      const page = this.#pages[index]
      if (page === undefined) continue
      for (; at < PAGE_ROWS; at++) if (page[at] !== NONE) return (index << PAGE_BITS) + at
    }
    return -1
  }

  /** A row without a path has no bit: its number may be another prefix's next. */
  #repeat(repeated: Bitset, prefix: number, last: number, set: number): void {
    if (last !== NONE && !repeated.has(prefix)) this.#stale--
    if (set === NONE) repeated.delete(prefix)
    else repeated.add(prefix)
  }

  #open(index: number): Int32Array {
    const page = new Int32Array(PAGE_ROWS).fill(NONE)
    // no holes: an array with holes is a slow one
    while (this.#pages.length <= index) {
      this.#pages.push(undefined)
      this.#counts.push(0)
    }
    this.#pages[index] = page
    return page
  }

  #count(index: number, change: number): void {
    this.#size += change
    const left = this.#counts[index]! + change
    this.#counts[index] = left
    if (left === 0) this.#pages[index] = undefined
  }
}
