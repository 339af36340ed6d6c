import type { Millis } from '../base/index.ts'
import type {
  AllocationBlock,
  BgpConfigurationResource,
  BgpFilterResource,
  BgpPeerResource,
  BlockAffinity,
  CalicoNodeStatusResource,
  ClusterInformationResource,
  FelixConfigurationResource,
  IpPoolResource,
  IpReservationResource,
  NodeResource,
  WorkloadEndpointResource,
} from '../calico/index.ts'
import type { DataplaneIntent } from '../dataplane/index.ts'
import type { Address, Asn, Family, Prefix } from '../net/index.ts'
import type { SpeakerConfig } from '../speaker/index.ts'
import type { Neighbour } from './peers/neighbour.ts'
import type { SecretReference } from './peers/secrets.ts'
import type { AnnotatedSettings, SessionSettings } from './peers/settings.ts'
import type { Originated, PlannedPool, PrefixCommunities } from './plan.ts'

/** What should be: the answer to "what do these resources mean for this node?" */

/** What this node should do. Lists are in canonical order, so that equality is the difference. */
export interface Desired {
  /** absent: the node has no object, or none that it could speak BGP with; `problems` says why */
  readonly speaker?: SpeakerConfig
  /** where to listen; empty with no speaker */
  readonly listen: readonly Listen[]
  readonly dataplane: DataplaneIntent
  /** every neighbour that is named, those too that are to have no session; in order of name */
  readonly sessions: readonly Neighbour[]
  /** what the speaker announces as its own, and what that is; in order of prefix */
  readonly originated: readonly Originated[]
  /** in order of text */
  readonly pools: readonly PlannedPool[]
  /** in the order in which they are applied */
  readonly communities: readonly PrefixCommunities[]
  readonly problems: readonly Problem[]
}

/** A port that peers are to connect to. */
export interface Listen {
  readonly family: Family
  readonly port: number
  /** connections to others are not taken; absent: to any address of the family */
  readonly address?: Address
}

/** Something in the store that cannot be meant. It harms itself only. */
export interface Problem {
  /** the key or file of the object */
  readonly object: string
  /** the path of the field, `spec.peerIP`; empty for the whole object */
  readonly field: string
  /** what was found, why it is wrong, what to write instead */
  readonly reason: string
}

/** What a node's own configuration says about its routing; the store says the rest. */
export interface NodeFacts {
  /** the name of its Node object */
  readonly node: string
  /** its name in Kubernetes; absent: as its Node object says, else the same */
  readonly kubernetesNode?: string
  /** counts instead of BGPConfiguration's serviceClusterIPs */
  readonly clusterIps?: Prefix
  /** its pod CIDRs, sorted; empty: its block affinities, else those of its Node object */
  readonly podCidrs: readonly Prefix[]
  /** block affinities mean nothing: pods have their addresses of the Node objects' pod CIDRs */
  readonly usePodCidr?: boolean
  /** a Felix runs on the node: routes of workloads and of tunnels are its; absent: none does */
  readonly felixBeside?: boolean
  /** announces what it learned too: a router, not a leaf */
  readonly transit: boolean
  /** BGP Identifier, a 32-bit number; absent: the node's IPv4 address */
  readonly routerId?: number
  readonly hold: Millis
  readonly connectRetry: Millis
  readonly multipathMax: number
  /** carried by every session; absent: the family of the session's addresses */
  readonly families?: readonly Family[]
  /** whose connections are taken without a resource of their own; absent: none */
  readonly ranges?: readonly RangeFacts[]
}

/** Neighbours that are known by where they come from, as a node's configuration names them. */
export interface RangeFacts {
  /** unique among them */
  readonly name: string
  /** unique among them */
  readonly prefix: Prefix
  readonly asNumber: Asn
  /** most neighbours at a time */
  readonly peersMax: number
  /** of TCP MD5 signatures; absent: there are none */
  readonly passwordSecret?: SecretReference
  /** most hops to them; absent: any number. RFC 5082 */
  readonly ttlSecurity?: number
  readonly routeReflectorClient: boolean
  readonly settings: SessionSettings
}

/** The pod CIDRs that a node's own configuration names, as it published them. */
export interface NodePodCidrs {
  readonly node: string
  readonly podCidrs: readonly Prefix[]
}

/**
 * What the store held at one revision, decoded: each list in order of name, each object valid by
 * itself.
 */
export interface Snapshot {
  readonly nodes: readonly NodeResource[]
  readonly bgpConfigurations: readonly BgpConfigurationResource[]
  readonly bgpPeers: readonly BgpPeerResource[]
  readonly bgpFilters: readonly BgpFilterResource[]
  readonly ipPools: readonly IpPoolResource[]
  readonly ipReservations: readonly IpReservationResource[]
  readonly clusterInformations: readonly ClusterInformationResource[]
  readonly felixConfigurations: readonly FelixConfigurationResource[]
  /** of this node */
  readonly calicoNodeStatuses: readonly CalicoNodeStatusResource[]
  /** of this node, by namespace and name */
  readonly workloadEndpoints: readonly WorkloadEndpointResource[]
  /** of all nodes */
  readonly blockAffinities: readonly BlockAffinity[]
  /** of this node, those in which it has addresses, and those that have guests; by key */
  readonly blocks: readonly AllocationBlock[]
  /** what nodes say of themselves, for what only their own configuration holds */
  readonly podCidrs: readonly NodePodCidrs[]
  /** what the annotations of those resources ask of sessions */
  readonly settings: readonly AnnotatedSettings[]
  /** of objects that could not be decoded, or not wholly */
  readonly problems: readonly Problem[]
}
