import type { Family } from '../net/index.ts'
import { updateFault } from './fault.ts'
import { UPDATE_ERROR } from './iana.ts'
import type { Fault } from './message.ts'

/**
 * The table of address families: what differs between IPv4 and IPv6 unicast on the wire. RFC 4760.
 *
 * A prefix on the wire is its length in bits, then as many octets as hold that many bits (RFC 4271
 * §4.3).
 */

/** A row of the table. */
export interface FamilySpec {
  readonly family: Family
  readonly afi: number
  readonly safi: number
  /** longest prefix */
  readonly bits: number
  /**
   * how many octets a next hop in MP_REACH_NLRI may have. RFC 4760 §3, RFC 2545 §3; 16 or 32 of an
   * IPv4 route make it an IPv6 address, RFC 8950 §3
   */
  readonly nextHopOctets: readonly number[]
  readonly rfc: string
}

/** SAFI of unicast forwarding. RFC 4760 §6 */
export const UNICAST = 1

/** Octets of a path identifier, which precede the prefix whose path it names. RFC 7911 §3 */
export const PATH_IDENTIFIER_OCTETS = 4

/** Every family that the codec knows. */
export const FAMILY_SPECS: Readonly<Record<Family, FamilySpec>> = {
  ipv4: {
    family: 'ipv4',
    afi: 1,
    safi: UNICAST,
    bits: 32,
    nextHopOctets: [4, 16, 32],
    rfc: 'RFC 4271 §4.3, RFC 4760 §3, RFC 8950 §3',
  },
  ipv6: {
    family: 'ipv6',
    afi: 2,
    safi: UNICAST,
    bits: 128,
    nextHopOctets: [16, 32],
    rfc: 'RFC 2545 §3, RFC 4760 §3',
  },
}

/** The family that an AFI and a SAFI name; undefined where the codec has none. */
export function familyOfAfiSafi(afi: number, safi: number): Family | undefined {
  if (safi !== UNICAST) return undefined
  if (afi === FAMILY_SPECS.ipv4.afi) return 'ipv4'
  return afi === FAMILY_SPECS.ipv6.afi ? 'ipv6' : undefined
}

/** The AFI and SAFI of `family`. */
export function afiSafiOf(family: Family): { readonly afi: number; readonly safi: number } {
  return FAMILY_SPECS[family]
}

/**
 * Counts the prefixes of an NLRI or Withdrawn Routes field.
 *
 * RFC 7606 §5.3: a field is malformed where a prefix is longer than its family allows, or runs past
 * the end. Nobody can tell then which routes were meant, so the session is reset (§3 j). Bits
 * beyond the length are irrelevant, as RFC 4271 §4.3 says. O(prefixes); allocates nothing for a
 * sound field.
 *
 * @param identified  four octets of path identifier precede each prefix. RFC 7911 §3
 * @param from  where in `bytes` the field begins, and `to` where it ends
 */
export function checkNlri(
  bytes: Uint8Array,
  family: Family,
  identified = false,
  from = 0,
  to = bytes.length,
): Fault | number {
  const { bits } = FAMILY_SPECS[family]
  const before = identified ? PATH_IDENTIFIER_OCTETS : 0
  let count = 0
  let at = from
  while (at + before < to) {
    const length = bytes[at + before]!
    if (length > bits)
      return nlriFault(`a prefix of ${length} bits is longer than ${family} allows`)
    at += before + 1 + ((length + 7) >>> 3)
    count++
  }
  return at === to ? count : nlriFault('the last prefix runs past the end of its field')
}

function nlriFault(why: string): Fault {
  return updateFault('session-reset', UPDATE_ERROR.INVALID_NETWORK_FIELD, why)
}
