import { type Address, type Family, formatAddress } from '../net/index.ts'
import {
  attributeEnd,
  attributeType,
  beginMessage,
  decodeText,
  endMessage,
  type MessageReader,
} from './message.ts'
import { align4, type NativeWriter, u32At } from './native.ts'
import {
  AF_INET,
  AF_UNSPEC,
  IFA_ADDRESS,
  IFA_LOCAL,
  IFF_LOWER_UP,
  IFF_UP,
  IFLA_IFNAME,
  NLM_F_DUMP,
  NLM_F_REQUEST,
  RTM_DELADDR,
  RTM_DELLINK,
  RTM_GETLINK,
} from './numbers.ts'

/**
 * Links and their addresses.
 *
 *   ifinfomsg   family 1 | pad 1 | type 2 | index 4 | flags 4 | change 4      then attributes
 *   ifaddrmsg   family 1 | length 1 | flags 1 | scope 1 | index 4             then attributes
 */

/** A link as the kernel tells it. Its index changes when it is made again under the same name. */
export interface LinkMessage {
  /** false: it has gone */
  readonly present: boolean
  readonly index: number
  readonly name: string
  /** somebody set it up */
  readonly up: boolean
  /** the other end is there */
  readonly carrier: boolean
}

/** An address of a link. */
export interface AddressMessage {
  readonly present: boolean
  readonly index: number
  readonly address: Address
  readonly length: number
}

/**
 * Reads RTM_NEWLINK or RTM_DELLINK; undefined when too short, without a name, or of a family of its
 * own: a port that leaves a bridge is told as RTM_DELLINK of AF_BRIDGE, though the link is still
 * there.
 */
export function decodeLink(from: MessageReader): LinkMessage | undefined {
  const { bytes, start, end } = from
  if (start + 16 > end || bytes[start] !== AF_UNSPEC) return undefined
  const flags = u32At(bytes, start + 8)
  let name = ''
  let at = start + 16
  for (let stop = attributeEnd(bytes, at, end); stop >= 0; stop = attributeEnd(bytes, at, end)) {
    if (attributeType(bytes, at) === IFLA_IFNAME) name = decodeText(bytes, at + 4, stop)
    at = align4(stop)
  }
  if (name === '') return undefined
  return {
    present: from.type !== RTM_DELLINK,
    index: u32At(bytes, start + 4),
    name,
    up: (flags & IFF_UP) !== 0,
    carrier: (flags & IFF_LOWER_UP) !== 0,
  }
}

/** Reads RTM_NEWADDR or RTM_DELADDR; undefined when too short or without an address. */
export function decodeAddress(from: MessageReader): AddressMessage | undefined {
  const { bytes, start, end } = from
  if (start + 8 > end) return undefined
  const family: Family = bytes[start] === AF_INET ? 'ipv4' : 'ipv6'
  const octets = family === 'ipv4' ? 4 : 16
  let address: Address | undefined
  let local: Address | undefined
  let at = start + 8
  for (let stop = attributeEnd(bytes, at, end); stop >= 0; stop = attributeEnd(bytes, at, end)) {
    const type = attributeType(bytes, at)
    if (stop - at - 4 === octets && (type === IFA_ADDRESS || type === IFA_LOCAL)) {
      const value = formatAddress(bytes.subarray(at + 4, stop))
      if (type === IFA_LOCAL) local = value
      else address = value
    }
    at = align4(stop)
  }
  // of a point-to-point link, IFA_ADDRESS is the other end's
  const own = local ?? address
  if (own === undefined) return undefined
  return {
    present: from.type !== RTM_DELADDR,
    index: u32At(bytes, start + 4),
    address: own,
    length: bytes[start + 1]!,
  }
}

/** Asks for all links. */
export function encodeLinkDump(to: NativeWriter, sequence: number): void {
  const at = beginMessage(to, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, sequence)
  to.zeros(16)
  endMessage(to, at)
}
