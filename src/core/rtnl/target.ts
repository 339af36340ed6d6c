import { type Address, addressBytes, type Family, familyOf } from '../net/index.ts'
import { NativeWriter } from './native.ts'
import {
  AF_INET,
  AF_INET6,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RTA_GATEWAY,
  RTA_MULTIPATH,
  RTA_NH_ID,
  RTA_OIF,
  RTA_PREFSRC,
  RTA_VIA,
  RTN_BLACKHOLE,
  RTN_UNICAST,
  RTNH_F_ONLINK,
} from './numbers.ts'

/**
 * Where a route leads, in the kernel's terms: links are numbers.
 *
 * Many routes share a target, so it is a value with a key, encoded once and found again by its
 * bytes.
 */

/** One way out of the node. */
export interface TargetHop {
  /** absent: the destination is on the link itself */
  readonly gateway?: Address
  /** index of the link; 0: the kernel finds it */
  readonly link: number
  /** 1 to 256 */
  readonly weight: number
  /** the gateway is on the link whatever the addresses say */
  readonly onlink: boolean
}

/** Where a route leads. Equal targets have equal keys; hops are in the order of their keys. */
export interface RouteTarget {
  /** `other`: something that Martlet does not write, so it never equals what is wanted */
  readonly kind: 'unicast' | 'blackhole' | 'object' | 'other'
  /** none of an object: that may change any time */
  readonly hops: readonly TargetHop[]
  readonly key: string
  /** address that packets of this node's own leave with, where the route says one */
  readonly source?: Address
  /** of the nexthop object, where it is one */
  readonly id?: number
}

/** Packets are dropped without a word. */
export const BLACKHOLE: RouteTarget = { kind: 'blackhole', hops: [], key: 'blackhole' }

/**
 * The unicast target through `hops`, which has at least one; packets of this node's own leave as
 * `source`.
 */
export function unicastTarget(hops: readonly TargetHop[], source?: Address): RouteTarget {
  const keyed = hops.map(hop => ({ hop, key: hopKey(hop) }))
  keyed.sort((left, right) => (left.key < right.key ? -1 : left.key > right.key ? 1 : 0))
  const ways = keyed.map(({ key }) => key).join(', ')
  return {
    kind: 'unicast',
    hops: keyed.map(({ hop }) => hop),
    key: source === undefined ? ways : `${ways} src ${source}`,
    ...(source !== undefined && { source }),
  }
}

/** A target that is not ours to compare with; `what` tells two of them apart. */
export const otherTarget = (what: string): RouteTarget => ({
  kind: 'other',
  hops: [],
  key: `other ${what}`,
})

/** The target that is whatever nexthop object `id` is. */
export const objectTarget = (id: number): RouteTarget => ({
  kind: 'object',
  hops: [],
  key: `object ${id}`,
  id,
})

function hopKey(hop: TargetHop): string {
  const via = hop.gateway === undefined ? '' : `via ${hop.gateway} `
  return `${via}dev ${hop.link} weight ${hop.weight}${hop.onlink ? ' onlink' : ''}`
}

/** A target as the kernel reads it, for routes of one family; made once, used by many routes. */
export interface EncodedTarget {
  readonly type: number
  readonly scope: number
  readonly flags: number
  /** whole attributes, padded */
  readonly attributes: Uint8Array
}

/** Octets that one hop takes at most: rtnexthop 8, RTA_VIA 24. */
const HOP_OCTETS = 32

/** Octets of RTA_PREFSRC at most. */
const SOURCE_OCTETS = 20

/**
 * Encodes `target` for routes of `family`. One hop is RTA_GATEWAY and RTA_OIF; more are one
 * RTA_MULTIPATH:
 *
 *   rtnexthop   length 2 | flags 1 | weight - 1, 1 | link 4 | attributes
 *
 * An IPv4 route through an IPv6 gateway (RFC 8950) has RTA_VIA instead of RTA_GATEWAY. O(hops).
 */
export function encodeTarget(family: Family, target: RouteTarget): EncodedTarget {
  if (target.kind === 'blackhole')
    return {
      type: RTN_BLACKHOLE,
      scope: RT_SCOPE_UNIVERSE,
      flags: 0,
      attributes: new Uint8Array(0),
    }
  const to = new NativeWriter(8 + HOP_OCTETS * target.hops.length + SOURCE_OCTETS)
  if (target.id !== undefined) {
    to.number(RTA_NH_ID, target.id)
    const attributes = to.bytes().slice()
    return { type: RTN_UNICAST, scope: RT_SCOPE_UNIVERSE, flags: 0, attributes }
  }
  const [only] = target.hops
  const single = target.hops.length === 1 && only !== undefined
  if (single) {
    encodeGateway(to, family, only)
    if (only.link !== 0) to.number(RTA_OIF, only.link)
  } else {
    const at = to.length
    to.u16(0)
    to.u16(RTA_MULTIPATH)
    for (const hop of target.hops) encodeHop(to, family, hop)
    to.close16(at)
  }
  if (target.source !== undefined) encodeSource(to, target.source)
  return {
    type: RTN_UNICAST,
    scope: target.hops.some(hop => hop.gateway !== undefined) ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
    flags: single && only.onlink ? RTNH_F_ONLINK : 0,
    attributes: to.bytes().slice(),
  }
}

function encodeHop(to: NativeWriter, family: Family, hop: TargetHop): void {
  const at = to.length
  to.u16(0)
  to.u8(hop.onlink ? RTNH_F_ONLINK : 0)
  to.u8(hop.weight - 1)
  to.u32(hop.link)
  encodeGateway(to, family, hop)
  to.close16(at)
}

function encodeSource(to: NativeWriter, source: Address): void {
  const at = to.length
  to.u16(0)
  to.u16(RTA_PREFSRC)
  to.put(addressBytes(source))
  to.close16(at)
}

function encodeGateway(to: NativeWriter, family: Family, hop: TargetHop): void {
  if (hop.gateway === undefined) return
  const bytes = addressBytes(hop.gateway)
  const gatewayFamily = familyOf(hop.gateway)
  const at = to.length
  to.u16(0)
  if (gatewayFamily === family) to.u16(RTA_GATEWAY)
  else {
    to.u16(RTA_VIA)
    to.u16(gatewayFamily === 'ipv4' ? AF_INET : AF_INET6)
  }
  to.put(bytes)
  to.close16(at)
}
