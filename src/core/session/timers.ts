import { after, type Millis, millis, NEVER, type Prng, seconds } from '../base/index.ts'

/**
 * RFC 4271 §8.2.2: "sets the HoldTimer to a large value"; "A HoldTimer value of 4 minutes is
 * suggested"
 */
export const LONG_HOLD = seconds(240)

/** A connection that is younger may be counted on, though its OPEN has not come. */
export const OPEN_EXPECTED = seconds(10)

/** RFC 4271 §4.4: KEEPALIVEs "MUST NOT be sent more frequently than one per second" */
export const KEEPALIVE_MIN = seconds(1)

/**
 * For how long a peer may take nothing of what we say. RFC 9687 §6: eight minutes, or twice the
 * hold time where that is more. Departs from its §4.3 for a hold time of 0, where it would not run
 * at all: such a peer would never be told anything again, and hold what waits for it.
 */
export function sendHold(holdSeconds: number): Millis {
  return seconds(Math.max(480, 2 * holdSeconds))
}

/**
 * The timers of one connection: deadlines, not callbacks. To restart one is to write a number.
 */
export class Timers {
  /** a connection that is being opened is given up. RFC 4271 §8.2.2, Event 9 */
  connectRetry: Millis = NEVER
  /** the peer has been silent for too long. Event 10 */
  hold: Millis = NEVER
  /** our next KEEPALIVE. Event 11 */
  keepalive: Millis = NEVER

  /** we wait no longer for the peer to say OPEN first. Event 12 */
  delayOpen: Millis = NEVER
  /** the peer has taken nothing of what waits for it. RFC 9687 §4.2, Event 29 */
  sendHold: Millis = NEVER

  /** When the first of them is due; NEVER where none runs. */
  earliest(): Millis {
    const { connectRetry, hold, keepalive, delayOpen, sendHold } = this
    return millis(Math.min(connectRetry, hold, keepalive, delayOpen, sendHold))
  }

  /** Stops all of them. */
  clear(): void {
    this.connectRetry = NEVER
    this.hold = NEVER
    this.keepalive = NEVER
    this.delayOpen = NEVER
    this.sendHold = NEVER
  }
}

/**
 * `duration` from `now`, shortened by up to a quarter. RFC 4271 §10
 */
export function jittered(now: Millis, duration: Millis, chance: Prng): Millis {
  return after(now, millis(duration * (0.75 + 0.25 * chance.next())))
}
