import type { Millis } from '../../base/index.ts'
import { escapeName } from '../../calico/index.ts'
import type { DataplaneSnapshot, Intervention, KernelRouteSnapshot } from '../../dataplane/index.ts'
import { formatQuad, type Prefix, prefixParts } from '../../net/index.ts'
import type {
  AttributesSnapshot,
  PathSnapshot,
  RouteSnapshot,
  SessionSnapshot,
  SpeakerSnapshot,
} from '../../speaker/index.ts'
import type { Desired } from '../types.ts'
import {
  type AgentDocument,
  type AgentMode,
  type AttributesDocument,
  type Instant,
  type InterventionDocument,
  type KernelDocument,
  type LastDocument,
  type ListenDocument,
  type PathDocument,
  type ProblemDocument,
  ROUTES_STATUS_MAX,
  type RouteDocument,
  type RoutesSummaryDocument,
  type SessionDocument,
  STATE_ROOT,
} from './documents.ts'
import { instant } from './instant.ts'
import { errorDocument, sessionDocument } from './session-status.ts'

/** What is, for operators: snapshots of both halves as the documents under `/martlet/v1/`. Pure. */

/** All that a node can say of itself. */
export interface StatusFacts {
  readonly node: string
  readonly version: string
  readonly mode: AgentMode
  readonly startedAt: Millis
  readonly processes: AgentDocument['processes']
  readonly store: {
    readonly kind: 'etcd' | 'directory'
    readonly state: 'fresh' | 'lost'
    readonly since: Millis
    readonly why?: string
    readonly revision?: number
    readonly savedAt?: Instant
  }
  /** why what the store says is not followed; absent: it is */
  readonly held?: { readonly since: Millis; readonly why: string }
  /** absent before the store's first answer */
  readonly desired?: Desired
  /** absent while there is no link to the speaker, or no answer yet */
  readonly speaker?: SpeakerSnapshot
  readonly dataplane?: DataplaneSnapshot
  /** what the kernel dropped of late, of whichever peer, for its TCP MD5 signature */
  readonly signatures?: {
    readonly unsigned: boolean
    readonly unexpected: boolean
    readonly wrong: boolean
  }
  /**
   * Wall clock less monotonic clock, in milliseconds. Take it once a process: a new one each time
   * would move every instant a little, and so rewrite every document.
   */
  readonly epochOffset: number
}

/** Under which the state of one node lies. */
export const nodeStateRoot = (node: string): string => `${STATE_ROOT}nodes/${escapeName(node)}/`

/** Where the last-known copy is. */
export const lastKey = (node: string): string => `${STATE_ROOT}last/${escapeName(node)}`

/** The key of a route's document. */
export function routeKey(node: string, prefix: string): string {
  const family = prefix.includes(':') ? 'ipv6' : 'ipv4'
  return `${nodeStateRoot(node)}routes/${family}/${prefix.replace('/', '-')}`
}

/** Every leased document, by key. O(sessions + routes), at most ROUTES_STATUS_MAX routes. */
export function stateDocuments(facts: StatusFacts): Map<string, object> {
  const root = nodeStateRoot(facts.node)
  const documents = new Map<string, object>([[`${root}agent`, agentDocument(facts)]])
  for (const session of sessionDocuments(facts))
    documents.set(`${root}sessions/${escapeName(session.name)}`, session)
  const kernel = kernelDocument(facts)
  if (kernel !== undefined) documents.set(`${root}kernel`, kernel)
  const summary = routesSummary(facts)
  if (summary !== undefined) documents.set(`${root}routes-summary`, summary)
  for (const route of routeDocuments(facts))
    documents.set(routeKey(facts.node, route.prefix), route)
  return documents
}

/** How a document is stored: for people first, ending in a newline. */
export const documentText = (document: object): string => `${JSON.stringify(document, null, 2)}\n`

/** The agent of a node as a whole. */
export function agentDocument(facts: StatusFacts): AgentDocument {
  const { desired, speaker, store, held } = facts
  const at = (time: Millis): Instant => instant(time, facts.epochOffset)
  const sessions = speaker?.sessions ?? []
  return {
    node: facts.node,
    version: facts.version,
    mode: facts.mode,
    startedAt: at(facts.startedAt),
    ...(desired?.speaker === undefined
      ? {}
      : { routerId: formatQuad(desired.speaker.routerId), asNumber: desired.speaker.localAs }),
    processes: facts.processes,
    store: {
      kind: store.kind,
      state: store.state,
      since: at(store.since),
      ...(store.why === undefined ? {} : { why: store.why }),
      ...(store.revision === undefined ? {} : { revision: store.revision }),
      ...(store.savedAt === undefined ? {} : { savedAt: store.savedAt }),
    },
    ...(held !== undefined && { held: { since: at(held.since), why: held.why } }),
    listen: (desired?.listen ?? []).map(at => listenDocument(at, speaker)),
    originated: desired?.speaker?.originated ?? [],
    sessions: {
      total: sessions.length,
      established: sessions.filter(session => session.state === 'Established').length,
    },
    problems: [...(desired?.problems ?? []), ...kernelProblems(facts)],
  }
}

/** What the kernel half wants an operator to know. */
function kernelProblems({ dataplane }: StatusFacts): ProblemDocument[] {
  if (dataplane === undefined) return []
  const hazards = dataplane.hazards.map(reason => ({ object: 'kernel', field: '', reason }))
  const alerts = dataplane.alerts.map(({ prefix, what, who = 'somebody' }) => ({
    object: 'kernel',
    field: prefix,
    reason: `${who} ${what} this route, and kernel.audit leaves it so`,
  }))
  const tunnels = (dataplane.tunnels ?? []).flatMap(({ name, error }) =>
    error === undefined
      ? []
      : [{ object: 'kernel', field: name, reason: `is not as it should be: ${error}` }],
  )
  return [...hazards, ...alerts, ...tunnels]
}

function interventionDocument(
  { prefix, what, action, who, at }: Intervention,
  epochOffset: number,
): InterventionDocument {
  return {
    ...{ prefix, what, action },
    ...(who !== undefined && { who }),
    at: instant(at, epochOffset),
  }
}

/** What is wanted, as far as the BGP half has it. */
function listenDocument(
  { family, port }: Desired['listen'][number],
  speaker: SpeakerSnapshot | undefined,
): ListenDocument {
  const found = speaker?.listening.find(each => each.family === family && each.port === port)
  const state = found === undefined ? 'unknown' : found.error === undefined ? 'open' : 'refused'
  return { family, port, state, ...(found?.error !== undefined && { error: found.error }) }
}

/** Every neighbour, with how its session is secured. O(sessions). */
export function sessionDocuments(facts: StatusFacts): readonly SessionDocument[] {
  const { node, epochOffset, desired, speaker, signatures } = facts
  const peers = new Map(desired?.speaker?.peers.map(peer => [peer.name, peer]))
  const ranges = new Map(desired?.speaker?.ranges?.map(({ name, template }) => [name, template]))
  return (speaker?.sessions ?? []).map(session => {
    const configured = peers.get(session.name) ?? ranges.get(session.range ?? '')
    const { password, transport, keepalive } = configured ?? {}
    const { ttlSecurity } = transport ?? {}
    const hint = hintOf(session, password !== undefined, signatures)
    return {
      ...sessionDocument(session, node, epochOffset, keepalive),
      ...(password === undefined ? {} : { authentication: 'TCP MD5' }),
      ...(ttlSecurity === undefined ? {} : { ttlSecurity }),
      ...(hint === undefined ? {} : { hint }),
    }
  })
}

/**
 * A peer with another password, or none, is not refused: it hears nothing, and neither do we. The
 * kernel counts what it drops, but not whose it was.
 */
function hintOf(
  session: SessionSnapshot,
  signs: boolean,
  signatures: StatusFacts['signatures'],
): string | undefined {
  if (session.state === 'Established' || signatures === undefined) return undefined
  const { wrong, unsigned, unexpected } = signatures
  const kinds = [
    ...(signs && wrong ? ['signed with another password'] : []),
    ...(signs && unsigned ? ['without a signature'] : []),
    ...(!signs && unexpected ? ['signed, by a peer without a password here'] : []),
  ]
  if (kinds.length === 0) return undefined
  return `in the last minute the kernel dropped TCP segments ${kinds.join(', and others ')}`
}

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

/** The kernel half; undefined before it answered. */
export function kernelDocument({
  node,
  dataplane,
  epochOffset,
}: StatusFacts): KernelDocument | undefined {
  if (dataplane === undefined) return undefined
  const { lastSync, lastFailure, lastIntervention } = dataplane
  return {
    node,
    speaker: dataplane.speaker,
    inSync: dataplane.inSync,
    table: dataplane.table,
    protocol: dataplane.protocol,
    metric: dataplane.metric,
    routes: {
      wanted: dataplane.wanted,
      installed: dataplane.installed,
      pending: dataplane.pending,
      failed: dataplane.failed,
      rejected: dataplane.rejected,
      foreign: dataplane.foreign,
      held: dataplane.held,
      stale: dataplane.stale,
    },
    repaired: dataplane.repaired,
    yielded: dataplane.yielded,
    alerted: dataplane.alerted,
    ...(lastIntervention !== undefined && {
      lastIntervention: interventionDocument(lastIntervention, epochOffset),
    }),
    failures: dataplane.failures,
    ...(dataplane.tunnels !== undefined && { tunnels: dataplane.tunnels }),
    ...(lastSync === undefined ? {} : { lastSync: instant(lastSync, epochOffset) }),
    ...(lastFailure === undefined
      ? {}
      : { lastFailure: { ...lastFailure, at: instant(lastFailure.at, epochOffset) } }),
  }
}

/**
 * The last-known copy, as of `now`. Write it at most every few seconds: it changes whenever
 * anything does.
 */
export function lastDocument(facts: StatusFacts, now: Millis): LastDocument {
  const { speaker, dataplane, epochOffset } = facts
  return {
    node: facts.node,
    at: instant(now, epochOffset),
    agent: agentDocument(facts),
    sessions: (speaker?.sessions ?? []).map(session => ({
      name: session.name,
      peerAddress: session.address,
      state: session.state,
      since: instant(session.since, epochOffset),
      ...(session.lastError === undefined
        ? {}
        : { lastError: errorDocument(session.lastError, epochOffset) }),
    })),
    routes: {
      total: speaker?.routesTotal ?? 0,
      installed: dataplane?.installed ?? 0,
      failed: dataplane?.failed ?? 0,
    },
  }
}
