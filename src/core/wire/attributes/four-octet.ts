import { AS_TRANS } from '../../net/index.ts'
import type { AsPathSegment, PathAttributes } from '../message.ts'
import { isConfederation } from './as-path.ts'
import type { Draft } from './spec.ts'

/**
 * Four-octet AS numbers past two-octet speakers. RFC 6793 §4.2.
 *
 * A two-octet session writes AS_TRANS for what does not fit, and the truth beside it, in AS4_PATH
 * and AS4_AGGREGATOR. Whoever reads it puts both together again.
 */

/**
 * Puts AS4_PATH and AS4_AGGREGATOR of `draft` into its AS_PATH and AGGREGATOR. RFC 6793 §4.2.3.
 */
export function mergeFourOctet(draft: Draft): void {
  const { asPath, as4Path, aggregator, as4Aggregator } = draft
  if (aggregator !== undefined && as4Aggregator !== undefined) {
    // "if the AS number in the AGGREGATOR attribute is not AS_TRANS", a two-octet speaker
    // aggregated after the last four-octet one, and what that one said is stale
    if (aggregator.asn !== AS_TRANS) return
    draft.aggregator = as4Aggregator
  }
  if (asPath === undefined || as4Path === undefined) return
  const surplus = countAses(asPath) - countAses(as4Path)
  if (surplus >= 0) draft.asPath = [...leading(asPath, surplus), ...as4Path]
}

/**
 * What a two-octet session is sent of `attributes`: themselves, and the four-octet truth where two
 * octets cannot hold it. RFC 6793 §4.2.2.
 */
export function splitFourOctet(attributes: PathAttributes): Readonly<Draft> {
  const { asPath = [], aggregator } = attributes
  const draft: Draft = { ...attributes }
  if (asPath.some(({ asns }) => asns.some(asn => asn > 0xffff)))
    draft.as4Path = asPath.filter(segment => !isConfederation(segment))
  if (aggregator !== undefined && aggregator.asn > 0xffff) draft.as4Aggregator = aggregator
  return draft
}

/**
 * As the decision counts: a set is one, confederation segments are none. RFC 4271 §9.1.2.2, 5065
 * §5.3
 */
function countAses(segments: readonly AsPathSegment[]): number {
  let count = 0
  for (const segment of segments) count += countOf(segment)
  return count
}

function countOf(segment: AsPathSegment): number {
  if (isConfederation(segment)) return 0
  return segment.type === 'set' ? 1 : segment.asns.length
}

/**
 * The segments at the head of `segments` that count `wanted`. A confederation segment is taken
 * where it leads or follows one that was taken: RFC 6793 §4.2.3.
 */
function leading(segments: readonly AsPathSegment[], wanted: number): AsPathSegment[] {
  const head: AsPathSegment[] = []
  let left = wanted
  for (const segment of segments) {
    const count = countOf(segment)
    if (count > 0 && left === 0) break
    if (count <= left) head.push(segment)
    else head.push({ type: segment.type, asns: segment.asns.slice(0, left) })
    left -= Math.min(count, left)
  }
  return head
}
