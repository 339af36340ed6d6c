import { Bitset } from '../../base/index.ts'
import type { PrefixId } from '../../net/index.ts'
import type { LocRib } from '../loc-rib.ts'
import { NO_OUT_SET, type OutSetId, type PeerId } from '../rows.ts'
import type { AdjRibOut } from './adj-rib-out.ts'

/** The walk is over: no row is at or after it. */
const DONE = Number.POSITIVE_INFINITY

/**
 * How far one member is in one plane of its group.
 *
 * A member in step gets the group's messages and has no state of its own. One that is not, because
 * it has just come, or its socket is full, or something concerns it alone, is described by what it
 * lacks:
 *
 *   walk       rows from here on have not been looked at for this member
 *   announce   rows whose present state it has yet to be sent     1 bit a row
 *   withdraw   rows that it holds and should not                   1 bit a row
 *   held       of the rows in either: whether it holds them         1 bit a row
 *
 * What it holds is thus known for every row: below the walk by the bits, or else as the group's
 * columns say; from the walk on nothing, or all that the columns say if it is a refresh. Bits cost
 * a row at most once, however often it changes, so a member may lag for as long as it likes. The
 * row of a bit is held.
 */
export class Feed {
  readonly #peer: PeerId
  #walk = 0
  /** rows from the walk on are held as the columns say: the member asked for them again */
  #again = false
  /** it asked while a walk was on its way: one more follows, however often it asked */
  #next = false
  readonly #announce = new Bitset()
  readonly #withdraw = new Bitset()
  readonly #held = new Bitset()
  readonly #locRib: LocRib
  readonly #adj: AdjRibOut

  constructor(peer: PeerId, locRib: LocRib, adj: AdjRibOut) {
    this.#peer = peer
    this.#locRib = locRib
    this.#adj = adj
  }

  /** True when the member holds what the columns say. */
  get complete(): boolean {
    return this.#walk === DONE && this.waiting === 0
  }

  /** Rows that are known to wait. */
  get waiting(): number {
    return this.#announce.size + this.#withdraw.size
  }

  /** The next row of the walk; infinite when it is over. */
  get walk(): number {
    return this.#walk
  }

  /** Nothing to walk: what the member lacks is said row by row. */
  skipWalk(): void {
    this.#walk = DONE
  }

  /**
   * The member asked for everything again: RFC 2918. One walk at a time: what is asked meanwhile is
   * answered by the next. O(1).
   */
  refresh(): void {
    if (this.#walk !== DONE) {
      this.#next = true
      return
    }
    this.#again = true
    this.#walk = 0
  }

  /** The columns went from `last` of `lastOwner` to what they say now. */
  change(row: PrefixId, last: OutSetId, lastOwner: PeerId): void {
    if (row >= this.#walk && !this.#again) return
    const peer = this.#peer
    const before = this.#heldBefore(row, last !== NO_OUT_SET && lastOwner !== peer)
    this.#want(row, before, this.#adj.holds(row, peer))
  }

  /** The member should hold the row as the columns say, and held it or not until now. */
  #want(row: PrefixId, before: boolean, wants: boolean): void {
    this.#locRib.hold(row)
    if (this.#announce.delete(row) || this.#withdraw.delete(row)) this.#locRib.drop(row)
    this.#held.delete(row)
    if (!wants && !before) {
      this.#locRib.drop(row)
      return
    }
    if (before) this.#held.add(row)
    if (wants) this.#announce.add(row)
    else this.#withdraw.add(row)
  }

  #waits(row: number): boolean {
    return this.#announce.has(row) || this.#withdraw.has(row)
  }

  #heldBefore(row: PrefixId, asColumns: boolean): boolean {
    return this.#waits(row) ? this.#held.has(row) : asColumns
  }

  /**
   * Takes over a member from another group, whose columns say what it holds; absent: nothing. What
   * both groups send alike is not sent again, unless the member has asked for it. O(rows).
   */
  adopt(from: Feed | undefined): void {
    this.#walk = DONE
    const peer = this.#peer
    for (let at = 0; at < this.#locRib.prefixes.rows; at++) {
      if (!this.#locRib.prefixes.has(at)) continue
      const row = at as PrefixId
      const before = from === undefined ? false : from.#holdsNow(row)
      const wants = this.#adj.holds(row, peer)
      const waits = from === undefined || from.#waits(row) || row >= from.#walk
      const same = before && wants && !waits && this.#adj.get(row) === from.#adj.get(row)
      if (!same && (before || wants)) this.#want(row, before, wants)
    }
    const asked = from === undefined ? false : from.#next
    if (asked) this.refresh()
  }

  #holdsNow(row: PrefixId): boolean {
    const unseen = row >= this.#walk && !this.#again
    return !unseen && this.#heldBefore(row, this.#adj.holds(row, this.#peer))
  }

  /** Takes the next row that is to be withdrawn out, or -1. Its hold is the caller's now. */
  takeWithdrawal(): number {
    return this.#taken(this.#withdraw.take())
  }

  /** Takes the next row that is to be announced out, or -1. Its hold is the caller's now. */
  takeAnnouncement(): number {
    return this.#taken(this.#announce.take())
  }

  /**
   * Goes on with the walk: the next row before `end` that the member is to be sent, or -1 at `end`,
   * where the walk is over if `last`.
   */
  takeWalked(end: number, last: boolean): number {
    const peer = this.#peer
    while (this.#walk < end) {
      const row = this.#walk++ as PrefixId
      if (this.#adj.holds(row, peer) && !this.#announce.has(row)) return row
    }
    if (!last) return -1
    this.#walk = this.#next ? 0 : DONE
    this.#again = this.#next
    this.#next = false
    return -1
  }

  /** The member has gone: nothing of it holds a row any more. */
  clear(): void {
    for (const bits of [this.#announce, this.#withdraw])
      for (let row = bits.next(0); row >= 0; row = bits.next(row + 1))
        this.#locRib.drop(row as PrefixId)
    this.#forget()
  }

  #taken(row: number): number {
    if (row < 0) return row
    this.#held.delete(row)
    // nothing waits: give the memory back
    if (this.waiting === 0) this.#forget()
    return row
  }

  #forget(): void {
    this.#announce.clear()
    this.#withdraw.clear()
    this.#held.clear()
  }
}
