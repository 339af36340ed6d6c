import { FLAG, UPDATE_ERROR } from '../iana.ts'
import { type AttributeSpec, exactly } from './spec.ts'

/** ORIGIN: how the route came into BGP. One octet: 0 IGP, 1 EGP, 2 INCOMPLETE. */
export const ORIGIN: AttributeSpec<'origin'> = {
  key: 'origin',
  code: 1,
  name: 'ORIGIN',
  flags: FLAG.TRANSITIVE,
  rfc: 'RFC 4271 §5.1.1; errors RFC 7606 §7.1',
  onMalformed: 'treat-as-withdraw',
  subcode: UPDATE_ERROR.INVALID_ORIGIN_ATTRIBUTE,
  length: exactly(1),
  decode(from) {
    const value = from.u8()
    return value === 0 || value === 1 || value === 2 ? value : undefined
  },
  encode(value, to) {
    to.u8(value)
  },
}
