import test from 'ava'
import { after, millis, NEVER, seconds } from '../../../src/core/base/index.ts'
import {
  CEASE,
  cease,
  encodeKeepalive,
  encodeNotification,
  encodeOpen,
  notification,
} from '../../../src/core/wire/index.ts'
import { CONFIG, MIRROR, World } from './network.ts'
import { farewell, OWN, PEER, reach, START, THEIRS } from './scripted.ts'

/** DelayOpen (RFC 4271 §8.1.1), the send hold timer (RFC 9687), and what is shown of an error. */

const DELAYED = { ...CONFIG, options: { delayOpen: seconds(20) } }

/** A session with DelayOpen whose connection is open. */
function open() {
  const opened = reach('Connect', DELAYED)
  opened.session.connected(OWN, START)
  return opened
}

test('RFC 4271 §8.2.2, Event 16: an open connection waits in Connect, and says nothing', t => {
  const { session, record } = open()
  t.is(session.state, 'Connect')
  t.is(record.sent.length, 0)
  t.is(session.deadline(), after(START, seconds(20)))
})

test('RFC 4271 §8.2.2, Event 12: our OPEN goes when the time is over', t => {
  const { session, record } = open()
  session.tick(after(START, seconds(20)))
  t.is(session.state, 'OpenSent')
  t.deepEqual(
    record.sent.map(({ bytes }) => bytes[18]),
    [1],
  )
  t.is(session.deadline(), after(START, seconds(260)))
})

test('RFC 4271 §8.2.2, Event 20: the OPEN of the peer is answered with OPEN and KEEPALIVE', t => {
  const { session, record } = open()
  const now = after(START, seconds(5))
  session.received(OWN, encodeOpen(PEER), now)
  t.is(session.state, 'OpenConfirm')
  t.deepEqual(
    record.sent.map(({ bytes }) => bytes[18]),
    [1, 4],
  )
  t.deepEqual(record.moves, ['Idle>Connect', 'Connect>OpenConfirm'])
  session.tick(after(START, seconds(20)))
  session.received(OWN, encodeKeepalive(), now)
  t.is(session.state, 'Established')
  t.is(record.sent.filter(({ bytes }) => bytes[18] === 1).length, 1)
})

test('RFC 4271 §8.2.2: a connection of the peer waits as ours does, passive or not', t => {
  for (const passive of [true, false]) {
    const { session, record } = reach('Connect', { ...DELAYED, passive })
    session.accepted(THEIRS, START)
    t.is(record.sent.length, 0)
    session.received(THEIRS, encodeOpen(PEER), START)
    t.is(session.state, 'OpenConfirm')
    session.received(THEIRS, encodeKeepalive(), START)
    t.is(session.state, 'Established')
  }
})

test('RFC 4271 §8.2.2, Event 18: a connection that is lost while it waits leads to Active', t => {
  const { session, record } = open()
  session.closed(OWN, 'connection reset', START)
  t.is(session.state, 'Active')
  session.tick(after(START, seconds(20)))
  t.is(record.connects.length, 2)
  t.is(record.sent.length, 0)
})

test('RFC 4271 §8.2.2, Events 21 and 22: what is wrong with the peer is said, without an OPEN', t => {
  const wrong = open()
  wrong.session.received(OWN, encodeOpen({ ...PEER, routerId: 0 }), START)
  t.like(farewell(wrong.record), { code: 2, subcode: 3 })
  t.is(wrong.record.sent.length, 1)
  const broken = open()
  broken.session.received(OWN, new Uint8Array(19), START)
  t.like(farewell(broken.record), { code: 1, subcode: 1 })
})

test('RFC 4271 §8.2.2: another message while it waits is a fault of the state machine', t => {
  const { session, record } = open()
  session.received(OWN, encodeKeepalive(), START)
  t.like(farewell(record), { code: 5, subcode: 0 })
  t.is(session.state, 'Idle')
})

test('a stop while it waits leaves no timer', t => {
  const { session, record } = open()
  session.stop(cease(CEASE.ADMINISTRATIVE_SHUTDOWN), START)
  t.is(session.deadline(), NEVER)
  t.deepEqual(record.closes, [OWN])
})

test('two ends that both wait meet all the same', t => {
  const world = new World(DELAYED, { ...MIRROR, options: { delayOpen: seconds(20) } })
  world.start()
  t.true(world.meet(seconds(30)))
  t.is(world.left.record.ups.length, 1)
})

// ---- the send hold timer

test('RFC 9687 §6: a peer that takes nothing for eight minutes is given up', t => {
  const { session, record } = reach('Established')
  session.blocked(OWN, START)
  const due = after(START, seconds(480))
  let now = START
  while (session.state === 'Established' && now < due) {
    now = millis(Math.min(due, after(now, seconds(10))))
    session.received(OWN, encodeKeepalive(), now)
    session.tick(now)
  }
  t.is(now, due)
  t.like(farewell(record), { code: 8, subcode: 0 })
  t.like(session.lastError, {
    direction: 'sent',
    code: 8,
    text: 'the peer took nothing of ours for 480 s',
  })
  t.is(session.state, 'Active')
})

test('RFC 9687 §6: twice the hold time where that is longer; without a hold time too', t => {
  for (const [holdSeconds, least] of [
    [600, 1200],
    [90, 480],
    [0, 480],
  ] as const) {
    const { session } = reach(
      'Established',
      { ...CONFIG, hold: seconds(600) },
      { ...PEER, holdSeconds },
    )
    session.blocked(OWN, START)
    let now = START
    while (session.state === 'Established' && now < after(START, seconds(9999))) {
      now = millis(Math.min(session.deadline(), after(now, seconds(30))))
      session.received(OWN, encodeKeepalive(), now)
      session.tick(now)
    }
    t.is(now, after(START, seconds(least)), `${holdSeconds}`)
  }
})

test('RFC 9687 §4.3: each octet that leaves begins the time anew, and the last one ends it', t => {
  const { session } = reach('Established', CONFIG, { ...PEER, holdSeconds: 0 })
  t.is(session.deadline(), NEVER)
  session.blocked(OWN, START)
  session.blocked(OWN, after(START, seconds(400)))
  t.is(session.deadline(), after(START, seconds(880)))
  session.unblocked(OWN)
  t.is(session.deadline(), NEVER)
})

test('RFC 9687 §4.3: the timer belongs to Established', t => {
  const { session } = reach('OpenSent')
  session.blocked(OWN, START)
  t.is(session.deadline(), after(START, seconds(240)))
})

// ---- what is shown

test('what the peer said stays, with why it cannot be reached since', t => {
  const { session, record } = reach('Established')
  const farewellText = encodeNotification(cease(CEASE.ADMINISTRATIVE_SHUTDOWN, 'new power supply'))
  session.received(OWN, farewellText, START)
  const told = { direction: 'received', text: 'Cease, Administrative Shutdown: new power supply' }
  t.like(session.lastError, told)
  t.is(session.lastError?.later, undefined)
  for (const why of ['connection refused', 'no route to host']) {
    const at = session.deadline()
    session.tick(at)
    session.failed(record.connects.at(-1)!, why, at)
    t.like(session.lastError, { ...told, at: START, later: { text: why, at } })
  }
})

test('a newer NOTIFICATION, or the end of another session, takes the place of the older', t => {
  const { session, record } = reach('Established')
  session.received(OWN, encodeNotification(notification(6, 4)), START)
  session.tick(session.deadline())
  const second = record.connects.at(-1)!
  session.connected(second, START)
  session.received(second, encodeNotification(notification(6, 5)), START)
  t.like(session.lastError, { subcode: 5, direction: 'received' })
  session.tick(session.deadline())
  const third = record.connects.at(-1)!
  session.connected(third, START)
  session.received(third, encodeOpen(PEER), START)
  session.received(third, encodeKeepalive(), START)
  t.is(session.state, 'Established')
  session.closed(third, 'connection reset', START)
  t.deepEqual(session.lastError, { direction: 'local', text: 'connection reset', at: START })
})

test('of attempts that only failed, the last one is shown', t => {
  const { session, record } = reach('Connect')
  session.failed(OWN, 'connection refused', START)
  session.tick(session.deadline())
  session.failed(record.connects.at(-1)!, 'no route to host', START)
  t.deepEqual(session.lastError, { direction: 'local', text: 'no route to host', at: START })
})
