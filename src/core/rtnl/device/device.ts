import { type Address, addressBytes, familyOf, formatAddress } from '../../net/index.ts'
import {
  attributeEnd,
  attributeType,
  beginMessage,
  decodeText,
  endMessage,
  type MessageReader,
} from '../message.ts'
import { align4, type NativeWriter, u16At, u32At } from '../native.ts'
import {
  AF_INET,
  AF_INET6,
  AF_UNSPEC,
  IFA_ADDRESS,
  IFA_F_NODAD,
  IFA_LOCAL,
  IFF_UP,
  IFLA_ADDRESS,
  IFLA_IFALIAS,
  IFLA_IFNAME,
  IFLA_INFO_DATA,
  IFLA_INFO_KIND,
  IFLA_LINKINFO,
  IFLA_MTU,
  IFLA_VXLAN_ID,
  IFLA_VXLAN_LEARNING,
  IFLA_VXLAN_LINK,
  IFLA_VXLAN_LOCAL,
  IFLA_VXLAN_LOCAL6,
  IFLA_VXLAN_PORT,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  NLM_F_REQUEST,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RTM_DELADDR,
  RTM_DELLINK,
  RTM_GETADDR,
  RTM_NEWADDR,
  RTM_NEWLINK,
} from '../numbers.ts'
import { formatMac, MAC_OCTETS, macBytes } from './mac.ts'
import { encodeNeighbour, type Neighbour } from './neighbour.ts'

/**
 * Links that are made, not found: tunnels, what they are made of, and what they have.
 *
 *   IFLA_LINKINFO { IFLA_INFO_KIND text | IFLA_INFO_DATA { of VXLAN: IFLA_VXLAN_… } }
 *
 * Lengths and numbers are in the kernel's order, but the port of VXLAN in the network's.
 */

/** What makes one VXLAN link another: to change any of it, the link is made again. */
export interface Vxlan {
  readonly vni: number
  readonly port: number
  /** where its packets come from; absent: from wherever */
  readonly local?: Address
  /** index of the link that they leave by; 0: any */
  readonly parent: number
  /** which node is behind a link address is learned from packets */
  readonly learning: boolean
}

/** A link with what is not about whether routes go through it. */
export interface Device {
  readonly index: number
  readonly name: string
  readonly up: boolean
  readonly mtu: number
  /** what somebody wrote on it, empty: nothing */
  readonly alias: string
  /** of six octets; absent: it has none */
  readonly mac?: string
  /** `veth`, `vxlan`, `ipip`; empty: of hardware */
  readonly kind: string
  /** of a VXLAN link */
  readonly vxlan?: Vxlan
}

/** One change of a link, of its addresses or of its neighbours. */
export type DeviceChange =
  | {
      readonly type: 'create'
      readonly name: string
      readonly mtu?: number
      readonly kind: 'vxlan' | 'ipip'
      /** of VXLAN */
      readonly mac?: string
      readonly vxlan?: Vxlan
    }
  /** what is absent stays as it is */
  | {
      readonly type: 'set'
      readonly link: number
      readonly up?: boolean
      readonly mtu?: number
      readonly alias?: string
    }
  | { readonly type: 'remove'; readonly link: number }
  | {
      readonly type: 'address'
      readonly verb: 'add' | 'delete'
      readonly link: number
      readonly address: Address
      readonly length: number
      /** of IPv4: nobody beyond the link is told of it as ours; absent: anybody is */
      readonly scope?: 'link'
    }
  | {
      readonly type: 'neighbour'
      readonly verb: 'set' | 'delete'
      readonly neighbour: Neighbour
    }

/** Octets of a request, at most: names and aliases are short. */
export const DEVICE_OCTETS_MAX = 512

/** Writes one request. O(octets). */
export function encodeDeviceChange(to: NativeWriter, sequence: number, change: DeviceChange): void {
  switch (change.type) {
    case 'create':
      encodeCreation(to, sequence, change)
      return
    case 'set':
      encodeSetting(to, sequence, change)
      return
    case 'remove': {
      const at = beginMessage(to, RTM_DELLINK, NLM_F_REQUEST, sequence)
      encodeLink(to, change.link)
      endMessage(to, at)
      return
    }
    case 'address':
      encodeAddress(to, sequence, change)
      return
    case 'neighbour':
      encodeNeighbour(to, change.verb, sequence, change.neighbour)
      return
    default:
      change satisfies never
  }
}

/** ifinfomsg: family 1 | pad 1 | type 2 | index 4 | flags 4 | change 4 */
function encodeLink(to: NativeWriter, index: number, up?: boolean): void {
  to.zeros(4)
  to.u32(index)
  to.u32(up === true ? IFF_UP : 0)
  to.u32(up === undefined ? 0 : IFF_UP)
}

function encodeCreation(
  to: NativeWriter,
  sequence: number,
  change: Extract<DeviceChange, { readonly type: 'create' }>,
): void {
  const { name, mtu, kind, mac, vxlan } = change
  const flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL
  const at = beginMessage(to, RTM_NEWLINK, flags, sequence)
  encodeLink(to, 0)
  if (mac !== undefined) encodeOctets(to, IFLA_ADDRESS, macBytes(mac))
  if (mtu !== undefined) to.number(IFLA_MTU, mtu)
  encodeText(to, IFLA_IFNAME, `${name}\0`)
  const info = begin(to, IFLA_LINKINFO)
  encodeText(to, IFLA_INFO_KIND, kind)
  if (vxlan !== undefined) {
    const data = begin(to, IFLA_INFO_DATA)
    encodeVxlan(to, vxlan)
    to.close16(data)
  }
  to.close16(info)
  endMessage(to, at)
}

function encodeVxlan(to: NativeWriter, { vni, port, local, parent, learning }: Vxlan): void {
  to.number(IFLA_VXLAN_LINK, parent)
  to.number(IFLA_VXLAN_ID, vni)
  if (local !== undefined) {
    const type = familyOf(local) === 'ipv4' ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6
    encodeOctets(to, type, addressBytes(local))
  }
  encodeOctets(to, IFLA_VXLAN_LEARNING, Uint8Array.of(learning ? 1 : 0))
  encodeOctets(to, IFLA_VXLAN_PORT, Uint8Array.of(port >> 8, port & 0xff))
}

function encodeSetting(
  to: NativeWriter,
  sequence: number,
  { link, up, mtu, alias }: Extract<DeviceChange, { readonly type: 'set' }>,
): void {
  const at = beginMessage(to, RTM_NEWLINK, NLM_F_REQUEST, sequence)
  encodeLink(to, link, up)
  if (mtu !== undefined) to.number(IFLA_MTU, mtu)
  if (alias !== undefined) encodeText(to, IFLA_IFALIAS, alias)
  endMessage(to, at)
}

/** ifaddrmsg: family 1 | length 1 | flags 1 | scope 1 | link 4 */
function encodeAddress(
  to: NativeWriter,
  sequence: number,
  { verb, link, address, length, scope }: Extract<DeviceChange, { readonly type: 'address' }>,
): void {
  const add = verb === 'add'
  const at = beginMessage(
    to,
    add ? RTM_NEWADDR : RTM_DELADDR,
    add ? NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL : NLM_F_REQUEST,
    sequence,
  )
  const four = familyOf(address) === 'ipv4'
  to.u8(four ? AF_INET : AF_INET6)
  to.u8(length)
  to.u8(!four && add ? IFA_F_NODAD : 0)
  to.u8(scope === 'link' ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE)
  to.u32(link)
  const octets = addressBytes(address)
  encodeOctets(to, IFA_LOCAL, octets)
  encodeOctets(to, IFA_ADDRESS, octets)
  endMessage(to, at)
}

/** Asks for all addresses. */
export function encodeAddressDump(to: NativeWriter, sequence: number): void {
  const at = beginMessage(to, RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, sequence)
  to.zeros(8)
  endMessage(to, at)
}

function begin(to: NativeWriter, type: number): number {
  const at = to.length
  to.u16(0)
  to.u16(type)
  return at
}

function encodeOctets(to: NativeWriter, type: number, octets: Uint8Array): void {
  const at = begin(to, type)
  to.put(octets)
  to.close16(at)
}

function encodeText(to: NativeWriter, type: number, text: string): void {
  encodeOctets(
    to,
    type,
    Uint8Array.from(text, character => character.charCodeAt(0)),
  )
}

/** Reads RTM_NEWLINK; undefined when too short, without a name, or of a family of its own. */
export function decodeDevice({ bytes, start, end }: MessageReader): Device | undefined {
  if (start + 16 > end || bytes[start] !== AF_UNSPEC) return undefined
  const device: { -readonly [Field in keyof Device]: Device[Field] } = {
    index: u32At(bytes, start + 4),
    name: '',
    up: (u32At(bytes, start + 8) & IFF_UP) !== 0,
    mtu: 0,
    alias: '',
    kind: '',
  }
  each(bytes, start + 16, end, (type, from, stop) => {
    if (type === IFLA_IFNAME) device.name = decodeText(bytes, from, stop)
    else if (type === IFLA_IFALIAS) device.alias = decodeText(bytes, from, stop)
    else if (type === IFLA_MTU && stop - from === 4) device.mtu = u32At(bytes, from)
    else if (type === IFLA_ADDRESS && stop - from === MAC_OCTETS)
      device.mac = formatMac(bytes.subarray(from, stop))
    else if (type === IFLA_LINKINFO)
      each(bytes, from, stop, (inner, at, to) => {
        if (inner === IFLA_INFO_KIND) device.kind = decodeText(bytes, at, to)
        if (inner === IFLA_INFO_DATA && device.kind === 'vxlan')
          device.vxlan = decodeVxlan(bytes, at, to)
      })
  })
  return device.name === '' ? undefined : device
}

function decodeVxlan(bytes: Uint8Array, start: number, end: number): Vxlan {
  const vxlan: { -readonly [Field in keyof Vxlan]: Vxlan[Field] } = {
    vni: 0,
    port: 0,
    parent: 0,
    learning: true,
  }
  each(bytes, start, end, (type, from, stop) => {
    const octets = stop - from
    if (type === IFLA_VXLAN_ID && octets === 4) vxlan.vni = u32At(bytes, from)
    else if (type === IFLA_VXLAN_LINK && octets === 4) vxlan.parent = u32At(bytes, from)
    else if (type === IFLA_VXLAN_LEARNING) vxlan.learning = bytes[from] === 1
    else if (type === IFLA_VXLAN_PORT && octets === 2)
      vxlan.port = ((u16At(bytes, from) & 0xff) << 8) | (u16At(bytes, from) >> 8)
    else if (
      (type === IFLA_VXLAN_LOCAL && octets === 4) ||
      (type === IFLA_VXLAN_LOCAL6 && octets === 16)
    )
      vxlan.local = formatAddress(bytes.subarray(from, stop))
  })
  return vxlan
}

/** Walks attributes from `start` to `end`, those that lie wholly there. */
function each(
  bytes: Uint8Array,
  start: number,
  end: number,
  take: (type: number, from: number, stop: number) => void,
): void {
  let at = start
  for (let stop = attributeEnd(bytes, at, end); stop >= 0; stop = attributeEnd(bytes, at, end)) {
    take(attributeType(bytes, at), at + 4, stop)
    at = align4(stop)
  }
}
