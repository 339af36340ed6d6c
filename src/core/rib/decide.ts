import { FACTS } from './attribute-facts.ts'
import type { AttributeColumns } from './attribute-table.ts'
import { type AttributeSetId, NONE, PEER_KINDS, type PeerColumns, type PeerId } from './rows.ts'

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
  2: 'lower LOCAL_PREF',
  3: 'longer AS_PATH',
  4: 'higher ORIGIN',
  5: 'higher MED',
  6: 'internal, another is external',
  7: 'farther next hop',
  8: 'higher router id',
  9: 'longer CLUSTER_LIST',
  10: 'higher peer address',
}

/**
 * Rules from this one on break ties: paths that differ only by them are one class for multipath.
 */
export const TIE_RULE = 8

/** The columns that the decision reads. */
export interface DecisionColumns {
  readonly sets: AttributeColumns
  readonly peers: PeerColumns
}

/** Paths of one destination, in two columns; `count` are in use. Order does not matter. */
export class Candidates {
  readonly peers: PeerId[] = []
  readonly sets: AttributeSetId[] = []
  count = 0

  /** Adds a path. */
  add(peer: PeerId, set: AttributeSetId): void {
    this.peers[this.count] = peer
    this.sets[this.count] = set
    this.count++
  }
}

/**
 * Compares path `a` (`setA` from `peerA`) with path `b`: the number of the rule that tells them
 * apart, positive where `a` is better. Never 0 for paths of two peers.
 */
export function compare(
  columns: DecisionColumns,
  peerA: PeerId,
  a: AttributeSetId,
  peerB: PeerId,
  b: AttributeSetId,
): number {
  const { sets, peers } = columns
  const kindA = peers.kind[peerA]!
  const kindB = peers.kind[peerB]!
  // what this node originates: every router gives it the highest weight
  const localA = kindA === PEER_KINDS.LOCAL
  const localB = kindB === PEER_KINDS.LOCAL
  if (localA !== localB) return localA ? 1 : -1
  if (a !== b) {
    // §9.1.1: degree of preference, bigger is better
    if (sets.localPref[a] !== sets.localPref[b])
      return sets.localPref[a]! > sets.localPref[b]! ? 2 : -2
    // §9.1.2.2 (a): fewer AS numbers in AS_PATH
    if (sets.asPathLength[a] !== sets.asPathLength[b])
      return sets.asPathLength[a]! < sets.asPathLength[b]! ? 3 : -3
    // (b): lower ORIGIN
    if (sets.origin[a] !== sets.origin[b]) return sets.origin[a]! < sets.origin[b]! ? 4 : -4
    // (c): lower MULTI_EXIT_DISC, absent is 0, of one neighbouring AS only
    if (sets.neighbourAs[a] === sets.neighbourAs[b] && sets.med[a] !== sets.med[b])
      return sets.med[a]! < sets.med[b]! ? 5 : -5
  }
  // (d): external before internal
  const externalA = kindA === PEER_KINDS.EXTERNAL
  const externalB = kindB === PEER_KINDS.EXTERNAL
  if (externalA !== externalB) return externalA ? 6 : -6
  // (e), 7: the metric to the next hop is not known here yet
  // (f): lower BGP Identifier; RFC 4456 §9: ORIGINATOR_ID stands for it
  const idA = identifier(columns, peerA, a)
  const idB = identifier(columns, peerB, b)
  if (idA !== idB) return idA < idB ? 8 : -8
  // RFC 4456 §9: shorter CLUSTER_LIST
  if (sets.clusterListLength[a] !== sets.clusterListLength[b])
    return sets.clusterListLength[a]! < sets.clusterListLength[b]! ? 9 : -9
  // (g): lower peer address
  return peers.rank[peerA]! < peers.rank[peerB]! ? 10 : -10
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
  const { peers, sets } = candidates
  let best = -1
  for (let at = 0; at < candidates.count; at++) {
    if (neighbourAs !== NONE && columns.sets.neighbourAs[sets[at]!] !== neighbourAs) continue
    if (best < 0 || compare(columns, peers[at]!, sets[at]!, peers[best]!, sets[best]!) > 0)
      best = at
  }
  return best
}

/** Best of each neighbouring AS, then best of those. O(paths x neighbouring ASes). */
function bestOfGroups(columns: DecisionColumns, candidates: Candidates): number {
  const { peers, sets } = candidates
  let best = -1
  for (let at = 0; at < candidates.count; at++) {
    const neighbourAs = columns.sets.neighbourAs[sets[at]!]!
    if (isSeen(columns, candidates, at, neighbourAs)) continue
    const winner = bestOf(columns, candidates, neighbourAs)
    if (best < 0 || compare(columns, peers[winner]!, sets[winner]!, peers[best]!, sets[best]!) > 0)
      best = winner
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
  const { peers, sets } = candidates
  const winner = bestOf(columns, candidates, columns.sets.neighbourAs[sets[at]!]!)
  const better = winner === at ? best : winner
  return -compare(columns, peers[at]!, sets[at]!, peers[better]!, sets[better]!)
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
  const { peers, sets } = candidates
  if (compare(columns, peers[best]!, sets[best]!, peers[at]!, sets[at]!) < TIE_RULE) return false
  return lossOf(columns, candidates, best, at) >= TIE_RULE
}
