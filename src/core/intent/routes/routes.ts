import type { DataplaneIntent, NodeRoute } from '../../dataplane/index.ts'
import { comparePrefixes, hostPrefix, type Prefix } from '../../net/index.ts'
import type { Neighbour } from '../peers/neighbour.ts'
import type { Originated } from '../plan.ts'
import type { Tunnels } from './tunnels.ts'
import type { Workloads } from './workloads.ts'

/** The routes that a node itself wants in its kernel, beside what it learns. */

/** What is wanted of a kernel, by what wants it. */
export interface IntentSources {
  readonly originated: readonly Originated[]
  readonly workloads: Workloads
  /** between the nodes */
  readonly between: Tunnels
  /** those with `reachableBy` */
  readonly neighbours: readonly Neighbour[]
}

/** What is wanted of a kernel, put together. O(routes log routes). */
export function intentOf(
  sources: IntentSources,
): Pick<DataplaneIntent, 'routes' | 'tunnels' | 'workloads'> {
  const { between, workloads } = sources
  return {
    routes: nodeRoutesOf(sources),
    ...(between.tunnels !== undefined && { tunnels: between.tunnels }),
    ...(workloads.links.length > 0 && { workloads: workloads.links }),
  }
}

/**
 * In order of prefix, one of each: a workload goes before an own block that drops, that before a
 * block of another node, that before a way to a peer, and of these the first name's.
 */
function nodeRoutesOf({ originated, workloads, between, neighbours }: IntentSources): NodeRoute[] {
  const routes = new Map<Prefix, NodeRoute>()
  const add = (route: NodeRoute): void => {
    if (!routes.has(route.prefix)) routes.set(route.prefix, route)
  }
  for (const route of workloads.routes) add(route)
  for (const { prefix, blackhole } of originated)
    if (blackhole) add({ prefix, out: { kind: 'blackhole' } })
  for (const route of between.routes) add(route)
  for (const { config, reachableBy: gateway } of neighbours)
    if (gateway !== undefined)
      add({ prefix: hostPrefix(config.address), out: { kind: 'via', gateway } })
  return [...routes.values()].toSorted((a, b) => comparePrefixes(a.prefix, b.prefix))
}

/** True when the node itself drops what goes to exactly `prefix`. O(routes). */
export const isBlackhole = (routes: readonly NodeRoute[], prefix: Prefix): boolean =>
  routes.some(route => route.prefix === prefix && route.out.kind === 'blackhole')
