import { FLAG, UPDATE_ERROR } from '../iana.ts'
import { type AttributeSpec, exactly } from './spec.ts'

/**
 * MULTI_EXIT_DISC: which of several links into our AS a neighbouring AS would like. Smaller is
 * better.
 */
export const MULTI_EXIT_DISC: AttributeSpec<'med'> = {
  key: 'med',
  code: 4,
  name: 'MULTI_EXIT_DISC',
  flags: FLAG.OPTIONAL,
  rfc: 'RFC 4271 §5.1.4; errors RFC 7606 §7.4',
  onMalformed: 'treat-as-withdraw',
  subcode: UPDATE_ERROR.OPTIONAL_ATTRIBUTE_ERROR,
  length: exactly(4),
  decode(from) {
    return from.u32()
  },
  encode(value, to) {
    to.u32(value)
  },
}
