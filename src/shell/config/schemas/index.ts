import { bgpConfiguration, bgpPeer } from './bgp.ts'
import { calicoNodeStatus, clusterInformation, felixConfiguration } from './cluster.ts'
import { bgpFilter } from './filter.ts'
import { node, workloadEndpoint } from './node.ts'
import { blockAffinity, ipamConfiguration, ipPool, ipReservation } from './pools.ts'

/**
 * How Calico's resources are written: libcalico-go's structures and CRD rules, field for field.
 * What only a writer must obey is in core/calico: what is stored already is read anyway.
 */

/** One schema a kind. */
export const resourceSchemas = {
  Node: node,
  BGPConfiguration: bgpConfiguration,
  BGPPeer: bgpPeer,
  BGPFilter: bgpFilter,
  IPPool: ipPool,
  IPReservation: ipReservation,
  IPAMConfiguration: ipamConfiguration,
  BlockAffinity: blockAffinity,
  ClusterInformation: clusterInformation,
  FelixConfiguration: felixConfiguration,
  CalicoNodeStatus: calicoNodeStatus,
  WorkloadEndpoint: workloadEndpoint,
} as const

/** A kind that has a schema. */
export type ReadKind = keyof typeof resourceSchemas

/** True for a kind that has a schema. */
export const isReadKind = (kind: string): kind is ReadKind => Object.hasOwn(resourceSchemas, kind)
