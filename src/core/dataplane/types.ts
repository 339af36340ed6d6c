import type { Millis } from '../base/index.ts'
import type { Epoch, GroupId, NextHopGroup, NextHopName } from '../fib/index.ts'
import type { Address, Family, Prefix } from '../net/index.ts'
import type { Tunnel, TunnelSnapshot } from './tunnels/types.ts'

/**
 * What goes into the kernel half and what comes out of it: its configuration, events, effects,
 * snapshot.
 */

/** What the dataplane's own configuration allows: nobody can tell it otherwise. */
export interface DataplaneConfig {
  /** routing table, 254 is main */
  readonly table: number
  /** rtm_protocol of our routes: what makes a route ours */
  readonly protocol: number
  readonly metric: number
  /** routes that share next hops name a nexthop object, where the kernel has them */
  readonly nexthopObjects: boolean
  /** most routes that it installs */
  readonly routesMax: number
  /** how long routes stay after the speaker has gone, before they are swept; NEVER: for good */
  readonly stale: Millis
  /** between two full dumps, before jitter */
  readonly resync: Millis
  /** what is done where another hand changes a route of ours; absent: all is put back */
  readonly audit?: readonly AuditRule[]
  /** absent: any route to anywhere */
  readonly allow?: Allowance
}

/** Beyond what it may install nothing, whoever asks. */
export interface Allowance {
  /** routes to these and to what is inside them; absent: to anywhere */
  readonly prefixes?: readonly Prefix[]
  /** routes through links of these names, `cali*` for all that begin so; absent: through any */
  readonly interfaces?: readonly string[]
  /** routes at these metrics; absent: at any */
  readonly metrics?: readonly number[]
}

/**
 * What is done about a change by another hand: `restore` puts the route back, `yield` leaves it,
 * `alert` leaves it and makes it a problem of the node.
 */
export type AuditAction = 'restore' | 'yield' | 'alert'

/** What is done about routes to a prefix and inside it; of several rules the longest decides. */
export interface AuditRule {
  readonly prefix: Prefix
  readonly action: AuditAction
}

/** What another hand did to a route of ours. */
export interface Intervention {
  readonly prefix: Prefix
  readonly what: 'removed' | 'changed'
  readonly action: AuditAction
  /** netlink port of who did it; 0: nobody knows */
  readonly by: number
  /** the process that has this port, or had it, where it was found */
  readonly who?: string
  readonly at: Millis
}

/** What the controller wants, beside the speaker's routes. */
export interface DataplaneIntent {
  /** of the node itself: its blackholes, workloads, tunnels; by prefix, one of each */
  readonly routes: readonly NodeRoute[]
  /** in order of name; absent: workloads are somebody else's */
  readonly workloads?: readonly WorkloadLink[]
  /** prefixes whose routes a snapshot lists, sorted */
  readonly watched: readonly Prefix[]
  readonly watchedMax: number
  /** in order of name; absent: the node has no say in tunnels, and all are left as they are */
  readonly tunnels?: readonly Tunnel[]
}

/**
 * The node's end of a link to a workload. It answers for every address that the workload asks for
 * (proxy ARP and NDP), forwards what comes from there, and heeds no router's advertisements.
 */
export interface WorkloadLink {
  /** waited for where it is not there */
  readonly interface: string
  /** IPv4 addresses of the workload whose link address is known: nobody asks for it */
  readonly neighbours: readonly { readonly address: Address; readonly mac: string }[]
  /** absent: whatever addresses the link has are somebody else's */
  readonly addresses?: readonly LinkAddress[]
}

/** An address of the node, alone in its network, that a link is to have, or not. */
export interface LinkAddress {
  readonly address: Address
  readonly present: boolean
}

/** A route that the node itself wants, whatever is learned. */
export interface NodeRoute {
  readonly prefix: Prefix
  /** absent: as configured */
  readonly metric?: number
  readonly out: NodeRouteOut
}

/**
 * Where a route of the node itself leads. A link is named, and waited for where it is not there.
 *
 *   blackhole  own pod CIDRs: unused addresses of pods do not leave by the default route
 *   via        a gateway of the prefix's family: to one peer behind it; or, `onlink`, one that is
 *              on `interface` whatever the addresses say: through a tunnel
 *   device     on the link itself: a workload; packets of this node's own leave it as `source`
 */
export type NodeRouteOut =
  | { readonly kind: 'blackhole' }
  | {
      readonly kind: 'via'
      readonly gateway: Address
      readonly interface?: string
      readonly onlink?: boolean
    }
  | { readonly kind: 'device'; readonly interface: string; readonly source?: Address }

/**
 * What the speaker says, as core/fib words it; `nlri` is prefixes as BGP writes them (length,
 * octets).
 */
export type RouteEvent =
  | { readonly type: 'SpeakerUp' }
  | { readonly type: 'SpeakerDown' }
  | { readonly type: 'Begin'; readonly epoch: Epoch }
  | {
      readonly type: 'Group'
      readonly id: GroupId
      readonly hops: NextHopGroup
      /** of its routes; `NO_METRIC`: the configuration's */
      readonly metric: number
    }
  | { readonly type: 'DropGroup'; readonly id: GroupId }
  | {
      readonly type: 'Routes'
      readonly family: Family
      readonly nlri: Uint8Array
      /** one group a prefix */
      readonly groups: readonly number[]
    }
  | { readonly type: 'Withdraws'; readonly family: Family; readonly nlri: Uint8Array }
  | { readonly type: 'Track'; readonly hop: NextHopName }
  | { readonly type: 'Untrack'; readonly hop: NextHopName }
  | { readonly type: 'InSync'; readonly epoch: Epoch }

/**
 * Where a route of ours stands.
 *
 *   installed  in the kernel as wanted
 *   pending    on its way there
 *   rejected   the kernel refused it, or this node's configuration does
 *   foreign    somebody else has this destination and metric, or is left to have his way with it
 *   held       its next hop cannot be reached now
 *   stale      in the kernel, and nobody has wanted it of late
 */
export type KernelState = 'installed' | 'pending' | 'rejected' | 'foreign' | 'held' | 'stale'

/** One route, as a snapshot lists it and as a question is answered. */
export interface KernelRouteSnapshot {
  readonly prefix: Prefix
  readonly state: KernelState
  /** why it is not in the kernel as wanted */
  readonly error?: string
  /** who wants it, or wanted it last; absent: nobody has in this life */
  readonly owner?: 'speaker' | 'node'
  /**
   * where ours in the kernel leads, as `ip route` would say it: in answers, and of the node's own;
   * absent where there is none
   */
  readonly leads?: string
}

/** What the dataplane is and holds, as asked for. */
export interface DataplaneSnapshot {
  readonly version: number
  readonly at: Millis
  readonly table: number
  readonly protocol: number
  readonly metric: number
  readonly speaker: 'up' | 'down'
  /** the speaker's table is complete */
  readonly inSync: boolean
  readonly wanted: number
  readonly installed: number
  readonly pending: number
  /** wanted, and not to be had now: rejected, foreign and held */
  readonly failed: number
  readonly rejected: number
  readonly foreign: number
  readonly held: number
  /** ours in the kernel that nobody wants yet or any more */
  readonly stale: number
  /** routes of ours that somebody else removed or changed, put back */
  readonly repaired: number
  /** those that were left as somebody else made them, by rule: ever */
  readonly yielded: number
  readonly alerted: number
  /** requests that the kernel refused, ever */
  readonly failures: number
  /** of the last full dump that was applied; absent before the first */
  readonly lastSync?: Millis
  readonly lastFailure?: { readonly prefix: Prefix; readonly error: string; readonly at: Millis }
  readonly lastIntervention?: Intervention
  /** changes by others that stand, and that the configuration wants to be told of; some of them */
  readonly alerts: readonly Intervention[]
  /** what may harm our routes, and what to do about it: sentences */
  readonly hazards: readonly string[]
  /** this node's ends of tunnels, in order of name; absent: there are none */
  readonly tunnels?: readonly TunnelSnapshot[]
  readonly routes: readonly KernelRouteSnapshot[]
}
