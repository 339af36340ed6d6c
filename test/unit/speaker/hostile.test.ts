/** Peers that mean no good, or are broken: what they cost is bounded, and others do not notice. */
import test from 'ava'
import { millis, Prng, seconds } from '../../../src/core/base/index.ts'
import { address, FAMILIES, type Prefix, prefix } from '../../../src/core/net/index.ts'
import { Programs } from '../../../src/core/policy/index.ts'
import {
  ALIAS_OCTETS_MAX,
  type FullTable,
  NEXT_HOPS_MAX,
  PEERS_MAX,
} from '../../../src/core/rib/index.ts'
import { PeerSession } from '../../../src/core/session/index.ts'
import { NOT_CONFIGURED } from '../../../src/core/speaker/configure.ts'
import { Exports } from '../../../src/core/speaker/export/groups.ts'
import { notesOnExport, rulesFor } from '../../../src/core/speaker/export/membership.ts'
import { Importer, type Sender } from '../../../src/core/speaker/inbound/import.ts'
import { Deadlines } from '../../../src/core/speaker/neighbours/deadlines.ts'
import { Peer, sessionConfig } from '../../../src/core/speaker/peer.ts'
import { PATHS_OCTETS_MAX } from '../../../src/core/speaker/snapshot.ts'
import { Tables } from '../../../src/core/speaker/tables.ts'
import {
  CEASE,
  cease,
  encodeKeepalive,
  encodeNotification,
  encodeRouteRefresh,
  HEADER_OCTETS,
  type PathAttributes,
} from '../../../src/core/wire/index.ts'
import { checkDecisions, checkReferences } from '../../../src/sim/index.ts'
import { Bench, LOCAL, pair, type Scripted, updateOf } from './bench.ts'

const P = prefix('10.1.0.0/16')
const REFRESH = encodeRouteRefresh({ type: 'ROUTE-REFRESH', afi: 1, safi: 1, subtype: 0 })

/** An attribute that nobody knows; `at` makes it another one each time. */
const unknown = (at: number, octets = 4): NonNullable<PathAttributes['unknown']> => {
  const value = new Uint8Array(octets)
  new DataView(value.buffer).setUint32(0, at)
  return [{ flags: 0xc0, code: 99, value }]
}

/** Whole UPDATEs, each of a prefix and attributes of its own. */
const distinct = (from: Scripted, prefixes: readonly Prefix[], octets?: number): Uint8Array[] =>
  prefixes.map((each, at) => updateOf(from.attributes({ unknown: unknown(at, octets) }), [each]))

const many = (count: number): Prefix[] =>
  Array.from({ length: count }, (_, at) => prefix(`10.${at >> 8}.${at & 255}.0/24`))

const flood = (times: number, message: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(times * message.length)
  for (let at = 0; at < times; at++) bytes.set(message, at * message.length)
  return bytes
}

test('a peer that says an octet a second has its hold time for a message, and not more', t => {
  const { bench, a, b } = pair()
  a.announce({}, P)
  b.news()
  const [slow] = distinct(a, [P], 400)
  for (let second = 0; second < 90; second++) {
    t.false(a.closed, `after ${second} s`)
    a.send(slow!.subarray(second, second + 1))
    if (second % 30 === 0) b.send(encodeKeepalive())
    bench.pass(seconds(1))
  }
  t.deepEqual(a.notifications, [[4, 0]])
  t.deepEqual(b.brief(), [`-${P}`])
  t.deepEqual(b.notifications, [])
})

test('a peer that says its OPEN an octet a second has four minutes', t => {
  const bench = new Bench()
  const a = bench.peer('a', 65001)
  bench.configure()
  a.connection = bench.nextConnection()
  const { connection } = a
  bench.deliver({ type: 'Accepted', connection, remote: a.config.address, local: LOCAL })
  for (let second = 0; second < 240; second++) {
    t.false(a.closed, `after ${second} s`)
    // a header that says 300 octets, and what follows
    const octet = second < 16 ? 0xff : ([1, 44, 1][second - 16] ?? 4)
    a.send(Uint8Array.of(octet))
    bench.pass(seconds(1))
  }
  t.deepEqual(a.notifications, [[4, 0]])
  t.true(a.closed)
})

test('a peer that is not read because of all that it says is not taken for silent', t => {
  const { bench, a, b } = pair()
  for (const update of distinct(a, many(600), 3000)) a.send(update)
  t.deepEqual(bench.paused, [a.connection])
  // four minutes without a slice of table work, or an octet of it
  for (let times = 0; times < 8; times++) {
    b.send(encodeKeepalive())
    bench.now = millis(bench.now + 30_000)
    bench.deliver({ type: 'Tick' })
  }
  t.deepEqual(a.notifications, [])
  bench.settle()
  t.deepEqual(bench.resumed, [a.connection])
  t.is(b.news().length, 600)
  b.send(encodeKeepalive())
  bench.pass(seconds(80))
  t.deepEqual(a.notifications, [], 'it has its hold time from then on')
  bench.pass(seconds(20))
  t.deepEqual(a.notifications, [[4, 0]])
})

test('long attributes of many routes are taken in over many slices', t => {
  const { bench, a, b } = pair()
  for (const update of distinct(a, many(200), 3200)) a.send(update)
  bench.speaker.work(1000, bench.now)
  const { paths } = bench.speaker.tables.locRibs.ipv4
  t.true(paths > 0 && paths <= 10, `${paths} paths in one slice`)
  bench.settle()
  t.is(b.news().length, 200)
})

const refreshes = test.macro((t, marked: boolean) => {
  const bench = new Bench()
  const a = bench.peer('a', 65001)
  const b = bench.peer('b', 65002)
  const c = bench.peer('c', 65003)
  bench.configure()
  for (const peer of [a, c]) peer.up()
  a.announce({}, ...many(900))
  bench.budget = 100
  const { settle } = bench
  bench.settle = () => {}
  b.up(marked ? { capabilities: [{ type: 'enhanced-route-refresh' }] } : {})
  for (let slices = 0; slices < 6; slices++) bench.speaker.work(bench.budget, bench.now)
  const first = b.news().length
  t.true(first > 0 && first < 900, `${first} of the first walk`)
  // one read of a socket, and more, in the middle of the first walk
  for (let times = 0; times < 10; times++) b.send(flood(1000, REFRESH))
  bench.settle = settle
  bench.settle()
  const rest = b.news()
  const routes = rest.filter(each => 'announced' in each).length
  t.is(routes, 900 - first + 900, 'what was left, and all once more')
  t.is(rest.filter(each => 'endOfRib' in each).length, 1)
  t.is(rest.filter(each => 'refresh' in each).length, marked ? 2 : 0)
  // again, and again in the middle of that
  b.send(flood(1000, REFRESH))
  bench.speaker.work(bench.budget, bench.now)
  b.send(flood(1000, REFRESH))
  bench.settle()
  t.is(b.news().filter(each => 'announced' in each).length, 1800, 'two walks for two thousand')
  c.news()
  t.deepEqual(c.notifications, [])
})
test('RFC 2918: ten thousand requests at once cost one more walk', refreshes, false)
test('RFC 7313: ten thousand requests at once cost one more walk, with marks', refreshes, true)

test('attributes that are always others take memory while they are there, and give it back', t => {
  const { bench, a } = pair()
  const { tables, exports } = bench.speaker
  const bytes = (): number => tables.bytes + exports.ipv4.bytes
  const prefixes = many(200)
  const round = (at: number): void => {
    for (const [each, one] of prefixes.entries())
      a.send(updateOf(a.attributes({ unknown: unknown(at * 200 + each, 64) }), [one]))
    bench.settle()
  }
  round(0)
  t.is(tables.sets.size, 200)
  let most = bytes()
  for (let at = 1; at < 10; at++) {
    round(at)
    most = Math.max(most, bytes())
  }
  for (let at = 10; at < 30; at++) {
    round(at)
    t.true(bytes() <= most, `${bytes()} bytes after ${at} rounds, ${most} after ten`)
    t.is(tables.sets.size, 200)
  }
  a.withdraw(...prefixes)
  t.deepEqual([tables.sets.size, tables.outSets.size], [0, 0])
  // the rest is what rows of prefixes have, which are used again
  t.true(bytes() < most / 2, `${bytes()} bytes of ${most}`)
})

test('a peer that announces and withdraws for ever costs what it costs once', t => {
  const { bench, a, b } = pair()
  const { tables } = bench.speaker
  const prefixes = many(500)
  const announce = updateOf(a.attributes(), prefixes)
  const withdraw = updateOf(undefined, prefixes)
  const once = (): void => {
    a.send(announce)
    bench.settle()
    a.send(withdraw)
    bench.settle()
  }
  once()
  const { bytes } = tables
  for (let times = 0; times < 100; times++) once()
  t.is(tables.bytes, bytes)
  b.news()
  // faster than it is decided: nothing of it is said
  for (let times = 0; times < 200; times++) {
    a.send(announce)
    a.send(withdraw)
  }
  bench.budget = 1_000_000
  bench.settle()
  t.deepEqual(b.news(), [])
})

test('a further next hop than there may be is not taken, and its routes are left out', t => {
  const { bench, a, b } = pair()
  const { nextHops, locRibs, sets } = bench.speaker.tables
  const others = Array.from({ length: NEXT_HOPS_MAX - 3 }, (_, at) =>
    nextHops.hold(Uint8Array.of(100, at >> 16, at >> 8, at), 0, 4),
  )
  const prefixes = many(5)
  for (const [at, each] of prefixes.entries())
    a.announce({ nextHop: address(`203.0.113.${at}`) }, each)
  t.is(nextHops.size, NEXT_HOPS_MAX)
  t.deepEqual([locRibs.ipv4.paths, sets.size], [3, 3])
  const why = 'routes of a are left out: there is no room for more next hops'
  const note = { code: 'TABLE_FULL', limit: NEXT_HOPS_MAX, why } as const
  t.deepEqual(bench.notes.slice(-2), [note, note])
  b.news()
  const known = { nextHop: address('203.0.113.1') }
  a.announce({ ...known, communities: [1] }, prefixes[1]!)
  t.deepEqual(b.brief(), [`+${prefixes[1]}`], 'a next hop that is known has room')
  a.announce({ nextHop: address('203.0.113.9') }, prefixes[1]!)
  t.deepEqual(b.brief(), [`-${prefixes[1]}`], 'what it said before counts no more')
  a.announce({ nextHop: address('203.0.113.9') }, prefixes[1]!)
  t.deepEqual(b.brief(), [`+${prefixes[1]}`], 'and has left its room to the next')
  t.deepEqual([...checkDecisions(bench), ...checkReferences(bench)], [])
  a.down()
  for (const id of others) nextHops.release(id)
  t.deepEqual([nextHops.size, sets.size], [0, 0])
})

/** Tables that know a peer, without a speaker around them. */
function tablesOf(octetsMax?: number): { tables: Tables; importer: Importer; sender: Sender } {
  const tables = new Tables(new Prng(1), octetsMax)
  const id = tables.peers.take()!
  const { negotiated } = pair().bench.speaker.peer('a')!.link!
  for (const family of FAMILIES) tables.locRibs[family].adjRibIn(id).live = true
  const sender = { id, external: true, negotiated, interface: undefined, bounds: new Map() }
  return { tables, importer: new Importer(tables), sender }
}

test('routes whose attributes find no room are left out, and what they were before goes', t => {
  const { tables, importer, sender } = tablesOf(1 << 16)
  const { a } = pair()
  const put = (at: number, each: Prefix): FullTable | undefined =>
    importer.update(
      updateOf(a.attributes({ unknown: unknown(at, 1000) }), [each]).subarray(HEADER_OCTETS),
      sender,
    ).full
  const prefixes = many(100)
  const full = prefixes.map((each, at) => put(at, each))
  const room = full.findIndex(Boolean)
  t.true(room > 60 && room < 66, `${room} found room`)
  t.true(full.slice(room).every(Boolean))
  t.deepEqual(full[room], { limit: 1 << 16, of: 'octets of attributes' })
  const { locRibs, sets } = tables
  t.is(locRibs.ipv4.paths, room)
  // the last one is announced anew, with attributes for which there is no room
  t.truthy(put(1000, prefixes[room - 1]!))
  t.is(locRibs.ipv4.paths, room - 1, 'what it said before counts no more')
  t.falsy(put(1001, prefixes[room - 1]!), 'and has left its room to the next')
  importer.update(updateOf(undefined, prefixes).subarray(HEADER_OCTETS), sender)
  t.deepEqual([locRibs.ipv4.paths, sets.size], [0, 0])
  t.falsy(put(1002, P), 'there is room again')
})

test('what is sent may find no room either: that is said once a session, with the limit', t => {
  const { tables, importer, sender } = tablesOf(1 << 12)
  const { bench, a, b } = pair()
  const member = { peer: tables.peers.take()!, send: (bytes: Uint8Array) => b.hears(bytes) }
  const peer = bench.speaker.peer('b')!
  const rules = rulesFor(peer, peer.link!, 'ipv4', NOT_CONFIGURED, new Programs())
  const exports = new Exports('ipv4', tables)
  exports.join(member, rules, notesOnExport(peer, 'ipv4', tables, bench))
  const taken = distinct(a, many(200)).filter(
    update => importer.update(update.subarray(HEADER_OCTETS), sender).full === undefined,
  ).length
  const { ipv4 } = tables.locRibs
  exports.consider(ipv4.decideDirty(Number.POSITIVE_INFINITY))
  while (exports.work(1000)) exports.flush()
  const sent = b.news().filter(each => 'announced' in each).length
  // what is sent has an AS more
  t.true(sent > taken / 2 && sent < taken, `${sent} of ${taken} were sent`)
  const why = 'ipv4 routes are not sent to b: there is no room for more octets of attributes'
  t.deepEqual(bench.notes.slice(-1), [{ code: 'TABLE_FULL', limit: 1 << 12, why }])
  t.is(bench.notes.filter(({ code }) => code === 'TABLE_FULL').length, 1)
})

test('other forms of attributes are remembered as far as there is room, and understood beyond it', t => {
  const { tables, importer, sender } = tablesOf()
  const octets = 60_000
  const count = Math.ceil(ALIAS_OCTETS_MAX / octets) + 20
  const { a } = pair()
  const bodyOf = (at: number): Uint8Array => {
    const said = a.attributes({ unknown: unknown(at, octets) })
    const body = updateOf(said, [P]).slice(HEADER_OCTETS)
    // ORIGIN behind the others: no order is prescribed, ours is another
    const attributes = body.subarray(4, body.length - 3)
    const origin = attributes.slice(0, 4)
    attributes.copyWithin(0, 4)
    attributes.set(origin, attributes.length - 4)
    return body
  }
  for (let at = 0; at < count; at++) {
    const { faults, reset, full } = importer.update(bodyOf(at), sender)
    t.deepEqual([faults.length, reset, full], [0, undefined, undefined])
    // it holds its set, and so its form
    tables.sets.hold(setOf(tables, sender))
  }
  t.is(tables.sets.size, count)
  t.true(tables.sets.aliases < count && tables.sets.aliases > count - 30, `${tables.sets.aliases}`)
  const last = setOf(tables, sender)
  importer.update(bodyOf(count - 1), sender)
  t.is(setOf(tables, sender), last)
})

const setOf = ({ locRibs }: Tables, { id }: Sender) =>
  locRibs.ipv4.source(id).get(locRibs.ipv4.prefixes.findPrefix(P))

test('a session that comes and goes all the time leaves nothing behind', t => {
  const { bench, a, b } = pair()
  const { tables, exports } = bench.speaker
  a.announce({}, P)
  a.send(encodeNotification(cease(CEASE.ADMINISTRATIVE_RESET)))
  bench.settle()
  const { bytes } = tables
  for (let times = 0; times < 300; times++) {
    a.up()
    t.false(a.closed, `time ${times}`)
    a.announce({ med: times }, P)
    a.send(encodeNotification(cease(CEASE.ADMINISTRATIVE_RESET)))
    bench.settle()
  }
  t.is(tables.bytes, bytes)
  t.deepEqual([tables.sets.size, tables.outSets.size, exports.ipv4.all.length], [0, 0, 1])
  t.is(bench.connects.length, 0)
  b.news()
  t.deepEqual(b.notifications, [])
})

test('thousands from a range who come and go cost no configured peer its place', t => {
  const bench = new Bench()
  const a = bench.peer('a', 65001)
  const { name: _name, address: _address, port: _port, passive: _passive, ...template } = a.config
  const range = { name: 'leaves', prefix: prefix('10.0.0.0/8'), peersMax: 3, template }
  bench.configure({ ranges: [range] })
  a.up()
  a.announce({}, ...many(500))
  // decisions are always waiting
  const busy = [{ med: 1 }, { med: 2 }].map(each => updateOf(a.attributes(each), many(500)))
  for (let each = 0; each < PEERS_MAX + 1000; each++) {
    const connection = bench.nextConnection()
    const remote = address(`10.${each >> 16}.${(each >> 8) & 255}.${each & 255}`)
    bench.deliver({ type: 'Accepted', connection, remote, local: LOCAL })
    bench.deliver({ type: 'Closed', connection, why: 'reset' })
    if (each % 500 === 0) a.send(busy[(each / 500) % 2]!)
    if (each % 100 === 0) bench.speaker.work(10, bench.now)
  }
  t.true(bench.speaker.tables.dirty > 0)
  t.is(bench.speaker.snapshot(bench.now).sessions.length, 4)
  const b = bench.peer('b', 65002)
  bench.configure({ ranges: [range] })
  b.up()
  t.is(b.news().filter(each => 'announced' in each).length, 500)
  t.deepEqual(
    bench.notes.filter(({ code }) => code === 'TABLE_FULL' || code === 'CONNECTION_REFUSED'),
    [],
  )
})

test('deadlines of those who have gone are forgotten before they are due', t => {
  const { bench } = pair()
  const peer = bench.speaker.peer('a')!
  const deadlines = new Deadlines()
  const output = {} as ConstructorParameters<typeof PeerSession>[1]
  let size = 0
  for (let each = 0; each < 10_000; each++) {
    const config = sessionConfig(peer.config, { ...peer.config, routerId: 1 } as never)
    const visitor = new Peer(
      peer.id,
      peer.config,
      () =>
        new PeerSession(config, output, { chance: new Prng(1), nextConnection: () => 2 as never }),
    )
    visitor.leavesAt = millis(30_000 - each)
    deadlines.schedule(visitor)
    visitor.removed = each % 1000 !== 0
    size = Math.max(size, deadlines.size)
  }
  t.true(size <= 64, `${size} entries`)
  let found = 0
  while (deadlines.take(millis(30_000)) !== undefined) found++
  t.is(found, 10)
})

test('a snapshot fits the link to the controller, whatever peers say of their routes', t => {
  const { bench, a, b } = pair()
  const prefixes = many(800)
  bench.configure({ watched: [prefix('0.0.0.0/0')], watchedMax: 1000 })
  const communities = Array.from({ length: 900 }, (_, at) => 0xfffe0000 + at)
  for (const peer of [a, b])
    for (let at = 0; at < prefixes.length; at += 50)
      peer.announce({ communities, med: at }, ...prefixes.slice(at, at + 50))
  const { routes, routesTotal } = bench.speaker.snapshot(bench.now)
  t.is(routesTotal, 800)
  t.true(routes.length > 100 && routes.length < 800, `${routes.length} are told`)
  const { length } = JSON.stringify(routes)
  t.true(length > PATHS_OCTETS_MAX / 2 && length < 1.5 * PATHS_OCTETS_MAX, `${length} octets`)
  t.true(routes.every(({ paths }) => paths[0]?.best))
  t.is(bench.speaker.lookup(prefixes.at(-1)!)[0]?.paths.length, 2, 'each can be asked for')
})

test('of an OPEN with hundreds of capabilities a few dozen are told, and none in full', t => {
  const bench = new Bench()
  const a = bench.peer('a', 65001)
  bench.configure()
  const family = { afi: 1, safi: 1, receive: true, send: true }
  const families = Array.from({ length: 60 }, () => family)
  a.up({
    capabilities: [
      { type: 'add-path', families },
      ...Array.from({ length: 700 }, (_, at) => ({
        type: 'unknown' as const,
        code: 140 + (at % 100),
        value: Uint8Array.of(at),
      })),
    ],
  })
  const [session] = bench.speaker.snapshot(bench.now).sessions
  t.is(session?.state, 'Established')
  const { received = [] } = session?.capabilities ?? {}
  t.is(received.length, 32)
  t.is(Math.max(...received.map(({ length }) => length)), 128)
})
