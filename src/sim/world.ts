import { Heap, type Millis, millis, Prng } from '../core/base/index.ts'

/**
 * A world with a virtual clock: everything that happens is an action at a time, in one heap.
 *
 * One integer seed decides all chance, so one seed replays one run. Actions of one time run in the
 * order in which they were asked for.
 */

interface Action {
  readonly at: Millis
  readonly sequence: number
  readonly run: () => void
}

/** The clock, chance, and what is still to happen. */
export class World {
  readonly seed: number
  readonly chance: Prng
  readonly #actions = new Heap<Action>((a, b) => a.at - b.at || a.sequence - b.sequence)
  #now = millis(0)
  #sequence = 0
  #steps = 0
  /** called after every action: checks that hold at each step */
  afterStep: (() => void) | undefined

  constructor(seed: number) {
    this.seed = seed
    this.chance = new Prng(seed)
  }

  get now(): Millis {
    return this.#now
  }

  /** Actions that have run: what a failure names beside the seed. */
  get steps(): number {
    return this.#steps
  }

  /** Runs `run` after `delay`; at once, but not before this action ends, for 0. */
  after(delay: number, run: () => void): void {
    const at = millis(this.#now + Math.max(0, delay))
    this.#actions.push({ at, sequence: this.#sequence++, run })
  }

  /** Runs all that happens within `duration` from now; the clock then stands at its end. */
  run(duration: number): void {
    const end = millis(this.#now + duration)
    while (this.#step(end)) {
      // each step is an action
    }
    this.#now = end
  }

  /**
   * Runs until `holds`, asked after every action.
   *
   * @returns false if it did not within `duration`
   */
  until(holds: () => boolean, duration: number): boolean {
    const end = millis(this.#now + duration)
    while (!holds()) if (!this.#step(end)) return holds()
    return true
  }

  #step(end: Millis): boolean {
    const next = this.#actions.peek()
    if (next === undefined || next.at > end) return false
    this.#actions.pop()
    this.#now = next.at
    this.#steps++
    next.run()
    this.afterStep?.()
    return true
  }
}
