import type { ObjectOf } from './object.ts'

/** What BGP is to do: for all nodes, for one, with a peer; and what may pass. */

/**
 * Only `default` and `node.<name>` are read; of the latter `listenPort` and
 * `prefixAdvertisements`.
 */
export type BgpConfigurationResource = ObjectOf<'BGPConfiguration', BgpConfigurationSpec>

/** Of all nodes, or of one. */
export interface BgpConfigurationSpec {
  readonly logSeverityScreen?: string | undefined
  readonly asNumber?: number | undefined
  readonly nodeToNodeMeshEnabled?: boolean | undefined
  readonly listenPort?: number | undefined
  readonly nodeMeshPassword?: PasswordSource | undefined
  readonly nodeMeshMaxRestartTime?: string | undefined
  readonly bindMode?: 'None' | 'NodeIP' | undefined
  readonly serviceClusterIPs?: readonly ServiceRange[] | undefined
  readonly serviceExternalIPs?: readonly ServiceRange[] | undefined
  readonly serviceLoadBalancerIPs?: readonly ServiceRange[] | undefined
  readonly serviceLoadBalancerAggregation?: 'Enabled' | 'Disabled' | undefined
  readonly communities?: readonly NamedCommunity[] | undefined
  readonly prefixAdvertisements?: readonly PrefixAdvertisement[] | undefined
  /** names or globs of interfaces */
  readonly ignoredInterfaces?: readonly string[] | undefined
  readonly localWorkloadPeeringIPV4?: string | undefined
  readonly localWorkloadPeeringIPV6?: string | undefined
  /** `EnabledNoEncapOnly` (Calico's default), `EnabledIPIPOnly`, `Enabled` or `Disabled` */
  readonly programClusterRoutes?: string | undefined
  readonly ipv4NormalRoutePriority?: number | undefined
  readonly ipv6NormalRoutePriority?: number | undefined
}

/** Addresses of services; an empty one says nothing. */
export interface ServiceRange {
  readonly cidr?: string | undefined
}

/** A community's name, to be used in `prefixAdvertisements`. */
export interface NamedCommunity {
  readonly name: string
  /** `aa:nn` of 16 bits each, or `aa:nn:mm` of 32 bits each */
  readonly value: string
}

/** Which communities routes inside a prefix carry. */
export interface PrefixAdvertisement {
  readonly cidr: string
  /** names of `communities`, or values */
  readonly communities: readonly string[]
}

/** Where a password is. */
export interface PasswordSource {
  readonly secretKeyRef?: { readonly name: string; readonly key: string } | undefined
}

/** Who peers with whom. */
export type BgpPeerResource = ObjectOf<'BGPPeer', BgpPeerSpec>

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
  /** names of BGPFilters, in order */
  readonly filters?: readonly string[] | undefined
  readonly reversePeering?: 'Auto' | 'Manual' | undefined
}

/** What may be sent to and taken from the peers that name it. */
export type BgpFilterResource = ObjectOf<'BGPFilter', BgpFilterSpec>

/** Rules in order; a route that none of them ends goes on to the next filter. */
export interface BgpFilterSpec {
  readonly exportV4?: readonly BgpFilterRule[] | undefined
  readonly importV4?: readonly BgpFilterRule[] | undefined
  readonly exportV6?: readonly BgpFilterRule[] | undefined
  readonly importV6?: readonly BgpFilterRule[] | undefined
}

/** All conditions that are there must hold; then `operations` are done, then `action`. */
export interface BgpFilterRule {
  readonly action: 'Accept' | 'Reject'
  /** always together with `matchOperator` */
  readonly cidr?: string | undefined
  readonly matchOperator?: 'Equal' | 'NotEqual' | 'In' | 'NotIn' | undefined
  /** only with `cidr`; an end that is absent is the CIDR's own length, or the longest one */
  readonly prefixLength?:
    | { readonly min?: number | undefined; readonly max?: number | undefined }
    | undefined
  readonly source?: 'RemotePeers' | undefined
  /** a glob */
  readonly interface?: string | undefined
  readonly peerType?: 'eBGP' | 'iBGP' | undefined
  /** exactly one value */
  readonly communities?: { readonly values: readonly string[] } | undefined
  /** the AS_PATH begins with these */
  readonly asPathPrefix?: readonly number[] | undefined
  /** the metric: LOCAL_PREF is 2147483647 less it */
  readonly priority?: number | undefined
  /** with `Accept` only */
  readonly operations?: readonly BgpFilterOperation[] | undefined
}

/** Exactly one of its fields is there. */
export interface BgpFilterOperation {
  readonly addCommunity?: { readonly value: string } | undefined
  /** in the order in which the path is to begin */
  readonly prependASPath?: { readonly prefix: readonly number[] } | undefined
  readonly setPriority?: { readonly value: number } | undefined
}
