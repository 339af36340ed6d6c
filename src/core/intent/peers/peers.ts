import { millis, seconds } from '../../base/index.ts'
import {
  type BgpPeerResource,
  type BgpPeerSpec,
  parseDuration,
  parsePeerEndpoint,
} from '../../calico/index.ts'
import { type Address, type Asn, familyOf, isUnicast, toAsn } from '../../net/index.ts'
import { type PeerConfig, type PeerRange, TRANSPORT_DEFAULT } from '../../speaker/index.ts'
import { type Cluster, type ClusterNode, keyOf } from '../cluster.ts'
import { passwordOf, type Secrets } from '../secrets.ts'
import type { NodeFacts, Problem, Snapshot } from '../types.ts'
import {
  ANNOTATION_FIELD,
  Annotations,
  type Context,
  exportMode,
  otherNextHop,
  restartTime,
  sessionName,
  sharedSubnet,
  waits,
} from './common.ts'
import { meshPeers } from './mesh.ts'
import { rangesOf } from './ranges.ts'
import { settledFields } from './settings.ts'

/**
 * Who peers with whom: the node-to-node mesh and BGPPeers, as Calico's confd makes sessions of
 * them.
 */

/**
 * Fields without which a session would not be what its owner asked for; peers with one stay down.
 */
const WITHHOLDING = [
  'nodeSelector',
  'peerSelector',
  'localWorkloadSelector',
  'filters',
] as const satisfies readonly (keyof BgpPeerSpec)[]

/** Fields that only tune a session: it is made without them. */
const WITHOUT = ['reachableBy'] as const satisfies readonly (keyof BgpPeerSpec)[]

/** The neighbours of one node. */
export interface Peers {
  /** not in order */
  readonly peers: readonly PeerConfig[]
  /** sorted by name */
  readonly ranges: readonly PeerRange[]
  readonly problems: readonly Problem[]
}

/**
 * The neighbours of `own`. A BGPPeer for all nodes is before one for this node, and both are before
 * the mesh: of two for the same address and port, the first wins.
 *
 * O(nodes + peers).
 */
export function peersOf(
  cluster: Cluster,
  own: ClusterNode,
  { bgpPeers, settings }: Pick<Snapshot, 'bgpPeers' | 'settings'>,
  { facts, secrets }: { readonly facts: NodeFacts; readonly secrets: Secrets },
): Peers {
  const byAddress = new Map<Address, ClusterNode>()
  for (const node of cluster.nodes.values())
    for (const address of Object.values(node.addresses))
      if (!byAddress.has(address)) byAddress.set(address, node)
  const context: Context = {
    cluster,
    own,
    facts,
    secrets,
    byAddress,
    settings: new Annotations(settings),
    problems: [],
    withheld: new Set(),
  }
  const why = context.settings.withheld()
  if (why !== undefined) {
    const object = keyOf('BGPConfiguration', 'default')
    const problem = { object, field: ANNOTATION_FIELD, reason: why }
    return { peers: [], ranges: [], problems: [problem] }
  }
  const explicit = explicitPeers(bgpPeers, context)
  const taken = new Set([...explicit.map(peer => peer.address), ...context.withheld])
  const mesh = meshPeers(context).filter(peer => !taken.has(peer.address))
  const ranges = rangesOf(context)
  return { peers: [...explicit, ...mesh], ranges, problems: context.problems }
}

function explicitPeers(resources: readonly BgpPeerResource[], context: Context): PeerConfig[] {
  const peers = new Map<string, { peer: PeerConfig; by: BgpPeerResource }>()
  const isGlobal = ({ spec }: BgpPeerResource): boolean => !given(spec.node)
  const scopes = [
    resources.filter(isGlobal),
    resources.filter(resource => !isGlobal(resource) && resource.spec.node === context.own.name),
  ]
  for (const resource of scopes.flat()) {
    const peer = peerOf(resource, context)
    if (peer === undefined) continue
    if (context.withheld.has(peer.address)) {
      problem(context, resource, 'peerIP', 'is a peer whose session is withheld already')
      continue
    }
    const endpoint = `${peer.address} ${peer.port}`
    const first = peers.get(endpoint)
    const other = [...peers.values()].find(({ peer: { address } }) => address === peer.address)
    // the kernel checks what an address sends, whatever its port
    if (first === undefined && other !== undefined && other.peer.password !== peer.password) {
      const whose = `${nameOf(other.by)}, which has the same address`
      problem(context, resource, 'password', `differs from that of ${whose} and stays`)
      continue
    }
    if (first === undefined) peers.set(endpoint, { peer, by: resource })
    else if (isGlobal(first.by) === isGlobal(resource) || !samePeer(first.peer, peer))
      problem(
        context,
        resource,
        'peerIP',
        `${peer.address} port ${peer.port} is the peer of ${nameOf(first.by)} already, which stays`,
      )
  }
  return [...peers.values()].map(({ peer }) => peer)
}

/** A peer for one node that repeats one for all is Calico's documented way, not a mistake. */
const samePeer = (a: PeerConfig, b: PeerConfig): boolean =>
  a.peerAs === b.peerAs && a.localAs === b.localAs

function peerOf(resource: BgpPeerResource, context: Context): PeerConfig | undefined {
  const { spec } = resource
  const { own, facts, cluster, byAddress } = context
  for (const field of WITHHOLDING)
    if (given(spec[field])) {
      const why = 'is not honoured by this version, so that no session is made of this peer'
      problem(context, resource, field, `${JSON.stringify(spec[field])} ${why}`)
      return undefined
    }
  const endpoint = parsePeerEndpoint(spec.peerIP ?? '')
  if (endpoint === undefined) return undefined
  const { address } = endpoint
  const localAddress = localAddressFor(address, resource, context)
  if (localAddress === undefined) return undefined
  const secured = securityOf(resource, context)
  const unsettled = context.settings.withheld(resource.metadata.name)
  if (unsettled !== undefined)
    context.problems.push({ object: nameOf(resource), field: ANNOTATION_FIELD, reason: unsettled })
  if (secured === undefined || unsettled !== undefined) {
    context.withheld.add(address)
    return undefined
  }
  for (const field of WITHOUT)
    if (given(spec[field]))
      problem(context, resource, field, 'is not honoured by this version; the session is without')
  const peerAs = asnOf(spec.asNumber) ?? cluster.asNumber
  const localAs = asnOf(spec.localASNumber) ?? own.asNumber
  const node = byAddress.get(address)
  const port = endpoint.port ?? (node?.asNumber === peerAs ? node.listenPort : 179)
  const scope = given(spec.node) ? 'Node' : 'Global'
  const external = peerAs !== localAs
  const asked = context.settings.own(resource.metadata.name)
  const allowed = spec.numAllowedLocalASNumbers
  const settings = {
    ...context.settings.common,
    ...(allowed !== undefined && { allowOwnAs: allowed }),
    ...asked,
  }
  return {
    name: sessionName(scope, address, endpoint.port),
    address,
    port,
    peerAs,
    localAs,
    ...(spec.sourceAddress === 'None' ? {} : { localAddress }),
    ...secured,
    passive:
      asked.passive ?? (scope === 'Global' && node !== undefined && waits(address, localAddress)),
    hold: facts.hold,
    ...keepaliveOf(resource, context),
    connectRetry: facts.connectRetry,
    ...restartTime(spec.maxRestartTime, reason =>
      problem(context, resource, 'maxRestartTime', reason),
    ),
    families: facts.families ?? [familyOf(address)],
    ...otherNextHop(own, familyOf(address), facts),
    routeReflectorClient: isClient(own, node, peerAs, localAs),
    nextHop: nextHopMode(spec, external),
    export: exportMode(own, facts),
    ...settledFields(settings, { external, subnet: sharedSubnet(own, address) }),
  }
}

/** Calico's `keepaliveTime`; zero is not given. RFC 4271 §4.4: no more than one a second. */
function keepaliveOf(resource: BgpPeerResource, context: Context): Pick<PeerConfig, 'keepalive'> {
  const { keepaliveTime } = resource.spec
  const asked = parseDuration(keepaliveTime ?? '') ?? 0
  if (asked === 0) return {}
  if (asked < KEEPALIVE_LEAST)
    problem(context, resource, 'keepaliveTime', `${keepaliveTime} is too short; 1s is used`)
  return { keepalive: millis(Math.max(asked, KEEPALIVE_LEAST)) }
}

/** RFC 4271 §4.4 */
const KEEPALIVE_LEAST = seconds(1)

/**
 * What keeps strangers out of a session; undefined, and a problem, where it cannot be had: then
 * there is no session.
 */
function securityOf(
  resource: BgpPeerResource,
  context: Context,
): Pick<PeerConfig, 'password' | 'transport'> | undefined {
  const { password: source, ttlSecurity = 0 } = resource.spec
  const transport = ttlSecurity === 0 ? {} : { transport: { ...TRANSPORT_DEFAULT, ttlSecurity } }
  if (source === undefined) return transport
  const password = passwordOf(source, context.secrets, reason =>
    problem(context, resource, 'password', `${reason}; no session is made of this peer`),
  )
  return password === undefined ? undefined : { ...transport, password }
}

/** Our end of a session to `address`; undefined, and a problem, where there cannot be one. */
function localAddressFor(
  address: Address,
  resource: BgpPeerResource,
  context: Context,
): Address | undefined {
  const { own } = context
  const say = (reason: string): undefined => problem(context, resource, 'peerIP', reason)
  if (Object.values(own.addresses).includes(address))
    return say(`${address} is the address of ${own.name} itself; no node peers with itself`)
  if (!isUnicast(address)) return say(`${address} is not an address that a router can have`)
  const local = own.addresses[familyOf(address)]
  if (local === undefined)
    return say(
      `${address} is ${familyOf(address)}, and ${own.name} has no such address; ` +
        `add spec.bgp.${familyOf(address)}Address to ${own.key}`,
    )
  return local
}

/**
 * Calico's rule: iBGP, we reflect, and the peer does not reflect for the same cluster. RFC 4456 §7
 */
function isClient(
  own: ClusterNode,
  peer: ClusterNode | undefined,
  peerAs: Asn,
  localAs: Asn,
): boolean {
  return peerAs === localAs && own.clusterId !== undefined && peer?.clusterId !== own.clusterId
}

function nextHopMode(spec: BgpPeerSpec, external: boolean): PeerConfig['nextHop'] {
  if (spec.nextHopMode === 'Self') return 'self'
  if (spec.nextHopMode === 'Keep') return 'keep'
  return spec.keepOriginalNextHop === true && external ? 'keep' : 'auto'
}

/** Go writes what is not set as its zero value; neither means anything. */
const given = (value: unknown): boolean =>
  value !== undefined &&
  value !== '' &&
  value !== 0 &&
  !(Array.isArray(value) && value.length === 0)

const asnOf = (value: number | undefined): Asn | undefined =>
  value === undefined ? undefined : toAsn(value)

const nameOf = (resource: BgpPeerResource): string => keyOf('BGPPeer', resource.metadata.name)

function problem(
  context: Context,
  resource: BgpPeerResource,
  field: keyof BgpPeerSpec,
  reason: string,
): undefined {
  context.problems.push({ object: nameOf(resource), field: `spec.${field}`, reason })
}
