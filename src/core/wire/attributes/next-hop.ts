import { addressBytes, familyOf, formatAddress } from '../../net/index.ts'
import { FLAG, UPDATE_ERROR } from '../iana.ts'
import { type AttributeSpec, exactly } from './spec.ts'

/** NEXT_HOP: an IPv4 address. Other families have theirs in MP_REACH_NLRI. */
export const NEXT_HOP: AttributeSpec<'nextHop'> = {
  key: 'nextHop',
  code: 3,
  name: 'NEXT_HOP',
  flags: FLAG.TRANSITIVE,
  rfc: 'RFC 4271 §5.1.3; errors RFC 4271 §6.3, RFC 7606 §7.3',
  onMalformed: 'treat-as-withdraw',
  subcode: UPDATE_ERROR.INVALID_NEXT_HOP_ATTRIBUTE,
  length: exactly(4),
  decode(from) {
    const bytes = from.rest()
    return isHost(bytes) ? formatAddress(bytes) : undefined
  },
  encode(address, to) {
    if (familyOf(address) === 'ipv4') to.put(addressBytes(address))
    else to.overflow = true
  },
}

/**
 * Whether an address can be a host's, by its form: RFC 4271 §6.3 calls anything else syntactically
 * incorrect. A loopback is a host's; whether it leads anywhere is a question for next-hop tracking.
 */
export function isHost(bytes: Uint8Array): boolean {
  const first = bytes[0]!
  if (bytes.length === 4) return first !== 0 && first < 224
  return first !== 0xff && bytes.some(octet => octet !== 0)
}
