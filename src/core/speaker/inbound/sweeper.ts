import { seconds } from '../../base/index.ts'
import { FAMILIES, type Family, type PrefixId } from '../../net/index.ts'
import { NO_SET } from '../../rib/index.ts'
import type { Peer } from '../peer.ts'
import type { Tables } from '../tables.ts'

/** What becomes of a peer's paths when its session is lost: they go, or they stay for a while. */

/** Routes of a peer that went away are kept at most for so long, whatever it asks. RFC 4724 §4.2 */
export const RESTART_MAX = seconds(600)

/** A peer that came back has so long to say all again; then what it did not say goes. */
export const STALE_MAX = seconds(360)

/** What is being taken out of one Adj-RIB-In, and how far that is. */
export interface Sweep {
  /** every path, or those that are stale */
  what: 'all' | 'stale'
  /** the next row to look at */
  from: number
  /** what is left is stale in turn: the peer has gone again */
  again: boolean
}

/**
 * Takes paths out of the Adj-RIBs-In, a slice at a time.
 *
 * A lost session costs O(1): its paths are dead (`drop`), or stale (`keep`), and the rows are seen
 * to in `work`. Until that is done nothing new is let into them: see `Peer.sweeping`.
 */
export class Sweeper {
  readonly #tables: Tables
  readonly #peers = new Set<Peer>()

  constructor(tables: Tables) {
    this.#tables = tables
  }

  /** True while rows wait. */
  get busy(): boolean {
    return this.#peers.size > 0
  }

  /** All paths of a family count no more, and go. O(1). */
  drop(peer: Peer, family: Family): void {
    const adj = this.#tables.locRibs[family].adjRibIn(peer.id)
    adj.live = false
    if (adj.size > 0) this.#begin(peer, family, { what: 'all', from: 0, again: false })
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
    if (sweep?.what === 'all') return
    if (sweep?.again === true) this.drop(peer, family)
    else if (sweep !== undefined) sweep.again = true
    else if (adj.stale > 0) this.#begin(peer, family, { what: 'stale', from: 0, again: true })
    else adj.age()
  }

  /** What the peer has not repeated goes: it has said all, or has been waited for long enough. */
  finish(peer: Peer, family: Family): void {
    const adj = this.#tables.locRibs[family].adjRibIn(peer.id)
    if (peer.sweeping.has(family)) return
    if (adj.stale > 0) this.#begin(peer, family, { what: 'stale', from: 0, again: false })
    else adj.renew()
  }

  /** Paths of a peer that wait to be repeated; those that go anyway are not counted. */
  stale(peer: Peer): number {
    return FAMILIES.reduce((sum, family) => {
      const { size, stale } = this.#tables.locRibs[family].adjRibIn(peer.id)
      const sweep = peer.sweeping.get(family)
      if (sweep === undefined) return sum + stale
      return sweep.what === 'stale' && sweep.again ? sum + size - stale : sum
    }, 0)
  }

  /** Takes at most `budget` paths out. */
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
  }

  #sweep(peer: Peer, family: Family, sweep: Sweep, budget: number): number {
    const locRib = this.#tables.locRibs[family]
    const adj = locRib.adjRibIn(peer.id)
    let done = 0
    for (; done < budget; done++) {
      const row = sweep.what === 'all' ? adj.next(sweep.from) : adj.nextStale(sweep.from)
      if (row < 0) break
      locRib.put(peer.id, row as PrefixId, NO_SET)
      sweep.from = row + 1
    }
    return done
  }

  #begin(peer: Peer, family: Family, sweep: Sweep): void {
    peer.sweeping.set(family, sweep)
    this.#peers.add(peer)
  }

  #end(peer: Peer, family: Family): void {
    const adj = this.#tables.locRibs[family].adjRibIn(peer.id)
    const sweep = peer.sweeping.get(family)
    peer.sweeping.delete(family)
    if (sweep?.again === true && sweep.what === 'stale') adj.age()
    else adj.renew()
    if (sweep?.what !== 'stale') adj.live = peer.link !== undefined
  }
}
