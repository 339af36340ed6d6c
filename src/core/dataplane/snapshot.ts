import type { Millis } from '../base/index.ts'
import { comparePrefixes, NO_PREFIX, type Prefix, prefixParts } from '../net/index.ts'
import { errnoText, type TargetHop } from '../rtnl/index.ts'
import type { Dumps } from './reading/dumps.ts'
import type { Reconciler } from './reconciler.ts'
import { NONE } from './table/counted.ts'
import type { Links } from './table/links.ts'
import type { Objects } from './table/objects.ts'
import {
  ABSENT,
  FOREIGN,
  HELD,
  INSTALLED,
  NOT_ALLOWED,
  OVER_LIMIT,
  PENDING,
  prefixId,
  REJECTED,
  type RouteTable,
  type Shared,
  WATCHED,
  YIELDED,
} from './table/route-table.ts'
import type { Tunnels } from './tunnels/tunnels.ts'
import type {
  DataplaneConfig,
  DataplaneSnapshot,
  Intervention,
  KernelRouteSnapshot,
  KernelState,
} from './types.ts'
import type { Wants } from './wants.ts'
import type { Allowed } from './writing/allowed.ts'
import { BY_NODE } from './writing/sweep.ts'

/** What the dataplane is and holds, for people. */

/** Where routes and the reasons for their states are found. */
export interface Sources {
  readonly tables: readonly [RouteTable, RouteTable]
  readonly shared: Shared
  readonly links: Links
  readonly objects: Objects
  readonly allowed: Allowed
}

/**
 * The watched routes of both families, in order, at most `most`. O(rows), a look at one octet each.
 */
export function listRoutes(sources: Sources, most: number): readonly KernelRouteSnapshot[] {
  const routes: KernelRouteSnapshot[] = []
  for (const table of sources.tables)
    for (let row = 0; row < table.prefixes.rows && routes.length < most; row++)
      if ((table.flags[row]! & WATCHED) !== 0 && table.standing(row) !== ABSENT)
        routes.push(routeAt(sources, table, row))
  return routes.sort((left, right) => comparePrefixes(left.prefix, right.prefix))
}

/** What is known of the route to exactly `prefix`; undefined where nothing is. O(1). */
export function findRoute(sources: Sources, prefix: Prefix): KernelRouteSnapshot | undefined {
  const { family, bytes, length } = prefixParts(prefix)
  const table = sources.tables[family === 'ipv4' ? 0 : 1]
  const row = table.prefixes.find(bytes, 0, length)
  if (row === NO_PREFIX || table.standing(row) === ABSENT) return undefined
  return routeAt(sources, table, row, true)
}

function routeAt(
  sources: Sources,
  table: RouteTable,
  row: number,
  whole = false,
): KernelRouteSnapshot {
  const error = errorOf(sources, table, row)
  const owner = ownerOf(table, row)
  // of a route that the speaker wants it says itself where it is to lead
  const leads = whole || owner === 'node' ? leadsOf(sources, table.seen[row]!) : undefined
  return {
    prefix: table.prefixes.text(prefixId(row)),
    state: stateOf(table, row),
    ...(error !== undefined && { error }),
    ...(owner !== undefined && { owner }),
    ...(leads !== undefined && { leads }),
  }
}

function stateOf(table: RouteTable, row: number): KernelState {
  switch (table.standing(row)) {
    case INSTALLED:
      return 'installed'
    case PENDING:
      return 'pending'
    case REJECTED:
      return 'rejected'
    case FOREIGN:
      return 'foreign'
    case HELD:
      return 'held'
    default:
      return 'stale'
  }
}

function ownerOf(table: RouteTable, row: number): KernelRouteSnapshot['owner'] {
  if (table.isNodes(row) || table.told[row] === BY_NODE) return 'node'
  return table.told[row] === 0 ? undefined : 'speaker'
}

function errorOf({ shared, allowed }: Sources, table: RouteTable, row: number): string | undefined {
  const standing = table.standing(row)
  if (standing !== REJECTED && standing !== FOREIGN && standing !== HELD) return undefined
  const errno = table.errno[row]!
  if (errno === OVER_LIMIT) return 'routesMax routes are in the kernel'
  if (errno === NOT_ALLOWED) return allowed.why(table, row)
  if (errno === YIELDED)
    return table.seen[row] === NONE
      ? 'somebody removed it, and kernel.audit leaves it so'
      : 'somebody changed it, and kernel.audit leaves it so'
  const want = table.wantOf(row)
  const hold = want === NONE ? undefined : shared.groups.get(want).hold
  return hold !== undefined && hold.errno === errno ? hold.text : errnoText(errno)
}

/** Where a target leads, as `ip route` would say it. */
function leadsOf({ shared, links, objects }: Sources, target: number): string | undefined {
  if (target === NONE) return undefined
  const { kind, id, hops, key } = shared.targets.get(target)
  const ways = (some: readonly TargetHop[]): string =>
    some.map(hop => wayText(hop, links)).join(', ')
  if (id !== undefined) return `nexthop ${id}: ${ways(objects.hopsOf(id))}`
  return kind === 'unicast' ? ways(hops) : key
}

function wayText({ gateway, link, weight }: TargetHop, links: Links): string {
  const words = [
    ...(gateway === undefined ? [] : [`via ${gateway}`]),
    ...(link === 0 ? [] : [`dev ${links.nameOf(link) ?? link}`]),
    ...(weight === 1 ? [] : [`weight ${weight}`]),
  ]
  return words.join(' ')
}

/** The counts of a snapshot. */
export function listCounts({
  counts,
}: Shared): Pick<
  DataplaneSnapshot,
  'wanted' | 'installed' | 'pending' | 'failed' | 'rejected' | 'foreign' | 'held' | 'stale'
> {
  const [, installed = 0, pending = 0, rejected = 0, foreign = 0, held = 0] = counts
  const [stale = 0, leftover = 0] = counts.subarray(6)
  const failed = rejected + foreign + held
  return {
    wanted: installed + pending + failed,
    ...{ installed, pending, failed, rejected, foreign, held },
    stale: stale + leftover,
  }
}

/** What snapshots are made of, beside routes. */
export interface SnapshotOptions extends Sources {
  readonly config: DataplaneConfig
  readonly reconciler: Reconciler
  readonly wants: Wants
  readonly dumps: Dumps
  readonly tunnels: Tunnels
  /** the process that has or had a netlink port, where that is known */
  readonly who: (port: number) => string | undefined
  /** what may harm our routes */
  readonly hazards: () => readonly string[]
}

/** Snapshots; one that is asked for again before anything changed is the same but for its time. */
export class Snapshots {
  readonly #o: SnapshotOptions
  #last: DataplaneSnapshot | undefined

  constructor(options: SnapshotOptions) {
    this.#o = options
  }

  /** What is so at `now`. O(rows) when something changed since the last one. */
  at(now: Millis): DataplaneSnapshot {
    if (this.#last?.version !== this.#o.shared.version) this.#last = this.#make(now)
    const { config, reconciler, hazards } = this.#o
    const frozen =
      `kernel.routesMax of this node, ${config.routesMax}, are installed and no more are: ` +
      'find who announces so many, or allow more'
    const isFrozen = reconciler.frozen && this.#last.rejected > 0
    const all = [...hazards(), ...(isFrozen ? [frozen] : [])]
    return { ...this.#last, at: now, hazards: all }
  }

  #make(at: Millis): DataplaneSnapshot {
    const { config, reconciler, wants, shared, tables, dumps, who } = this.#o
    const tunnels = this.#o.tunnels.snapshot()
    const { table, protocol, metric } = config
    const { repaired, failures, audit } = reconciler
    const { lastSync } = dumps
    const named = (one: Intervention): Intervention => {
      const process = who(one.by)
      return process === undefined ? one : { ...one, who: process }
    }
    return {
      ...{ version: shared.version, at, table, protocol, metric },
      speaker: wants.speaker,
      inSync: wants.inSync,
      ...listCounts(shared),
      repaired,
      yielded: audit.yielded,
      alerted: audit.alerted,
      failures: failures.total,
      ...(lastSync !== undefined && { lastSync }),
      ...(failures.last !== undefined && { lastFailure: failures.last }),
      ...(audit.last !== undefined && { lastIntervention: named(audit.last) }),
      alerts: audit.alerts(tables).map(named),
      hazards: [],
      ...(tunnels.length > 0 && { tunnels }),
      routes: listRoutes(this.#o, wants.watchedMax),
    }
  }
}
