import type { WorkloadEndpointResource } from '../../calico/index.ts'
import type { LinkAddress } from '../../dataplane/index.ts'
import { type Address, familyOf, isUnicast, parseAddress } from '../../net/index.ts'
import { type ClusterNode, keyOf } from '../cluster.ts'
import { given, selectedWorkloads } from '../peers/asked.ts'
import type { Problem, Snapshot } from '../types.ts'

/** The addresses of a node that its workloads connect to where they are peers. */

const FIELDS = [
  ['ipv4', 'localWorkloadPeeringIPV4', 'an IPv4 address'],
  ['ipv6', 'localWorkloadPeeringIPV6', 'an IPv6 address'],
] as const

/** What is configured, and for whom. */
export interface Peering {
  /** What the node's end of a workload's link has; none where nothing is configured. */
  readonly on: (endpoint: WorkloadEndpointResource) => readonly LinkAddress[]
  readonly problems: readonly Problem[]
}

/**
 * As Felix has it: the address of each family is on the link of every workload that a BGPPeer
 * selects for this node, whatever families the workload has, and on no other workload's. A BGPPeer
 * that cannot be read selects none, and is told with its sessions. O(peers · endpoints).
 */
export function peeringOf(snapshot: Snapshot, own: ClusterNode | undefined): Peering {
  const { addresses, problems } = addressesOf(snapshot)
  const peers = own === undefined || addresses.length === 0 ? new Set() : selectedOn(own, snapshot)
  return {
    on: endpoint => addresses.map(address => ({ address, present: peers.has(endpoint) })),
    problems,
  }
}

function selectedOn(own: ClusterNode, snapshot: Snapshot): ReadonlySet<WorkloadEndpointResource> {
  const workloads = snapshot.workloadEndpoints.filter(({ spec }) => spec.node === own.name)
  const reading = { selectors: new Map(), problems: [], workloads }
  return new Set(
    snapshot.bgpPeers
      .filter(({ spec }) => given(spec.localWorkloadSelector))
      .flatMap(resource => selectedWorkloads(resource, own, reading)),
  )
}

/** Of two workloads on one link either may be a peer. */
export const either = (
  some: readonly LinkAddress[],
  others: readonly LinkAddress[],
): readonly LinkAddress[] =>
  others.map(({ address, present }, at) => ({ address, present: present || !!some[at]?.present }))

function addressesOf({ bgpConfigurations }: Snapshot): {
  readonly addresses: readonly Address[]
  readonly problems: readonly Problem[]
} {
  const global = bgpConfigurations.find(({ metadata }) => metadata.name === 'default')
  const problems: Problem[] = []
  const addresses = FIELDS.flatMap(([family, field, wants]) => {
    const text = global?.spec[field] ?? ''
    if (text === '') return []
    const address = parseAddress(text)
    if (address !== undefined && familyOf(address) === family && isUnicast(address)) return address
    const reason = `${text} is not ${wants} that a node can have`
    problems.push({ object: keyOf('BGPConfiguration', 'default'), field: `spec.${field}`, reason })
    return []
  })
  return { addresses, problems }
}
