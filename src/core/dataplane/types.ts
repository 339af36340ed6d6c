import type { Millis } from '../base/index.ts'
import type { Epoch, GroupId, NextHopGroup, NextHopName } from '../fib/index.ts'
import type { Address, Family, Prefix } from '../net/index.ts'

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
}

/** What the controller wants, beside the speaker's routes. */
export interface DataplaneIntent {
  /** of the node itself: its blackholes, workloads, tunnels; by prefix, one of each */
  readonly routes: readonly NodeRoute[]
  /** prefixes whose routes a snapshot lists, sorted */
  readonly watched: readonly Prefix[]
  readonly watchedMax: number
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
  | { readonly type: 'Group'; readonly id: GroupId; readonly hops: NextHopGroup }
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

/** Where a route of ours stands. */
export type KernelState = 'installed' | 'pending' | 'failed' | 'stale'

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
  readonly failed: number
  /** ours in the kernel that nobody wants yet or any more */
  readonly stale: number
  /** routes of ours that somebody else removed or changed, put back */
  readonly repaired: number
  /** requests that the kernel refused, ever */
  readonly failures: number
  /** of the last full dump that was applied; absent before the first */
  readonly lastSync?: Millis
  readonly lastFailure?: { readonly prefix: Prefix; readonly error: string; readonly at: Millis }
  readonly routes: readonly {
    readonly prefix: Prefix
    readonly state: KernelState
    readonly error?: string
  }[]
}
