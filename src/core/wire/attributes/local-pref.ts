import { FLAG, UPDATE_ERROR } from '../iana.ts'
import { type AttributeSpec, exactly } from './spec.ts'

/** LOCAL_PREF: the degree of preference inside an AS. Bigger is better. */
export const LOCAL_PREF: AttributeSpec<'localPref'> = {
  key: 'localPref',
  code: 5,
  name: 'LOCAL_PREF',
  flags: FLAG.TRANSITIVE,
  rfc: 'RFC 4271 §5.1.5; errors RFC 7606 §7.5',
  onMalformed: 'treat-as-withdraw',
  subcode: UPDATE_ERROR.ATTRIBUTE_LENGTH_ERROR,
  only: 'internal',
  length: exactly(4),
  decode(from) {
    return from.u32()
  },
  encode(value, to) {
    to.u32(value)
  },
}
