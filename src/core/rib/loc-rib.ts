import { Bitset, grownInt32, grownUint16, grownUint32, invariant } from '../base/index.ts'
import type { GroupId } from '../fib/index.ts'
import { type Family, type PrefixId, PrefixTable } from '../net/index.ts'
import { AdjRibIn } from './adj-rib-in.ts'
import { LOOPS } from './attribute-facts.ts'
import type { AttributeTable } from './attribute-table.ts'
import { Candidates, compare, type DecisionColumns, decide, isMultipath } from './decide.ts'
import { type GroupListener, type NextHops, NO_GROUP } from './next-hops.ts'
import type { PeerColumns } from './rows.ts'
import {
  type AttributeSetId,
  LOCAL_PEER,
  type NextHopId,
  NO_SET,
  NONE,
  type PeerId,
} from './rows.ts'

/**
 * The destinations of one family: their paths, and the best of them.
 */

/** Most next hops of one route. */
export const MULTIPATH_LIMIT_MAX = 64

/** What the tables of both families share. */
export interface Shared {
  readonly sets: AttributeTable
  readonly peers: PeerColumns
  readonly nextHops: NextHops
}

/** What a decision changed. */
export const CHANGES = { NOTHING: 0, BEST: 1, GROUP: 2 } as const

/**
 * The Loc-RIB of one family, with the Adj-RIBs-In that it is decided from. RFC 4271 §3.2.
 *
 *   row (PrefixId)   best    AttributeSetId of the best path, or NO_SET       4 bytes
 *                    from    PeerId of the best path                          2 bytes
 *                    group   next hops of the best and its equals, NO_GROUP   4 bytes
 *                            for what is not forwarded
 *                    paths   how many Adj-RIBs-In have a path                 2 bytes
 *                    uses    who needs the row: paths, and tables below        2 bytes
 *
 * 14 bytes a prefix beside the prefix itself; 4 bytes a path (adj-rib-in.ts). Nothing is decided
 * when a path comes or goes: the row becomes dirty, and `decide` sees to it later, once for any
 * number of changes. A row that nobody needs is given back to the prefix table.
 */
export class LocRib {
  readonly family: Family
  readonly prefixes: PrefixTable
  best = new Int32Array(0)
  from = new Uint16Array(0)
  group = new Int32Array(0)
  /** most next hops of a route */
  multipathMax = 1
  #paths = new Uint16Array(0)
  #uses = new Uint16Array(0)
  #bestCounts = new Uint32Array(0)
  #pathsTotal = 0
  #destinations = 0
  readonly #dirty = new Bitset()
  readonly #adjRibsIn: AdjRibIn[] = []
  readonly #columns: DecisionColumns
  readonly #shared: Shared
  readonly #candidates = new Candidates()
  readonly #hops: NextHopId[] = []

  constructor(family: Family, shared: Shared, seed: number) {
    this.family = family
    this.prefixes = new PrefixTable(family, seed)
    this.#shared = shared
    this.#columns = { sets: shared.sets, peers: shared.peers }
    this.adjRibIn(LOCAL_PEER).live = true
  }

  /** Destinations that have a best path. */
  get destinations(): number {
    return this.#destinations
  }

  /** Paths of all peers, eligible or not. */
  get paths(): number {
    return this.#pathsTotal
  }

  /** Rows that wait for a decision. */
  get dirty(): number {
    return this.#dirty.size
  }

  /** Bytes of the columns, prefixes and Adj-RIBs-In included. */
  get bytes(): number {
    const inbound = this.#adjRibsIn.reduce((sum, adj) => sum + adj.bytes, 0)
    return this.prefixes.bytes + 14 * this.best.length + inbound
  }

  /** The Adj-RIB-In of a peer, made where there is none. */
  adjRibIn(peer: PeerId): AdjRibIn {
    while (this.#adjRibsIn.length <= peer) this.#adjRibsIn.push(new AdjRibIn())
    return this.#adjRibsIn[peer]!
  }

  /** How many destinations have their best path from `peer`. */
  bestCount(peer: PeerId): number {
    return this.#bestCounts[peer] ?? 0
  }

  /** The row of a prefix in NLRI, made where there is none; `NO_PREFIX` when the table is full. */
  add(bytes: Uint8Array, offset: number, length: number): PrefixId {
    const row = this.prefixes.add(bytes, offset, length)
    if (row >= this.best.length) this.#grow()
    return row
  }

  /**
   * A path of `peer` becomes `set`, or goes for `NO_SET`. The row becomes dirty if that is a
   * change.
   */
  put(peer: PeerId, row: PrefixId, set: AttributeSetId): void {
    const { sets } = this.#shared
    const last = this.#adjRibsIn[peer]!.put(row, set)
    if (last === set) return
    if (set !== NO_SET) sets.hold(set)
    if (last === NO_SET) {
      this.#paths[row]!++
      this.#pathsTotal++
      this.hold(row)
    }
    this.#dirty.add(row)
    if (last === NO_SET) return
    sets.release(last)
    if (set !== NO_SET) return
    this.#paths[row]!--
    this.#pathsTotal--
    // dirty: the row is settled once it is decided
    this.#uses[row]!--
  }

  /** Somebody needs the row until `drop`. */
  hold(row: PrefixId): void {
    this.#uses[row]!++
    invariant(this.#uses[row] !== 0, 'the users of a row are fewer than 65,536')
  }

  /** Nobody's any more? Then the row goes back to the prefix table. */
  drop(row: PrefixId): void {
    this.#uses[row]!--
    this.settle(row)
  }

  /** Gives the row back if nobody needs it. */
  settle(row: PrefixId): void {
    if (this.#uses[row] !== 0 || this.best[row] !== NONE || this.#dirty.has(row)) return
    this.prefixes.free(row)
    if (this.prefixes.size === 0) this.#clear()
  }

  /** The row will be decided again. */
  touch(row: PrefixId): void {
    this.#dirty.add(row)
  }

  /** All rows with a path will be decided again: the rules have changed. O(rows). */
  touchAll(): void {
    for (let row = 0; row < this.prefixes.rows; row++)
      if (this.prefixes.has(row) && this.#paths[row]! > 0) this.#dirty.add(row)
  }

  /** The next dirty row, which is clean now, or `NO_PREFIX`. In order of rows, going round. */
  takeDirty(): PrefixId {
    return this.#dirty.take() as PrefixId
  }

  /**
   * Decides one row. Returns bits of `CHANGES`: equal means silent.
   *
   * @param listener  told of groups of next hops that are new
   */
  decide(row: PrefixId, listener: GroupListener): number {
    const candidates = this.#gather(row)
    const at = decide(this.#columns, candidates)
    const set = at < 0 ? NO_SET : candidates.sets[at]!
    const from = at < 0 ? LOCAL_PEER : candidates.peers[at]!
    let changes: number = CHANGES.NOTHING
    if (set !== this.best[row] || (set !== NO_SET && from !== this.from[row])) {
      changes |= CHANGES.BEST
      this.#install(row, set, from)
    }
    const group = at < 0 ? NO_GROUP : this.#groupOf(candidates, at, listener)
    const last = this.group[row] as GroupId
    if (group !== last) {
      changes |= CHANGES.GROUP
      this.group[row] = group
    } else if (group !== NO_GROUP) this.#shared.nextHops.releaseGroup(group)
    if (group !== last && last !== NO_GROUP) this.#shared.nextHops.releaseGroup(last)
    return changes
  }

  /** The eligible paths of a row; one object for all rows, valid until the next call. O(peers). */
  candidates(row: PrefixId): Candidates {
    return this.#gather(row)
  }

  /** Calls `visit` for each path of a row, in the order of peers' numbers. */
  pathsOf(
    row: PrefixId,
    visit: (peer: PeerId, set: AttributeSetId, eligible: boolean) => void,
  ): void {
    for (const [peer, adj] of this.#adjRibsIn.entries()) {
      const set = adj.live ? adj.get(row) : NO_SET
      if (set !== NO_SET) visit(peer as PeerId, set, this.#isEligible(set))
    }
  }

  /** The columns that `compare` and its friends take. */
  get columns(): DecisionColumns {
    return this.#columns
  }

  #isEligible(set: AttributeSetId): boolean {
    const { sets, nextHops } = this.#shared
    const nextHop = sets.nextHop[set]!
    return (
      (sets.facts[set]! & LOOPS) === 0 && (nextHop === NONE || nextHops.eligible[nextHop] === 1)
    )
  }

  #gather(row: PrefixId): Candidates {
    const candidates = this.#candidates
    candidates.count = 0
    let left = this.#paths[row]!
    const all = this.#adjRibsIn
    for (let peer = 0; left > 0; peer++) {
      const adj = all[peer]!
      const set = adj.get(row)
      if (set === NO_SET) continue
      left--
      if (adj.live && this.#isEligible(set)) candidates.add(peer as PeerId, set)
    }
    return candidates
  }

  #install(row: PrefixId, set: AttributeSetId, from: PeerId): void {
    const { sets } = this.#shared
    const last = this.best[row] as AttributeSetId
    if (last !== NO_SET) {
      this.#bestCounts[this.from[row]!]!--
      this.#destinations--
    }
    if (set !== NO_SET) {
      sets.hold(set)
      if (from >= this.#bestCounts.length)
        this.#bestCounts = grownUint32(this.#bestCounts, from + 16)
      this.#bestCounts[from]!++
      this.#destinations++
    }
    this.best[row] = set
    this.from[row] = from
    if (last !== NO_SET) sets.release(last)
  }

  /** Next hops of the best path and of those that equal it, with one more reference. */
  #groupOf(candidates: Candidates, best: number, listener: GroupListener): GroupId {
    const { sets, nextHops } = this.#shared
    const hops = this.#hops
    const first = sets.nextHop[candidates.sets[best]!] as NextHopId
    // what this node originates has no next hop: the dataplane holds its blackholes
    if (first === NONE) return NO_GROUP
    hops[0] = first
    const limit = Math.min(this.multipathMax, MULTIPATH_LIMIT_MAX)
    const count = limit > 1 && candidates.count > 1 ? this.#gatherHops(candidates, best, limit) : 1
    return nextHops.holdGroup(hops, count, listener)
  }

  /** The best `limit` distinct next hops of the class of the best path. */
  #gatherHops(candidates: Candidates, best: number, limit: number): number {
    const { sets, peers } = candidates
    const equals: number[] = []
    for (let at = 0; at < candidates.count; at++)
      if (isMultipath(this.#columns, candidates, best, at)) equals.push(at)
    equals.sort((a, b) => compare(this.#columns, peers[b]!, sets[b]!, peers[a]!, sets[a]!))
    const hops = this.#hops
    let count = 0
    for (const at of equals) {
      const hop = this.#shared.sets.nextHop[sets[at]!] as NextHopId
      if (count < limit && !hops.slice(0, count).includes(hop)) hops[count++] = hop
    }
    return count
  }

  #grow(): void {
    const rows = this.prefixes.capacity
    this.best = grownInt32(this.best, rows, NONE)
    this.from = grownUint16(this.from, rows)
    this.group = grownInt32(this.group, rows, NO_GROUP)
    this.#paths = grownUint16(this.#paths, rows)
    this.#uses = grownUint16(this.#uses, rows)
  }

  #clear(): void {
    this.best = new Int32Array(0)
    this.from = new Uint16Array(0)
    this.group = new Int32Array(0)
    this.#paths = new Uint16Array(0)
    this.#uses = new Uint16Array(0)
    this.#dirty.clear()
  }
}
