import type { Millis } from '../../base/index.ts'
import { formatPrefix, maxLength, NO_PREFIX, type PrefixId } from '../../net/index.ts'
import type { KernelOutput, KernelRoute } from '../ports.ts'
import type { Blame, Reconciler } from '../reconciler.ts'
import { NONE } from '../table/counted.ts'
import { DOUBT, IN_FLIGHT, NO_PLACE, type RouteTable, type Shared } from '../table/route-table.ts'
import type { DataplaneConfig } from '../types.ts'
import type { Loss } from './audit.ts'

/** Takes what the kernel says of routes, and decides what it means for ours. */

/** What the observer is told when it is made. */
export interface ObserverOptions {
  readonly config: DataplaneConfig
  readonly shared: Shared
  readonly tables: readonly [RouteTable, RouteTable]
  readonly reconciler: Reconciler
  readonly output: KernelOutput
  readonly doubt: (now: Millis) => void
}

/**
 * Whose a route is, and what is known of it.
 *
 * Ours is what has our table and our protocol. Dumps and notifications come by two ways, so one may
 * be older than the other: what a notification or an answer said during a dump stands, and the
 * dump's word on that row is not heard. Where order cannot be known (a stranger's change while ours
 * was in flight) another dump tells. Notifications of our own changes do not come here.
 */
export class Observer {
  /** the dump that named a route of our protocol that we never write */
  #sharedIn = 0
  readonly #o: ObserverOptions
  /**
   * the last stranger's route in this dump: aliases of one prefix and metric follow one another
   */
  readonly #last = { bytes: new Uint8Array(16), length: -1, metric: 0, dump: 0, family: 'ipv4' }

  constructor(options: ObserverOptions) {
    this.#o = options
  }

  /** Takes one route of a dump or a notification. O(1). */
  learn(route: Readonly<KernelRoute>, now: Millis): void {
    const { config } = this.#o
    // a route with a type of service is at another place in the kernel's key
    const ours = route.protocol === config.protocol
    if (ours && this.#isAnothers(route)) this.#shares(route)
    if (route.tos !== 0) return
    const table = this.#o.tables[route.family === 'ipv4' ? 0 : 1]
    if (ours) this.#ours(table, route, now)
    else this.#foreign(table, route, now)
  }

  /** It has our protocol, and is what we never write. */
  #isAnothers({ tos, target }: Readonly<KernelRoute>): boolean {
    return tos !== 0 || target.kind === 'other'
  }

  /** Somebody else uses our protocol; of a dump one route is enough to say so. */
  #shares(route: Readonly<KernelRoute>): void {
    if (!route.present || (route.dump !== 0 && route.dump === this.#sharedIn)) return
    this.#sharedIn = route.dump
    const { family, bytes, offset, length } = route
    const { by } = lossBy(route, 'changed')
    const whole = new Uint8Array(maxLength(family) >> 3)
    whole.set(bytes.subarray(offset, offset + ((length + 7) >> 3)))
    // whoever makes hazards of notes is asked for them with the next snapshot
    this.#o.shared.version++
    this.#o.output.note({ code: 'PROTOCOL_SHARED', prefix: formatPrefix(whole, length), by })
  }

  #ours(table: RouteTable, route: Readonly<KernelRoute>, now: Millis): void {
    const { shared } = this.#o
    const { bytes, offset, length } = route
    const row = route.present
      ? table.add(bytes, offset, length)
      : table.prefixes.find(bytes, offset, length)
    if (row === NO_PREFIX || this.#inFlight(table, row, route)) return
    if (this.#isBeside(table, row, route)) {
      this.#beside(table, row, route)
      return
    }
    if (route.dump !== 0 && table.heard[row] === route.dump) return
    const had = table.seen[row]!
    table.heard[row] = shared.dump
    if (!route.present) {
      this.#gone(table, row, route, now)
      return
    }
    const target = this.#see(table, row, route)
    if (route.dump !== 0 && this.#follows(route) && route.metric === table.placeOf(row))
      table.foreign[row] = route.dump
    const added = route.dump === 0 && route.by !== 0 && had === NONE && table.wantOf(row) === NONE
    if (added) this.#shares(route)
    const changed = had !== NONE && had !== target
    if (changed && !table.isAsWanted(row))
      this.#o.reconciler.lost(table, row, blame(route), lossBy(route, 'changed'), now)
    else this.#o.reconciler.touch(table, row)
  }

  #gone(table: RouteTable, row: PrefixId, route: Readonly<KernelRoute>, now: Millis): void {
    const { shared, reconciler } = this.#o
    const had = table.seen[row]!
    if (had === NONE) return
    // IPv6 tells the removal of one next hop of several as the removal of a route
    if (route.target.hops.length < shared.targets.get(had).hops.length) {
      this.#o.doubt(now)
      return
    }
    table.setSeen(row, NONE, NO_PLACE)
    // perhaps it is older than what we wrote since: who wants the route finds that out by writing
    if (table.wantOf(row) === NONE) this.#o.doubt(now)
    reconciler.lost(table, row, blame(route), lossBy(route, 'removed'), now)
  }

  #foreign(table: RouteTable, route: Readonly<KernelRoute>, now: Millis): void {
    const { shared, reconciler } = this.#o
    if (route.dump !== 0) this.#remember(route)
    const row = table.prefixes.find(route.bytes, route.offset, route.length)
    if (row === NO_PREFIX || route.metric !== table.placeOf(row)) return
    if (this.#inFlight(table, row, route)) return
    if (!route.present) {
      if (table.foreign[row] === 0) return
      table.foreign[row] = 0
      reconciler.forgive(table, row)
      reconciler.touch(table, row)
      return
    }
    table.foreign[row] = shared.dump
    if (route.dump === 0 && table.seen[row] !== NONE && table.metric[row] === route.metric) {
      // beside ours, or in its place: only a dump tells
      this.#o.doubt(now)
      if (route.replaced) {
        table.setSeen(row, NONE, NO_PLACE)
        reconciler.lost(table, row, 'stranger', lossBy(route, 'changed'), now)
        return
      }
    }
    reconciler.touch(table, row)
  }

  /** What a stranger did while ours was in flight: before or after it, nobody knows. */
  #inFlight(table: RouteTable, row: number, route: Readonly<KernelRoute>): boolean {
    if ((table.flags[row]! & IN_FLIGHT) === 0) return false
    if (route.dump === 0) table.flags[row]! |= DOUBT
    return true
  }

  /** True for one of ours that is not the one that the row knows best: it has another metric. */
  #isBeside(table: RouteTable, row: number, { dump, metric }: Readonly<KernelRoute>): boolean {
    if (table.seen[row] === NONE || table.metric[row] === metric) return false
    // the first that a dump names may be the only one
    return dump === 0 || table.heard[row] === dump
  }

  /** A prefix has two routes of ours: what is wanted is kept, the other one is to go. */
  #beside(table: RouteTable, row: PrefixId, route: Readonly<KernelRoute>): void {
    const { metric, present } = route
    if (!present) {
      if (table.other[row] === metric) table.other[row] = NO_PLACE
    } else if (table.wantOf(row) !== NONE && metric === table.placeOf(row)) {
      this.#see(table, row, route)
    } else table.other[row] = metric
    this.#o.reconciler.touch(table, row)
  }

  /** Takes a route as the one that the row knows; what it knew, where that is another, stays. */
  #see(table: RouteTable, row: PrefixId, { target, metric }: Readonly<KernelRoute>): number {
    const { targets } = this.#o.shared
    const id = targets.take(target.key, () => target)
    const moved = table.seen[row] !== NONE && table.metric[row] !== metric
    if (moved) table.other[row] = table.metric[row]!
    else if (table.other[row] === metric) table.other[row] = NO_PLACE
    table.setSeen(row, id, metric)
    targets.drop(id)
    return id
  }

  #remember(route: Readonly<KernelRoute>): void {
    const octets = (route.length + 7) >> 3
    for (let at = 0; at < octets; at++) this.#last.bytes[at] = route.bytes[route.offset + at]!
    this.#last.length = route.length
    this.#last.metric = route.metric
    this.#last.dump = route.dump
    this.#last.family = route.family
  }

  #follows(route: Readonly<KernelRoute>): boolean {
    const last = this.#last
    if (last.dump !== route.dump || last.length !== route.length || last.family !== route.family)
      return false
    if (last.metric !== route.metric) return false
    const octets = (route.length + 7) >> 3
    for (let at = 0; at < octets; at++)
      if (last.bytes[at] !== route.bytes[route.offset + at]) return false
    return true
  }
}

/** Of what a dump tells, nobody knows who did it. */
const lossBy = ({ dump, by }: Readonly<KernelRoute>, what: Loss['what']): Loss => ({
  what,
  by: dump === 0 ? by : 0,
})

/** Who took our route out: the kernel does when a link goes down, and that is nobody's doing. */
function blame(route: Readonly<KernelRoute>): Blame {
  if (route.dump !== 0) return 'stranger'
  return route.by === 0 ? 'kernel' : 'contender'
}
