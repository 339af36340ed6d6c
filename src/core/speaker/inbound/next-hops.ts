import type { NextHopAnswer } from '../../fib/index.ts'
import { FAMILIES } from '../../net/index.ts'
import { type PeerId, peerId } from '../../rib/index.ts'
import type { Tables } from '../tables.ts'

/**
 * What it means for routes that a next hop is reached in another way, or is this node. RFC 4271
 * §9.1.2.1
 */

/** A place in the paths of all sources. */
interface Place {
  family: number
  source: PeerId
  row: number
}

/**
 * Takes what the kernel half says of next hops, and which addresses are ours, and finds the rows
 * that are to be decided again: those with a path through one that changed, in slices of paths.
 * What changes during a walk is looked for in the next one, so that no walk begins anew for ever.
 */
export class NextHopChanges {
  readonly #tables: Tables
  /** rows of `NextHops`: those that this walk looks for, those of the next */
  #walking = new Set<number>()
  #waiting = new Set<number>()
  #at: Place = { family: 0, source: peerId(0), row: 0 }

  constructor(tables: Tables) {
    this.#tables = tables
  }

  /** Takes answers. O(answers). */
  take(answers: readonly NextHopAnswer[]): void {
    for (const answer of answers)
      for (const id of this.#tables.nextHops.resolve(answer, answer)) this.#waiting.add(id)
  }

  /** This node has these addresses, as `scopedText` has them. O(next hops) where that is news. */
  own(addresses: ReadonlySet<string>): void {
    for (const id of this.#tables.nextHops.own(addresses)) this.#waiting.add(id)
  }

  /** Looks at `budget` paths. True when there are more. */
  work(budget: number): boolean {
    if (this.#walking.size === 0) {
      if (this.#waiting.size === 0) return false
      this.#walking = this.#waiting
      this.#waiting = new Set()
      this.#at = { family: 0, source: peerId(0), row: 0 }
    }
    this.#walk(budget)
    return this.#walking.size > 0 || this.#waiting.size > 0
  }

  #walk(budget: number): void {
    const { locRibs, peers } = this.#tables
    const at = this.#at
    // an empty source costs one of the budget, a path one
    for (let left = budget; left > 0; left--) {
      const family = FAMILIES[at.family]
      if (family === undefined) {
        this.#walking.clear()
        return
      }
      const locRib = locRibs[family]
      const { size } = locRib.source(at.source)
      const row = locRib.touchThrough(this.#walking, at.source, at.row, left)
      left -= Math.min(size, left - 1)
      if (row >= 0) {
        at.row = row
        return
      }
      at.row = 0
      at.source = peerId(at.source + 1)
      if (at.source < peers.rows) continue
      at.source = peerId(0)
      at.family++
    }
  }
}
