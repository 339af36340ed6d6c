import { after, type Millis, millis, NEVER, seconds } from '../base/index.ts'
import {
  type Capability,
  EXTENDED_MESSAGE_MAX,
  encodeKeepalive,
  encodeNotification,
  encodeOpen,
  MESSAGE_MAX,
  MESSAGE_TYPES,
  type Notification,
} from '../wire/index.ts'
import type { FsmOwner } from './fsm-owner.ts'
import { offer } from './offer.ts'
import { jittered, KEEPALIVE_MIN, type Timers } from './timers.ts'
import type { ConnectionId } from './types.ts'

/** What one connection says: every message of ours leaves here, and is counted. */
export class Outbound {
  readonly #connection: ConnectionId
  readonly #owner: FsmOwner
  readonly #timers: Timers
  #offered: readonly Capability[] = []
  #keepaliveAt: Millis = NEVER

  /** @param timers  those of the connection: its KEEPALIVE timer is restarted here */
  constructor(connection: ConnectionId, owner: FsmOwner, timers: Timers) {
    this.#connection = connection
    this.#owner = owner
    this.#timers = timers
  }

  /** The capabilities of our OPEN; none before it was said. */
  get offered(): readonly Capability[] {
    return this.#offered
  }

  /**
   * Says OPEN. Returns the octets of the longest message that the peer may send from now on: RFC
   * 8654 §4 asks who offers longer ones to take them, whatever the peer offers.
   */
  open(): number {
    const ours = offer(this.#owner.config, this.#owner.standing())
    const open = this.#owner.capable ? ours : { ...ours, capabilities: [] }
    this.#offered = open.capabilities
    this.messages(encodeOpen(open))
    const longer = open.capabilities.some(({ type }) => type === 'extended-message')
    return longer ? EXTENDED_MESSAGE_MAX : MESSAGE_MAX
  }

  /** Says why the connection ends. */
  notification(reason: Notification): void {
    this.#owner.counters.notificationsOut++
    this.messages(encodeNotification(reason))
  }

  /**
   * Says KEEPALIVE, and times the next at a third of the hold time, or sooner where that is
   * configured, jittered. RFC 4271 §4.4, §10
   */
  keepalive(holdSeconds: number, now: Millis): void {
    this.#keepaliveAt = now
    this.#timers.keepalive = NEVER
    if (holdSeconds > 0) {
      const third = millis(seconds(holdSeconds) / 3)
      const interval = millis(Math.min(this.#owner.config.keepalive ?? third, third))
      const next = jittered(now, interval, this.#owner.chance)
      this.#timers.keepalive = millis(Math.max(next, after(now, KEEPALIVE_MIN)))
    }
    this.messages(encodeKeepalive())
  }

  /** A KEEPALIVE out of turn, at most one a second: RFC 4271 §4.4. */
  probe(holdSeconds: number, now: Millis): void {
    if (now >= after(this.#keepaliveAt, KEEPALIVE_MIN)) this.keepalive(holdSeconds, now)
  }

  /** Whole messages, one after another. */
  messages(bytes: Uint8Array): void {
    const { counters, output } = this.#owner
    counters.octetsOut += bytes.length
    for (let at = 0; at + 18 < bytes.length; at += (bytes[at + 16]! << 8) | bytes[at + 17]!) {
      counters.messagesOut++
      if (bytes[at + 18] === MESSAGE_TYPES.UPDATE) counters.updatesOut++
    }
    output.send(this.#connection, bytes)
  }
}
