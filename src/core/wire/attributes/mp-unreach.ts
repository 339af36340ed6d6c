import { FLAG, UPDATE_ERROR } from '../iana.ts'
import type { AttributeSpec } from './spec.ts'

/** MP_UNREACH_NLRI: routes of any family that are withdrawn. AFI, SAFI, NLRI. RFC 4760 §4 */
export const MP_UNREACH_NLRI: AttributeSpec<'unreach'> = {
  key: 'unreach',
  code: 15,
  name: 'MP_UNREACH_NLRI',
  flags: FLAG.OPTIONAL,
  rfc: 'RFC 4760 §4; errors RFC 7606 §3, §5, §7.12',
  onMalformed: 'session-reset',
  subcode: UPDATE_ERROR.OPTIONAL_ATTRIBUTE_ERROR,
  once: true,
  length: octets => octets >= 3,
  decode(from) {
    return { afi: from.u16(), safi: from.u8(), nlri: from.rest() }
  },
  encode(unreach, to) {
    to.u16(unreach.afi)
    to.u8(unreach.safi)
    to.put(unreach.nlri)
  },
}
