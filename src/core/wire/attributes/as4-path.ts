import { FLAG, UPDATE_ERROR } from '../iana.ts'
import { isConfederation, readSegments, writeSegments } from './as-path.ts'
import type { AttributeSpec } from './spec.ts'

/**
 * AS4_PATH: the path as four-octet speakers know it, carried past a two-octet one.
 *
 * RFC 6793 §6: confederation segments in it are dropped, anything else that is wrong discards it.
 * Between two four-octet speakers it has no business (§4.1): the table's loop discards it there.
 */
export const AS4_PATH: AttributeSpec<'as4Path'> = {
  key: 'as4Path',
  code: 17,
  name: 'AS4_PATH',
  flags: FLAG.OPTIONAL | FLAG.TRANSITIVE,
  rfc: 'RFC 6793 §3; errors RFC 6793 §6',
  onMalformed: 'attribute-discard',
  only: 'two-octet',
  subcode: UPDATE_ERROR.OPTIONAL_ATTRIBUTE_ERROR,
  length: octets => octets >= 6 && octets % 2 === 0,
  decode(from) {
    return readSegments(from, true)?.filter(segment => !isConfederation(segment))
  },
  encode(segments, to) {
    writeSegments(segments, to, true)
  },
}
