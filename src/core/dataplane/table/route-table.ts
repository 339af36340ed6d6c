import { type Family, NO_PREFIX, type PrefixId, PrefixTable } from '../../net/index.ts'
import { EEXIST, isUnreachable, type RouteTarget } from '../../rtnl/index.ts'
import { BY_NODE } from '../writing/sweep.ts'
import { type Counted, NONE } from './counted.ts'
import { Fights } from './fights.ts'
import type { Groups } from './groups.ts'

/** Wanted and seen routes of one family, side by side, and how each stands. */

/** What a row stands as; the number of each is kept. */
export const STATES = [
  ...(['absent', 'installed', 'pending', 'rejected', 'foreign', 'held'] as const),
  ...(['stale', 'leftover'] as const),
]

/** How a row stands: an index into `STATES`. */
export type Standing = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7

/** Nobody wants it and it is not there. */
export const ABSENT = 0
/** Wanted, and in the kernel as wanted. */
export const INSTALLED = 1
/** Wanted, and not in the kernel as wanted yet. */
export const PENDING = 2
/** Wanted, and refused: `errno` says why. */
export const REJECTED = 3
/** Wanted, and somebody else has its place, or is left to have his way with it. */
export const FOREIGN = 4
/** Wanted, and waits for its next hop, which cannot be reached now. */
export const HELD = 5
/** Wanted by a speaker that has gone or has not said it again, and in the kernel. */
export const STALE = 6
/** Ours in the kernel, and nobody wants it. */
export const LEFTOVER = 7

/** Bits of a row's `flags`: it waits to be decided. */
export const DIRTY = 1 << 0
/** It waits to be deleted, after all that is to be written. */
export const DYING = 1 << 1
/** A change of it is in flight. */
export const IN_FLIGHT = 1 << 2
/** The node's own intent wants a route: it goes before what the speaker says. */
export const OWN = 1 << 3
/** It was in the kernel and somebody took it out: putting it back is a repair. */
export const LOST = 1 << 4
/** Somebody else changed it while a change of ours was in flight. */
export const DOUBT = 1 << 5
/** A snapshot lists it. */
export const WATCHED = 1 << 6
/** The row is in use: its columns mean something. */
export const LIVE = 1 << 7

/** No metric: there is no route of ours. */
export const NO_PLACE = 0xffffffff

/** In `errno`, beside the kernel's numbers, from here on: words of our own. */
export const WORDS_OF_OURS = 253
/** The node's configuration does not allow it. */
export const NOT_ALLOWED = 253
/** Another hand has removed or changed the route, and is left to it. */
export const YIELDED = 254
/** It waits because `routesMax` routes are in the kernel. */
export const OVER_LIMIT = 255

/** What both families share. */
export interface Shared {
  readonly groups: Groups
  readonly targets: Counted<RouteTarget>
  /** rows by standing */
  readonly counts: Uint32Array
  /** one life of what the speaker says; rows that were told in another are stale */
  generation: number
  /** rows that somebody wants */
  wanted: number
  /** routes of ours in the kernel */
  present: number
  /** number of the dump that runs, or of the last one; 0 before the first */
  dump: number
  /** changes whenever a snapshot might */
  version: number
}

/**
 * The routes of one family.
 *
 *   row   wanted    id of the group that the speaker wants, NONE        4 bytes
 *         seen      id of the target that our route in the kernel has   4
 *         metric    of our route in the kernel, where there is one      4
 *         other     of another one of ours, which is to go; NO_PLACE    4
 *         told      generation in which the speaker said it, or BY_NODE 4
 *         heard     dump in which the kernel was last heard of it       4
 *         foreign   the same of a stranger's route in its place, or 0   4
 *         flags     bits above                                          1
 *         errno     why the kernel refused it, 0                        1
 *         standing  how it stands                                       1
 *
 * A route's place in the kernel is its prefix and its metric. What gets another metric is added at
 * the new place, and leaves the old one afterwards.
 *
 * 31 bytes a prefix beside the `PrefixTable`. The columns are this room's; rows are freed by
 * `settle` when nothing is known of them any more. Limit: `rowsMax` of the reconciler
 * (docs/LIMITS.md).
 */
export class RouteTable {
  readonly family: Family
  readonly prefixes: PrefixTable
  readonly fights = new Fights()
  wanted = new Uint32Array(0)
  seen = new Uint32Array(0)
  metric = new Uint32Array(0)
  other = new Uint32Array(0)
  told = new Uint32Array(0)
  heard = new Uint32Array(0)
  foreign = new Uint32Array(0)
  flags = new Uint8Array(0)
  errno = new Uint8Array(0)
  #standing = new Uint8Array(0)
  /** the node's own groups, of rows with `OWN`: some dozens */
  readonly #own = new Map<number, number>()
  readonly #shared: Shared

  constructor(family: Family, shared: Shared) {
    this.family = family
    this.prefixes = new PrefixTable(family)
    this.#shared = shared
    this.#grow()
  }

  /** The row of a prefix, made where there is none. `NO_PREFIX` when the table is full. O(1). */
  add(bytes: Uint8Array, offset: number, length: number): PrefixId {
    const row = this.prefixes.add(bytes, offset, length)
    if (row === NO_PREFIX) return row
    if (row >= this.flags.length) this.#grow()
    if ((this.flags[row]! & LIVE) === 0) this.#clear(row)
    return row
  }

  /** The group that is wanted now. */
  wantOf(row: number): number {
    return this.isNodes(row) ? (this.#own.get(row) ?? NONE) : this.wanted[row]!
  }

  /**
   * True when what the node itself wants goes before what the speaker wants: where it wants
   * something at no higher metric. The kernel would take the lower one too, if both were there.
   */
  isNodes(row: number): boolean {
    if ((this.flags[row]! & OWN) === 0) return false
    const own = this.#own.get(row)
    const said = this.wanted[row]!
    const { groups } = this.#shared
    return own === undefined || said === NONE || groups.get(own).metric <= groups.get(said).metric
  }

  /** The metric that our route is to have, or has where nobody wants one; `NO_PLACE`: neither. */
  placeOf(row: number): number {
    const want = this.wantOf(row)
    if (want !== NONE) return this.#shared.groups.get(want).metric
    return this.seen[row] === NONE ? NO_PLACE : this.metric[row]!
  }

  /** True when our route in the kernel is what is wanted. O(1) mostly. */
  isAsWanted(row: number): boolean {
    const { groups } = this.#shared
    const want = this.wantOf(row)
    const have = this.seen[row]!
    if (want === NONE || have === NONE) return false
    return this.metric[row] === groups.get(want).metric && groups.covers(want, have)
  }

  /** How the row stood when it was last counted. */
  standing(row: number): Standing {
    return STANDINGS[this.#standing[row]!]!
  }

  /** Takes what the node itself wants: the group `NONE` for nothing. Keeps a use of it. */
  setOwn(row: number, group: number): void {
    const { groups } = this.#shared
    const place = this.placeOf(row)
    groups.keep(group)
    groups.drop(this.#own.get(row) ?? NONE)
    if (group === NONE) this.#own.delete(row)
    else this.#own.set(row, group)
    if (group === NONE) this.flags[row]! &= ~OWN
    else this.flags[row]! |= OWN
    if (this.wanted[row] === NONE) this.told[row] = BY_NODE
    this.#replace(row, place)
  }

  /** Takes what the speaker wants: the group `NONE` for nothing. Keeps a use of it. */
  setWanted(row: number, group: number): void {
    const last = this.wanted[row]!
    if (last === group) return
    const shared = this.#shared
    const place = this.placeOf(row)
    shared.groups.keep(group)
    shared.groups.drop(last)
    this.wanted[row] = group
    if (last === NONE) shared.wanted++
    if (group === NONE) shared.wanted--
    this.#replace(row, place)
  }

  /** Takes what is in the kernel: the target `NONE` for nothing of ours. Keeps a use of it. */
  setSeen(row: number, target: number, metric: number): void {
    const last = this.seen[row]!
    this.metric[row] = metric
    if (last === target) return
    const shared = this.#shared
    shared.targets.keep(target)
    shared.targets.drop(last)
    this.seen[row] = target
    if (last === NONE) shared.present++
    if (target === NONE) shared.present--
  }

  /** Counts the row as what it stands for now. O(1). */
  recount(row: number): void {
    const next = this.#stands(row)
    const last = this.#standing[row]!
    if (next === last) return
    const shared = this.#shared
    shared.counts[last]!--
    shared.counts[next]!++
    shared.version++
    this.#standing[row] = next
  }

  /** Frees the row when nothing is known of it. A stranger's route alone is not worth a row. */
  settle(row: PrefixId): void {
    const busy = DIRTY | DYING | IN_FLIGHT | OWN
    if (this.wanted[row] !== NONE || this.seen[row] !== NONE || (this.flags[row]! & busy) !== 0)
      return
    if (this.other[row] !== NO_PLACE) return
    this.recount(row)
    this.flags[row] = 0
    this.fights.forget(row)
    this.prefixes.free(row)
  }

  #stands(row: number): Standing {
    const isThere = this.seen[row] !== NONE || this.other[row] !== NO_PLACE
    if (this.wantOf(row) === NONE) return isThere ? LEFTOVER : ABSENT
    const errno = this.errno[row]!
    if (errno === NOT_ALLOWED || !this.isAsWanted(row)) return failing(errno)
    const repeated = this.isNodes(row) || this.told[row] === this.#shared.generation
    return repeated ? INSTALLED : STALE
  }

  /** What is wanted has changed: what was known of another place says nothing of this one. */
  #replace(row: number, last: number): void {
    this.errno[row] = 0
    if (this.placeOf(row) !== last) this.foreign[row] = 0
  }

  #clear(row: number): void {
    this.flags[row] = LIVE
    this.wanted[row] = NONE
    this.seen[row] = NONE
    this.metric[row] = NO_PLACE
    this.other[row] = NO_PLACE
    this.told[row] = 0
    this.heard[row] = 0
    this.foreign[row] = 0
    this.errno[row] = 0
    this.#standing[row] = ABSENT
  }

  #grow(): void {
    const rows = this.prefixes.capacity
    this.wanted = widen(this.wanted, rows)
    this.seen = widen(this.seen, rows)
    this.metric = widen(this.metric, rows)
    this.other = widen(this.other, rows)
    this.told = widen(this.told, rows)
    this.heard = widen(this.heard, rows)
    this.foreign = widen(this.foreign, rows)
    this.flags = widenOctets(this.flags, rows)
    this.errno = widenOctets(this.errno, rows)
    this.#standing = widenOctets(this.#standing, rows)
  }
}

/** A number that a queue or a walk gave, as the row that it is. */
export const prefixId = (row: number): PrefixId => row as PrefixId

const STANDINGS: readonly Standing[] = [0, 1, 2, 3, 4, 5, 6, 7]

/** How a row stands that is wanted and not in the kernel as wanted, by its `errno`. */
function failing(errno: number): Standing {
  if (errno === 0) return PENDING
  if (errno === EEXIST || errno === YIELDED) return FOREIGN
  return isUnreachable(errno) ? HELD : REJECTED
}

function widen(column: Uint32Array, rows: number): Uint32Array<ArrayBuffer> {
  const wide = new Uint32Array(rows)
  wide.set(column)
  return wide
}

function widenOctets(column: Uint8Array, rows: number): Uint8Array<ArrayBuffer> {
  const wide = new Uint8Array(rows)
  wide.set(column)
  return wide
}
