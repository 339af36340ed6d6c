import type { Millis } from '../base/index.ts'
import type { FibWriter, NextHopAnswer } from '../fib/index.ts'
import type { Address, Asn, Family, Prefix } from '../net/index.ts'
import type { Policy } from '../policy/index.ts'
import type { SendPaths } from '../rib/index.ts'
import type {
  ConnectionId,
  SessionCounters,
  SessionError,
  SessionOptions,
  State,
} from '../session/index.ts'
import type { Negotiated, Remedy } from '../wire/index.ts'
import type { SpeakerNote } from './notes.ts'

/**
 * What goes into the BGP half and what comes out of it: its configuration, events, effects,
 * snapshot.
 */

export type { SendPaths, SpeakerNote }

/** All that the speaker is told, whole: the difference from what it had is its own business. */
export interface SpeakerConfig {
  /** BGP Identifier, a 32-bit number */
  readonly routerId: number
  readonly localAs: Asn
  /** reflector's cluster id, a 32-bit number; the router id where absent. RFC 4456 §7 */
  readonly clusterId?: number
  /** most next hops of an ECMP route; 1: no ECMP */
  readonly multipathMax: number
  /** sorted by address, then port */
  readonly peers: readonly PeerConfig[]
  /** whose connections are taken without a peer of their own, sorted by name; absent: none */
  readonly ranges?: readonly PeerRange[]
  /** equal paths may go together whatever their neighbouring AS; true unless false is said */
  readonly multipathAcrossAses?: boolean
  /** announced by this node, sorted */
  readonly originated: readonly Prefix[]
  /** LOCAL_PREF of what this node announces; absent: internal peers are told 100 */
  readonly originatedLocalPref?: Readonly<Record<Family, number>>
  /**
   * which best routes the dataplane is told, asked of the best path alone; absent: all. Actions are
   * not looked at: attributes do not reach the kernel
   */
  readonly fibPolicy?: Policy
  /** prefixes whose routes a snapshot lists (the cluster's pools), sorted */
  readonly watched: readonly Prefix[]
  /** most routes a snapshot lists */
  readonly watchedMax: number
}

/** A neighbour. Which field resets its session is the table RESETS in configure.ts. */
export interface PeerConfig {
  /** for people: `Mesh_10_0_0_2`, `Global_…`, `Node_…`; unique, and what a peer is matched by */
  readonly name: string
  readonly address: Address
  readonly port: number
  readonly peerAs: Asn
  readonly localAs: Asn
  readonly localAddress?: Address
  /** absent: as TRANSPORT_DEFAULT */
  readonly transport?: Transport
  /**
   * of TCP MD5 signatures, 1 to 80 octets in UTF-8; absent: none. It changes on connections that
   * are open, and what happens then is the peer's choice. RFC 2385
   */
  readonly password?: string
  readonly passive: boolean
  readonly hold: Millis
  /**
   * between two KEEPALIVEs, at least a second; absent, and where it is longer than that: a third of
   * the hold time. RFC 4271 §4.4
   */
  readonly keepalive?: Millis
  readonly connectRetry: Millis
  /**
   * for how long the peer is asked to keep our routes when we go away, in whole seconds; absent:
   * not at all. RFC 4724 §3
   */
  readonly restart?: Millis
  readonly families: readonly Family[]
  readonly routeReflectorClient: boolean
  /** the next hop that we announce: as RFC 4271 §5.1.3 says, always our own, or as received */
  readonly nextHop: 'auto' | 'self' | 'keep'
  /**
   * our own next hop for IPv4 routes; the session's local address where that is IPv4 and this is
   * absent
   */
  readonly nextHopIpv4?: Address
  /** the same for IPv6 routes */
  readonly nextHopIpv6?: Address
  /** what may be announced: what this node originates, or also what it learned, or what is said */
  readonly export: 'originated' | 'all' | Policy
  /** what our OPEN offers and asks beyond that */
  readonly options?: SessionOptions
  /** which paths of a prefix are sent where the peer takes several; absent: the best. RFC 7911 */
  readonly sendPaths?: SendPaths
  /** absent: nothing beyond what the RFCs demand */
  readonly importRules?: ImportRules
  /** absent: nothing beyond what the RFCs demand */
  readonly exportRules?: ExportOptions
  /** absent: no limits but those of docs/LIMITS.md */
  readonly limits?: PrefixLimits
}

/** What is asked of the routes of a peer, and done to them, before they are candidates. */
export interface ImportRules {
  /** how often our own AS may be in AS_PATH; absent: not at all. RFC 4271 §9.1.2 */
  readonly allowOwnAs?: number
  /** routes with AS_SET or AS_CONFED_SET are not used. RFC 9774 §3 */
  readonly refuseAsSets?: boolean
  /**
   * `localAs` of the peer is put in front of the path where it is not our real AS: FRR's and
   * OpenBGPD's "local-as" without "no-prepend"
   */
  readonly prependLocalAs?: boolean
  /** absent: everything is accepted */
  readonly policy?: Policy
}

/**
 * What is done to the AS path of what a peer is sent, beyond RFC 4271 §5.1.2. External peers only.
 */
export interface ExportOptions {
  /** our real AS stands behind `localAs`, where they differ */
  readonly showRealAs?: boolean
  /** the peer's own AS becomes ours in the path: "as-override" */
  readonly overrideAs?: boolean
  /** private AS numbers (RFC 6996) leave the path, or become ours */
  readonly privateAs?: 'remove' | 'replace'
  /**
   * the subnet that we share with the peer: a next hop inside it may stay as it is. RFC 4271
   * §5.1.3, "third party" next hops
   */
  readonly sharedSubnet?: Prefix
}

/** How many prefixes of a family are too many. */
export interface PrefixLimit {
  /** 1 or more */
  readonly most: number
  /** a note is made at so many percent of `most`, 1 to 100 */
  readonly warnPercent: number
  /**
   * beyond `most`: only note it; take, or send, no further prefix; end the session and begin again
   * after `restartAfter`; end it until the peer's configuration changes
   */
  readonly action: 'warn' | 'block' | 'restart' | 'disable'
  readonly restartAfter: Millis
}

/** The limits of a peer, each for each family by itself. */
export interface PrefixLimits {
  /** of what it says, before import rules: RFC 4271 §6.7 */
  readonly received?: PrefixLimit
  /** of what is left after them */
  readonly accepted?: PrefixLimit
  /** of what it is sent; its action is `warn` or `block` */
  readonly announced?: PrefixLimit
}

/** Peers that are configured by where they come from, and exist while they are there. */
export interface PeerRange {
  /** unique among ranges; its peers are `<name>_<address>` */
  readonly name: string
  readonly prefix: Prefix
  /** most peers at a time; further connections are refused */
  readonly peersMax: number
  /** of each of them; they never connect, and wait for the peer */
  readonly template: Omit<PeerConfig, 'name' | 'address' | 'port' | 'passive'>
}

/** What the packets of a session are to be, beside their addresses. A change resets the session. */
export interface Transport {
  /**
   * the peer is at most so many hops away, 1 to 255: what comes from farther is dropped, what we
   * send has a TTL of 255. RFC 5082
   */
  readonly ttlSecurity?: number
  /** TTL or hop limit of what we send without `ttlSecurity`, 1 to 255 */
  readonly ttl: number
  /** the link to leave by; a link-local address needs one */
  readonly interface?: string
  /** the octet that is TOS in IPv4 and Traffic Class in IPv6 */
  readonly trafficClass: number
}

/**
 * What happens to the speaker. `bytes` belong to the speaker after the call unless said otherwise.
 */
export type SpeakerEvent =
  | { readonly type: 'Configure'; readonly config: SpeakerConfig }
  | {
      readonly type: 'Accepted'
      readonly connection: ConnectionId
      readonly remote: Address
      readonly local: Address
    }
  | { readonly type: 'Connected'; readonly connection: ConnectionId; readonly local: Address }
  | { readonly type: 'Failed'; readonly connection: ConnectionId; readonly why: string }
  | { readonly type: 'Closed'; readonly connection: ConnectionId; readonly why: string }
  /** `bytes` are valid during the call only */
  | { readonly type: 'Received'; readonly connection: ConnectionId; readonly bytes: Uint8Array }
  /** the socket holds more than its high mark unsent; until `Drained`, tables are not sent to it */
  | { readonly type: 'Congested'; readonly connection: ConnectionId }
  | { readonly type: 'Drained'; readonly connection: ConnectionId }
  /** something of what was sent waits in the socket; said again when some of it has left */
  | { readonly type: 'Blocked'; readonly connection: ConnectionId }
  /** all that waited has left */
  | { readonly type: 'Unblocked'; readonly connection: ConnectionId }
  /**
   * a dataplane listens: begin an epoch and say everything. `preserved`: it goes on forwarding what
   * an earlier life of the speaker told it
   */
  | { readonly type: 'FibUp'; readonly preserved: boolean }
  | { readonly type: 'FibDown' }
  /** the dataplane's credit for further routes */
  | { readonly type: 'FibCredit'; readonly routes: number }
  /** how next hops are reached, of those that the FIB was told to track: all, or what changed */
  | { readonly type: 'NextHops'; readonly answers: readonly NextHopAnswer[] }
  /** a peer is to say all again; nothing happens where its session cannot. RFC 2918 */
  | { readonly type: 'Refresh'; readonly peer: string }
  /** where peers are to connect to, and whether they can: whenever that changes */
  | { readonly type: 'Listening'; readonly at: readonly Listening[] }
  | { readonly type: 'Tick' }
  /** end all sessions with Cease, Administrative Shutdown; routes in the kernel stay */
  | { readonly type: 'Stop'; readonly text: string }

/** A port that peers are to connect to. */
export interface Listening {
  readonly family: Family
  readonly port: number
  /** why it cannot be had now; absent while it is open */
  readonly error?: string
}

/** What the speaker does to the world. Methods return nothing and may not call back. */
export interface SpeakerOutput {
  connect(connection: ConnectionId, endpoint: Endpoint): void
  send(connection: ConnectionId, bytes: Uint8Array): void
  close(connection: ConnectionId): void
  /** Stop reading: the peer's queue is above its high mark. */
  pause(connection: ConnectionId): void
  resume(connection: ConnectionId): void
  readonly fib: FibWriter
  note(note: SpeakerNote): void
}

/** Where to connect to, from where, and how. */
export interface Endpoint {
  readonly address: Address
  readonly port: number
  readonly localAddress?: Address
  /** absent: as TRANSPORT_DEFAULT */
  readonly transport?: Transport
  readonly password?: string
}

/** What the speaker is and holds, as asked for. */
export interface SpeakerSnapshot {
  /** changes whenever anything below may have changed */
  readonly version: number
  readonly at: Millis
  readonly routerId: number
  readonly localAs: Asn
  /** as the edge said last */
  readonly listening: readonly Listening[]
  readonly sessions: readonly SessionSnapshot[]
  /** destinations and paths, per family */
  readonly tables: readonly {
    readonly family: Family
    readonly destinations: number
    readonly paths: number
  }[]
  /** best routes inside the watched prefixes, in order, at most `watchedMax` */
  readonly routes: readonly RouteSnapshot[]
  /** how many there are in all */
  readonly routesTotal: number
}

/** One neighbour as it stands. */
export interface SessionSnapshot {
  readonly name: string
  readonly address: Address
  readonly port: number
  readonly peerAs: Asn
  readonly localAs: Asn
  readonly state: State
  readonly since: Millis
  /** while Established */
  readonly negotiated?: Omit<Negotiated, 'peerAs' | 'peerRouterId'> & { readonly routerId: number }
  /** what the OPENs of the present connection offered, in words */
  readonly capabilities: {
    readonly offered: readonly string[]
    readonly received: readonly string[]
  }
  /** when the first of its stale routes go, or become a last resort; absent without any */
  readonly staleUntil?: Millis
  readonly counters: Readonly<SessionCounters>
  /** of the families negotiated, and of those that have routes of an earlier session */
  readonly prefixes: readonly {
    readonly family: Family
    /** in its Adj-RIB-In */
    readonly received: number
    /** of those, not refused by import rules */
    readonly accepted: number
    /** of those received, not repeated since the peer went away, or began to say all again */
    readonly stale: number
    /** when the stale ones, which are a last resort, go whatever happens. RFC 9494 §4.2 */
    readonly longLivedUntil?: Millis
    /** the peer has said all that it has. RFC 4724 §2 */
    readonly endOfRib: boolean
    readonly best: number
    readonly advertised: number
  }[]
  /** the range that it came from; absent where it is configured by itself */
  readonly range?: string
  /** where it stands with its limits, while its session is up */
  readonly limits: readonly LimitSnapshot[]
  /** there is no session, and until when; absent where only its configuration can change that */
  readonly suspended?: { readonly why: string; readonly until?: Millis }
  /** UPDATE faults by remedy. RFC 7606 */
  readonly faults: {
    readonly discarded: number
    readonly withdrawn: number
    readonly reset: number
    /** the last ones, the newest last; at most `FAULTS_KEPT_MAX` */
    readonly recent: readonly FaultSnapshot[]
  }
  readonly lastError?: SessionError
}

/** What was wrong with an UPDATE. */
export interface FaultSnapshot {
  readonly at: Millis
  readonly remedy: Remedy
  readonly why: string
  /** the attribute that it is about, or the UPDATE: the first `FAULT_OCTETS_MAX` of it */
  readonly octets: Uint8Array
  readonly octetsTotal: number
}

/** One limit of a peer in one family. */
export interface LimitSnapshot {
  readonly which: keyof PrefixLimits
  readonly family: Family
  readonly count: number
  readonly most: number
  readonly action: PrefixLimit['action']
  readonly standing: 'within' | 'near' | 'passed'
  /** routes left out since the peer was last asked for all, where the limit blocks */
  readonly left: number
}

/** One destination: its paths, the best first, each loser with its reason. */
export interface RouteSnapshot {
  readonly prefix: Prefix
  readonly paths: readonly PathSnapshot[]
}

/** One path of a destination, with the attributes that it counts by. */
export interface PathSnapshot extends AttributesSnapshot {
  /** the peer's name, or `local` for what this node originates */
  readonly from: string
  /** by which the peer names it; absent where the peer sends one path of a prefix. RFC 7911 §3 */
  readonly pathId?: number
  readonly best: boolean
  /** used beside the best one */
  readonly multipath: boolean
  /** why it is not the best; absent for the best */
  readonly reason?: string
  /** import rules do not let it be a candidate; the reason is theirs */
  readonly refused?: true
  /** what the peer said, where import rules have changed it */
  readonly received?: AttributesSnapshot
}

/** Attributes of a path, for people. */
export interface AttributesSnapshot {
  readonly nextHop?: Address
  readonly asPath: string
  readonly origin: 'IGP' | 'EGP' | 'incomplete'
  readonly localPref?: number
  readonly med?: number
  /** those of RFC 1997, large ones, extended ones; well-known ones by name */
  readonly communities: readonly string[]
}
