import type { Millis } from './ids.ts'

/**
 * The shape of both halves: a machine that takes events and time, and does its table work in
 * slices.
 *
 * One loop (shell/clock) runs either half; the simulator runs hundreds. Effects leave by a port
 * that the engine was given when it was made; a port's method returns nothing and may not call
 * back.
 */
export interface Engine<Event> {
  /**
   * Takes one event. Its cost does not depend on table sizes. Never throws for what a peer sent.
   */
  handle(event: Event, now: Millis): void
  /** Does at most `budget` rows of table work. True when more is waiting. */
  work(budget: number, now: Millis): boolean
  /** When a `Tick` is due next; `NEVER` if nothing is timed. */
  deadline(): Millis
}
