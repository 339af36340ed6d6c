import type { Engine, Millis } from '../../core/base/index.ts'
import { now } from './now.ts'

/**
 * Runs an engine: the whole edge for time and fairness.
 *
 *   I/O -> deliver -> handle          at once, so that a keepalive never waits for a table
 *   setImmediate -> Tick if due       timers are served between two slices too
 *                -> work(budget)      a bounded slice; more of it after the next I/O
 *   nothing waiting -> sleep          until the engine's deadline, or sleepMax; then I/O first
 *
 * What the engine throws is our own fault (an InvariantError): it is not caught, and ends the
 * process.
 */

/** The event that the loop itself makes: a timer of the engine may be due. */
export interface Tick {
  readonly type: 'Tick'
}

/** Where the loop gets time and turns from: the runtime, or a test. */
export interface LoopHost {
  now(): Millis
  /** Calls `run` once, after pending I/O. */
  soon(run: () => void): void
  /** Calls `run` once after `delay` (finite); the answer cancels it. */
  later(run: () => void, delay: Millis): () => void
}

/** How a loop shares its thread. */
export interface LoopOptions {
  /** rows of table work between two looks at I/O; 1,000 rows are about 2 ms */
  readonly budget?: number
  /** longest sleep: a bound on what a wrong deadline could cost */
  readonly sleepMax?: Millis
  readonly host?: LoopHost
}

/** Rows of table work in one slice. Measured: a 10 ms tick was at most 5 ms late while draining. */
const BUDGET = 1_000

/** Longest sleep. The runtime takes more than 2^31 ms for 1 ms, so Infinity is never asked for. */
const SLEEP_MAX = 60_000 as Millis

const TICK: Tick = { type: 'Tick' }

const RUNTIME: LoopHost = {
  now,
  soon(run) {
    setImmediate(run)
  },
  later(run, delay) {
    const timer = setTimeout(run, delay)
    return () => clearTimeout(timer)
  },
}

/** One engine on the thread of its process. Each call costs O(1) beside the engine's own work. */
export class Loop<Event> {
  readonly #engine: Engine<Event | Tick>
  readonly #budget: number
  readonly #sleepMax: Millis
  readonly #host: LoopHost
  #turnAsked = false
  #wakeAt: number | undefined
  #cancelWake: (() => void) | undefined
  #closed = false

  constructor(engine: Engine<Event | Tick>, options: LoopOptions = {}) {
    this.#engine = engine
    this.#budget = options.budget ?? BUDGET
    this.#sleepMax = options.sleepMax ?? SLEEP_MAX
    this.#host = options.host ?? RUNTIME
  }

  /**
   * Hands `event` to the engine now; its table work follows after pending I/O. Nothing after
   * `close`.
   */
  deliver(event: Event): void {
    if (this.#closed) return
    this.#engine.handle(event, this.#host.now())
    this.#askTurn()
  }

  /** Stops: no event, no work and no timer reaches the engine any more. */
  close(): void {
    this.#closed = true
    this.#cancelWake?.()
    this.#cancelWake = undefined
  }

  #askTurn(): void {
    if (this.#turnAsked) return
    this.#turnAsked = true
    this.#host.soon(this.#turn)
  }

  readonly #turn = (): void => {
    this.#turnAsked = false
    if (this.#closed) return
    if (this.#engine.deadline() <= this.#host.now()) this.#engine.handle(TICK, this.#host.now())
    if (this.#engine.work(this.#budget, this.#host.now())) this.#askTurn()
    else this.#sleep()
  }

  #sleep(): void {
    const deadline = this.#engine.deadline()
    // a wake that comes first is enough: it looks again
    if (this.#wakeAt !== undefined && this.#wakeAt <= deadline) return
    this.#cancelWake?.()
    const time = this.#host.now()
    const delay = Math.max(0, Math.min(Math.ceil(deadline - time), this.#sleepMax)) as Millis
    this.#wakeAt = time + delay
    this.#cancelWake = this.#host.later(this.#wake, delay)
  }

  readonly #wake = (): void => {
    this.#wakeAt = undefined
    this.#cancelWake = undefined
    // Not the turn itself: the runtime's timers come before its I/O. A process that was stopped has
    // keepalives in its sockets, and would take their senders for silent.
    this.#askTurn()
  }
}
