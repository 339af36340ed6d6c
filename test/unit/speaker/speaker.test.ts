import test from 'ava'
import { seconds } from '../../../src/core/base/index.ts'
import { address, type Prefix, prefix } from '../../../src/core/net/index.ts'
import { RESETS } from '../../../src/core/speaker/index.ts'
import { CEASE, encodeRouteRefresh } from '../../../src/core/wire/index.ts'
import { Bench, LOCAL, LOCAL_AS, pair, updateOf } from './bench.ts'

/** What the speaker does to its peers, on the bench. */

const P = prefix('10.1.0.0/16')
const Q = prefix('10.2.0.0/16')
const R = prefix('10.3.0.0/16')

const many = (count: number): Prefix[] =>
  Array.from({ length: count }, (_, at) => prefix(`10.${at >> 8}.${at & 255}.0/24`))

test('a route of one peer is sent to the other and not back', t => {
  const { a, b } = pair()
  a.announce({}, P)
  t.deepEqual(a.brief(), [])
  t.deepEqual(b.brief(), [`+${P}`])
  a.withdraw(P)
  t.deepEqual(a.brief(), [])
  t.deepEqual(b.brief(), [`-${P}`])
})

test('equal means silent: the same again is not sent', t => {
  const { a, b } = pair()
  a.announce({ med: 1 }, P)
  b.news()
  a.announce({ med: 1 }, P)
  t.deepEqual(b.news(), [])
  // MED is not passed on: other attributes in, the same octets out
  a.announce({ med: 2 }, P)
  t.deepEqual(b.news(), [])
})

test('ten flaps before work is done cost one decision and send one change', t => {
  const { bench, a, b } = pair()
  for (let flap = 0; flap < 10; flap++) {
    a.send(updateOf(a.attributes({ communities: [flap] }), [P]))
    a.send(updateOf(undefined, [P]))
  }
  a.send(updateOf(a.attributes({ communities: [99] }), [P]))
  bench.settle()
  t.deepEqual(b.brief(), [`+${P}`])
})

test('when the best path moves to a peer, that peer loses it and the last source gets it', t => {
  const { a, b } = pair()
  a.announce({}, P)
  b.news()
  b.announce({ asPath: [{ type: 'sequence', asns: [65002, 7, 8] }] }, P)
  t.deepEqual([a.brief(), b.brief()], [[], []], 'a longer path changes nothing')
  a.announce({ asPath: [{ type: 'sequence', asns: [65001, 7, 8, 9, 10] }] }, P)
  t.deepEqual(a.brief(), [`+${P}`])
  t.deepEqual(b.brief(), [`-${P}`])
})

test('when only the source of a route moves, only the two sources hear of it', t => {
  const bench = new Bench()
  const [a, b, c] = [65001, 65001, 65002].map((as, at) => bench.peer('abc'[at]!, as))
  bench.configure()
  for (const peer of [a, b, c]) peer!.up()
  a!.announce({}, P)
  b!.announce({}, P)
  for (const peer of [a, b, c]) peer!.news()
  t.is(bench.speaker.lookup(P)[0]!.paths[0]!.from, 'a')
  a!.withdraw(P)
  t.is(bench.speaker.lookup(P)[0]!.paths[0]!.from, 'b')
  t.deepEqual([a!.brief(), b!.brief(), c!.brief()], [[`+${P}`], [`-${P}`], []])
})

test('a peer whose session is lost takes its routes along; the next session brings them back', t => {
  const { a, b } = pair()
  a.announce({}, P, Q)
  b.news()
  a.down()
  t.deepEqual(b.brief().sort(), [`-${P}`, `-${Q}`])
  a.up()
  a.announce({}, Q)
  t.deepEqual(b.brief(), [`+${Q}`])
})

test('UPDATEs of a new session wait until the routes of the last are gone', t => {
  const { bench, a, b } = pair()
  a.announce({}, ...many(500))
  b.news()
  bench.budget = 10
  bench.deliver({ type: 'Closed', connection: a.connection, why: 'reset' })
  // no work is done before the new session is up and has sent something
  const { settle } = bench
  bench.settle = () => {}
  a.up()
  a.send(updateOf(a.attributes(), [P]))
  bench.settle = settle
  bench.settle()
  const { received } = bench.speaker.snapshot(bench.now).sessions[0]!.prefixes[0]!
  t.is(received, 1)
  t.is(b.news().filter(each => 'withdrawn' in each).length, 500)
})

test('a peer that comes late is brought up by its own walk, which ends with End-of-RIB', t => {
  const bench = new Bench()
  const a = bench.peer('a', 65001)
  const b = bench.peer('b', 65002)
  const c = bench.peer('c', 65003)
  bench.configure({ originated: [R] })
  a.up()
  b.up()
  a.announce({}, P, Q)
  b.news()
  c.up()
  t.deepEqual(c.brief(), [`+${R}`, `+${P}`, `+${Q}`, 'ipv4 complete'])
  t.deepEqual(b.brief(), [], 'the others hear nothing of it')
})

test('peers that are sent the same get one encoding', t => {
  const bench = new Bench()
  const [a, b, c] = ['a', 'b', 'c'].map((name, at) => bench.peer(name, 65001 + at))
  bench.configure()
  for (const peer of [a, b, c]) peer!.up()
  for (const peer of [b, c]) peer!.updates.length = 0
  a!.announce({}, P, Q)
  t.is(b!.updates.length, 1, 'two prefixes of one set are one message')
  t.is(b!.updates[0], c!.updates[0], 'the very same octets')
  t.is(bench.speaker.exports.ipv4.groups, 1)
})

test('a peer whose socket is full holds nobody, and is sent only the last state when it drains', t => {
  const bench = new Bench()
  const [a, b, c] = ['a', 'b', 'c'].map((name, at) => bench.peer(name, 65001 + at))
  bench.configure()
  for (const peer of [a, b, c]) peer!.up()
  a!.announce({}, P)
  for (const peer of [b, c]) peer!.news()
  bench.deliver({ type: 'Congested', connection: c!.connection })
  a!.announce({ communities: [1] }, Q)
  a!.announce({ communities: [2] }, Q)
  a!.withdraw(P)
  a!.announce({}, R)
  a!.withdraw(R)
  t.deepEqual(b!.brief(), [`+${Q}`, `+${Q}`, `-${P}`, `+${R}`, `-${R}`])
  t.deepEqual(c!.brief(), [])
  bench.deliver({ type: 'Drained', connection: c!.connection })
  bench.settle()
  t.deepEqual(c!.brief(), [`-${P}`, `+${Q}`], 'withdrawals first, nothing of what came and went')
  bench.deliver({ type: 'Congested', connection: c!.connection })
  a!.withdraw(Q)
  a!.announce({}, Q)
  a!.withdraw(Q)
  bench.deliver({ type: 'Drained', connection: c!.connection })
  bench.settle()
  t.deepEqual(c!.brief(), [`-${Q}`], 'what it held and lost is withdrawn, whatever was between')
  a!.announce({}, R)
  t.is(b!.updates.at(-1), c!.updates.at(-1), 'it is in step again')
})

test('withdrawals do not wait behind the announcements of a walk', t => {
  const bench = new Bench()
  const a = bench.peer('a', 65001)
  const b = bench.peer('b', 65002)
  bench.configure()
  a.up()
  const prefixes = many(900)
  a.announce({}, ...prefixes.slice(0, 450))
  a.announce({}, ...prefixes.slice(450))
  bench.budget = 50
  const { settle } = bench
  bench.settle = () => {}
  b.up()
  for (let slices = 0; slices < 6; slices++) bench.speaker.work(bench.budget, bench.now)
  t.true(b.told.length > 0 && b.told.length < 800, 'the walk is on its way')
  a.send(updateOf(undefined, [prefixes[0]!]))
  bench.speaker.work(bench.budget, bench.now)
  bench.settle = settle
  bench.settle()
  const news = b.news()
  const withdrawnAt = news.findIndex(each => 'withdrawn' in each)
  t.true(withdrawnAt > 0 && withdrawnAt < 800, `withdrawn as number ${withdrawnAt}`)
  t.deepEqual(news.at(-1), { endOfRib: 'ipv4' })
})

test('ROUTE-REFRESH sends everything again, and withdraws what goes meanwhile', t => {
  const { bench, a, b } = pair()
  a.announce({}, P, Q, R)
  b.news()
  b.send(encodeRouteRefresh({ type: 'ROUTE-REFRESH', afi: 1, safi: 1, subtype: 0 }))
  a.send(updateOf(undefined, [Q]))
  bench.settle()
  t.deepEqual(b.brief().sort(), [`+${P}`, `+${R}`, `-${Q}`])
})

test('attributes that leave no room are not sent; what was sent before is withdrawn, with a note', t => {
  const { bench, a, b } = pair()
  a.announce({}, P)
  b.news()
  // fits a message of ours from the peer, but not with our AS number in front
  const communities = Array.from({ length: 1011 }, (_, at) => at)
  a.announce({ communities }, P)
  t.deepEqual(b.brief(), [`-${P}`])
  t.deepEqual(
    bench.notes.filter(({ code }) => code === 'ROUTE_DOES_NOT_FIT'),
    [{ code: 'ROUTE_DOES_NOT_FIT', peer: 'b', prefix: P }],
  )
})

test('a queue above its high mark stops the reading, below its low mark lets it go on', t => {
  const { bench, a } = pair()
  const prefixes = many(900)
  for (let update = 0; update < 400; update++)
    a.send(updateOf(a.attributes({ med: update }), prefixes))
  t.deepEqual(bench.paused, [a.connection])
  t.deepEqual(bench.resumed, [])
  bench.settle()
  t.deepEqual(bench.resumed, [a.connection])
})

test('a connection from an address that no peer has is closed', t => {
  const { bench } = pair()
  const connection = bench.nextConnection()
  const remote = address('203.0.113.9')
  bench.deliver({ type: 'Accepted', connection, remote, local: LOCAL })
  t.true(bench.closed.includes(connection))
  t.like(bench.notes.at(-1), { code: 'CONNECTION_REFUSED', remote })
})

test('peers that share an address take connections in turn', t => {
  const bench = new Bench()
  const shared = { address: address('192.0.2.77') }
  const a = bench.peer('a', 65001, { ...shared, port: 1790 })
  const b = bench.peer('b', 65001, { ...shared, port: 1791 })
  bench.configure()
  a.up()
  b.up()
  t.deepEqual(
    bench.speaker.snapshot(bench.now).sessions.map(({ state }) => state),
    ['Established', 'Established'],
  )
})

test('NLRI that does not parse resets the session; its routes go', t => {
  const { bench, a, b } = pair()
  a.announce({}, P)
  b.news()
  const bad = updateOf(a.attributes(), [Q])
  bad[bad.length - 3] = 33
  a.send(bad)
  bench.settle()
  t.deepEqual(a.notifications, [[3, 10]])
  t.true(a.closed)
  t.deepEqual(b.brief(), [`-${P}`])
  t.is(bench.speaker.snapshot(bench.now).sessions[0]!.faults.reset, 1)
})

test('a malformed attribute withdraws the routes that came with it, and nothing else', t => {
  const { bench, a, b } = pair()
  a.announce({}, P, Q)
  b.news()
  const bad = updateOf(a.attributes(), [P])
  // ORIGIN is the first attribute: 3 is no origin
  t.is(bad[26], 0)
  bad[26] = 3
  a.send(bad)
  bench.settle()
  t.deepEqual(b.brief(), [`-${P}`])
  t.false(a.closed)
  t.is(bench.speaker.snapshot(bench.now).sessions[0]!.faults.withdrawn, 1)
})

test('LOCAL_PREF of an external peer is discarded', t => {
  const { bench, a } = pair()
  a.announce({ localPref: 500 }, P)
  t.is(bench.speaker.lookup(P)[0]!.paths[0]!.localPref, undefined)
  t.is(bench.speaker.snapshot(bench.now).sessions[0]!.faults.discarded, 1)
})

test('a path that has our AS in it is kept but never used', t => {
  const { bench, a, b } = pair()
  a.announce({ asPath: [{ type: 'sequence', asns: [65001, LOCAL_AS] }] }, P)
  t.deepEqual(b.news(), [])
  const [path] = bench.speaker.lookup(P)[0]!.paths
  t.like(path, { from: 'a', best: false, reason: 'our AS is in AS_PATH' })
})

test('a path through an address of our own is never used', t => {
  const { bench, a, b } = pair()
  a.announce({ nextHop: LOCAL }, P)
  t.deepEqual(b.news(), [])
  t.like(bench.speaker.lookup(P)[0]!.paths[0], { best: false, reason: 'the next hop is this node' })
})

test('what this node originates wins over what it learns', t => {
  const bench = new Bench()
  const a = bench.peer('a', 65001)
  bench.configure({ originated: [P] })
  a.up()
  a.announce({}, P)
  const { paths } = bench.speaker.lookup(P)[0]!
  t.deepEqual(
    paths.map(({ from, best, reason }) => [from, best, reason]),
    [
      ['local', true, undefined],
      ['a', false, 'another is originated here'],
    ],
  )
  bench.configure({ originated: [] })
  t.is(bench.speaker.lookup(P)[0]!.paths[0]!.from, 'a')
})

test('an address is looked up by its longest match', t => {
  const { bench, a } = pair()
  a.announce({}, P, prefix('10.1.2.0/24'), prefix('0.0.0.0/0'))
  const found = (text: string) => bench.speaker.lookup(address(text)).map(({ prefix }) => prefix)
  t.deepEqual(found('10.1.2.3'), [prefix('10.1.2.0/24')])
  t.deepEqual(found('10.1.3.3'), [P])
  t.deepEqual(found('11.0.0.1'), [prefix('0.0.0.0/0')])
  t.deepEqual(found('2001:db8::1'), [])
})

test('a snapshot lists the watched routes in order, up to the limit, and counts all', t => {
  const { bench, a } = pair()
  a.announce({}, R, P, Q, prefix('172.16.0.0/12'))
  bench.configure({ watched: [prefix('10.0.0.0/8')], watchedMax: 2 })
  const snapshot = bench.speaker.snapshot(bench.now)
  t.deepEqual(
    snapshot.routes.map(({ prefix }) => prefix),
    [P, Q],
  )
  t.is(snapshot.routesTotal, 3)
  t.deepEqual(snapshot.sessions[1]!.prefixes, [
    { family: 'ipv4', received: 0, accepted: 0, stale: 0, endOfRib: false, best: 0, advertised: 4 },
  ])
})

test('the version of a snapshot changes with what it shows, and not without', t => {
  const { bench, a } = pair()
  const version = () => bench.speaker.snapshot(bench.now).version
  const before = version()
  t.is(version(), before)
  bench.deliver({ type: 'Tick' })
  t.is(version(), before)
  a.announce({}, P)
  t.not(version(), before)
})

// ---- configuration

test('a peer that has not changed does not notice a new configuration', t => {
  const { bench, a, b } = pair()
  a.announce({}, P)
  b.news()
  b.updates.length = 0
  bench.peer('c', 65003)
  bench.configure({ originated: [Q] })
  t.deepEqual([a.closed, b.closed], [false, false])
  t.deepEqual(b.brief(), [`+${Q}`])
})

test('a peer that is taken away hears Cease, Peer De-configured; its number is used again', t => {
  const { bench, a, b } = pair()
  a.announce({}, P)
  b.news()
  bench.configure({ peers: [b.config] })
  t.deepEqual(a.notifications, [[6, CEASE.PEER_DECONFIGURED]])
  t.deepEqual(b.brief(), [`-${P}`])
  const rows = bench.speaker.tables.peers.rows
  bench.configure()
  t.is(bench.speaker.tables.peers.rows, rows)
})

for (const [field, resets] of Object.entries(RESETS).filter(([name]) => name !== 'name'))
  test(`a change of ${field} ${resets ? 'resets the session' : 'does not reset the session'}`, t => {
    const { bench, a, b } = pair()
    const changes: Readonly<Record<string, unknown>> = {
      address: address('192.0.2.99'),
      port: 1790,
      peerAs: 65009,
      localAs: 65008,
      localAddress: address('192.0.2.98'),
      transport: { ttl: 64, trafficClass: 0xc0, ttlSecurity: 1 },
      password: 'sekret',
      passive: false,
      hold: seconds(30),
      connectRetry: seconds(50),
      restart: seconds(60),
      families: ['ipv4', 'ipv6'],
      routeReflectorClient: true,
      nextHop: 'keep',
      nextHopIpv4: address('192.0.2.97'),
      nextHopIpv6: address('2001:db8::97'),
      export: 'originated',
      keepalive: seconds(7),
      options: { extendedMessages: false },
      sendPaths: { which: 'all', most: 4 },
      importRules: { allowOwnAs: 1 },
      exportRules: { overrideAs: true },
      limits: { received: { most: 5, warnPercent: 80, action: 'warn', restartAfter: seconds(1) } },
    }
    t.true(field in changes, 'every field has a change')
    const changed = { ...a.config, [field]: changes[field] }
    bench.configure({ peers: [changed, b.config] })
    t.is(a.closed, resets)
    t.false(b.closed)
  })

test('a new connection has the source, transport and password of its peer as they are now', t => {
  const bench = new Bench()
  const transport = { ttl: 64, trafficClass: 0, ttlSecurity: 2 }
  const localAddress = address('192.0.2.98')
  const { config } = bench.peer('a', 65001, { passive: false, transport, localAddress })
  bench.configure({ peers: [{ ...config, password: 'old' }] })
  const at = { address: config.address, port: 179, localAddress, transport }
  t.deepEqual(bench.endpoints, [{ ...at, password: 'old' }])
  bench.configure({ peers: [{ ...config, password: 'new' }] })
  t.is(bench.endpoints.length, 1, 'the attempt goes on')
  bench.deliver({ type: 'Failed', connection: bench.connects[0]!, why: 'no answer' })
  bench.pass(seconds(60))
  t.deepEqual(bench.endpoints[1], { ...at, password: 'new' })
  bench.configure({ peers: [config] })
  bench.deliver({ type: 'Failed', connection: bench.connects[1]!, why: 'no answer' })
  bench.pass(seconds(60))
  t.deepEqual(bench.endpoints[2], at)
})

test('a peer whose export changes is sent the difference and nothing else', t => {
  const { bench, a, b } = pair()
  bench.configure({ originated: [R] })
  a.announce({}, P, Q)
  b.news()
  bench.configure({ originated: [R], peers: [a.config, { ...b.config, export: 'originated' }] })
  t.deepEqual(b.brief().sort(), [`-${P}`, `-${Q}`])
  bench.configure({ originated: [R] })
  t.deepEqual(b.brief().sort(), [`+${P}`, `+${Q}`])
  t.is(bench.speaker.exports.ipv4.groups, 1)
})

test('a peer whose rules change is not sent again what both send alike', t => {
  const bench = new Bench()
  const a = bench.peer('a', 65001)
  const b = bench.peer('b', 65002)
  bench.configure({ originated: [R] })
  a.up()
  b.up()
  a.announce({}, P)
  b.news()
  bench.configure({ originated: [R], peers: [a.config, { ...b.config, nextHop: 'keep' }] })
  t.deepEqual(b.brief(), [`+${P}`], 'what this node originates has the same next hop as before')
})

test('who we are changes: every session is reset', t => {
  const { bench, a, b } = pair()
  bench.configure({ routerId: 7 })
  t.deepEqual([a.closed, b.closed], [true, true])
  t.deepEqual(a.notifications, [[6, CEASE.OTHER_CONFIGURATION_CHANGE]])
})

test('Stop ends every session with the text, and leaves the FIB as it is', t => {
  const { bench, a, b } = pair()
  bench.deliver({ type: 'FibUp', preserved: false })
  bench.deliver({ type: 'FibCredit', routes: 100 })
  a.announce({}, P)
  bench.deliver({ type: 'Stop', text: 'maintenance' })
  bench.settle()
  t.deepEqual(b.notifications, [[6, CEASE.ADMINISTRATIVE_SHUTDOWN]])
  t.deepEqual(bench.fib.hopsOf(P), [a.config.address])
})
