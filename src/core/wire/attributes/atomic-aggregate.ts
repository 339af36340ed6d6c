import { FLAG, UPDATE_ERROR } from '../iana.ts'
import { type AttributeSpec, exactly } from './spec.ts'

/** ATOMIC_AGGREGATE: some ASes of the path were left out when routes were aggregated. No value. */
export const ATOMIC_AGGREGATE: AttributeSpec<'atomicAggregate'> = {
  key: 'atomicAggregate',
  code: 6,
  name: 'ATOMIC_AGGREGATE',
  flags: FLAG.TRANSITIVE,
  rfc: 'RFC 4271 §5.1.6; errors RFC 7606 §7.6',
  onMalformed: 'attribute-discard',
  subcode: UPDATE_ERROR.ATTRIBUTE_LENGTH_ERROR,
  length: exactly(0),
  decode() {
    return true
  },
  encode() {},
}
