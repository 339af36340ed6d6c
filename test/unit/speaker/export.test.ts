import test from 'ava'
import { address, prefix } from '../../../src/core/net/index.ts'
import type { PeerConfig } from '../../../src/core/speaker/index.ts'
import { Bench, LOCAL, LOCAL_AS } from './bench.ts'
import { ends, sequence, told } from './ends.ts'

/** What is sent to whom, and how it is changed on the way. */

const P = prefix('10.1.0.0/16')
const P6 = prefix('2001:db8:1::/48')
const INSIDE = Number(LOCAL_AS)

test('external to external: our AS in front, next hop our own, MED and LOCAL_PREF left out', t => {
  const all = ends(65001, 65002)
  all.from.announce({ asPath: [sequence(65001, 7)], med: 5, communities: [0x10001] }, P)
  t.deepEqual(told(all), {
    origin: 0,
    asPath: [sequence(INSIDE, 65001, 7)],
    nextHop: LOCAL,
    communities: [0x10001],
  })
})

test('external to internal: next hop and MED as received, LOCAL_PREF 100', t => {
  const all = ends(65001, INSIDE)
  all.from.announce({ med: 5 }, P)
  t.deepEqual(told(all), {
    origin: 0,
    asPath: [sequence(65001)],
    nextHop: all.from.config.address,
    med: 5,
    localPref: 100,
  })
})

test('internal to external: LOCAL_PREF stays inside', t => {
  const all = ends(INSIDE, 65002)
  all.from.announce({ localPref: 200 }, P)
  t.deepEqual(told(all), { origin: 0, asPath: [sequence(INSIDE)], nextHop: LOCAL })
})

test('internal to internal: nothing. RFC 4271 §9.2.1', t => {
  const all = ends(INSIDE, INSIDE)
  all.from.announce({}, P)
  t.is(told(all), undefined)
})

const reflects = test.macro({
  exec: (t, from: boolean, to: boolean) => {
    const all = ends(INSIDE, INSIDE, {
      from: { routeReflectorClient: from },
      to: { routeReflectorClient: to },
    })
    all.from.announce({ localPref: 150, med: 3 }, P)
    t.deepEqual(told(all), {
      origin: 0,
      asPath: [],
      nextHop: all.from.config.address,
      localPref: 150,
      med: 3,
      originatorId: all.from.routerId,
      clusterList: [0x63000001],
    })
  },
  title: (_, from: boolean, to: boolean) =>
    `from ${from ? 'a client' : 'another'} to ${to ? 'a client' : 'another'}: reflected. RFC 4456 §6`,
})

test(reflects, true, true)
test(reflects, true, false)
test(reflects, false, true)

test('equal attributes of two clients are reflected with each its own originator', t => {
  const bench = new Bench()
  const client = { routeReflectorClient: true }
  const [a, b, c] = ['a', 'b', 'c'].map(name => bench.peer(name, INSIDE, client))
  bench.configure()
  for (const peer of [a, b, c]) peer!.up()
  c!.news()
  const nextHop = address('192.0.2.99')
  a!.announce({ nextHop }, P)
  b!.announce({ nextHop }, prefix('10.2.0.0/16'))
  a!.announce({ nextHop }, prefix('10.3.0.0/16'))
  const originators = c!
    .news()
    .map(each => ('announced' in each ? each.attributes.originatorId : undefined))
  t.deepEqual(originators, [a!.routerId, b!.routerId, a!.routerId])
})

test('what was reflected before keeps its originator, and our cluster goes in front', t => {
  const all = ends(INSIDE, INSIDE, { from: { routeReflectorClient: true } })
  all.from.announce({ originatorId: 9, clusterList: [8] }, P)
  t.like(told(all), { originatorId: 9, clusterList: [0x63000001, 8] })
})

test('what has our cluster in it, or us as originator, is not used', t => {
  const all = ends(INSIDE, INSIDE, { from: { routeReflectorClient: true } })
  all.from.announce({ originatorId: 9, clusterList: [8, 0x63000001] }, P)
  t.is(told(all), undefined)
  all.from.announce({ originatorId: 0x0afffffe }, P)
  t.is(told(all), undefined)
  const [path] = all.bench.speaker.lookup(P)[0]!.paths
  t.is(path!.reason, 'ORIGINATOR_ID is this node')
})

const community = test.macro({
  exec: (t, _: string, value: number, external: boolean, internal: boolean) => {
    const outside = ends(65001, 65002)
    outside.from.announce({ communities: [value] }, P)
    t.is(told(outside) !== undefined, external)
    const inside = ends(65001, INSIDE)
    inside.from.announce({ communities: [value] }, P)
    t.is(told(inside) !== undefined, internal)
  },
  title: (_, name) => `${name} is honoured. RFC 1997`,
})

test(community, 'NO_EXPORT', 0xffffff01, false, true)
test(community, 'NO_ADVERTISE', 0xffffff02, false, false)
test(community, 'NO_EXPORT_SUBCONFED', 0xffffff03, false, true)

const nextHop = test.macro({
  exec: (
    t,
    rule: PeerConfig['nextHop'],
    toAs: number,
    learned: 'as received' | 'our own',
    originated: 'our own',
  ) => {
    const all = ends(65001, toAs, { to: { nextHop: rule } })
    all.from.announce({}, P)
    const expected = learned === 'our own' ? LOCAL : all.from.config.address
    t.is(told(all)?.nextHop, expected)
    all.bench.configure({ originated: [prefix('10.9.0.0/16')] })
    t.is(told(all)?.nextHop, LOCAL, originated)
  },
  title: (_, rule, toAs) =>
    `next hop rule ${rule} to an ${toAs === INSIDE ? 'internal' : 'external'} peer`,
})

test(nextHop, 'auto', 65002, 'our own', 'our own')
test(nextHop, 'auto', INSIDE, 'as received', 'our own')
test(nextHop, 'self', 65002, 'our own', 'our own')
test(nextHop, 'self', INSIDE, 'our own', 'our own')
test(nextHop, 'keep', 65002, 'as received', 'our own')
test(nextHop, 'keep', INSIDE, 'as received', 'our own')

test('a next hop of our own that is configured goes before the address of the session', t => {
  const own = address('192.0.2.200')
  const all = ends(65001, 65002, { to: { nextHopIpv4: own } })
  all.from.announce({}, P)
  t.is(told(all)?.nextHop, own)
})

test('IPv6 routes over an IPv4 session have the IPv6 next hop that is configured', t => {
  const own = address('2001:db8::254')
  const families = { families: ['ipv4', 'ipv6'] } as const
  const all = ends(65001, 65002, { from: families, to: { ...families, nextHopIpv6: own } })
  all.from.announce({ nextHop: address('2001:db8::1') }, P6)
  t.deepEqual(told(all), { origin: 0, asPath: [sequence(INSIDE, 65001)], nextHop: own })
})

test('without an IPv6 address of ours, IPv6 routes are not sent, and that is said once', t => {
  const families = { families: ['ipv4', 'ipv6'] } as const
  const all = ends(65001, 65002, { from: families, to: families })
  for (const med of [1, 2, 3]) all.from.announce({ nextHop: address('2001:db8::1'), med }, P6)
  t.is(told(all), undefined)
  t.deepEqual(
    all.bench.notes.filter(({ code }) => code === 'NEXT_HOP_MISSING'),
    [{ code: 'NEXT_HOP_MISSING', peer: 'to', family: 'ipv6' }],
  )
})

test('attributes that nobody knows are passed on if they are transitive, with the Partial bit', t => {
  const all = ends(65001, 65002)
  const value = Uint8Array.of(1, 2, 3)
  all.from.announce({ unknown: [{ flags: 0xc0, code: 99, value }] }, P)
  t.deepEqual(told(all)?.unknown, [{ flags: 0xe0, code: 99, value }])
})

test('a path of 255 AS numbers gets a new segment in front', t => {
  const all = ends(65001, 65002)
  const asns = Array.from({ length: 255 }, (_, at) => 1 + at)
  all.from.announce({ asPath: [sequence(...asns)] }, P)
  t.deepEqual(told(all)?.asPath, [sequence(INSIDE), sequence(...asns)])
})

test('a path that begins with a set gets a sequence in front', t => {
  const all = ends(65001, 65002)
  all.from.announce({ asPath: [{ type: 'set', asns: [1, 2] }] }, P)
  t.deepEqual(told(all)?.asPath, [sequence(INSIDE), { type: 'set', asns: [1, 2] }])
})

test('export "originated" sends nothing that was learned', t => {
  const all = ends(65001, 65002, { to: { export: 'originated' } })
  all.from.announce({}, P)
  t.is(told(all), undefined)
  all.bench.configure({ originated: [P] })
  t.deepEqual(told(all), { origin: 0, asPath: [sequence(INSIDE)], nextHop: LOCAL })
})

test('peers that speak two-octet AS numbers are a group of their own', t => {
  const bench = new Bench()
  const a = bench.peer('a', 65001)
  const b = bench.peer('b', 65002)
  const c = bench.peer('c', 65003)
  bench.configure()
  a.up()
  b.up()
  c.up({ fourOctetAs: false })
  b.updates.length = 0
  c.updates.length = 0
  t.is(bench.speaker.exports.ipv4.groups, 2)
  a.announce({ asPath: [sequence(65001, 4200000000)] }, P)
  t.is(b.updates.length, 1)
  t.is(c.updates.length, 1)
  // our AS, the peer's, AS_TRANS for the large one: two octets each; AS4_PATH has it
  const text = [...c.updates[0]!].map(octet => octet.toString(16).padStart(2, '0')).join('')
  t.true(text.includes('0203fde8fde95ba0'))
  t.true(text.includes('fa56ea00'))
})
