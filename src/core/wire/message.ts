import type { Address, Asn, Family } from '../net/index.ts'

/**
 * BGP-4 messages and attributes, decoded. Plain values: what the two tables of the codec
 * (attributes/, capabilities) read and write, and what everyone above speaks of.
 */

/**
 * A decoded message. UPDATE stays in sections until its receiver wants its attributes: see
 * update.ts.
 */
export type Message = Open | Update | Notification | Keepalive | RouteRefresh

/** RFC 4271 §4.2. */
export interface Open {
  readonly type: 'OPEN'
  readonly version: number
  /** "My Autonomous System": two octets, AS_TRANS where the number does not fit */
  readonly asn: number
  readonly holdSeconds: number
  /** BGP Identifier, a 32-bit number */
  readonly routerId: number
  /** in the order of the message; unknown ones carried */
  readonly capabilities: readonly Capability[]
}

/** RFC 4271 §4.3: the three sections as bytes, not copied. IPv6 travels inside `attributes`. */
export interface Update {
  readonly type: 'UPDATE'
  readonly withdrawn: Uint8Array
  readonly attributes: Uint8Array
  readonly nlri: Uint8Array
}

/** RFC 4271 §4.5. */
export interface Notification {
  readonly type: 'NOTIFICATION'
  readonly code: number
  readonly subcode: number
  readonly data: Uint8Array
}

/** RFC 4271 §4.4. */
export interface Keepalive {
  readonly type: 'KEEPALIVE'
}

/** RFC 2918 §3. `subtype` is 0 unless RFC 7313 was negotiated. */
export interface RouteRefresh {
  readonly type: 'ROUTE-REFRESH'
  readonly afi: number
  readonly subtype: number
  readonly safi: number
}

/** RFC 5492: what an OPEN offers. One not known here is carried as it came. */
export type Capability =
  | { readonly type: 'multiprotocol'; readonly afi: number; readonly safi: number }
  | { readonly type: 'route-refresh' }
  | { readonly type: 'four-octet-as'; readonly asn: Asn }
  | GracefulRestartCapability
  | LongLivedCapability
  | AddPathCapability
  | ExtendedNextHopCapability
  /** RFC 8654: messages of up to 65,535 octets */
  | { readonly type: 'extended-message' }
  /** RFC 7313: the beginning and the end of a refresh are marked */
  | { readonly type: 'enhanced-route-refresh' }
  /** RFC 9234 §4.1; the number as it came, known or not */
  | { readonly type: 'role'; readonly role: number }
  | { readonly type: 'unknown'; readonly code: number; readonly value: Uint8Array }

/**
 * RFC 4724 §3, RFC 8538 §2: what becomes of the sender's routes when its session is lost. Without a
 * family, the sender only says that it keeps others' routes, and sends End-of-RIB.
 */
export interface GracefulRestartCapability {
  readonly type: 'graceful-restart'
  /** R: the sender has restarted, and is not to be waited for */
  readonly restarting: boolean
  /** N: routes are kept through a NOTIFICATION too */
  readonly notification: boolean
  /** how long the sender may take to come back, at most `RESTART_SECONDS_MAX` */
  readonly restartSeconds: number
  readonly families: readonly {
    readonly afi: number
    readonly safi: number
    /** F: the sender went on forwarding through its last restart */
    readonly forwarding: boolean
  }[]
}

/** RFC 9494 §3.1: for how long the sender's routes are kept after its restart time. */
export interface LongLivedCapability {
  readonly type: 'long-lived-graceful-restart'
  readonly families: readonly {
    readonly afi: number
    readonly safi: number
    /** F: the sender went on forwarding through its last restart */
    readonly forwarding: boolean
    /** at most 16,777,215: 24 bits */
    readonly staleSeconds: number
  }[]
}

/** RFC 7911 §4: of which families the sender takes, or sends, several paths of a prefix. */
export interface AddPathCapability {
  readonly type: 'add-path'
  readonly families: readonly {
    readonly afi: number
    readonly safi: number
    readonly receive: boolean
    readonly send: boolean
  }[]
}

/** RFC 8950 §4: families whose next hops the sender takes from another family. */
export interface ExtendedNextHopCapability {
  readonly type: 'extended-next-hop'
  readonly families: readonly {
    readonly afi: number
    readonly safi: number
    readonly nextHopAfi: number
  }[]
}

/** What a speaker is to its neighbour. RFC 9234 §4.1 */
export type Role = 'provider' | 'route-server' | 'route-server-client' | 'customer' | 'peer'

/** RFC 4271 §5.1.1: 0 IGP, 1 EGP, 2 INCOMPLETE. */
export type Origin = 0 | 1 | 2

/** One segment of an AS_PATH. RFC 4271 §4.3, RFC 5065 §3. */
export interface AsPathSegment {
  readonly type: 'set' | 'sequence' | 'confed-sequence' | 'confed-set'
  readonly asns: readonly number[]
}

/** An attribute that the table has no row for: carried, with the flags that it came with. */
export interface UnknownAttribute {
  readonly flags: number
  readonly code: number
  readonly value: Uint8Array
}

/**
 * The attributes of a route, decoded. Absent means not present on the wire. AS numbers are four
 * octets wide, whatever the session; MP_REACH_NLRI is here only as its next hop.
 */
export interface PathAttributes {
  readonly origin?: Origin
  readonly asPath?: readonly AsPathSegment[]
  /** NEXT_HOP, or the global address of MP_REACH_NLRI */
  readonly nextHop?: Address
  /** the second address of an IPv6 next hop. RFC 2545 §3 */
  readonly linkLocalNextHop?: Address
  /** not of the wire: on which of our links a link-local next hop is, by a number of the tables */
  readonly nextHopLink?: number
  readonly med?: number
  readonly localPref?: number
  readonly atomicAggregate?: true
  readonly aggregator?: { readonly asn: number; readonly address: Address }
  /** RFC 1997, 32-bit numbers in the order of the wire */
  readonly communities?: readonly number[]
  readonly originatorId?: number
  /** RFC 4456: a list, newest first. Never a set */
  readonly clusterList?: readonly number[]
  /** RFC 4360, eight octets each */
  readonly extendedCommunities?: readonly Uint8Array[]
  /** RFC 8092: global administrator, local data 1 and 2 */
  readonly largeCommunities?: readonly (readonly [number, number, number])[]
  /** RFC 9234 §5: the AS that said it goes to customers alone */
  readonly onlyToCustomer?: number
  /**
   * codes of those above that came with the Partial bit, ascending: somebody on the way did not
   * know them, and that is not forgotten. RFC 4271 §5
   */
  readonly partial?: readonly number[]
  readonly unknown?: readonly UnknownAttribute[]
}

/** RFC 7606 §2, by rising severity. Its "AFI/SAFI disable" is not used. */
export type Remedy = 'attribute-discard' | 'treat-as-withdraw' | 'session-reset'

/** What a peer did wrong: a value with its remedy, never an exception. */
export interface Fault {
  readonly remedy: Remedy
  /** what RFC 4271 §6 would answer, and what a session reset sends */
  readonly notification: Notification
  /** one sentence for the operator */
  readonly why: string
}

/** What both OPENs agreed. */
export interface Negotiated {
  readonly peerAs: Asn
  readonly peerRouterId: number
  /** the smaller of both; 0: neither timer runs. RFC 4271 §4.2 */
  readonly holdSeconds: number
  readonly families: readonly Family[]
  readonly fourOctetAs: boolean
  readonly routeRefresh: boolean
  /** octets of a message of ours, header included: 4,096 unless RFC 8654 was negotiated */
  readonly messageMax: number
  /** both sides mark the beginning and the end of a refresh. RFC 7313 */
  readonly enhancedRefresh: boolean
  /** what the peer offers; absent where it offers nothing. RFC 4724 */
  readonly gracefulRestart?: GracefulRestart
  /** its families whose routes we keep beyond the restart time, and how long. RFC 9494 */
  readonly longLived: readonly LongLivedFamily[]
  /** it offers that, for whatever families: it may be sent stale routes. RFC 9494 §4.3 */
  readonly takesStale: boolean
  /** families in which the peer sends us path identifiers. RFC 7911 */
  readonly addPathReceive: readonly Family[]
  /** families in which we send the peer path identifiers */
  readonly addPathSend: readonly Family[]
  /** IPv4 routes may have IPv6 next hops, either way. RFC 8950 */
  readonly extendedNextHop: boolean
  /** what the peer is to us, by its OPEN; absent where it does not say. RFC 9234 */
  readonly peerRole?: Role
}

/** How long the routes of one family are kept beyond the restart time. RFC 9494 §3.1 */
export interface LongLivedFamily {
  readonly family: Family
  readonly staleSeconds: number
  /** the peer went on forwarding through its last restart */
  readonly forwarding: boolean
}

/** How a peer restarts. RFC 4724 §3 */
export interface GracefulRestart {
  /** for how long its routes are kept when it goes away */
  readonly restartSeconds: number
  /** it has restarted just now */
  readonly restarting: boolean
  /** both sides keep routes through a NOTIFICATION. RFC 8538 §2 */
  readonly notification: boolean
  /** of the families agreed on, those whose routes are kept when it goes away */
  readonly families: readonly Family[]
  /** of those, the ones that it went on forwarding through its last restart */
  readonly forwarding: readonly Family[]
}
