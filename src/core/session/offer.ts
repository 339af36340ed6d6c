import { AS_TRANS, type Family } from '../net/index.ts'
import {
  afiSafiOf,
  BGP_VERSION,
  type Capability,
  FAMILY_SPECS,
  type Open,
  RESTART_SECONDS_MAX,
  type Role,
  STALE_SECONDS_MAX,
} from '../wire/index.ts'
import { optionsOf } from './options.ts'
import type { RestartStanding, SessionConfig } from './types.ts'

/** What we say in our OPEN. RFC 4271 §4.2, and the documents of each capability. */

/** Our OPEN. */
export function offer(config: SessionConfig, standing: RestartStanding): Open {
  const { addPath, extendedMessages, extendedNextHop, role } = optionsOf(config)
  const { families } = config
  const offered: readonly (Capability | false | undefined)[] = [
    ...multiprotocol(families),
    { type: 'route-refresh' },
    extendedNextHop && families.includes('ipv4') && NEXT_HOPS,
    extendedMessages && { type: 'extended-message' },
    // RFC 9234 §4.1: between ASes only
    role && config.localAs !== config.peerAs && { type: 'role', role: ROLE_NUMBERS[role] },
    gracefulRestart(config, standing),
    { type: 'four-octet-as', asn: config.localAs },
    addPath && several(families, addPath),
    { type: 'enhanced-route-refresh' },
    longLived(config, standing),
  ]
  return {
    type: 'OPEN',
    version: BGP_VERSION,
    // RFC 6793 §4.2.1
    asn: config.localAs > 0xffff ? AS_TRANS : config.localAs,
    holdSeconds: Math.floor(config.hold / 1000),
    routerId: config.routerId,
    capabilities: offered.filter(capability => typeof capability === 'object'),
  }
}

/** Families as capabilities of RFC 4760 §8. */
export function multiprotocol(families: readonly Family[]): Capability[] {
  return families.map(family => ({ type: 'multiprotocol', ...afiSafi(family) }))
}

/** RFC 9234 §4.1 */
export const ROLE_NUMBERS: Readonly<Record<Role, number>> = {
  provider: 0,
  'route-server': 1,
  'route-server-client': 2,
  customer: 3,
  peer: 4,
}

/** Every role. */
export const ROLES: readonly Role[] = [
  'provider',
  'route-server',
  'route-server-client',
  'customer',
  'peer',
]

/** RFC 8950 §4: IPv4 unicast routes, IPv6 next hops. */
const NEXT_HOPS: Capability = {
  type: 'extended-next-hop',
  families: [{ ...afiSafi('ipv4'), nextHopAfi: FAMILY_SPECS.ipv6.afi }],
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

/** RFC 7911 §4: there is no value for neither direction. */
function several(
  families: readonly Family[],
  { receive, send }: { readonly receive: boolean; readonly send: boolean },
): Capability | undefined {
  if (!receive && !send) return undefined
  const rows = families.map(family => ({ ...afiSafi(family), receive, send }))
  return { type: 'add-path', families: rows }
}

/** RFC 9494 §3.1 */
function longLived(config: SessionConfig, { forwarding }: RestartStanding): Capability | undefined {
  const stale = optionsOf(config).longLived
  if (stale === undefined) return undefined
  const staleSeconds = Math.min(Math.floor(stale / 1000), STALE_SECONDS_MAX)
  return {
    type: 'long-lived-graceful-restart',
    families: config.families.map(family => ({ ...afiSafi(family), forwarding, staleSeconds })),
  }
}

/** No more than the two numbers. */
function afiSafi(family: Family): { afi: number; safi: number } {
  const { afi, safi } = afiSafiOf(family)
  return { afi, safi }
}
