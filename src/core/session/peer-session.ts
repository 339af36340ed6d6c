import { after, invariant, type Millis, millis, NEVER, type Prng, seconds } from '../base/index.ts'
import {
  describeNotification,
  ERROR_CODES,
  type Negotiated,
  type Notification,
  OPEN_ERROR,
} from '../wire/index.ts'
import { BackOff } from './back-off.ts'
import type { ConnectionState, Ending } from './ending.ts'
import { Fsm } from './fsm.ts'
import type { FsmOwner } from './fsm-owner.ts'
import type {
  Capabilities,
  ConnectionId,
  PeerSessionShape,
  RestartStanding,
  SessionConfig,
  SessionCounters,
  SessionError,
  SessionOutput,
  State,
} from './types.ts'

/** Connections to one peer at a time: our own and the peer's, or an Established one and a newer. */
export const CONNECTIONS_MAX = 2

/**
 * A connection that the peer opens so long after the one that is Established is no collision: the
 * peer knew of that one, and has forgotten it.
 */
const COLLIDES_WITHIN = seconds(1)

/** What a `PeerSession` is given besides its configuration. */
export interface PeerSessionOptions {
  /** for jitter */
  readonly chance: Prng
  /** an id for a connection that this session opens: even, and never used before */
  readonly nextConnection: () => ConnectionId
  /** what an OPEN says of our own restart; absent: that there was none. RFC 4724 §3 */
  readonly standing?: () => RestartStanding
}

const NO_CAPABILITIES: Capabilities = { offered: [], received: [] }

const NOT_RESTARTED: RestartStanding = { restarting: false, forwarding: false }

/**
 * One neighbour: its connections, which of them is kept, and when the next is tried. RFC 4271 §6.8
 * and §8.
 *
 * Each connection has an FSM (fsm.ts). Without one the peer rests, in one of three ways:
 *
 *   Idle, no timer    stopped; a connection of the peer's is refused
 *   Idle, a timer     the last one ended in disagreement; the same until the timer is due
 *   Active            waiting for the peer's connection, and for the timer to open our own
 *
 * A connection that is lost, or a peer that goes away, leads to Active and not to Idle: the peer
 * may come back before our timer is due, and must not find us deaf. Start and stop are heard at
 * once everywhere.
 */
export class PeerSession implements PeerSessionShape {
  readonly #config: SessionConfig
  readonly #output: SessionOutput
  readonly #nextConnection: () => ConnectionId
  readonly #backOff: BackOff
  readonly #owner: FsmOwner
  readonly #counters: SessionCounters = {
    messagesIn: 0,
    messagesOut: 0,
    updatesIn: 0,
    updatesOut: 0,
    notificationsIn: 0,
    notificationsOut: 0,
    octetsIn: 0,
    octetsOut: 0,
    established: 0,
  }
  /** the peer has just refused the capabilities of an OPEN: the next one has none. RFC 5492 §3 */
  #plain = false
  #fsms: readonly Fsm[] = []
  #started = false
  #resting: 'Idle' | 'Active' = 'Idle'
  #restsUntil: Millis = NEVER
  #lastError: SessionError | undefined
  /** `#lastError` says more than that an attempt failed */
  #told = false
  #seen: State = 'Idle'
  #since: Millis = millis(0)

  constructor(config: SessionConfig, output: SessionOutput, options: PeerSessionOptions) {
    const { chance, nextConnection, standing = () => NOT_RESTARTED } = options
    this.#config = config
    this.#output = output
    this.#nextConnection = nextConnection
    this.#backOff = new BackOff(config.connectRetry, chance)
    this.#owner = {
      config,
      output,
      chance,
      counters: this.#counters,
      capable: true,
      standing,
      prevails: (fsm, negotiated, now) => this.#prevails(fsm, negotiated, now),
      ended: (fsm, ending, now) => this.#ended(fsm, ending, now),
    }
  }

  get state(): State {
    return this.#furthest()?.state ?? this.#resting
  }

  get since(): Millis {
    return this.#since
  }

  get counters(): Readonly<SessionCounters> {
    return this.#counters
  }

  get lastError(): SessionError | undefined {
    return this.#lastError
  }

  get negotiated(): Negotiated | undefined {
    const furthest = this.#furthest()
    return furthest?.state === 'Established' ? furthest.negotiated : undefined
  }

  get capabilities(): Capabilities {
    return this.#furthest()?.capabilities ?? NO_CAPABILITIES
  }

  start(now: Millis): void {
    if (this.state !== 'Idle') return
    this.#started = true
    this.#backOff.reset()
    this.#begin('started', now)
    this.#observe(now)
  }

  stop(cease: Notification, now: Millis): void {
    this.#started = false
    this.#backOff.reset()
    const why = describeNotification(cease)
    for (const fsm of this.#fsms) fsm.fail(cease, why, now)
    this.#rest('Idle', NEVER, why)
    this.#observe(now)
  }

  accepted(connection: ConnectionId, now: Millis): void {
    if (this.state === 'Idle') {
      this.#output.close(connection)
      return
    }
    const earlier = this.#fsms
    this.#add(this.#fsm(connection, true)).begin('accepted', now)
    // a peer has one connection of its own: a second one says that the first is dead on its side
    for (const older of earlier)
      if (older.incoming && older.state !== 'Established') older.collided(now)
      else older.probe(now)
    invariant(
      this.#fsms.length <= CONNECTIONS_MAX,
      'a newer connection takes the place of an older',
    )
    this.#observe(now)
  }

  connected(connection: ConnectionId, now: Millis): void {
    this.#find(connection)?.connected(now)
    this.#observe(now)
  }

  failed(connection: ConnectionId, why: string, now: Millis): void {
    this.#find(connection)?.lost(why, now)
    this.#observe(now)
  }

  closed(connection: ConnectionId, why: string, now: Millis): void {
    this.#find(connection)?.lost(why, now)
    this.#observe(now)
  }

  received(connection: ConnectionId, chunk: Uint8Array, now: Millis): void {
    this.#find(connection)?.received(chunk, now)
    this.#observe(now)
  }

  reset(connection: ConnectionId, notification: Notification, why: string, now: Millis): void {
    this.#find(connection)?.fail(notification, why, now)
    this.#observe(now)
  }

  send(connection: ConnectionId, bytes: Uint8Array): void {
    this.#find(connection)?.send(bytes)
  }

  blocked(connection: ConnectionId, now: Millis): void {
    this.#find(connection)?.blocked(now)
  }

  unread(connection: ConnectionId, now: Millis): void {
    this.#find(connection)?.listened(now)
  }

  unblocked(connection: ConnectionId): void {
    this.#find(connection)?.unblocked()
  }

  tick(now: Millis): void {
    for (const fsm of this.#fsms) fsm.tick(now)
    if (now >= this.#restsUntil) this.#begin('waited long enough', now)
    this.#observe(now)
  }

  deadline(): Millis {
    let earliest = this.#restsUntil
    for (const fsm of this.#fsms) earliest = millis(Math.min(earliest, fsm.deadline()))
    return earliest
  }

  /** RFC 4271 §8.2.2, Idle: ManualStart, or AutomaticStart, passively or not. */
  #begin(why: string, now: Millis): void {
    if (this.#config.passive) {
      this.#rest('Active', NEVER, why)
      return
    }
    this.#restsUntil = NEVER
    this.#add(this.#fsm(this.#nextConnection(), false)).begin(why, now)
  }

  /** Whenever there is no connection: the only function that writes how the peer rests. */
  #rest(next: 'Idle' | 'Active', until: Millis, why: string): void {
    const last = this.#resting
    this.#resting = next
    this.#restsUntil = until
    if (last !== next) this.#output.moved(undefined, last, next, why)
  }

  #fsm(connection: ConnectionId, incoming: boolean): Fsm {
    return new Fsm(connection, incoming, { ...this.#owner, capable: !this.#plain })
  }

  #add(fsm: Fsm): Fsm {
    // a connection ends waiting; if it fails, waiting begins anew
    this.#restsUntil = NEVER
    this.#fsms = [...this.#fsms, fsm]
    return fsm
  }

  /**
   * RFC 4271 §6.8. An Established connection stays, unless the peer has restarted: then it goes
   * without a word, and its routes are kept (RFC 4724 §4.2, §5). Of two others, the one that was
   * opened by the side with the larger BGP Identifier stays. OpenSent is examined too: both sides
   * then decide alike, from the first OPEN on, and cannot close each other's choice. One that has
   * waited long for its OPEN does not count.
   */
  #prevails(fsm: Fsm, negotiated: Negotiated, now: Millis): boolean {
    const others = this.#fsms.filter(other => other !== fsm)
    const established = others.find(({ state }) => state === 'Established')
    if (established !== undefined && hasRestarted(fsm, established)) {
      established.superseded(now)
      return true
    }
    if (established !== undefined) {
      established.probe(now)
      return false
    }
    const oursStays = this.#outranks(negotiated)
    for (const other of others) {
      const loses = fsm.incoming === oursStays && other.incoming !== oursStays
      if (loses && other.isPromising(now)) return false
    }
    for (const other of others) other.collided(now)
    return true
  }

  /** By the BGP Identifier; by the AS where those are equal (RFC 6286 §2.3). */
  #outranks({ peerRouterId, peerAs }: Negotiated): boolean {
    const { routerId, localAs } = this.#config
    return routerId === peerRouterId ? localAs > peerAs : routerId > peerRouterId
  }

  #ended(fsm: Fsm, ending: Ending, now: Millis): void {
    const { cause, error, from, lasted } = ending
    this.#fsms = this.#fsms.filter(other => other !== fsm)
    this.#plain = fsm.capabilities.offered.length > 0 && isOfCapabilities(error)
    if (cause !== 'collision' || from === 'Established') this.#remember(error, from)
    if (from === 'Established') this.#backOff.lived(lasted)
    if (this.#fsms.length > 0 || !this.#started) return
    const why = error.text
    switch (cause) {
      case 'unanswered':
        // RFC 4271 §8.2.2, Connect, Event 9: the next attempt follows at once
        this.#begin(why, now)
        return
      case 'disagreed':
        this.#rest('Idle', this.#backOff.next('disagreed', now), why)
        return
      case 'lost':
      case 'collision': {
        const retry = this.#backOff.next('unreachable', now)
        this.#rest('Active', this.#config.passive ? NEVER : retry, why)
        return
      }
      default:
        cause satisfies never
    }
  }

  /**
   * Keeps the last error. What a NOTIFICATION said, or what ended an Established session, is not
   * hidden by the attempts that fail since: a peer that is shut down, or does not agree, refuses
   * them without a word.
   */
  #remember(error: SessionError, from: ConnectionState): void {
    const last = this.#lastError
    const telling = error.direction !== 'local' || from === 'Established'
    const { text, at } = error
    if (!telling && this.#told && last !== undefined)
      this.#lastError = { ...last, later: { text, at } }
    else this.#lastError = error
    this.#told ||= telling
  }

  #find(connection: ConnectionId): Fsm | undefined {
    return this.#fsms.find(fsm => fsm.connection === connection)
  }

  #furthest(): Fsm | undefined {
    let furthest = this.#fsms[0]
    for (const fsm of this.#fsms)
      if (furthest === undefined || PROGRESS[fsm.state] > PROGRESS[furthest.state]) furthest = fsm
    return furthest
  }

  #observe(now: Millis): void {
    const { state } = this
    if (state === this.#seen) return
    this.#seen = state
    this.#since = now
  }
}

/** RFC 5492 §3: what a peer answers that knows of no capabilities. */
function isOfCapabilities({ direction, code, subcode }: SessionError): boolean {
  return (
    direction === 'received' &&
    code === ERROR_CODES.OPEN_MESSAGE &&
    subcode === OPEN_ERROR.UNSUPPORTED_OPTIONAL_PARAMETER
  )
}

/**
 * Whether the peer that opened `newer` cannot know of `established` any more. RFC 4724 §4.2 lets a
 * connection be enough; we wait for its OPEN, which a stranger would have to know how to write.
 */
function hasRestarted(newer: Fsm, established: Fsm): boolean {
  return (
    newer.incoming &&
    established.negotiated?.gracefulRestart !== undefined &&
    newer.enteredAt >= after(established.enteredAt, COLLIDES_WITHIN)
  )
}

const PROGRESS: Readonly<Record<ConnectionState, number>> = {
  Idle: 0,
  Connect: 1,
  OpenSent: 2,
  OpenConfirm: 3,
  Established: 4,
}
