import { type Millis, millis, seconds } from '../base/index.ts'
import {
  type BgpConfigurationSpec,
  type BgpPeerResource,
  type BgpPeerSpec,
  parseDuration,
  parsePeerEndpoint,
} from '../calico/index.ts'
import {
  type Address,
  type Asn,
  FAMILIES,
  type Family,
  familyOf,
  isUnicast,
  toAsn,
} from '../net/index.ts'
import { type PeerConfig, TRANSPORT_DEFAULT } from '../speaker/index.ts'
import { type Cluster, type ClusterNode, keyOf } from './cluster.ts'
import { passwordOf, type Secrets } from './secrets.ts'
import type { NodeFacts, Problem } from './types.ts'

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
const WITHOUT = [
  'keepaliveTime',
  'numAllowedLocalASNumbers',
  'reachableBy',
] as const satisfies readonly (keyof BgpPeerSpec)[]

/** The neighbours of one node. */
export interface Peers {
  /** not in order */
  readonly peers: readonly PeerConfig[]
  readonly problems: readonly Problem[]
}

interface Context {
  readonly cluster: Cluster
  readonly own: ClusterNode
  readonly facts: NodeFacts
  readonly secrets: Secrets
  readonly byAddress: ReadonlyMap<Address, ClusterNode>
  readonly problems: Problem[]
  /** peers that have no session for want of their password: nobody else makes one without */
  readonly withheld: Set<Address>
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
  resources: readonly BgpPeerResource[],
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
    problems: [],
    withheld: new Set(),
  }
  const explicit = explicitPeers(resources, context)
  const taken = new Set([...explicit.map(peer => peer.address), ...context.withheld])
  const mesh = meshPeers(context).filter(peer => !taken.has(peer.address))
  return { peers: [...explicit, ...mesh], problems: context.problems }
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
      problem(context, resource, 'peerIP', 'is a peer whose password is missing; no session')
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
  if (secured === undefined) {
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
  return {
    name: sessionName(scope, address, endpoint.port),
    address,
    port,
    peerAs,
    localAs,
    ...(spec.sourceAddress === 'None' ? {} : { localAddress }),
    ...secured,
    passive: scope === 'Global' && node !== undefined && waits(address, localAddress),
    hold: facts.hold,
    connectRetry: facts.connectRetry,
    ...restartTime(spec.maxRestartTime, reason =>
      problem(context, resource, 'maxRestartTime', reason),
    ),
    families: facts.families ?? [familyOf(address)],
    ...otherNextHop(own, familyOf(address), facts),
    routeReflectorClient: isClient(own, node, peerAs, localAs),
    nextHop: nextHopMode(spec, peerAs !== localAs),
    export: exportMode(own, facts),
  }
}

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
 * Calico's mesh: every node with every other, once a family that both have, but no route
 * reflectors.
 */
function meshPeers(context: Context): PeerConfig[] {
  const { cluster, own, facts } = context
  if (!cluster.mesh || own.clusterId !== undefined) return []
  const tell = (field: keyof BgpConfigurationSpec, reason: string): void => {
    const object = keyOf('BGPConfiguration', 'default')
    context.problems.push({ object, field: `spec.${field}`, reason })
  }
  const password =
    cluster.meshPassword &&
    passwordOf(cluster.meshPassword, context.secrets, reason =>
      tell('nodeMeshPassword', `${reason}; the mesh has no sessions`),
    )
  if (cluster.meshPassword !== undefined && password === undefined) return []
  const restart = restartTime(cluster.meshRestartTime, reason =>
    tell('nodeMeshMaxRestartTime', reason),
  )
  const peers = new Map<Address, PeerConfig>()
  for (const node of cluster.nodes.values()) {
    if (node.name === own.name || node.clusterId !== undefined) continue
    for (const family of FAMILIES) {
      const address = node.addresses[family]
      const localAddress = own.addresses[family]
      if (address === undefined || localAddress === undefined) continue
      const holder = address === localAddress ? own.name : context.byAddress.get(address)?.name
      if (holder !== node.name) {
        context.problems.push({
          object: node.key,
          field: `spec.bgp.${family}Address`,
          reason: `${address} is ${holder}'s address too; no session is made with ${node.name}`,
        })
        continue
      }
      peers.set(address, {
        name: sessionName('Mesh', address),
        address,
        port: node.listenPort,
        peerAs: node.asNumber,
        localAs: own.asNumber,
        localAddress,
        ...(password === undefined ? {} : { password }),
        passive: waits(address, localAddress),
        hold: facts.hold,
        connectRetry: facts.connectRetry,
        ...restart,
        families: facts.families ?? [family],
        ...otherNextHop(own, family, facts),
        routeReflectorClient: false,
        nextHop: 'auto',
        export: exportMode(own, facts),
      })
    }
  }
  return [...peers.values()]
}

/** BIRD's, which Calico keeps. */
const RESTART_DEFAULT = seconds(120)

/** What an OPEN can say: twelve bits. RFC 4724 §3 */
const RESTART_TIME_MAX = seconds(4095)

/**
 * For how long peers keep our routes when we go away, in whole seconds as Calico rounds it; 0 is
 * not at all.
 */
function restartTime(
  text: string | undefined,
  tell: (reason: string) => void,
): { readonly restart?: Millis } {
  const given = text === undefined || text === '' ? RESTART_DEFAULT : parseDuration(text)
  if (given === undefined) return { restart: RESTART_DEFAULT }
  if (given > RESTART_TIME_MAX)
    tell(`${text} is longer than BGP can say; ${RESTART_TIME_MAX / 1000}s is used`)
  const whole = millis(Math.round(Math.min(given, RESTART_TIME_MAX) / 1000) * 1000)
  return whole === 0 ? {} : { restart: whole }
}

/**
 * Which end of a session between two Calico nodes waits: the one whose address is the lower *text*
 * (`10.0.0.9` is above `10.0.0.10`). Not what one would write today, but both ends must agree, and
 * a Calico node does it so.
 */
const waits = (peer: Address, own: Address): boolean => peer > own

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

/**
 * Our next hop for the routes of the family that a session is not over: its own ends cannot say.
 * RFC 4760 §3
 */
function otherNextHop(
  own: ClusterNode,
  transport: Family,
  { families = [] }: NodeFacts,
): Pick<PeerConfig, 'nextHopIpv4' | 'nextHopIpv6'> {
  const { ipv4, ipv6 } = own.addresses
  if (transport === 'ipv4')
    return ipv6 !== undefined && families.includes('ipv6') ? { nextHopIpv6: ipv6 } : {}
  return ipv4 !== undefined && families.includes('ipv4') ? { nextHopIpv4: ipv4 } : {}
}

/** A node announces its own pods; a router and a reflector pass on what they learned. */
const exportMode = (own: ClusterNode, facts: NodeFacts): PeerConfig['export'] =>
  facts.transit || own.clusterId !== undefined ? 'all' : 'originated'

/** As confd names BIRD's protocols. */
const sessionName = (scope: 'Mesh' | 'Global' | 'Node', address: Address, port?: number): string =>
  `${scope}_${address.replace(/[.:]/g, '_')}${port === undefined ? '' : `_port_${port}`}`

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
