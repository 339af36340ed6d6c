import type { Millis } from '../../base/index.ts'

/** Times as people read them. The core has no clock, and so no Date: the calendar is arithmetic. */

/** An instant: `2026-11-20T10:20:30.123Z`. */
export type Instant = string

const DAY_MS = 86_400_000

/**
 * A monotonic time as the wall clock would have shown it, in UTC.
 *
 * @param epochOffset  wall clock less monotonic clock, in milliseconds
 */
export function instant(time: Millis, epochOffset: number): Instant {
  const epoch = Math.round(time + epochOffset)
  const day = Math.floor(epoch / DAY_MS)
  const ms = epoch - day * DAY_MS
  const pad = (value: number, digits: number): string => String(value).padStart(digits, '0')
  const hours = pad(Math.floor(ms / 3_600_000), 2)
  const minutes = pad(Math.floor(ms / 60_000) % 60, 2)
  const seconds = pad(Math.floor(ms / 1000) % 60, 2)
  return `${dateOf(day)}T${hours}:${minutes}:${seconds}.${pad(ms % 1000, 3)}Z`
}

/**
 * The Gregorian date of a day since 1970-01-01, counted in eras of 400 years that begin in March,
 * so that the leap day is the last of its year.
 */
function dateOf(day: number): string {
  const shifted = day + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  )
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153)
  const date = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  return `${year}-${String(month).padStart(2, '0')}-${String(date).padStart(2, '0')}`
}
