import type { Interner } from '../../base/index.ts'
import type { PrefixId } from '../../net/index.ts'
import { endOfRib } from '../../wire/index.ts'
import type { LocRib } from '../loc-rib.ts'
import { LOCAL_PEER, NO_OUT_SET, type OutSetId, type PeerId } from '../rows.ts'
import { AdjRibOut, type Exporter } from './adj-rib-out.ts'
import { Feed, type Member } from './feed.ts'
import { PACK_ROWS_MAX, type Packer } from './packer.ts'

/**
 * Peers that are sent the same bytes.
 */

/** The walk that fills the columns is over. */
const FILLED = Number.POSITIVE_INFINITY

/** What a group works with, and shares with the others of its family. */
export interface GroupTables {
  readonly locRib: LocRib
  readonly outSets: Interner
  readonly packer: Packer
}

/**
 * An update group in one family: one Adj-RIB-Out, one encoding of each change, and for each member
 * a `Feed` that says how far it is.
 *
 * A pass is: `consider` each decided row, `flush`, then `pump` those who are not in step. A row is
 * in a pass once. Withdrawals go first, in a pass and in a pump. A new group fills its columns by
 * its own walk of the Loc-RIB (`fill`), and its members follow that walk.
 */
export class UpdateGroup {
  /** of the members' sessions: octets of a message, header included */
  readonly messageMax: number
  readonly adj: AdjRibOut
  /** End-of-RIB is owed but not said: we have restarted, and have not heard all. RFC 4724 §4.1 */
  endOfRibHeld = false
  readonly #tables: GroupTables
  readonly #feeds = new Map<PeerId, Feed>()
  readonly #feedOf: (Feed | undefined)[] = []
  #filled = 0
  // the pass: rows that changed, and what their members held
  readonly #rows: PrefixId[] = []
  readonly #last: OutSetId[] = []
  readonly #lastSources: PeerId[] = []
  // what a shared message does not say to one member: place in the pass, and the member
  readonly #alone: { readonly at: number; readonly feed: Feed }[] = []
  #sweep = 0

  constructor(tables: GroupTables, exporter: Exporter, messageMax: number) {
    this.#tables = tables
    this.messageMax = messageMax
    this.adj = new AdjRibOut(tables.locRib, tables.outSets, exporter)
  }

  /** How many members there are. */
  get size(): number {
    return this.#feeds.size
  }

  /** True while the columns are being filled. */
  get filling(): boolean {
    return this.#filled !== FILLED
  }

  /** Rows of the pass; `consider` wants fewer than `PACK_ROWS_MAX`. */
  get staged(): number {
    return this.#rows.length
  }

  /** The place of a member in the stream. */
  feed(peer: PeerId): Feed | undefined {
    return this.#feeds.get(peer)
  }

  /** A member comes and holds nothing; its walk ends with End-of-RIB. O(1). */
  join(member: Member): Feed {
    const feed = new Feed(member, this.#tables.locRib, this.adj, true)
    this.#enter(feed)
    return feed
  }

  /** A member comes over from another group. Only into a group that is filled. O(rows). */
  adopt(member: Member, from: Feed): Feed {
    const feed = new Feed(member, this.#tables.locRib, this.adj, false)
    feed.adopt(from)
    this.#enter(feed)
    return feed
  }

  /** A member goes. */
  leave(peer: PeerId): void {
    this.#feeds.get(peer)?.clear()
    this.#feeds.delete(peer)
    this.#feedOf[peer] = undefined
  }

  /** Fills the columns of at most `budget` rows. True when more are left. */
  fill(budget: number): boolean {
    if (this.#filled === FILLED) return false
    const { locRib } = this.#tables
    const end = Math.min(locRib.prefixes.rows, this.#filled + budget)
    for (let row = this.#filled; row < end; row++) {
      if (!locRib.prefixes.has(row)) continue
      const set = this.adj.export(row as PrefixId)
      if (set === NO_OUT_SET) continue
      this.adj.put(row as PrefixId, set, locRib.from[row] as PeerId)
    }
    this.#filled = end === locRib.prefixes.rows ? FILLED : end
    return this.#filled !== FILLED
  }

  /** A row was decided: if what members are sent has changed, it goes into the pass. */
  consider(row: PrefixId): void {
    // the walk will come to it
    if (row >= this.#filled) return
    const { adj } = this
    const { locRib, outSets } = this.#tables
    const last = row < adj.out.length ? (adj.out[row] as OutSetId) : NO_OUT_SET
    const lastSource = last === NO_OUT_SET ? LOCAL_PEER : (adj.source[row] as PeerId)
    const set = adj.export(row)
    const source = set === NO_OUT_SET ? LOCAL_PEER : (locRib.from[row] as PeerId)
    if (set === last && source === lastSource) {
      if (set !== NO_OUT_SET) outSets.release(set)
      return
    }
    adj.put(row, set, source)
    this.#rows.push(row)
    this.#last.push(last)
    this.#lastSources.push(lastSource)
  }

  /** Ends the pass: sends what changed to those in step, marks it for the others. */
  flush(): void {
    if (this.#rows.length === 0) return
    let anyInStep = false
    for (const feed of this.#feeds.values()) {
      if (feed.inStep) anyInStep = true
      else this.#mark(feed)
    }
    if (anyInStep) this.#share()
    const { locRib } = this.#tables
    for (const [at, row] of this.#rows.entries())
      if (this.#last[at] !== NO_OUT_SET && this.adj.out[row] === NO_OUT_SET) locRib.drop(row)
    this.#rows.length = 0
    this.#last.length = 0
    this.#lastSources.length = 0
  }

  /**
   * Sends a member what it lacks, withdrawals first, at most `budget` rows. Returns the rows looked
   * at; 0 when there was nothing to do or its socket is full.
   */
  pump(feed: Feed, budget: number): number {
    if (feed.congested || (feed.inStep && !this.owesEndOfRib(feed))) return 0
    const { locRib, packer } = this.#tables
    const most = Math.min(budget, PACK_ROWS_MAX - 1)
    const taken: PrefixId[] = []
    for (let row = 0; taken.length < most; ) {
      row = feed.takeWithdrawal()
      if (row < 0) break
      packer.add(row as PrefixId, NO_OUT_SET, LOCAL_PEER)
      taken.push(row as PrefixId)
    }
    for (let row = 0; taken.length < most; ) {
      row = feed.takeAnnouncement()
      if (row < 0) break
      packer.add(row as PrefixId, this.adj.out[row] as OutSetId, LOCAL_PEER)
      taken.push(row as PrefixId)
    }
    const looked = taken.length < most ? this.#walk(feed, most - taken.length) : 0
    packer.flush(locRib.prefixes, this.messageMax, message => feed.member.send(message))
    for (const each of taken) locRib.drop(each)
    if (this.owesEndOfRib(feed) && feed.walked && feed.waiting === 0) {
      feed.endOfRib = false
      feed.member.send(endOfRib(locRib.family))
    }
    return taken.length + looked
  }

  /** True where the end of a member's walk is to be said. */
  owesEndOfRib(feed: Feed): boolean {
    return feed.endOfRib && !this.endOfRibHeld
  }

  /** Members that lack something and may be sent it. */
  *behind(): Generator<Feed> {
    for (const feed of this.#feeds.values())
      if (!feed.congested && (!feed.inStep || this.owesEndOfRib(feed))) yield feed
  }

  /** Empties the columns of a group without members. True when more is left. */
  sweep(budget: number): boolean {
    this.adj.forgetAll()
    this.#sweep = this.adj.sweep(this.#sweep, budget)
    return this.#sweep >= 0
  }

  #walk(feed: Feed, budget: number): number {
    const { locRib, packer } = this.#tables
    const last = Math.min(this.#filled, locRib.prefixes.rows)
    const start = feed.walk
    if (start === Number.POSITIVE_INFINITY) return 0
    const end = Math.min(last, start + budget)
    const over = end === last && this.#filled === FILLED
    for (let row = feed.takeWalked(end, over); row >= 0; row = feed.takeWalked(end, over))
      packer.add(row as PrefixId, this.adj.out[row] as OutSetId, LOCAL_PEER)
    return end - start
  }

  #mark(feed: Feed): void {
    const rows = this.#rows
    for (let at = 0; at < rows.length; at++)
      feed.change(rows[at]!, this.#last[at]!, this.#lastSources[at]!)
  }

  /** One encoding for all that are in step; what concerns one member alone is marked for it. */
  #share(): void {
    const { locRib, packer } = this.#tables
    const inStep = [...this.#feeds.values()].filter(feed => feed.inStep)
    for (let at = 0; at < this.#rows.length; at++) this.#stage(at)
    packer.flush(locRib.prefixes, this.messageMax, (message, excluded) => {
      for (const { member } of inStep) if (member.peer !== excluded) member.send(message)
    })
    for (const { at, feed } of this.#alone)
      feed.change(this.#rows[at]!, this.#last[at]!, this.#lastSources[at]!)
    this.#alone.length = 0
  }

  #stage(at: number): void {
    const { packer } = this.#tables
    const row = this.#rows[at]!
    const last = this.#last[at]!
    const lastSource = this.#lastSources[at]!
    const set = this.adj.out[row] as OutSetId
    const source = this.adj.source[row] as PeerId
    if (set === NO_OUT_SET) {
      packer.add(row, NO_OUT_SET, this.#member(lastSource))
      return
    }
    // the same to all but the one it came from and the one it comes from now
    if (set === last) this.#standAlone(at, lastSource)
    else packer.add(row, set, this.#member(source))
    if (last !== NO_OUT_SET && lastSource !== source) this.#standAlone(at, source)
  }

  #standAlone(at: number, peer: PeerId): void {
    const feed = this.#feedOf[peer]
    if (feed?.inStep) this.#alone.push({ at, feed })
  }

  /** The peer if it is a member: others need not be kept from a message. */
  #member(peer: PeerId): PeerId {
    return this.#feedOf[peer] === undefined ? LOCAL_PEER : peer
  }

  #enter(feed: Feed): void {
    const peer = feed.member.peer
    this.#feeds.set(peer, feed)
    while (this.#feedOf.length <= peer) this.#feedOf.push(undefined)
    this.#feedOf[peer] = feed
  }
}
