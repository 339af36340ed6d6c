import { addressBytes, familyOf, formatAddress } from '../net/index.ts'
import {
  attributeEnd,
  attributeType,
  beginMessage,
  endMessage,
  type MessageReader,
} from './message.ts'
import { align4, type NativeWriter, u16At, u32At } from './native.ts'
import {
  AF_INET,
  AF_INET6,
  AF_UNSPEC,
  NHA_BLACKHOLE,
  NHA_ENCAP,
  NHA_ENCAP_TYPE,
  NHA_FDB,
  NHA_GATEWAY,
  NHA_GROUP,
  NHA_GROUP_TYPE,
  NHA_ID,
  NHA_OIF,
  NLM_F_DUMP,
  NLM_F_REQUEST,
  RTM_DELNEXTHOP,
  RTM_GETNEXTHOP,
  RTM_NEWNEXTHOP,
  RTNH_F_ONLINK,
} from './numbers.ts'
import { type RouteVerb, VERB_FLAGS } from './route.ts'
import type { TargetHop } from './target.ts'

/**
 * Next hops that routes share, as objects of the kernel: a route names an id, and whoever replaces
 * the object moves all its routes at once.
 *
 *   nhmsg      family 1 | scope 1 | protocol 1 | reserved 1 | flags 4      then attributes
 *   member     id 4 | weight - 1, 1 | reserved 3                           of NHA_GROUP
 */

/** A member of a group of objects. */
export interface ObjectMember {
  readonly id: number
  /** 1 to 255 */
  readonly weight: number
}

/** Attributes that make an object one that Martlet does not write; later ones only count. */
const STRANGE: ReadonlySet<number> = new Set([
  ...[NHA_BLACKHOLE, NHA_ENCAP_TYPE, NHA_ENCAP, NHA_FDB],
])

/** What an object is. `other`: something that Martlet does not write. */
export type NextHopObject =
  | { readonly kind: 'hop'; readonly hop: TargetHop }
  | { readonly kind: 'group'; readonly members: readonly ObjectMember[] }
  | { readonly kind: 'other' }

/** An object as the kernel tells it. */
export interface ObjectMessage {
  readonly present: boolean
  readonly id: number
  /** rtm_protocol of who made it */
  readonly protocol: number
  readonly object: NextHopObject
}

/** Octets of a request, at most, beside the members of a group. */
export const OBJECT_OCTETS_MAX = 72

/** Octets of a member. */
export const MEMBER_OCTETS = 8

/**
 * Writes one request, with the verbs of routes: `add` only where nothing has this id (EEXIST),
 * `replace` only where something has it (ENOENT). An object can only take the place of its kind. A
 * deletion takes the routes with it that use the object.
 */
export function encodeObject(
  to: NativeWriter,
  verb: RouteVerb,
  sequence: number,
  protocol: number,
  { id, object }: { readonly id: number; readonly object: NextHopObject },
): void {
  const remove = verb === 'delete' || object.kind === 'other'
  const at = beginMessage(
    to,
    remove ? RTM_DELNEXTHOP : RTM_NEWNEXTHOP,
    remove ? VERB_FLAGS.delete : VERB_FLAGS[verb],
    sequence,
  )
  const hop = remove || object.kind === 'group' ? undefined : object.hop
  to.u8(familyNumber(hop))
  to.u8(0)
  // the kernel wants nothing but the id in a deletion
  to.u8(remove ? 0 : protocol)
  to.u8(0)
  to.u32(hop?.onlink ? RTNH_F_ONLINK : 0)
  to.number(NHA_ID, id)
  if (hop !== undefined) encodeHop(to, hop)
  else if (!remove && object.kind === 'group') encodeMembers(to, object.members)
  endMessage(to, at)
}

function familyNumber(hop: TargetHop | undefined): number {
  if (hop === undefined) return AF_UNSPEC
  return hop.gateway !== undefined && familyOf(hop.gateway) === 'ipv6' ? AF_INET6 : AF_INET
}

function encodeHop(to: NativeWriter, hop: TargetHop): void {
  to.number(NHA_OIF, hop.link)
  if (hop.gateway === undefined) return
  const bytes = addressBytes(hop.gateway)
  to.u16(4 + bytes.length)
  to.u16(NHA_GATEWAY)
  to.put(bytes)
}

function encodeMembers(to: NativeWriter, members: readonly ObjectMember[]): void {
  const at = to.length
  to.u16(0)
  to.u16(NHA_GROUP)
  for (const { id, weight } of members) {
    to.u32(id)
    to.u8(weight - 1)
    to.zeros(3)
  }
  to.close16(at)
}

/** Asks for all objects. A kernel without them (before 5.3) answers EOPNOTSUPP. */
export function encodeObjectDump(to: NativeWriter, sequence: number): void {
  const at = beginMessage(to, RTM_GETNEXTHOP, NLM_F_REQUEST | NLM_F_DUMP, sequence)
  to.zeros(8)
  endMessage(to, at)
}

/** Reads RTM_NEWNEXTHOP or RTM_DELNEXTHOP; undefined when too short or without an id. O(octets). */
export function decodeObject(from: MessageReader): ObjectMessage | undefined {
  const { bytes, start, end } = from
  if (start + 8 > end) return undefined
  const onlink = (u32At(bytes, start + 4) & RTNH_F_ONLINK) !== 0
  let id = 0
  let link = 0
  let gateway: TargetHop['gateway']
  let members: readonly ObjectMember[] | undefined
  let strange = false
  let at = start + 8
  for (let stop = attributeEnd(bytes, at, end); stop >= 0; stop = attributeEnd(bytes, at, end)) {
    const type = attributeType(bytes, at)
    if (type === NHA_ID) id = u32At(bytes, at + 4)
    else if (type === NHA_OIF) link = u32At(bytes, at + 4)
    else if (type === NHA_GATEWAY && (stop - at === 8 || stop - at === 20))
      gateway = formatAddress(bytes.subarray(at + 4, stop))
    else if (type === NHA_GROUP) members = decodeMembers(bytes, at + 4, stop)
    // a group of type 0 spreads flows by hash: ours
    else if (type === NHA_GROUP_TYPE ? u16At(bytes, at + 4) !== 0 : STRANGE.has(type))
      strange = true
    at = align4(stop)
  }
  if (id === 0) return undefined
  const hop = { ...(gateway !== undefined && { gateway }), link, weight: 1, onlink }
  const known: NextHopObject =
    members === undefined ? { kind: 'hop', hop } : { kind: 'group', members }
  const present = from.type === RTM_NEWNEXTHOP
  return { present, id, protocol: bytes[start + 2]!, object: strange ? { kind: 'other' } : known }
}

function decodeMembers(bytes: Uint8Array, start: number, end: number): ObjectMember[] {
  const members: ObjectMember[] = []
  for (let at = start; at + MEMBER_OCTETS <= end; at += MEMBER_OCTETS)
    members.push({ id: u32At(bytes, at), weight: bytes[at + 4]! + 1 })
  return members
}
