import test from 'ava'
import { address, prefix } from '../../../src/core/net/index.ts'
import type { ExportOptions, PeerConfig } from '../../../src/core/speaker/index.ts'
import type { AsPathSegment, Capability, Role } from '../../../src/core/wire/index.ts'
import { asn, Bench, LOCAL, LOCAL_AS } from './bench.ts'
import { type EndsOptions, ends, sequence, told } from './ends.ts'

/** What operators and later RFCs ask of a route on its way out, beyond RFC 4271. */

const P = prefix('10.1.0.0/16')
const INSIDE = Number(LOCAL_AS)

/** The AS path that a peer of AS 65002 is told of one that a peer of AS 65001 announced. */
function pathOut(
  asPath: readonly AsPathSegment[],
  exportRules: ExportOptions,
  { toOffer, ...to }: Partial<PeerConfig> & Pick<EndsOptions, 'toOffer'> = {},
): readonly AsPathSegment[] | undefined {
  const all = ends(65001, 65002, { to: { ...to, exportRules }, ...(toOffer && { toOffer }) })
  all.from.announce({ asPath }, P)
  return told(all)?.asPath
}

// ---- AS_PATH

test('local-as: the peer sees that number alone', t => {
  const path = pathOut([sequence(65001, 7)], {}, { localAs: asn(64999) })
  t.deepEqual(path, [sequence(64999, 65001, 7)])
})

test('local-as with the real AS shown: both are in front, ours behind the other', t => {
  const path = pathOut([sequence(65001, 7)], { showRealAs: true }, { localAs: asn(64999) })
  t.deepEqual(path, [sequence(64999, INSIDE, 65001, 7)])
})

test('the real AS is shown once where it is the one that the peer knows', t => {
  t.deepEqual(pathOut([sequence(65001)], { showRealAs: true }), [sequence(INSIDE, 65001)])
})

test('two numbers in front of a path of 254 get a segment of their own', t => {
  const asns = Array.from({ length: 254 }, (_, at) => 1 + at)
  const path = pathOut([sequence(...asns)], { showRealAs: true }, { localAs: asn(64999) })
  t.deepEqual(path, [sequence(64999, INSIDE), sequence(...asns)])
})

test("as-override: the peer's AS becomes ours wherever it is in the path", t => {
  const path = [sequence(65001, 65002, 7, 65002), { type: 'set' as const, asns: [65002, 8] }]
  t.deepEqual(pathOut(path, { overrideAs: true }), [
    sequence(INSIDE, 65001, INSIDE, 7, INSIDE),
    { type: 'set', asns: [INSIDE, 8] },
  ])
  t.deepEqual(pathOut([sequence(65001, 65002)], {}), [sequence(INSIDE, 65001, 65002)])
})

const privateAs = test.macro<
  [string, ExportOptions, readonly AsPathSegment[], readonly AsPathSegment[]]
>({
  exec(t, _, rules, received, sent) {
    t.deepEqual(pathOut(received, rules), sent)
    // the codec's way, which peers of two octets take, says the same
    t.deepEqual(pathOut(received, rules, { toOffer: { fourOctetAs: false } }), sent)
  },
  title: (_, what) => `private AS numbers: ${what}`,
})

const REMOVE: ExportOptions = { privateAs: 'remove' }
const REPLACE: ExportOptions = { privateAs: 'replace' }
const EDGES = [64511, 64512, 65534, 65535, 4199999999, 4200000000, 4294967294]
test(
  privateAs,
  'the ranges of RFC 6996 §5 leave the path, their neighbours do not',
  REMOVE,
  [sequence(7, ...EDGES, 8)],
  [sequence(INSIDE, 7, 64511, 65535, 4199999999, 8)],
)
test(
  privateAs,
  'ours is in their place where they are replaced, so that the length stays',
  REPLACE,
  [sequence(7, ...EDGES, 8)],
  [sequence(INSIDE, 7, 64511, INSIDE, INSIDE, 65535, 4199999999, INSIDE, INSIDE, 8)],
)
test(
  privateAs,
  "the peer's own number stays, so that it sees its loops",
  REMOVE,
  [sequence(64512, 65002, 7)],
  [sequence(INSIDE, 65002, 7)],
)
test(
  privateAs,
  'unless it is overridden',
  { ...REMOVE, overrideAs: true },
  [sequence(64512, 65002, 7)],
  [sequence(INSIDE, INSIDE, 7)],
)
test(
  privateAs,
  'a path of nothing else is ours alone',
  REMOVE,
  [sequence(64512)],
  [sequence(INSIDE)],
)
test(
  privateAs,
  'a set loses them too, and goes where it has nothing else',
  REMOVE,
  [sequence(7), { type: 'set', asns: [64512, 9] }, { type: 'set', asns: [64513] }],
  [sequence(INSIDE, 7), { type: 'set', asns: [9] }],
)

test('peers whose paths differ are groups of their own, others share one', t => {
  const bench = new Bench()
  const peers = [{}, {}, { overrideAs: true }, { privateAs: 'remove' as const }]
  for (const [at, exportRules] of peers.entries()) bench.peer(`p${at}`, 65002 + at, { exportRules })
  bench.configure()
  for (const peer of bench.peers) peer.up()
  t.is(bench.speaker.exports.ipv4.groups, 3)
})

test('rules for the path that change are sent as a difference, without a reset', t => {
  const all = ends(65001, 65002)
  all.from.announce({ asPath: [sequence(65001, 65002)] }, P)
  t.deepEqual(told(all)?.asPath, [sequence(INSIDE, 65001, 65002)])
  const to = { ...all.to.config, exportRules: { overrideAs: true } }
  all.bench.configure({ peers: [all.from.config, to] })
  t.deepEqual(told(all)?.asPath, [sequence(INSIDE, 65001, INSIDE)])
  t.false(all.to.closed)
})

// ---- NEXT_HOP

const SHARED = { exportRules: { sharedSubnet: prefix('192.0.2.0/28') } }

const thirdParty = test.macro<[string, string, Partial<PeerConfig>, 'stays' | 'our own', number?]>({
  exec(t, _, hop, to, expected, fromAs = 65001) {
    const all = ends(fromAs, 65002, { to })
    all.from.announce({ nextHop: address(hop) }, P)
    t.is(told(all)?.nextHop, expected === 'stays' ? address(hop) : LOCAL)
  },
  title: (_, what, hop, __, expected) => `third-party next hops: ${hop}, ${what}: ${expected}`,
})

test(
  thirdParty,
  'in the subnet shared with the peer. RFC 4271 §5.1.3',
  '192.0.2.9',
  SHARED,
  'stays',
)
test(thirdParty, 'of an internal peer, in the shared subnet', '192.0.2.9', SHARED, 'stays', INSIDE)
test(thirdParty, 'outside of the shared subnet', '192.0.2.16', SHARED, 'our own')
test(thirdParty, 'which is the peer itself', '192.0.2.2', SHARED, 'our own')
test(thirdParty, 'without a shared subnet', '192.0.2.9', {}, 'our own')
test(
  thirdParty,
  'where always our own is asked for',
  '192.0.2.9',
  { ...SHARED, nextHop: 'self' },
  'our own',
)
test(
  thirdParty,
  'in a subnet that the peer is not in',
  '198.51.100.9',
  { exportRules: { sharedSubnet: prefix('198.51.100.0/24') } },
  'our own',
)

/** A bench of a source and two others that share a subnet with us, all up. */
function neighbours() {
  const bench = new Bench()
  const source = bench.peer('source', 65001, SHARED)
  const [a, b] = [bench.peer('a', 65002, SHARED), bench.peer('b', 65003, SHARED)]
  bench.configure()
  for (const peer of bench.peers) peer.up()
  for (const peer of bench.peers) peer.news()
  return { bench, source, a, b }
}

test('peers of one subnet share a group, and what is encoded for it', t => {
  const { bench, source, a, b } = neighbours()
  t.is(bench.speaker.exports.ipv4.groups, 1)
  for (const peer of [a, b]) peer.updates.length = 0
  source.announce({}, P)
  t.is(told({ bench, from: source, to: a })?.nextHop, source.config.address)
  t.is(a.updates.length, 1)
  t.is(a.updates[0], b.updates[0])
})

test('what goes through another peer is announced with our own next hop', t => {
  const { bench, source, a, b } = neighbours()
  source.announce({ nextHop: a.config.address }, P)
  for (const to of [a, b]) t.is(told({ bench, from: source, to })?.nextHop, LOCAL)
  // the same attributes from that peer itself: nobody is told of itself
  a.announce({ asPath: source.attributes().asPath ?? [] }, prefix('10.2.0.0/16'))
  t.is(told({ bench, from: a, to: b })?.nextHop, a.config.address)
  t.is(told({ bench, from: a, to: source })?.nextHop, a.config.address)
  t.deepEqual(a.news(), [])
})

test('a subnet parts no peers that are told only of what is our own', t => {
  const bench = new Bench()
  bench.peer('here', 65001, { ...SHARED, export: 'originated' })
  bench.peer('elsewhere', 65002, { export: 'originated' })
  bench.configure()
  for (const peer of bench.peers) peer.up()
  t.is(bench.speaker.exports.ipv4.groups, 1)
})

test('a peer that comes where others were told of it is not told of itself', t => {
  const { bench, source, a, b } = neighbours()
  const late = address('192.0.2.4')
  source.announce({ nextHop: late }, P)
  t.is(told({ bench, from: source, to: a })?.nextHop, late)
  const c = bench.peer('c', 65004, SHARED)
  t.is(c.config.address, late)
  bench.configure()
  c.up()
  t.is(told({ bench, from: source, to: c })?.nextHop, LOCAL)
  t.is(bench.speaker.exports.ipv4.groups, 2)
  // and what comes later is right for all
  b.announce({ nextHop: late }, prefix('10.2.0.0/16'))
  for (const to of [a, c]) t.is(told({ bench, from: b, to })?.nextHop, LOCAL)
})

test('a link-local next hop means nothing to a peer elsewhere, whatever is to be kept', t => {
  const families = { families: ['ipv6'] } as const
  const from = { ...families, transport: { ttl: 64, trafficClass: 0, interface: 'eth0' } }
  const to = { ...families, nextHop: 'keep' as const, nextHopIpv6: address('2001:db8::254') }
  const all = ends(65001, INSIDE, { from, to })
  all.from.announce({ nextHop: address('fe80::1') }, prefix('2001:db8:1::/48'))
  t.is(told(all)?.nextHop, address('2001:db8::254'))
})

// ---- MED, communities

test('a MED of another AS goes to internal peers and no farther. RFC 4271 §5.1.4', t => {
  const inside = ends(65001, INSIDE)
  inside.from.announce({ med: 5 }, P)
  t.is(told(inside)?.med, 5)
  const outside = ends(INSIDE, 65002)
  outside.from.announce({ med: 5 }, P)
  t.is(told(outside)?.med, undefined)
})

test('GRACEFUL_SHUTDOWN is passed on, for others to act on. RFC 8326', t => {
  const all = ends(65001, 65002)
  all.from.announce({ communities: [0xffff0000] }, P)
  t.deepEqual(told(all)?.communities, [0xffff0000])
})

test('an attribute that came with the Partial bit leaves with it. RFC 4271 §5', t => {
  for (const toOffer of [{}, { fourOctetAs: false }]) {
    const all = ends(65001, 65002, { toOffer })
    all.from.announce({ communities: [0x10001], onlyToCustomer: 7, partial: [8] }, P)
    t.deepEqual(told(all)?.partial, [8])
  }
})

// ---- OTC

const OUR_ROLE_ADDS: Readonly<Record<Role, boolean>> = {
  provider: true,
  peer: true,
  'route-server': true,
  customer: false,
  'route-server-client': false,
}
const OUR_ROLE_STOPS: Readonly<Record<Role, boolean>> = {
  provider: false,
  peer: true,
  'route-server': false,
  customer: true,
  'route-server-client': true,
}
const ROLES = ['provider', 'peer', 'route-server', 'customer', 'route-server-client'] as const

for (const role of ROLES) {
  const options: EndsOptions = { to: { options: { role } } }

  test(`as ${role}: OTC is ${OUR_ROLE_ADDS[role] ? '' : 'not '}added. RFC 9234 §5`, t => {
    const all = ends(65001, 65002, options)
    all.from.announce({}, P)
    t.is(told(all)?.onlyToCustomer, OUR_ROLE_ADDS[role] ? INSIDE : undefined)
    all.bench.configure({ originated: [prefix('10.9.0.0/16')] })
    t.is(told(all)?.onlyToCustomer, OUR_ROLE_ADDS[role] ? INSIDE : undefined, 'to our own routes')
  })

  test(`as ${role}: what has OTC is ${OUR_ROLE_STOPS[role] ? 'not sent' : 'sent as it is'}`, t => {
    const all = ends(65001, 65002, options)
    all.from.announce({ onlyToCustomer: 7 }, P)
    t.is(told(all)?.onlyToCustomer, OUR_ROLE_STOPS[role] ? undefined : 7)
    t.is(all.to.updates.length, OUR_ROLE_STOPS[role] ? 0 : 1)
  })
}

test('OTC names the AS that the peer knows us as', t => {
  const all = ends(65001, 65002, { to: { options: { role: 'provider' }, localAs: asn(64999) } })
  all.from.announce({}, P)
  t.is(told(all)?.onlyToCustomer, 64999)
})

test('OTC passes through where no role is configured, and inside the AS', t => {
  for (const toAs of [65002, INSIDE]) {
    const all = ends(65001, toAs)
    all.from.announce({ onlyToCustomer: 7 }, P)
    t.is(told(all)?.onlyToCustomer, 7)
  }
})

// ---- LLGR_STALE

const LLGR_STALE = 0xffff0006
const LONG_LIVED: Capability = { type: 'long-lived-graceful-restart', families: [] }

const stale = test.macro<[string, number, EndsOptions['toOffer'], boolean]>({
  exec(t, _, toAs, toOffer, expected) {
    const all = ends(65001, toAs, { ...(toOffer && { toOffer }) })
    all.from.announce({ communities: [LLGR_STALE] }, P)
    t.deepEqual(told(all)?.communities, expected ? [LLGR_STALE] : undefined)
    // and once it is no longer stale, everybody is told
    all.from.announce({}, P)
    t.is(told(all)?.communities, undefined)
    t.is(all.to.updates.length, expected ? 2 : 1)
  },
  title: (_, who, __, ___, expected) =>
    `stale routes are ${expected ? '' : 'not '}sent to ${who}. RFC 9494 §4.3`,
})

test(stale, 'an external peer that does not know them', 65002, undefined, false)
test(stale, 'an internal peer that does not know them', INSIDE, undefined, false)
test(stale, 'a peer that does', 65002, { restart: {}, capabilities: [LONG_LIVED] }, true)
test(stale, 'an internal peer that does', INSIDE, { restart: {}, capabilities: [LONG_LIVED] }, true)
test(
  stale,
  'one that offers it without graceful restart',
  65002,
  { capabilities: [LONG_LIVED] },
  false,
)

test('a route that becomes stale is withdrawn from those that do not know such routes', t => {
  const all = ends(65001, 65002)
  all.from.announce({}, P)
  all.to.news()
  all.from.announce({ communities: [LLGR_STALE] }, P)
  t.deepEqual(all.to.brief(), [`-${P}`])
})

// ---- RFC 8654

const LONG = { communities: Array.from({ length: 1100 }, (_, at) => 0x10000 + at) }
const LONGER = { capabilities: [{ type: 'extended-message' as const }] }

test('attributes that fit a longer message go to those that take one. RFC 8654 §4', t => {
  const bench = new Bench()
  const options = { extendedMessages: true }
  const from = bench.peer('from', 65001, { options })
  const long = bench.peer('long', 65002, { options })
  const short = bench.peer('short', 65003, { options })
  bench.configure()
  from.up(LONGER)
  long.up(LONGER)
  short.up()
  for (const to of [long, short]) to.news()
  t.is(bench.speaker.exports.ipv4.groups, 2)
  from.announce({}, P)
  t.deepEqual([long.brief(), short.brief()], [[`+${P}`], [`+${P}`]])
  from.announce(LONG, P)
  t.is(told({ bench, from, to: long })?.communities?.length, 1100)
  t.deepEqual(short.brief(), [`-${P}`], 'it will not fit: withdraw')
  const notes = bench.notes.filter(({ code }) => code === 'ROUTE_DOES_NOT_FIT')
  t.deepEqual(notes, [{ code: 'ROUTE_DOES_NOT_FIT', peer: 'short', prefix: P }])
})
