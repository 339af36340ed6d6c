import { type Address, addressBytes, familyOf, formatAddress } from '../../net/index.ts'
import {
  attributeEnd,
  attributeType,
  beginMessage,
  endMessage,
  type MessageReader,
} from '../message.ts'
import { align4, type NativeWriter, s32At, u16At } from '../native.ts'
import {
  AF_BRIDGE,
  AF_INET,
  AF_INET6,
  NDA_DST,
  NDA_LLADDR,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_REPLACE,
  NLM_F_REQUEST,
  NTF_SELF,
  NUD_NOARP,
  NUD_PERMANENT,
  RTM_DELNEIGH,
  RTM_GETNEIGH,
  RTM_NEWNEIGH,
} from '../numbers.ts'
import { formatMac, MAC_OCTETS, macBytes } from './mac.ts'

/**
 * Neighbours of a link, as tables of two kinds: which link address a gateway has (ARP, NDP), and to
 * which node VXLAN carries packets for a link address (its forwarding database).
 *
 *   ndmsg   family 1 | pad 3 | link 4 | state 2 | flags 1 | type 1      then attributes
 *
 *   table         family             NDA_DST          NDA_LLADDR
 *   neighbours    that of NDA_DST    the gateway      its link address
 *   forwarding    AF_BRIDGE          the node         the link address beyond it
 */

/** An entry that somebody wrote, not one that the kernel learned. */
export interface Neighbour {
  readonly table: 'neighbours' | 'forwarding'
  /** index of the link */
  readonly link: number
  /** of the gateway, or of the node */
  readonly address: Address
  readonly mac: string
}

/** The families of the tables, as a dump asks for them. */
export const NEIGHBOUR_FAMILIES: readonly number[] = [AF_INET, AF_INET6, AF_BRIDGE]

/**
 * Writes one request: `set` makes the entry, or takes the place of what the gateway, or the link
 * address, has.
 */
export function encodeNeighbour(
  to: NativeWriter,
  verb: 'set' | 'delete',
  sequence: number,
  { table, link, address, mac }: Neighbour,
): void {
  const type = verb === 'set' ? RTM_NEWNEIGH : RTM_DELNEIGH
  const flags = verb === 'set' ? NLM_F_CREATE | NLM_F_REPLACE : 0
  const at = beginMessage(to, type, NLM_F_REQUEST | flags, sequence)
  const forwarding = table === 'forwarding'
  to.u8(forwarding ? AF_BRIDGE : familyOf(address) === 'ipv4' ? AF_INET : AF_INET6)
  to.zeros(3)
  to.u32(link)
  to.u16(forwarding ? NUD_PERMANENT | NUD_NOARP : NUD_PERMANENT)
  to.u8(forwarding ? NTF_SELF : 0)
  to.u8(0)
  if (forwarding) {
    encodeOctets(to, NDA_LLADDR, macBytes(mac))
    encodeOctets(to, NDA_DST, addressBytes(address))
  } else {
    encodeOctets(to, NDA_DST, addressBytes(address))
    if (verb === 'set') encodeOctets(to, NDA_LLADDR, macBytes(mac))
  }
  endMessage(to, at)
}

function encodeOctets(to: NativeWriter, type: number, octets: Uint8Array): void {
  const at = to.length
  to.u16(0)
  to.u16(type)
  to.put(octets)
  to.close16(at)
}

/** Asks for the entries of one table, of all links: one of `NEIGHBOUR_FAMILIES`. */
export function encodeNeighbourDump(to: NativeWriter, family: number, sequence: number): void {
  const at = beginMessage(to, RTM_GETNEIGH, NLM_F_REQUEST | NLM_F_DUMP, sequence)
  to.u8(family)
  to.zeros(11)
  endMessage(to, at)
}

/** The link that RTM_NEWNEIGH or RTM_DELNEIGH is about; 0 where the message is too short. */
export function neighbourLink({ bytes, start, end }: MessageReader): number {
  return start + 12 > end ? 0 : s32At(bytes, start + 4)
}

/** Reads RTM_NEWNEIGH; undefined for what the kernel learned by itself, or what is not whole. */
export function decodeNeighbour(from: MessageReader): Neighbour | undefined {
  const { bytes, start, end } = from
  const link = neighbourLink(from)
  if (link === 0 || (u16At(bytes, start + 8) & NUD_PERMANENT) === 0) return undefined
  let address: Address | undefined
  let mac: string | undefined
  let at = start + 12
  for (let stop = attributeEnd(bytes, at, end); stop >= 0; stop = attributeEnd(bytes, at, end)) {
    const type = attributeType(bytes, at)
    const octets = stop - at - 4
    if (type === NDA_DST && (octets === 4 || octets === 16))
      address = formatAddress(bytes.subarray(at + 4, stop))
    else if (type === NDA_LLADDR && octets === MAC_OCTETS)
      mac = formatMac(bytes.subarray(at + 4, stop))
    at = align4(stop)
  }
  // entries of multicast groups go to no node
  if (address === undefined || mac === undefined) return undefined
  const table = bytes[start] === AF_BRIDGE ? 'forwarding' : 'neighbours'
  return { table, link, address, mac }
}
