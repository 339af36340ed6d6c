/** What is read of an MRT file, and what a sender makes of it. */
import test from 'ava'
import { Writer } from '../../../src/core/base/index.ts'
import { address, toAsn } from '../../../src/core/net/index.ts'
import { decodeAttributes, encodeAttributes } from '../../../src/core/wire/index.ts'
import { fullest, recordsOf, tableOf } from '../../perf/bench/load/mrt.ts'
import {
  type Announcer,
  announcements,
  asNumber,
  placeOf,
  retold,
} from '../../perf/bench/load/traffic.ts'

const TABLE_DUMP_V2 = 13
const [PEER_INDEX_TABLE, RIB_IPV4_UNICAST, RIB_IPV6_UNICAST, RIB_IPV4_UNICAST_ADDPATH] = [
  1, 2, 4, 8,
]

type Entry = readonly [peer: number, attributes: Uint8Array]

/** RFC 6396 §2: time, type, subtype, length, and the rest. */
function record(subtype: number, body: Uint8Array, type = TABLE_DUMP_V2): Uint8Array {
  const to = new Writer(12 + body.length)
  to.u32(1_700_000_000)
  to.u16(type)
  to.u16(subtype)
  to.u32(body.length)
  to.put(body)
  return to.bytes()
}

/** RFC 6396 §4.3.2 */
function rib(
  sequence: number,
  octets: readonly number[],
  length: number,
  ...entries: Entry[]
): Uint8Array {
  const to = new Writer(4_096)
  to.u32(sequence)
  to.u8(length)
  to.put(Uint8Array.from(octets))
  to.u16(entries.length)
  for (const [peer, attributes] of entries) {
    to.u16(peer)
    to.u32(1_700_000_000)
    to.u16(attributes.length)
    to.put(attributes)
  }
  return to.bytes().slice()
}

/** Attributes as a collector keeps them. */
function attributesOf(asns: readonly number[], communities: readonly number[] = []): Uint8Array {
  const to = new Writer(4_096)
  const asPath = [{ type: 'sequence' as const, asns: asns.map(asNumber) }]
  const nextHop = address('192.0.2.1')
  const some = communities.length > 0 && { communities }
  encodeAttributes(
    { origin: 0, asPath, nextHop, localPref: 120, ...some },
    { fourOctetAs: true },
    to,
  )
  return to.bytes().slice()
}

const FIRST = attributesOf([64_500, 64_501], [0xfde8_0001])
const SECOND = attributesOf([64_500, 4_200_000_001])

const FILE = Buffer.concat([
  record(PEER_INDEX_TABLE, new Uint8Array(8)),
  record(RIB_IPV4_UNICAST, rib(0, [10], 8, [0, FIRST], [1, SECOND])),
  record(RIB_IPV6_UNICAST, rib(1, [0x20, 1, 0xd, 0xb8], 32, [0, FIRST])),
  record(RIB_IPV4_UNICAST, rib(2, [10, 0], 16, [1, FIRST])),
  record(RIB_IPV4_UNICAST, rib(3, [10, 0, 0], 24, [1, SECOND], [0, SECOND])),
  record(RIB_IPV4_UNICAST, rib(4, [10, 0, 0, 128], 25, [1, SECOND])),
  // another kind of dump: not looked at
  record(RIB_IPV4_UNICAST, rib(5, [11], 8, [0, FIRST]), 16),
])

async function* inPieces(bytes: Uint8Array, octets: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += octets) yield bytes.slice(at, at + octets)
}

test('of the peer that has most all is read, prefixes by their attributes, however the file is cut', async t => {
  for (const octets of [1, 7, 12, 50, FILE.length]) {
    const peer = await fullest(recordsOf(inPieces(FILE, octets)))
    t.is(peer, 1)
    const table = await tableOf(recordsOf(inPieces(FILE, octets)), 1)
    t.deepEqual([...table.numbers], [0x0a_0000, 0x0a_0000, 0x0a_0000])
    t.deepEqual([...table.lengths], [8, 24, 16])
    t.deepEqual([...table.starts], [0, 2, 3])
    t.deepEqual(table.attributes.map(Buffer.from), [SECOND, FIRST].map(Buffer.from))
    t.is(table.longer, 1)
  }
})

test('a file that ends in the middle of a record, or whose entry is longer than its record, is refused', async t => {
  await t.throwsAsync(fullest(recordsOf(inPieces(FILE.subarray(0, -1), 100))), {
    message: /ends in the middle/,
  })
  const body = rib(0, [10], 8, [0, FIRST])
  const short = record(RIB_IPV4_UNICAST, body.subarray(0, -1))
  await t.throwsAsync(fullest(recordsOf(inPieces(short, 100))), {
    message: /longer than its record/,
  })
})

test('of several paths that a peer has to a prefix the first is read', async t => {
  const to = new Writer(4_096)
  to.u32(0)
  to.u8(8)
  to.u8(10)
  to.u16(2)
  for (const [path, attributes] of [FIRST, SECOND].entries()) {
    to.u16(3)
    to.u32(1_700_000_000)
    to.u32(path)
    to.u16(attributes.length)
    to.put(attributes)
  }
  const file = record(RIB_IPV4_UNICAST_ADDPATH, to.bytes())
  const table = await tableOf(recordsOf(inPieces(file, 100)), 3)
  t.deepEqual([...table.lengths], [8])
  t.deepEqual(table.attributes.map(Buffer.from), [FIRST].map(Buffer.from))
})

test('a file without such entries has no table', async t => {
  t.is(await fullest(recordsOf(inPieces(FILE.subarray(0, 20), 100))), undefined)
})

const BY: Announcer = {
  index: 0,
  asn: 65_001,
  nextHop: address('10.99.1.1'),
  family: 'ipv4',
  internal: false,
}

test('a neighbour tells them as its own: its AS number first, its next hop, and nothing of inside an AS', t => {
  const { attributes, faults } = decodeAttributes(retold(SECOND, BY), {
    fourOctetAs: true,
    ebgp: false,
  })
  t.deepEqual(faults, [])
  t.deepEqual(attributes.asPath, [
    { type: 'sequence', asns: [65_001, 4_200_000_001].map(value => toAsn(value)!) },
  ])
  t.is(attributes.nextHop, BY.nextHop)
  t.is(attributes.localPref, undefined)
  const communities = decodeAttributes(retold(FIRST, BY), { fourOctetAs: true, ebgp: false })
  t.deepEqual(communities.attributes.communities, [0xfde8_0001])
  // a path that does not begin with a sequence becomes longer
  const empty = decodeAttributes(retold(attributesOf([]), BY), { fourOctetAs: true, ebgp: false })
  t.deepEqual(empty.attributes.asPath, [{ type: 'sequence', asns: [toAsn(65_001)!] }])
})

test('more prefixes than a message holds are told in several', async t => {
  const numbers = Uint32Array.from({ length: 3_000 }, (_, at) => 0x0b_0000 + at)
  const lengths = new Uint8Array(3_000).fill(24)
  const table = { numbers, lengths, starts: Uint32Array.from([0, 3_000]), attributes: [FIRST] }
  const octets = announcements(table, BY)
  let [messages, at] = [0, 0]
  while (at < octets.length) {
    const length = ((octets[at + 16] ?? 0) << 8) | (octets[at + 17] ?? 0)
    t.true(length >= 19 && length <= 4_096)
    at += length
    messages++
  }
  t.is(at, octets.length)
  // three or four of the table, the marker, and the end
  t.is(messages, 2 + Math.ceil((3_000 * 4) / (4_096 - 23 - retold(FIRST, BY).length)))
})

test('no two prefixes have the same place', t => {
  const places = new Set<number>()
  let count = 0
  for (let length = 0; length <= 10; length++)
    for (let value = 0; value < 2 ** length; value++, count++)
      places.add(placeOf(value << (24 - length), length))
  t.is(places.size, count)
  t.is(placeOf(0xff_ffff, 24), 2 ** 25 - 1)
})
