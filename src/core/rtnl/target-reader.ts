import { type Family, formatAddress } from '../net/index.ts'
import { attributeEnd, attributeType } from './message.ts'
import { align4, u16At, u32At } from './native.ts'
import {
  AF_INET,
  RTA_ENCAP,
  RTA_GATEWAY,
  RTA_METRICS,
  RTA_MULTIPATH,
  RTA_NH_ID,
  RTA_OIF,
  RTA_PREFSRC,
  RTA_VIA,
  RTN_BLACKHOLE,
  RTN_UNICAST,
  RTNH_F_ONLINK,
} from './numbers.ts'
import type { RouteMessage } from './route.ts'
import {
  BLACKHOLE,
  objectTarget,
  otherTarget,
  type RouteTarget,
  type TargetHop,
  unicastTarget,
} from './target.ts'

/** Targets that are remembered; beyond it all are forgotten and met again. */
const TARGETS_MAX = 65_536

/**
 * Octets of target attributes that are compared; longer ones (some 2,000 hops) are read each time.
 */
const SCRATCH_OCTETS = 65_536

/**
 * Reads where routes lead, giving the same object for the same bytes.
 *
 * A table of a million routes has some hundred targets: hashing the few octets that say where a
 * route leads costs less than making addresses of them. `known` holds, by hash, the octets and what
 * they mean.
 *
 * Limits: `TARGETS_MAX` targets, `SCRATCH_OCTETS` (docs/LIMITS.md).
 */
export class TargetReader {
  readonly #scratch = new Uint8Array(SCRATCH_OCTETS)
  readonly #byHash = new Map<
    number,
    { readonly octets: Uint8Array; readonly target: RouteTarget }
  >()
  readonly #byKey = new Map<string, RouteTarget>()

  /** Where `route` leads. O(octets); allocates only for a target not met before. */
  read(route: RouteMessage): RouteTarget {
    // IPv6 blackholes name the loopback device: it means nothing
    if (route.kind === RTN_BLACKHOLE) return BLACKHOLE
    if (route.kind !== RTN_UNICAST) return otherTarget(`type ${route.kind}`)
    const length = this.#gather(route)
    if (length < 0) return parseTarget(route)
    const hash = hashOctets(this.#scratch, length)
    const found = this.#byHash.get(hash)
    if (found !== undefined && equalOctets(found.octets, this.#scratch, length)) return found.target
    const target = this.#canonical(parseTarget(route))
    // a collision of hashes takes the place of the other: both stay right, one is slower
    this.#byHash.set(hash, { octets: this.#scratch.slice(0, length), target })
    return target
  }

  #canonical(target: RouteTarget): RouteTarget {
    const found = this.#byKey.get(target.key)
    if (found !== undefined) return found
    if (this.#byKey.size >= TARGETS_MAX || this.#byHash.size >= 2 * TARGETS_MAX) {
      this.#byKey.clear()
      this.#byHash.clear()
    }
    this.#byKey.set(target.key, target)
    return target
  }

  /** Copies what says where the route leads to the scratch; -1 when it does not fit. */
  #gather(route: RouteMessage): number {
    const { message: bytes, end } = route
    const scratch = this.#scratch
    let length = 0
    scratch[length++] = route.family === 'ipv4' ? 4 : 6
    scratch[length++] = route.routeFlags & RTNH_F_ONLINK
    let at = route.attributes
    for (let stop = attributeEnd(bytes, at, end); stop >= 0; stop = attributeEnd(bytes, at, end)) {
      if (isOfTarget(attributeType(bytes, at))) {
        if (length + stop - at > SCRATCH_OCTETS) return -1
        for (let from = at; from < stop; from++) scratch[length++] = bytes[from]!
      }
      at = align4(stop)
    }
    return length
  }
}

function isOfTarget(type: number): boolean {
  return (
    type === RTA_OIF ||
    type === RTA_GATEWAY ||
    type === RTA_MULTIPATH ||
    type === RTA_VIA ||
    type === RTA_NH_ID ||
    type === RTA_PREFSRC ||
    isStrange(type)
  )
}

/** Attributes that Martlet does not write: a route that has one is not what is wanted. */
function isStrange(type: number): boolean {
  return type === RTA_METRICS || type === RTA_ENCAP
}

function parseTarget(route: RouteMessage): RouteTarget {
  const bytes = route.message
  let strange = ''
  let id = 0
  let source: RouteTarget['source']
  let at = route.attributes
  for (
    let stop = attributeEnd(bytes, at, route.end);
    stop >= 0;
    stop = attributeEnd(bytes, at, route.end)
  ) {
    const type = attributeType(bytes, at)
    if (isStrange(type)) strange += `${type}:${bytes.subarray(at + 4, stop).join('.')} `
    if (type === RTA_NH_ID && stop - at >= 8) id = u32At(bytes, at + 4)
    if (type === RTA_PREFSRC && stop - at === (route.family === 'ipv4' ? 8 : 20))
      source = formatAddress(bytes.subarray(at + 4, stop))
    at = align4(stop)
  }
  const target = id === 0 ? unicastTarget(readHops(route), source) : objectTarget(id)
  if (id !== 0 && source !== undefined) strange += `src ${source} `
  return strange === '' ? target : otherTarget(`${strange}${target.key}`)
}

/** The ways out of a unicast route, whoever's it is and whatever else it says. O(octets). */
export function readHops(route: RouteMessage): TargetHop[] {
  const { message: bytes, attributes, end, family } = route
  const hops: TargetHop[] = []
  let at = attributes
  for (let stop = attributeEnd(bytes, at, end); stop >= 0; stop = attributeEnd(bytes, at, end)) {
    if (attributeType(bytes, at) === RTA_MULTIPATH) parseHops(bytes, at + 4, stop, family, hops)
    at = align4(stop)
  }
  const onlink = (route.routeFlags & RTNH_F_ONLINK) !== 0
  if (hops.length === 0) hops.push(parseHop(bytes, attributes, end, family, { weight: 1, onlink }))
  return hops
}

function parseHops(
  bytes: Uint8Array,
  start: number,
  end: number,
  family: Family,
  into: TargetHop[],
): void {
  let at = start
  while (at + 8 <= end) {
    const length = u16At(bytes, at)
    if (length < 8 || at + length > end) return
    const onlink = (bytes[at + 2]! & RTNH_F_ONLINK) !== 0
    const hop = parseHop(bytes, at + 8, at + length, family, {
      weight: bytes[at + 3]! + 1,
      onlink,
    })
    into.push({ ...hop, link: u32At(bytes, at + 4) })
    at += align4(length)
  }
}

function parseHop(
  bytes: Uint8Array,
  start: number,
  end: number,
  family: Family,
  hop: { readonly weight: number; readonly onlink: boolean },
): TargetHop {
  let link = 0
  let gateway: TargetHop['gateway']
  let at = start
  for (let stop = attributeEnd(bytes, at, end); stop >= 0; stop = attributeEnd(bytes, at, end)) {
    const type = attributeType(bytes, at)
    const octets = stop - at - 4
    if (type === RTA_OIF && octets >= 4) link = u32At(bytes, at + 4)
    else if (type === RTA_GATEWAY && octets === (family === 'ipv4' ? 4 : 16))
      gateway = formatAddress(bytes.subarray(at + 4, stop))
    else if (type === RTA_VIA && octets === 2 + (u16At(bytes, at + 4) === AF_INET ? 4 : 16))
      gateway = formatAddress(bytes.subarray(at + 6, stop))
    at = align4(stop)
  }
  return { ...(gateway !== undefined && { gateway }), link, ...hop }
}

/** FNV-1a. */
function hashOctets(octets: Uint8Array, length: number): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < length; at++) hash = Math.imul(hash ^ octets[at]!, 0x01000193)
  return hash
}

function equalOctets(left: Uint8Array, right: Uint8Array, length: number): boolean {
  if (left.length !== length) return false
  for (let at = 0; at < length; at++) if (left[at] !== right[at]) return false
  return true
}
