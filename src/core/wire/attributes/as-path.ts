import type { Reader, Writer } from '../../base/index.ts'
import { AS_TRANS } from '../../net/index.ts'
import { FLAG, UPDATE_ERROR } from '../iana.ts'
import type { AsPathSegment } from '../message.ts'
import type { AttributeSpec } from './spec.ts'

/**
 * AS_PATH, and the segments that AS4_PATH shares with it.
 *
 *   octet  0    segment type: 1 set, 2 sequence, 3 confederation sequence, 4 confederation set
 *   octet  1    how many AS numbers
 *   octets 2…   that many numbers of two or four octets, as the session agreed
 */

/** AS numbers in one segment: their count is one octet. RFC 4271 §4.3 */
export const SEGMENT_ASNS_MAX = 255

const SEGMENT_TYPES = ['set', 'sequence', 'confed-sequence', 'confed-set'] as const

/** AS_PATH. Its numbers are four octets wide in `PathAttributes`, whatever the session. */
export const AS_PATH: AttributeSpec<'asPath'> = {
  key: 'asPath',
  code: 2,
  name: 'AS_PATH',
  flags: FLAG.TRANSITIVE,
  rfc: 'RFC 4271 §5.1.2, RFC 6793 §4; errors RFC 7606 §7.2, RFC 5065 §5, RFC 7607 §2',
  onMalformed: 'treat-as-withdraw',
  subcode: UPDATE_ERROR.MALFORMED_AS_PATH,
  // what does not add up is malformed, not too long: the subcode differs
  length: () => true,
  decode(from, context) {
    const segments = readSegments(from, context.fourOctetAs)
    // RFC 5065 §5: a confederation's own segments do not leave it
    return context.ebgp && segments?.some(isConfederation) ? undefined : segments
  },
  encode(segments, to, context) {
    writeSegments(segments, to, context.fourOctetAs)
  },
}

/** True for the segments that count nothing and stay inside a confederation. RFC 5065 §3 */
export function isConfederation(segment: AsPathSegment): boolean {
  return segment.type === 'confed-sequence' || segment.type === 'confed-set'
}

/** RFC 4271 §5.1.2 (b): numbers in front of the path, in a sequence. */
export function prepended(
  path: readonly AsPathSegment[],
  front: readonly number[],
): readonly AsPathSegment[] {
  const [first, ...rest] = path
  if (first?.type === 'sequence' && first.asns.length + front.length <= SEGMENT_ASNS_MAX)
    return [{ type: 'sequence', asns: [...front, ...first.asns] }, ...rest]
  return [{ type: 'sequence', asns: front }, ...path]
}

/**
 * Reads segments up to the end; undefined where a segment is of no known type, empty, or runs past
 * the end (RFC 7606 §7.2), or names AS 0 (RFC 7607 §2).
 */
export function readSegments(from: Reader, fourOctetAs: boolean): AsPathSegment[] | undefined {
  const segments: AsPathSegment[] = []
  while (from.remaining > 0) {
    const type = SEGMENT_TYPES[from.u8() - 1]
    const count = from.u8()
    if (type === undefined || count === 0 || count * (fourOctetAs ? 4 : 2) > from.remaining)
      return undefined
    const asns: number[] = []
    for (let at = 0; at < count; at++) {
      const asn = fourOctetAs ? from.u32() : from.u16()
      if (asn === 0) return undefined
      asns.push(asn)
    }
    segments.push({ type, asns })
  }
  return segments
}

/**
 * Writes segments. A sequence of more than 255 numbers becomes several, which means the same; a set
 * of more cannot be written, as two sets would count as two ASes.
 */
export function writeSegments(
  segments: readonly AsPathSegment[],
  to: Writer,
  fourOctetAs: boolean,
): void {
  for (const { type, asns } of segments) {
    const isSet = type === 'set' || type === 'confed-set'
    if (isSet && asns.length > SEGMENT_ASNS_MAX) to.overflow = true
    for (let start = 0; start < asns.length; start += SEGMENT_ASNS_MAX) {
      const part = asns.slice(start, start + SEGMENT_ASNS_MAX)
      to.u8(SEGMENT_TYPES.indexOf(type) + 1)
      to.u8(part.length)
      for (const asn of part)
        if (fourOctetAs) to.u32(asn)
        else to.u16(asn > 0xffff ? AS_TRANS : asn)
    }
  }
}
