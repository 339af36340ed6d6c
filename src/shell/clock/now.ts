import { type Millis, millis } from '../../core/base/index.ts'

/**
 * The machine's clocks.
 *
 * Monotonic time is CLOCK_MONOTONIC: it never jumps, and is the same number in every process of one
 * machine, so a time in a snapshot means the same to the process that reads it. The wall clock is
 * read only to tell people when something was.
 */

/** Monotonic time, with fractions. Comparable between the processes of one machine. */
export function now(): Millis {
  const [seconds, nanoseconds] = process.hrtime()
  return millis(seconds * 1000 + nanoseconds / 1e6)
}

/**
 * What to add to a monotonic time to get milliseconds since 1970; changes when the wall clock is
 * set.
 */
export function wallOffset(): number {
  return Date.now() - now()
}
