import test from 'ava'
import { type Millis, millis, seconds } from '../../../src/core/base/index.ts'
import { type Prefix, prefix } from '../../../src/core/net/index.ts'
import { STALE_MAX } from '../../../src/core/speaker/index.ts'
import { encodeKeepalive, encodeRouteRefresh } from '../../../src/core/wire/index.ts'
import { Bench, type Offer, type Scripted } from './bench.ts'

/** Tables that are said again, both ways. RFC 2918, RFC 7313 */

const P = prefix('10.1.0.0/16')
const Q = prefix('10.2.0.0/16')
const R = prefix('10.3.0.0/16')
const BEGINS = 1
const ENDS = 2

const ENHANCED: Offer = { capabilities: [{ type: 'enhanced-route-refresh' }] }
const RESTARTS: Offer = { ...ENHANCED, restart: {} }

/** Peer a has said P and Q, and b has heard of them. */
function said(offer: Offer = ENHANCED, bench = new Bench()) {
  const a = bench.peer('a', 65001, { families: ['ipv4', 'ipv6'] })
  const b = bench.peer('b', 65002)
  bench.configure({ originated: [R] })
  a.up(offer)
  b.up(ENHANCED)
  a.announce({}, P, Q)
  if (offer.restart !== undefined) a.endOfRib()
  for (const peer of [a, b]) peer.news()
  return { bench, a, b }
}

const received = (bench: Bench) =>
  bench.speaker
    .snapshot(bench.now)
    .sessions.find(({ name }) => name === 'a')
    ?.prefixes.find(({ family }) => family === 'ipv4')

const notes = (bench: Bench) =>
  bench.notes.filter(({ code }) => code === 'PEER_REFRESHED' || code === 'REFRESH_IGNORED')

/** Time goes by, and these peers are not silent. */
function pass(bench: Bench, duration: Millis, ...alive: readonly Scripted[]): void {
  for (let left: number = duration; left > 0; left -= 30_000) {
    bench.pass(millis(Math.min(30_000, left)))
    for (const peer of alive) peer.send(encodeKeepalive())
  }
}

// ---- what the peer says again

test('RFC 7313 §4: by EoRR the peer has said again what it has, and the rest goes', t => {
  const { bench, a, b } = said()
  a.refresh(BEGINS)
  t.deepEqual(b.news(), [])
  t.like(received(bench), { received: 2, stale: 2 })
  a.announce({}, P)
  t.deepEqual(b.news(), [], 'equal means silent')
  t.is(received(bench)?.stale, 1)
  a.refresh(ENDS)
  t.deepEqual(b.brief(), [`-${Q}`])
  t.like(received(bench), { received: 1, stale: 0 })
  t.deepEqual(notes(bench), [{ code: 'PEER_REFRESHED', peer: 'a', family: 'ipv4', swept: 1 }])
})

test('RFC 7313 §4: UPDATEs and marks count in the order in which they came', t => {
  const { bench, a, b } = said()
  const { settle } = bench
  bench.settle = () => {}
  a.announce({}, R)
  a.refresh(BEGINS)
  a.announce({}, P, R)
  a.refresh(ENDS)
  a.announce({}, Q)
  bench.settle = settle
  bench.budget = 1
  bench.settle()
  t.deepEqual(b.brief(), [`-${Q}`, `+${Q}`])
  t.like(received(bench), { received: 3, stale: 0 })
})

test('RFC 7313 §4: a refresh waits for the sweep of the one before it', t => {
  const { bench, a, b } = said()
  const { settle } = bench
  bench.settle = () => {}
  for (let times = 0; times < 2; times++) {
    a.refresh(BEGINS)
    a.announce({}, P)
    a.refresh(ENDS)
  }
  bench.settle = settle
  bench.settle()
  t.deepEqual(b.brief(), [`-${Q}`])
  t.like(received(bench), { received: 1, stale: 0 })
})

test('RFC 7313 §4: a family is refreshed by itself', t => {
  const { bench, a, b } = said()
  a.refresh(BEGINS, 'ipv6')
  a.refresh(ENDS, 'ipv6')
  t.is(received(bench)?.received, 2)
  t.deepEqual(b.news(), [])
})

test('RFC 7313 §4: a refresh that begins again marks everything again', t => {
  const { bench, a, b } = said()
  a.refresh(BEGINS)
  a.announce({}, P)
  a.refresh(BEGINS)
  t.is(received(bench)?.stale, 2)
  a.announce({}, Q)
  a.refresh(ENDS)
  t.deepEqual(b.brief(), [`-${P}`])
})

test('RFC 7313 §4: an EoRR without BoRR is ignored, and said', t => {
  const { bench, a, b } = said()
  a.refresh(ENDS)
  t.deepEqual(b.news(), [])
  t.is(received(bench)?.received, 2)
  t.like(notes(bench)[0], { code: 'REFRESH_IGNORED' })
})

test('RFC 7313 §4: of one that restarts, a BoRR before End-of-RIB is ignored', t => {
  const { bench, a, b } = said(RESTARTS)
  a.down()
  a.up({ ...RESTARTS, restart: { forwarding: ['ipv4'] } })
  a.announce({}, P)
  a.refresh(BEGINS)
  t.is(received(bench)?.stale, 1, 'P was said after the restart')
  a.refresh(ENDS)
  t.is(received(bench)?.received, 2, 'Q waits for End-of-RIB')
  t.deepEqual(
    notes(bench).map(({ code }) => code),
    ['REFRESH_IGNORED', 'REFRESH_IGNORED'],
  )
  a.endOfRib()
  t.deepEqual(b.brief(), [`-${Q}`])
  a.refresh(BEGINS)
  a.refresh(ENDS)
  t.deepEqual(b.brief(), [`-${P}`])
})

test('an End-of-RIB in the middle of a refresh sweeps nothing', t => {
  const { bench, a, b } = said(RESTARTS)
  a.refresh(BEGINS)
  a.endOfRib()
  t.deepEqual(b.news(), [])
  a.announce({}, P)
  a.refresh(ENDS)
  t.deepEqual(b.brief(), [`-${Q}`])
  t.is(received(bench)?.received, 1)
})

test('RFC 7313 §4: a refresh that does not end is over after STALE_MAX', t => {
  const { bench, a, b } = said()
  a.refresh(BEGINS)
  a.announce({}, P)
  t.true(bench.speaker.deadline() <= bench.now + STALE_MAX)
  pass(bench, millis(STALE_MAX - 1), a, b)
  t.deepEqual(b.news(), [])
  bench.pass(millis(1))
  t.deepEqual(b.brief(), [`-${Q}`])
  a.refresh(ENDS)
  t.is(received(bench)?.received, 1)
})

test('RFC 7313 §4: it is over in time also where no other timer runs', t => {
  const bench = new Bench()
  const a = bench.peer('a', 65001, { hold: millis(0) })
  bench.configure()
  a.up(ENHANCED)
  a.announce({}, P)
  bench.pass(seconds(1000))
  a.refresh(BEGINS)
  t.is(bench.speaker.deadline(), millis(bench.now + STALE_MAX))
})

test('a peer that is lost in the middle of a refresh keeps what it had no time to repeat', t => {
  const { bench, a, b } = said(RESTARTS)
  a.refresh(BEGINS)
  a.announce({}, P)
  a.down()
  t.deepEqual(b.news(), [])
  t.like(received(bench), { received: 2, stale: 2 })
  a.up({ ...RESTARTS, restart: { forwarding: ['ipv4'] } })
  a.announce({}, Q)
  a.endOfRib()
  t.deepEqual(b.brief(), [`-${P}`])
})

test('a peer that is lost while a refresh is swept keeps what is left', t => {
  const { bench, a } = said(RESTARTS)
  const many = Array.from({ length: 200 }, (_, at): Prefix => prefix(`10.9.${at}.0/24`))
  a.announce({}, ...many)
  a.refresh(BEGINS)
  a.announce({}, P)
  const { settle } = bench
  bench.settle = () => {}
  a.refresh(ENDS)
  bench.speaker.work(1, bench.now)
  bench.speaker.work(1, bench.now)
  a.down()
  bench.settle = settle
  bench.settle()
  t.like(received(bench), { received: 1, stale: 1 })
})

test('RFC 7313 §3.2: without the capability a subtype means nothing', t => {
  const { bench, a, b } = said({})
  a.refresh(BEGINS)
  t.is(received(bench)?.stale, 0)
  t.deepEqual(a.brief(), [`+${R}`], 'it is a request like any other')
  t.deepEqual(b.news(), [])
})

test('RFC 7313 §5: a subtype that is not known is ignored, and said', t => {
  const { bench, a } = said()
  a.refresh(3)
  a.refresh(255)
  t.deepEqual(a.news(), [])
  t.deepEqual(a.notifications, [])
  const ignored = bench.notes.flatMap(note => (note.code === 'REFRESH_IGNORED' ? [note.why] : []))
  t.deepEqual(
    ignored,
    [3, 255].map(subtype => `a ROUTE-REFRESH of subtype ${subtype} means nothing here`),
  )
  t.is(received(bench)?.stale, 0)
})

test('a storm of marks does not fill the memory: the peer is not read meanwhile', t => {
  const { bench, a } = said()
  const marks = new Uint8Array(23 * 2000)
  const mark = encodeRouteRefresh({ type: 'ROUTE-REFRESH', afi: 1, subtype: BEGINS, safi: 1 })
  for (let at = 0; at < marks.length; at += mark.length) marks.set(mark, at)
  for (let each = 0; each < 200 && bench.paused.length === 0; each++) a.send(marks)
  t.deepEqual(bench.paused, [a.connection])
  bench.settle()
  t.deepEqual(bench.resumed, [a.connection])
})

// ---- what the peer asks for

test('RFC 7313 §4: what a peer asks for again stands between BoRR and EoRR', t => {
  const { b } = said()
  b.refresh()
  const told = b.brief()
  t.is(told[0], 'ipv4 refresh 1')
  t.deepEqual(told.slice(1, -1).sort(), [`+${P}`, `+${Q}`, `+${R}`])
  t.is(told.at(-1), 'ipv4 refresh 2')
})

test('RFC 2918 §4: without that capability it has no marks', t => {
  const { a } = said({})
  a.refresh()
  t.deepEqual(a.brief(), [`+${R}`])
})

test('RFC 2918 §4: a family that was not agreed on is not said', t => {
  const { b } = said()
  b.refresh(0, 'ipv6')
  t.deepEqual(b.news(), [])
  t.deepEqual(b.notifications, [])
})

test('RFC 7313 §4: a request during the first walk is answered after End-of-RIB', t => {
  const bench = new Bench()
  const a = bench.peer('a', 65001)
  const b = bench.peer('b', 65002)
  bench.configure({ originated: [R] })
  a.up()
  a.announce({}, P, Q)
  const { settle } = bench
  bench.settle = () => {}
  b.up(RESTARTS)
  b.refresh()
  bench.settle = settle
  bench.settle()
  const told = b.brief()
  const complete = told.indexOf('ipv4 complete')
  t.true(complete >= 3)
  t.is(told[complete + 1], 'ipv4 refresh 1')
  t.deepEqual(told.slice(complete + 2, -1).sort(), [`+${P}`, `+${Q}`, `+${R}`])
  t.is(told.at(-1), 'ipv4 refresh 2')
})

test('RFC 4724 §4.1: no refresh begins while End-of-RIB is owed and held', t => {
  const bench = new Bench(seconds(60), seconds(3))
  const [a, b] = [bench.peer('a', 65001), bench.peer('b', 65002)]
  bench.deliver({ type: 'FibUp', preserved: true })
  bench.configure({ originated: [R] })
  a.up(RESTARTS)
  b.up(RESTARTS)
  a.refresh()
  t.deepEqual(a.brief(), [`+${R}`])
  a.endOfRib()
  b.endOfRib()
  t.deepEqual(a.brief(), ['ipv4 complete', 'ipv4 refresh 1', `+${R}`, 'ipv4 refresh 2'])
})

test('a second request while the first is answered is answered too', t => {
  const { bench, b } = said()
  const { settle } = bench
  bench.settle = () => {}
  b.refresh()
  bench.speaker.work(1, bench.now)
  b.refresh()
  bench.settle = settle
  bench.settle()
  const told = b.brief()
  const last = told.lastIndexOf('ipv4 refresh 1')
  t.deepEqual(told.slice(last + 1, -1).sort(), [`+${P}`, `+${Q}`, `+${R}`])
  t.is(told.at(-1), 'ipv4 refresh 2')
})

// ---- what we ask for

test('RFC 2918 §4: a peer is asked for each family of its session', t => {
  const { bench, a } = said()
  bench.deliver({ type: 'Refresh', peer: 'a' })
  t.deepEqual(a.brief(), ['ipv4 refresh 0', 'ipv6 refresh 0'])
  t.is(bench.speaker.whyNoRefresh('a'), undefined)
})

test('a peer that is away, or not there at all, is not asked', t => {
  const { bench, a } = said()
  a.down()
  for (const peer of ['a', 'nobody']) bench.deliver({ type: 'Refresh', peer })
  t.deepEqual(a.news(), [])
  t.is(bench.speaker.whyNoRefresh('a'), 'its session is not Established')
  t.is(bench.speaker.whyNoRefresh('nobody'), 'there is no such peer')
})
