import type { ObjectOf } from './object.ts'

/** Nodes and what runs on them. */

/** A node of the cluster; the name is the node's. */
export interface NodeResource extends ObjectOf<'Node', NodeSpec> {
  readonly status?: NodeStatus | undefined
}

/** What is wanted of a node. */
export interface NodeSpec {
  readonly bgp?: NodeBgp | undefined
  readonly ipv4VXLANTunnelAddr?: string | undefined
  readonly vxlanTunnelMACAddr?: string | undefined
  readonly ipv6VXLANTunnelAddr?: string | undefined
  readonly vxlanTunnelMACAddrV6?: string | undefined
  readonly orchRefs?:
    | readonly { readonly nodeName?: string | undefined; readonly orchestrator: string }[]
    | undefined
  readonly wireguard?:
    | {
        readonly interfaceIPv4Address?: string | undefined
        readonly interfaceIPv6Address?: string | undefined
      }
    | undefined
  readonly addresses?: readonly NodeAddress[] | undefined
  readonly interfaces?:
    | readonly {
        readonly name?: string | undefined
        readonly addresses?: readonly string[] | undefined
      }[]
    | undefined
}

/** Absent: the node does not speak BGP. */
export interface NodeBgp {
  readonly asNumber?: number | undefined
  /** an address, or an address with the length of its network; the same for IPv6 */
  readonly ipv4Address?: string | undefined
  readonly ipv6Address?: string | undefined
  readonly ipv4IPIPTunnelAddr?: string | undefined
  /** a dotted quad; makes the node a route reflector */
  readonly routeReflectorClusterID?: string | undefined
}

/** Where somebody can reach a node. */
export interface NodeAddress {
  /** with or without the length of its network */
  readonly address: string
  /** `CalicoNodeIP`, `InternalIP` or `ExternalIP` */
  readonly type?: string | undefined
}

/** What somebody found out about a node. */
export interface NodeStatus {
  readonly wireguardPublicKey?: string | undefined
  readonly wireguardPublicKeyV6?: string | undefined
  readonly podCIDRs?: readonly string[] | undefined
}

/** One interface of a workload, on one node. */
export type WorkloadEndpointResource = ObjectOf<'WorkloadEndpoint', WorkloadEndpointSpec>

/** What routes need of a workload; the rest is stored and not read. */
export interface WorkloadEndpointSpec {
  readonly orchestrator?: string | undefined
  readonly workload?: string | undefined
  readonly node?: string | undefined
  readonly containerID?: string | undefined
  readonly pod?: string | undefined
  readonly endpoint?: string | undefined
  /** its addresses, each as /32 or /128 */
  readonly ipNetworks?: readonly string[] | undefined
  /** of the node's end */
  readonly interfaceName?: string | undefined
  /** of the workload's end */
  readonly mac?: string | undefined
}
