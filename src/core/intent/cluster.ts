import {
  type BgpConfigurationResource,
  type BgpConfigurationSpec,
  kindNamed,
  type Labels,
  type NodeResource,
  type PasswordSource,
  parseNodeAddress,
  type Resource,
  resourceKey,
} from '../calico/index.ts'
import {
  type Address,
  type Asn,
  type Family,
  type Prefix,
  parseAddress,
  parseNetwork,
  parseQuad,
  toAsn,
} from '../net/index.ts'
import type { Snapshot } from './types.ts'

/** The cluster as every node sees it: resources with Calico's defaults applied, texts parsed. */

/** Calico's default of `asNumber`. */
const AS_NUMBER_DEFAULT = 64512
/** RFC 4271 §8: BGP's own port, Calico's default of `listenPort`. */
const LISTEN_PORT_DEFAULT = 179

/** All nodes, and what holds for all of them. */
export interface Cluster {
  readonly asNumber: Asn
  readonly mesh: boolean
  /** connections are taken at the address of the node only: `bindMode: NodeIP` */
  readonly bindToNode: boolean
  /** where the password of the mesh's sessions is; absent: they have none */
  readonly meshPassword?: PasswordSource
  /** of the mesh's sessions; absent: not given */
  readonly meshRestartTime?: string
  /** nodes that speak BGP, by name, in order of name */
  readonly nodes: ReadonlyMap<string, ClusterNode>
}

/** One node that speaks BGP. */
export interface ClusterNode {
  readonly name: string
  /** of its Node object */
  readonly key: string
  readonly asNumber: Asn
  readonly addresses: Readonly<Partial<Record<Family, Address>>>
  /** the networks that those are in, where they were written with a length */
  readonly subnets: Readonly<Partial<Record<Family, Prefix>>>
  readonly listenPort: number
  /** somebody wrote that port: it is no default */
  readonly listenPortGiven: boolean
  readonly labels: Labels
  /** a route reflector's cluster id, a 32-bit number */
  readonly clusterId?: number
  /** families in which its packets go to other such nodes by WireGuard */
  readonly wireguard: readonly Family[]
}

/** Reads what the resources say of the cluster. O(nodes + configurations). */
export function clusterOf(snapshot: Snapshot): Cluster {
  const byName = new Map(
    snapshot.bgpConfigurations.map(resource => [resource.metadata.name, resource]),
  )
  const global: BgpConfigurationSpec = byName.get('default')?.spec ?? {}
  const asNumber = asnOf(global.asNumber) ?? asnOf(AS_NUMBER_DEFAULT)!
  const nodes = new Map<string, ClusterNode>()
  const inOrder = snapshot.nodes.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
  for (const node of inOrder) {
    const read = nodeOf(node, asNumber, listenPort(byName, node.metadata.name))
    if (read !== undefined) nodes.set(read.name, read)
  }
  return {
    asNumber,
    mesh: global.nodeToNodeMeshEnabled ?? true,
    bindToNode: global.bindMode === 'NodeIP',
    ...(global.nodeMeshPassword === undefined ? {} : { meshPassword: global.nodeMeshPassword }),
    ...(global.nodeMeshMaxRestartTime === undefined
      ? {}
      : { meshRestartTime: global.nodeMeshMaxRestartTime }),
    nodes,
  }
}

/** The key of a resource, to name it in a problem. */
export function keyOf(kind: Resource['kind'], name: string): string {
  return resourceKey({ kind: kindNamed(kind)!, name })
}

/** `node.<name>` before `default`. */
function listenPort(
  configurations: ReadonlyMap<string, BgpConfigurationResource>,
  node: string,
): number | undefined {
  return (
    configurations.get(`node.${node}`)?.spec.listenPort ??
    configurations.get('default')?.spec.listenPort
  )
}

function nodeOf(
  { metadata: { name, labels = {} }, spec: { bgp, wireguard } }: NodeResource,
  asNumber: Asn,
  port: number | undefined,
): ClusterNode | undefined {
  if (bgp === undefined) return undefined
  const ipv4 = parseNodeAddress(bgp.ipv4Address ?? '')
  const ipv6 = parseNodeAddress(bgp.ipv6Address ?? '')
  if (ipv4 === undefined && ipv6 === undefined) return undefined
  const subnet4 = parseNetwork(bgp.ipv4Address ?? '')?.prefix
  const subnet6 = parseNetwork(bgp.ipv6Address ?? '')?.prefix
  const clusterId = parseQuad(bgp.routeReflectorClusterID ?? '')
  return {
    name,
    key: keyOf('Node', name),
    asNumber: asnOf(bgp.asNumber) ?? asNumber,
    addresses: { ...(ipv4 === undefined ? {} : { ipv4 }), ...(ipv6 === undefined ? {} : { ipv6 }) },
    subnets: { ...(subnet4 && { ipv4: subnet4 }), ...(subnet6 && { ipv6: subnet6 }) },
    listenPort: port ?? LISTEN_PORT_DEFAULT,
    listenPortGiven: port !== undefined,
    labels,
    ...(clusterId === undefined ? {} : { clusterId }),
    wireguard: [
      ...(parseAddress(wireguard?.interfaceIPv4Address ?? '') ? (['ipv4'] as const) : []),
      ...(parseAddress(wireguard?.interfaceIPv6Address ?? '') ? (['ipv6'] as const) : []),
    ],
  }
}

const asnOf = (value: number | undefined): Asn | undefined =>
  value === undefined ? undefined : toAsn(value)
