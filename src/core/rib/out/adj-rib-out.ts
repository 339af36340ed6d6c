import { grownInt32, grownUint16, grownUint32, type Interner } from '../../base/index.ts'
import type { PrefixId } from '../../net/index.ts'
import type { LocRib } from '../loc-rib.ts'
import { LOCAL_PEER, NO_OUT_SET, NONE, type OutSetId, type PeerId } from '../rows.ts'

/** What the members of one update group are to hold. RFC 4271 §3.2. */

/**
 * The Adj-RIB-Out of an update group in one family; where its members take several paths of a
 * prefix, one of those that it has (plane.ts).
 *
 *   row (PrefixId)   out     OutSetId that the members hold, or NO_OUT_SET     4 bytes
 *                    owner   PeerId that the path came from: it has none        2 bytes
 *
 * 6 bytes a prefix and group. One column serves all members: member `m` holds a row when it has a
 * set whose owner is not `m` (a path does not go back to where it came from). Each row holds a
 * reference to its set, each row in use one to the Loc-RIB's row.
 */
export class AdjRibOut {
  out = new Int32Array(0)
  owner = new Uint16Array(0)
  #counts = new Uint32Array(0)
  #size = 0
  readonly #locRib: LocRib
  readonly #sets: Interner

  constructor(locRib: LocRib, sets: Interner) {
    this.#locRib = locRib
    this.#sets = sets
  }

  /** How many rows a member holds. */
  sizeFor(peer: PeerId): number {
    return this.#size - (this.#counts[peer] ?? 0)
  }

  /** Rows with a set. */
  get size(): number {
    return this.#size
  }

  /** Bytes of the columns. */
  get bytes(): number {
    return 6 * this.out.length
  }

  /** True when `peer` holds the row as the columns are now. */
  holds(row: PrefixId, peer: PeerId): boolean {
    return row < this.out.length && this.out[row] !== NONE && this.owner[row] !== peer
  }

  /** The set of a row, or `NO_OUT_SET`. */
  get(row: PrefixId): OutSetId {
    return row < this.out.length ? (this.out[row] as OutSetId) : NO_OUT_SET
  }

  /** Puts a set in a row, taking over its reference. */
  put(row: PrefixId, set: OutSetId, owner: PeerId): void {
    if (row >= this.out.length) this.#grow(row)
    const last = this.out[row] as OutSetId
    if (last !== NO_OUT_SET) {
      this.#counts[this.owner[row]!]!--
      this.#size--
    }
    if (set !== NO_OUT_SET) {
      if (owner >= this.#counts.length) this.#counts = grownUint32(this.#counts, owner + 16)
      this.#counts[owner]!++
      this.#size++
    }
    this.out[row] = set
    this.owner[row] = owner
    if (set !== NO_OUT_SET && last === NO_OUT_SET) this.#locRib.hold(row)
    if (last !== NO_OUT_SET) this.#sets.release(last)
  }

  /**
   * Empties rows from `from` on, at most `budget`; returns the next row, or -1 when all are empty.
   */
  sweep(from: number, budget: number): number {
    const end = Math.min(this.out.length, from + budget)
    for (let row = from; row < end; row++)
      if (this.out[row] !== NONE) {
        this.put(row as PrefixId, NO_OUT_SET, LOCAL_PEER)
        this.#locRib.drop(row as PrefixId)
      }
    return end === this.out.length ? -1 : end
  }

  /** Calls `visit` for each reference that is held here: for checks, which count them all. */
  references(visit: (set: OutSetId) => void): void {
    for (const set of this.out) if (set >= 0) visit(set as OutSetId)
  }

  #grow(row: number): void {
    const rows = Math.max(row + 1, this.#locRib.prefixes.capacity)
    this.out = grownInt32(this.out, rows, NONE)
    this.owner = grownUint16(this.owner, rows)
  }
}
