import type { Millis } from '../base/index.ts'
import type { Address, Family, Prefix } from '../net/index.ts'
import type {
  DeviceChange,
  Found,
  LinkMessage,
  NextHopObject,
  ObjectMessage,
  RouteTarget,
  RouteVerb,
} from '../rtnl/index.ts'
import type { DevicesSeen } from './tunnels/types.ts'
import type {
  DataplaneIntent,
  Intervention,
  LinkAddress,
  RouteEvent,
  WorkloadLink,
} from './types.ts'

/**
 * The kernel as the dataplane sees it. Two implementations (shell/netlink, sim/kernel), one suite.
 */

/** A change of one route. One object is used for all: it is read before the call returns. */
export interface RouteChange {
  verb: RouteVerb
  family: Family
  /** holds the network's octets from `offset`, host bits zero */
  bytes: Uint8Array
  offset: number
  length: number
  metric: number
  /**
   * in a deletion only a nexthop object counts: a route through another one stays. Equal targets
   * are one object, so that they are encoded once
   */
  target: RouteTarget
}

/** A change of one nexthop object. */
export interface ObjectChange {
  readonly verb: RouteVerb
  readonly id: number
  /** not looked at in a deletion, which takes the routes that use the object with it */
  readonly object: NextHopObject
}

/** The node's end of a link to a workload, which is there and up. */
export interface ServedLink {
  readonly index: number
  readonly name: string
  readonly neighbours: WorkloadLink['neighbours']
  readonly addresses: readonly LinkAddress[]
}

/** What the dataplane does to the kernel. Methods return nothing and may not call back. */
export interface KernelOutput {
  /** Adds one change to the batch that is being made. */
  change(change: RouteChange): void
  /** Adds one change of a nexthop object to the same batch. */
  object(change: ObjectChange): void
  /**
   * Hands the batch to the kernel, which does it in order; a refusal does not stop the others. One
   * `Written` with this number follows. No other batch is made until then.
   */
  commit(batch: number): void
  /**
   * Reads all links, all nexthop objects, then all routes of the table, both families. Ends in
   * `Dumped` with this number.
   */
  dump(dump: number): void
  /** Asks where packets to some addresses would go. A `Found` for each follows, in order. */
  lookUp(addresses: readonly Address[]): void
  /** Reads all links, addresses and neighbours. `Inspected` with this number follows. */
  inspect(number: number): void
  /**
   * Changes links, addresses and neighbours, in order; a refusal does not stop the others.
   * `Configured` with this number follows. We are told of these changes as of those of others.
   */
  configure(number: number, changes: readonly DeviceChange[]): void
  /**
   * Makes links answer for any address, forward, know these neighbours, and have these addresses or
   * not, where they do not. `Served` follows, without an error of a link that has gone.
   */
  serve(links: readonly ServedLink[]): void
  note(note: DataplaneNote): void
}

/** A route as the kernel tells it: one object is used for all, valid during the call only. */
export interface KernelRoute {
  /** false: it has gone */
  present: boolean
  /** it took the place of what had this destination and metric */
  replaced: boolean
  /** the dump that it is from; 0: somebody else changed it just now */
  dump: number
  /**
   * of a change just now: the netlink port of who did it; 0: the kernel itself, because of a link
   */
  by: number
  family: Family
  bytes: Uint8Array
  offset: number
  length: number
  protocol: number
  metric: number
  /** part of the key of IPv4 routes; ours have 0 */
  tos: number
  /** of ours; nobody looks at that of a stranger's */
  target: RouteTarget
  /** what a packet finds that takes this route: for the few of a stranger that matter */
  readonly leads: () => Found
}

/** What the kernel says. Our own changes are not told as routes: their `Written` says all. */
export type KernelEvent =
  | { readonly type: 'Route'; readonly route: Readonly<KernelRoute> }
  | { readonly type: 'Link'; readonly dump: number; readonly link: LinkMessage }
  /** `by` as of routes. What becomes of objects because of a link is not told */
  | {
      readonly type: 'Object'
      readonly dump: number
      readonly by: number
      readonly message: ObjectMessage
    }
  /** an address came or went: what could not be reached may be now */
  | {
      readonly type: 'Address'
      readonly present: boolean
      readonly link: number
      readonly address: Address
    }
  /** an entry of a link's tables that somebody wrote, or that is gone */
  | { readonly type: 'Neighbour'; readonly link: number }
  /** nothing was seen: `why` */
  | {
      readonly type: 'Inspected'
      readonly number: number
      readonly seen?: DevicesSeen
      readonly why?: string
    }
  | {
      readonly type: 'Configured'
      readonly number: number
      /** by their place among the changes */
      readonly refusals: readonly Refusal[]
    }
  /**
   * `complete` is false when the table changed so much meanwhile that it was not one state, or it
   * failed
   */
  | {
      readonly type: 'Dumped'
      readonly dump: number
      readonly complete: boolean
      readonly why?: string
      /** the kernel has nexthop objects */
      readonly objects: boolean
    }
  | { readonly type: 'Found'; readonly address: Address; readonly found: Found }
  /** what was asked of links to workloads is done, but where it has an error */
  | {
      readonly type: 'Served'
      readonly links: readonly { readonly name: string; readonly error?: string }[]
    }
  /** notifications were lost: only a dump tells what is */
  | { readonly type: 'Lost' }
  | {
      readonly type: 'Written'
      readonly batch: number
      /** changes that the kernel refused, by their place in the batch */
      readonly refusals: readonly Refusal[]
    }

/** Why the kernel refused a change. */
export interface Refusal {
  readonly at: number
  readonly errno: number
  /** the kernel's own sentence, where it has one */
  readonly text?: string
}

/** What happens to the dataplane. */
export type DataplaneEvent =
  | RouteEvent
  | KernelEvent
  | { readonly type: 'Intent'; readonly intent: DataplaneIntent }
  | { readonly type: 'Tick' }

/** A fact that the dataplane reports; at the edge it becomes a log line. `code` is stable. */
export type DataplaneNote =
  /** the first dump of this life: what of ours was there already */
  | { readonly code: 'KERNEL_ADOPTED'; readonly routes: number; readonly took: Millis }
  | { readonly code: 'KERNEL_DUMP_FAILED'; readonly why: string; readonly retry: Millis }
  | { readonly code: 'NOTIFICATIONS_LOST' }
  | { readonly code: 'ROUTE_REFUSED'; readonly prefix: Prefix; readonly error: string }
  | { readonly code: 'NEXT_HOP_REFUSED'; readonly hops: string; readonly error: string }
  | { readonly code: 'NEXT_HOP_BACK'; readonly hops: string }
  /** somebody else has an id of the range of our nexthop objects; it is not used */
  | { readonly code: 'NEXT_HOP_ID_TAKEN'; readonly id: number }
  /** `by` is a netlink port, as of routes */
  | {
      readonly code: 'ROUTE_REPAIRED'
      readonly prefix: Prefix
      readonly what: Intervention['what']
      readonly by: number
    }
  /** another hand changed a route, and by rule it stays so */
  | ({ readonly code: 'ROUTE_LEFT' } & Intervention)
  /** the node's configuration does not allow what is wanted */
  | { readonly code: 'ROUTE_NOT_ALLOWED'; readonly prefix: Prefix; readonly why: string }
  /** somebody else writes routes that look like ours */
  | { readonly code: 'PROTOCOL_SHARED'; readonly prefix: Prefix; readonly by: number }
  | {
      readonly code: 'ROUTE_CONTESTED'
      readonly prefix: Prefix
      readonly by: number
      readonly times: number
      readonly pause: Millis
    }
  | { readonly code: 'ROUTES_FULL'; readonly limit: number }
  /** the kernel does not make the link of a tunnel what it should be */
  | { readonly code: 'TUNNEL_REFUSED'; readonly name: string; readonly error: string }
  | { readonly code: 'TUNNEL_BACK'; readonly name: string }
  /** a workload's link is not all that it should be, until the next dump at least */
  | { readonly code: 'WORKLOAD_LINK_REFUSED'; readonly name: string; readonly error: string }
  | { readonly code: 'SWEEP'; readonly why: string; readonly routes: number }
  | { readonly code: 'SPEAKER_MISTAKE'; readonly why: string }
