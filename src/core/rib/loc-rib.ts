import { Bitset, grownInt32, grownUint16, grownUint32, invariant } from '../base/index.ts'
import { type GroupId, metricOf } from '../fib/index.ts'
import { type Family, type PrefixId, PrefixTable } from '../net/index.ts'
import { Acceptances } from './acceptance.ts'
import { AdjRibIn, NO_PATHS, type PathColumn } from './adj-rib-in.ts'
import { LOOPS } from './attribute-facts.ts'
import type { AttributeTable } from './attribute-table.ts'
import { Candidates, type DecisionColumns, decide, Multipath } from './decide.ts'
import { type NextHops, NO_GROUP } from './next-hops.ts'
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

/** What the tables of both families share. */
export interface Shared {
  readonly sets: AttributeTable
  readonly peers: PeerColumns
  readonly nextHops: NextHops
}

/** What a decision changed. */
export const CHANGES = { NOTHING: 0, BEST: 1, GROUP: 2 } as const

/** Rows that were decided, the first `count`, and bits of `CHANGES` for each. */
export interface Decided {
  count: number
  readonly rows: PrefixId[]
  readonly changes: number[]
}

/**
 * The Loc-RIB of one family, with the Adj-RIBs-In that it is decided from. RFC 4271 §3.2.
 *
 *   row (PrefixId)   best    AttributeSetId of the best path, or NO_SET       4 bytes
 *                    from    source of the best path: a peer, or its slot      2 bytes
 *                    group   next hops of the best and its equals, NO_GROUP   4 bytes
 *                            for what is not forwarded
 *                    paths   how many sources have a path                     2 bytes
 *                    first   no source before this one has a path             2 bytes
 *                    uses    who needs the row: paths, and tables below        4 bytes
 *
 * 18 bytes a prefix beside the prefix itself; 4 bytes a path (adj-rib-in.ts). Nothing is decided
 * when a path comes or goes: the row becomes dirty, and `decide` sees to it later, once for any
 * number of changes. A row that nobody needs is given back to the prefix table.
 */
export class LocRib {
  readonly family: Family
  readonly prefixes: PrefixTable
  /** what the paths of each peer count as */
  readonly acceptances: Acceptances
  readonly multipath: Multipath
  best = new Int32Array(0)
  from = new Uint16Array(0)
  group = new Int32Array(0)
  #paths = new Uint16Array(0)
  #first = new Uint16Array(0)
  #uses = new Uint32Array(0)
  #bestCounts = new Uint32Array(0)
  #pathsTotal = 0
  #destinations = 0
  readonly #dirty = new Bitset()
  /** by source; `NO_PATHS` where it has none */
  readonly #sources: PathColumn[] = []
  /** by peer */
  readonly #adjRibsIn: (AdjRibIn | undefined)[] = []
  readonly #columns: DecisionColumns
  readonly #shared: Shared
  readonly #candidates = new Candidates()
  readonly #decided: Decided = { count: 0, rows: [], changes: [] }
  readonly #hops: NextHopId[] = []

  constructor(family: Family, shared: Shared, seed: number) {
    this.family = family
    this.prefixes = new PrefixTable(family, seed)
    this.#shared = shared
    this.#columns = shared
    this.multipath = new Multipath(shared)
    this.acceptances = new Acceptances(this, shared.peers)
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
    const inbound = this.#sources.reduce((sum, { bytes }) => sum + bytes, 0)
    return this.prefixes.bytes + 18 * this.best.length + inbound
  }

  /** The Adj-RIB-In of a peer, its slots included, made where there is none. */
  adjRibIn(peer: PeerId): AdjRibIn {
    const known = this.#adjRibsIn[peer]
    if (known !== undefined) return known
    // no holes: an array with holes is a slow one
    while (this.#adjRibsIn.length <= peer) this.#adjRibsIn.push(undefined)
    const adj = new AdjRibIn(peer, this.#shared.peers, (source, column) => {
      while (this.#sources.length <= source) this.#sources.push(NO_PATHS)
      this.#sources[source] = column
    })
    this.#adjRibsIn[peer] = adj
    return adj
  }

  /** What one source has: a peer's first paths, or what is in one of its slots. */
  source(source: PeerId): PathColumn {
    return this.#sources[source] ?? NO_PATHS
  }

  /** A peer is gone for good, and has no paths: its numbers may be those of others next. */
  forget(peer: PeerId): void {
    const adj = this.#adjRibsIn[peer]
    if (adj === undefined) return
    invariant(adj.size === 0, 'a peer that is forgotten has no paths')
    this.#adjRibsIn[peer] = undefined
    this.acceptances.assign(peer, undefined)
  }

  /** How many destinations have their best path from `peer`. */
  bestCount(peer: PeerId): number {
    return this.#bestCounts[peer] ?? 0
  }

  /** The row of a prefix in NLRI, made where there is none; `NO_PREFIX` when the table is full. */
  add(bytes: Uint8Array, offset: number, length: number): PrefixId {
    const row = this.prefixes.add(bytes, offset, length)
    if (row >= this.best.length) this.#resize(this.prefixes.capacity)
    return row
  }

  /**
   * The path of `source` becomes `set`, or goes for `NO_SET`. The row becomes dirty if that is a
   * change. `adjRibIn` of the peer must have been asked for before.
   */
  put(source: PeerId, row: PrefixId, set: AttributeSetId): void {
    const { sets } = this.#shared
    const last = this.#sources[source]!.put(row, set)
    if (last === set) return
    this.acceptances.put(source, row, last, set)
    if (set !== NO_SET) sets.hold(set)
    if (last === NO_SET) {
      if (this.#paths[row] === 0 || source < this.#first[row]!) this.#first[row] = source
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

  /**
   * The same for the path of `peer` that has an identifier, wherever that is. False where it would
   * be one too many: see `PATHS_PER_PEER_MAX`. RFC 7911 §3
   */
  putIdentified(peer: PeerId, row: PrefixId, identifier: number, set: AttributeSetId): boolean {
    const adj = this.adjRibIn(peer)
    const known = adj.find(row, identifier)
    if (known !== NONE || set === NO_SET) {
      if (known !== NONE) this.put(known, row, set)
      return true
    }
    const source = adj.vacant(row)
    if (source === NONE) return false
    // where a stale path makes room: it is another path even if its attributes are the same
    this.put(source, row, NO_SET)
    this.put(source, row, set)
    this.#sources[source]!.identify(row, identifier)
    return true
  }

  /** Somebody needs the row until `drop`: a table, or a plane of a member that is behind. */
  hold(row: PrefixId): void {
    this.#uses[row]!++
  }

  /** Nobody's any more? Then the row goes back to the prefix table. */
  drop(row: PrefixId): void {
    const left = --this.#uses[row]!
    if (left !== 0 || this.best[row] !== NONE || this.#dirty.has(row)) return
    this.prefixes.free(row)
    if (this.prefixes.size > 0) return
    this.#resize(0)
    this.#dirty.clear()
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

  /**
   * The rows of one source whose path goes through one of `hops` will be decided again. Looks at
   * `count` paths from row `from` on; returns the row to go on at, or -1.
   */
  touchThrough(hops: ReadonlySet<number>, source: PeerId, from: number, count: number): number {
    const column = this.source(source)
    let row = column.next(from)
    for (let left = count; row >= 0 && left > 0; left--, row = column.next(row + 1)) {
      const set = column.get(row as PrefixId)
      if (hops.has(this.#shared.sets.nextHop[set]!)) this.#dirty.add(row)
    }
    return row
  }

  /**
   * Decides at most `most` dirty rows, in their order, going round. Each is held until `dropAll`.
   *
   * @returns one object for all calls: valid until the next one
   */
  decideDirty(most: number): Decided {
    const decided = this.#decided
    decided.count = 0
    while (decided.count < most) {
      const row = this.#dirty.take() as PrefixId
      if (row < 0) break
      decided.rows[decided.count] = row
      decided.changes[decided.count] = this.#decide(row)
      decided.count++
      this.hold(row)
    }
    return decided
  }

  /** Drops rows that were decided. */
  dropAll({ rows, count }: Decided): void {
    for (let at = 0; at < count; at++) this.drop(rows[at]!)
  }

  /** Decides one row. Returns bits of `CHANGES`: equal means silent. */
  #decide(row: PrefixId): number {
    const candidates = this.#gather(row)
    const at = decide(this.#columns, candidates)
    const set = at < 0 ? NO_SET : candidates.sets[at]!
    const from = at < 0 ? LOCAL_PEER : candidates.peers[at]!
    let changes: number = CHANGES.NOTHING
    if (set !== this.best[row] || (set !== NO_SET && from !== this.from[row])) {
      changes |= CHANGES.BEST
      this.#install(row, set, from)
    }
    const group = at < 0 ? NO_GROUP : this.#groupOf(candidates, at)
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

  /**
   * Calls `visit` for each path of a row, in the order of sources' numbers: what was received, what
   * that counts as (`NO_SET`: import rules refuse it), and whether it is a candidate.
   */
  pathsOf(
    row: PrefixId,
    visit: (
      source: PeerId,
      set: AttributeSetId,
      accepted: AttributeSetId,
      eligible: boolean,
    ) => void,
  ): void {
    for (const [source, column] of this.#sources.entries()) {
      const set = column.live ? column.get(row) : NO_SET
      if (set === NO_SET) continue
      const accepted = this.acceptances.accept(source as PeerId, row, set)
      const eligible = accepted !== NO_SET && this.#isEligible(accepted)
      visit(source as PeerId, set, accepted, eligible)
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
    const all = this.#sources
    for (let source = this.#first[row]!; left > 0; source++) {
      const column = all[source]!
      const set = column.get(row)
      if (set === NO_SET) continue
      left--
      if (!column.live) continue
      const accepted = this.acceptances.accept(source as PeerId, row, set)
      if (accepted !== NO_SET && this.#isEligible(accepted))
        candidates.add(source as PeerId, accepted, column.identifier(row))
    }
    return candidates
  }

  #install(row: PrefixId, set: AttributeSetId, from: PeerId): void {
    const { sets, peers } = this.#shared
    const last = this.best[row] as AttributeSetId
    if (last !== NO_SET) {
      this.#bestCounts[peers.owner[this.from[row]!]!]!--
      this.#destinations--
    }
    if (set !== NO_SET) {
      sets.hold(set)
      const peer = peers.owner[from]!
      if (peer >= this.#bestCounts.length)
        this.#bestCounts = grownUint32(this.#bestCounts, peer + 16)
      this.#bestCounts[peer]!++
      this.#destinations++
    }
    this.best[row] = set
    this.from[row] = from
    if (last !== NO_SET) sets.release(last)
  }

  /**
   * Next hops of the best path and of those that equal it, in LOCAL_PREF too; one more reference.
   */
  #groupOf(candidates: Candidates, at: number): GroupId {
    const { sets, nextHops } = this.#shared
    const best = candidates.sets[at]!
    // what this node originates has no next hop: the dataplane holds its blackholes
    if (sets.nextHop[best] === NONE) return NO_GROUP
    const count = this.multipath.gather(candidates, at, this.#hops)
    return nextHops.holdGroup(this.#hops, count, metricOf(sets.localPref[best]!))
  }

  #resize(rows: number): void {
    this.best = grownInt32(this.best, rows, NONE)
    this.from = grownUint16(this.from, rows)
    this.group = grownInt32(this.group, rows, NO_GROUP)
    this.#paths = grownUint16(this.#paths, rows)
    this.#first = grownUint16(this.#first, rows)
    this.#uses = grownUint32(this.#uses, rows)
  }
}
