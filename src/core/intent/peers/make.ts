import { millis, seconds } from '../../base/index.ts'
import { type BgpPeerResource, parseDuration } from '../../calico/index.ts'
import { type Address, familyOf, parseAddress } from '../../net/index.ts'
import { type PeerConfig, TRANSPORT_DEFAULT } from '../../speaker/index.ts'
import type { ClusterNode } from '../cluster.ts'
import { type Asked, given, nameOf, problem } from './asked.ts'
import {
  ANNOTATION_FIELD,
  type Context,
  exportMode,
  otherNextHop,
  restartTime,
  sessionName,
  sharedSubnet,
  waits,
} from './common.ts'
import type { Neighbour } from './neighbour.ts'
import { passwordOf } from './secrets.ts'
import { settledFields } from './settings.ts'

/**
 * A session of what is asked: each field of a BGPPeer as Calico's confd gives it to BIRD.
 *
 * @returns undefined, and a problem, where there cannot be one
 */
export function neighbourOf(asked: Asked, context: Context): Neighbour | undefined {
  const { resource, address } = asked
  const { spec } = resource
  const reachable = reachableBy(asked, context)
  if (reachable === undefined) return undefined
  const { filters = [] } = spec
  const ofPeer = { resource: nameOf(resource), reverse: asked.by === 'reverse', filters }
  if (asked.by === 'workload') {
    // nothing but the AS numbers and the filters counts for it, as in Calico
    const { config } = restartTime(undefined, () => undefined)
    return {
      config: { ...configOf(asked, context), passive: true, ...config },
      password: 'none',
      ...withheldFor(resource, context),
      ...ofPeer,
    }
  }
  const security = securityOf(resource, context)
  const { config: restart, restartTime: said } = restartTime(spec.maxRestartTime, reason =>
    problem(context, resource, 'maxRestartTime', reason),
  )
  const localAddress = context.own.addresses[familyOf(address)]
  return {
    config: {
      ...configOf(asked, context),
      ...(spec.sourceAddress !== 'None' && localAddress !== undefined && { localAddress }),
      ...security.config,
      ...keepaliveOf(resource, context),
      ...restart,
    },
    password: security.password,
    ...(said !== undefined && { restartTime: said }),
    ...reachable,
    ...security.withheld,
    ...withheldFor(resource, context),
    ...ofPeer,
  }
}

/** What every session has. */
function configOf(asked: Asked, context: Context): PeerConfig {
  const { resource, scope, address, port, peerAs, localAs, node } = asked
  const { own, facts } = context
  const { spec } = resource
  const family = familyOf(address)
  const external = peerAs !== localAs
  const ours = own.addresses[family]
  const asks = context.settings.own(resource.metadata.name)
  const allowed = asked.by === 'address' ? spec.numAllowedLocalASNumbers : undefined
  const settings = {
    ...context.settings.common,
    ...(allowed !== undefined && { allowOwnAs: allowed }),
    ...asks,
  }
  // with peers that were selected, and with sessions back, both ends connect: RFC 4271 §6.8
  const isNode = scope === 'Global' && asked.by === 'address' && node !== undefined
  return {
    name: sessionName(scope, address, port),
    address,
    port: port ?? 179,
    peerAs,
    localAs,
    passive: asks.passive ?? (isNode && ours !== undefined && waits(address, ours)),
    hold: facts.hold,
    connectRetry: facts.connectRetry,
    families: facts.families ?? [family],
    ...otherNextHop(own, family, facts),
    routeReflectorClient: !external && isClient(own, node),
    nextHop: nextHopMode(asked, external),
    export: exportMode(own, facts),
    ...settledFields(settings, { external, subnet: sharedSubnet(own, address) }),
  }
}

/**
 * Calico's `keepaliveTime` in whole seconds, as Calico rounds it; zero is not given. RFC 4271 §4.4:
 * no more than one a second.
 */
function keepaliveOf(resource: BgpPeerResource, context: Context): Pick<PeerConfig, 'keepalive'> {
  const { keepaliveTime } = resource.spec
  const asked = parseDuration(keepaliveTime ?? '') ?? 0
  if (asked === 0) return {}
  if (asked < KEEPALIVE_LEAST)
    problem(context, resource, 'keepaliveTime', `${keepaliveTime} is too short; 1s is used`)
  return { keepalive: millis(Math.max(Math.round(asked / 1000) * 1000, KEEPALIVE_LEAST)) }
}

/** RFC 4271 §4.4 */
const KEEPALIVE_LEAST = seconds(1)

interface Security {
  readonly config: Pick<PeerConfig, 'password' | 'transport'>
  readonly password: Neighbour['password']
  readonly withheld?: Pick<Neighbour, 'withheld'>
}

/** What keeps strangers out of a session, which is withheld where it cannot be had. */
function securityOf(resource: BgpPeerResource, context: Context): Security {
  const { password: source, ttlSecurity = 0 } = resource.spec
  const transport = ttlSecurity === 0 ? {} : { transport: { ...TRANSPORT_DEFAULT, ttlSecurity } }
  if (source === undefined) return { config: transport, password: 'none' }
  let withheld = ''
  const password = passwordOf(source, context.secrets, reason => {
    withheld = reason
    problem(context, resource, 'password', `${reason}; no session is made of this peer`)
  })
  if (password === undefined)
    return { config: transport, password: 'missing', withheld: { withheld } }
  return { config: { ...transport, password }, password: 'set' }
}

/** What may protect, and is not understood: an annotation. */
function withheldFor(resource: BgpPeerResource, context: Context): Pick<Neighbour, 'withheld'> {
  const withheld = context.settings.withheld(resource.metadata.name)
  if (withheld === undefined) return {}
  context.problems.push({ object: nameOf(resource), field: ANNOTATION_FIELD, reason: withheld })
  return { withheld }
}

/** The gateway to the peer: of this end only, whose link it is on. Undefined: it is none. */
function reachableBy(
  { resource, by, address }: Asked,
  context: Context,
): { readonly reachableBy?: Address } | undefined {
  const text = resource.spec.reachableBy ?? ''
  if (!given(text) || by !== 'address') return {}
  const gateway = parseAddress(text)
  if (gateway !== undefined && familyOf(gateway) === familyOf(address))
    return { reachableBy: gateway }
  const why = `${text} is not an address of the family of ${address}; no session is made`
  return problem(context, resource, 'reachableBy', why)
}

/** Calico's rule: we reflect, and the peer does not reflect for the same cluster. RFC 4456 §7 */
const isClient = (own: ClusterNode, peer: ClusterNode | undefined): boolean =>
  own.clusterId !== undefined && peer?.clusterId !== own.clusterId

/** The older field counts for external peers that are named by their address. */
function nextHopMode({ resource: { spec }, by }: Asked, external: boolean): PeerConfig['nextHop'] {
  if (by === 'workload') return 'auto'
  if (spec.nextHopMode === 'Self') return 'self'
  if (spec.nextHopMode === 'Keep') return 'keep'
  return by === 'address' && spec.keepOriginalNextHop === true && external ? 'keep' : 'auto'
}
