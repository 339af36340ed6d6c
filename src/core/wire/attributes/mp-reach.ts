import { FAMILY_SPECS, familyOfAfiSafi } from '../families.ts'
import { FLAG, UPDATE_ERROR } from '../iana.ts'
import type { AttributeSpec } from './spec.ts'

/**
 * MP_REACH_NLRI: routes of any family, with their next hop.
 *
 *   octets 0..1  AFI
 *   octet  2     SAFI
 *   octet  3     length of the next hop
 *   octets 4…    next hop
 *   octet        reserved; RFC 4760 §3: "MUST be set to 0, and SHOULD be ignored upon receipt"
 *   octets …     NLRI
 *
 * A next hop whose length its family does not know leaves nobody able to say where the NLRI begins,
 * so the session is reset: RFC 7606 §7.11. The NLRI itself is checked by `checkNlri`, once the
 * family is known to be negotiated.
 */
export const MP_REACH_NLRI: AttributeSpec<'reach'> = {
  key: 'reach',
  code: 14,
  name: 'MP_REACH_NLRI',
  flags: FLAG.OPTIONAL,
  rfc: 'RFC 4760 §3; errors RFC 7606 §3, §5, §7.11',
  onMalformed: 'session-reset',
  subcode: UPDATE_ERROR.OPTIONAL_ATTRIBUTE_ERROR,
  once: true,
  length: octets => octets >= 5,
  decode(from) {
    const afi = from.u16()
    const safi = from.u8()
    const nextHop = from.view(from.u8())
    from.u8()
    if (from.overrun) return undefined
    const family = familyOfAfiSafi(afi, safi)
    if (family !== undefined && !FAMILY_SPECS[family].nextHopOctets.includes(nextHop.length))
      return undefined
    return { afi, safi, nextHop, nlri: from.rest() }
  },
  encode(reach, to) {
    to.u16(reach.afi)
    to.u8(reach.safi)
    to.counted8(() => to.put(reach.nextHop))
    to.u8(0)
    to.put(reach.nlri)
  },
}
