/** rtnetlink: what was captured from a kernel, and what we write ourselves, read back. */
import { readFileSync } from 'node:fs'
import test from 'ava'
import fc from 'fast-check'
import {
  type Address,
  address,
  type Family,
  formatAddress,
  formatPrefix,
  prefixParts,
} from '../../../src/core/net/index.ts'
import {
  BLACKHOLE,
  decodeAddress,
  decodeAnswer,
  decodeLink,
  decodeRoute,
  emptyRoute,
  encodeLinkDump,
  encodeRoute,
  encodeRouteDump,
  encodeTarget,
  errnoText,
  isShared,
  MessageReader,
  NativeWriter,
  ROUTE_OCTETS_MAX,
  type RouteTarget,
  type RouteVerb,
  RTM_DELLINK,
  RTM_NEWLINK,
  requestAnswer,
  TargetEncoder,
  type TargetHop,
  TargetReader,
  unicastTarget,
} from '../../../src/core/rtnl/index.ts'

interface Vector {
  readonly title: string
  readonly raw: Uint8Array
  readonly json: unknown
}

function load(name: string, count: number): Vector[] {
  const text = readFileSync(new URL(`../../vectors/rtnl/${name}.vec`, import.meta.url), 'utf8')
  const [, ...blocks] = text.trim().split('\n\n')
  const vectors = blocks.map(block => {
    const [title = '', raw = '', json = ''] = block.split('\n')
    return {
      title: title.replace(/^# /, ''),
      raw: Uint8Array.from(raw.replace(/^raw /, '').split(':'), octet =>
        Number.parseInt(octet, 16),
      ),
      json: JSON.parse(json.replace(/^json /, '')) as unknown,
    }
  })
  if (vectors.length !== count) throw new Error(`${name}.vec has ${vectors.length} vectors`)
  return vectors
}

/** The first message of a datagram. */
function open(raw: Uint8Array): MessageReader {
  const reader = new MessageReader()
  reader.open(raw, raw.length)
  return reader
}

function readRoute(raw: Uint8Array, targets = new TargetReader()): unknown {
  const reader = open(raw)
  const route = emptyRoute()
  if (!reader.next() || !decodeRoute(reader, route)) return undefined
  const { present, flags, family, table, protocol, metric, tos, offset, length } = route
  const octets = new Uint8Array(family === 'ipv4' ? 4 : 16)
  octets.set(route.bytes.subarray(offset, offset + ((length + 7) >> 3)))
  const prefix = formatPrefix(octets, length)
  const target = targets.read(route).key
  return { present, flags, family, prefix, table, protocol, metric, tos, target }
}

function readLink(raw: Uint8Array): unknown {
  const reader = open(raw)
  if (!reader.next()) return undefined
  const isLink = reader.type === RTM_NEWLINK || reader.type === RTM_DELLINK
  return (isLink ? decodeLink(reader) : decodeAddress(reader)) ?? null
}

function readAnswer(raw: Uint8Array): unknown {
  const reader = open(raw)
  return reader.next() ? decodeAnswer(reader) : undefined
}

for (const [name, count, read] of [
  ['routes', 13, readRoute],
  ['links', 7, readLink],
  ['answers', 5, readAnswer],
] as const)
  for (const { title, raw, json } of load(name, count)) {
    test(`${name}: ${title}`, t => {
      t.deepEqual(read(raw), json)
    })
    test(`${name}, cut anywhere: ${title}`, t => {
      for (let length = 0; length < raw.length; length++) {
        const reader = open(raw.subarray(0, length))
        t.false(reader.next())
        t.is(reader.broken, length > 0)
        // a message that says that it is shorter than its attributes is read as far as it goes
        if (length < 16) continue
        const cut = raw.slice(0, length)
        new DataView(cut.buffer).setUint32(0, length, true)
        t.notThrows(() => read(cut))
      }
    })
  }

const addressOf = (family: Family): fc.Arbitrary<Address> =>
  fc
    .uint8Array({ minLength: 16, maxLength: 16 })
    .map(octets => formatAddress(family === 'ipv4' ? octets.subarray(0, 4) : octets))

const hop = (family: Family): fc.Arbitrary<TargetHop> =>
  fc.record({
    gateway: addressOf(family),
    link: fc.nat(0x7fffffff),
    weight: fc.integer({ min: 1, max: 256 }),
    onlink: fc.boolean(),
  })

const route = fc.constantFrom<Family>('ipv4', 'ipv6').chain(family =>
  fc.record({
    family: fc.constant(family),
    octets: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    length: fc.nat(family === 'ipv4' ? 32 : 128),
    table: fc.integer({ min: 1, max: 0xffffffff }),
    metric: fc.nat(0x7fffffff),
    protocol: fc.integer({ min: 1, max: 255 }),
    // gateways of IPv4 routes may be of either family
    hops: fc.array(family === 'ipv4' ? fc.oneof(hop('ipv4'), hop('ipv6')) : hop('ipv6'), {
      maxLength: 6,
    }),
    source: fc.option(addressOf(family), { nil: undefined }),
  }),
)

/** A single hop has no weight in the kernel. */
function targetOf(hops: readonly TargetHop[], source: Address | undefined): RouteTarget {
  const [only] = hops
  if (only === undefined) return BLACKHOLE
  return unicastTarget(hops.length === 1 ? [{ ...only, weight: 1 }] : hops, source)
}

test('what is written is read back, for any route', t => {
  const encoder = new TargetEncoder()
  const targets = new TargetReader()
  fc.assert(
    fc.property(route, ({ family, octets, length, table, metric, protocol, hops, source }) => {
      const target = targetOf(hops, source)
      const bytes = octets.subarray(0, family === 'ipv4' ? 4 : 16)
      const prefix = formatPrefix(bytes, length)
      const parts = prefixParts(prefix)
      const encoded = encoder.encode(family, target)
      const to = new NativeWriter(ROUTE_OCTETS_MAX + encoded.attributes.length)
      encodeRoute(
        to,
        { verb: 'add', sequence: 7, family, bytes: parts.bytes, offset: 0, length },
        { table, protocol, metric },
        encoded,
      )
      t.false(to.overflow)
      const flags = 0x601
      t.deepEqual(readRoute(to.bytes(), targets), {
        ...{ present: true, flags, family, prefix, table, protocol, metric, tos: 0 },
        target: target.key,
      })
    }),
    { numRuns: 500 },
  )
})

test('any bytes are a verdict, not a throw', t => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 200 }), raw => {
      new DataView(raw.buffer, raw.byteOffset).setUint32(0, raw.length, true)
      for (const read of [readRoute, readLink, readAnswer]) read(raw)
    }),
    { numRuns: 2_000 },
  )
  t.pass()
})

const flagsOf = (verb: RouteVerb): { readonly type: number; readonly flags: number } => {
  const to = new NativeWriter(200)
  const bytes = Uint8Array.of(198, 51, 100)
  const request = { verb, sequence: 7, family: 'ipv4', bytes, offset: 0, length: 24 } as const
  const slot = { table: 254, protocol: 80, metric: 1024 }
  encodeRoute(to, request, slot, encodeTarget('ipv4', BLACKHOLE))
  const reader = open(to.bytes())
  reader.next()
  return { type: reader.type, flags: reader.flags }
}

test('adding never takes a place, replacing never makes one', t => {
  t.deepEqual(flagsOf('add'), { type: 24, flags: 0x1 | 0x400 | 0x200 })
  t.deepEqual(flagsOf('replace'), { type: 24, flags: 0x1 | 0x100 })
  t.deepEqual(flagsOf('delete'), { type: 25, flags: 0x1 })
})

test('an answer can be asked of a message that is already written', t => {
  const to = new NativeWriter(200)
  encodeLinkDump(to, 1)
  requestAnswer(to.buffer, 0)
  const reader = open(to.bytes())
  t.true(reader.next())
  t.is(reader.flags & 4, 4)
})

test('a strict dump says its table and nothing else', t => {
  const to = new NativeWriter(64)
  encodeRouteDump(to, 'ipv4', 1000, 9)
  t.is(
    Buffer.from(to.bytes()).toString('hex'),
    '240000001a000103090000000000000002000000000000000000000008000f00e8030000',
  )
})

test('equal targets are one object, and strange attributes make another', t => {
  const targets = new TargetReader()
  const [plain] = load('routes', 13)
  const read = (raw: Uint8Array): RouteTarget => {
    const reader = open(raw)
    reader.next()
    const into = emptyRoute()
    t.true(decodeRoute(reader, into))
    return targets.read(into)
  }
  const raw = plain?.raw ?? new Uint8Array(0)
  const first = read(raw)
  t.is(read(raw.slice()), first)
  const withMore = (...octets: number[]): RouteTarget => {
    const more = Uint8Array.of(...raw, ...octets)
    new DataView(more.buffer).setUint32(0, more.length, true)
    return read(more)
  }
  // RTA_METRICS with an MTU of 1400: we do not write that
  const strange = withMore(12, 0, 8, 0, 8, 0, 2, 0, 120, 5, 0, 0)
  t.is(strange.kind, 'other')
  t.not(strange.key, first.key)
  // RTA_PREFSRC
  const sourced = withMore(8, 0, 7, 0, 192, 0, 2, 9)
  t.deepEqual([sourced.kind, sourced.source], ['unicast', address('192.0.2.9')])
  t.not(sourced.key, first.key)
})

test('the order of hops means nothing, their weights do', t => {
  const [one, two] = fc.sample(hop('ipv4'), { numRuns: 2, seed: 4 })
  if (one === undefined || two === undefined) return t.fail()
  t.is(unicastTarget([one, two]).key, unicastTarget([two, one]).key)
  const heavier = { ...two, weight: two.weight === 256 ? 1 : two.weight + 1 }
  t.not(unicastTarget([one, two]).key, unicastTarget([one, heavier]).key)
})

test('a writer that is full says so and writes no further', t => {
  const to = new NativeWriter(6)
  to.u32(1)
  to.u32(2)
  t.true(to.overflow)
  t.is(to.length, 4)
  to.reset()
  to.u16(3)
  t.deepEqual([...to.bytes()], [3, 0])
})

test('refusals that all routes of a group share are told from those of one route', t => {
  t.deepEqual([101, 113, 100, 19, 22, 1].map(isShared), [true, true, true, true, true, true])
  t.deepEqual([17, 3, 12, 105].map(isShared), [false, false, false, false])
  t.is(errnoText(101), 'ENETUNREACH (the next hop is not on a connected network)')
  t.is(errnoText(4000), 'errno 4000')
})
