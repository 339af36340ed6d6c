import { grownInt32, grownUint16, grownUint32, type Interner } from '../../base/index.ts'
import type { PrefixId } from '../../net/index.ts'
import type { LocRib } from '../loc-rib.ts'
import {
  type AttributeSetId,
  LOCAL_PEER,
  NO_OUT_SET,
  NO_SET,
  NONE,
  type OutSetId,
  type PeerId,
} from '../rows.ts'

/** What the members of one update group are to hold. RFC 4271 §3.2. */

/** How one group's routes are made from the Loc-RIB's: the rules of the session and its policy. */
export interface Exporter {
  /**
   * Which of the forms of `set` this route takes; -1: it is not sent. Forms are numbers of the
   * exporter's own, 0 or more. Called for each route: cheap.
   */
  form(row: PrefixId, set: AttributeSetId, source: PeerId): number
  /**
   * A form of `set`, with one more reference, or `NO_OUT_SET` where it cannot be sent. Called once
   * a set.
   */
  make(set: AttributeSetId, source: PeerId, form: number): OutSetId
}

/** The memo's mark for a set that is not sent. */
const REFUSED = -2

/**
 * The Adj-RIB-Out of an update group in one family.
 *
 *   row (PrefixId)   out     OutSetId that the members hold, or NO_OUT_SET     4 bytes
 *                    source  PeerId that the path came from: it has none        2 bytes
 *
 *   set              memo    OutSetId of the form last asked for, or REFUSED    4 bytes
 *   (AttributeSetId) forms   which form that was                                4 bytes
 *
 * 6 bytes a prefix and group, 8 a set and group. One column serves all members: member `m` holds a
 * row when it has a set whose source is not `m` (a path does not go back to where it came from).
 * Each row and each memo entry holds a reference to its set, each row in use one to the Loc-RIB's
 * row.
 */
export class AdjRibOut {
  out = new Int32Array(0)
  source = new Uint16Array(0)
  #memo = new Int32Array(0)
  #forms = new Int32Array(0)
  #counts = new Uint32Array(0)
  #size = 0
  readonly #locRib: LocRib
  readonly #sets: Interner
  readonly #exporter: Exporter

  constructor(locRib: LocRib, sets: Interner, exporter: Exporter) {
    this.#locRib = locRib
    this.#sets = sets
    this.#exporter = exporter
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
    return 6 * this.out.length + 8 * this.#memo.length
  }

  /** True when `peer` holds the row as the columns are now. */
  holds(row: PrefixId, peer: PeerId): boolean {
    return row < this.out.length && this.out[row] !== NONE && this.source[row] !== peer
  }

  /** What the best path of a row is sent as, with one more reference, or `NO_OUT_SET`. */
  export(row: PrefixId): OutSetId {
    const set = this.#locRib.best[row] as AttributeSetId
    if (set === NO_SET) return NO_OUT_SET
    const source = this.#locRib.from[row] as PeerId
    const form = this.#exporter.form(row, set, source)
    if (form < 0) return NO_OUT_SET
    if (set >= this.#memo.length) this.#growMemo(set)
    let out = this.#memo[set]!
    if (out === NONE || this.#forms[set] !== form) {
      if (out >= 0) this.#sets.release(out)
      out = this.#exporter.make(set, source, form)
      if (out === NO_OUT_SET) out = REFUSED
      this.#memo[set] = out
      this.#forms[set] = form
    }
    if (out === REFUSED) return NO_OUT_SET
    this.#sets.hold(out)
    return out as OutSetId
  }

  /** Puts a set in a row, taking over its reference. */
  put(row: PrefixId, set: OutSetId, source: PeerId): void {
    if (row >= this.out.length) this.#grow(row)
    const last = this.out[row] as OutSetId
    if (last !== NO_OUT_SET) {
      this.#counts[this.source[row]!]!--
      this.#size--
    }
    if (set !== NO_OUT_SET) {
      if (source >= this.#counts.length) this.#counts = grownUint32(this.#counts, source + 16)
      this.#counts[source]!++
      this.#size++
    }
    this.out[row] = set
    this.source[row] = source
    if (set !== NO_OUT_SET && last === NO_OUT_SET) this.#locRib.hold(row)
    if (last !== NO_OUT_SET) this.#sets.release(last)
  }

  /** The set has gone from the tables: so does what is remembered of it. */
  forget(set: AttributeSetId): void {
    if (set >= this.#memo.length) return
    const out = this.#memo[set]!
    this.#memo[set] = NONE
    if (out >= 0) this.#sets.release(out)
  }

  /** Forgets every form: the rules have changed. O(sets). */
  forgetAll(): void {
    for (const out of this.#memo) if (out >= 0) this.#sets.release(out)
    this.#memo = new Int32Array(0)
    this.#forms = new Int32Array(0)
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
    for (const column of [this.out, this.#memo])
      for (const set of column) if (set >= 0) visit(set as OutSetId)
  }

  #grow(row: number): void {
    const rows = Math.max(row + 1, this.#locRib.prefixes.capacity)
    this.out = grownInt32(this.out, rows, NONE)
    this.source = grownUint16(this.source, rows)
  }

  #growMemo(set: number): void {
    const rows = Math.max(64, set + 1, this.#memo.length + (this.#memo.length >>> 1))
    this.#memo = grownInt32(this.#memo, rows, NONE)
    this.#forms = grownInt32(this.#forms, rows)
  }
}
