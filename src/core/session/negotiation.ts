import { AS_TRANS, type Asn, type Family, toAsn } from '../net/index.ts'
import {
  afiSafiOf,
  BGP_VERSION,
  type Capability,
  describeNotification,
  ERROR_CODES,
  encodeCapabilities,
  type Fault,
  familyOfAfiSafi,
  type GracefulRestart,
  type GracefulRestartCapability,
  MESSAGE_MAX,
  type Negotiated,
  type Notification,
  OPEN_ERROR,
  type Open,
  RESTART_SECONDS_MAX,
  resetFault,
} from '../wire/index.ts'
import type { RestartStanding, SessionConfig } from './types.ts'

/**
 * What we say in our OPEN, and what both OPENs together agree. RFC 4271 §4.2 and §6.2, RFC 5492,
 * RFC 4724 §3.
 */

/** Our OPEN. */
export function offer(config: SessionConfig, standing: RestartStanding): Open {
  return {
    type: 'OPEN',
    version: BGP_VERSION,
    // RFC 6793 §4.2.1
    asn: config.localAs > 0xffff ? AS_TRANS : config.localAs,
    holdSeconds: Math.floor(config.hold / 1000),
    routerId: config.routerId,
    capabilities: [
      ...multiprotocol(config.families),
      { type: 'route-refresh' },
      gracefulRestart(config, standing),
      { type: 'four-octet-as', asn: config.localAs },
    ],
  }
}

/** Offered always: it also says that we keep the routes of others, and send End-of-RIB. */
function gracefulRestart(
  { families, restart }: SessionConfig,
  { restarting, forwarding }: RestartStanding,
): Capability {
  const kept = restart === undefined ? [] : families
  return {
    type: 'graceful-restart',
    restarting,
    notification: true,
    restartSeconds: Math.min(Math.floor((restart ?? 0) / 1000), RESTART_SECONDS_MAX),
    families: kept.map(family => ({ ...afiSafi(family), forwarding })),
  }
}

/** No more than the two numbers. */
function afiSafi(family: Family): { afi: number; safi: number } {
  const { afi, safi } = afiSafiOf(family)
  return { afi, safi }
}

function multiprotocol(families: readonly Family[]): Capability[] {
  return families.map(family => ({ type: 'multiprotocol', ...afiSafi(family) }))
}

/**
 * Checks the peer's OPEN in the order of RFC 4271 §6.2, and agrees; or the fault with its
 * NOTIFICATION.
 */
export function negotiate(config: SessionConfig, open: Open): Negotiated | Fault {
  const peerAs = peerAsOf(config, open)
  if (typeof peerAs !== 'number') return peerAs
  const fault = identifierFault(config, open) ?? holdFault(open)
  if (fault !== undefined) return fault
  const families = commonFamilies(config.families, open.capabilities)
  if (families.length === 0) return noFamilyFault(config, open)
  const restart = restartOf(open.capabilities, families)
  return {
    peerAs,
    peerRouterId: open.routerId,
    holdSeconds: Math.min(Math.floor(config.hold / 1000), open.holdSeconds),
    families,
    fourOctetAs: open.capabilities.some(({ type }) => type === 'four-octet-as'),
    routeRefresh: open.capabilities.some(({ type }) => type === 'route-refresh'),
    messageMax: MESSAGE_MAX,
    enhancedRefresh: false,
    longLived: [],
    addPathReceive: [],
    addPathSend: [],
    extendedNextHop: false,
    ...(restart && { gracefulRestart: restart }),
  }
}

/**
 * How the peer restarts, as far as it concerns the families agreed on. RFC 4724 §3: of several
 * capabilities the last one counts.
 */
function restartOf(
  offered: readonly Capability[],
  agreed: readonly Family[],
): GracefulRestart | undefined {
  const theirs = offered.findLast(capability => capability.type === 'graceful-restart')
  if (theirs === undefined) return undefined
  const named = (all: GracefulRestartCapability['families']): Family[] => {
    const families = all.map(({ afi, safi }) => familyOfAfiSafi(afi, safi))
    return agreed.filter(family => families.includes(family))
  }
  return {
    restartSeconds: theirs.restartSeconds,
    restarting: theirs.restarting,
    notification: theirs.notification,
    families: named(theirs.families),
    forwarding: named(theirs.families.filter(({ forwarding }) => forwarding)),
  }
}

/** The four-octet number counts where there is one. RFC 6793 §4.2.1 */
function peerAsOf(config: SessionConfig, open: Open): Asn | Fault {
  const wide = open.capabilities.find(capability => capability.type === 'four-octet-as')
  const peerAs = wide?.asn ?? toAsn(open.asn)
  if (peerAs === config.peerAs) return peerAs
  return resetFault(
    ERROR_CODES.OPEN_MESSAGE,
    OPEN_ERROR.BAD_PEER_AS,
    `peer is AS ${wide?.asn ?? open.asn}, configured ${config.peerAs}`,
  )
}

/** RFC 6286 §2.2: not zero, and not our own inside an AS. */
function identifierFault(config: SessionConfig, open: Open): Fault | undefined {
  if (
    open.routerId !== 0 &&
    !(config.localAs === config.peerAs && open.routerId === config.routerId)
  )
    return undefined
  return resetFault(
    ERROR_CODES.OPEN_MESSAGE,
    OPEN_ERROR.BAD_BGP_IDENTIFIER,
    open.routerId === 0
      ? 'the BGP Identifier of the peer is 0.0.0.0'
      : 'the peer has our own BGP Identifier, and is in our AS',
  )
}

/** RFC 4271 §6.2: "MUST reject Hold Time values of one or two seconds" */
function holdFault(open: Open): Fault | undefined {
  if (open.holdSeconds !== 1 && open.holdSeconds !== 2) return undefined
  return resetFault(
    ERROR_CODES.OPEN_MESSAGE,
    OPEN_ERROR.UNACCEPTABLE_HOLD_TIME,
    `a hold time of ${open.holdSeconds} s is not acceptable: 0, or 3 and more`,
  )
}

/** In our order. A peer that offers no family at all means IPv4 unicast: RFC 4760 §8, RFC 4271. */
function commonFamilies(ours: readonly Family[], offered: readonly Capability[]): Family[] {
  const theirs = offeredFamilies(offered)
  return ours.filter(family => theirs.includes(family))
}

function offeredFamilies(offered: readonly Capability[]): (Family | undefined)[] {
  const families = offered
    .filter(capability => capability.type === 'multiprotocol')
    .map(({ afi, safi }) => familyOfAfiSafi(afi, safi))
  return families.length === 0 ? ['ipv4'] : families
}

/**
 * RFC 5492 §5: the data lists "the set of capabilities that causes the speaker to send the
 * message".
 */
function noFamilyFault(config: SessionConfig, open: Open): Fault {
  const theirs = offeredFamilies(open.capabilities).map(family => family ?? 'another family')
  const ours = config.families.join(', ')
  return resetFault(
    ERROR_CODES.OPEN_MESSAGE,
    OPEN_ERROR.UNSUPPORTED_CAPABILITY,
    `no family in common: peer offers ${theirs.join(', ')}, configured ${ours}`,
    encodeCapabilities(multiprotocol(config.families)),
  )
}

/** One line on a NOTIFICATION that the peer sent, with what it objects to where we can know. */
export function explain(received: Notification, config: SessionConfig): string {
  const line = describeNotification(received)
  const ours = received.code === ERROR_CODES.OPEN_MESSAGE ? OBJECTED[received.subcode] : undefined
  return ours === undefined ? line : `${line}: ${ours(config)}`
}

const OBJECTED: Readonly<Record<number, (config: SessionConfig) => string>> = {
  [OPEN_ERROR.BAD_PEER_AS]: config => `the peer does not expect AS ${config.localAs}`,
  [OPEN_ERROR.BAD_BGP_IDENTIFIER]: () => 'the peer does not accept our BGP Identifier',
  [OPEN_ERROR.UNACCEPTABLE_HOLD_TIME]: config =>
    `the peer does not accept a hold time of ${Math.floor(config.hold / 1000)} s`,
  [OPEN_ERROR.UNSUPPORTED_CAPABILITY]: config =>
    `the peer wants more than ${config.families.join(', ')}`,
}
