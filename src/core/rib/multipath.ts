import { type Candidates, compare, type DecisionColumns, isMultipath } from './decide.ts'
import type { NextHopId } from './rows.ts'

/** Which paths of a destination are used together. RFC 4271 §9.1.2.2 leaves that to us. */

/** Most next hops of one route. */
export const MULTIPATH_LIMIT_MAX = 64

/** What decides whether a path is used beside the best, and the next hops of those that are. */
export class Multipath {
  /** most next hops of a route */
  max = 1
  /** paths of several neighbouring ASes may be used together */
  acrossAses = true
  readonly #columns: DecisionColumns

  constructor(columns: DecisionColumns) {
    this.#columns = columns
  }

  /** True when a path may be used beside the best, as far as the configuration wants that. */
  allows(candidates: Candidates, best: number, at: number): boolean {
    const { neighbourAs } = this.#columns.sets
    const { sets } = candidates
    return (
      isMultipath(this.#columns, candidates, best, at) &&
      (this.acrossAses || neighbourAs[sets[at]!] === neighbourAs[sets[best]!])
    )
  }

  /**
   * Writes the next hop of the best path to `hops`, and distinct ones of those that go with it,
   * better ones first, as many as may be. Returns how many there are. The best has a next hop.
   */
  gather(candidates: Candidates, best: number, hops: NextHopId[]): number {
    const { nextHop } = this.#columns.sets
    const limit = Math.min(this.max, MULTIPATH_LIMIT_MAX)
    hops[0] = nextHop[candidates.sets[best]!] as NextHopId
    if (limit <= 1 || candidates.count <= 1) return 1
    const equals: number[] = []
    for (let at = 0; at < candidates.count; at++)
      if (this.allows(candidates, best, at)) equals.push(at)
    equals.sort((a, b) => compare(this.#columns, candidates, b, a))
    let count = 0
    for (const at of equals) {
      const hop = nextHop[candidates.sets[at]!] as NextHopId
      if (count < limit && !hops.slice(0, count).includes(hop)) hops[count++] = hop
    }
    return count
  }
}
