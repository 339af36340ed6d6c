import type { NodeRoute } from '../../dataplane/index.ts'
import { comparePrefixes, hostPrefix, type Prefix } from '../../net/index.ts'
import type { Neighbour } from '../peers/neighbour.ts'
import type { Originated } from '../plan.ts'

/** The routes that a node itself wants in its kernel, beside what it learns. */

/** What they are made of. */
export interface RouteSources {
  readonly originated: readonly Originated[]
  /** to its workloads */
  readonly workloads: readonly NodeRoute[]
  /** to blocks of other nodes */
  readonly cluster: readonly NodeRoute[]
  /** those with `reachableBy` */
  readonly neighbours: readonly Neighbour[]
}

/**
 * In order of prefix, one of each: a workload goes before an own block that drops, that before a
 * block of another node, that before a way to a peer, and of these the first name's. O(routes log
 * routes).
 */
export function nodeRoutesOf({
  originated,
  workloads,
  cluster,
  neighbours,
}: RouteSources): NodeRoute[] {
  const routes = new Map<Prefix, NodeRoute>()
  const add = (route: NodeRoute): void => {
    if (!routes.has(route.prefix)) routes.set(route.prefix, route)
  }
  for (const route of workloads) add(route)
  for (const { prefix, blackhole } of originated)
    if (blackhole) add({ prefix, out: { kind: 'blackhole' } })
  for (const route of cluster) add(route)
  for (const { config, reachableBy: gateway } of neighbours)
    if (gateway !== undefined)
      add({ prefix: hostPrefix(config.address), out: { kind: 'via', gateway } })
  return [...routes.values()].toSorted((a, b) => comparePrefixes(a.prefix, b.prefix))
}

/** True when the node itself drops what goes to exactly `prefix`. O(routes). */
export const isBlackhole = (routes: readonly NodeRoute[], prefix: Prefix): boolean =>
  routes.some(route => route.prefix === prefix && route.out.kind === 'blackhole')
