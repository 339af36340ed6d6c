import type { Address } from '../../net/index.ts'
import type { AddressMessage, Device, Neighbour } from '../../rtnl/index.ts'

/** What the node's intent wants of tunnels, and what the kernel has of them. */

/** This node's end of all tunnels of one kind and family. */
export interface Tunnel {
  readonly kind: 'vxlan' | 'ipip'
  /** of the link */
  readonly name: string
  /** of this node: where packets come from; the link that has it is the tunnel's parent */
  readonly local: Address
  /** of the tunnel itself: the link has no other one of its family */
  readonly address: Address
  /** absent: the parent's, less what the tunnel adds */
  readonly mtu?: number
  /** of VXLAN */
  readonly vxlan?: { readonly mac: string; readonly vni: number; readonly port: number }
  /** the other nodes' ends, in order of address; none of IPIP, whose routes name the nodes */
  readonly ends: readonly TunnelEnd[]
}

/** Another node's end. */
export interface TunnelEnd {
  /** of the tunnel: what routes name */
  readonly address: Address
  readonly mac: string
  /** where packets go to reach it */
  readonly node: Address
}

/** What a kernel has at one time. */
export interface DevicesSeen {
  readonly links: readonly Device[]
  readonly addresses: readonly Omit<AddressMessage, 'present'>[]
  /** those that somebody wrote */
  readonly neighbours: readonly Neighbour[]
}

/** How this node's end of a tunnel stands, as a snapshot says it. */
export interface TunnelSnapshot {
  readonly name: string
  readonly state: 'up' | 'pending' | 'failed'
  /** why it has failed */
  readonly error?: string
  /** of the other nodes' ends, how many it has */
  readonly ends: number
}
