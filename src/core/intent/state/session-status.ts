import { type Millis, NEVER } from '../../base/index.ts'
import { formatQuad } from '../../net/index.ts'
import type { SessionError } from '../../session/index.ts'
import type { FaultSnapshot, SessionSnapshot } from '../../speaker/index.ts'
import { instant } from './instant.ts'
import type { FaultDocument, SessionDocument, SessionErrorDocument } from './session-document.ts'

/** A neighbour as it stands, for operators: its part of a snapshot as a document. Pure. */

/** One neighbour, but for what its configuration alone says. */
export function sessionDocument(
  session: SessionSnapshot,
  node: string,
  epochOffset: number,
  keepalive: Millis = NEVER,
): SessionDocument {
  const { counters, negotiated, faults, lastError } = session
  return {
    node,
    name: session.name,
    peerAddress: session.address,
    peerPort: session.port,
    peerAsNumber: session.peerAs,
    localAsNumber: session.localAs,
    type: session.peerAs === session.localAs ? 'iBGP' : 'eBGP',
    state: session.state,
    since: instant(session.since, epochOffset),
    ...(negotiated && { negotiated: negotiatedDocument(negotiated, keepalive) }),
    capabilities: session.capabilities,
    ...(session.staleUntil === undefined
      ? {}
      : { staleUntil: instant(session.staleUntil, epochOffset) }),
    prefixes: session.prefixes.map(({ longLivedUntil: until, ...counts }) => ({
      ...counts,
      ...(until !== undefined && { longLivedUntil: instant(until, epochOffset) }),
    })),
    ...(session.range !== undefined && { range: session.range }),
    limits: session.limits,
    ...(session.suspended && { suspended: suspended(session.suspended, epochOffset) }),
    counters: {
      established: counters.established,
      messagesReceived: counters.messagesIn,
      messagesSent: counters.messagesOut,
      updatesReceived: counters.updatesIn,
      updatesSent: counters.updatesOut,
      notificationsReceived: counters.notificationsIn,
      notificationsSent: counters.notificationsOut,
      octetsReceived: counters.octetsIn,
      octetsSent: counters.octetsOut,
    },
    updateFaults: {
      attributeDiscard: faults.discarded,
      treatAsWithdraw: faults.withdrawn,
      sessionReset: faults.reset,
      recent: faults.recent.map(fault => faultDocument(fault, epochOffset)),
    },
    ...(lastError === undefined ? {} : { lastError: errorDocument(lastError, epochOffset) }),
  }
}

type NegotiatedDocument = NonNullable<SessionDocument['negotiated']>

function negotiatedDocument(
  negotiated: NonNullable<SessionSnapshot['negotiated']>,
  keepalive: Millis,
): NegotiatedDocument {
  const { routerId, holdSeconds } = negotiated
  return {
    routerId: formatQuad(routerId),
    holdTime: `${holdSeconds}s`,
    // RFC 4271 §10: a third of the hold time, where nothing shorter is configured
    keepaliveTime: `${Math.floor(Math.min(keepalive / 1000, holdSeconds / 3))}s`,
    families: negotiated.families,
    fourOctetAs: negotiated.fourOctetAs,
    routeRefresh: negotiated.routeRefresh,
    enhancedRefresh: negotiated.enhancedRefresh,
    messageMax: negotiated.messageMax,
    addPathReceive: negotiated.addPathReceive,
    addPathSend: negotiated.addPathSend,
    extendedNextHop: negotiated.extendedNextHop,
    longLived: negotiated.longLived.map(({ family, staleSeconds, forwarding }) => ({
      family,
      staleTime: `${staleSeconds}s`,
      forwarding,
    })),
    ...(negotiated.peerRole && { peerRole: negotiated.peerRole }),
    ...gracefulRestart(negotiated.gracefulRestart),
  }
}

function gracefulRestart(
  restart: NonNullable<SessionSnapshot['negotiated']>['gracefulRestart'],
): Pick<NegotiatedDocument, 'gracefulRestart'> {
  if (restart === undefined) return {}
  const { restartSeconds, families, forwarding, restarting, notification } = restart
  return {
    gracefulRestart: {
      restartTime: `${restartSeconds}s`,
      families,
      forwarding,
      restarting,
      notification,
    },
  }
}

const suspended = (
  { why, until }: NonNullable<SessionSnapshot['suspended']>,
  epochOffset: number,
): NonNullable<SessionDocument['suspended']> => ({
  why,
  ...(until !== undefined && { until: instant(until, epochOffset) }),
})

/** How a session ended. */
export function errorDocument(error: SessionError, epochOffset: number): SessionErrorDocument {
  return {
    direction: error.direction,
    ...(error.code === undefined ? {} : { code: error.code }),
    ...(error.subcode === undefined ? {} : { subcode: error.subcode }),
    text: error.text,
    at: instant(error.at, epochOffset),
    ...(error.later === undefined
      ? {}
      : { later: { text: error.later.text, at: instant(error.later.at, epochOffset) } }),
  }
}

function faultDocument(fault: FaultSnapshot, epochOffset: number): FaultDocument {
  const { at, remedy, why, octets, octetsTotal } = fault
  const hex = [...octets].map(octet => octet.toString(16).padStart(2, '0')).join('')
  return { at: instant(at, epochOffset), remedy, why, octets: hex, octetsTotal }
}
