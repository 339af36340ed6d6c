import { type Asn, type Family, toAsn } from '../net/index.ts'
import {
  type Capability,
  decodeCapabilities,
  describeCapability,
  describeNotification,
  ERROR_CODES,
  EXTENDED_MESSAGE_MAX,
  encodeCapabilities,
  FAMILY_SPECS,
  type Fault,
  familyOfAfiSafi,
  type GracefulRestart,
  type GracefulRestartCapability,
  type LongLivedFamily,
  MESSAGE_MAX,
  type Negotiated,
  type Notification,
  namedCapability,
  OPEN_ERROR,
  type Open,
  type Role,
  resetFault,
} from '../wire/index.ts'
import { multiprotocol, offer, ROLE_NUMBERS, ROLES } from './offer.ts'
import { optionsOf } from './options.ts'
import type { SessionConfig } from './types.ts'

/**
 * What both OPENs together agree. RFC 4271 §4.2 and §6.2, RFC 5492, and the documents of each
 * capability.
 */

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
  const refused = roleFault(config, open.capabilities) ?? requiredFault(config, open.capabilities)
  if (refused !== undefined) return refused
  return {
    peerAs,
    peerRouterId: open.routerId,
    holdSeconds: Math.min(Math.floor(config.hold / 1000), open.holdSeconds),
    ...capabilitiesOf(config, open.capabilities, families),
  }
}

/** What the capabilities of both sides come to, in the families agreed on. */
function capabilitiesOf(
  config: SessionConfig,
  offered: readonly Capability[],
  families: readonly Family[],
): Omit<Negotiated, 'peerAs' | 'peerRouterId' | 'holdSeconds'> {
  const options = optionsOf(config)
  const offers = (name: Capability['type']): boolean => offered.some(({ type }) => type === name)
  const restart = restartOf(offered, families)
  const role = external(config) ? roleOf(offered) : undefined
  const nextHops = options.extendedNextHop === true && families.includes('ipv4')
  const longer = options.extendedMessages === true && offers('extended-message')
  const { receive, send } = options.addPath ?? { receive: false, send: false }
  return {
    families,
    fourOctetAs: offers('four-octet-as'),
    routeRefresh: offers('route-refresh'),
    enhancedRefresh: offers('enhanced-route-refresh'),
    messageMax: longer ? EXTENDED_MESSAGE_MAX : MESSAGE_MAX,
    // RFC 9494 §4.1: without graceful restart it is ignored
    longLived: options.longLived === undefined || !restart ? [] : longLivedOf(offered, families),
    takesStale: offers('long-lived-graceful-restart') && restart !== undefined,
    addPathReceive: receive ? addPathFamilies(offered, families, 'send') : [],
    addPathSend: send ? addPathFamilies(offered, families, 'receive') : [],
    extendedNextHop: nextHops && takesIpv6NextHops(offered),
    ...(restart && { gracefulRestart: restart }),
    ...(role && { peerRole: role }),
  }
}

/** RFC 7911 §4: what one side sends, the other has to receive. */
function addPathFamilies(
  offered: readonly Capability[],
  agreed: readonly Family[],
  direction: 'receive' | 'send',
): readonly Family[] {
  const named = offered
    .flatMap(capability => (capability.type === 'add-path' ? capability.families : []))
    .filter(row => row[direction])
    .map(({ afi, safi }) => familyOfAfiSafi(afi, safi))
  return agreed.filter(family => named.includes(family))
}

/** RFC 8950 §4: IPv4 unicast routes with next hops of AFI 2. */
function takesIpv6NextHops(offered: readonly Capability[]): boolean {
  return offered
    .flatMap(capability => (capability.type === 'extended-next-hop' ? capability.families : []))
    .some(
      ({ afi, safi, nextHopAfi }) =>
        familyOfAfiSafi(afi, safi) === 'ipv4' && nextHopAfi === FAMILY_SPECS.ipv6.afi,
    )
}

/** RFC 9494 §3.1: of several capabilities the last one counts, as in RFC 4724 §3. */
function longLivedOf(
  offered: readonly Capability[],
  agreed: readonly Family[],
): readonly LongLivedFamily[] {
  const theirs = offered.findLast(({ type }) => type === 'long-lived-graceful-restart')
  if (theirs?.type !== 'long-lived-graceful-restart') return []
  return agreed.flatMap(family => {
    const row = theirs.families.find(({ afi, safi }) => familyOfAfiSafi(afi, safi) === family)
    if (row === undefined) return []
    return [{ family, staleSeconds: row.staleSeconds, forwarding: row.forwarding }]
  })
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
  if (open.routerId !== 0 && (external(config) || open.routerId !== config.routerId))
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

/** Who is whose counterpart. RFC 9234 §4.2, Table 2 */
const COUNTERPARTS: Readonly<Record<Role, Role>> = {
  provider: 'customer',
  customer: 'provider',
  'route-server': 'route-server-client',
  'route-server-client': 'route-server',
  peer: 'peer',
}

function external({ localAs, peerAs }: SessionConfig): boolean {
  return localAs !== peerAs
}

/** The numbers of the roles that are offered, each once. */
function roleNumbers(offered: readonly Capability[]): readonly number[] {
  return [...new Set(offered.flatMap(each => (each.type === 'role' ? [each.role] : [])))]
}

function roleOf(offered: readonly Capability[]): Role | undefined {
  const [number] = roleNumbers(offered)
  return ROLES.find(role => ROLE_NUMBERS[role] === number)
}

/**
 * RFC 9234 §4.2: one role, the counterpart of ours; none only where it is not insisted on. Inside
 * an AS a role means nothing.
 */
function roleFault(config: SessionConfig, offered: readonly Capability[]): Fault | undefined {
  if (!external(config)) return undefined
  const numbers = roleNumbers(offered)
  if (numbers.length > 1) return mismatch(`the peer has several roles: ${numbers.join(', ')}`)
  const { role: ours, roleRequired } = optionsOf(config)
  if (ours === undefined) return undefined
  if (numbers.length === 0)
    return roleRequired === true ? mismatch('the peer does not say its role') : undefined
  const wanted = COUNTERPARTS[ours]
  const theirs = roleOf(offered)
  if (theirs === wanted) return undefined
  return mismatch(`we are ${ours} to the peer; it is ${theirs ?? `role ${numbers[0]}`} to us`)
}

function mismatch(why: string): Fault {
  return resetFault(ERROR_CODES.OPEN_MESSAGE, OPEN_ERROR.ROLE_MISMATCH, why)
}

/**
 * RFC 5492 §3 and §5: what the peer has to offer and does not is in the data, as our OPEN has it.
 */
function requiredFault(config: SessionConfig, offered: readonly Capability[]): Fault | undefined {
  const { required = [] } = optionsOf(config)
  const missing = required.filter(name => !offered.some(({ type }) => type === name))
  if (missing.length === 0) return undefined
  const ours = offer(config, { restarting: false, forwarding: false }).capabilities
  return resetFault(
    ERROR_CODES.OPEN_MESSAGE,
    OPEN_ERROR.UNSUPPORTED_CAPABILITY,
    `the peer does not offer ${missing.join(', ')}`,
    encodeCapabilities(
      missing.map(name => ours.find(({ type }) => type === name) ?? namedCapability(name)),
    ),
  )
}

/** One line on a NOTIFICATION that the peer sent, with what it objects to where we can know. */
export function explain(received: Notification, config: SessionConfig): string {
  const line = describeNotification(received)
  const ours = received.code === ERROR_CODES.OPEN_MESSAGE ? OBJECTED[received.subcode] : undefined
  return ours === undefined ? line : `${line}: ${ours(config, received.data)}`
}

const OBJECTED: Readonly<Record<number, (config: SessionConfig, data: Uint8Array) => string>> = {
  [OPEN_ERROR.BAD_PEER_AS]: config => `the peer does not expect AS ${config.localAs}`,
  [OPEN_ERROR.BAD_BGP_IDENTIFIER]: () => 'the peer does not accept our BGP Identifier',
  [OPEN_ERROR.UNACCEPTABLE_HOLD_TIME]: config =>
    `the peer does not accept a hold time of ${Math.floor(config.hold / 1000)} s`,
  [OPEN_ERROR.UNSUPPORTED_CAPABILITY]: (config, data) => {
    const wanted = decodeCapabilities(data).map(describeCapability).join('; ')
    return wanted === ''
      ? `the peer wants more than ${config.families.join(', ')}`
      : `the peer wants ${wanted}`
  },
  [OPEN_ERROR.ROLE_MISMATCH]: config =>
    `the peer does not expect ${optionsOf(config).role ?? 'a peer without a role'}`,
}
