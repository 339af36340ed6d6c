import type { Brand } from '../base/index.ts'
import type { Address, Family } from '../net/index.ts'

/**
 * What both halves call a route to install.
 *
 * Prefixes that share their next hops share a group: the speaker names a group once, then says for
 * each prefix which group it uses. So a batch of routes is a string of NLRI and a column of group
 * ids, with no object per route, and the failure of a next hop is a statement about a group.
 */

/** One way out: through `address`, on `interface` where the address is link-local. */
export interface FibNextHop {
  readonly address: Address
  /** the link of a link-local address; absent where the kernel's routes decide */
  readonly interface?: string
  /** share of the traffic, 1 to 255 */
  readonly weight: number
}

/**
 * Next hops in canonical order (family, number, interface); one is an ordinary route, more are
 * ECMP.
 */
export type NextHopGroup = readonly FibNextHop[]

/** A next hop by name: a link-local address is another one on each link. RFC 4291 §2.5.6 */
export interface NextHopName {
  readonly address: Address
  /** of a link-local address */
  readonly interface?: string
}

/** LOCAL_PREF and metric together: Calico's nodes agree on it. */
const PREFERENCE_WHOLE = 2_147_483_647

/** Of a group whose routes have the metric that the dataplane's own configuration says. */
export const NO_METRIC = 0

/**
 * The kernel's metric of a path, as every node of Calico's has it: the more it is preferred in BGP,
 * the less its metric. `NO_METRIC` where LOCAL_PREF leaves none.
 */
export const metricOf = (localPref: number): number =>
  localPref < PREFERENCE_WHOLE ? PREFERENCE_WHOLE - localPref : NO_METRIC

/** How a next hop is reached, as the kernel half knows it. RFC 4271 §9.1.2.1 */
export interface NextHopAnswer extends NextHopName {
  readonly eligible: boolean
  /** of the way there, lower is nearer; an unsigned word, 0 on a link of ours */
  readonly metric: number
  /** why not eligible: a phrase for people; else empty */
  readonly why: string
  /** the link that it is reached by, the first of several; absent: it is not eligible */
  readonly link?: string
}

/** The speaker's name for a group, unique within an epoch. */
export type GroupId = Brand<number, 'GroupId'>

/** One life of the speaker's table: what an `InSync` completes and a sweep compares with. */
export type Epoch = Brand<number, 'Epoch'>

/**
 * Where the speaker writes its FIB. Calls are in order; a group is named before a route uses it and
 * dropped only when no route does. `bytes` holds the network's octets from `offset`, `(length + 7)
 * >> 3` of them, and is read before the call returns.
 */
export interface FibWriter {
  /** A new epoch starts: everything wanted follows, then `inSync`. */
  begin(epoch: Epoch): void
  /**
   * Names a group: `metric` is that of its routes in the kernel, `NO_METRIC` for the dataplane's
   * own. Said again of a group in use, with the same metric, its routes go through `hops` now.
   */
  group(id: GroupId, hops: NextHopGroup, metric: number): void
  dropGroup(id: GroupId): void
  /** `prefix` goes through group `id`, replacing what it went through before. */
  route(family: Family, bytes: Uint8Array, offset: number, length: number, id: GroupId): void
  withdraw(family: Family, bytes: Uint8Array, offset: number, length: number): void
  /**
   * From now on it is told how `hop` is reached, and when that changes. Said before a group that
   * uses it; said again in each epoch.
   */
  track(hop: NextHopName): void
  untrack(hop: NextHopName): void
  /** All that was wanted in `epoch` has been said: what was not may be swept. */
  inSync(epoch: Epoch): void
}
