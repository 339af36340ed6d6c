import type { KernelRouteSnapshot } from '../../dataplane/index.ts'
import { type Prefix, prefixParts } from '../../net/index.ts'
import type { AttributesSnapshot, PathSnapshot, RouteSnapshot } from '../../speaker/index.ts'
import {
  type AttributesDocument,
  type PathDocument,
  ROUTES_STATUS_MAX,
  type RouteDocument,
  type RoutesSummaryDocument,
} from './documents.ts'
import type { StatusFacts } from './facts.ts'

/** Destinations for operators: what both halves say of a route as one document. Pure. */

/**
 * The routes that have a document each: the first ROUTES_STATUS_MAX of the cluster's pools, those
 * that only the node itself wants after those of the BGP half.
 */
export function routeDocuments(facts: StatusFacts): RouteDocument[] {
  const { node, dataplane, speaker } = facts
  const kernel = new Map(dataplane?.routes.map(route => [route.prefix, route]))
  const cut = (dataplane?.routes.length ?? 0) >= ROUTES_STATUS_MAX
  const standing = (prefix: Prefix): KernelPlace => {
    const known = kernel.get(prefix)
    if (dataplane === undefined) return { kernel: 'unknown' }
    if (known !== undefined) return kernelPlace(known)
    return cut ? { kernel: 'unknown', kernelError: NOT_LISTED } : { kernel: 'absent' }
  }
  const documents: RouteDocument[] = []
  for (const route of speaker?.routes.slice(0, ROUTES_STATUS_MAX) ?? []) {
    const place = standing(route.prefix)
    kernel.delete(route.prefix)
    // it may be that the last path has just gone, or was refused
    if (!route.paths.some(path => path.best)) continue
    const document = routeDocument(route, { node, ...place })
    if (document !== undefined) documents.push(document)
  }
  for (const route of kernel.values())
    if (route.owner === 'node') documents.push(kernelRouteDocument(node, route))
  return documents.slice(0, ROUTES_STATUS_MAX)
}

/**
 * Routes of ours in the kernel that nobody wants now, or nobody has wanted since a half was started
 * again. For who asks the agent; what comes and goes so is not written to the store.
 */
export function leftRouteDocuments(facts: StatusFacts): RouteDocument[] {
  const { node, dataplane, speaker } = facts
  const known = new Set(speaker?.routes.map(({ prefix }) => prefix))
  const left = dataplane?.routes.filter(
    ({ prefix, owner }) => owner !== 'node' && !known.has(prefix),
  )
  return (left ?? []).map(route => kernelRouteDocument(node, route))
}

const NOT_LISTED = 'more routes than are listed: martlet routes PREFIX asks for one'

/** Where a route stands in the kernel, as documents say it. */
export type KernelPlace = Pick<
  RouteDocument,
  'kernel' | 'kernelError' | 'kernelLeads' | 'kernelOwner'
>

/** Where the kernel half says that a route stands. */
export function kernelPlace(route: KernelRouteSnapshot): KernelPlace {
  const { state, error, leads, owner } = route
  return {
    kernel: state === 'installed' && leads === BLACKHOLE ? BLACKHOLE : state,
    ...(error !== undefined && { kernelError: error }),
    ...(leads !== undefined && { kernelLeads: leads, ...(owner && { kernelOwner: owner }) }),
  }
}

/** What the kernel half calls it. */
const BLACKHOLE = 'blackhole'

/** A route of which the BGP half knows nothing: the node wants it, or it is left from before. */
export function kernelRouteDocument(node: string, route: KernelRouteSnapshot): RouteDocument {
  const { prefix, owner, leads = BLACKHOLE } = route
  const from = owner === 'node' ? 'node' : 'kernel'
  const path = { best: true, multipath: false, asPath: '', origin: 'IGP', communities: [] }
  return {
    node,
    prefix,
    family: prefixParts(prefix).family,
    from,
    nextHops: leads === BLACKHOLE ? [] : [leads],
    ...kernelPlace(route),
    best: { from, ...path },
    pathsTotal: 0,
  }
}

/**
 * One destination; undefined where it has no path any more. Without a path that is used, the first
 * of those that are not stands for it.
 */
export function routeDocument(
  route: RouteSnapshot,
  place: KernelPlace & Pick<RouteDocument, 'node'>,
): RouteDocument | undefined {
  const best = route.paths.find(path => path.best) ?? route.paths[0]
  if (best === undefined) return undefined
  const used = route.paths.filter(path => path.best || path.multipath)
  return {
    node: place.node,
    prefix: route.prefix,
    family: prefixParts(route.prefix).family,
    from: best.from,
    nextHops: [...new Set(used.flatMap(path => path.nextHop ?? []))],
    kernel: place.kernel,
    ...(place.kernelError === undefined ? {} : { kernelError: place.kernelError }),
    ...(place.kernelLeads === undefined ? {} : { kernelLeads: place.kernelLeads }),
    ...(place.kernelOwner === undefined ? {} : { kernelOwner: place.kernelOwner }),
    best: pathDocument(best),
    pathsTotal: route.paths.length,
  }
}

/** One path of a destination. */
export function pathDocument(path: PathSnapshot): PathDocument {
  return {
    from: path.from,
    ...(path.pathId === undefined ? {} : { pathId: path.pathId }),
    best: path.best,
    multipath: path.multipath,
    ...(path.reason === undefined ? {} : { reason: path.reason }),
    ...(path.refused === undefined ? {} : { refused: path.refused }),
    ...(path.received === undefined ? {} : { received: attributesDocument(path.received) }),
    ...attributesDocument(path),
  }
}

function attributesDocument(attributes: AttributesSnapshot): AttributesDocument {
  return {
    ...(attributes.nextHop === undefined ? {} : { nextHop: attributes.nextHop }),
    asPath: attributes.asPath,
    origin: attributes.origin,
    ...(attributes.localPref === undefined ? {} : { localPref: attributes.localPref }),
    ...(attributes.med === undefined ? {} : { med: attributes.med }),
    communities: attributes.communities,
  }
}

/** How many routes there are; undefined before the speaker answered. */
export function routesSummary({ node, speaker }: StatusFacts): RoutesSummaryDocument | undefined {
  if (speaker === undefined) return undefined
  return {
    node,
    total: speaker.routesTotal,
    listed: Math.min(speaker.routes.length, ROUTES_STATUS_MAX),
    limit: ROUTES_STATUS_MAX,
    tables: speaker.tables,
  }
}
