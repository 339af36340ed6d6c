import { FLAG, UPDATE_ERROR } from '../iana.ts'
import { type AttributeSpec, exactly } from './spec.ts'

/** OTC, Only to Customer: the AS behind which a route goes to customers alone. */
export const ONLY_TO_CUSTOMER: AttributeSpec<'onlyToCustomer'> = {
  key: 'onlyToCustomer',
  code: 35,
  name: 'OTC',
  flags: FLAG.OPTIONAL | FLAG.TRANSITIVE,
  rfc: 'RFC 9234 §5; errors RFC 9234 §5',
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
