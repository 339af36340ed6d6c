/** Prefix limits: of what a peer says, of what is accepted of it, of what it is sent. RFC 4486 §4 */
import test from 'ava'
import { type Millis, millis, seconds } from '../../../src/core/base/index.ts'
import { type Prefix, prefix } from '../../../src/core/net/index.ts'
import type {
  PeerConfig,
  PrefixLimit,
  PrefixLimits,
  SessionSnapshot,
} from '../../../src/core/speaker/index.ts'
import { encodeKeepalive } from '../../../src/core/wire/index.ts'
import { Bench, type Offer, type Scripted } from './bench.ts'

const prefixes = (count: number, from = 0): Prefix[] =>
  Array.from({ length: count }, (_, at) => prefix(`10.${from + at}.0.0/16`))

const limit = (most: number, action: PrefixLimit['action'], warnPercent = 100): PrefixLimit => ({
  most,
  warnPercent,
  action,
  restartAfter: seconds(60),
})

/** Peer a with limits, and b, who hears what is left of it. */
function limited(limits: PrefixLimits, changes: Partial<PeerConfig> = {}, offer: Offer = {}) {
  const bench = new Bench()
  const a = bench.peer('a', 65001, { limits, ...changes })
  const b = bench.peer('b', 65002)
  bench.configure()
  a.up(offer)
  b.up()
  for (const peer of [a, b]) peer.news()
  return { bench, a, b }
}

const session = (bench: Bench): SessionSnapshot =>
  bench.speaker.snapshot(bench.now).sessions.find(({ name }) => name === 'a')!
const notes = (bench: Bench): string[] =>
  bench.notes.flatMap(note =>
    note.code === 'PREFIX_LIMIT_NEAR' || note.code === 'PREFIX_LIMIT_PASSED'
      ? [`${note.code.slice(13)} ${note.peer} ${note.which} ${note.family} ${note.count}`]
      : [],
  )

/** Time goes by, and these peers are not silent. */
function pass(bench: Bench, duration: Millis, ...alive: readonly Scripted[]): void {
  for (let left: number = duration; left > 0; left -= 30_000) {
    bench.pass(millis(Math.min(30_000, left)))
    for (const peer of alive) peer.send(encodeKeepalive())
  }
}

test('a warning is made once, and again only when the count has been far below', t => {
  const { bench, a } = limited({ received: limit(100, 'warn', 80) })
  a.announce({}, ...prefixes(79))
  t.deepEqual(notes(bench), [])
  a.announce({}, ...prefixes(1, 79))
  t.deepEqual(notes(bench), ['NEAR a received ipv4 80'])
  t.is(session(bench).limits[0]?.standing, 'near')
  a.withdraw(...prefixes(5))
  a.announce({}, ...prefixes(6))
  t.is(notes(bench).length, 1, 'to and fro at the threshold is not news')
  a.announce({}, ...prefixes(25, 80))
  t.deepEqual(notes(bench).slice(1), ['PASSED a received ipv4 105'])
  t.is(session(bench).limits[0]?.standing, 'passed')
  a.withdraw(...prefixes(60))
  a.announce({}, ...prefixes(60))
  t.deepEqual(notes(bench).slice(2), ['PASSED a received ipv4 105'])
  t.is(session(bench).state, 'Established')
})

test('what is said twice, or changed, counts once', t => {
  const { bench, a } = limited({ received: limit(3, 'restart') })
  a.announce({}, ...prefixes(3))
  a.announce({ med: 7 }, ...prefixes(3))
  a.announce({}, ...prefixes(3))
  t.is(session(bench).state, 'Established')
  t.is(session(bench).limits[0]?.count, 3)
})

test('RFC 4486 §4: a peer beyond its limit is told so', t => {
  const { a } = limited({ received: limit(3, 'restart') }, {}, { restart: {} })
  a.announce({}, ...prefixes(4))
  t.deepEqual(a.notifications, [[6, 1]])
})

test('RFC 8538 §5.1: a session beyond its limit ends, and routes of neither side are kept', t => {
  const { bench, a, b } = limited(
    { received: limit(3, 'restart') },
    {},
    { restart: { notification: true } },
  )
  a.announce({}, ...prefixes(3))
  b.news()
  a.announce({}, ...prefixes(1, 3))
  t.deepEqual(a.notifications, [[6, 9]], 'a Hard Reset')
  t.deepEqual(
    b.brief().sort(),
    prefixes(3).map(each => `-${each}`),
  )
  const { state, suspended, lastError, prefixes: counts, limits } = session(bench)
  t.is(state, 'Idle')
  t.deepEqual(counts, [], 'nothing is kept, whatever graceful restart would keep')
  t.deepEqual(limits, [])
  t.like(suspended, { why: 'more than 3 ipv4 prefixes received', until: bench.now + 60_000 })
  t.is(lastError?.text, 'Cease, Maximum Number of Prefixes Reached: at most 3 of ipv4')
})

test('no session begins before the time is over; then it does', t => {
  const { bench, a, b } = limited({ received: limit(1, 'restart') })
  a.announce({}, ...prefixes(2))
  pass(bench, seconds(59), b)
  a.up()
  t.is(session(bench).state, 'Idle')
  t.true(a.closed)
  pass(bench, seconds(1), b)
  t.is(session(bench).suspended, undefined)
  a.up()
  t.is(session(bench).state, 'Established')
  a.announce({}, ...prefixes(1))
  t.is(session(bench).limits[0]?.count, 1)
})

test('one that is disabled stays so until its configuration changes', t => {
  const { bench, a, b } = limited({ received: limit(1, 'disable') })
  a.announce({}, ...prefixes(2))
  t.deepEqual(session(bench).suspended, { why: 'more than 1 ipv4 prefixes received' })
  pass(bench, seconds(86_400), b)
  a.up()
  t.is(session(bench).state, 'Idle')
  const peers = bench.peers.map(({ config, ...rest }) =>
    rest.routerId === a.routerId
      ? { ...config, limits: { received: limit(2, 'disable') } }
      : config,
  )
  bench.configure({ peers })
  a.up()
  t.is(session(bench).state, 'Established')
})

test('a session that is suspended does not begin while the speaker is being stopped', t => {
  const { bench, a } = limited({ received: limit(1, 'restart') })
  a.announce({}, ...prefixes(2))
  bench.deliver({ type: 'Stop', text: 'bye' })
  bench.pass(seconds(120))
  t.is(session(bench).state, 'Idle')
})

test('routes beyond a limit that blocks are left out; those that are there may change', t => {
  const { bench, a, b } = limited({ received: limit(3, 'block') })
  a.announce({}, ...prefixes(5))
  t.deepEqual(
    b.brief(),
    prefixes(3).map(each => `+${each}`),
  )
  t.like(session(bench).limits[0], { count: 3, standing: 'passed', left: 2 })
  t.deepEqual(notes(bench), ['PASSED a received ipv4 3'])
  a.announce({ med: 5, communities: [1] }, ...prefixes(4))
  t.deepEqual(
    b.brief(),
    prefixes(3).map(each => `+${each}`),
  )
  t.is(session(bench).state, 'Established')
  a.withdraw(...prefixes(2, 3))
  t.deepEqual(b.brief(), [], 'what was left out is not there to be withdrawn')
})

test('RFC 2918: what was left out is asked for once there is room, and not all the time', t => {
  const { bench, a, b } = limited({ received: limit(3, 'block') })
  a.announce({}, ...prefixes(5))
  a.withdraw(prefix('10.0.0.0/16'))
  t.deepEqual(
    a.brief().filter(each => each.includes('refresh')),
    ['ipv4 refresh 0'],
  )
  a.announce({}, ...prefixes(4, 1))
  t.is(session(bench).limits[0]?.left, 1)
  b.news()
  a.withdraw(prefix('10.1.0.0/16'))
  t.deepEqual(
    a.brief().filter(each => each.includes('refresh')),
    [],
    'it was asked just now',
  )
  t.true(bench.speaker.deadline() <= bench.now + 30_000)
  pass(bench, seconds(30), a, b)
  t.deepEqual(
    a.brief().filter(each => each.includes('refresh')),
    ['ipv4 refresh 0'],
  )
  a.announce({}, ...prefixes(3, 2))
  t.like(session(bench).limits[0], { count: 3, left: 0 })
})

test('a limit that is raised takes what was left out', t => {
  const { bench, a } = limited({ received: limit(3, 'block') })
  a.announce({}, ...prefixes(5))
  a.news()
  const raised = (limits: PrefixLimits | undefined) =>
    bench.configure({
      peers: bench.peers.map(({ config, routerId }) => {
        const { limits: _before, ...rest } = config
        return routerId === a.routerId ? { ...rest, ...(limits && { limits }) } : config
      }),
    })
  raised({ received: limit(5, 'block') })
  t.deepEqual(a.brief(), ['ipv4 refresh 0'])
  a.announce({}, ...prefixes(6))
  t.is(session(bench).limits[0]?.left, 1)
  raised(undefined)
  t.deepEqual(a.brief(), ['ipv4 refresh 0'])
  a.announce({}, ...prefixes(6))
  t.is(session(bench).prefixes[0]?.received, 6)
  t.deepEqual(session(bench).limits, [])
})

test('a limit that is lowered below what is there ends the session, or lets nothing further in', t => {
  const { bench, a, b } = limited({ received: limit(5, 'block') })
  a.announce({}, ...prefixes(4))
  b.news()
  const lowered = (action: PrefixLimit['action']) =>
    bench.configure({
      peers: bench.peers.map(({ config, routerId }) =>
        routerId === a.routerId ? { ...config, limits: { received: limit(2, action) } } : config,
      ),
    })
  lowered('block')
  a.announce({ med: 3, communities: [1] }, ...prefixes(5))
  t.deepEqual(
    b.brief(),
    prefixes(4).map(each => `+${each}`),
    'what is there may change',
  )
  t.is(session(bench).limits[0]?.count, 4)
  lowered('restart')
  t.is(session(bench).state, 'Idle')
})

const refusing: Partial<PeerConfig> = {
  importRules: {
    policy: {
      terms: [
        {
          match: { prefixes: [{ prefix: prefix('10.0.0.0/15'), lengthMin: 16, lengthMax: 16 }] },
          actions: [],
          verdict: 'reject',
        },
      ],
      otherwise: 'accept',
    },
  },
}

test('what import rules refuse does not count as accepted', t => {
  const { bench, a } = limited({ accepted: limit(3, 'restart') }, refusing)
  a.announce({}, ...prefixes(5))
  t.like(session(bench).limits[0], { which: 'accepted', count: 3 })
  t.is(session(bench).state, 'Established')
  a.announce({}, ...prefixes(1, 5))
  t.is(session(bench).suspended?.why, 'more than 3 ipv4 prefixes accepted')
})

test('accepted routes beyond a limit that blocks are left out, and refused ones are not', t => {
  const { bench, a, b } = limited({ accepted: limit(2, 'block') }, refusing)
  a.announce({}, ...prefixes(6))
  t.deepEqual(b.brief(), ['+10.2.0.0/16', '+10.3.0.0/16'])
  t.like(session(bench).limits[0], { count: 2, left: 2, standing: 'passed' })
  t.is(session(bench).prefixes[0]?.received, 4)
  a.withdraw(prefix('10.0.0.0/16'))
  t.deepEqual(
    a.brief().filter(each => each.includes('refresh')),
    [],
    'there is no more room',
  )
  a.withdraw(prefix('10.2.0.0/16'))
  t.deepEqual(
    a.brief().filter(each => each.includes('refresh')),
    ['ipv4 refresh 0'],
  )
})

test('paths with identifiers count each, and are left out each', t => {
  const { bench, a } = limited(
    { received: limit(3, 'block') },
    { options: { addPath: { receive: true, send: false } } },
    { addPath: { send: true } },
  )
  for (const path of [1, 2, 3, 4]) a.announcePath(path, { med: path }, prefix('10.0.0.0/16'))
  t.like(session(bench).limits[0], { count: 3, left: 1 })
  a.announcePath(2, { med: 9 }, prefix('10.0.0.0/16'))
  t.like(session(bench).limits[0], { count: 3, left: 1 })
})

test('a limit is of each family by itself', t => {
  const { bench, a } = limited({ received: limit(2, 'restart') }, { families: ['ipv4', 'ipv6'] })
  a.announce({}, ...prefixes(2))
  const six = [prefix('fd00::/32'), prefix('fd01::/32')]
  a.announce({ nextHop: '2001:db8::1' as never }, ...six)
  t.is(session(bench).state, 'Established')
  t.deepEqual(
    session(bench).limits.map(({ family, count }) => [family, count]),
    [
      ['ipv4', 2],
      ['ipv6', 2],
    ],
  )
})

test('a warning is made of what a peer is sent, too', t => {
  const { bench, a, b } = limited({ announced: limit(2, 'warn', 50) })
  b.announce({}, ...prefixes(1))
  t.deepEqual(notes(bench), ['NEAR a announced ipv4 1'])
  b.announce({}, ...prefixes(3))
  t.deepEqual(notes(bench).slice(1), ['PASSED a announced ipv4 3'])
  t.deepEqual(a.brief().length, 3)
})

// ---- of what is sent

/** Peer a may be sent so many; c, of another AS, says and hears what it likes. */
function blocked(most: number, offer: Offer = {}, changes: Partial<PeerConfig> = {}) {
  const made = limited({ announced: limit(most, 'block') }, changes, offer)
  const c = made.bench.peer('c', 65003)
  made.bench.configure()
  c.up()
  for (const peer of [made.a, made.b, c]) peer.news()
  return { ...made, c }
}

test('a peer is sent no more than it may be, and another one all', t => {
  const { bench, a, b, c } = blocked(2)
  c.announce({}, ...prefixes(4))
  t.deepEqual(a.brief(), ['+10.0.0.0/16', '+10.1.0.0/16'])
  t.is(b.brief().length, 4)
  t.like(session(bench).limits[0], { which: 'announced', count: 2, left: 2, standing: 'passed' })
  t.deepEqual(notes(bench), ['PASSED a announced ipv4 2'])
})

test('what was left out is sent once there is room; what is there may change', t => {
  const { bench, a, c } = blocked(2)
  c.announce({}, ...prefixes(4))
  a.news()
  c.announce({ communities: [7] }, ...prefixes(4))
  t.deepEqual(a.brief(), ['+10.0.0.0/16', '+10.1.0.0/16'])
  c.withdraw(prefix('10.0.0.0/16'))
  const news = a.brief()
  t.is(news[0], '-10.0.0.0/16')
  t.true(news[1] === '+10.2.0.0/16' || news[1] === '+10.3.0.0/16', news[1])
  t.is(news.length, 2)
  t.like(session(bench).limits[0], { count: 2, left: 1 })
  c.withdraw(...prefixes(4))
  t.like(session(bench).limits[0], { count: 0, left: 0, standing: 'within' })
})

test('what the peer said itself does not count as sent', t => {
  const { bench, a, c } = blocked(1)
  a.announce({}, ...prefixes(3))
  c.announce({}, ...prefixes(1, 3))
  t.deepEqual(a.brief(), ['+10.3.0.0/16'])
  t.like(session(bench).limits[0], { count: 1, left: 0 })
  // its own path goes, and that of c is the best: one too many
  c.announce({}, prefix('10.0.0.0/16'))
  a.withdraw(prefix('10.0.0.0/16'))
  t.deepEqual(a.brief(), [])
  t.like(session(bench).limits[0], { count: 1, left: 1 })
  c.withdraw(prefix('10.3.0.0/16'))
  t.deepEqual(a.brief(), ['-10.3.0.0/16', '+10.0.0.0/16'])
})

test('a session that begins is sent as many as it may be, with End-of-RIB', t => {
  const { a, c } = blocked(2)
  a.down()
  c.announce({}, ...prefixes(5))
  a.up()
  t.deepEqual(a.brief(), ['+10.0.0.0/16', '+10.1.0.0/16', 'ipv4 complete'])
})

test('a limit of what is sent changes under the session', t => {
  const { bench, a, c } = blocked(2)
  c.announce({}, ...prefixes(4))
  a.news()
  const changed = (most: number) =>
    bench.configure({
      peers: bench.peers.map(({ config, routerId }) =>
        routerId === a.routerId
          ? { ...config, limits: { announced: limit(most, 'block') } }
          : config,
      ),
    })
  changed(3)
  t.deepEqual(a.brief(), ['+10.2.0.0/16'])
  changed(1)
  t.deepEqual(a.brief().sort(), ['-10.1.0.0/16', '-10.2.0.0/16'])
  t.is(session(bench).state, 'Established')
})

test('of several paths of a prefix each counts', t => {
  const { bench, a, b, c } = blocked(
    2,
    { addPath: { receive: true } },
    {
      options: { addPath: { receive: false, send: true } },
      sendPaths: { which: 'all', most: 4 },
    },
  )
  b.announce({}, ...prefixes(2))
  c.announce({}, ...prefixes(2))
  t.is(a.brief().filter(each => each.startsWith('+')).length, 2)
  t.like(session(bench).limits[0], { count: 2 })
  b.withdraw(...prefixes(2))
  c.withdraw(...prefixes(2))
  t.like(session(bench).limits[0], { count: 0, left: 0 })
})
