import type { MessageInitShape } from '@bufbuild/protobuf'
import type { SessionError, State } from '../../../core/session/index.ts'
import type {
  AttributesSnapshot,
  FaultSnapshot,
  PathSnapshot,
  RouteSnapshot,
  SessionSnapshot,
  SpeakerSnapshot,
} from '../../../core/speaker/index.ts'
import type {
  AttributesSnapshot as AttributesMessage,
  SessionError as ErrorMessage,
  Fault as FaultMessage,
  NegotiatedSnapshot,
  PathSnapshot as PathMessage,
  RouteSnapshot as RouteMessage,
  RouteSnapshotSchema,
  SessionSnapshot as SessionMessage,
  SpeakerSnapshot as SnapshotMessage,
  SpeakerSnapshotSchema,
} from '../generated/link_pb.ts'
import { ROLES } from './peer.ts'
import {
  address,
  asn,
  asnOrNone,
  family,
  optional,
  prefix,
  required,
  same,
  time,
  word,
} from './words.ts'

/** What the speaker is and holds, as the controller asks for it. */

const STATES: readonly State[] = [
  'Idle',
  'Connect',
  'Active',
  'OpenSent',
  'OpenConfirm',
  'Established',
]

/** As the speaker writes it. O(sessions and routes listed). */
export function toSpeakerSnapshot(
  snapshot: SpeakerSnapshot,
): MessageInitShape<typeof SpeakerSnapshotSchema> {
  return {
    version: snapshot.version,
    at: snapshot.at,
    routerId: snapshot.routerId,
    localAs: snapshot.localAs,
    listening: snapshot.listening.map(at => ({ ...at })),
    sessions: snapshot.sessions.map(toSession),
    tables: snapshot.tables.map(table => ({ ...table })),
    routes: snapshot.routes.map(toRoute),
    routesTotal: snapshot.routesTotal,
  }
}

/** As the controller reads it. Throws a `LinkError` for what is none. */
export function fromSpeakerSnapshot(message: SnapshotMessage): SpeakerSnapshot {
  return {
    version: message.version,
    at: time(message.at),
    routerId: message.routerId,
    localAs: asnOrNone(message.localAs),
    listening: message.listening.map(at => ({
      family: family(at.family),
      port: at.port,
      ...optional('error', at.error, same),
    })),
    sessions: message.sessions.map(fromSession),
    tables: message.tables.map(table => ({
      family: family(table.family),
      destinations: table.destinations,
      paths: table.paths,
    })),
    routes: message.routes.map(fromRoute),
    routesTotal: message.routesTotal,
  }
}

/** One destination, as the speaker writes it. */
export function toRoute(route: RouteSnapshot): MessageInitShape<typeof RouteSnapshotSchema> {
  return { prefix: route.prefix, paths: route.paths.map(toPath) }
}

/** One destination, as the controller reads it. Throws a `LinkError` for what is none. */
export function fromRoute(message: RouteMessage): RouteSnapshot {
  return { prefix: prefix(message.prefix), paths: message.paths.map(fromPath) }
}

function toSession(session: SessionSnapshot) {
  return {
    name: session.name,
    address: session.address,
    port: session.port,
    peerAs: session.peerAs,
    localAs: session.localAs,
    state: session.state,
    since: session.since,
    ...optional('negotiated', session.negotiated, ({ gracefulRestart, ...negotiated }) => ({
      ...negotiated,
      families: [...negotiated.families],
      longLived: negotiated.longLived.map(row => ({ ...row })),
      addPathReceive: [...negotiated.addPathReceive],
      addPathSend: [...negotiated.addPathSend],
      ...optional('gracefulRestart', gracefulRestart, restart => ({
        ...restart,
        families: [...restart.families],
        forwarding: [...restart.forwarding],
      })),
    })),
    ...optional('staleUntil', session.staleUntil, same),
    counters: { ...session.counters },
    prefixes: session.prefixes.map(counts => ({ ...counts })),
    ...optional('range', session.range, same),
    limits: session.limits.map(limit => ({ ...limit })),
    ...optional('suspended', session.suspended, suspended => ({ ...suspended })),
    offered: [...session.capabilities.offered],
    received: [...session.capabilities.received],
    faults: { ...session.faults, recent: session.faults.recent.map(fault => ({ ...fault })) },
    ...optional('lastError', session.lastError, error => ({ ...error })),
  }
}

function fromSession(message: SessionMessage): SessionSnapshot {
  const { discarded, withdrawn, reset, recent } = required(message.faults, 'faults')
  return {
    name: message.name,
    address: address(message.address),
    port: message.port,
    peerAs: asn(message.peerAs),
    localAs: asn(message.localAs),
    state: word(STATES, message.state),
    since: time(message.since),
    ...optional('negotiated', message.negotiated, fromNegotiated),
    ...optional('staleUntil', message.staleUntil, time),
    counters: fromCounters(message),
    prefixes: message.prefixes.map(counts => ({
      family: family(counts.family),
      received: counts.received,
      accepted: counts.accepted,
      stale: counts.stale,
      ...optional('longLivedUntil', counts.longLivedUntil, time),
      endOfRib: counts.endOfRib,
      best: counts.best,
      advertised: counts.advertised,
    })),
    ...optional('range', message.range, same),
    limits: message.limits.map(limit => ({
      which: word(['received', 'accepted', 'announced'], limit.which),
      family: family(limit.family),
      count: limit.count,
      most: limit.most,
      action: word(['warn', 'block', 'restart', 'disable'], limit.action),
      standing: word(['within', 'near', 'passed'], limit.standing),
      left: limit.left,
    })),
    ...optional('suspended', message.suspended, ({ why, until }) => ({
      why,
      ...optional('until', until, time),
    })),
    capabilities: { offered: [...message.offered], received: [...message.received] },
    faults: { discarded, withdrawn, reset, recent: recent.map(fromFault) },
    ...optional('lastError', message.lastError, fromError),
  }
}

function fromNegotiated(message: NegotiatedSnapshot): NonNullable<SessionSnapshot['negotiated']> {
  return {
    routerId: message.routerId,
    holdSeconds: message.holdSeconds,
    families: message.families.map(family),
    fourOctetAs: message.fourOctetAs,
    routeRefresh: message.routeRefresh,
    enhancedRefresh: message.enhancedRefresh,
    messageMax: message.messageMax,
    longLived: message.longLived.map(row => ({
      family: family(row.family),
      staleSeconds: row.staleSeconds,
      forwarding: row.forwarding,
    })),
    takesStale: message.takesStale,
    addPathReceive: message.addPathReceive.map(family),
    addPathSend: message.addPathSend.map(family),
    extendedNextHop: message.extendedNextHop,
    ...optional('peerRole', message.peerRole, role => word(ROLES, role)),
    ...optional('gracefulRestart', message.gracefulRestart, restart => ({
      restartSeconds: restart.restartSeconds,
      restarting: restart.restarting,
      notification: restart.notification,
      families: restart.families.map(family),
      forwarding: restart.forwarding.map(family),
    })),
  }
}

function fromCounters(message: SessionMessage): SessionSnapshot['counters'] {
  const counters = required(message.counters, 'counters')
  return {
    messagesIn: counters.messagesIn,
    messagesOut: counters.messagesOut,
    updatesIn: counters.updatesIn,
    updatesOut: counters.updatesOut,
    notificationsIn: counters.notificationsIn,
    notificationsOut: counters.notificationsOut,
    octetsIn: counters.octetsIn,
    octetsOut: counters.octetsOut,
    established: counters.established,
  }
}

function fromError(message: ErrorMessage): SessionError {
  return {
    direction: word(['sent', 'received', 'local'], message.direction),
    ...optional('code', message.code, same),
    ...optional('subcode', message.subcode, same),
    text: message.text,
    at: time(message.at),
    ...optional('later', message.later, ({ text, at }) => ({ text, at: time(at) })),
  }
}

function fromFault(message: FaultMessage): FaultSnapshot {
  return {
    at: time(message.at),
    remedy: word(['attribute-discard', 'treat-as-withdraw', 'session-reset'], message.remedy),
    why: message.why,
    // what was read is a view of a buffer that is used again
    octets: Uint8Array.from(message.octets),
    octetsTotal: message.octetsTotal,
  }
}

function toPath({ received, ...path }: PathSnapshot) {
  return {
    ...path,
    communities: [...path.communities],
    ...optional('received', received, said => ({ ...said, communities: [...said.communities] })),
  }
}

function fromPath(message: PathMessage): PathSnapshot {
  return {
    from: message.from,
    ...optional('pathId', message.pathId, same),
    best: message.best,
    multipath: message.multipath,
    ...optional('reason', message.reason, same),
    ...(message.refused && { refused: true }),
    ...optional('received', message.received, fromAttributes),
    ...fromAttributes(message),
  }
}

/** Of a path, or of what was received of it: the fields have the same names. */
function fromAttributes(message: Omit<AttributesMessage, '$typeName'>): AttributesSnapshot {
  return {
    ...optional('nextHop', message.nextHop, address),
    asPath: message.asPath,
    origin: word(['IGP', 'EGP', 'incomplete'], message.origin),
    ...optional('localPref', message.localPref, same),
    ...optional('med', message.med, same),
    communities: [...message.communities],
  }
}
