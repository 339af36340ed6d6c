import { readFileSync } from 'node:fs'
import test from 'ava'
import { after, type Millis, millis, NEVER, seconds } from '../../../src/core/base/index.ts'
import type { ConnectionId, SessionConfig } from '../../../src/core/session/index.ts'
import {
  CEASE,
  cease,
  decodeOpen,
  encodeKeepalive,
  encodeNotification,
  encodeOpen,
  encodeRouteRefresh,
  endOfRib,
  notification,
  type Open,
} from '../../../src/core/wire/index.ts'
import { hexOf } from '../../vectors/vectors.ts'
import { asn, CONFIG } from './network.ts'
import {
  CAPABILITIES,
  farewell,
  OWN,
  PEER,
  type Reached,
  reach,
  START,
  THEIRS,
  together,
} from './scripted.ts'

/** One session and a scripted peer: what each state does with each message. RFC 4271 §8.2.2 */

const UPDATE = endOfRib('ipv4')
const REFRESH = encodeRouteRefresh({ type: 'ROUTE-REFRESH', afi: 1, subtype: 0, safi: 1 })

test('the four states of a connection are reached one after another', t => {
  for (const state of ['Connect', 'OpenSent', 'OpenConfirm', 'Established'] as const)
    t.is(reach(state).session.state, state)
  t.deepEqual(reach('Established').record.moves, [
    'Idle>Connect',
    'Connect>OpenSent',
    'OpenSent>OpenConfirm',
    'OpenConfirm>Established',
  ])
})

test('our OPEN says what we are', t => {
  const wide = { ...CONFIG, localAs: asn(4200000001), hold: seconds(30) }
  const { record } = reach('OpenSent', wide)
  t.deepEqual(decodeOpen(record.sent[0]!.bytes.subarray(19)), {
    type: 'OPEN',
    version: 4,
    asn: 23456,
    holdSeconds: 30,
    routerId: CONFIG.routerId,
    capabilities: [
      { type: 'multiprotocol', afi: 1, safi: 1 },
      { type: 'multiprotocol', afi: 2, safi: 1 },
      { type: 'route-refresh' },
      { type: 'extended-next-hop', families: [{ afi: 1, safi: 1, nextHopAfi: 2 }] },
      { type: 'extended-message' },
      {
        type: 'graceful-restart',
        restarting: false,
        notification: true,
        restartSeconds: 120,
        families: [
          { afi: 1, safi: 1, forwarding: false },
          { afi: 2, safi: 1, forwarding: false },
        ],
      },
      { type: 'four-octet-as', asn: asn(4200000001) },
      { type: 'enhanced-route-refresh' },
    ],
  })
})

const unexpected = test.macro(
  (t, state: Reached, message: Uint8Array, subcode: number, data: string) => {
    const { session, record } = reach(state)
    session.received(OWN, message, START)
    const sent = farewell(record)
    t.like(sent, { code: 5, subcode })
    t.is(hexOf(sent!.data), data)
    t.is(session.state, 'Idle')
    t.deepEqual(record.closes, [OWN])
    t.is(record.downs.length, state === 'Established' ? 1 : 0)
  },
)

const OPEN = encodeOpen(PEER)
test('RFC 6608 §3: KEEPALIVE in OpenSent', unexpected, 'OpenSent', encodeKeepalive(), 1, '04')
test('RFC 6608 §3: UPDATE in OpenSent', unexpected, 'OpenSent', UPDATE, 1, '02')
test('RFC 6608 §3: ROUTE-REFRESH in OpenSent', unexpected, 'OpenSent', REFRESH, 1, '05')
test('RFC 6608 §3: OPEN in OpenConfirm', unexpected, 'OpenConfirm', OPEN, 2, '01')
test('RFC 6608 §3: UPDATE in OpenConfirm', unexpected, 'OpenConfirm', UPDATE, 2, '02')
test('RFC 6608 §3: ROUTE-REFRESH in OpenConfirm', unexpected, 'OpenConfirm', REFRESH, 2, '05')
test('RFC 6608 §3: OPEN in Established', unexpected, 'Established', OPEN, 3, '01')

const notified = test.macro((t, state: Reached) => {
  const { session, record } = reach(state)
  const before = record.sent.length
  session.received(OWN, encodeNotification(notification(6, 4)), START)
  t.is(record.sent.length, before, 'a NOTIFICATION is not answered')
  t.deepEqual(record.closes, [OWN])
  t.like(session.lastError, { direction: 'received', text: 'Cease, Administrative Reset' })
  t.is(session.counters.notificationsIn, 1)
  t.is(record.downs.length, state === 'Established' ? 1 : 0)
})
test('RFC 4271 §6.4: a NOTIFICATION in OpenSent', notified, 'OpenSent')
test('RFC 4271 §6.4: a NOTIFICATION in OpenConfirm', notified, 'OpenConfirm')
test('RFC 4271 §6.4: a NOTIFICATION in Established', notified, 'Established')

interface Refusal {
  readonly open: Partial<Open>
  readonly config?: Partial<SessionConfig>
  readonly subcode: number
  readonly data?: string
  readonly text: string
}

const refuses = test.macro((t, { open, config, subcode, data = '', text }: Refusal) => {
  const { session, record } = reach('OpenConfirm', { ...CONFIG, ...config }, { ...PEER, ...open })
  const sent = farewell(record)
  t.like(sent, { code: 2, subcode })
  t.is(hexOf(sent!.data), data)
  t.like(session.lastError, { direction: 'sent', code: 2, subcode, text })
  t.is(session.state, 'Idle')
})
test('RFC 4271 §6.2: another AS', refuses, {
  open: { capabilities: [{ type: 'four-octet-as', asn: asn(65009) }] },
  subcode: 2,
  text: 'peer is AS 65009, configured 65002',
})
test('RFC 4271 §6.2: another AS in two octets', refuses, {
  open: { asn: 64999, capabilities: [] },
  subcode: 2,
  text: 'peer is AS 64999, configured 65002',
})
test('RFC 7607 §2: AS 0', refuses, {
  open: { asn: 0, capabilities: [] },
  subcode: 2,
  text: 'peer is AS 0, configured 65002',
})
test('RFC 4271 §6.2: version 3', refuses, {
  open: { version: 3 },
  subcode: 1,
  data: '0004',
  text: 'the peer speaks BGP version 3, not 4',
})
test('RFC 6286 §2.2: identifier 0', refuses, {
  open: { routerId: 0 },
  subcode: 3,
  text: 'the BGP Identifier of the peer is 0.0.0.0',
})
test('RFC 6286 §2.2: our own identifier inside our AS', refuses, {
  open: { routerId: CONFIG.routerId },
  config: { localAs: asn(65002) },
  subcode: 3,
  text: 'the peer has our own BGP Identifier, and is in our AS',
})
for (const holdSeconds of [1, 2])
  test(`RFC 4271 §6.2: a hold time of ${holdSeconds}`, refuses, {
    open: { holdSeconds },
    subcode: 6,
    text: `a hold time of ${holdSeconds} s is not acceptable: 0, or 3 and more`,
  })
test('RFC 5492 §5: no family in common, with those that we want', refuses, {
  open: { capabilities: CAPABILITIES.filter((_, index) => index > 0) },
  config: { families: ['ipv4'] },
  subcode: 7,
  data: '010400010001',
  text: 'no family in common: peer offers ipv6, configured ipv4',
})
test('RFC 4760 §8: a peer without the capability speaks IPv4 only', refuses, {
  open: { capabilities: [{ type: 'four-octet-as', asn: asn(65002) }] },
  config: { families: ['ipv6'] },
  subcode: 7,
  data: '010400020001',
  text: 'no family in common: peer offers ipv4, configured ipv6',
})

test('RFC 6286 §2.1: our own identifier in another AS is no fault', t => {
  const { session } = reach('Established', CONFIG, { ...PEER, routerId: CONFIG.routerId })
  t.is(session.state, 'Established')
})

test('RFC 6793 §4.1: a two-octet peer is spoken to in two octets', t => {
  const { session } = reach('Established', CONFIG, { ...PEER, capabilities: [] })
  t.like(session.negotiated, { fourOctetAs: false, routeRefresh: false, families: ['ipv4'] })
})

test('RFC 4271 §6.1: a broken header ends the session with its NOTIFICATION', t => {
  const { session, record } = reach('Established')
  session.received(OWN, new Uint8Array(19), START)
  t.like(farewell(record), { code: 1, subcode: 1 })
  t.is(record.downs.length, 1)
  t.is(session.state, 'Idle')
})

test('RFC 4271 §8.2.2: a connection without an answer is closed, and the next opened', t => {
  const { session, record } = reach('Connect')
  const due = session.deadline()
  t.true(due >= START + 90_000 && due <= START + 120_000)
  session.tick(millis(due - 1))
  t.deepEqual(record.closes, [])
  session.tick(due)
  t.deepEqual(record.closes, [OWN])
  t.deepEqual(record.connects, [2, 4])
  t.is(session.state, 'Connect')
  t.is(session.lastError?.text, 'the peer did not answer within 120 s')
})

test('RFC 4271 §8.2.2: an OPEN is waited for four minutes', t => {
  const { session, record } = reach('OpenSent')
  t.is(session.deadline(), after(START, seconds(240)))
  session.tick(session.deadline())
  t.like(farewell(record), { code: 4, subcode: 0 })
  t.is(session.lastError?.text, 'no OPEN from the peer within 240 s')
})

test('RFC 4271 §8.2.2: a connection that fails in OpenSent leads to Active', t => {
  const { session } = reach('OpenSent')
  session.closed(OWN, 'connection closed by the peer', START)
  t.is(session.state, 'Active')
})

test('messages behind the one that ended the session are not read', t => {
  const { session, record } = reach('Established')
  session.received(OWN, together(UPDATE, encodeNotification(notification(6, 2)), UPDATE), START)
  t.is(record.updates.length, 1)
  t.is(session.counters.updatesIn, 1)
  // OPEN, KEEPALIVE, UPDATE, NOTIFICATION
  t.is(session.counters.messagesIn, 4)
})

test('an UPDATE behind the KEEPALIVE that ends OpenConfirm is delivered, after `up`', t => {
  const { session, record } = reach('OpenConfirm')
  session.received(OWN, together(encodeKeepalive(), UPDATE), START)
  t.is(record.ups.length, 1)
  t.deepEqual(record.updates.map(hexOf), ['00000000'])
  t.is(session.state, 'Established')
})

test('bytes for a connection that is gone, or never was, are nobody\u2019s', t => {
  const { session, record } = reach('Established')
  session.closed(OWN, 'reset', START)
  const before = record.moves.length
  session.received(OWN, UPDATE, START)
  session.received(99 as ConnectionId, UPDATE, START)
  session.closed(OWN, 'again', START)
  session.reset(OWN, notification(3, 1), 'late', START)
  t.is(record.updates.length, 0)
  t.is(record.moves.length, before)
  t.is(record.downs.length, 1)
})

test('the owner resets a session with its own NOTIFICATION and reason', t => {
  const { session, record } = reach('Established')
  session.reset(OWN, notification(3, 1), 'attributes do not add up', START)
  t.like(farewell(record), { code: 3, subcode: 1 })
  t.like(record.downs[0]!.error, { direction: 'sent', code: 3, text: 'attributes do not add up' })
  t.is(session.state, 'Idle')
})

test('any message restarts the hold timer, and a KEEPALIVE is sent at a third of it', t => {
  const { session, record } = reach('Established')
  let now: Millis = START
  for (let turn = 0; turn < 200; turn++) {
    now = millis(Math.min(session.deadline(), after(now, seconds(80))))
    session.tick(now)
    if (turn % 3 === 0) session.received(OWN, UPDATE, now)
  }
  t.is(session.state, 'Established')
  const keepalives = record.sent.filter(({ bytes }) => bytes[18] === 4).length
  const expected = (now - START) / 30_000
  t.true(keepalives >= expected && keepalives <= expected / 0.75 + 2, `${keepalives}`)
})

test('a tick that comes late ends the session, and says nothing after the farewell', t => {
  const { session, record } = reach('Established')
  session.tick(after(START, seconds(3600)))
  t.like(farewell(record), { code: 4, subcode: 0 })
  t.is(session.state, 'Active')
})

test('RFC 2918 §4: a refresh of a family that was not agreed on is ignored', t => {
  const { session, record } = reach('Established', { ...CONFIG, families: ['ipv4'] })
  for (const [afi, safi] of [
    [1, 1],
    [2, 1],
    [1, 2],
  ] as const)
    session.received(
      OWN,
      encodeRouteRefresh({ type: 'ROUTE-REFRESH', afi, subtype: 9, safi }),
      START,
    )
  t.deepEqual(record.refreshes, [{ type: 'ROUTE-REFRESH', afi: 1, subtype: 0, safi: 1 }])
})

test('RFC 4271 §6.8: an Established connection stays, a newer one is closed with Cease/7', t => {
  const { session, record } = reach('Established')
  session.accepted(THEIRS, after(START, seconds(5)))
  session.received(THEIRS, encodeOpen(PEER), after(START, seconds(5)))
  t.like(farewell(record), { code: 6, subcode: 7 })
  t.is(record.sent.at(-1)!.connection, THEIRS)
  t.deepEqual(record.closes, [THEIRS])
  t.is(session.state, 'Established')
  t.is(session.lastError, undefined)
})

test('of two connections of the peer the newer one counts, unless the older is Established', t => {
  const { session, record } = reach('Connect', { ...CONFIG, passive: true })
  session.accepted(1 as ConnectionId, START)
  session.accepted(3 as ConnectionId, START)
  t.deepEqual(record.closes, [1])
  session.received(3 as ConnectionId, encodeOpen(PEER), START)
  t.is(session.state, 'OpenConfirm')
})

test('a thousand connections of the peer hold one place', t => {
  const { session, record } = reach('Established')
  for (let id = 1; id < 2001; id += 2) session.accepted(id as ConnectionId, START)
  t.is(record.closes.length, 999)
  t.is(session.state, 'Established')
})

test('a connection that waits too long for its OPEN does not win a collision', t => {
  const { session, record } = reach('OpenSent', { ...CONFIG, routerId: 0x0a000009 })
  const late = after(START, seconds(11))
  session.accepted(THEIRS, late)
  session.received(THEIRS, encodeOpen(PEER), late)
  t.deepEqual(record.closes, [OWN])
  t.is(session.state, 'OpenConfirm')
})

test('what the owner sends is counted by message, and only while Established', t => {
  const { session, record } = reach('Established')
  const { messagesOut, octetsOut } = session.counters
  session.send(OWN, together(UPDATE, REFRESH, UPDATE))
  t.is(session.counters.updatesOut, 2)
  t.is(session.counters.messagesOut, messagesOut + 3)
  t.is(session.counters.octetsOut, octetsOut + 69)
  session.stop(cease(CEASE.ADMINISTRATIVE_SHUTDOWN), START)
  const before = record.sent.length
  session.send(OWN, UPDATE)
  t.is(record.sent.length, before)
})

test('a session that its owner stops leaves no timer, in any state', t => {
  for (const state of ['Connect', 'OpenSent', 'OpenConfirm', 'Established'] as const) {
    const { session, record } = reach(state)
    session.stop(cease(CEASE.PEER_DECONFIGURED), START)
    t.is(session.state, 'Idle')
    t.is(session.deadline(), NEVER)
    t.deepEqual(record.closes, [OWN])
    if (state !== 'Connect') t.like(farewell(record), { code: 6, subcode: 3 })
    session.accepted(THEIRS, START)
    t.deepEqual(record.closes, [OWN, THEIRS])
    session.start(START)
    t.is(session.state, 'Connect')
  }
})

test('Cease/1 means waiting in Idle, Cease/4 means waiting in Active', t => {
  const full = reach('Established')
  full.session.received(OWN, encodeNotification(notification(6, 1)), START)
  t.is(full.session.state, 'Idle')
  const again = reach('Established')
  again.session.received(OWN, encodeNotification(notification(6, 4)), START)
  t.is(again.session.state, 'Active')
})

test('`since` is when the state was entered', t => {
  const { session } = reach('Established')
  t.is(session.since, START)
  session.received(OWN, UPDATE, after(START, seconds(9)))
  t.is(session.since, START)
  session.closed(OWN, 'reset', after(START, seconds(10)))
  t.is(session.since, after(START, seconds(10)))
})

test('the state of a connection is written in one place, and that of its peer in one', t => {
  for (const [file, pattern] of [
    ['fsm.ts', /this\.#state = /g],
    ['peer-session.ts', /this\.#resting = /g],
  ] as const) {
    const source = readFileSync(
      new URL(`../../../src/core/session/${file}`, import.meta.url),
      'utf8',
    )
    t.is(source.match(pattern)?.length, 1, file)
  }
})
