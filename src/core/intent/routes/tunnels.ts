import {
  type FelixConfigurationSpec,
  type NodeResource,
  parseNodeAddress,
  TUNNELS,
  type TunnelKind,
  vtepMac,
} from '../../calico/index.ts'
import type { NodeRoute, Tunnel, TunnelEnd } from '../../dataplane/index.ts'
import {
  type Address,
  compareAddresses,
  comparePrefixes,
  containsAddress,
  type Family,
  type Prefix,
  parseAddress,
} from '../../net/index.ts'
import { parseMac } from '../../rtnl/index.ts'
import { type ClusterNode, keyOf } from '../cluster.ts'
import type { HostInterface } from '../node/autodetect.ts'
import type { PodCidrs } from '../originated/pod-cidrs.ts'
import type { NodeFacts, Problem, Snapshot } from '../types.ts'
import { type ClusterPool, ownershipOf, type RemoteBlock, remoteBlocks } from './cluster-routes.ts'
import { felixOf } from './felix.ts'

/** This node's ends of tunnels, and the routes to the other nodes' blocks, through them or not. */

/** What Calico's nodes use where FelixConfiguration says nothing. */
const VNI = 4096
const PORT = 4789

/** What is made of the resources. */
export interface Tunnels {
  /** in order of name; absent: they are Felix's */
  readonly tunnels?: readonly Tunnel[]
  /** in order of prefix */
  readonly routes: readonly NodeRoute[]
  readonly problems: readonly Problem[]
}

/** The cluster, and what this machine has. */
export interface TunnelSurroundings {
  readonly facts: NodeFacts
  /** undefined: this node is no member, and has no tunnels */
  readonly own: ClusterNode | undefined
  readonly nodes: ReadonlyMap<string, ClusterNode>
  /** whose blocks are where */
  readonly others: PodCidrs['others']
  /** the names of the links that have this node's addresses, where they are known */
  readonly links: Readonly<Partial<Record<Family, string>>>
}

/**
 * As Felix has it: a link for each kind of tunnel that a pool asks for, and a route to each block
 * of another node: through the tunnel to that node's end, or, in our own subnet where the pool says
 * `CrossSubnet`, to the node itself. A node whose end nobody knows yet has no route: its packets
 * would go without the tunnel. O(claims · pools + nodes).
 */
export function tunnelsOf(snapshot: Snapshot, surroundings: TunnelSurroundings): Tunnels {
  const { facts, own } = surroundings
  const { links, pools } = ownershipOf(snapshot, facts)
  if (own === undefined) return { ...(links && { tunnels: [] }), routes: [], problems: [] }
  const resources = new Map(snapshot.nodes.map(node => [node.metadata.name, node]))
  const wanted = KINDS.filter(kind => pools.some(pool => pool.tunnel === kind))
  const problems: Problem[] = []
  const tunnels = wanted.flatMap(kind => {
    const made = tunnelFor(kind, resources, surroundings, felixOf(snapshot, facts.node))
    if ('tunnel' in made) return made.tunnel
    problems.push(made.problem)
    return []
  })
  const routes = new Map<Prefix, NodeRoute>()
  for (const block of remoteBlocks(surroundings.others, snapshot, { facts, pools })) {
    const route = routeTo(block, resources, surroundings)
    if (route !== undefined && !routes.has(route.prefix)) routes.set(route.prefix, route)
  }
  return {
    ...(links && { tunnels }),
    routes: [...routes.values()].toSorted((a, b) => comparePrefixes(a.prefix, b.prefix)),
    problems: links ? problems : [],
  }
}

/** Which of a machine's links have the addresses of a node. O(interfaces). */
export function linksOf(
  { nodes }: Pick<Snapshot, 'nodes'>,
  node: string,
  interfaces: readonly HostInterface[],
): TunnelSurroundings['links'] {
  const bgp = nodes.find(({ metadata }) => metadata.name === node)?.spec.bgp
  const of = (text: string | undefined): string | undefined => {
    const address = parseNodeAddress(text ?? '')
    return interfaces.find(({ addresses }) => addresses.some(own => own.address === address))?.name
  }
  const [ipv4, ipv6] = [of(bgp?.ipv4Address), of(bgp?.ipv6Address)]
  return { ...(ipv4 !== undefined && { ipv4 }), ...(ipv6 !== undefined && { ipv6 }) }
}

/** In order of the names of their links. */
const KINDS: readonly TunnelKind[] = ['ipip', 'vxlan-v6', 'vxlan']

const FIELDS = {
  ipip: 'spec.bgp.ipv4IPIPTunnelAddr',
  vxlan: 'spec.ipv4VXLANTunnelAddr',
  'vxlan-v6': 'spec.ipv6VXLANTunnelAddr',
} as const satisfies Record<TunnelKind, string>

/** The address of a node's end, as its Node says it. */
export function tunnelAddress(kind: TunnelKind, { spec }: NodeResource): Address | undefined {
  const text = {
    ipip: spec.bgp?.ipv4IPIPTunnelAddr,
    vxlan: spec.ipv4VXLANTunnelAddr,
    'vxlan-v6': spec.ipv6VXLANTunnelAddr,
  }[kind]
  return parseAddress(text ?? '')
}

/** The link address of a node's end of VXLAN: its Node may name another than the usual one. */
function macOf(kind: 'vxlan' | 'vxlan-v6', { metadata, spec }: NodeResource): string {
  const text = kind === 'vxlan' ? spec.vxlanTunnelMACAddr : spec.vxlanTunnelMACAddrV6
  return parseMac(text ?? '') ?? vtepMac(kind, metadata.name)
}

function tunnelFor(
  kind: TunnelKind,
  resources: ReadonlyMap<string, NodeResource>,
  { facts, own, nodes }: TunnelSurroundings,
  felix: FelixConfigurationSpec,
): { readonly tunnel: Tunnel } | { readonly problem: Problem } {
  const { family, link: name } = TUNNELS[kind]
  const resource = resources.get(facts.node)
  const local = own?.addresses[family]
  const address = resource && tunnelAddress(kind, resource)
  const object = keyOf('Node', facts.node)
  if (local === undefined || resource === undefined) {
    const field = `spec.bgp.${family}Address`
    return { problem: { object, field, reason: `is missing, and with it the tunnel ${name}` } }
  }
  if (address === undefined) {
    const reason = `is missing, so that there is no tunnel ${name}: no address was assigned yet`
    return { problem: { object, field: FIELDS[kind], reason } }
  }
  const mtu = mtuOf(kind, felix)
  return {
    tunnel: {
      ...{ kind: kind === 'ipip' ? 'ipip' : 'vxlan', name, local, address },
      ...(mtu !== undefined && { mtu }),
      ...(kind !== 'ipip' && {
        vxlan: {
          mac: macOf(kind, resource),
          vni: felix.vxlanVNI ?? VNI,
          port: felix.vxlanPort ?? PORT,
        },
      }),
      ends: kind === 'ipip' ? [] : endsOf(kind, resources, { facts, nodes }),
    },
  }
}

/** What somebody has configured; 0 is nothing. */
function mtuOf(kind: TunnelKind, felix: FelixConfigurationSpec): number | undefined {
  const { ipipMTU, vxlanMTU, vxlanMTUV6 } = felix
  const given = { ipip: ipipMTU, vxlan: vxlanMTU, 'vxlan-v6': vxlanMTUV6 }[kind]
  return given === 0 ? undefined : given
}

/** The ends of the other nodes; of two with one address the first name's. */
function endsOf(
  kind: 'vxlan' | 'vxlan-v6',
  resources: ReadonlyMap<string, NodeResource>,
  { facts, nodes }: Pick<TunnelSurroundings, 'facts' | 'nodes'>,
): TunnelEnd[] {
  const ends = new Map<Address, TunnelEnd>()
  const self = resources.get(facts.node)
  const own = self && tunnelAddress(kind, self)
  for (const { name, addresses } of nodes.values()) {
    const resource = resources.get(name)
    const node = addresses[TUNNELS[kind].family]
    if (name === facts.node || resource === undefined || node === undefined) continue
    const address = tunnelAddress(kind, resource)
    // nobody else has our own
    if (address !== undefined && address !== own && !ends.has(address))
      ends.set(address, { address, mac: macOf(kind, resource), node })
  }
  return [...ends.values()].toSorted((a, b) => compareAddresses(a.address, b.address))
}

/** The route to a block, where it is known how to get there. */
function routeTo(
  { prefix, family, node, pool, isEnd }: RemoteBlock,
  resources: ReadonlyMap<string, NodeResource>,
  { own, nodes, links }: TunnelSurroundings,
): NodeRoute | undefined {
  const gateway = nodes.get(node)?.addresses[family]
  if (gateway === undefined) return undefined
  const subnet = own?.subnets[family]
  const isNear = subnet !== undefined && containsAddress(subnet, gateway)
  if (isNear && isNative(pool)) {
    const link = links[family]
    const out = { kind: 'via' as const, gateway }
    // where the link is known the node is on it, whatever its addresses say
    return { prefix, out: link === undefined ? out : { ...out, interface: link, onlink: true } }
  }
  if (pool.tunnel === undefined) return undefined
  const { link } = TUNNELS[pool.tunnel]
  // the end itself is on the link: a way to it by it would be none
  if (isEnd) return { prefix, out: { kind: 'device', interface: link } }
  const resource = resources.get(node)
  const end = pool.tunnel === 'ipip' ? gateway : resource && tunnelAddress(pool.tunnel, resource)
  if (end === undefined) return undefined
  return { prefix, out: { kind: 'via', gateway: end, interface: link, onlink: true } }
}

const isNative = ({ tunnel, crossSubnet }: ClusterPool): boolean =>
  tunnel === undefined || crossSubnet
