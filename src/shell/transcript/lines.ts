/**
 * A line of a transcript and the values in it, as JSON.
 *
 *   {"seed":7,"fibPatience":3000}                      the first: what the speaker was made with
 *   {"at":12.5,"event":{"type":"Tick"}}                 it was told
 *   {"at":12.5,"work":1000}                            it was given so many rows of table work
 *   {"at":12.5,"tables":{...}}                         it was asked for a snapshot, which this is
 *   {"out":["send",3,{"octets":"ffff..."}]}             it did this, because of the line before
 *   {"cut":true}                                       the rest was too long
 *
 * Times are milliseconds of the speaker's own clock. Octets are hexadecimal; passwords are not
 * written.
 */
import type { Millis } from '../../core/base/index.ts'
import type { SpeakerEvent, SpeakerSnapshot } from '../../core/speaker/index.ts'

/** What a speaker is made with. */
export interface TranscriptHead {
  /** of its `Prng` */
  readonly seed: number
  readonly fibPatience: Millis
}

/** One line, read. */
export type Line =
  | TranscriptHead
  | { readonly at: Millis; readonly event: SpeakerEvent }
  | { readonly at: Millis; readonly work: number }
  | { readonly at: Millis; readonly tables: SpeakerSnapshot }
  | { readonly out: readonly unknown[] }
  | { readonly cut: true }

const REDACTED = '(not written)'

/** A line as text, without its end. O(size of the value). */
export const encodeLine = (line: object): string => JSON.stringify(plain(line))

/** Octets and infinities as JSON can say them. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return { octets: Buffer.from(value).toString('hex') }
  if (typeof value === 'number' && !Number.isFinite(value)) return { number: String(value) }
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, key === 'password' ? REDACTED : plain(one)]),
  )
}

/** A line from its text. What is not JSON throws: transcripts are ours. */
export const readLine = (text: string): Line => JSON.parse(text, revive)

function revive(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if ('octets' in value && typeof value.octets === 'string')
    return Uint8Array.from(Buffer.from(value.octets, 'hex'))
  return 'number' in value && typeof value.number === 'string' ? Number(value.number) : value
}
