/** Neighbours that are known by where they come from. */
import test from 'ava'
import { type Millis, millis, seconds } from '../../../src/core/base/index.ts'
import { address, prefix } from '../../../src/core/net/index.ts'
import type { PeerRange, SessionSnapshot, SpeakerConfig } from '../../../src/core/speaker/index.ts'
import { encodeKeepalive } from '../../../src/core/wire/index.ts'
import { Bench, LOCAL, LOCAL_AS, type Scripted } from './bench.ts'

const P = prefix('10.1.0.0/16')
const Q = prefix('10.2.0.0/16')

/** A range whose peers are as those of the bench. */
function range(bench: Bench, name: string, within: string, changes: Partial<PeerRange> = {}) {
  const { config } = bench.peer(name, 65001)
  bench.peers.pop()
  const { name: _name, address: _address, port: _port, passive: _passive, ...template } = config
  return { name, prefix: prefix(within), peersMax: 3, template, ...changes }
}

/** Somebody who is not configured. */
function stranger(bench: Bench, from: string, peerAs = 65001): Scripted {
  const at = bench.peers.length + 1
  const peer = bench.peer(`stranger ${at}`, peerAs, { address: address(from) })
  return peer
}

/** The bench with its configured peers, and ranges; strangers are made after it. */
function configured(bench: Bench, ranges: readonly PeerRange[], peers = [] as Scripted[]): void {
  bench.configure({ peers: peers.map(({ config }) => config), ranges })
}

const sessions = (bench: Bench): readonly SessionSnapshot[] =>
  bench.speaker.snapshot(bench.now).sessions
const names = (bench: Bench): string[] => sessions(bench).map(({ name }) => name)
const refusals = (bench: Bench): string[] =>
  bench.notes.flatMap(note => (note.code === 'CONNECTION_REFUSED' ? [note.why] : []))
const accept = (bench: Bench, from: string): number => {
  const connection = bench.nextConnection()
  bench.deliver({ type: 'Accepted', connection, remote: address(from), local: LOCAL })
  return connection
}

/** Time goes by, and these peers are not silent. */
function pass(bench: Bench, duration: Millis, ...alive: readonly Scripted[]): void {
  for (let left: number = duration; left > 0; left -= 30_000) {
    bench.pass(millis(Math.min(30_000, left)))
    for (const peer of alive) peer.send(encodeKeepalive())
  }
}

test('who connects from a range is a peer, and its routes are routes', t => {
  const bench = new Bench()
  const b = bench.peer('b', 65002)
  configured(bench, [range(bench, 'leaves', '192.0.2.64/26')], [b])
  b.up()
  const leaf = stranger(bench, '192.0.2.70').up()
  t.deepEqual(names(bench), ['b', 'leaves_192_0_2_70'])
  t.is(sessions(bench)[1]?.state, 'Established')
  b.news()
  leaf.announce({}, P)
  t.deepEqual(b.brief(), [`+${P}`])
  b.announce({}, Q)
  t.true(leaf.brief().includes(`+${Q}`))
})

test('who connects from elsewhere is refused, as ever', t => {
  const bench = new Bench()
  configured(bench, [range(bench, 'leaves', '192.0.2.64/26')])
  const leaf = stranger(bench, '192.0.2.60').up()
  t.true(leaf.closed)
  t.deepEqual(refusals(bench), ['no peer is configured with this address'])
  t.deepEqual(names(bench), [])
})

test('of two ranges the longer prefix counts', t => {
  const bench = new Bench()
  configured(bench, [
    range(bench, 'all', '0.0.0.0/0'),
    range(bench, 'rack', '192.0.2.64/26'),
    range(bench, 'site', '192.0.0.0/16'),
  ])
  for (const from of ['192.0.2.70', '192.0.2.1', '10.0.0.1']) stranger(bench, from).up()
  t.deepEqual(names(bench), ['all_10_0_0_1', 'site_192_0_2_1', 'rack_192_0_2_70'])
})

test('a peer of its own is before any range', t => {
  const bench = new Bench()
  const own = bench.peer('own', 65001, { address: address('192.0.2.70') })
  configured(bench, [range(bench, 'leaves', '192.0.2.64/26')], [own])
  own.up()
  t.deepEqual(names(bench), ['own'])
  t.is(sessions(bench)[0]?.state, 'Established')
})

test('an OPEN that is not what the range expects is refused', t => {
  const bench = new Bench()
  configured(bench, [range(bench, 'leaves', '192.0.2.64/26')])
  const leaf = stranger(bench, '192.0.2.70', 65009).up()
  t.deepEqual(leaf.notifications, [[2, 2]])
})

test('a range has no more peers than it may have; one that goes makes room', t => {
  const bench = new Bench()
  configured(bench, [range(bench, 'leaves', '192.0.2.64/26', { peersMax: 2 })])
  const [first, second, third] = [70, 71, 72].map(at => stranger(bench, `192.0.2.${at}`))
  first?.up()
  second?.up()
  third?.up()
  t.true(third?.closed)
  t.deepEqual(refusals(bench), ['the range leaves has as many peers as it may have: 2'])
  first?.down()
  third?.up()
  t.true(third?.closed, 'its place is kept for a while')
  pass(bench, seconds(60), second!)
  third?.up()
  t.deepEqual(names(bench), ['leaves_192_0_2_71', 'leaves_192_0_2_72'])
})

test('one that only connects has its place until somebody needs it, and not for long', t => {
  const bench = new Bench()
  configured(bench, [range(bench, 'leaves', '192.0.2.64/26', { peersMax: 1 })])
  const connection = accept(bench, '192.0.2.70')
  accept(bench, '192.0.2.71')
  t.is(refusals(bench).length, 1, 'it may be about to say OPEN')
  bench.deliver({ type: 'Closed', connection: connection as never, why: 'gone' })
  accept(bench, '192.0.2.71')
  t.deepEqual(names(bench), ['leaves_192_0_2_71'])
  bench.pass(seconds(30))
  t.deepEqual(names(bench), [])
  t.is(bench.closed.length, 3, 'the silent connection is closed, too')
})

test('one whose session is down goes with its routes, after a while', t => {
  const bench = new Bench()
  const b = bench.peer('b', 65002)
  configured(bench, [range(bench, 'leaves', '192.0.2.64/26')], [b])
  b.up()
  const leaf = stranger(bench, '192.0.2.70').up()
  leaf.announce({}, P)
  b.news()
  leaf.down()
  t.deepEqual(b.brief(), [`-${P}`])
  t.deepEqual(names(bench), ['b', 'leaves_192_0_2_70'])
  pass(bench, seconds(60), b)
  t.deepEqual(names(bench), ['b'])
  t.is(bench.speaker.peer('leaves_192_0_2_70'), undefined)
  t.true(bench.notes.some(({ code }) => code === 'PEER_REMOVED'))
  leaf.up()
  leaf.announce({}, P)
  t.deepEqual(b.brief(), [`+${P}`])
})

test('RFC 4724: the routes of one that restarts are kept, and it with them', t => {
  const bench = new Bench()
  const b = bench.peer('b', 65002)
  configured(bench, [range(bench, 'leaves', '192.0.2.64/26')], [b])
  b.up()
  const leaf = stranger(bench, '192.0.2.70').up({ restart: { restartSeconds: 200 } })
  leaf.announce({}, P)
  leaf.endOfRib()
  b.news()
  leaf.down()
  pass(bench, seconds(190), b)
  t.deepEqual(b.brief(), [])
  t.deepEqual(names(bench), ['b', 'leaves_192_0_2_70'])
  leaf.up({ restart: { restarting: true, forwarding: ['ipv4'] } })
  leaf.announce({}, P)
  leaf.endOfRib()
  t.deepEqual(b.brief(), [])
  leaf.down()
  pass(bench, seconds(300), b)
  t.deepEqual(b.brief(), [`-${P}`])
  t.deepEqual(names(bench), ['b'])
})

test('one that has passed a limit does not begin anew by coming again', t => {
  const bench = new Bench()
  const limits = {
    received: { most: 1, warnPercent: 100, action: 'restart', restartAfter: seconds(300) },
  } as const
  const { template, ...rest } = range(bench, 'leaves', '192.0.2.64/26')
  configured(bench, [{ ...rest, template: { ...template, limits } }])
  const leaf = stranger(bench, '192.0.2.70').up()
  leaf.announce({}, P, Q)
  t.deepEqual(leaf.notifications, [[6, 1]])
  pass(bench, seconds(290))
  leaf.up()
  t.true(leaf.closed)
  t.is(sessions(bench)[0]?.state, 'Idle')
  pass(bench, seconds(10))
  leaf.up()
  t.is(sessions(bench)[0]?.state, 'Established')
})

test('its second connection while the first is Established is a collision, or a restart', t => {
  const bench = new Bench()
  configured(bench, [range(bench, 'leaves', '192.0.2.64/26')])
  const leaf = stranger(bench, '192.0.2.70').up()
  const again = stranger(bench, '192.0.2.70').up()
  t.deepEqual(again.notifications, [[6, 7]])
  t.false(leaf.closed)
  t.deepEqual(names(bench), ['leaves_192_0_2_70'])
})

/** What becomes of a peer when its range changes. */
for (const [what, change, expected] of [
  ['is as it was', (one: PeerRange) => one, { closed: false, state: 'Established' }],
  [
    'announces less',
    (one: PeerRange) => ({ ...one, template: { ...one.template, export: 'originated' as const } }),
    { closed: false, state: 'Established' },
  ],
  [
    'has another hold time',
    (one: PeerRange) => ({ ...one, template: { ...one.template, hold: seconds(30) } }),
    { closed: true, state: 'Active' },
  ],
  [
    'has fewer places',
    (one: PeerRange) => ({ ...one, peersMax: 0 }),
    { closed: false, state: 'Established' },
  ],
  [
    'is elsewhere',
    (one: PeerRange) => ({ ...one, prefix: prefix('192.0.3.0/24') }),
    { closed: true },
  ],
  ['has another name', (one: PeerRange) => ({ ...one, name: 'others' }), { closed: true }],
] as const)
  test(`a session of a range that ${what} ${expected.closed ? 'ends' : 'goes on'}`, t => {
    const bench = new Bench()
    const b = bench.peer('b', 65002)
    const before = range(bench, 'leaves', '192.0.2.64/26')
    configured(bench, [before], [b])
    b.up()
    const leaf = stranger(bench, '192.0.2.70').up()
    leaf.announce({}, P)
    b.announce({}, Q)
    configured(bench, [change(before)], [b])
    t.is(leaf.closed, expected.closed)
    const found = sessions(bench).find(({ name }) => name === 'leaves_192_0_2_70')
    t.is(found?.state as string | undefined, 'state' in expected ? expected.state : undefined)
    if (what === 'announces less') t.true(leaf.brief().includes(`-${Q}`))
    b.news()
    if (expected.closed) t.false(b.brief().includes(`+${P}`))
  })

test('a range that is taken away takes its peers and their routes', t => {
  const bench = new Bench()
  const b = bench.peer('b', 65002)
  configured(bench, [range(bench, 'leaves', '192.0.2.64/26')], [b])
  b.up()
  const leaf = stranger(bench, '192.0.2.70').up()
  leaf.announce({}, P)
  b.news()
  configured(bench, [], [b])
  t.deepEqual(leaf.notifications, [[6, 3]])
  t.deepEqual(b.brief(), [`-${P}`])
  t.deepEqual(names(bench), ['b'])
})

test('one that gets a configuration of its own becomes another peer', t => {
  const bench = new Bench()
  const ranges = [range(bench, 'leaves', '192.0.2.64/26')]
  configured(bench, ranges)
  const leaf = stranger(bench, '192.0.2.70').up()
  configured(bench, ranges, [leaf])
  t.true(leaf.closed)
  t.deepEqual(names(bench), [leaf.config.name])
  leaf.up()
  t.is(sessions(bench)[0]?.state, 'Established')
})

test('another identity of this node begins the sessions of ranges anew', t => {
  const bench = new Bench()
  const ranges = [range(bench, 'leaves', '192.0.2.64/26')]
  configured(bench, ranges)
  const leaf = stranger(bench, '192.0.2.70').up()
  bench.configure({ peers: [], ranges, routerId: 7 } satisfies Partial<SpeakerConfig>)
  t.true(leaf.closed)
  leaf.up()
  t.is(leaf.opened?.routerId, 7)
})

test('the number of one that went is used again', t => {
  const bench = new Bench()
  configured(bench, [range(bench, 'leaves', '192.0.2.64/26')])
  const ids = new Set<number>()
  for (let at = 0; at < 20; at++) {
    const leaf = stranger(bench, `192.0.2.${70 + at}`).up()
    leaf.announce({}, P)
    ids.add(bench.speaker.peer(`leaves_192_0_2_${70 + at}`)?.id ?? -1)
    leaf.down()
    bench.pass(seconds(60))
  }
  t.deepEqual(names(bench), [])
  t.true(ids.size <= 2, `${ids.size} numbers`)
  t.is(bench.speaker.tables.locRibs.ipv4.prefixes.size, 0)
})

test('a flood of connections from a range makes no more peers than it may have', t => {
  const bench = new Bench()
  configured(bench, [range(bench, 'leaves', '10.0.0.0/8', { peersMax: 50 })])
  for (let at = 0; at < 2000; at++) accept(bench, `10.0.${at >> 8}.${at & 255}`)
  t.is(sessions(bench).length, 50)
  t.is(refusals(bench).length, 1950)
  for (let at = 0; at < 2000; at++) accept(bench, '10.0.0.1')
  t.is(sessions(bench).length, 50)
  t.is(bench.closed.length, 1950 + 2000, 'of one address only the newest connection is kept')
  bench.pass(seconds(30))
  t.is(sessions(bench).length, 0)
  t.is(bench.closed.length, 4000)
})

test('nobody comes any more once the speaker is being stopped', t => {
  const bench = new Bench()
  configured(bench, [range(bench, 'leaves', '192.0.2.64/26')])
  const leaf = stranger(bench, '192.0.2.70').up()
  bench.deliver({ type: 'Stop', text: 'bye' })
  t.deepEqual(leaf.notifications, [[6, 2]])
  const other = stranger(bench, '192.0.2.71').up()
  t.true(other.closed)
  t.deepEqual(names(bench), ['leaves_192_0_2_70'])
})

test('after a start, those of ranges are waited for before the FIB may be swept', t => {
  const bench = new Bench(seconds(120))
  configured(bench, [range(bench, 'leaves', '192.0.2.64/26')])
  bench.deliver({ type: 'FibUp', preserved: true })
  bench.settle()
  t.false(bench.fib.synced !== undefined)
  bench.pass(seconds(44))
  t.false(bench.fib.synced !== undefined)
  bench.pass(seconds(1))
  t.true(bench.fib.synced !== undefined)
})

test('the peers of a range are in its AS', t => {
  const bench = new Bench()
  const { template, ...rest } = range(bench, 'hosts', '192.0.2.64/26')
  configured(bench, [{ ...rest, template: { ...template, peerAs: LOCAL_AS } }])
  const host = stranger(bench, '192.0.2.70', 65000).up()
  t.false(host.closed)
  host.announce({}, P)
  t.is(sessions(bench)[0]?.prefixes[0]?.best, 1)
})
