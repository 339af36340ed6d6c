import { Writer } from '../../src/core/base/index.ts'
import { formatPrefix, maxLength, parsePrefix, prefixParts } from '../../src/core/net/index.ts'
import {
  type AttributeContext,
  type Capability,
  checkNlri,
  type DecodedAttributes,
  decodeAttributes,
  decodeNotification,
  decodeOpen,
  decodeRouteRefresh,
  encodeAttributes,
  encodeKeepalive,
  encodeNotification,
  encodeOpen,
  encodeRouteRefresh,
  type Fault,
  Framer,
  familyOfAfiSafi,
  MESSAGE_TYPES,
  type Message,
  missingMandatory,
  type PathAttributes,
  remedyOf,
  splitUpdate,
} from '../../src/core/wire/index.ts'
import {
  type AttributesJson,
  bytesOf,
  type CapabilityJson,
  hexOf,
  type Json,
  type MessageJson,
  type UnreachJson,
  type UpdateJson,
} from './vectors.ts'

/**
 * Whole messages to the JSON of a vector and back, by the doors that the program itself uses. Bytes
 * are hex, prefixes are text; everything else is as the types say.
 */

/** What an UPDATE says: its sections, decoded. */
export interface Routes {
  readonly type: 'UPDATE'
  readonly withdrawn: readonly string[]
  readonly decoded: DecodedAttributes
  readonly nlri: readonly string[]
}

/** What a receiver makes of a message. */
export type Verdict = Exclude<Message, { type: 'UPDATE' }> | Routes | Fault | 'incomplete'

/** A session to another AS whose speakers both know four-octet AS numbers. */
export const EXTERNAL: AttributeContext = { fourOctetAs: true, ebgp: true }

/** Reads one message as a session would; a fault is that of the severest remedy. */
export function judge(raw: Uint8Array, context: AttributeContext): Verdict {
  let verdict: Verdict = 'incomplete'
  const fault = new Framer().push(raw, (type, body) => {
    verdict = judgeBody(type, body, context)
    return false
  })
  return fault ?? verdict
}

function judgeBody(type: number, body: Uint8Array, context: AttributeContext): Verdict {
  switch (type) {
    case MESSAGE_TYPES.OPEN:
      return decodeOpen(body)
    case MESSAGE_TYPES.NOTIFICATION:
      return decodeNotification(body)
    case MESSAGE_TYPES.KEEPALIVE:
      return { type: 'KEEPALIVE' }
    case MESSAGE_TYPES.ROUTE_REFRESH:
      return decodeRouteRefresh(body)
    default:
      return judgeUpdate(body, context)
  }
}

function judgeUpdate(body: Uint8Array, context: AttributeContext): Verdict {
  const update = splitUpdate(body)
  if ('remedy' in update) return update
  const decoded = decodeAttributes(update.attributes, context)
  const remedy = remedyOf(decoded, update)
  const severe = decoded.faults.find(fault => fault.remedy === decoded.remedy)
  if (severe !== undefined && remedy !== undefined) return { ...severe, remedy }
  for (const { family, nlri } of fields(update.withdrawn, update.nlri, decoded)) {
    const count = checkNlri(nlri, family)
    if (typeof count !== 'number') return count
  }
  const announces = update.nlri.length > 0 || (decoded.reach?.nlri.length ?? 0) > 0
  const known = decoded.reach === undefined || familyOfReach(decoded.reach) !== undefined
  const missing = announces && known ? missingMandatory(decoded.attributes, context) : undefined
  if (missing !== undefined) return missing
  return {
    type: 'UPDATE',
    withdrawn: prefixesOf(update.withdrawn, 'ipv4'),
    decoded,
    nlri: prefixesOf(update.nlri, 'ipv4'),
  }
}

function* fields(
  withdrawn: Uint8Array,
  nlri: Uint8Array,
  { reach, unreach }: DecodedAttributes,
): Generator<{ family: 'ipv4' | 'ipv6'; nlri: Uint8Array }> {
  yield { family: 'ipv4', nlri: withdrawn }
  yield { family: 'ipv4', nlri }
  for (const part of [reach, unreach]) {
    const family = part && familyOfReach(part)
    if (part !== undefined && family !== undefined) yield { family, nlri: part.nlri }
  }
}

const familyOfReach = ({ afi, safi }: { afi: number; safi: number }) => familyOfAfiSafi(afi, safi)

/** The prefixes of a sound NLRI field, as text. */
export function prefixesOf(nlri: Uint8Array, family: 'ipv4' | 'ipv6'): string[] {
  const prefixes: string[] = []
  for (let at = 0; at < nlri.length; ) {
    const length = nlri[at]!
    const octets = (length + 7) >>> 3
    const address = new Uint8Array(maxLength(family) / 8)
    address.set(nlri.subarray(at + 1, at + 1 + octets))
    prefixes.push(formatPrefix(address, length))
    at += 1 + octets
  }
  return prefixes
}

/** Prefixes as an NLRI field. */
export function nlriOf(prefixes: readonly string[]): Uint8Array {
  return Uint8Array.from(
    prefixes.flatMap(text => {
      const prefix = parsePrefix(text)
      if (prefix === undefined) throw new Error(`${text} is not a prefix`)
      const { bytes, length } = prefixParts(prefix)
      return [length, ...bytes.subarray(0, (length + 7) >>> 3)]
    }),
  )
}

/** A verdict that is no fault, as the JSON of a vector. */
export function toJson(verdict: Exclude<Verdict, Fault>): Json {
  if (verdict === 'incomplete') return { type: verdict }
  if (verdict.type !== 'UPDATE') return plain(verdict)
  const { reach, unreach, attributes } = verdict.decoded
  return plain({
    type: 'UPDATE',
    withdrawn: verdict.withdrawn,
    attributes,
    nlri: verdict.nlri,
    ...(reach && { reach: { ...reach, nlri: nlriJson(reach) } }),
    ...(unreach && { unreach: { ...unreach, nlri: nlriJson(unreach) } }),
  })
}

function nlriJson(part: { afi: number; safi: number; nlri: Uint8Array }): string | string[] {
  const family = familyOfReach(part)
  return family === undefined ? hexOf(part.nlri) : prefixesOf(part.nlri, family)
}

/** A fault as the JSON of a vector. */
export function faultJson({ remedy, notification }: Fault): Json {
  const { code, subcode, data } = notification
  return { remedy, code, subcode, data: hexOf(data) }
}

/** Bytes to hex, all the way down. */
export function plain(value: object): Json {
  return JSON.parse(
    JSON.stringify(value, (_key, item) => (item instanceof Uint8Array ? hexOf(item) : item)),
  )
}

/** The message that the JSON of a vector describes. */
export function fromJson(json: MessageJson): Uint8Array {
  switch (json.type) {
    case 'OPEN':
      return encodeOpen({ ...json, capabilities: json.capabilities.map(capabilityOf) })
    case 'NOTIFICATION':
      return encodeNotification({ ...json, data: bytesOf(json.data) })
    case 'KEEPALIVE':
      return encodeKeepalive()
    case 'ROUTE-REFRESH':
      return encodeRouteRefresh(json)
    default:
      return encodeUpdate(json)
  }
}

/** MP_REACH_NLRI first, MP_UNREACH_NLRI alone: as UpdateBuilder sends them, but in any mixture. */
function encodeUpdate({ withdrawn, attributes, nlri, ...json }: UpdateJson): Uint8Array {
  const { reach, unreach, session } = json
  const section = new Writer(4096)
  if (reach !== undefined) {
    const field = nlriBytes(reach)
    const hop = bytesOf(reach.nextHop)
    section.put(Uint8Array.of(0x80, 14, 5 + hop.length + field.length))
    section.put(Uint8Array.of(reach.afi >>> 8, reach.afi, reach.safi, hop.length, ...hop, 0))
    section.put(field)
  }
  encodeAttributes(attributesOf(attributes), session ?? EXTERNAL, section)
  if (unreach !== undefined) {
    const field = nlriBytes(unreach)
    section.put(Uint8Array.of(0x80, 15, 3 + field.length, unreach.afi >>> 8, unreach.afi))
    section.put(Uint8Array.of(unreach.safi, ...field))
  }
  const body = new Writer(4096)
  body.counted16(() => body.put(nlriOf(withdrawn)))
  body.counted16(() => body.put(section.bytes()))
  body.put(nlriOf(nlri))
  const octets = 19 + body.length
  return Uint8Array.of(...Array(16).fill(0xff), octets >>> 8, octets, 2, ...body.bytes())
}

const nlriBytes = ({ nlri }: UnreachJson): Uint8Array =>
  typeof nlri === 'string' ? bytesOf(nlri) : nlriOf(nlri)

const capabilityOf = (json: CapabilityJson): Capability =>
  json.type === 'unknown' ? { ...json, value: bytesOf(json.value) } : json

function attributesOf({ unknown, extendedCommunities, ...rest }: AttributesJson): PathAttributes {
  return {
    ...rest,
    ...(unknown && { unknown: unknown.map(one => ({ ...one, value: bytesOf(one.value) })) }),
    ...(extendedCommunities && { extendedCommunities: extendedCommunities.map(bytesOf) }),
  }
}
