import test from 'ava'
import { millis, seconds } from '../../../src/core/base/index.ts'
import { type Address, type Prefix, prefix } from '../../../src/core/net/index.ts'
import type { AttributeContext } from '../../../src/core/wire/index.ts'
import { bytesOf, hexOf, loadVectors, type Vector } from '../../vectors/vectors.ts'
import { Bench, LOCAL_AS, pair, type Scripted } from './bench.ts'

/** UPDATEs that are wrong: what they cost, and what is kept of them. RFC 7606 */

const P = prefix('10.1.0.0/16')

/** An UPDATE of attributes in hex, with `nlri` behind. */
function raw(attributes: string, nlri = '100a01'): Uint8Array {
  const section = bytesOf(attributes.replaceAll(' ', ''))
  const routes = bytesOf(nlri)
  const octets = 23 + section.length + routes.length
  const head = [octets >>> 8, octets, 2, 0, 0, section.length >>> 8, section.length]
  return Uint8Array.of(...Array(16).fill(0xff), ...head, ...section, ...routes)
}

/** ORIGIN, AS_PATH 65001, NEXT_HOP 192.0.2.1 */
const SOUND = '40010100 400206 0201 0000fde9 400304c0000201'

const session = (bench: Bench, at = 0) => bench.speaker.snapshot(bench.now).sessions[at]!

const isThere = (bench: Bench, target: Prefix | Address = P): boolean =>
  bench.speaker.lookup(target).length > 0

// ---- what each vector costs

/** All but those whose header is wrong: they are no UPDATEs yet. */
const UPDATES = loadVectors(['update.vec', 'faults.vec', 'captures.vec']).filter(
  ({ raw, fault }) => raw[18] === 2 && fault?.code !== 1,
)

/** A session such as a vector is of. */
function sessionOf({ json, fault }: Vector): { bench: Bench; peer: Scripted } {
  const part = json?.type === 'UPDATE' ? json : fault
  const context: AttributeContext = { fourOctetAs: true, ebgp: true, ...part?.session }
  const bench = new Bench()
  const peer = bench.peer('a', context.ebgp ? 65002 : LOCAL_AS, { families: ['ipv4', 'ipv6'] })
  bench.configure()
  const { fourOctetAs, extendedNextHop } = context
  const nextHops = {
    type: 'extended-next-hop',
    families: [{ afi: 1, safi: 1, nextHopAfi: 2 }],
  } as const
  peer.up({ fourOctetAs, capabilities: extendedNextHop ? [nextHops] : [] })
  return { bench, peer }
}

test('of all UPDATEs that are vectors, only those cost a session whose remedy is a reset', t => {
  let resets = 0
  for (const vector of UPDATES) {
    const { bench, peer } = sessionOf(vector)
    peer.send(vector.raw)
    bench.settle()
    const reset = vector.fault?.remedy === 'session-reset'
    t.is(peer.closed, reset, vector.title)
    const { discarded, withdrawn } = session(bench).faults
    if (reset) {
      resets++
      t.is(session(bench).faults.reset, 1, vector.title)
      t.deepEqual(peer.notifications, [[vector.fault?.code ?? 0, vector.fault?.subcode ?? 0]])
    } else t.is(discarded + withdrawn > 0, vector.fault !== undefined, vector.title)
  }
  t.true(UPDATES.length > 90, `${UPDATES.length} UPDATEs`)
  t.true(resets >= 15, `${resets} resets`)
})

// ---- what is kept of them

test('a fault is kept with its time, remedy, reason, and the attribute that it is about', t => {
  const { bench, a } = pair()
  bench.pass(seconds(5))
  a.send(raw(`${SOUND} 40060100`))
  bench.settle()
  t.true(isThere(bench), 'the attribute is discarded, the route stays')
  const { recent, ...counts } = session(bench).faults
  t.deepEqual(counts, { discarded: 1, withdrawn: 0, reset: 0 })
  t.deepEqual(recent, [
    {
      at: bench.now,
      remedy: 'attribute-discard',
      why: 'ATOMIC_AGGREGATE cannot be 1 octets long',
      octets: bytesOf('40060100'),
      octetsTotal: 4,
    },
  ])
})

test('a fault that is about no attribute is kept with the UPDATE', t => {
  const { bench, a } = pair()
  const update = raw(SOUND, '210a0100')
  a.send(update)
  bench.settle()
  const [fault] = session(bench).faults.recent
  t.is(fault?.remedy, 'session-reset')
  t.is(hexOf(fault!.octets), hexOf(update.subarray(19)))
})

test('of many faults sixteen are kept, of a long one 128 octets, and all are counted', t => {
  const { bench, a } = pair()
  for (let turn = 1; turn <= 40; turn++) {
    // COMMUNITIES of 201 octets, another one each time
    a.send(raw(`${SOUND} c008c9${turn.toString(16).padStart(2, '0').repeat(201)}`))
    bench.settle()
  }
  const { recent, withdrawn } = session(bench).faults
  t.is(withdrawn, 40)
  t.is(recent.length, 16)
  t.deepEqual(
    recent.map(({ octets }) => octets[3]),
    Array.from({ length: 16 }, (_, at) => 25 + at),
  )
  t.true(recent.every(({ octets, octetsTotal }) => octets.length === 128 && octetsTotal === 204))
})

test('faults survive the session that they ended', t => {
  const { bench, a } = pair()
  a.send(raw(SOUND, '210a0100'))
  bench.settle()
  t.true(a.closed)
  bench.pass(seconds(200))
  a.up()
  t.is(session(bench).state, 'Established')
  t.is(session(bench).faults.recent.length, 1)
})

// ---- what is passed on

test('RFC 4271 §5: the Partial bit of a known attribute is passed on', t => {
  const { bench, a, b } = pair()
  b.updates = []
  a.send(raw(`${SOUND} e00804fde90064`))
  bench.settle()
  t.is(b.updates.length, 1)
  t.true(hexOf(b.updates[0]!).includes('e00804fde90064'))
  a.send(raw(`${SOUND} c00804fde90064`))
  bench.settle()
  t.is(b.updates.length, 2, 'without it, it is another set of attributes')
  t.true(hexOf(b.updates[1]!).includes('c00804fde90064'))
})

test('RFC 4760 §3: a NEXT_HOP beside MP_REACH_NLRI is ignored, whatever it is', t => {
  const bench = new Bench()
  const peer = bench.peer('a', 65001, { families: ['ipv4', 'ipv6'] })
  bench.configure()
  peer.up()
  const reach = '800e1a0002011020010db800000000000000000000000100 2020010db8'
  peer.send(raw(`${reach} 40010100 4002060201 0000fde9 40030400000000`, ''))
  bench.settle()
  t.true(isThere(bench, prefix('2001:db8::/32')))
  t.is(session(bench).faults.discarded, 1)
  // and routes that go by it lack one
  peer.send(raw(`${reach} 40010100 4002060201 0000fde9 40030400000000`))
  bench.settle()
  t.true(isThere(bench, prefix('2001:db8::/32')))
  t.false(isThere(bench))
  t.false(peer.closed)
})

// ---- the send hold timer

test('RFC 9687: a peer that takes nothing of ours for eight minutes loses its session', t => {
  const { bench, a } = pair()
  bench.deliver({ type: 'Blocked', connection: a.connection })
  const silent = (): void => {
    bench.pass(seconds(10))
    a.send(bytesOf(`${'ff'.repeat(16)}001304`))
  }
  for (let turn = 0; turn < 47; turn++) silent()
  t.false(a.closed)
  bench.deliver({ type: 'Blocked', connection: a.connection })
  for (let turn = 0; turn < 47; turn++) silent()
  t.false(a.closed, 'some of it had left')
  for (let turn = 0; turn < 2; turn++) silent()
  t.true(a.closed)
  t.deepEqual(a.notifications, [[8, 0]])
  t.is(session(bench).lastError?.text, 'the peer took nothing of ours for 480 s')
})

test('RFC 9687: a peer that has taken all is waited for no more', t => {
  const { bench, a } = pair()
  bench.deliver({ type: 'Blocked', connection: a.connection })
  bench.deliver({ type: 'Unblocked', connection: a.connection })
  for (let turn = 0; turn < 60; turn++) {
    bench.pass(seconds(10))
    a.send(bytesOf(`${'ff'.repeat(16)}001304`))
  }
  t.false(a.closed)
})

// ---- what is shown of a session

test('what both sides offered is shown in words, and what they agreed', t => {
  const bench = new Bench()
  const peer = bench.peer('a', 65001, {
    families: ['ipv4', 'ipv6'],
    options: {
      role: 'provider',
      addPath: { receive: true, send: false },
      longLived: millis(3_600_000),
    },
  })
  bench.configure()
  peer.up({
    restart: { restartSeconds: 90, forwarding: ['ipv6'] },
    longLived: { staleSeconds: 7200, forwarding: ['ipv4'] },
    addPath: { send: true },
    capabilities: [
      { type: 'role', role: 3 },
      { type: 'extended-message' },
      { type: 'enhanced-route-refresh' },
      { type: 'unknown', code: 73, value: bytesOf('0366726b00') },
      { type: 'unknown', code: 9, value: bytesOf('') },
    ],
  })
  const { capabilities, negotiated } = session(bench)
  t.deepEqual(capabilities.offered, [
    'multiprotocol: ipv4',
    'multiprotocol: ipv6',
    'route-refresh',
    'extended-next-hop: ipv4 by ipv6',
    'extended-message',
    'role: provider',
    'graceful-restart: 120 s, ipv4, ipv6, through NOTIFICATIONs',
    'four-octet-as: 65000',
    'add-path: ipv4 receive, ipv6 receive',
    'enhanced-route-refresh',
    'long-lived-graceful-restart: ipv4 3600 s, ipv6 3600 s',
  ])
  t.deepEqual(capabilities.received, [
    'multiprotocol: ipv4',
    'multiprotocol: ipv6',
    'route-refresh',
    'graceful-restart: 90 s, ipv4, ipv6 forwarded',
    'long-lived-graceful-restart: ipv4 7200 s forwarded, ipv6 7200 s',
    'add-path: ipv4 send, ipv6 send',
    'four-octet-as: 65001',
    'role: customer',
    'extended-message',
    'enhanced-route-refresh',
    'fqdn: code 73, 5 octets',
    'role, malformed: code 9, 0 octets',
  ])
  t.like(negotiated, {
    messageMax: 65_535,
    enhancedRefresh: true,
    addPathReceive: ['ipv4', 'ipv6'],
    addPathSend: [],
    extendedNextHop: false,
    peerRole: 'customer',
  })
})

test('a peer that was never there has no capabilities', t => {
  const bench = new Bench()
  bench.peer('a', 65001)
  bench.configure()
  t.deepEqual(session(bench).capabilities, { offered: [], received: [] })
})
