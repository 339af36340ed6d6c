import type { Brand, Millis } from '../base/index.ts'
import type { Asn, Family } from '../net/index.ts'
import type { Capability, Negotiated, Notification, Role, RouteRefresh } from '../wire/index.ts'

/** The words that a session shares with whoever runs it. */

/** RFC 4271 §8.2.2. */
export type State = 'Idle' | 'Connect' | 'Active' | 'OpenSent' | 'OpenConfirm' | 'Established'

/**
 * One TCP connection. The core numbers those that it opens with even numbers, the edge those that
 * it accepts with odd ones: neither asks the other.
 */
export type ConnectionId = Brand<number, 'ConnectionId'>

/** What a session needs to know of its peer. Any change of it resets the session. */
export interface SessionConfig {
  readonly localAs: Asn
  readonly peerAs: Asn
  /** BGP Identifier, a 32-bit number */
  readonly routerId: number
  /** never opens a connection, waits for the peer's. RFC 4271 §8.1.1 */
  readonly passive: boolean
  /** offered hold time; 0 or at least three seconds */
  readonly hold: Millis
  /**
   * between two KEEPALIVEs, at least a second; absent, and where it is longer than that: a third of
   * the hold time that was agreed on. RFC 4271 §4.4
   */
  readonly keepalive?: Millis
  /** between two attempts to connect, before jitter. RFC 4271 §8.2.2 */
  readonly connectRetry: Millis
  /** families offered, at least one */
  readonly families: readonly Family[]
  /**
   * for how long the peer is asked to keep our routes when we go away, in whole seconds, at most
   * 4,095; absent: not at all. RFC 4724 §3
   */
  readonly restart?: Millis
  /** absent: as `OPTIONS_DEFAULT` of options.ts */
  readonly options?: SessionOptions
}

/**
 * What our OPEN offers beside that, and what it asks of the peer's. Absent: no, or the default of
 * options.ts.
 */
export interface SessionOptions {
  /** several paths of a prefix, to us and from us. RFC 7911 */
  readonly addPath?: { readonly receive: boolean; readonly send: boolean }
  /** messages of up to 65,535 octets. RFC 8654 */
  readonly extendedMessages?: boolean
  /** IPv4 routes with IPv6 next hops, both ways. RFC 8950 */
  readonly extendedNextHop?: boolean
  /** what we are to the peer. RFC 9234 */
  readonly role?: Role
  /** a peer that does not say its role is refused: the "strict mode" of RFC 9234 §4.2 */
  readonly roleRequired?: boolean
  /**
   * for how long our routes may be kept beyond `restart`, and those of the peer. RFC 9494. Departs
   * from its §5, which asks for a word on each family: this one is for all of the session
   */
  readonly longLived?: Millis
  /** what the peer's OPEN must offer. RFC 5492 §3 */
  readonly required?: readonly RequiredCapability[]
  /** how long we wait for the peer's OPEN before we say ours. RFC 4271 §8.1.1 */
  readonly delayOpen?: Millis
}

/** The capabilities of both OPENs, in their order. */
export interface Capabilities {
  /** ours */
  readonly offered: readonly Capability[]
  /** the peer's */
  readonly received: readonly Capability[]
}

/** A capability that a session can insist on. */
export type RequiredCapability =
  | 'route-refresh'
  | 'enhanced-route-refresh'
  | 'four-octet-as'
  | 'graceful-restart'
  | 'long-lived-graceful-restart'
  | 'add-path'
  | 'extended-message'
  | 'extended-next-hop'
  | 'role'

/** What our OPEN says of how we came to be here. It may change without a reset. RFC 4724 §3 */
export interface RestartStanding {
  /** R: we have restarted, and nobody is to wait for us */
  readonly restarting: boolean
  /** F: what the peer keeps of ours is still forwarded */
  readonly forwarding: boolean
}

/** How a session ended, or why it could not begin; the last one is kept for the operator. */
export interface SessionError {
  /** who found the fault: we sent a NOTIFICATION, the peer did, or nobody could */
  readonly direction: 'sent' | 'received' | 'local'
  /** of the NOTIFICATION; absent when `direction` is local */
  readonly code?: number
  readonly subcode?: number
  /** one sentence, with the shutdown text of RFC 9003 where the peer gave one */
  readonly text: string
  readonly at: Millis
  /** why the last attempt since then has failed; absent before there was one */
  readonly later?: { readonly text: string; readonly at: Millis }
}

/**
 * Messages and octets of a session, since its peer was configured. Plain numbers, read at any time.
 */
export interface SessionCounters {
  messagesIn: number
  messagesOut: number
  updatesIn: number
  updatesOut: number
  notificationsIn: number
  notificationsOut: number
  octetsIn: number
  octetsOut: number
  /** times that Established was reached */
  established: number
}

/**
 * What a session tells its owner. Methods return nothing and may not call back into the session.
 */
export interface SessionOutput {
  /** Open a connection to the peer; the owner answers with `connected` or `failed`. */
  connect(connection: ConnectionId): void
  /** `bytes` is the callee's to keep. */
  send(connection: ConnectionId, bytes: Uint8Array): void
  /** Close after what was sent; the session forgets the connection at once. */
  close(connection: ConnectionId): void
  /** Established: routes may be exchanged over `connection`. */
  up(connection: ConnectionId, negotiated: Negotiated, offered: readonly Capability[]): void
  /**
   * No longer Established, for `error`. Called exactly once for each `up`.
   *
   * @param kept  the peer may be restarting: its routes are to be kept for a while. RFC 4724 §4.2,
   *   RFC 8538 §4
   */
  down(connection: ConnectionId, error: SessionError, kept: boolean): void
  /** The body of an UPDATE (after the header), valid during the call only. */
  update(connection: ConnectionId, body: Uint8Array): void
  refresh(connection: ConnectionId, message: RouteRefresh): void
  /** The FSM of one connection moved. */
  moved(connection: ConnectionId | undefined, from: State, to: State, why: string): void
}

/**
 * One neighbour: the FSM of each of its connections, and their collision (RFC 4271 §6.8). Pure:
 * time is an argument, chance a `Prng`. The class of this shape is `PeerSession` in
 * peer-session.ts.
 */
export interface PeerSessionShape {
  /** of the connection that is furthest; Idle when there is none */
  readonly state: State
  /** when `state` was entered */
  readonly since: Millis
  readonly counters: Readonly<SessionCounters>
  readonly lastError: SessionError | undefined
  /** while Established */
  readonly negotiated: Negotiated | undefined
  /** of the OPENs of the connection that is furthest */
  readonly capabilities: Capabilities
  /** ManualStart (Event 1) */
  start(now: Millis): void
  /** ManualStop (Event 2): sends `cease` where a peer listens, and stays Idle */
  stop(cease: Notification, now: Millis): void
  /** The edge accepted a connection from the peer; refused ones are closed through the output. */
  accepted(connection: ConnectionId, now: Millis): void
  /** The connection that `connect` asked for is open. */
  connected(connection: ConnectionId, now: Millis): void
  /** It could not be opened. */
  failed(connection: ConnectionId, why: string, now: Millis): void
  /** The peer or the network closed it. */
  closed(connection: ConnectionId, why: string, now: Millis): void
  /** Bytes as TCP gave them; copied where kept. */
  received(connection: ConnectionId, chunk: Uint8Array, now: Millis): void
  /**
   * The owner met a fault that resets the session (an UPDATE): sends `notification`, goes to Idle.
   */
  reset(connection: ConnectionId, notification: Notification, why: string, now: Millis): void
  /** Sends whole messages (UPDATE, ROUTE-REFRESH) on an Established connection, and counts them. */
  send(connection: ConnectionId, bytes: Uint8Array): void
  /**
   * Something of what was sent waits, for the connection takes no more; said again whenever some of
   * it has left. RFC 9687 §4.3
   */
  blocked(connection: ConnectionId, now: Millis): void
  /** All that waited has left. */
  unblocked(connection: ConnectionId): void
  /** The owner does not read the connection for now: the peer is not silent. */
  unread(connection: ConnectionId, now: Millis): void
  /** Timers that are due run. */
  tick(now: Millis): void
  /** When `tick` is due; NEVER without a timer. */
  deadline(): Millis
}
