import { FLAG, UPDATE_ERROR } from '../iana.ts'
import { type AttributeSpec, exactly } from './spec.ts'

/** ORIGINATOR_ID: the BGP Identifier of the router that brought a reflected route into the AS. */
export const ORIGINATOR_ID: AttributeSpec<'originatorId'> = {
  key: 'originatorId',
  code: 9,
  name: 'ORIGINATOR_ID',
  flags: FLAG.OPTIONAL,
  rfc: 'RFC 4456 §8; errors RFC 7606 §7.9',
  onMalformed: 'treat-as-withdraw',
  subcode: UPDATE_ERROR.OPTIONAL_ATTRIBUTE_ERROR,
  only: 'internal',
  length: exactly(4),
  decode(from) {
    return from.u32()
  },
  encode(value, to) {
    to.u32(value)
  },
}
