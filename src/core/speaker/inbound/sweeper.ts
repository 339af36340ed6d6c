import type { Family, PrefixId } from '../../net/index.ts'
import { NO_SET, newWalk, type PathWalk } from '../../rib/index.ts'
import type { Peer } from '../peer.ts'
import type { Tables } from '../tables.ts'
import { LongLivedSets } from './long-lived.ts'

/** What is done to the paths of a peer whose session was lost: they go, or stay and are marked. */

/** What is being done to one Adj-RIB-In, and how far that is. */
export interface Sweep {
  /** every path goes, or those that are stale; or every path is marked with LLGR_STALE */
  what: 'all' | 'stale' | 'mark'
  readonly walk: PathWalk
  /** what is left is stale in turn: the peer has gone again */
  again: boolean
  /** and is marked after that */
  marks: boolean
}

/**
 * Takes paths out of the Adj-RIBs-In, or marks them, a slice at a time.
 *
 * A lost session costs O(1): its paths are dead (`drop`), or stale (`keep`), and the rows are seen
 * to in `work`. Until that is done nothing new is let into them: see `Peer.sweeping`.
 */
export class Sweeper {
  readonly #tables: Tables
  readonly #peers = new Set<Peer>()
  readonly #longLived: LongLivedSets

  constructor(tables: Tables) {
    this.#tables = tables
    this.#longLived = new LongLivedSets(tables.sets)
  }

  /** True while rows wait. */
  get busy(): boolean {
    return this.#peers.size > 0
  }

  /** All paths of a family count no more, and go. O(1). */
  drop(peer: Peer, family: Family): void {
    const adj = this.#tables.locRibs[family].adjRibIn(peer.id)
    adj.live = false
    peer.sweeping.delete(family)
    if (adj.size > 0) this.#begin(peer, family, 'all')
    else this.#end(peer, family)
  }

  /**
   * RFC 4724 §4.2: the peer has gone, and its paths of a family stay, stale. "To deal with possible
   * consecutive restarts, a route (from the peer) previously marked as stale MUST be deleted."
   * O(1).
   */
  keep(peer: Peer, family: Family): void {
    const adj = this.#tables.locRibs[family].adjRibIn(peer.id)
    const sweep = peer.sweeping.get(family)
    if (sweep === undefined && adj.stale > 0) this.#begin(peer, family, 'stale', true)
    else if (sweep?.what === 'stale' && sweep.again) this.drop(peer, family)
    else this.age(peer, family)
  }

  /** All paths of a family are stale, also those that were before. O(1). */
  age(peer: Peer, family: Family): void {
    const sweep = peer.sweeping.get(family)
    if (sweep === undefined) this.#tables.locRibs[family].adjRibIn(peer.id).age()
    else sweep.again = true
  }

  /** All paths of a family are stale and get LLGR_STALE, or go if they say so. RFC 9494 §4.2 */
  mark(peer: Peer, family: Family): void {
    const sweep = peer.sweeping.get(family)
    if (sweep === undefined) this.#begin(peer, family, 'mark', true)
    else if (sweep.what === 'stale') sweep.marks = true
  }

  /** What the peer has not repeated goes: it has said all, or has been waited for long enough. */
  finish(peer: Peer, family: Family): void {
    const adj = this.#tables.locRibs[family].adjRibIn(peer.id)
    const sweep = peer.sweeping.get(family)
    // nothing was let in meanwhile: all that is left is stale
    if (sweep?.again === true) this.drop(peer, family)
    else if (sweep === undefined && adj.stale > 0) this.#begin(peer, family, 'stale')
    else if (sweep === undefined) adj.renew()
  }

  /** Paths of a peer that wait to be repeated; those that go anyway are not counted. */
  stale(peer: Peer, family: Family): number {
    const { size, stale } = this.#tables.locRibs[family].adjRibIn(peer.id)
    const sweep = peer.sweeping.get(family)
    if (sweep === undefined) return stale
    if (sweep.what === 'mark') return size
    return sweep.what === 'stale' && sweep.again ? size - stale : 0
  }

  /** Sees to at most `budget` paths. */
  work(budget: number): void {
    let left = budget
    for (const peer of this.#peers) {
      for (const [family, sweep] of peer.sweeping) {
        left -= this.#sweep(peer, family, sweep, left)
        if (left <= 0) return
        this.#end(peer, family)
      }
      this.#peers.delete(peer)
    }
    this.#longLived.clear()
  }

  #sweep(peer: Peer, family: Family, sweep: Sweep, budget: number): number {
    const locRib = this.#tables.locRibs[family]
    const adj = locRib.adjRibIn(peer.id)
    let done = 0
    for (; done < budget; done++) {
      const source = adj.next(sweep.walk, sweep.what === 'stale' ? 'stale' : 'all')
      if (source === undefined) break
      const row = sweep.walk.row as PrefixId
      const marks = sweep.what === 'mark'
      const set = marks ? this.#longLived.of(locRib.source(source).get(row)) : NO_SET
      locRib.put(source, row, set)
    }
    return done
  }

  #begin(peer: Peer, family: Family, what: Sweep['what'], again = false): void {
    peer.sweeping.set(family, { what, walk: newWalk(), again, marks: false })
    this.#peers.add(peer)
  }

  #end(peer: Peer, family: Family): void {
    const adj = this.#tables.locRibs[family].adjRibIn(peer.id)
    const sweep = peer.sweeping.get(family)
    peer.sweeping.delete(family)
    if (sweep === undefined || sweep.what === 'all') {
      adj.renew()
      adj.live = peer.link !== undefined
    } else if (sweep.again) adj.age()
    else adj.renew()
    if (sweep?.what === 'stale' && sweep.marks) this.#begin(peer, family, 'mark', true)
  }
}
