import { after, type Millis, millis, NEVER, seconds } from '../base/index.ts'
import {
  type Capability,
  CEASE,
  cease,
  decodeNotification,
  decodeOpen,
  decodeRouteRefresh,
  ERROR_CODES,
  type Fault,
  Framer,
  familyOfAfiSafi,
  MESSAGE_TYPES,
  type Negotiated,
  type Notification,
  notification,
  REFRESH_SUBTYPE,
} from '../wire/index.ts'
import {
  type ConnectionState,
  causeOf,
  type EndCause,
  keepsRoutes,
  type MessageName,
  type Move,
  unexpected,
  worded,
} from './ending.ts'
import type { FsmOwner } from './fsm-owner.ts'
import { explain, negotiate } from './negotiation.ts'
import { optionsOf } from './options.ts'
import { Outbound } from './outbound.ts'
import { jittered, LONG_HOLD, OPEN_EXPECTED, sendHold, Timers } from './timers.ts'
import type { Capabilities, ConnectionId, SessionError } from './types.ts'

/**
 * The FSM of one connection, from its opening to its end. RFC 4271 §8.
 *
 *   Idle --> Connect --> OpenSent --> OpenConfirm --> Established
 *     ^         |            |             |               |
 *     +---------+------------+-------------+---------------+      whatever happens, by one door
 *
 * An accepted connection begins in OpenSent. With DelayOpen (RFC 4271 §8.1.1) a connection that is
 * open stays in Connect until the peer has said its OPEN, or the timer is due; RFC 4271 calls that
 * Active where the peer opened it. Waiting for a connection (Active, and Idle with a timer) is the
 * peer's: see peer-session.ts, which also decides between two connections. An FSM that has come
 * back to Idle is done with; it is never used again.
 *
 * `#enter` alone writes the state, and what belongs to a state is started and ended there: an event
 * cannot forget to clean up.
 */
export class Fsm {
  readonly connection: ConnectionId
  /** the peer opened it */
  readonly incoming: boolean
  readonly #owner: FsmOwner
  readonly #timers = new Timers()
  readonly #outbound: Outbound
  readonly #framer = new Framer()
  #state: ConnectionState = 'Idle'
  #negotiated: Negotiated | undefined
  #theirs: readonly Capability[] = []
  #enteredAt: Millis = NEVER
  #now: Millis = millis(0)

  constructor(connection: ConnectionId, incoming: boolean, owner: FsmOwner) {
    this.connection = connection
    this.incoming = incoming
    this.#owner = owner
    this.#outbound = new Outbound(connection, owner, this.#timers)
  }

  /** When the present state was entered. */
  get enteredAt(): Millis {
    return this.#enteredAt
  }

  get state(): ConnectionState {
    return this.#state
  }

  /** From OpenConfirm on. */
  get negotiated(): Negotiated | undefined {
    return this.#negotiated
  }

  /** What both OPENs offered; nothing where one was not said, or did not agree. */
  get capabilities(): Capabilities {
    return { offered: this.#outbound.offered, received: this.#theirs }
  }

  /** Whether an OPEN was heard, or may still be expected: what counts in a collision. */
  isPromising(now: Millis): boolean {
    if (this.#state === 'OpenConfirm') return true
    return this.#state === 'OpenSent' && now < after(this.#enteredAt, OPEN_EXPECTED)
  }

  /** Begins: opens the connection, or takes one that was accepted. */
  begin(why: string, now: Millis): void {
    const delays = optionsOf(this.#owner.config).delayOpen !== undefined
    this.#enter({ to: this.incoming && !delays ? 'OpenSent' : 'Connect', why }, now)
  }

  /** Events 16 and 17: the connection is open. */
  connected(now: Millis): void {
    if (this.#state !== 'Connect' || this.#delays) return
    const { delayOpen } = optionsOf(this.#owner.config)
    if (delayOpen === undefined) this.#enter({ to: 'OpenSent', why: 'connected' }, now)
    else this.#delay(delayOpen, now)
  }

  /** Event 18: it could not be opened, or is no more. */
  lost(why: string, now: Millis): void {
    this.#end('lost', { direction: 'local', text: why, at: now }, now)
  }

  /** Sends `reason` where a peer listens, and ends. `why` is for our operator. */
  fail(reason: Notification, why: string, now: Millis): void {
    if (this.#state === 'Idle') return
    // RFC 4271 §8.1.1: SendNOTIFICATIONwithoutOPEN is true where somebody listens
    if (this.#state === 'Connect' && !this.#delays) {
      this.lost(why, now)
      return
    }
    const farewell = this.#state === 'Established' ? worded(reason, this.#negotiated) : reason
    this.#outbound.notification(farewell)
    const { code, subcode } = farewell
    const error: SessionError = { direction: 'sent', code, subcode, text: why, at: now }
    this.#end(causeOf(farewell), error, now)
  }

  /** RFC 4724 §5: the peer has come back on another connection, before this one was seen to go. */
  superseded(now: Millis): void {
    this.lost('the peer came back on another connection: it has restarted', now)
  }

  /** RFC 4271 §6.8: another connection to the same peer is kept. */
  collided(now: Millis): void {
    if (this.#state === 'Connect' && !this.#delays) {
      const text = 'the peer has connected to us'
      this.#end('collision', { direction: 'local', text, at: now }, now)
    } else
      this.fail(cease(CEASE.CONNECTION_COLLISION_RESOLUTION), 'another connection is kept', now)
  }

  /**
   * A KEEPALIVE out of turn, at most one a second (RFC 4271 §4.4): where the peer has forgotten the
   * connection, its kernel answers with a reset, long before the hold time is over.
   */
  probe(now: Millis): void {
    if (this.#state === 'Established') this.#outbound.probe(this.#holdSeconds, now)
  }

  /** Bytes as TCP gave them. */
  received(chunk: Uint8Array, now: Millis): void {
    if (this.#state === 'Idle' || (this.#state === 'Connect' && !this.#delays)) return
    this.#owner.counters.octetsIn += chunk.length
    this.#now = now
    const fault = this.#framer.push(chunk, this.#take)
    // Events 21 and 22
    if (fault !== undefined) this.#refuse(fault, now)
  }

  /** Sends whole messages of the owner's while Established. */
  send(bytes: Uint8Array): void {
    if (this.#state === 'Established') this.#outbound.messages(bytes)
  }

  /**
   * RFC 9687 §4.3: what we send waits, or some of it has left and the rest waits; where nothing is
   * taken for long enough the peer is given up.
   */
  blocked(now: Millis): void {
    if (this.#state === 'Established')
      this.#timers.sendHold = after(now, sendHold(this.#holdSeconds))
  }

  /** All that waited has left. */
  unblocked(): void {
    this.#timers.sendHold = NEVER
  }

  /** Runs the timers that are due. */
  tick(now: Millis): void {
    const timers = this.#timers
    if (now >= timers.connectRetry) {
      const text = `the peer did not answer within ${this.#owner.config.connectRetry / 1000} s`
      this.#end('unanswered', { direction: 'local', text, at: now }, now)
    }
    if (now >= timers.delayOpen)
      this.#enter({ to: 'OpenSent', why: 'the peer says no OPEN of its own accord' }, now)
    if (now >= timers.sendHold) {
      const text = `the peer took nothing of ours for ${sendHold(this.#holdSeconds) / 1000} s`
      this.fail(notification(ERROR_CODES.SEND_HOLD_TIMER_EXPIRED, 0), text, now)
    }
    if (now >= timers.hold)
      this.fail(notification(ERROR_CODES.HOLD_TIMER_EXPIRED, 0), this.#silence(), now)
    if (now >= timers.keepalive) this.#outbound.keepalive(this.#holdSeconds, now)
  }

  /** When `tick` is due; NEVER without a timer. */
  deadline(): Millis {
    return this.#timers.earliest()
  }

  /** The one door between states. */
  #enter(move: Move, now: Millis): void {
    const { connection } = this
    const { output, config, counters, chance } = this.#owner
    const last = this.#state
    const lasted = millis(now - this.#enteredAt)
    this.#state = move.to
    this.#enteredAt = now
    output.moved(connection, last, move.to, move.to === 'Idle' ? move.error.text : move.why)
    switch (move.to) {
      case 'Connect':
        if (this.incoming) {
          this.#delay(optionsOf(config).delayOpen ?? millis(0), now)
          return
        }
        this.#timers.connectRetry = jittered(now, config.connectRetry, chance)
        output.connect(connection)
        return
      case 'OpenSent':
        this.#timers.connectRetry = NEVER
        this.#timers.delayOpen = NEVER
        this.#timers.hold = after(now, LONG_HOLD)
        this.#framer.messageMax = this.#outbound.open()
        return
      case 'OpenConfirm':
        this.#timers.delayOpen = NEVER
        // Event 20
        if (last === 'Connect') this.#framer.messageMax = this.#outbound.open()
        this.#negotiated = move.negotiated
        this.#theirs = move.theirs
        this.listened(now)
        this.#outbound.keepalive(this.#holdSeconds, now)
        return
      case 'Established':
        counters.established++
        output.up(connection, move.negotiated, this.#theirs)
        return
      case 'Idle':
        this.#timers.clear()
        output.close(connection)
        if (last === 'Established')
          output.down(connection, move.error, keepsRoutes(move, this.#negotiated))
        this.#owner.ended(this, { ...move, from: last, lasted }, now)
        return
      default:
        move satisfies never
    }
  }

  #end(cause: EndCause, error: SessionError, now: Millis): void {
    if (this.#state !== 'Idle') this.#enter({ to: 'Idle', cause, error }, now)
  }

  #refuse(fault: Fault, now: Millis): void {
    this.fail(fault.notification, fault.why, now)
  }

  /** Takes one message; false when there is nobody any more to take the next. */
  readonly #take = (type: number, body: Uint8Array): boolean => {
    const now = this.#now
    this.#owner.counters.messagesIn++
    this.listened(now)
    switch (type) {
      case MESSAGE_TYPES.UPDATE:
        this.#update(body, now)
        break
      case MESSAGE_TYPES.KEEPALIVE:
        this.#keepaliveReceived(now)
        break
      case MESSAGE_TYPES.NOTIFICATION:
        this.#notified(body, now)
        break
      case MESSAGE_TYPES.OPEN:
        this.#open(body, now)
        break
      default:
        this.#refresh(body, now)
    }
    return this.#state !== 'Idle'
  }

  /** Event 27. */
  #update(body: Uint8Array, now: Millis): void {
    if (this.#state !== 'Established') {
      this.#unexpected('UPDATE', now)
      return
    }
    this.#owner.counters.updatesIn++
    this.#owner.output.update(this.connection, body)
  }

  /** Event 26. */
  #keepaliveReceived(now: Millis): void {
    const negotiated = this.#negotiated
    if (this.#state === 'OpenSent' || negotiated === undefined) {
      this.#unexpected('KEEPALIVE', now)
      return
    }
    if (this.#state === 'OpenConfirm')
      this.#enter({ to: 'Established', why: 'KEEPALIVE received', negotiated }, now)
  }

  /** Events 24 and 25: in every state, and never answered. */
  #notified(body: Uint8Array, now: Millis): void {
    const received = decodeNotification(body)
    if ('remedy' in received) {
      // RFC 4271 §6.4: an error in a NOTIFICATION is not answered
      this.#end('disagreed', { direction: 'local', text: received.why, at: now }, now)
      return
    }
    this.#owner.counters.notificationsIn++
    const { code, subcode } = received
    const text = explain(received, this.#owner.config)
    this.#end(causeOf(received), { direction: 'received', code, subcode, text, at: now }, now)
  }

  /** Events 19, 20 and 22. */
  #open(body: Uint8Array, now: Millis): void {
    if (this.#state !== 'OpenSent' && this.#state !== 'Connect') {
      this.#unexpected('OPEN', now)
      return
    }
    const open = decodeOpen(body)
    if ('remedy' in open) {
      this.#refuse(open, now)
      return
    }
    const { capable, config } = this.#owner
    const negotiated = negotiate(config, capable ? open : { ...open, capabilities: [] })
    if ('remedy' in negotiated) {
      this.#refuse(negotiated, now)
      return
    }
    if (!this.#owner.prevails(this, negotiated, now)) {
      this.collided(now)
      return
    }
    const theirs = open.capabilities
    this.#enter({ to: 'OpenConfirm', why: 'OPEN received', negotiated, theirs }, now)
  }

  #refresh(body: Uint8Array, now: Millis): void {
    const negotiated = this.#negotiated
    if (this.#state !== 'Established' || negotiated === undefined) {
      this.#unexpected('ROUTE-REFRESH', now)
      return
    }
    const { enhancedRefresh, families } = negotiated
    const message = decodeRouteRefresh(body, enhancedRefresh)
    if ('remedy' in message) {
      this.#refuse(message, now)
      return
    }
    // RFC 2918 §4: of a family that was not agreed on it is ignored. The subtype means nothing
    // unless RFC 7313 was negotiated
    const family = familyOfAfiSafi(message.afi, message.safi)
    const subtype = enhancedRefresh ? message.subtype : REFRESH_SUBTYPE.REQUEST
    if (family === undefined || !families.includes(family)) return
    this.#owner.output.refresh(this.connection, { ...message, subtype })
  }

  /** RFC 4271 §6.6: a message that the state does not expect. */
  #unexpected(name: MessageName, now: Millis): void {
    const farewell = unexpected(name, this.#state)
    this.fail(farewell, `the peer sent ${name} in ${this.#state}`, now)
  }

  /** The peer was heard. OpenSent keeps its own, large value; a hold time of 0 has no timer. */
  listened(now: Millis): void {
    const hold = this.#holdSeconds
    if (hold > 0) this.#timers.hold = after(now, seconds(hold))
    else if (this.#negotiated !== undefined) this.#timers.hold = NEVER
  }

  /** The connection is open, and the peer is to say its OPEN first. */
  get #delays(): boolean {
    return this.#timers.delayOpen !== NEVER
  }

  #delay(duration: Millis, now: Millis): void {
    this.#timers.connectRetry = NEVER
    this.#timers.delayOpen = after(now, duration)
  }

  /** As agreed; 0 before, and where neither timer runs. */
  get #holdSeconds(): number {
    return this.#negotiated?.holdSeconds ?? 0
  }

  #silence(): string {
    if (this.#state === 'OpenSent') return `no OPEN from the peer within ${LONG_HOLD / 1000} s`
    return `nothing from the peer for ${this.#holdSeconds} s`
  }
}
