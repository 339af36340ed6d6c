import type { Millis } from '../../base/index.ts'
import { escapeName } from '../../calico/index.ts'
import type { Intervention } from '../../dataplane/index.ts'
import { formatQuad } from '../../net/index.ts'
import type { SessionSnapshot, SpeakerSnapshot } from '../../speaker/index.ts'
import type { Desired } from '../types.ts'
import {
  type AgentDocument,
  type InterventionDocument,
  type KernelDocument,
  type LastDocument,
  type ListenDocument,
  type ProblemDocument,
  STATE_ROOT,
} from './documents.ts'
import type { StatusFacts } from './facts.ts'
import { type Instant, instant } from './instant.ts'
import { routeDocuments, routesSummary } from './route-status.ts'
import type { SessionDocument } from './session-document.ts'
import { errorDocument, sessionDocument } from './session-status.ts'

/** What is, for operators: snapshots of both halves as the documents under `/martlet/v1/`. Pure. */

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
