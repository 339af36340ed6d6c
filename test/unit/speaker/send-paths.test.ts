import test from 'ava'
import { address, prefix } from '../../../src/core/net/index.ts'
import type { PeerConfig, SendPaths } from '../../../src/core/speaker/index.ts'
import { Bench, type Scripted, updateOf } from './bench.ts'

/** Several paths of a prefix are sent to peers that take them: RFC 7911. */

const P = prefix('10.1.0.0/16')
const Q = prefix('10.2.0.0/16')
const NO_EXPORT = 0xffffff01
const ENHANCED = [{ type: 'enhanced-route-refresh' as const }]

const ALL: SendPaths = { which: 'all', most: 32 }

/** A peer that takes several paths. */
const taking = (
  sendPaths: SendPaths | undefined,
  more: Partial<PeerConfig> = {},
): Partial<PeerConfig> => ({
  options: { addPath: { receive: false, send: true } },
  ...(sendPaths && { sendPaths }),
  ...more,
})

/** Three senders, whose paths are the better the earlier they are named, and one that is sent them. */
function scene(
  sendPaths: SendPaths | undefined,
  more: Partial<PeerConfig> = {},
  senders: Partial<PeerConfig> = {},
) {
  const bench = new Bench()
  const a = bench.peer('a', 65001, senders)
  const b = bench.peer('b', 65002, senders)
  const c = bench.peer('c', 65003, senders)
  const to = bench.peer('to', 65009, taking(sendPaths, more))
  bench.configure()
  for (const each of [a, b, c]) each.up()
  to.up({ addPath: { receive: true }, capabilities: ENHANCED })
  to.news()
  return { bench, a, b, c, to }
}

/** A longer path is a worse one. */
const far = (peer: Scripted, hops: number) => ({
  asPath: [
    {
      type: 'sequence' as const,
      asns: [peer.config.peerAs, ...new Array<number>(hops).fill(64999)],
    },
  ],
})

/** Who the paths that a peer was told come from: the second AS of what was announced. */
const sources = (peer: Scripted): string[] =>
  peer.news().map(each => {
    if ('announced' in each) return `+${each.path}: ${each.attributes.asPath?.[0]?.asns[1]}`
    return 'withdrawn' in each ? `-${each.path}` : 'more'
  })

function reconfigure(bench: Bench, peer: Scripted, config: Partial<PeerConfig>): void {
  const peers = bench.peers.map(each =>
    each === peer ? { ...each.config, ...config } : each.config,
  )
  bench.configure({ peers })
}

test('RFC 7911 §3: every path is sent under an identifier of its own, in the order of the decision', t => {
  const { a, b, c, to } = scene(ALL)
  c.announce(far(c, 2), P)
  b.announce(far(b, 1), P)
  a.announce(far(a, 0), P)
  t.deepEqual(sources(to), ['+1: 65003', '+2: 65002', '+3: 65001'], 'as they came')
  to.down()
  to.up({ addPath: { receive: true } })
  t.deepEqual(
    sources(to),
    ['+1: 65001', '+2: 65002', '+3: 65003', 'more'],
    'the best first, and End-of-RIB once',
  )
})

test('a path keeps its identifier whatever others do, and one change is one route in one message', t => {
  const { a, b, c, to } = scene(ALL)
  for (const [at, peer] of [a, b, c].entries()) peer.announce(far(peer, at), P)
  to.news()
  to.updates.length = 0
  b.announce({ ...far(b, 5), communities: [1] }, P)
  t.deepEqual(sources(to), ['+2: 65002'], 'the second path became the last')
  a.withdraw(P)
  t.deepEqual(sources(to), ['-1'], 'the best one went')
  b.announce(far(b, 0), P)
  t.deepEqual(sources(to), ['+2: 65002'], 'another is the best now')
  a.announce(far(a, 3), P)
  t.deepEqual(sources(to), ['+1: 65001'], 'the identifier that was free')
  t.is(to.updates.length, 4)
})

test('the best two are sent, and the next takes the place of one that goes', t => {
  const { a, b, c, to } = scene({ which: 'best', most: 2 })
  for (const [at, peer] of [a, b, c].entries()) peer.announce(far(peer, at), P)
  t.deepEqual(sources(to), ['+1: 65001', '+2: 65002'])
  a.withdraw(P)
  t.deepEqual(sources(to), ['+1: 65003'], 'one route says that a path went and another came')
  a.announce(far(a, 0), P)
  t.deepEqual(sources(to), ['+1: 65001'])
})

test('those that are used together are sent', t => {
  const { a, b, c, to } = scene({ which: 'multipath', most: 32 })
  a.announce(far(a, 1), P)
  b.announce(far(b, 2), P)
  c.announce(far(c, 1), P)
  t.deepEqual(sources(to), ['+1: 65001', '+2: 65003'])
  b.announce(far(b, 0), P)
  t.deepEqual(sources(to), ['-2', '+1: 65002'], 'withdrawals first')
})

test('paths that the rules keep back do not count', t => {
  const { a, b, c, to } = scene({ which: 'best', most: 2 })
  a.announce({ ...far(a, 0), communities: [NO_EXPORT] }, P)
  b.announce(far(b, 1), P)
  c.announce(far(c, 2), P)
  t.deepEqual(sources(to), ['+1: 65002', '+2: 65003'])
})

test('what this node originates is one of the paths', t => {
  const { bench, a, to } = scene(ALL)
  a.announce({}, P)
  to.news()
  bench.configure({ originated: [P] })
  t.deepEqual(to.brief(), [`+${P} path 2`])
  bench.configure({ originated: [] })
  t.deepEqual(to.brief(), [`-${P} path 2`])
})

test('paths of one set are several where they come from several peers', t => {
  const { bench, a, b, to } = scene(ALL)
  const same = { asPath: [{ type: 'sequence' as const, asns: [65100] }], nextHop: a.config.address }
  a.announce(same, P)
  b.announce(same, P)
  t.deepEqual(to.brief(), [`+${P} path 1`, `+${P} path 2`])
  t.is(bench.speaker.snapshot(bench.now).sessions[3]!.prefixes[0]!.advertised, 2)
  a.withdraw(P)
  t.deepEqual(to.brief(), [`-${P} path 1`])
})

test('no path goes back to the peer that it came from, whatever its identifiers', t => {
  const bench = new Bench()
  const both = { options: { addPath: { receive: true, send: true } }, sendPaths: ALL }
  const a = bench.peer('a', 65001, both)
  const b = bench.peer('b', 65002, both)
  bench.configure()
  for (const each of [a, b]) each.up({ addPath: { receive: true, send: true } }).news()
  a.announcePath(7, {}, P)
  a.announcePath(9, { med: 1 }, P)
  b.announcePath(7, { med: 2 }, P)
  t.deepEqual(a.brief(), [`+${P} path 3`])
  t.deepEqual(b.brief(), [`+${P} path 1`, `+${P} path 2`])
  a.withdrawPath(7, P)
  t.deepEqual(b.brief(), [`-${P} path 1`])
  t.deepEqual(a.brief(), [])
})

test('a peer without the capability is sent the best path, without an identifier', t => {
  const { a, b, to } = scene(ALL)
  to.down()
  to.up()
  to.news()
  b.announce(far(b, 1), P)
  a.announce({}, P)
  t.deepEqual(to.brief(), [`+${P}`, `+${P}`])
})

test('where nothing says how many, the best path alone is sent under an identifier', t => {
  const { a, b, to } = scene(undefined)
  b.announce(far(b, 1), P)
  a.announce(far(a, 0), P)
  b.withdraw(P)
  t.deepEqual(sources(to), ['+1: 65002', '+1: 65001'])
})

test('RFC 2918 §4: everything is said again under the same identifiers', t => {
  const { a, b, c, to } = scene(ALL)
  for (const [at, peer] of [c, b, a].entries()) peer.announce(far(peer, at), P)
  to.news()
  to.down()
  to.up({ addPath: { receive: true } })
  a.withdraw(P)
  a.announce(far(a, 9), P)
  t.deepEqual(sources(to), ['+1: 65003', '+2: 65002', '+3: 65001', 'more', '-3', '+3: 65001'])
  to.refresh()
  t.deepEqual(sources(to), ['+1: 65003', '+2: 65002', '+3: 65001'])
})

test('RFC 7313 §4: all paths are said between the marks of a refresh', t => {
  const { a, b, to } = scene(ALL)
  a.announce({}, P)
  b.announce({}, P)
  to.news()
  to.refresh()
  t.deepEqual(to.brief(), ['ipv4 refresh 1', `+${P} path 1`, `+${P} path 2`, 'ipv4 refresh 2'])
})

test('RFC 7313 §4: a refresh that is asked for before End-of-RIB begins after it', t => {
  const { bench, a, to } = scene(ALL)
  for (const prefix of [P, Q]) a.announce({}, prefix)
  to.down()
  to.news()
  const { settle } = bench
  bench.settle = () => {}
  to.up({ addPath: { receive: true }, capabilities: ENHANCED })
  to.refresh()
  bench.settle = settle
  bench.settle()
  const table = [`+${P} path 1`, `+${Q} path 1`]
  t.deepEqual(to.brief(), [...table, 'ipv4 complete', 'ipv4 refresh 1', ...table, 'ipv4 refresh 2'])
})

test('how many paths are sent may change while the session is up: the difference is said', t => {
  const { bench, a, b, c, to } = scene(ALL)
  for (const [at, peer] of [a, b, c].entries()) peer.announce(far(peer, at), P, Q)
  to.news()
  reconfigure(bench, to, { sendPaths: { which: 'best', most: 2 } })
  t.deepEqual(to.brief(), [`-${P} path 3`, `-${Q} path 3`])
  const { sendPaths: _none, ...plain } = to.config
  bench.configure({ peers: bench.peers.map(each => (each === to ? plain : each.config)) })
  t.deepEqual(to.brief(), [`-${P} path 2`, `-${Q} path 2`])
  reconfigure(bench, to, {})
  t.deepEqual(sources(to), ['+2: 65002', '+2: 65002', '+3: 65003', '+3: 65003'])
  t.is(bench.speaker.snapshot(bench.now).sessions[3]!.counters.established, 1)
})

test('IPv6 paths have identifiers too', t => {
  const both: Partial<PeerConfig> = {
    families: ['ipv4', 'ipv6'],
    nextHopIpv6: address('2001:db8::fe'),
  }
  const { a, b, to } = scene(ALL, both, both)
  const six = prefix('2001:db8:1::/48')
  a.announce({ nextHop: address('2001:db8::1') }, six)
  b.announce({ nextHop: address('2001:db8::2') }, six)
  t.deepEqual(to.brief(), [`+${six} path 1`, `+${six} path 2`])
  a.withdraw(six)
  t.deepEqual(to.brief(), [`-${six} path 1`])
})

test('peers that are sent the same paths get one encoding, others have theirs', t => {
  const bench = new Bench()
  const a = bench.peer('a', 65001)
  const b = bench.peer('b', 65002, taking(ALL))
  const c = bench.peer('c', 65003, taking(ALL))
  const d = bench.peer('d', 65004, taking({ which: 'best', most: 1 }))
  bench.configure()
  for (const peer of [a, b, c, d]) peer.up({ addPath: { receive: true } })
  for (const peer of [b, c, d]) peer.updates.length = 0
  a.announce({}, P)
  t.is(b.updates.length, 1)
  t.is(b.updates[0], c.updates[0], 'the very same octets')
  t.not(b.updates[0], d.updates[0])
  // the best path is one more group: that of the peer without the capability
  t.is(bench.speaker.exports.ipv4.groups, 3)
})

test('a peer whose socket is full is sent the last state, withdrawals of all paths first', t => {
  const { bench, a, b, c, to } = scene(ALL)
  const other = bench.peer('other', 65010, taking(ALL))
  bench.configure()
  other.up({ addPath: { receive: true } })
  for (const [at, peer] of [a, b, c].entries()) peer.announce(far(peer, at), P)
  for (const peer of [to, other]) peer.news()
  bench.deliver({ type: 'Congested', connection: to.connection })
  for (let flap = 0; flap < 50; flap++) {
    a.announce({ ...far(a, 0), communities: [flap] }, P, Q)
    b.announce({ ...far(b, 0), communities: [flap] }, Q)
    b.withdraw(Q)
  }
  for (const peer of [b, c]) peer.withdraw(P)
  t.is(other.news().length, 50 * 4 + 2, 'nobody waits for it')
  t.deepEqual(to.news(), [])
  const { id } = bench.speaker.peer('to')!
  t.deepEqual(
    bench.speaker.exports.ipv4
      .groupOf(id)
      ?.stream(id)
      ?.feeds.map(({ waiting }) => waiting),
    [2, 1, 1],
    'what it lacks is known by path, however often it changed',
  )
  bench.deliver({ type: 'Drained', connection: to.connection })
  bench.settle()
  t.deepEqual(to.brief(), [`-${P} path 2`, `-${P} path 3`, `+${P} path 1`, `+${Q} path 1`])
  a.announce({}, Q)
  t.is(to.updates.at(-1), other.updates.at(-1), 'it is in step again')
})

test('RFC 8654 §4: what only longer messages hold is withdrawn from peers without them, and noted', t => {
  const bench = new Bench()
  const long: Partial<PeerConfig> = { options: { extendedMessages: true } }
  const a = bench.peer('a', 65001, long)
  const b = bench.peer('b', 65002, long)
  const c = bench.peer('c', 65003)
  bench.configure()
  for (const peer of [a, b]) peer.up({ capabilities: [{ type: 'extended-message' }] })
  c.up()
  a.announce({}, P)
  for (const peer of [b, c]) peer.news()
  const communities = Array.from({ length: 2000 }, (_, at) => at)
  a.announce({ communities }, P)
  t.deepEqual([b.brief(), c.brief()], [[`+${P}`], [`-${P}`]])
  t.true(b.updates.at(-1)!.length > 8000)
  const notes = bench.notes.filter(({ code }) => code === 'ROUTE_DOES_NOT_FIT')
  t.deepEqual(notes, [{ code: 'ROUTE_DOES_NOT_FIT', peer: 'c', prefix: P }])
  t.is(bench.speaker.exports.ipv4.groups, 2, 'messages of two lengths are two encodings')
  a.announce({}, P)
  t.deepEqual([b.brief(), c.brief()], [[`+${P}`], [`+${P}`]])
})

test('an identifier takes four octets of the room that attributes have', t => {
  const { bench, a, to } = scene(ALL)
  const plain = bench.peer('plain', 65010)
  bench.configure()
  plain.up()
  // from too many octets down to what fits: first without an identifier, then with one
  const fits = (peer: Scripted, octets: number): boolean => {
    a.withdraw(P)
    peer.news()
    const unknown = [{ flags: 0xe0, code: 99, value: new Uint8Array(octets) }]
    a.send(updateOf(a.attributes({ unknown }), [P]))
    bench.settle()
    return peer.news().some(each => 'announced' in each)
  }
  const most = (peer: Scripted): number => {
    let octets = 4060
    while (!fits(peer, octets)) octets--
    return octets
  }
  const long: Partial<PeerConfig> = { options: { extendedMessages: true } }
  reconfigure(bench, a, long)
  a.up({ capabilities: [{ type: 'extended-message' }] })
  t.is(most(plain), most(to) + 4)
})
