/** Small clusters for tests of intent: resources with as little said as possible. */

import { seconds } from '../../src/core/base/index.ts'
import type {
  BgpConfigurationResource,
  BgpConfigurationSpec,
  BgpFilterResource,
  BgpFilterSpec,
  BgpPeerResource,
  BgpPeerSpec,
  IpPoolResource,
  IpPoolSpec,
  Labels,
  NodeBgp,
  NodeResource,
  WorkloadEndpointResource,
} from '../../src/core/calico/index.ts'
import type { NodeFacts, Snapshot } from '../../src/core/intent/index.ts'

const apiVersion = 'projectcalico.org/v3'

/** A node that speaks BGP at `ipv4Address`, or as `bgp` says. */
export function node(name: string, bgp: NodeBgp | string, podCIDRs?: string[]): NodeResource {
  return {
    kind: 'Node',
    apiVersion,
    metadata: { name },
    spec: { bgp: typeof bgp === 'string' ? { ipv4Address: bgp } : bgp },
    ...(podCIDRs === undefined ? {} : { status: { podCIDRs } }),
  }
}

export function configuration(
  spec: BgpConfigurationSpec,
  name = 'default',
): BgpConfigurationResource {
  return { kind: 'BGPConfiguration', apiVersion, metadata: { name }, spec }
}

export function peer(name: string, spec: BgpPeerSpec): BgpPeerResource {
  return { kind: 'BGPPeer', apiVersion, metadata: { name }, spec }
}

/** The same node with these labels. */
export function labelled(labels: Labels, resource: NodeResource): NodeResource {
  return { ...resource, metadata: { ...resource.metadata, labels } }
}

/** A workload of `node`. */
export function workload(
  name: string,
  node: string,
  labels: Labels,
  ipNetworks: readonly string[],
): WorkloadEndpointResource {
  const metadata = { name, namespace: 'default', labels }
  return { kind: 'WorkloadEndpoint', apiVersion, metadata, spec: { node, ipNetworks } }
}

export function filter(name: string, spec: BgpFilterSpec): BgpFilterResource {
  return { kind: 'BGPFilter', apiVersion, metadata: { name }, spec }
}

export function pool(cidr: string, spec: Partial<IpPoolSpec> = {}): IpPoolResource {
  const name = `pool-${cidr.replaceAll(/[^0-9a-f]+/g, '-')}`
  return { kind: 'IPPool', apiVersion, metadata: { name }, spec: { cidr, ...spec } }
}

/** A snapshot with what is given, and nothing else. */
export function snapshot(parts: Partial<Snapshot>): Snapshot {
  const nothing = {
    nodes: [],
    bgpConfigurations: [],
    bgpPeers: [],
    bgpFilters: [],
    ipPools: [],
    ipReservations: [],
    clusterInformations: [],
    felixConfigurations: [],
    calicoNodeStatuses: [],
    workloadEndpoints: [],
    blockAffinities: [],
    blocks: [],
    podCidrs: [],
    settings: [],
    problems: [],
  }
  return { ...nothing, ...parts }
}

/** The facts of a node with the defaults of its configuration. */
export function facts(node: string, more: Partial<NodeFacts> = {}): NodeFacts {
  return {
    node,
    podCidrs: [],
    transit: false,
    hold: seconds(90),
    connectRetry: seconds(5),
    multipathMax: 16,
    ...more,
  }
}
