import { grownInt32 } from '../base/index.ts'
import type { PrefixId } from '../net/index.ts'
import type { AttributeTable } from './attribute-table.ts'
import { type AttributeSetId, NO_SET, NONE } from './rows.ts'

/** What a path that a peer has said counts as when it comes to the decision. */

/** Asked in `Acceptor.concerns` beside bits of `FACTS`: every set is concerned. */
export const EVERY_SET = 1 << 16

/** A set counts as it is. */
export const AS_RECEIVED = -2

/** The first of the numbers for a reason: `REFUSED_FIRST - n` is the `n`th of `Acceptor.reasons`. */
export const REFUSED_FIRST = -3

/** Import rules, as far as the tables ask for them. Equal rules are one object. */
export interface Acceptor {
  /** facts without any of which a set counts as it is; `EVERY_SET` */
  readonly concerns: number
  /** why something is refused, for people */
  readonly reasons: readonly string[]
  /**
   * Which form of `set` this route takes, 0 or more; or why it is refused, `REFUSED_FIRST` or less.
   * Called for each route that is decided: cheap, and the same whenever it is asked.
   */
  form(row: PrefixId, set: AttributeSetId): number
  /**
   * A form of `set`: one made by `AttributeTable.accepted`, with its reference, `AS_RECEIVED`, or
   * why it is refused. Called once a set and form.
   */
  make(set: AttributeSetId, form: number): number
}

/**
 * The paths of some peers as candidates: RFC 4271 §3.2 keeps what was said, and §9.1.1 asks what it
 * is worth. Nothing of it is in the Adj-RIBs-In, so that rules may change without asking the peer
 * again, and what they refuse can be shown.
 *
 *   set (AttributeSetId)   memo    set that it counts as, AS_RECEIVED, a refusal; NONE: not asked
 *                          forms   for which form that was
 *
 * 8 bytes a set for each different set of rules, none before a set is concerned. The memo holds a
 * reference to each set that it names, until the set it is named for goes. That ends: what is
 * named here is never what a peer said (see `AttributeTable.accepted`), so it names nothing itself.
 */
export class Acceptance {
  readonly #sets: AttributeTable
  readonly #acceptor: Acceptor
  #memo = new Int32Array(0)
  #forms = new Int32Array(0)

  constructor(sets: AttributeTable, acceptor: Acceptor) {
    this.#sets = sets
    this.#acceptor = acceptor
  }

  /** Bytes of the columns. */
  get bytes(): number {
    return 8 * this.#memo.length
  }

  /**
   * What the path of `row` with `set` counts as: valid while `set` is held; `NO_SET`: nothing. O(1)
   * for a set that is known.
   */
  accept(row: PrefixId, set: AttributeSetId): AttributeSetId {
    if (((this.#sets.facts[set]! | EVERY_SET) & this.#acceptor.concerns) === 0) return set
    const verdict = this.#judge(row, set)
    if (verdict >= 0) return verdict as AttributeSetId
    return verdict === AS_RECEIVED ? set : NO_SET
  }

  /** Why the path counts as nothing, for people; empty where it counts. */
  whyRefused(row: PrefixId, set: AttributeSetId): string {
    if (this.accept(row, set) !== NO_SET) return ''
    return this.#acceptor.reasons[REFUSED_FIRST - this.#judge(row, set)] ?? ''
  }

  /** The set has gone from the tables: so does what it counted as. */
  forget(set: AttributeSetId): void {
    if (set >= this.#memo.length) return
    const made = this.#memo[set]!
    this.#memo[set] = NONE
    if (made >= 0) this.#sets.release(made as AttributeSetId)
  }

  /** Forgets everything: who we are has changed, or the rules are used no more. O(sets). */
  clear(): void {
    const memo = this.#memo
    this.#memo = new Int32Array(0)
    this.#forms = new Int32Array(0)
    for (const made of memo) if (made >= 0) this.#sets.release(made as AttributeSetId)
  }

  /** Calls `visit` for each reference that is held here: for checks, which count them all. */
  references(visit: (set: AttributeSetId) => void): void {
    for (const made of this.#memo) if (made >= 0) visit(made as AttributeSetId)
  }

  #judge(row: PrefixId, set: AttributeSetId): number {
    const form = this.#acceptor.form(row, set)
    if (form < 0) return form
    if (set >= this.#memo.length) this.#grow(set)
    const known = this.#memo[set]!
    if (known !== NONE && this.#forms[set] === form) return known
    const made = this.#acceptor.make(set, form)
    this.#memo[set] = made
    this.#forms[set] = form
    if (known >= 0) this.#sets.release(known as AttributeSetId)
    return made
  }

  #grow(set: number): void {
    const rows = Math.max(64, set + 1, this.#memo.length + (this.#memo.length >>> 1))
    this.#memo = grownInt32(this.#memo, rows, NONE)
    this.#forms = grownInt32(this.#forms, rows)
  }
}
