import type { BgpConfigurationResource, BgpFilterResource, BgpPeerResource } from './bgp.ts'
import type {
  CalicoNodeStatusResource,
  ClusterInformationResource,
  FelixConfigurationResource,
} from './cluster.ts'
import type { NodeResource, WorkloadEndpointResource } from './node.ts'
import type {
  BlockAffinityResource,
  IpamConfigurationResource,
  IpPoolResource,
  IpReservationResource,
} from './pools.ts'

/** The kinds whose fields are known here, a file for each concern. */
export * from './bgp.ts'
export * from './cluster.ts'
export * from './node.ts'
export * from './object.ts'
export * from './pools.ts'

/** A resource of any kind whose fields are known here. */
export type Resource =
  | NodeResource
  | WorkloadEndpointResource
  | BgpConfigurationResource
  | BgpPeerResource
  | BgpFilterResource
  | IpPoolResource
  | IpReservationResource
  | IpamConfigurationResource
  | BlockAffinityResource
  | ClusterInformationResource
  | FelixConfigurationResource
  | CalicoNodeStatusResource
