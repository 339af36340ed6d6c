import { type Millis, millis, NEVER } from '../../base/index.ts'

/** Who removes a route of ours again and again is met with patience, not with a loop. */

/** Repairs that are made at once. */
const REPAIRS_AT_ONCE = 5

/** A prefix that was quiet for so long starts over. */
const FORGET = millis(10_000)

/** The first pause; each further one is twice as long. */
const PAUSE_MIN = millis(100)
const PAUSE_MAX = millis(30_000)

/**
 * Prefixes that are remembered; beyond it the one that began first is forgotten, and repaired at
 * once.
 */
export const FIGHTS_MAX = 4_096

interface Fight {
  times: number
  last: Millis
  /** the route is not put back before */
  until: Millis
}

/**
 * How often each prefix of one family had to be put back lately, by row.
 *
 * Limit: `FIGHTS_MAX` prefixes (docs/LIMITS.md). Insertion order is age: deterministic.
 */
export class Fights {
  readonly #fights = new Map<number, Fight>()
  #next: Millis = NEVER

  /** When a pause may end; NEVER when there is none. May be too early, never too late. */
  get next(): Millis {
    return this.#next
  }

  /** Counts a loss. Answers how many there were and how long the repair has to wait. */
  lost(row: number, now: Millis): { readonly times: number; readonly pause: Millis } {
    let fight = this.#fights.get(row)
    if (fight === undefined || now - fight.last > FORGET + Math.max(0, fight.until - fight.last)) {
      this.#fights.delete(row)
      if (this.#fights.size >= FIGHTS_MAX) this.#forgetOldest()
      fight = { times: 0, last: now, until: now }
      this.#fights.set(row, fight)
    }
    fight.times++
    fight.last = now
    const over = fight.times - REPAIRS_AT_ONCE
    const pause = millis(over <= 0 ? 0 : Math.min(PAUSE_MIN * 2 ** (over - 1), PAUSE_MAX))
    fight.until = millis(now + pause)
    if (pause > 0 && fight.until < this.#next) this.#next = fight.until
    return { times: fight.times, pause }
  }

  /** True while the repair of `row` has to wait. */
  paused(row: number, now: Millis): boolean {
    const fight = this.#fights.get(row)
    return fight !== undefined && fight.until > now
  }

  /** The row is used for another prefix from now on. */
  forget(row: number): void {
    this.#fights.delete(row)
  }

  /** Rows whose pause has ended by `now`. O(fights), at most once a pause. */
  due(now: Millis): number[] {
    const rows: number[] = []
    if (now < this.#next) return rows
    this.#next = NEVER
    for (const [row, fight] of this.#fights) {
      if (fight.until <= fight.last) continue
      if (fight.until <= now) {
        fight.until = fight.last
        rows.push(row)
      } else if (fight.until < this.#next) this.#next = fight.until
    }
    return rows
  }

  #forgetOldest(): void {
    for (const row of this.#fights.keys()) {
      this.#fights.delete(row)
      return
    }
  }
}
