import { FACTS } from './attribute-facts.ts'
import type { AttributeColumns } from './attribute-table.ts'
import {
  type AttributeSetId,
  type NextHopId,
  NONE,
  PEER_KINDS,
  type PeerColumns,
  type PeerId,
} from './rows.ts'

/**
 * The decision process, RFC 4271 §9.1.2, over columns.
 *
 * Every rule is in `compare`, one straight function. MED is compared only among paths of one
 * neighbouring AS, so `compare` alone is not an order; `decide` first finds the best of each
 * neighbouring AS, then the best of those. That is the elimination that §9.1.2.2 describes, and the
 * same in any order of arrival. "Prefer the oldest" is not here: it is history.
 */

/** Why a path is not the best, by the number that `compare` returns. */
export const REASONS: Readonly<Record<number, string>> = {
  1: 'another is originated here',
  2: 'LLGR_STALE, another is not',
  3: 'lower LOCAL_PREF',
  4: 'longer AS_PATH',
  5: 'higher ORIGIN',
  6: 'higher MED',
  7: 'internal, another is external',
  8: 'farther next hop',
  9: 'higher router id',
  10: 'longer CLUSTER_LIST',
  11: 'higher peer address',
  12: 'higher path identifier',
}

/**
 * Rules from this one on break ties: paths that differ only by them are one class for multipath.
 */
export const TIE_RULE = 9

/** The columns that the decision reads. */
export interface DecisionColumns {
  readonly sets: AttributeColumns
  readonly peers: PeerColumns
  /** by row: the metric to a next hop */
  readonly nextHops: { readonly metric: ArrayLike<number> }
}

/** Paths of one destination, in columns; `count` are in use. Order does not matter. */
export class Candidates {
  /** sources: peers, or slots of them */
  readonly peers: PeerId[] = []
  readonly sets: AttributeSetId[] = []
  /** identifiers, NONE of paths that came without. RFC 7911 */
  readonly identifiers: number[] = []
  count = 0

  /** Adds a path. */
  add(source: PeerId, set: AttributeSetId, identifier: number): void {
    this.peers[this.count] = source
    this.sets[this.count] = set
    this.identifiers[this.count] = identifier
    this.count++
  }
}

/**
 * Compares the paths at `left` and `right`: the number of the rule that tells them apart, positive
 * where `left` is better. Never 0 for two paths: those of one peer have two identifiers.
 */
export function compare(
  columns: DecisionColumns,
  candidates: Candidates,
  left: number,
  right: number,
): number {
  const { sets, peers } = columns
  const peerA = candidates.peers[left]!
  const peerB = candidates.peers[right]!
  const a = candidates.sets[left]!
  const b = candidates.sets[right]!
  const kindA = peers.kind[peerA]!
  const kindB = peers.kind[peerB]!
  // what this node originates: every router gives it the highest weight
  const localA = kindA === PEER_KINDS.LOCAL
  const localB = kindB === PEER_KINDS.LOCAL
  if (localA !== localB) return localA ? 1 : -1
  if (a !== b) {
    // RFC 9494 §4.3: LLGR_STALE makes a path "least preferred", before any other rule
    const staleA = sets.facts[a]! & FACTS.LLGR_STALE
    if (staleA !== (sets.facts[b]! & FACTS.LLGR_STALE)) return staleA === 0 ? 2 : -2
    // §9.1.1: degree of preference, bigger is better
    if (sets.localPref[a] !== sets.localPref[b])
      return sets.localPref[a]! > sets.localPref[b]! ? 3 : -3
    // §9.1.2.2 (a): fewer AS numbers in AS_PATH
    if (sets.asPathLength[a] !== sets.asPathLength[b])
      return sets.asPathLength[a]! < sets.asPathLength[b]! ? 4 : -4
    // (b): lower ORIGIN
    if (sets.origin[a] !== sets.origin[b]) return sets.origin[a]! < sets.origin[b]! ? 5 : -5
    // (c): lower MULTI_EXIT_DISC, absent is 0, of one neighbouring AS only
    if (sets.neighbourAs[a] === sets.neighbourAs[b] && sets.med[a] !== sets.med[b])
      return sets.med[a]! < sets.med[b]! ? 6 : -6
  }
  // (d): external before internal
  const externalA = kindA === PEER_KINDS.EXTERNAL
  const externalB = kindB === PEER_KINDS.EXTERNAL
  if (externalA !== externalB) return externalA ? 7 : -7
  if (a !== b) {
    // (e): lower metric to the next hop
    const metricA = metricOf(columns, a)
    const metricB = metricOf(columns, b)
    if (metricA !== metricB) return metricA < metricB ? 8 : -8
  }
  return breakTie(columns, candidates, left, right)
}

function breakTie(
  columns: DecisionColumns,
  { peers: sources, sets: all, identifiers }: Candidates,
  left: number,
  right: number,
): number {
  const { sets, peers } = columns
  const peerA = sources[left]!
  const peerB = sources[right]!
  const a = all[left]!
  const b = all[right]!
  // (f): lower BGP Identifier; RFC 4456 §9: ORIGINATOR_ID stands for it
  const idA = identifier(columns, peerA, a)
  const idB = identifier(columns, peerB, b)
  if (idA !== idB) return idA < idB ? 9 : -9
  // RFC 4456 §9: shorter CLUSTER_LIST
  if (sets.clusterListLength[a] !== sets.clusterListLength[b])
    return sets.clusterListLength[a]! < sets.clusterListLength[b]! ? 10 : -10
  // (g): lower peer address
  if (peers.rank[peerA] !== peers.rank[peerB])
    return peers.rank[peerA]! < peers.rank[peerB]! ? 11 : -11
  // paths of one peer: identifiers are opaque, but in one order for all who compare them
  return identifiers[left]! < identifiers[right]! ? 12 : -12
}

function metricOf({ sets, nextHops }: DecisionColumns, set: AttributeSetId): number {
  const nextHop = sets.nextHop[set]!
  return nextHop === NONE ? 0 : nextHops.metric[nextHop]!
}

function identifier({ sets, peers }: DecisionColumns, peer: PeerId, set: AttributeSetId): number {
  return (sets.facts[set]! & FACTS.HAS_ORIGINATOR) !== 0
    ? sets.originatorId[set]!
    : peers.routerId[peer]!
}

/** The place of the best of `candidates`, or -1 when there is none. Usually one pass. */
export function decide(columns: DecisionColumns, candidates: Candidates): number {
  if (candidates.count <= 1) return candidates.count - 1
  return medMatters(columns, candidates)
    ? bestOfGroups(columns, candidates)
    : bestOf(columns, candidates, NONE)
}

/** True unless all MEDs are equal: then `compare` is an order and groups change nothing. */
function medMatters({ sets }: DecisionColumns, candidates: Candidates): boolean {
  const med = sets.med[candidates.sets[0]!]
  for (let at = 1; at < candidates.count; at++)
    if (sets.med[candidates.sets[at]!] !== med) return true
  return false
}

/** The best among those whose neighbouring AS is `neighbourAs`, or among all for NONE. */
function bestOf(columns: DecisionColumns, candidates: Candidates, neighbourAs: number): number {
  const { sets } = candidates
  let best = -1
  for (let at = 0; at < candidates.count; at++) {
    if (neighbourAs !== NONE && columns.sets.neighbourAs[sets[at]!] !== neighbourAs) continue
    if (best < 0 || compare(columns, candidates, at, best) > 0) best = at
  }
  return best
}

/** Best of each neighbouring AS, then best of those. O(paths x neighbouring ASes). */
function bestOfGroups(columns: DecisionColumns, candidates: Candidates): number {
  const { sets } = candidates
  let best = -1
  for (let at = 0; at < candidates.count; at++) {
    const neighbourAs = columns.sets.neighbourAs[sets[at]!]!
    if (isSeen(columns, candidates, at, neighbourAs)) continue
    const winner = bestOf(columns, candidates, neighbourAs)
    if (best < 0 || compare(columns, candidates, winner, best) > 0) best = winner
  }
  return best
}

function isSeen(
  { sets }: DecisionColumns,
  candidates: Candidates,
  end: number,
  neighbourAs: number,
): boolean {
  for (let at = 0; at < end; at++)
    if (sets.neighbourAs[candidates.sets[at]!] === neighbourAs) return true
  return false
}

/**
 * The rule by which the path at `at` lost, 0 for the best. A path that lost inside its neighbouring
 * AS lost to that AS's best; one that won there lost to the best of all.
 */
export function lossOf(
  columns: DecisionColumns,
  candidates: Candidates,
  best: number,
  at: number,
): number {
  if (at === best) return 0
  const winner = bestOf(columns, candidates, columns.sets.neighbourAs[candidates.sets[at]!]!)
  return -compare(columns, candidates, at, winner === at ? best : winner)
}

/**
 * True when the path at `at` may be used beside the best: only a tie-break tells it from the best,
 * and from the best of its neighbouring AS, where that is another. Paths of two neighbouring ASes
 * may go together.
 */
export function isMultipath(
  columns: DecisionColumns,
  candidates: Candidates,
  best: number,
  at: number,
): boolean {
  if (at === best) return true
  if (compare(columns, candidates, best, at) < TIE_RULE) return false
  return lossOf(columns, candidates, best, at) >= TIE_RULE
}

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
