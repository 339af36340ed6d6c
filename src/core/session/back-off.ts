import { type Millis, millis, type Prng } from '../base/index.ts'
import { jittered } from './timers.ts'

/**
 * How long to wait before a peer is tried again: 1, 2, 4 … 120 s where `connectRetry` is 120 s, and
 * in that proportion otherwise. RFC 4271 §8.1.1 (DampPeerOscillations, IdleHoldTimer) and §10 leave
 * the numbers open.
 */

/**
 * Two causes are counted apart. A peer that cannot be reached is waited for in Active, where its
 * own connection is welcome; one that was reached and did not agree is left alone, in Idle.
 */
export type Cause = 'unreachable' | 'disagreed'

/** First wait, as a share of `connectRetry`. */
const FIRST_SHARE = 1 / 120

/** Shortest first wait, so that a small `connectRetry` is no storm. */
const FIRST_MIN = millis(100)

/** A session that stayed Established for this share of `connectRetry` has begun afresh. */
const LIVED_SHARE = 1 / 12

/** Counts a peer's failures and answers with times. */
export class BackOff {
  readonly #most: Millis
  readonly #chance: Prng
  #failures: Record<Cause, number> = { unreachable: 0, disagreed: 0 }

  /** @param most  longest wait, before jitter */
  constructor(most: Millis, chance: Prng) {
    this.#most = most
    this.#chance = chance
  }

  /** Counts a failure; returns when to try again. */
  next(cause: Cause, now: Millis): Millis {
    const first = Math.max(FIRST_MIN, this.#most * FIRST_SHARE)
    const wait = Math.min(this.#most, first * 2 ** this.#failures[cause])
    this.#failures[cause]++
    return jittered(now, millis(wait), this.#chance)
  }

  /** Forgets the failures of before where a session was Established for long enough. */
  lived(duration: Millis): void {
    if (duration >= this.#most * LIVED_SHARE) this.reset()
  }

  /** Forgets all failures. */
  reset(): void {
    this.#failures = { unreachable: 0, disagreed: 0 }
  }
}
