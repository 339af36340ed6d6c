import { Bitset } from '../base/index.ts'
import type { PrefixId } from '../net/index.ts'
import { type AttributeSetId, NO_SET, NONE, type PeerColumns, type PeerId } from './rows.ts'

/** What one peer announced. RFC 4271 §3.2, RFC 7911. */

/** Rows of a page, as a power of two. */
const PAGE_BITS = 10
const PAGE_ROWS = 1 << PAGE_BITS
const PAGE_MASK = PAGE_ROWS - 1

/**
 * What one source has in one family: at most one path of a prefix.
 *
 *   row      PrefixId -> AttributeSetId    4 bytes a prefix, in pages of 1,024 rows; NONE where the
 *                                          source has no path
 *            path identifier               4 bytes a prefix, in pages too; none where the peer
 *                                          sends none
 *            repeated                      1 bit a row, while the peer restarts
 *
 * A peer with ten routes costs a page or a few of 4 KB each, one with a million 4 bytes a path; a
 * page goes with its last path. Whoever puts a set here holds a reference to it. Dropping a peer
 * walks its pages, not the table.
 */
export class PathColumn {
  readonly #pages: (Int32Array | undefined)[] = []
  readonly #counts: number[] = []
  #identifiers: (Uint32Array | undefined)[] | undefined
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

  /** True while any path has an identifier. O(pages). */
  get identified(): boolean {
    return this.#identifiers?.some(page => page !== undefined) ?? false
  }

  /** Bytes of the pages. */
  get bytes(): number {
    const pages = [...this.#pages, ...(this.#identifiers ?? [])]
    return pages.reduce((sum, page) => sum + (page?.byteLength ?? 0), 0)
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

  /** The set of a prefix, or `NO_SET`. */
  get(prefix: PrefixId): AttributeSetId {
    const page = this.#pages[prefix >>> PAGE_BITS]
    return page === undefined ? NO_SET : (page[prefix & PAGE_MASK] as AttributeSetId)
  }

  /** The identifier of the path of a prefix, an unsigned word; NONE where it came without. */
  identifier(prefix: PrefixId): number {
    if (this.#identifiers === undefined) return NONE
    const page = this.#identifiers[prefix >>> PAGE_BITS]
    return page === undefined ? NONE : page[prefix & PAGE_MASK]!
  }

  /** True when the path of a prefix is stale. */
  isStale(prefix: PrefixId): boolean {
    return this.#repeated !== undefined && !this.#repeated.has(prefix) && this.get(prefix) !== NONE
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

  /** The path that was just put has this identifier. */
  identify(prefix: PrefixId, identifier: number): void {
    const index = prefix >>> PAGE_BITS
    this.#identifiers ??= []
    while (this.#identifiers.length <= index) this.#identifiers.push(undefined)
    this.#identifiers[index] ??= new Uint32Array(PAGE_ROWS)
    this.#identifiers[index][prefix & PAGE_MASK] = identifier
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
    if (left > 0) return
    this.#pages[index] = undefined
    if (this.#identifiers !== undefined && index < this.#identifiers.length)
      this.#identifiers[index] = undefined
  }
}

/** A column without paths, for sources that have none in a family. Nothing is put in it. */
export const NO_PATHS = new PathColumn()

/** How far a walk over the paths of a peer is: the path that it was at last. */
export interface PathWalk {
  slot: number
  row: number
}

/** A walk that has not begun. */
export const newWalk = (): PathWalk => ({ slot: 0, row: -1 })

/**
 * The Adj-RIB-In of one peer in one family: the column of its own row, and where it sends several
 * paths of a prefix (RFC 7911), one column for each of its slots that the family has needed.
 *
 * A path is found by its identifier, wherever it is. A new one is put in the first column that is
 * empty at its prefix, so a column is about as full as the prefixes are that have so many paths. No
 * two columns have one identifier at one prefix.
 *
 * RFC 4724 §4.2: `age` makes all paths stale, at no cost; one that is put again, changed or not, is
 * stale no more. A stale path is a path like any other until somebody sweeps it.
 */
export class AdjRibIn {
  readonly #peer: PeerId
  readonly #peers: PeerColumns
  readonly #opened: (source: PeerId, column: PathColumn) => void
  readonly #columns: PathColumn[] = []
  #live = false

  /** @param opened  told of each source that has a column from now on, the peer's own first */
  constructor(
    peer: PeerId,
    peers: PeerColumns,
    opened: (source: PeerId, column: PathColumn) => void,
  ) {
    this.#peer = peer
    this.#peers = peers
    this.#opened = opened
    this.#open(peer)
  }

  /** How many paths there are. */
  get size(): number {
    return this.#columns.reduce((sum, { size }) => sum + size, 0)
  }

  /** How many paths are stale: not repeated since the peer went away. */
  get stale(): number {
    return this.#columns.reduce((sum, { stale }) => sum + stale, 0)
  }

  /** True while any path has an identifier. O(pages). */
  get identified(): boolean {
    return this.#columns.some(({ identified }) => identified)
  }

  /** Bytes of the pages. */
  get bytes(): number {
    return this.#columns.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** False once the session is gone: paths wait for the sweep and are no candidates any more. */
  get live(): boolean {
    return this.#live
  }

  set live(live: boolean) {
    this.#live = live
    for (const column of this.#columns) column.live = live
  }

  /** Every path is stale from now. O(slots). */
  age(): void {
    for (const column of this.#columns) column.age()
  }

  /** No path is stale any more, and none that comes is noted. */
  renew(): void {
    for (const column of this.#columns) column.renew()
  }

  /** The source that has the path of an identifier; NONE where there is no such path. O(slots). */
  find(prefix: PrefixId, identifier: number): PeerId | typeof NONE {
    for (let slot = 0; slot < this.#columns.length; slot++) {
      const column = this.#columns[slot]!
      if (column.identifier(prefix) === identifier && column.get(prefix) !== NO_SET)
        return this.#sources[slot]!
    }
    return NONE
  }

  /**
   * A source for one more path of a prefix: one that has none, made where all have one; then one
   * whose path is stale. NONE where there are too many. O(slots).
   */
  vacant(prefix: PrefixId): PeerId | typeof NONE {
    const columns = this.#columns
    const empty = columns.findIndex(column => column.get(prefix) === NO_SET)
    if (empty >= 0) return this.#sources[empty]!
    const source = this.#sources[columns.length] ?? this.#peers.takeSlot(this.#peer)
    if (source !== undefined) {
      this.#open(source)
      return source
    }
    // identifiers may be others after a restart, and then nothing repeats what is stale
    const stale = columns.findIndex(column => column.isStale(prefix))
    return stale < 0 ? NONE : this.#sources[stale]!
  }

  /**
   * Moves `walk` to the next path, or the next stale one, slot by slot; returns its source,
   * undefined at the end. What was put behind the walk meanwhile is not met.
   */
  next(walk: PathWalk, what: 'all' | 'stale'): PeerId | undefined {
    for (; walk.slot < this.#columns.length; walk.slot++, walk.row = -1) {
      const column = this.#columns[walk.slot]!
      const from = walk.row + 1
      const row = what === 'all' ? column.next(from) : column.nextStale(from)
      if (row < 0) continue
      walk.row = row
      return this.#sources[walk.slot]
    }
    return undefined
  }

  /** The slots of a peer are in one order in both families: a column's place is its source's. */
  get #sources(): readonly PeerId[] {
    return this.#peers.sourcesOf(this.#peer)
  }

  #open(source: PeerId): void {
    const column = new PathColumn()
    column.live = this.#live
    this.#columns.push(column)
    this.#opened(source, column)
  }
}
