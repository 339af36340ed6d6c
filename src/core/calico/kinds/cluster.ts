import type { ObjectOf } from './object.ts'

/** What holds for the cluster, and what it wants to know of its nodes. */

/** Only `default` is read. */
export type ClusterInformationResource = ObjectOf<'ClusterInformation', ClusterInformationSpec>

/** Whose datastore this is, and whether it may be acted on. */
export interface ClusterInformationSpec {
  readonly clusterGUID?: string | undefined
  /** comma-separated */
  readonly clusterType?: string | undefined
  readonly calicoVersion?: string | undefined
  /** false while somebody moves the datastore: agents stop acting on it */
  readonly datastoreReady?: boolean | undefined
  readonly variant?: string | undefined
}

/** Only `default` and `node.<name>` are read. */
export type FelixConfigurationResource = ObjectOf<'FelixConfiguration', FelixConfigurationSpec>

/** The part that concerns routes; there are some two hundred fields more. */
export interface FelixConfigurationSpec {
  readonly logSeverityScreen?: string | undefined
  /** `EnabledIPIPOnly` (Calico's default), `EnabledNoEncapOnly`, `Enabled` or `Disabled` */
  readonly programClusterRoutes?: string | undefined
  readonly ipv4NormalRoutePriority?: number | undefined
  readonly ipv6NormalRoutePriority?: number | undefined
  readonly ipv4ElevatedRoutePriority?: number | undefined
  readonly ipv6ElevatedRoutePriority?: number | undefined
  readonly ipipEnabled?: boolean | undefined
  readonly ipipMTU?: number | undefined
  readonly vxlanEnabled?: boolean | undefined
  readonly vxlanMTU?: number | undefined
  readonly vxlanMTUV6?: number | undefined
  readonly vxlanPort?: number | undefined
  readonly vxlanVNI?: number | undefined
  readonly mtuIfacePattern?: string | undefined
  readonly interfacePrefix?: string | undefined
  readonly deviceRouteProtocol?: number | undefined
  readonly deviceRouteSourceAddress?: string | undefined
  readonly deviceRouteSourceAddressIPv6?: string | undefined
  readonly removeExternalRoutes?: boolean | undefined
  readonly routeSource?: 'CalicoIPAM' | 'WorkloadIPs' | undefined
  readonly routeSyncDisabled?: boolean | undefined
  readonly routeRefreshInterval?: string | undefined
  readonly serviceLoopPrevention?: string | undefined
  readonly externalNodesList?: readonly string[] | undefined
  readonly openstackRegion?: string | undefined
}

/** A question to a node: what does your BGP do? The node answers in `status`. */
export interface CalicoNodeStatusResource
  extends ObjectOf<'CalicoNodeStatus', CalicoNodeStatusSpec> {
  readonly status?: CalicoNodeStatusStatus | undefined
}

/** Which node, what of it, how often. */
export interface CalicoNodeStatusSpec {
  readonly node: string
  readonly classes: readonly ('Agent' | 'BGP' | 'Routes')[]
  /** 0: not at all */
  readonly updatePeriodSeconds?: number | undefined
}

/** The answer. Times but `lastUpdated` are as BIRD writes them, `2026-08-22 09:58:40`. */
export interface CalicoNodeStatusStatus {
  readonly lastUpdated?: string | null | undefined
  readonly agent?:
    | {
        readonly birdV4?: BgpDaemonStatus | undefined
        readonly birdV6?: BgpDaemonStatus | undefined
      }
    | undefined
  readonly bgp?:
    | {
        readonly numberEstablishedV4: number
        readonly numberNotEstablishedV4: number
        readonly numberEstablishedV6: number
        readonly numberNotEstablishedV6: number
        readonly peersV4?: readonly CalicoNodePeer[] | undefined
        readonly peersV6?: readonly CalicoNodePeer[] | undefined
      }
    | undefined
  readonly routes?:
    | {
        readonly routesV4?: readonly CalicoNodeRoute[] | undefined
        readonly routesV6?: readonly CalicoNodeRoute[] | undefined
      }
    | undefined
}

/** The BGP half of one family. */
export interface BgpDaemonStatus {
  readonly state?: 'Ready' | 'NotReady' | undefined
  readonly version?: string | undefined
  readonly routerID?: string | undefined
  readonly lastBootTime?: string | undefined
  readonly lastReconfigurationTime?: string | undefined
}

/** One session. */
export interface CalicoNodePeer {
  readonly peerIP?: string | undefined
  readonly type?: 'NodeMesh' | 'NodePeer' | 'GlobalPeer' | undefined
  /** of RFC 4271, or `Close` */
  readonly state?: string | undefined
  readonly since?: string | undefined
}

/** One route: `FIB` where it is used to forward. */
export interface CalicoNodeRoute {
  readonly type?: 'FIB' | 'RIB' | undefined
  readonly destination?: string | undefined
  readonly gateway?: string | undefined
  readonly interface?: string | undefined
  readonly learnedFrom?:
    | {
        readonly sourceType?: 'Kernel' | 'Static' | 'Direct' | 'NodeMesh' | 'BGPPeer' | undefined
        readonly peerIP?: string | undefined
      }
    | undefined
}
