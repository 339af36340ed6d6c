import test from 'ava'
import { address, prefix } from '../../../src/core/net/index.ts'
import type { PeerConfig } from '../../../src/core/speaker/index.ts'
import type { Capability } from '../../../src/core/wire/index.ts'
import { Bench, LOCAL, LOCAL_AS, type Offer, type Scripted } from './bench.ts'
import { ends, told } from './ends.ts'

/** IPv4 routes with IPv6 next hops: RFC 8950, in and out. */

const P = prefix('10.1.0.0/16')
const INSIDE = Number(LOCAL_AS)
const OURS = address('2001:db8::fe')
const THEIRS = address('2001:db8::1')

const TAKES: Capability = {
  type: 'extended-next-hop',
  families: [{ afi: 1, safi: 1, nextHopAfi: 2 }],
}
/** a session over IPv6, agreed on IPv6 next hops */
const WIDE: Offer = { capabilities: [TAKES], local: OURS }
const OPTIONS: Partial<PeerConfig> = { options: { extendedNextHop: true } }

function wide(bench: Bench, name: string, peerAs: number, at: string, changes = {}): Scripted {
  return bench.peer(name, peerAs, { ...OPTIONS, address: address(at), ...changes })
}

test('an IPv6 next hop of an IPv4 route is used, and the kernel is told', t => {
  const bench = new Bench()
  const peer = wide(bench, 'peer', 65001, '2001:db8::1')
  bench.configure()
  bench.deliver({ type: 'FibUp', preserved: false })
  bench.deliver({ type: 'FibCredit', routes: 100 })
  peer.up(WIDE)
  peer.announce({ nextHop: THEIRS }, P)
  const [route] = bench.speaker.lookup(P)
  t.like(route?.paths[0], { best: true, nextHop: THEIRS })
  t.deepEqual(ways(bench), [{ address: THEIRS, weight: 1 }])
  peer.withdraw(P)
  t.deepEqual(bench.speaker.lookup(P), [], 'the classic field withdraws it')
})

test('one that was not agreed on costs the routes, not the session. RFC 8950 §4', t => {
  const bench = new Bench()
  const peer = bench.peer('peer', 65001)
  const other = wide(bench, 'other', 65002, '2001:db8::2')
  bench.configure()
  peer.up()
  other.up(WIDE)
  // these octets are known from a peer that may use them: they are judged all the same
  const same = { nextHop: THEIRS, asPath: [] }
  other.announce(same, P)
  peer.announce({ asPath: peer.attributes().asPath ?? [] }, P)
  peer.announce(same, P)
  t.deepEqual(
    bench.speaker.lookup(P)[0]?.paths.map(({ from }) => from),
    ['other'],
  )
  t.false(peer.closed)
  const { sessions } = bench.speaker.snapshot(bench.now)
  t.is(sessions.find(({ name }) => name === 'peer')?.faults.withdrawn, 1)
})

test('classic and extended next hops of one session stand side by side', t => {
  const bench = new Bench()
  const peer = wide(bench, 'peer', 65001, '2001:db8::1')
  bench.configure()
  peer.up(WIDE)
  const Q = prefix('10.2.0.0/16')
  peer.announce({ nextHop: THEIRS }, P)
  peer.announce({ nextHop: address('10.0.0.9') }, Q)
  t.is(bench.speaker.lookup(P)[0]?.paths[0]?.nextHop, THEIRS)
  t.is(bench.speaker.lookup(Q)[0]?.paths[0]?.nextHop, address('10.0.0.9'))
})

/** The ways that the kernel was told for `P`. */
function ways({ fib }: Bench) {
  const group = fib.routes.get(P)
  return group === undefined ? undefined : fib.groups.get(group)?.hops
}

interface Case {
  readonly to?: Partial<PeerConfig>
  readonly toAs?: number
  readonly toOffer?: Offer
  /** of the route, from an external peer */
  readonly nextHop?: string
}

const sends = test.macro<[string, Case, string | undefined]>({
  exec(t, _, { to = {}, toAs = 65002, toOffer = WIDE, nextHop = '2001:db8::1' }, expected) {
    const from = { ...OPTIONS, address: THEIRS }
    const receiver = { ...OPTIONS, address: address('2001:db8::2'), ...to }
    const all = ends(65001, toAs, { from, to: receiver, fromOffer: WIDE, toOffer })
    all.from.announce({ nextHop: address(nextHop) }, P)
    t.is(told(all)?.nextHop, expected === undefined ? undefined : address(expected))
    const missing = all.bench.notes.filter(({ code }) => code === 'NEXT_HOP_MISSING')
    t.is(missing.length, expected === undefined ? 1 : 0)
    if (expected === undefined) return
    all.from.withdraw(P)
    t.deepEqual(all.to.brief(), [`-${P}`])
  },
  title: (_, what) => what,
})

test(sends, 'our IPv6 address stands for us where the session is over IPv6', {}, OURS)
test(sends, 'also where the route has an IPv4 next hop', { nextHop: '10.0.0.9' }, OURS)
test(
  sends,
  'a next hop that is configured goes before it',
  { to: { nextHopIpv6: address('2001:db8::77') } },
  '2001:db8::77',
)
test(
  sends,
  'an IPv4 next hop of our own goes before an IPv6 one',
  { to: { nextHopIpv4: LOCAL } },
  LOCAL,
)
test(
  sends,
  'over IPv4, our IPv4 address is enough',
  { toOffer: { capabilities: [TAKES] }, to: { address: address('192.0.2.2') } },
  LOCAL,
)
test(sends, 'an internal peer is sent the IPv6 next hop as received', { toAs: INSIDE }, THEIRS)
test(sends, 'and the IPv4 next hop as received', { toAs: INSIDE, nextHop: '10.0.0.9' }, '10.0.0.9')
test(
  sends,
  'an internal peer that does not take it is sent our own IPv4 address',
  { toAs: INSIDE, toOffer: {}, to: { address: address('192.0.2.2') } },
  LOCAL,
)
test(
  sends,
  'a peer over IPv6 that does not take it is sent nothing, and that is said',
  { toOffer: { local: OURS } },
  undefined,
)
test(
  sends,
  'a peer that takes it is sent nothing of the kind where we do not offer it',
  { to: { options: { extendedNextHop: false } } },
  undefined,
)

test('link-local next hops of two links are two ways, each with its link', t => {
  const bench = new Bench()
  const onLink = (link: string) => ({
    transport: { ttl: 64, trafficClass: 0, interface: link },
  })
  const a = wide(bench, 'a', 65001, 'fe80::1', onLink('eth0'))
  const b = wide(bench, 'b', 65001, 'fe80::2', onLink('eth1'))
  bench.configure()
  bench.deliver({ type: 'FibUp', preserved: false })
  bench.deliver({ type: 'FibCredit', routes: 100 })
  const local = address('fe80::fe')
  a.up({ ...WIDE, local })
  b.up({ ...WIDE, local })
  const nextHop = address('fe80::9')
  for (const peer of [a, b]) peer.announce({ nextHop }, P)
  t.deepEqual(ways(bench), [
    { address: nextHop, interface: 'eth0', weight: 1 },
    { address: nextHop, interface: 'eth1', weight: 1 },
  ])
  // what changes the attributes keeps the link
  const both = { nextHop: address('2001:db8::9'), linkLocalNextHop: nextHop }
  for (const peer of [a, b]) peer.announce(both, P)
  t.deepEqual(
    ways(bench)?.map(hop => hop.interface),
    ['eth0', 'eth1'],
  )
})

test('a link-local next hop from a peer that is on no known link is not used, and says so', t => {
  const all = ends(65001, 65002, { from: { ...OPTIONS, address: THEIRS }, fromOffer: WIDE })
  all.from.announce({ nextHop: address('fe80::9') }, P)
  t.is(told(all), undefined)
  const [path] = all.bench.speaker.lookup(P)[0]?.paths ?? []
  t.is(path?.reason, 'nobody says which link the next hop fe80::9 is on')
})

test('the peers of a session over a link-local address are sent ours', t => {
  const bench = new Bench()
  const from = bench.peer('from', 65001)
  const transport = { ttl: 64, trafficClass: 0, interface: 'eth0' }
  const to = wide(bench, 'to', 65002, 'fe80::2', { transport })
  bench.configure()
  from.up()
  to.up({ ...WIDE, local: address('fe80::fe') })
  to.news()
  from.announce({}, P)
  t.is(told({ bench, from, to })?.nextHop, address('fe80::fe'))
})
