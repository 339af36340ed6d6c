import { after, type Millis, millis, NEVER, type Prng } from '../../base/index.ts'
import type { KernelOutput } from '../ports.ts'
import type { Shared } from '../table/route-table.ts'

/** When to read the whole table: at start, now and then, and when something does not fit. */

/** The shortest time between a doubt and the dump that answers it; doubled while doubts go on. */
const DOUBT_MIN = millis(20)
const DOUBT_MAX = millis(30_000)

/** A dump may take one part in so many of the time: the next one waits for the rest. */
const SHARE = 5

/** After a dump that failed or was interrupted. */
const RETRY = millis(200)

/**
 * Schedules dumps. One runs at a time; what asks for one meanwhile gets another after it.
 *
 * A big table takes long to read, so a dump that took 200 ms is not followed by another within 800
 * ms. A doubt that comes back after each dump is met less and less often, at most every
 * `DOUBT_MAX`; dumps that something else asked for, a link that went, say nothing of doubts.
 */
export class Dumps {
  /** the last one that was complete; 0 before the first */
  completed = 0
  lastSync: Millis | undefined
  readonly #output: KernelOutput
  readonly #shared: Shared
  readonly #chance: Prng
  readonly #resync: Millis
  #running = false
  #startedAt: Millis = millis(0)
  #dueAt: Millis = millis(Number.NEGATIVE_INFINITY)
  #notBefore: Millis = millis(Number.NEGATIVE_INFINITY)
  #wantedAt: Millis = NEVER
  /** one after the other, and when the last one was answered */
  #doubts = 0
  #doubtedAt: Millis = millis(Number.NEGATIVE_INFINITY)
  #isDoubted = false

  constructor(output: KernelOutput, shared: Shared, chance: Prng, resync: Millis) {
    this.#output = output
    this.#shared = shared
    this.#chance = chance
    this.#resync = resync
  }

  /** When a dump is to start; NEVER while one runs. */
  get next(): Millis {
    return this.#running ? NEVER : this.#dueAt
  }

  /** A dump is wanted, `delay` after `now` at the earliest. */
  ask(now: Millis, delay: Millis = millis(0)): void {
    const at = after(now, delay)
    if (this.#running) this.#wantedAt = millis(Math.min(this.#wantedAt, at))
    else this.#dueAt = millis(Math.min(this.#dueAt, Math.max(at, this.#notBefore)))
  }

  /** Something does not fit what is known. */
  doubt(now: Millis): void {
    // doubts that stay away for a whole interval are forgotten
    if (now - this.#doubtedAt >= this.#resync * 0.9) this.#doubts = 0
    this.#isDoubted = true
    const delay = Math.min(DOUBT_MIN * 2 ** this.#doubts, DOUBT_MAX, this.#resync)
    this.ask(now, millis(delay))
  }

  /** Starts one: `next` has come. */
  start(now: Millis): void {
    if (this.#isDoubted) {
      this.#isDoubted = false
      this.#doubts = Math.min(this.#doubts + 1, 16)
      this.#doubtedAt = now
    }
    this.#running = true
    this.#startedAt = now
    this.#wantedAt = NEVER
    this.#shared.dump++
    this.#output.dump(this.#shared.dump)
  }

  /** The dump `dump` has ended. True when it tells what is. */
  ended(dump: number, complete: boolean, why: string | undefined, now: Millis): boolean {
    if (!this.#running || dump !== this.#shared.dump) return false
    this.#running = false
    const took = now - this.#startedAt
    this.#notBefore = after(now, millis(took * (SHARE - 1)))
    if (!complete) {
      this.#output.note({ code: 'KERNEL_DUMP_FAILED', why: why ?? 'interrupted', retry: RETRY })
      this.#dueAt = after(now, millis(Math.max(RETRY, took)))
      return false
    }
    if (this.completed === 0) this.adoptedIn = millis(took)
    this.completed = dump
    this.lastSync = now
    this.#dueAt = after(now, millis(this.#resync * (0.9 + this.#chance.next() / 5)))
    if (this.#wantedAt !== NEVER) this.ask(this.#wantedAt)
    return true
  }

  /** how long the first one took */
  adoptedIn: Millis = millis(0)
}
