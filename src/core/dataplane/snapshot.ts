import type { Millis } from '../base/index.ts'
import { comparePrefixes } from '../net/index.ts'
import { errnoText } from '../rtnl/index.ts'
import { NONE } from './table/counted.ts'
import {
  ABSENT,
  FAILED,
  INSTALLED,
  OVER_LIMIT,
  PENDING,
  prefixId,
  type RouteTable,
  type Shared,
  WATCHED,
} from './table/route-table.ts'
import type { DataplaneSnapshot, KernelState } from './types.ts'

/** What the dataplane is and holds, for people. */

type Routes = DataplaneSnapshot['routes']

/**
 * The watched routes of both families, in order, at most `most`. O(rows), a look at one octet each.
 */
export function listRoutes(tables: readonly RouteTable[], shared: Shared, most: number): Routes {
  const routes: Routes[number][] = []
  for (const table of tables)
    for (let row = 0; row < table.prefixes.rows && routes.length < most; row++) {
      if ((table.flags[row]! & WATCHED) === 0 || table.standing(row) === ABSENT) continue
      const state = stateOf(table, row)
      const error = state === 'failed' ? errorOf(table, row, shared) : undefined
      routes.push({
        prefix: table.prefixes.text(prefixId(row)),
        state,
        ...(error !== undefined && { error }),
      })
    }
  return routes.sort((left, right) => comparePrefixes(left.prefix, right.prefix))
}

function stateOf(table: RouteTable, row: number): KernelState {
  switch (table.standing(row)) {
    case INSTALLED:
      return 'installed'
    case PENDING:
      return 'pending'
    case FAILED:
      return 'failed'
    default:
      return 'stale'
  }
}

function errorOf(table: RouteTable, row: number, shared: Shared): string {
  const errno = table.errno[row]!
  if (errno === OVER_LIMIT) return 'routesMax routes are in the kernel'
  const want = table.wantOf(row)
  const hold = want === NONE ? undefined : shared.groups.get(want).hold
  return hold !== undefined && hold.errno === errno ? hold.text : errnoText(errno)
}

/** The counts of a snapshot. */
export function listCounts(
  shared: Shared,
): Pick<DataplaneSnapshot, 'wanted' | 'installed' | 'pending' | 'failed' | 'stale'> {
  const [, installed = 0, pending = 0, failed = 0, stale = 0, leftover = 0] = shared.counts
  return {
    wanted: installed + pending + failed,
    installed,
    pending,
    failed,
    stale: stale + leftover,
  }
}

/** A snapshot that is asked for again before anything changed is the same but for its time. */
export class SnapshotCache {
  #last: DataplaneSnapshot | undefined

  /** The last one when it has `version`, else what `make` says. */
  at(version: number, now: Millis, make: () => DataplaneSnapshot): DataplaneSnapshot {
    if (this.#last?.version !== version) this.#last = make()
    return { ...this.#last, at: now }
  }
}
