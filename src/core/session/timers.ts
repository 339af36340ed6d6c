import { after, type Millis, millis, NEVER, type Prng } from '../base/index.ts'

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

  /** When the first of them is due; NEVER where none runs. */
  earliest(): Millis {
    return millis(Math.min(this.connectRetry, this.hold, this.keepalive))
  }

  /** Stops all of them. */
  clear(): void {
    this.connectRetry = NEVER
    this.hold = NEVER
    this.keepalive = NEVER
  }
}

/**
 * `duration` from `now`, shortened by up to a quarter. RFC 4271 §10
 */
export function jittered(now: Millis, duration: Millis, chance: Prng): Millis {
  return after(now, millis(duration * (0.75 + 0.25 * chance.next())))
}
