import type { PrefixId } from '../net/index.ts'
import type { AttributeTable } from './attribute-table.ts'
import type { LocRib } from './loc-rib.ts'
import { type AttributeSetId, NO_SET, NONE, type PeerColumns, type PeerId } from './rows.ts'

/** What a path that a peer has said counts as when it comes to the decision. */

/** Asked in `Acceptor.concerns` beside bits of `FACTS`: every set is concerned. */
export const EVERY_SET = 1 << 16

/** A set counts as it is. */
export const AS_RECEIVED = -2

/** Why a set is refused: `REFUSED_FIRST - n` stands for `Acceptor.reasons[n]`. */
export const REFUSED_FIRST = -3

/** Import rules, as far as the tables ask for them. Equal rules are one object. */
export interface Acceptor {
  /** facts without any of which a set counts as it is; `EVERY_SET` */
  readonly concerns: number
  /** false: nothing is refused; it only makes other sets of some */
  readonly refuses: boolean
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

/** Sets of a page, as a power of two. */
const PAGE_BITS = 10
const PAGE_SETS = 1 << PAGE_BITS
const PAGE_MASK = PAGE_SETS - 1

/**
 * The paths of some peers as candidates: RFC 4271 §3.2 keeps what was said, and §9.1.1 asks what it
 * is worth. Nothing of it is in the Adj-RIBs-In, so that rules may change without asking the peer
 * again, and what they refuse can be shown.
 *
 *   set (AttributeSetId)   memo   set that it counts as, AS_RECEIVED, a refusal; NONE: not asked
 *                          form   for which form that was
 *
 * 8 bytes a set, in pages of 1,024 that come with the first set that the rules concern, and go with
 * the last: about 8 bytes for each different set that these peers have. The memo holds a reference
 * to each set that it names, until the set it is named for goes. That ends: what is named here is
 * never what a peer said (see `AttributeTable.accepted`), so it names nothing itself.
 */
export class Acceptance {
  readonly #sets: AttributeTable
  readonly #acceptor: Acceptor
  /** two words a set: memo, form */
  #pages: (Int32Array | undefined)[] = []
  /** by page: how many sets have been asked for */
  #counts: number[] = []

  constructor(sets: AttributeTable, acceptor: Acceptor) {
    this.#sets = sets
    this.#acceptor = acceptor
  }

  /** False where nothing is refused. */
  get refuses(): boolean {
    return this.#acceptor.refuses
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
    const index = set >>> PAGE_BITS
    const page = this.#pages[index]
    const at = (set & PAGE_MASK) << 1
    if (page === undefined || page[at] === NONE) return
    const made = page[at]!
    page[at] = NONE
    this.#counts[index]!--
    if (this.#counts[index] === 0) this.#pages[index] = undefined
    if (made >= 0) this.#sets.release(made as AttributeSetId)
  }

  /** Forgets everything: who we are has changed, or the rules are used no more. O(sets). */
  clear(): void {
    const made: AttributeSetId[] = []
    this.references(set => made.push(set))
    this.#pages = []
    this.#counts = []
    for (const set of made) this.#sets.release(set)
  }

  /** Calls `visit` for each reference that is held here: for checks, which count them all. */
  references(visit: (set: AttributeSetId) => void): void {
    for (const page of this.#pages)
      for (let at = 0; page !== undefined && at < page.length; at += 2)
        if (page[at]! >= 0) visit(page[at] as AttributeSetId)
  }

  #judge(row: PrefixId, set: AttributeSetId): number {
    const form = this.#acceptor.form(row, set)
    if (form < 0) return form
    const index = set >>> PAGE_BITS
    const page = this.#pages[index] ?? this.#open(index)
    const at = (set & PAGE_MASK) << 1
    const known = page[at]!
    if (known !== NONE && page[at + 1] === form) return known
    if (known === NONE) this.#counts[index]!++
    const made = this.#acceptor.make(set, form)
    page[at] = made
    page[at + 1] = form
    if (known >= 0) this.#sets.release(known as AttributeSetId)
    return made
  }

  #open(index: number): Int32Array {
    const page = new Int32Array(2 * PAGE_SETS).fill(NONE)
    // no holes: an array with holes is a slow one
    while (this.#pages.length <= index) {
      this.#pages.push(undefined)
      this.#counts.push(0)
    }
    this.#pages[index] = page
    return page
  }
}

/**
 * By which rules the paths of each peer are accepted, in one family.
 *
 * Where a peer's rules may refuse something, its accepted paths are counted as they come and go:
 * what rules say of a path is the same whenever they are asked.
 */
export class Acceptances {
  readonly #locRib: LocRib
  readonly #peers: PeerColumns
  /** by peer; absent: its paths count as they are */
  readonly #byPeer: (Acceptance | undefined)[] = []
  /** of peers whose rules may refuse something */
  readonly #counts = new Map<PeerId, number>()

  constructor(locRib: LocRib, peers: PeerColumns) {
    this.#locRib = locRib
    this.#peers = peers
  }

  /**
   * From now on the paths of `peer` count as `acceptance` has them. Also to be called when that has
   * been cleared. The paths that the peer has are decided again. O(its paths).
   */
  assign(peer: PeerId, acceptance: Acceptance | undefined): void {
    // no holes: an array with holes is a slow one
    while (this.#byPeer.length <= peer) this.#byPeer.push(undefined)
    this.#byPeer[peer] = acceptance
    let count = 0
    for (const source of this.#peers.sourcesOf(peer)) {
      const column = this.#locRib.source(source)
      for (let at = column.next(0); at >= 0; at = column.next(at + 1)) {
        const row = at as PrefixId
        this.#locRib.touch(row)
        count += this.#isAccepted(source, row, column.get(row)) ? 1 : 0
      }
    }
    if (acceptance?.refuses === true) this.#counts.set(peer, count)
    else this.#counts.delete(peer)
  }

  /** What the paths of a peer count as; undefined: as they are. */
  of(peer: PeerId): Acceptance | undefined {
    return this.#byPeer[peer]
  }

  /** What the path of `source` with `set` counts as, or `NO_SET`. */
  accept(source: PeerId, row: PrefixId, set: AttributeSetId): AttributeSetId {
    const acceptance = this.#byPeer[this.#peers.owner[source]!]
    return acceptance === undefined ? set : acceptance.accept(row, set)
  }

  /** The path of `source` becomes `set`; both are held by the caller, or `NO_SET`. */
  put(source: PeerId, row: PrefixId, last: AttributeSetId, set: AttributeSetId): void {
    if (this.#counts.size === 0) return
    const peer = this.#peers.owner[source] as PeerId
    const count = this.#counts.get(peer)
    if (count === undefined) return
    const gone = this.#isAccepted(source, row, last) ? 1 : 0
    const come = this.#isAccepted(source, row, set) ? 1 : 0
    this.#counts.set(peer, count + come - gone)
  }

  /** How many paths of a peer its import rules do not refuse, eligible or not. O(1). */
  accepted(peer: PeerId): number {
    return this.#counts.get(peer) ?? this.#locRib.adjRibIn(peer).size
  }

  /** Why import rules refuse a path, for people; empty where they do not. */
  whyRefused(source: PeerId, row: PrefixId, set: AttributeSetId): string {
    return this.#byPeer[this.#peers.owner[source]!]?.whyRefused(row, set) ?? ''
  }

  #isAccepted(source: PeerId, row: PrefixId, set: AttributeSetId): boolean {
    return set !== NO_SET && this.accept(source, row, set) !== NO_SET
  }
}
