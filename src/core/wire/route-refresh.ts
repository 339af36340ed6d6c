import { resetFault } from './fault.ts'
import { HEADER_OCTETS, newMessage, withHeader } from './framer.ts'
import { ERROR_CODES, HEADER_ERROR, MESSAGE_TYPES, REFRESH_ERROR, REFRESH_SUBTYPE } from './iana.ts'
import type { Fault, RouteRefresh } from './message.ts'

/**
 * ROUTE-REFRESH: say that family again. RFC 2918 §3, RFC 7313 §3.2.
 *
 *   octets 0..1  AFI
 *   octet  2     reserved; the subtype where RFC 7313 was negotiated
 *   octet  3     SAFI
 */

const BODY_OCTETS = 4

/**
 * Reads a ROUTE-REFRESH's body. RFC 5291's filters are not offered, so nothing may follow.
 *
 * @param enhanced  RFC 7313 was negotiated: of its own messages a wrong length has an error code of
 *   its own, whose data is "the complete ROUTE-REFRESH message" (§5)
 */
export function decodeRouteRefresh(body: Uint8Array, enhanced = false): RouteRefresh | Fault {
  if (body.length !== BODY_OCTETS) return lengthFault(body, enhanced)
  return {
    type: 'ROUTE-REFRESH',
    afi: (body[0]! << 8) | body[1]!,
    subtype: body[2]!,
    safi: body[3]!,
  }
}

function lengthFault(body: Uint8Array, enhanced: boolean): Fault {
  const octets = HEADER_OCTETS + body.length
  const why = `a ROUTE-REFRESH has ${HEADER_OCTETS + BODY_OCTETS} octets, not ${octets}`
  const subtype = body[2]
  if (enhanced && (subtype === REFRESH_SUBTYPE.BEGINS || subtype === REFRESH_SUBTYPE.ENDS))
    return resetFault(
      ERROR_CODES.ROUTE_REFRESH_MESSAGE,
      REFRESH_ERROR.INVALID_MESSAGE_LENGTH,
      why,
      withHeader(MESSAGE_TYPES.ROUTE_REFRESH, body),
    )
  return resetFault(
    ERROR_CODES.MESSAGE_HEADER,
    HEADER_ERROR.BAD_MESSAGE_LENGTH,
    why,
    Uint8Array.of(octets >>> 8, octets),
  )
}

/** The whole message. */
export function encodeRouteRefresh(from: RouteRefresh): Uint8Array {
  const message = newMessage(MESSAGE_TYPES.ROUTE_REFRESH, HEADER_OCTETS + BODY_OCTETS)
  message[HEADER_OCTETS] = from.afi >>> 8
  message[HEADER_OCTETS + 1] = from.afi
  message[HEADER_OCTETS + 2] = from.subtype
  message[HEADER_OCTETS + 3] = from.safi
  return message
}
