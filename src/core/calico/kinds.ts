/**
 * Calico's v3 resources as it stores them: plain JSON, field for field, so that what is read can be
 * written back.
 *
 * What the fields mean together is core/intent's to know; how they are validated, shell/config's.
 */

/** Of every v3 resource. */
export const API_VERSION = 'projectcalico.org/v3'

/** The resources that intent reads now. */
export type Resource = NodeResource | BgpConfigurationResource | BgpPeerResource

/** The parts of Kubernetes' ObjectMeta that Calico stores in etcd. */
export interface Metadata {
  readonly name: string
  readonly uid?: string | undefined
  readonly creationTimestamp?: string | null | undefined
  /** the revision of the key: given on reading, never stored */
  readonly resourceVersion?: string | undefined
  readonly labels?: Readonly<Record<string, string>> | undefined
  readonly annotations?: Readonly<Record<string, string>> | undefined
}

/** A node of the cluster; the name is the node's. */
export interface NodeResource {
  readonly kind: 'Node'
  readonly apiVersion: typeof API_VERSION
  readonly metadata: Metadata
  readonly spec: NodeSpec
  readonly status?: NodeStatus | undefined
}

/** What is wanted of a node. */
export interface NodeSpec {
  readonly bgp?: NodeBgp | undefined
}

/** Absent: the node does not speak BGP. */
export interface NodeBgp {
  readonly asNumber?: number | undefined
  /** an address, or an address with the length of its network; the same for IPv6 */
  readonly ipv4Address?: string | undefined
  readonly ipv6Address?: string | undefined
  /** a dotted quad; makes the node a route reflector */
  readonly routeReflectorClusterID?: string | undefined
}

/** What somebody found out about a node. */
export interface NodeStatus {
  readonly podCIDRs?: readonly string[] | undefined
}

/** Only `default` and `node.<name>` are read; of the latter, `listenPort`. */
export interface BgpConfigurationResource {
  readonly kind: 'BGPConfiguration'
  readonly apiVersion: typeof API_VERSION
  readonly metadata: Metadata
  readonly spec: BgpConfigurationSpec
}

/** Of all nodes, or of one. */
export interface BgpConfigurationSpec {
  readonly asNumber?: number | undefined
  readonly nodeToNodeMeshEnabled?: boolean | undefined
  readonly listenPort?: number | undefined
  readonly nodeMeshPassword?: PasswordSource | undefined
  readonly nodeMeshMaxRestartTime?: string | undefined
  readonly bindMode?: string | undefined
}

/** Where a password is. */
export interface PasswordSource {
  readonly secretKeyRef?: { readonly name: string; readonly key: string } | undefined
}

/** Who peers with whom. */
export interface BgpPeerResource {
  readonly kind: 'BGPPeer'
  readonly apiVersion: typeof API_VERSION
  readonly metadata: Metadata
  readonly spec: BgpPeerSpec
}

/** One neighbour, of one node (`node`), of some (`nodeSelector`) or of all (neither). */
export interface BgpPeerSpec {
  readonly node?: string | undefined
  readonly nodeSelector?: string | undefined
  /** `10.0.0.1`, `10.0.0.1:179`, `fd00::1` or `[fd00::1]:179` */
  readonly peerIP?: string | undefined
  readonly peerSelector?: string | undefined
  readonly localWorkloadSelector?: string | undefined
  readonly asNumber?: number | undefined
  readonly localASNumber?: number | undefined
  /** older way to write `nextHopMode: Keep` for an eBGP peer */
  readonly keepOriginalNextHop?: boolean | undefined
  readonly nextHopMode?: 'Auto' | 'Self' | 'Keep' | undefined
  readonly password?: PasswordSource | undefined
  readonly sourceAddress?: 'UseNodeIP' | 'None' | undefined
  readonly maxRestartTime?: string | undefined
  readonly keepaliveTime?: string | undefined
  readonly numAllowedLocalASNumbers?: number | undefined
  readonly ttlSecurity?: number | undefined
  readonly reachableBy?: string | undefined
  readonly filters?: readonly string[] | undefined
  readonly reversePeering?: 'Auto' | 'Manual' | undefined
}

/** That a block of addresses is a node's: IPAM's own key, not the v3 resource of the same name. */
export interface BlockAffinity {
  readonly node: string
  /** as in the key, `192.168.221.192/26` */
  readonly cidr: string
  /** absent in values of older Calicos, where it means confirmed */
  readonly state?: string | undefined
  readonly deleted?: boolean | undefined
}

/**
 * True for an affinity to route for; `pending`, `pendingDeletion` and `deleted` are as if absent.
 */
export const isConfirmed = (affinity: BlockAffinity): boolean =>
  (affinity.state === undefined || affinity.state === '' || affinity.state === 'confirmed') &&
  affinity.deleted !== true
