import test from 'ava'
import { address, type Family, type Prefix, prefix } from '../../../src/core/net/index.ts'
import { PATHS_PER_PEER_MAX } from '../../../src/core/rib/index.ts'
import type { PeerConfig } from '../../../src/core/speaker/index.ts'
import { checkDecisions, checkReferences } from '../../../src/sim/index.ts'
import { Bench, LOCAL_AS, type Offer, type Scripted, updateOf } from './bench.ts'

/** A peer that sends several paths of a prefix: RFC 7911 as the receiver, between the tables. */

const P = prefix('10.1.0.0/16')
const Q = prefix('10.2.0.0/16')
const SIX = prefix('2001:db8:1::/48')
const SENDS: Offer = { addPath: { send: true } }
const TAKES: Partial<PeerConfig> = { options: { addPath: { receive: true, send: false } } }

const hop = (at: number) => ({ nextHop: address(`203.0.113.${at}`) })

/** A peer that sends several paths, one that hears of the best, and a dataplane. */
function several(offer: Offer = SENDS, changes: Partial<PeerConfig> = {}) {
  const bench = new Bench()
  const a = bench.peer('a', 65001, { ...TAKES, ...changes })
  const b = bench.peer('b', 65002)
  bench.configure()
  bench.deliver({ type: 'FibUp', preserved: false })
  bench.deliver({ type: 'FibCredit', routes: 10_000 })
  a.up(offer)
  b.up()
  for (const peer of [a, b]) peer.news()
  return { bench, a, b }
}

/** The paths of a prefix as `from pathId`, the best first, the others with why they are not. */
function paths(bench: Bench, of: Prefix): string[] {
  const [route] = bench.speaker.lookup(of)
  return (route?.paths ?? []).map(({ from, pathId, best, reason }) =>
    [from, pathId ?? '-', best ? 'best' : reason].join(' '),
  )
}

const session = (bench: Bench, name: string) =>
  bench.speaker.snapshot(bench.now).sessions.find(each => each.name === name)!

const received = (bench: Bench): number =>
  session(bench, 'a').prefixes.reduce((sum, family) => sum + family.received, 0)

const nextHops = (peer: Scripted): (string | undefined)[] =>
  peer.news().map(each => ('announced' in each ? each.attributes.asPath?.[0]?.asns.join(' ') : '-'))

/** An AS path behind the peer's own AS, so that others see which path they were sent. */
const behind = (...asns: number[]) => ({
  asPath: [{ type: 'sequence' as const, asns: [65001, ...asns] }],
})

/** Nothing is wrong in the tables. */
const wrong = ({ speaker }: Bench): string[] => [
  ...checkDecisions({ speaker }),
  ...checkReferences({ speaker }),
]

test('RFC 7911 §3: paths of one prefix are several where their identifiers differ', t => {
  const { bench, a, b } = several()
  a.announcePath(7, behind(1, 2), P)
  a.announcePath(4_000_000_000, behind(1), P)
  a.announcePath(0, behind(1, 2, 3), P)
  t.deepEqual(paths(bench, P), ['a 4000000000 best', 'a 0 longer AS_PATH', 'a 7 longer AS_PATH'])
  t.is(received(bench), 3)
  t.is(session(bench, 'a').prefixes[0]?.best, 1)
  t.deepEqual(nextHops(b), ['65000 65001 1 2', '65000 65001 1'])
  t.deepEqual(a.news(), [], 'none goes back to where it came from')
  t.deepEqual(wrong(bench), [])
})

test('RFC 7911 §3: a path takes the place of the one with its identifier, and only of that', t => {
  const { bench, a } = several()
  a.announcePath(1, behind(1), P)
  a.announcePath(2, behind(1, 2), P)
  a.announcePath(1, behind(1, 2, 3), P)
  t.deepEqual(paths(bench, P), ['a 2 best', 'a 1 longer AS_PATH'])
  t.is(received(bench), 2)
})

test('RFC 7911 §3: a withdrawal takes the path with its identifier, and no other', t => {
  const { bench, a, b } = several()
  a.announcePath(1, behind(1), P, Q)
  a.announcePath(2, behind(1, 2), P)
  b.news()
  a.withdrawPath(3, P)
  t.deepEqual(b.news(), [])
  a.withdrawPath(1, P)
  t.deepEqual(nextHops(b), ['65000 65001 1 2'])
  t.deepEqual(paths(bench, P), ['a 2 best'])
  a.withdrawPath(2, P)
  t.deepEqual(b.brief(), [`-${P}`])
  t.is(received(bench), 1)
  t.deepEqual(wrong(bench), [])
})

test('paths that tie in all but the identifier: the lower one is best, in any order', t => {
  for (const order of [
    [1, 2, 0x80000000],
    [0x80000000, 2, 1],
    [2, 0x80000000, 1],
  ]) {
    const { bench, a } = several()
    for (const path of order) a.announcePath(path, hop(path % 200), P)
    t.deepEqual(paths(bench, P), [
      'a 1 best',
      'a 2 higher path identifier',
      'a 2147483648 higher path identifier',
    ])
  }
})

test('paths of one peer through several next hops are used together', t => {
  const { bench, a } = several()
  for (const at of [3, 1, 2]) a.announcePath(at, hop(at), P)
  t.deepEqual(
    bench.fib.hopsOf(P),
    [1, 2, 3].map(at => hop(at).nextHop),
  )
  a.withdrawPath(1, P)
  t.deepEqual(
    bench.fib.hopsOf(P),
    [2, 3].map(at => hop(at).nextHop),
  )
})

test('RFC 4271 §4.3: a path that one UPDATE withdraws and announces is announced', t => {
  const { bench, a } = several()
  a.announcePath(1, behind(1), P)
  a.announcePath(2, behind(1, 2), P)
  const gone = updateOf(undefined, [P], 1).subarray(19)
  const come = updateOf(a.attributes(behind(1, 2, 3)), [P, P], 1).subarray(19)
  const withdrawn = gone.subarray(0, gone.length - 2)
  const body = Buffer.concat([withdrawn, come.subarray(2)])
  const header = Buffer.from([...Array(16).fill(0xff), 0, 19 + body.length, 2])
  a.send(Buffer.concat([header, body]))
  bench.settle()
  t.deepEqual(paths(bench, P), ['a 2 best', 'a 1 longer AS_PATH'])
  t.is(received(bench), 2, 'and the same twice is the same')
})

test('RFC 7911 §3: IPv6 paths have their identifiers inside MP_REACH_NLRI and MP_UNREACH_NLRI', t => {
  const { bench, a } = several(SENDS, { families: ['ipv4', 'ipv6'] })
  const six = (at: number) => ({ nextHop: address(`2001:db8::${at}`) })
  a.announcePath(1, six(1), SIX)
  a.announcePath(2, six(2), SIX)
  a.announcePath(9, behind(1), P)
  t.deepEqual(paths(bench, SIX), ['a 1 best', 'a 2 higher path identifier'])
  a.withdrawPath(1, SIX)
  t.deepEqual(paths(bench, SIX), ['a 2 best'])
  t.deepEqual(paths(bench, P), ['a 9 best'])
  t.deepEqual(wrong(bench), [])
})

test('RFC 7911 §4: without both sides there are no identifiers', t => {
  const { bench, a } = several(SENDS, { options: {} })
  a.announce({}, P)
  t.deepEqual(paths(bench, P), ['a - best'])
  const other = several({})
  other.a.announce({}, P)
  t.deepEqual(paths(other.bench, P), ['a - best'])
})

test('RFC 7606 §5.3: NLRI that end inside an identifier or behind it reset the session', t => {
  const whole = updateOf(undefined, [P], 7)
  const octets = 4 + 3
  for (let cut = 1; cut < octets; cut++) {
    const { bench, a } = several()
    a.announcePath(7, {}, P)
    const body = whole.slice(19, whole.length - 2 - cut)
    body[1] = octets - cut
    const length = 19 + body.length + 2
    a.send(Buffer.from([...Array(16).fill(0xff), 0, length, 2, ...body, 0, 0]))
    bench.settle()
    t.deepEqual(a.notifications, [[3, 10]], `${cut} octets less`)
    t.deepEqual(paths(bench, P), [], 'and it has no routes any more')
  }
})

test('a session that is lost takes the paths of all slots with it', t => {
  const { bench, a, b } = several()
  for (const at of [1, 2, 3, 4]) a.announcePath(at, hop(at), P, Q)
  a.withdrawPath(1, P)
  b.news()
  a.down()
  t.deepEqual(b.brief().sort(), [`-${P}`, `-${Q}`])
  t.deepEqual(bench.fib.hopsOf(P), [])
  const { locRibs, sets } = bench.speaker.tables
  t.deepEqual([locRibs.ipv4.paths, locRibs.ipv4.prefixes.size, sets.size], [0, 0, 0])
  a.up(SENDS)
  a.announcePath(4, hop(4), P)
  t.deepEqual(paths(bench, P), ['a 4 best'])
  t.deepEqual(wrong(bench), [])
})

test('a peer that is removed gives back its rows, slots included', t => {
  const { bench, a } = several()
  for (const at of [1, 2, 3]) a.announcePath(at, hop(at), P)
  const { peers } = bench.speaker.tables
  const { rows } = peers
  for (let round = 0; round < 3; round++) {
    bench.configure({ peers: bench.peers.slice(1).map(({ config }) => config) })
    bench.settle()
    bench.configure()
    a.up(SENDS)
    t.deepEqual(paths(bench, P), [])
    for (const at of [3, 2, 1]) a.announcePath(at, hop(at), P)
    t.is(paths(bench, P).length, 3)
    t.deepEqual(wrong(bench), [])
  }
  t.is(peers.rows, rows)
})

test('RFC 4724 §4.2: stale paths stay by identifier, and End-of-RIB takes what was not repeated', t => {
  const families: readonly Family[] = ['ipv4']
  const offer: Offer = { ...SENDS, restart: { restarting: true, forwarding: families } }
  const { bench, a, b } = several({ ...SENDS, restart: {} })
  const told = () => bench.fib.told
  for (const at of [1, 2, 3]) a.announcePath(at, hop(at), P)
  a.endOfRib()
  b.news()
  const before = told()
  a.down()
  t.is(paths(bench, P).length, 3)
  t.is(session(bench, 'a').prefixes[0]?.stale, 3)
  a.up(offer)
  a.announcePath(3, hop(3), P)
  t.is(session(bench, 'a').prefixes[0]?.stale, 2)
  t.is(told(), before, 'the FIB hears of nothing')
  // what was path 1 is path 9 now
  a.announcePath(9, hop(1), P)
  a.endOfRib()
  t.deepEqual(paths(bench, P), ['a 3 best', 'a 9 higher path identifier'])
  t.deepEqual(
    bench.fib.hopsOf(P),
    [1, 3].map(at => hop(at).nextHop),
  )
  t.is(session(bench, 'a').prefixes[0]?.stale, 0)
  t.deepEqual(wrong(bench), [])
})

test('RFC 4724 §4.2: stale paths with identifiers mean nothing to a session without, nor the reverse', t => {
  const forwarding = { restart: { restarting: true, forwarding: ['ipv4' as const] } }
  const { bench, a } = several({ ...SENDS, restart: {} })
  a.announcePath(1, hop(1), P)
  a.announcePath(2, hop(2), P)
  a.down()
  a.up(forwarding)
  t.deepEqual(paths(bench, P), [])
  a.announce({}, P)
  a.down()
  t.deepEqual(paths(bench, P), ['a - best'])
  a.up({ ...SENDS, ...forwarding })
  t.deepEqual(paths(bench, P), [])
})

test('a peer has so many paths of a prefix and no more, which is said once a session', t => {
  const { bench, a } = several()
  const most = PATHS_PER_PEER_MAX
  for (let at = 0; at < most + 3; at++) a.announcePath(at, {}, P)
  t.is(received(bench), most)
  const said = () => bench.notes.filter(({ code }) => code === 'PATHS_LEFT_OUT')
  t.deepEqual(said(), [{ code: 'PATHS_LEFT_OUT', peer: 'a', limit: most }])
  a.withdrawPath(5, P)
  a.announcePath(most + 1, {}, P)
  t.is(received(bench), most)
  t.is(paths(bench, P).length, most)
  t.is(said().length, 1)
})

test('a reflector says of a path in a slot who it is from', t => {
  const bench = new Bench()
  const a = bench.peer('a', LOCAL_AS, { ...TAKES, routeReflectorClient: true })
  const b = bench.peer('b', LOCAL_AS, { routeReflectorClient: true })
  bench.configure()
  a.up(SENDS)
  b.up()
  for (const peer of [a, b]) peer.news()
  a.announcePath(1, { localPref: 50 }, P)
  a.announcePath(2, { localPref: 200 }, P)
  const [last] = b.news().slice(-1)
  t.like(last, { announced: P, attributes: { localPref: 200, originatorId: a.routerId } })
  t.deepEqual(a.news(), [])
  t.deepEqual(paths(bench, P), ['a 2 best', 'a 1 lower LOCAL_PREF'])
})

test('paths of two neighbouring ASes are used together unless the configuration says otherwise', t => {
  const { bench, a, b } = several()
  a.announcePath(1, hop(1), P)
  a.announcePath(2, hop(2), P)
  b.announce(hop(3), P)
  const hops = (...each: number[]) => each.map(at => hop(at).nextHop)
  t.deepEqual(bench.fib.hopsOf(P), hops(1, 2, 3))
  bench.configure({ multipathAcrossAses: false })
  t.deepEqual(bench.fib.hopsOf(P), hops(1, 2))
  bench.configure()
  t.deepEqual(bench.fib.hopsOf(P), hops(1, 2, 3))
})
