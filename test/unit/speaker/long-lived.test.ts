import test from 'ava'
import { type Millis, millis, seconds } from '../../../src/core/base/index.ts'
import { type Family, type Prefix, prefix } from '../../../src/core/net/index.ts'
import { LONG_LIVED_MAX, STALE_MAX } from '../../../src/core/speaker/index.ts'
import { encodeKeepalive } from '../../../src/core/wire/index.ts'
import { Bench, type Offer, type Scripted } from './bench.ts'

/**
 * Long-lived graceful restart, the helping side: what stays of a peer that is away for longer than
 * it takes to restart. RFC 9494
 */

const P = prefix('10.1.0.0/16')
const Q = prefix('10.2.0.0/16')
const R = prefix('10.3.0.0/16')
const LLGR_STALE = 0xffff0006
const NO_LLGR = 0xffff0007

const OFFER: Offer = { restart: { restartSeconds: 60 }, longLived: { staleSeconds: 1000 } }
const BACK: Offer = {
  restart: { restartSeconds: 60, restarting: true, forwarding: ['ipv4'] },
  longLived: { staleSeconds: 1000, forwarding: ['ipv4'] },
}
const RESTART = seconds(60)
const STALE = seconds(1000)

/** Peer a is helped; c has long-lived routes too, and b is one more that hears of them. */
function helping(offer: Offer = OFFER, granted: Millis = seconds(100_000)) {
  const bench = new Bench()
  const options = { longLived: granted }
  const a = bench.peer('a', 65001, { options, families: ['ipv4', 'ipv6'] })
  const b = bench.peer('b', 65002, { options })
  const c = bench.peer('c', 65003)
  bench.configure()
  a.up(offer)
  b.up(OFFER)
  c.up()
  a.announce({}, P, Q)
  a.endOfRib()
  a.endOfRib('ipv6')
  for (const peer of [b, c]) peer.news()
  return { bench, a, b, c }
}

const session = (bench: Bench) =>
  bench.speaker.snapshot(bench.now).sessions.find(({ name }) => name === 'a')!
const ipv4 = (bench: Bench) => session(bench).prefixes.find(({ family }) => family === 'ipv4')
const path = (bench: Bench, of: Prefix) => bench.speaker.lookup(of)[0]?.paths[0]
const marked = (bench: Bench, of: Prefix): boolean =>
  path(bench, of)?.communities.includes('llgr-stale') === true

/** Time goes by, and these peers are not silent. */
function pass(bench: Bench, duration: Millis, ...alive: readonly Scripted[]): void {
  for (let left: number = duration; left > 0; left -= 30_000) {
    bench.pass(millis(Math.min(30_000, left)))
    for (const peer of alive) peer.send(encodeKeepalive())
  }
}

test('RFC 9494 §4.2: routes stay beyond the restart time, with LLGR_STALE, and then go', t => {
  const { bench, a, b, c } = helping()
  a.down()
  pass(bench, millis(RESTART - 1), b, c)
  t.deepEqual(b.news(), [])
  t.false(marked(bench, P))
  t.is(ipv4(bench)?.longLivedUntil, undefined)
  pass(bench, millis(1), b, c)
  t.true(marked(bench, P))
  t.true(marked(bench, Q))
  t.deepEqual(
    b.news().map(each => 'announced' in each && each.attributes.communities),
    [[LLGR_STALE], [LLGR_STALE]],
  )
  t.is(ipv4(bench)?.longLivedUntil, millis(bench.now + STALE))
  t.like(ipv4(bench), { received: 2, stale: 2 })
  t.deepEqual(
    bench.notes.filter(({ code }) => code === 'ROUTES_LONG_LIVED'),
    [{ code: 'ROUTES_LONG_LIVED', peer: 'a', family: 'ipv4', routes: 2, keep: STALE }],
  )
  pass(bench, millis(STALE - 1), b, c)
  t.is(ipv4(bench)?.received, 2)
  pass(bench, millis(1), b, c)
  t.deepEqual(b.brief().sort(), [`-${P}`, `-${Q}`])
  t.is(bench.speaker.tables.sets.size, 0, 'nothing holds a set that nobody has')
})

test('RFC 9494 §4.2: a route with NO_LLGR goes when the restart time is over', t => {
  const { bench, a, b, c } = helping()
  a.announce({ communities: [NO_LLGR] }, R)
  b.news()
  a.down()
  pass(bench, RESTART, b, c)
  t.deepEqual(bench.speaker.lookup(R), [])
  t.true(b.brief().includes(`-${R}`))
  t.true(marked(bench, P))
})

test('RFC 9494 §4.2: without a restart time routes are marked at once', t => {
  const { bench, a } = helping({ ...OFFER, restart: { restartSeconds: 0 } })
  a.down()
  t.true(marked(bench, P))
  t.is(session(bench).staleUntil, millis(bench.now + STALE))
})

test('RFC 9494 §4.2: so they are of a family that graceful restart does not name', t => {
  const { bench, a } = helping({ ...OFFER, restart: { restartSeconds: 60, families: [] } })
  a.down()
  t.true(marked(bench, P))
})

test('RFC 9494 §4.3: what has LLGR_STALE loses to whatever has not', t => {
  const { bench, a, b, c } = helping()
  const longer = [{ type: 'sequence' as const, asns: [65002, 4, 5, 6, 7] }]
  b.announce({ asPath: longer }, P)
  t.is(path(bench, P)?.from, 'a')
  a.down()
  t.is(path(bench, P)?.from, 'a')
  pass(bench, RESTART, b, c)
  t.is(path(bench, P)?.from, 'b')
  t.is(path(bench, Q)?.from, 'a')
})

test('RFC 9494 §4.3: so it does when it came with the community, from a peer that is there', t => {
  const { bench, a, b } = helping()
  const longer = [{ type: 'sequence' as const, asns: [65002, 4, 5, 6, 7] }]
  b.announce({ asPath: longer }, P)
  a.announce({ communities: [LLGR_STALE] }, P)
  t.is(path(bench, P)?.from, 'b')
})

test('RFC 9494 §4.2: by its End-of-RIB the peer has repeated what is fresh, and the rest goes', t => {
  const { bench, a, b, c } = helping()
  a.down()
  pass(bench, RESTART, b, c)
  b.news()
  a.up(BACK)
  t.true(marked(bench, P))
  a.announce({}, P)
  t.false(marked(bench, P))
  t.deepEqual(b.brief(), [`+${P}`])
  a.endOfRib()
  t.deepEqual(b.brief(), [`-${Q}`])
  t.is(ipv4(bench)?.longLivedUntil, undefined)
})

const goes = test.macro((t, back: Offer) => {
  const { bench, a, b, c } = helping()
  a.down()
  pass(bench, RESTART, b, c)
  b.news()
  a.up(back)
  t.deepEqual(b.brief().sort(), [`-${P}`, `-${Q}`])
  t.is(session(bench).staleUntil, undefined)
})
test('RFC 9494 §4.2: without F in its long-lived capability they go', goes, {
  ...BACK,
  longLived: { staleSeconds: 1000 },
})
test('RFC 9494 §4.2: without that capability they go', goes, { restart: BACK.restart! })
test('RFC 9494 §4.5: without graceful restart they go', goes, { longLived: BACK.longLived! })

test('RFC 9494 §4.2: the F bit of graceful restart counts as long as nothing is marked', t => {
  const { bench, a, b, c } = helping()
  a.down()
  pass(bench, seconds(30), b, c)
  a.up({ ...BACK, longLived: { staleSeconds: 1000 } })
  t.is(ipv4(bench)?.stale, 2)
})

test('RFC 9494 §4.2: a session that ends before End-of-RIB does not begin the time anew', t => {
  const { bench, a, b, c } = helping()
  a.down()
  pass(bench, RESTART, b, c)
  const until = ipv4(bench)?.longLivedUntil
  t.not(until, undefined)
  pass(bench, seconds(900), b, c)
  a.up(BACK)
  a.announce({}, P)
  pass(bench, seconds(30), a, b, c)
  a.down()
  t.is(ipv4(bench)?.longLivedUntil, until)
  t.is(ipv4(bench)?.stale, 2, 'what was marked before is not deleted')
  t.false(marked(bench, P), 'P was fresh, and its peer may be restarting')
  t.true(marked(bench, Q))
  pass(bench, RESTART, b, c)
  t.true(marked(bench, P))
  b.news()
  pass(bench, millis(until! - bench.now - 1), b, c)
  t.deepEqual(b.news(), [])
  pass(bench, millis(1), b, c)
  t.deepEqual(b.brief().sort(), [`-${P}`, `-${Q}`])
})

test('RFC 9494 §4.2: the time goes on while the peer says all again', t => {
  const { bench, a, b, c } = helping()
  a.down()
  pass(bench, RESTART, b, c)
  pass(bench, seconds(990), b, c)
  a.up(BACK)
  a.announce({}, P)
  b.news()
  pass(bench, millis(9_999), a, b, c)
  t.deepEqual(b.news(), [])
  pass(bench, millis(1), a, b, c)
  t.deepEqual(b.brief(), [`-${Q}`])
  a.down()
  t.is(ipv4(bench)?.stale, 1)
  t.is(ipv4(bench)?.longLivedUntil, undefined, 'a new session has a time of its own')
})

const grants = test.macro((t, asked: number, granted: Millis, expected: Millis) => {
  const { bench, a, b, c } = helping({ ...OFFER, longLived: { staleSeconds: asked } }, granted)
  a.down()
  pass(bench, RESTART, b, c)
  t.is(ipv4(bench)?.longLivedUntil, millis(bench.now + expected))
})
test('routes are kept for no longer than the peer asks', grants, 500, seconds(1000), seconds(500))
test('routes are kept for no longer than is configured', grants, 1000, seconds(500), seconds(500))
test('nor for longer than LONG_LIVED_MAX', grants, 0xffffff, seconds(0xffffff), LONG_LIVED_MAX)

test('RFC 9494 §5: nothing is kept for long where that is not configured', t => {
  const bench = new Bench()
  const a = bench.peer('a', 65001)
  bench.configure()
  a.up(OFFER)
  a.announce({}, P)
  a.down()
  pass(bench, RESTART)
  t.deepEqual(bench.speaker.lookup(P), [])
})

test('each family has its own time, and goes by itself', t => {
  const six = prefix('2001:db8:1::/48')
  const families: readonly Family[] = ['ipv4', 'ipv6']
  const bench = new Bench()
  const a = bench.peer('a', 65001, { families, options: { longLived: seconds(100_000) } })
  bench.configure()
  const row = (afi: number, staleSeconds: number) => ({
    afi,
    safi: 1,
    staleSeconds,
    forwarding: true,
  })
  a.up({
    restart: { restartSeconds: 60 },
    capabilities: [{ type: 'long-lived-graceful-restart', families: [row(1, 100), row(2, 200)] }],
  })
  a.announce({}, P)
  a.announce({ nextHop: '2001:db8::1' as never }, six)
  a.down()
  pass(bench, RESTART)
  t.true(marked(bench, P))
  t.true(marked(bench, six))
  pass(bench, seconds(100))
  t.deepEqual(bench.speaker.lookup(P), [])
  t.true(marked(bench, six))
  pass(bench, seconds(100))
  t.deepEqual(bench.speaker.lookup(six), [])
})

test('RFC 9494 §4.2: a restart within that time does not prolong it', t => {
  const { bench, a, b, c } = helping()
  a.down()
  pass(bench, RESTART, b, c)
  pass(bench, seconds(970), b, c)
  a.up(BACK)
  a.announce({}, P)
  a.down()
  b.news()
  pass(bench, millis(29_999), b, c)
  t.deepEqual(b.news(), [])
  pass(bench, millis(1), b, c)
  t.deepEqual(b.brief().sort(), [`-${P}`, `-${Q}`])
})

/** A helper in the middle of marking 250 routes and two more; `goOn` lets it end that. */
function marking() {
  const { bench, a, b, c } = helping()
  const many = Array.from({ length: 250 }, (_, at) => prefix(`10.9.${at}.0/24`))
  a.announce({}, ...many)
  a.down()
  pass(bench, millis(RESTART - 1), b, c)
  bench.budget = 10
  const { settle } = bench
  bench.settle = () => {}
  bench.pass(millis(1))
  bench.speaker.work(10, bench.now)
  const goOn = (): void => {
    bench.settle = settle
    bench.settle()
  }
  return { bench, a, b, c, many, goOn }
}

test('RFC 7911: of a peer that sends several paths of a prefix each is marked, and swept', t => {
  const bench = new Bench()
  const options = { longLived: seconds(1000), addPath: { receive: true, send: false } }
  const a = bench.peer('a', 65001, { options })
  bench.configure()
  const addPath = { send: true }
  a.up({ ...OFFER, addPath })
  const paths = () => bench.speaker.lookup(P)[0]?.paths ?? []
  const stale = (): readonly (readonly [number | undefined, boolean])[] =>
    paths().map(({ pathId, communities }) => [pathId, communities.includes('llgr-stale')])
  for (const each of [7, 8, 9]) a.announcePath(each, { med: each }, P)
  a.down()
  pass(bench, RESTART)
  t.deepEqual(stale(), [
    [7, true],
    [8, true],
    [9, true],
  ])
  a.up({ ...BACK, addPath })
  a.announcePath(8, { med: 8 }, P)
  t.is(ipv4(bench)?.stale, 2)
  a.endOfRib()
  t.deepEqual(stale(), [[8, false]])
  t.is(bench.speaker.tables.sets.size, 1)
  a.down()
  pass(bench, RESTART)
  a.up(BACK)
  t.deepEqual(stale(), [], 'without identifiers what is repeated would be another path')
})

test('a peer that returns while its routes are marked is heard after that', t => {
  const { bench, a, many, goOn } = marking()
  a.up(BACK)
  a.announce({}, P, ...many.slice(0, 100))
  a.endOfRib()
  goOn()
  t.like(ipv4(bench), { received: 101, stale: 0 })
  t.false(marked(bench, many[0]!))
})

test('a peer that comes and goes while its routes are marked loses none', t => {
  const { bench, a, goOn } = marking()
  a.up(BACK)
  a.down()
  const kept = bench.notes.findLast(({ code }) => code === 'ROUTES_KEPT')
  t.like(kept, { routes: 252 })
  goOn()
  t.like(ipv4(bench), { received: 252, stale: 252 })
  t.true(marked(bench, P))
})

test('a peer that says nothing while its routes are marked has said all in the end', t => {
  const { bench, a, b, c, goOn } = marking()
  a.up(BACK)
  pass(bench, STALE_MAX, a, b, c)
  goOn()
  t.is(ipv4(bench)?.received, 0)
  a.announce({}, P)
  t.is(path(bench, P)?.from, 'a')
})

test('a peer that is lost while it is swept has the rest marked', t => {
  const { bench, a } = helping({ ...BACK, restart: { restartSeconds: 0 } })
  const many = Array.from({ length: 250 }, (_, at) => prefix(`10.9.${at}.0/24`))
  a.announce({}, ...many)
  a.down()
  a.up({ ...BACK, restart: { restartSeconds: 0 } })
  a.announce({}, P, Q)
  const { settle } = bench
  bench.settle = () => {}
  a.endOfRib()
  bench.speaker.work(10, bench.now)
  bench.speaker.work(10, bench.now)
  a.down()
  bench.settle = settle
  bench.settle()
  t.like(ipv4(bench), { received: 2, stale: 2 })
  t.true(marked(bench, P))
})

test('marked routes that are lost again while they are marked go with the peer', t => {
  const { bench, a, b, c } = helping()
  a.down()
  pass(bench, millis(RESTART - 1), b, c)
  const { settle } = bench
  bench.settle = () => {}
  bench.pass(millis(1))
  bench.speaker.work(1, bench.now)
  bench.settle = settle
  bench.peers.splice(0, 1)
  bench.configure()
  t.is(bench.speaker.tables.sets.size, 0)
})
