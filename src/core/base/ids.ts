/**
 * Branded numbers and strings: a value with a type of its own, at no cost when running.
 *
 * A `PeerId` cannot index a path column, and seconds cannot be passed where milliseconds are meant.
 */

declare const brand: unique symbol

/** `Kind` with the name `Name` written on it. Made only by the functions that own the name. */
export type Brand<Kind, Name extends string> = Kind & { readonly [brand]: Name }

/**
 * A monotonic time or a duration, in milliseconds. Seconds exist only on the wire and in
 * configuration.
 */
export type Millis = Brand<number, 'Millis'>

/** `value` milliseconds. */
export const millis = (value: number): Millis => value as Millis

/** `value` seconds, as milliseconds. */
export const seconds = (value: number): Millis => (value * 1000) as Millis

/** The time `duration` after `now`. */
export const after = (now: Millis, duration: Millis): Millis => (now + duration) as Millis

/** The deadline of something that is not timed. Never pass it to a timer of the runtime. */
export const NEVER: Millis = Number.POSITIVE_INFINITY as Millis
