import type { Millis } from '../../base/index.ts'
import { maxLength, NO_PREFIX } from '../../net/index.ts'
import type { KernelRoute } from '../ports.ts'
import type { Blame, Reconciler } from '../reconciler.ts'
import { NONE } from '../table/counted.ts'
import { DOUBT, IN_FLIGHT, type RouteTable, type Shared } from '../table/route-table.ts'
import type { DataplaneConfig } from '../types.ts'
import { maySweep, type SweepRule } from '../writing/sweep.ts'

/** Takes what the kernel says of routes, and decides what it means for ours. */

/** What the observer is told when it is made. */
export interface ObserverOptions {
  readonly config: DataplaneConfig
  readonly shared: Shared
  readonly tables: readonly [RouteTable, RouteTable]
  readonly reconciler: Reconciler
  readonly sweep: SweepRule
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
  /** a dump found routes of ours with another metric that may not be deleted yet */
  straysLeft = false
  readonly #o: ObserverOptions
  /**
   * the last stranger's route in this dump at our metric: aliases of one prefix follow one another
   */
  readonly #last = { bytes: new Uint8Array(16), length: -1, dump: 0, family: 'ipv4' }

  constructor(options: ObserverOptions) {
    this.#o = options
  }

  /** Takes one route of a dump or a notification. O(1). */
  learn(route: Readonly<KernelRoute>, now: Millis): void {
    const { config } = this.#o
    // a route with a type of service is at another place in the kernel's key
    if (route.tos !== 0) return
    const ours = route.protocol === config.protocol
    if (route.metric !== config.metric) {
      if (ours && route.dump !== 0) this.#stray(route)
      return
    }
    const table = this.#o.tables[route.family === 'ipv4' ? 0 : 1]
    if (ours) this.#ours(table, route, now)
    else this.#foreign(table, route, now)
  }

  #ours(table: RouteTable, route: Readonly<KernelRoute>, now: Millis): void {
    const { shared } = this.#o
    const { bytes, offset, length } = route
    const row = route.present
      ? table.add(bytes, offset, length)
      : table.prefixes.find(bytes, offset, length)
    if (row === NO_PREFIX || this.#inFlight(table, row, route)) return
    if (route.dump !== 0) {
      if (this.#follows(route)) table.foreign[row] = route.dump
      if (table.heard[row] === route.dump) return
    }
    const had = table.seen[row]!
    table.heard[row] = shared.dump
    if (!route.present) {
      this.#gone(table, row, route, now)
      return
    }
    const target = shared.targets.take(route.target.key, () => route.target)
    const want = table.wantOf(row)
    const covered = want !== NONE && shared.groups.covers(want, target)
    table.setSeen(row, target)
    shared.targets.drop(target)
    const changed = had !== NONE && had !== target
    if (changed && !covered) this.#o.reconciler.lost(table, row, blame(route), now)
    else this.#o.reconciler.touch(table, row)
  }

  #gone(
    table: RouteTable,
    row: ReturnType<RouteTable['add']>,
    route: Readonly<KernelRoute>,
    now: Millis,
  ): void {
    const { shared, reconciler } = this.#o
    const had = table.seen[row]!
    if (had === NONE) return
    // IPv6 tells the removal of one next hop of several as the removal of a route
    if (route.target.hops.length < shared.targets.get(had).hops.length) {
      this.#o.doubt(now)
      return
    }
    table.setSeen(row, NONE)
    reconciler.lost(table, row, blame(route), now)
  }

  #foreign(table: RouteTable, route: Readonly<KernelRoute>, now: Millis): void {
    const { shared, reconciler } = this.#o
    if (route.dump !== 0) this.#remember(route)
    const row = table.prefixes.find(route.bytes, route.offset, route.length)
    if (row === NO_PREFIX || this.#inFlight(table, row, route)) return
    if (!route.present) {
      if (table.foreign[row] === 0) return
      table.foreign[row] = 0
      reconciler.forgive(table, row)
      reconciler.touch(table, row)
      return
    }
    table.foreign[row] = shared.dump
    if (route.dump === 0 && table.seen[row] !== NONE) {
      // beside ours, or in its place: only a dump tells
      this.#o.doubt(now)
      if (route.replaced) {
        table.setSeen(row, NONE)
        reconciler.lost(table, row, 'stranger', now)
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

  #stray(route: Readonly<KernelRoute>): void {
    const { reconciler, sweep } = this.#o
    const { family, offset, length, metric, target } = route
    const may = maySweep({ target, host: length === maxLength(family), told: 0 }, sweep)
    const bytes = route.bytes.slice(offset, offset + ((length + 7) >> 3))
    if (!may || !reconciler.stray({ family, bytes, length, metric })) this.straysLeft = true
  }

  #remember(route: Readonly<KernelRoute>): void {
    const octets = (route.length + 7) >> 3
    for (let at = 0; at < octets; at++) this.#last.bytes[at] = route.bytes[route.offset + at]!
    this.#last.length = route.length
    this.#last.dump = route.dump
    this.#last.family = route.family
  }

  #follows(route: Readonly<KernelRoute>): boolean {
    const last = this.#last
    if (last.dump !== route.dump || last.length !== route.length || last.family !== route.family)
      return false
    const octets = (route.length + 7) >> 3
    for (let at = 0; at < octets; at++)
      if (last.bytes[at] !== route.bytes[route.offset + at]) return false
    return true
  }
}

/** Who took our route out: the kernel does when a link goes down, and that is nobody's doing. */
function blame(route: Readonly<KernelRoute>): Blame {
  if (route.dump !== 0) return 'stranger'
  return route.by === 0 ? 'kernel' : 'contender'
}
