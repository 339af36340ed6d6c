import test from 'ava'
import { type Millis, millis, seconds } from '../../../src/core/base/index.ts'
import { type Family, type Prefix, prefix } from '../../../src/core/net/index.ts'
import type { ConnectionId } from '../../../src/core/session/index.ts'
import { RESTART_MAX, STALE_MAX } from '../../../src/core/speaker/index.ts'
import {
  CEASE,
  encodeKeepalive,
  encodeNotification,
  encodeOpen,
  type GracefulRestartCapability,
  notification,
} from '../../../src/core/wire/index.ts'
import { Bench, LOCAL, type Offer, type Scripted, updateOf } from './bench.ts'

/**
 * Graceful restart between tables: what is kept of a peer that went away, when it goes, and what we
 * say when it is we who were away. RFC 4724, RFC 8538
 */

const P = prefix('10.1.0.0/16')
const Q = prefix('10.2.0.0/16')
const R = prefix('10.3.0.0/16')
const FORWARDING = { restart: { restarting: true, forwarding: ['ipv4' as Family] } }

/** A peer that restarts, one that hears of it, and a dataplane. */
function helping(offer: Offer = { restart: {} }, bench = new Bench()) {
  const a = bench.peer('a', 65001)
  const b = bench.peer('b', 65002)
  bench.configure()
  bench.deliver({ type: 'FibUp', preserved: false })
  bench.deliver({ type: 'FibCredit', routes: 10_000 })
  a.up(offer)
  b.up()
  a.announce({}, P, Q)
  a.endOfRib()
  b.endOfRib()
  for (const peer of [a, b]) peer.news()
  return { bench, a, b }
}

const session = (bench: Bench, name: string) =>
  bench.speaker.snapshot(bench.now).sessions.find(each => each.name === name)!
/** Time goes by, and these peers are not silent. */
function pass(bench: Bench, duration: Millis, ...alive: readonly Scripted[]): void {
  for (let left: number = duration; left > 0; left -= 30_000) {
    bench.pass(millis(Math.min(30_000, left)))
    for (const peer of alive) peer.send(encodeKeepalive())
  }
}

const stale = (bench: Bench): number =>
  session(bench, 'a').prefixes.reduce((sum, family) => sum + family.stale, 0)
const codes = (bench: Bench): string[] => bench.notes.map(({ code }) => code)

test('RFC 4724 §4.2: routes of a peer that is lost stay, and nobody hears of it', t => {
  const { bench, a, b } = helping()
  const { told } = bench.fib
  a.down()
  t.deepEqual(b.news(), [])
  t.is(bench.fib.told, told, 'nor does the FIB')
  t.deepEqual(bench.fib.hopsOf(P), [a.config.address])
  t.is(stale(bench), 2)
  t.is(session(bench, 'a').staleUntil, millis(bench.now + 120_000))
  t.true(codes(bench).includes('ROUTES_KEPT'))
  t.deepEqual(bench.speaker.lookup(P)[0]?.paths[0]?.from, 'a')
})

test('RFC 4724 §4.2: equal means silent when it says the same again', t => {
  const { bench, a, b } = helping()
  const { told } = bench.fib
  a.down()
  a.up(FORWARDING)
  t.is(stale(bench), 2)
  a.announce({}, P, Q)
  t.is(stale(bench), 0)
  a.endOfRib()
  t.deepEqual(b.news(), [])
  t.is(bench.fib.told, told)
  t.is(session(bench, 'a').staleUntil, undefined)
  t.deepEqual(
    bench.notes.filter(({ code }) => code === 'PEER_RESTARTED'),
    [{ code: 'PEER_RESTARTED', peer: 'a', family: 'ipv4', swept: 0 }],
  )
})

test('RFC 4724 §4.2: at its End-of-RIB what it did not say again goes, and no sooner', t => {
  const { bench, a, b } = helping()
  a.down()
  a.up(FORWARDING)
  a.announce({}, R, Q)
  t.deepEqual(b.brief(), [`+${R}`])
  t.is(stale(bench), 1)
  a.endOfRib()
  t.deepEqual(b.brief(), [`-${P}`])
  t.deepEqual(bench.fib.hopsOf(P), [])
  t.like(session(bench, 'a').prefixes[0], { received: 2, stale: 0, endOfRib: true })
})

test('RFC 4724 §4.2: other attributes take the place of the stale ones at once', t => {
  const { bench, a, b } = helping()
  a.down()
  a.up(FORWARDING)
  a.announce({ communities: [7] }, P)
  t.deepEqual(b.brief(), [`+${P}`])
  a.withdraw(Q)
  t.deepEqual(b.brief(), [`-${Q}`])
  t.is(stale(bench), 0)
})

test('RFC 4724 §4.2: without the F bit they go as soon as the session is back', t => {
  const { bench, a, b } = helping()
  a.down()
  a.up({ restart: { restarting: true } })
  t.deepEqual(b.brief().sort(), [`-${P}`, `-${Q}`])
  t.is(session(bench, 'a').staleUntil, undefined)
  a.announce({}, P)
  t.deepEqual(b.brief(), [`+${P}`])
})

test('RFC 4724 §4.2: so they do when the capability is gone, or the family not in it', t => {
  for (const offer of [{}, { restart: { families: [] } }]) {
    const { a, b } = helping()
    a.down()
    a.up(offer)
    t.deepEqual(b.brief().sort(), [`-${P}`, `-${Q}`])
  }
})

test('RFC 4724 §4.2: of two families each has its own F bit and its own End-of-RIB', t => {
  const bench = new Bench()
  const both: readonly Family[] = ['ipv4', 'ipv6']
  const a = bench.peer('a', 65001, { families: both })
  const six = prefix('2001:db8:1::/48')
  bench.configure()
  a.up({ restart: {} })
  a.announce({}, P)
  a.announce({ nextHop: '2001:db8::1' as never }, six)
  a.down()
  t.is(stale(bench), 2)
  a.up({ restart: { forwarding: ['ipv6'] } })
  t.deepEqual(
    session(bench, 'a').prefixes.map(({ family, received }) => [family, received]),
    [
      ['ipv4', 0],
      ['ipv6', 1],
    ],
  )
  a.endOfRib('ipv4')
  t.is(stale(bench), 1)
  t.not(session(bench, 'a').staleUntil, undefined)
  a.endOfRib('ipv6')
  t.is(stale(bench), 0)
  t.is(session(bench, 'a').staleUntil, undefined)
  t.deepEqual(bench.speaker.lookup(six), [])
})

test('RFC 4724 §3: only families that the peer named are kept', t => {
  const ipv4: GracefulRestartCapability['families'] = [{ afi: 1, safi: 1, forwarding: true }]
  const bench = new Bench()
  const a = bench.peer('a', 65001, { families: ['ipv4', 'ipv6'] })
  bench.configure()
  a.up({ restart: { families: ipv4 } })
  a.announce({}, P)
  a.announce({ nextHop: '2001:db8::1' as never }, prefix('2001:db8:1::/48'))
  a.down()
  t.deepEqual(
    bench.speaker.snapshot(bench.now).tables.map(({ paths }) => paths),
    [1, 0],
  )
})

const waits = test.macro((t, restartSeconds: number, expected: Millis) => {
  const { bench, a, b } = helping({ restart: { restartSeconds } })
  a.down()
  t.true(bench.speaker.deadline() <= bench.now + expected)
  pass(bench, millis(expected - 1), b)
  t.is(stale(bench), 2)
  t.deepEqual(b.news(), [])
  bench.pass(millis(1))
  t.deepEqual(b.brief().sort(), [`-${P}`, `-${Q}`])
  t.is(session(bench, 'a').staleUntil, undefined)
  t.true(codes(bench).includes('STALE_ROUTES_EXPIRED'))
})
test('RFC 4724 §4.2: a peer is waited for as long as it asked', waits, 30, seconds(30))
test('a peer is not waited for longer than RESTART_MAX', waits, 4000, RESTART_MAX)

test('RFC 4724 §3: with a restart time of 0 nothing is kept', t => {
  const { bench, a, b } = helping({ restart: { restartSeconds: 0 } })
  a.down()
  t.deepEqual(b.brief().sort(), [`-${P}`, `-${Q}`])
  t.is(session(bench, 'a').staleUntil, undefined)
})

test('a peer that is back and does not say all is not waited for longer than STALE_MAX', t => {
  const { bench, a, b } = helping()
  a.down()
  pass(bench, seconds(60), b)
  a.up(FORWARDING)
  a.announce({}, P)
  pass(bench, millis(STALE_MAX - 1), a, b)
  t.deepEqual(b.news(), [])
  bench.pass(millis(1))
  t.deepEqual(b.brief(), [`-${Q}`])
  t.deepEqual(bench.speaker.lookup(P)[0]?.paths[0]?.from, 'a')
})

test('RFC 4724 §4.2: of a second restart, only what was said between the two is kept', t => {
  const { bench, a, b } = helping()
  a.down()
  a.up(FORWARDING)
  a.announce({}, P, R)
  b.news()
  a.down()
  t.deepEqual(b.brief(), [`-${Q}`], 'it was stale before')
  t.is(stale(bench), 2)
  t.is(session(bench, 'a').staleUntil, millis(bench.now + 120_000))
  a.up(FORWARDING)
  a.announce({}, P)
  a.endOfRib()
  t.deepEqual(b.brief(), [`-${R}`])
})

test('a peer that goes while it is swept keeps what is left, and a third time nothing', t => {
  const many = Array.from(
    { length: 300 },
    (_, at): Prefix =>
      prefix(
        `10.9.${at}.0/24`.replace(
          /10\.9\.(\d+)/,
          (_all, row) => `10.${9 + (Number(row) >> 8)}.${Number(row) & 255}`,
        ),
      ),
  )
  const { bench, a, b } = helping()
  a.announce({}, ...many)
  b.news()
  a.down()
  a.up(FORWARDING)
  a.announce({}, P)
  bench.budget = 10
  const { settle } = bench
  bench.settle = () => {}
  a.endOfRib()
  bench.speaker.work(10, bench.now)
  bench.speaker.work(10, bench.now)
  a.down()
  t.not(session(bench, 'a').staleUntil, undefined)
  a.up(FORWARDING)
  a.send(updateOf(a.attributes(), [Q]))
  bench.settle = settle
  bench.settle()
  t.is(session(bench, 'a').prefixes[0]?.received, 2, 'P is kept, Q is new, all others are gone')
  t.is(stale(bench), 1)
  bench.settle = () => {}
  a.down()
  a.up(FORWARDING)
  a.down()
  bench.settle = settle
  bench.settle()
  t.is(bench.speaker.snapshot(bench.now).tables[0]?.paths, 0)
})

test('a session that ends with a NOTIFICATION takes stale routes along', t => {
  const { bench, a, b } = helping()
  a.down()
  a.up(FORWARDING)
  a.send(encodeNotification(notification(6, CEASE.ADMINISTRATIVE_RESET)))
  bench.settle()
  t.deepEqual(b.brief().sort(), [`-${P}`, `-${Q}`])
  t.is(session(bench, 'a').staleUntil, undefined)
})

test('RFC 8538 §4: where both keep routes through it, they stay', t => {
  const { bench, a, b } = helping({ restart: { notification: true } })
  a.send(encodeNotification(notification(6, CEASE.ADMINISTRATIVE_RESET)))
  bench.settle()
  t.deepEqual(b.news(), [])
  t.is(stale(bench), 2)
})

test('another BGP Identifier is another router: its predecessor\u2019s routes go', t => {
  const { a, b } = helping()
  a.down()
  a.up({ ...FORWARDING, routerId: 0x0a0000ff })
  t.deepEqual(b.brief().sort(), [`-${P}`, `-${Q}`])
})

const ends = test.macro((t, act: (bench: Bench, a: Scripted) => void) => {
  const { bench, a, b } = helping()
  a.down()
  act(bench, a)
  bench.settle()
  t.deepEqual(b.brief().sort(), [`-${P}`, `-${Q}`])
  t.is(bench.speaker.snapshot(bench.now).tables[0]?.paths, 0)
})
test('stale routes go with the peer that is not configured any more', ends, bench => {
  bench.peers.splice(0, 1)
  bench.configure()
})
test('stale routes go when the session is reset by its configuration', ends, (bench, a) => {
  const config = { ...a.config, hold: seconds(30) }
  bench.configure({ peers: bench.peers.map(each => (each === a ? config : each.config)) })
})

test('RFC 4724 §4.2: a peer that comes back on another connection is not waited for', t => {
  const { bench, a, b } = helping()
  bench.pass(seconds(10))
  const connection = bench.nextConnection()
  bench.deliver({ type: 'Accepted', connection, remote: a.config.address, local: LOCAL })
  const old = a.connection
  a.connection = connection
  a.send(
    encodeOpen({
      type: 'OPEN',
      version: 4,
      asn: 65001,
      holdSeconds: 90,
      routerId: a.routerId,
      capabilities: [
        {
          type: 'graceful-restart',
          restarting: true,
          notification: false,
          restartSeconds: 120,
          families: [{ afi: 1, safi: 1, forwarding: true }],
        },
        { type: 'four-octet-as', asn: a.config.peerAs },
      ],
    }),
  )
  bench.settle()
  t.true(bench.closed.includes(old))
  t.deepEqual(a.notifications, [])
  t.is(stale(bench), 2)
  t.deepEqual(b.news(), [])
})

test('a stale route whose peer has our address as its next hop stays out of use', t => {
  const bench = new Bench()
  const a = bench.peer('a', 65001)
  const b = bench.peer('b', 65001)
  bench.configure()
  a.up({ restart: {} })
  b.up({ restart: {} })
  a.announce({ nextHop: LOCAL }, P)
  a.down()
  b.down()
  t.is(bench.speaker.lookup(P)[0]?.paths[0]?.reason, 'the next hop is this node')
})

// ---- when it is we who were away

const capability = (peer: Scripted): GracefulRestartCapability | undefined =>
  peer.opened?.capabilities.find(each => each.type === 'graceful-restart')

/** A speaker whose dataplane kept the routes of an earlier life. */
function restarted(preserved = true) {
  const bench = new Bench(seconds(60), seconds(3))
  const a = bench.peer('a', 65001, { restart: seconds(120) })
  const b = bench.peer('b', 65002, { restart: seconds(120) })
  bench.deliver({ type: 'FibUp', preserved })
  bench.deliver({ type: 'FibCredit', routes: 10_000 })
  bench.configure({ originated: [R] })
  return { bench, a, b }
}

test('RFC 4724 §4.1: after a restart the OPEN has R, and F where routes were kept', t => {
  const { a } = restarted()
  a.up()
  t.like(capability(a), { restarting: true, restartSeconds: 120, notification: true })
  t.deepEqual(capability(a)?.families, [{ afi: 1, safi: 1, forwarding: true }])
})

test('RFC 4724 §4.1: after a start that is none it has neither', t => {
  const { a } = restarted(false)
  a.up()
  t.like(capability(a), {
    restarting: false,
    families: [{ afi: 1, safi: 1, forwarding: false }],
  })
})

test('a session that comes back within one life has F: nothing was forgotten', t => {
  const { a } = restarted(false)
  a.up()
  a.down()
  a.up()
  t.like(capability(a), { restarting: false, families: [{ afi: 1, safi: 1, forwarding: true }] })
})

test('RFC 4724 §4.1: routes are said at once, End-of-RIB after that of every peer', t => {
  const { bench, a, b } = restarted()
  a.up({ restart: {} })
  t.deepEqual(a.brief(), [`+${R}`])
  b.up({ restart: {} })
  b.announce({}, P)
  b.endOfRib()
  t.deepEqual(a.brief(), [`+${P}`])
  t.is(bench.fib.synced, undefined)
  a.announce({}, Q)
  t.deepEqual([a.brief(), b.brief()], [[], [`+${R}`, `+${Q}`]])
  a.endOfRib()
  t.deepEqual([a.brief(), b.brief()], [['ipv4 complete'], ['ipv4 complete']])
  t.is(bench.fib.synced, bench.fib.epoch)
})

test('RFC 4724 §4.1: once all was heard, R is not set any more', t => {
  const { bench, a, b } = restarted()
  for (const peer of [a, b]) {
    peer.up({ restart: {} })
    peer.endOfRib()
  }
  bench.settle()
  a.down()
  a.up({ restart: {} })
  t.like(capability(a), { restarting: false, families: [{ afi: 1, safi: 1, forwarding: true }] })
  t.deepEqual(a.brief().slice(-1), ['ipv4 complete'])
})

test('RFC 4724 §4.1: one that has restarted too is hardly waited for, but the FIB waits', t => {
  const { bench, a, b } = restarted()
  a.up(FORWARDING)
  b.up(FORWARDING)
  bench.pass(seconds(4))
  t.deepEqual([a.brief(), b.brief()], [[`+${R}`], [`+${R}`]])
  b.announce({}, P)
  t.deepEqual(a.brief(), [`+${P}`])
  bench.pass(seconds(1))
  t.deepEqual([a.brief(), b.brief()], [['ipv4 complete'], ['ipv4 complete']])
  t.is(bench.fib.synced, undefined)
  a.endOfRib()
  b.endOfRib()
  t.is(bench.fib.synced, bench.fib.epoch)
})

test('RFC 4724 §4.1: a peer that is not there is waited for until the deferral is over', t => {
  const { bench, a } = restarted()
  a.up({ restart: {} })
  a.endOfRib()
  t.deepEqual(a.brief(), [`+${R}`])
  t.true(bench.speaker.deadline() <= 1000 + 60_000)
  bench.pass(seconds(59))
  t.deepEqual(a.brief(), [])
  bench.pass(seconds(1))
  t.deepEqual(a.brief(), ['ipv4 complete'])
  t.is(bench.fib.synced, bench.fib.epoch)
})

/** A restarted speaker that tries to reach b, and has heard all of a. */
function reaching() {
  const bench = new Bench(seconds(120), seconds(3))
  const a = bench.peer('a', 65001)
  const b = bench.peer('b', 65002, { passive: false })
  bench.deliver({ type: 'FibUp', preserved: true })
  bench.configure({ originated: [R] })
  a.up({ restart: {} })
  a.endOfRib()
  a.news()
  /** Time goes by, and nobody answers. */
  const fail = (duration: Millis): void => {
    for (let left: number = duration; left > 0; left -= 1000) {
      const connection = bench.connects.at(-1)
      if (connection !== undefined && !failed.has(connection)) {
        failed.add(connection)
        bench.deliver({ type: 'Failed', connection, why: 'connection refused' })
      }
      bench.pass(seconds(1))
      a.send(encodeKeepalive())
    }
  }
  const failed = new Set<ConnectionId>()
  return { bench, a, b, fail }
}

test('a peer that cannot be reached is waited for during 45 s, not for all of the deferral', t => {
  const { bench, a, fail } = reaching()
  fail(seconds(44))
  t.true(bench.connects.length >= 3)
  t.deepEqual(a.brief(), [])
  t.is(bench.fib.synced, undefined)
  fail(seconds(1))
  t.deepEqual(a.brief(), ['ipv4 complete'])
  t.is(bench.fib.synced, bench.fib.epoch)
})

test('a peer that answers is waited for longer, even if it says nothing yet', t => {
  const { bench, a, b, fail } = reaching()
  fail(seconds(40))
  bench.deliver({
    type: 'Accepted',
    connection: bench.nextConnection(),
    remote: b.config.address,
    local: LOCAL,
  })
  pass(bench, seconds(60), a)
  t.deepEqual(a.brief(), [])
  pass(bench, seconds(20), a)
  t.deepEqual(a.brief(), ['ipv4 complete'])
})

test('a peer that was there in this life is waited for, since it may restart', t => {
  const { a, b, fail } = reaching()
  b.up({ restart: {} })
  a.news()
  b.down()
  fail(seconds(100))
  t.deepEqual(a.brief(), [])
})

const refusing = test.macro((t, subcode: number, code: number, expected: readonly string[]) => {
  const { bench, a, b } = reaching()
  b.connection = bench.nextConnection()
  const { connection } = b
  bench.deliver({ type: 'Accepted', connection, remote: b.config.address, local: LOCAL })
  b.send(encodeNotification(notification(code, subcode)))
  bench.settle()
  t.deepEqual(a.brief(), expected)
})
test('a peer that refuses our OPEN is not waited for', refusing, 2, 2, ['ipv4 complete'])
const SHUTDOWN = CEASE.ADMINISTRATIVE_SHUTDOWN
test('nor is one that is shut down', refusing, SHUTDOWN, 6, ['ipv4 complete'])
test('one that has another reason is', refusing, CEASE.CONNECTION_REJECTED, 6, [])

test('a peer without the capability is waited for until it is quiet', t => {
  const { bench, a, b } = restarted()
  a.up()
  b.up()
  t.deepEqual(a.brief(), [`+${R}`])
  bench.pass(seconds(5))
  t.deepEqual(a.brief(), ['ipv4 complete'])
})

test('a speaker rests while it owes End-of-RIB', t => {
  const { bench, a } = restarted()
  a.up({ restart: {} })
  t.false(bench.speaker.work(1000, bench.now))
  t.true(bench.speaker.deadline() > bench.now)
})

test('sessions wait for the word of the dataplane, but not for ever', t => {
  const bench = new Bench(seconds(60), seconds(3))
  bench.peer('a', 65001, { passive: false })
  bench.configure()
  t.deepEqual(bench.connects, [])
  t.is(bench.speaker.deadline(), millis(bench.now + 3000))
  bench.pass(seconds(2))
  bench.configure()
  t.deepEqual(bench.connects, [])
  bench.pass(seconds(1))
  t.is(bench.connects.length, 1)
  bench.configure()
  t.is(bench.connects.length, 1)
})

test('sessions begin as soon as the dataplane has said what it kept', t => {
  const bench = new Bench(seconds(60), seconds(3))
  const a = bench.peer('a', 65001, { restart: seconds(120) })
  bench.configure()
  bench.deliver({ type: 'FibUp', preserved: true })
  a.up()
  t.true(capability(a)?.restarting)
})
