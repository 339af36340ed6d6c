/**
 * Routes as an MRT table dump (RFC 6396 §4.3, TABLE_DUMP_V2): the one way to tell GoBGP many routes
 * at once, with any attribute. Written octet by octet, and so not by the code that it tests.
 */
import { address, addressBytes, prefix, prefixParts } from '../../../../src/core/net/index.ts'
import { type Announcement, type Attributes, familyOf } from './program.ts'

type Octets = readonly number[]

const u16 = (value: number): Octets => [(value >> 8) & 255, value & 255]
const u32 = (value: number): Octets => [...u16(value >>> 16), ...u16(value & 65_535)]
const octetsOf = (text: string): Octets => [...addressBytes(address(text))]

/** `1:2:3` as numbers. */
const parts = (text: string): readonly number[] => text.split(':').map(Number)

const WELL_KNOWN = 0x40
const OPTIONAL = 0x80
const OPTIONAL_TRANSITIVE = 0xc0

const attribute = (flags: number, code: number, value: Octets): Octets => [
  flags,
  code,
  value.length,
  ...value,
]

const ORIGINS = { IGP: 0, EGP: 1, incomplete: 2 } as const

/** RFC 4271 §4.3: type 1 is a set, type 2 a sequence. */
function segments(path: NonNullable<Attributes['asPath']>): Octets {
  const runs: { type: number; asns: number[] }[] = []
  for (const part of path) {
    const last = runs.at(-1)
    if (typeof part !== 'number') runs.push({ type: 1, asns: [...part] })
    else if (last?.type === 2) last.asns.push(part)
    else runs.push({ type: 2, asns: [part] })
  }
  return runs.flatMap(({ type, asns }) => [type, asns.length, ...asns.flatMap(u32)])
}

/** RFC 4360 §4: a route target of a two-octet AS. */
const routeTarget = (text: string): Octets => {
  const [asn = 0, local = 0] = parts(text)
  return [0, 2, ...u16(asn), ...u32(local)]
}

/** MP_REACH_NLRI's value. RFC 4760 §3 */
const reach = (hop: Octets, nlri: Octets): Octets => [0, 2, 1, hop.length, ...hop, 0, ...nlri]

function attributesOf(attributes: Attributes, nextHop: string, nlri: Octets): Octets {
  const { asPath = [], origin = 'IGP', med, localPref, aggregator, unknown } = attributes
  const { communities, largeCommunities, routeTargets } = attributes
  const hop = octetsOf(nextHop)
  const list = (code: number, texts: readonly string[] = [], of: (text: string) => Octets) =>
    texts.length === 0 ? [] : attribute(OPTIONAL_TRANSITIVE, code, texts.flatMap(of))
  return [
    ...attribute(WELL_KNOWN, 1, [ORIGINS[origin]]),
    ...attribute(WELL_KNOWN, 2, segments(asPath)),
    ...(hop.length === 4 ? attribute(WELL_KNOWN, 3, hop) : []),
    ...(med === undefined ? [] : attribute(OPTIONAL, 4, u32(med))),
    ...(localPref === undefined ? [] : attribute(WELL_KNOWN, 5, u32(localPref))),
    ...(attributes.atomicAggregate === true ? attribute(WELL_KNOWN, 6, []) : []),
    ...(aggregator
      ? attribute(OPTIONAL_TRANSITIVE, 7, [...u32(aggregator.asn), ...octetsOf(aggregator.address)])
      : []),
    ...list(8, communities, text => parts(text).flatMap(u16)),
    // whole: of the next hop alone, which RFC 6396 §4.3.4 asks for, GoBGP makes nothing
    ...(hop.length === 16 ? attribute(OPTIONAL, 14, reach(hop, nlri)) : []),
    ...list(16, routeTargets, routeTarget),
    ...list(32, largeCommunities, text => parts(text).flatMap(u32)),
    ...(unknown ? attribute(OPTIONAL_TRANSITIVE, unknown.code, unknown.value) : []),
  ]
}

/** TABLE_DUMP_V2 */
const TYPE = 13

const record = (subtype: number, body: Octets): Octets => [
  ...u32(0),
  ...u16(TYPE),
  ...u16(subtype),
  ...u32(body.length),
  ...body,
]

const PEER_INDEX_TABLE = 1
const RIB_UNICAST = { ipv4: 2, ipv6: 4 } as const

/** The table of a collector with one peer, which has `routes` by way of `nextHops`. */
export function tableDump(
  routes: readonly Announcement[],
  nextHops: Readonly<Record<'ipv4' | 'ipv6', string>>,
): Uint8Array {
  const id = octetsOf('192.0.2.1')
  // one peer, with an IPv4 address and a four-octet AS number
  const peers = [...id, ...u16(0), ...u16(1), 2, ...id, ...id, ...u32(0)]
  const ribs = routes.map((route, sequence) => {
    const family = familyOf(route.prefix)
    const { bytes, length } = prefixParts(prefix(route.prefix))
    const nlri = [length, ...bytes.subarray(0, Math.ceil(length / 8))]
    const attributes = attributesOf(route.attributes ?? {}, nextHops[family], nlri)
    const entry = [...u16(0), ...u32(0), ...u16(attributes.length), ...attributes]
    return record(RIB_UNICAST[family], [...u32(sequence), ...nlri, ...u16(1), ...entry])
  })
  return Uint8Array.from([...record(PEER_INDEX_TABLE, peers), ...ribs.flat()])
}
