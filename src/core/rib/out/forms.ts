import { grownInt32, type Interner } from '../../base/index.ts'
import type { PrefixId } from '../../net/index.ts'
import {
  type AttributeSetId,
  NO_OUT_SET,
  NO_SET,
  NONE,
  type OutSetId,
  type PeerId,
} from '../rows.ts'

/** What an update group makes of the attributes of a path. */

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
 * Remembers the form of each attribute set that a group asked for last.
 *
 *   set              memo    OutSetId of the form last asked for, or REFUSED    4 bytes
 *   (AttributeSetId) forms   which form that was                                4 bytes
 *
 * 8 bytes a set and group. Each entry holds a reference to its set.
 */
export class Forms {
  #memo = new Int32Array(0)
  #forms = new Int32Array(0)
  readonly #sets: Interner
  readonly #exporter: Exporter

  constructor(sets: Interner, exporter: Exporter) {
    this.#sets = sets
    this.#exporter = exporter
  }

  /** Bytes of the columns. */
  get bytes(): number {
    return 8 * this.#memo.length
  }

  /** Which form the path of `source` takes in this row; -1: it is not sent. */
  form(row: PrefixId, set: AttributeSetId, source: PeerId): number {
    return this.#exporter.form(row, set, source)
  }

  /**
   * What the path of `source` is sent as in this row, with one more reference, or `NO_OUT_SET`.
   */
  export(row: PrefixId, set: AttributeSetId, source: PeerId): OutSetId {
    if (set === NO_SET) return NO_OUT_SET
    const form = this.#exporter.form(row, set, source)
    return form < 0 ? NO_OUT_SET : this.made(set, source, form)
  }

  /** A form of a set, with one more reference, or `NO_OUT_SET`. */
  made(set: AttributeSetId, source: PeerId, form: number): OutSetId {
    if (set >= this.#memo.length) this.#grow(set)
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

  /** Calls `visit` for each reference that is held here: for checks, which count them all. */
  references(visit: (set: OutSetId) => void): void {
    for (const set of this.#memo) if (set >= 0) visit(set as OutSetId)
  }

  #grow(set: number): void {
    const rows = Math.max(64, set + 1, this.#memo.length + (this.#memo.length >>> 1))
    this.#memo = grownInt32(this.#memo, rows, NONE)
    this.#forms = grownInt32(this.#forms, rows)
  }
}
