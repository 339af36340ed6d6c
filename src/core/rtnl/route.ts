import type { Family } from '../net/index.ts'
import {
  attributeEnd,
  attributeType,
  beginMessage,
  endMessage,
  HEADER_OCTETS,
  type MessageReader,
} from './message.ts'
import { align4, type NativeWriter, u32At } from './native.ts'
import {
  AF_INET,
  AF_INET6,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  NLM_F_REQUEST,
  RT_SCOPE_NOWHERE,
  RTA_DST,
  RTA_PRIORITY,
  RTA_TABLE,
  RTM_DELROUTE,
  RTM_F_CLONED,
  RTM_GETROUTE,
  RTM_NEWROUTE,
} from './numbers.ts'
import { type EncodedTarget, encodeTarget, type RouteTarget } from './target.ts'

/**
 * Routes.
 *
 *   rtmsg   family 1 | destination length 1 | source length 1 | TOS 1 |
 *           table 1 | protocol 1 | scope 1 | type 1 | flags 4               then attributes
 *
 * The kernel's key of an IPv4 route is (table, prefix, TOS, metric), of an IPv6 route (table,
 * prefix, metric); the protocol is not in it. So a route of ours and a stranger's can want the same
 * place.
 */

/**
 * What to do about one route.
 *
 *   add       only where nothing has this destination and metric: EEXIST otherwise, whoever has it.
 *   In IPv6
 *             too, where a creation without NLM_F_EXCL would append a next hop to what is there
 *   replace   only where something is: ENOENT otherwise. In one step, so no packet meets a gap
 *   delete    only what has our table, metric and protocol: ESRCH otherwise
 */
export type RouteVerb = 'add' | 'replace' | 'delete'

/** The flags of a request with each verb. */
export const VERB_FLAGS = {
  add: NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL,
  replace: NLM_F_REQUEST | NLM_F_REPLACE,
  delete: NLM_F_REQUEST,
} as const satisfies Record<RouteVerb, number>

/** What is the same in all routes of a dataplane. */
export interface RouteSlot {
  readonly table: number
  readonly protocol: number
  readonly metric: number
}

/**
 * Octets of a route's message without its target, at most: header, rtmsg, RTA_DST, RTA_PRIORITY,
 * RTA_TABLE.
 */
export const ROUTE_OCTETS_MAX = HEADER_OCTETS + 12 + 20 + 8 + 8

/** The parts of one request; `bytes` holds the network's octets from `offset`, host bits zero. */
export interface RouteRequest {
  verb: RouteVerb
  sequence: number
  family: Family
  bytes: Uint8Array
  offset: number
  length: number
}

/**
 * Writes one request. A refusal is always answered, success only with `requestAnswer`. A deletion
 * with a `target` takes only a route that leads there. O(octets).
 */
export function encodeRoute(
  to: NativeWriter,
  request: RouteRequest,
  slot: RouteSlot,
  target: EncodedTarget | undefined,
): void {
  const { verb, family, length } = request
  const remove = verb === 'delete' || target === undefined
  const type = remove ? RTM_DELROUTE : RTM_NEWROUTE
  const at = beginMessage(to, type, VERB_FLAGS[verb], request.sequence)
  to.u8(family === 'ipv4' ? AF_INET : AF_INET6)
  to.u8(length)
  to.u8(0)
  to.u8(0)
  to.u8(slot.table > 255 ? 0 : slot.table)
  to.u8(slot.protocol)
  to.u8(remove ? RT_SCOPE_NOWHERE : target.scope)
  to.u8(remove ? 0 : target.type)
  to.u32(remove ? 0 : target.flags)
  encodeDestination(to, request)
  to.number(RTA_PRIORITY, slot.metric)
  if (slot.table > 255) to.number(RTA_TABLE, slot.table)
  if (target !== undefined) to.put(target.attributes)
  endMessage(to, at)
}

function encodeDestination(to: NativeWriter, request: RouteRequest): void {
  const octets = request.family === 'ipv4' ? 4 : 16
  const given = (request.length + 7) >> 3
  to.u16(4 + octets)
  to.u16(RTA_DST)
  to.put(request.bytes, request.offset, given)
  to.zeros(octets - given)
}

/** Asks for all routes of one table and family. With NETLINK_GET_STRICT_CHK the kernel filters. */
export function encodeRouteDump(
  to: NativeWriter,
  family: Family,
  table: number,
  sequence: number,
): void {
  const at = beginMessage(to, RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, sequence)
  to.u8(family === 'ipv4' ? AF_INET : AF_INET6)
  to.zeros(3)
  to.u8(table > 255 ? 0 : table)
  to.zeros(3)
  to.u32(0)
  to.number(RTA_TABLE, table)
  endMessage(to, at)
}

/**
 * A route as the kernel tells it. One object is used for all of a dump: `bytes` and the positions
 * in it are valid until the next is read.
 */
export interface RouteMessage {
  present: boolean
  /** the flags of the message: NLM_F_REPLACE where it took another's place */
  flags: number
  family: Family
  table: number
  protocol: number
  metric: number
  tos: number
  /** type of the route, RTN_UNICAST or another */
  kind: number
  routeFlags: number
  /** holds the destination's octets from `offset`, at least `(length + 7) >> 3` */
  bytes: Uint8Array
  offset: number
  length: number
  /** holds the attributes from `attributes` to `end` */
  message: Uint8Array
  attributes: number
  end: number
}

/** An empty `RouteMessage` to decode into. */
export const emptyRoute = (): RouteMessage => ({
  present: false,
  flags: 0,
  family: 'ipv4',
  table: 0,
  protocol: 0,
  metric: 0,
  tos: 0,
  kind: 0,
  routeFlags: 0,
  bytes: new Uint8Array(0),
  offset: 0,
  length: 0,
  message: new Uint8Array(0),
  attributes: 0,
  end: 0,
})

const NOWHERE = new Uint8Array(16)

/**
 * Reads RTM_NEWROUTE or RTM_DELROUTE, at which `from` stands, into `into`. False: not a route of a
 * table (multicast families, exceptions that the kernel cached), or malformed. Where it leads is
 * read by a `TargetReader`, and only for routes that matter. O(attributes); allocates nothing.
 */
export function decodeRoute(from: MessageReader, into: RouteMessage): boolean {
  const { bytes, start, end } = from
  if (start + 12 > end) return false
  const family = bytes[start]
  if (family !== AF_INET && family !== AF_INET6) return false
  into.routeFlags = u32At(bytes, start + 8)
  if ((into.routeFlags & RTM_F_CLONED) !== 0) return false
  into.present = from.type === RTM_NEWROUTE
  into.flags = from.flags
  into.family = family === AF_INET ? 'ipv4' : 'ipv6'
  into.length = bytes[start + 1]!
  into.tos = bytes[start + 3]!
  into.table = bytes[start + 4]!
  into.protocol = bytes[start + 5]!
  into.kind = bytes[start + 7]!
  into.metric = 0
  into.bytes = NOWHERE
  into.offset = 0
  into.message = bytes
  into.attributes = start + 12
  into.end = end
  let at = start + 12
  for (let stop = attributeEnd(bytes, at, end); stop >= 0; stop = attributeEnd(bytes, at, end)) {
    const type = attributeType(bytes, at)
    if (type === RTA_DST) {
      into.bytes = bytes
      into.offset = at + 4
      if (stop - at - 4 < (into.length + 7) >> 3) return false
    } else if (type === RTA_PRIORITY && stop - at >= 8) into.metric = u32At(bytes, at + 4)
    else if (type === RTA_TABLE && stop - at >= 8) into.table = u32At(bytes, at + 4)
    at = align4(stop)
  }
  return into.length === 0 || into.bytes === bytes
}

/**
 * Remembers how targets are encoded: by identity, which is why an equal target should be one
 * object.
 */
export class TargetEncoder {
  readonly #known = { ipv4: new WeakMap<RouteTarget, EncodedTarget>(), ipv6: new WeakMap() }

  /** `target` for routes of `family`. O(1) after the first time. */
  encode(family: Family, target: RouteTarget): EncodedTarget {
    const known: WeakMap<RouteTarget, EncodedTarget> = this.#known[family]
    const found = known.get(target)
    if (found !== undefined) return found
    const encoded = encodeTarget(family, target)
    known.set(target, encoded)
    return encoded
  }
}
