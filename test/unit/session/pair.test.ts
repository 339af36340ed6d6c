import test from 'ava'
import { millis, NEVER, seconds } from '../../../src/core/base/index.ts'
import { CEASE, cease } from '../../../src/core/wire/index.ts'
import { asn, CONFIG, MIRROR, World } from './network.ts'

/** Two sessions and a network between them, on a virtual clock. */

const PASSIVE = { ...MIRROR, passive: true }

test('two ends that start together reach Established over one connection', t => {
  const world = new World(CONFIG, MIRROR)
  world.start()
  t.true(world.meet(seconds(1)))
  t.is(world.left.record.ups.length, 1)
  t.is(world.right.record.ups.length, 1)
  t.deepEqual(world.left.session.negotiated, {
    peerAs: asn(65002),
    peerRouterId: MIRROR.routerId,
    holdSeconds: 90,
    families: ['ipv4', 'ipv6'],
    fourOctetAs: true,
    routeRefresh: true,
    messageMax: 65535,
    enhancedRefresh: true,
    longLived: [],
    takesStale: false,
    addPathReceive: [],
    addPathSend: [],
    extendedNextHop: true,
    gracefulRestart: {
      restartSeconds: 120,
      restarting: false,
      notification: true,
      families: ['ipv4', 'ipv6'],
      forwarding: [],
    },
  })
})

test('RFC 4271 §6.8: of two connections the one of the larger BGP Identifier is kept', t => {
  const world = new World(CONFIG, MIRROR)
  world.start()
  t.true(world.meet(seconds(1)))
  // the right end has the larger one, so it is its own that it uses, and the other's that the left
  // uses
  t.true(world.right.record.ups[0]!.connection % 2 === 0)
  t.true(world.left.record.ups[0]!.connection % 2 === 1)
})

test('RFC 6286 §2.3: of equal identifiers the larger AS decides', t => {
  const world = new World(CONFIG, { ...MIRROR, routerId: CONFIG.routerId })
  world.start()
  t.true(world.meet(seconds(1)))
  t.true(world.right.record.ups[0]!.connection % 2 === 0)
})

test('a collision leaves no error and no wait behind', t => {
  const world = new World(CONFIG, MIRROR)
  world.start()
  world.meet(seconds(1))
  t.is(world.left.session.lastError, undefined)
  t.is(world.right.session.lastError, undefined)
  t.false(world.run(seconds(300), () => !world.met))
})

test('a passive end waits without a timer and is found', t => {
  const world = new World(CONFIG, PASSIVE)
  world.right.session.start(world.now)
  t.is(world.right.session.state, 'Active')
  t.is(world.right.session.deadline(), NEVER)
  world.left.session.start(world.now)
  t.true(world.meet(seconds(1)))
  t.is(world.right.record.connects.length, 0)
})

test('a session lives as long as both speak, with the fewest seconds of hold time too', t => {
  for (const hold of [3, 9, 90]) {
    const world = new World({ ...CONFIG, hold: seconds(hold) }, PASSIVE)
    world.start()
    t.true(world.meet(seconds(1)))
    t.false(
      world.run(seconds(1000), () => !world.met),
      `hold time ${hold}`,
    )
    const { messagesOut } = world.left.session.counters
    const least = Math.floor(1000 / Math.max(1, hold / 3))
    t.true(messagesOut > least && messagesOut < 4 + (least * 4) / 3 + 4, `${messagesOut} in 1000 s`)
  }
})

test('hold time 0: no timer runs on either end, and silence is no fault', t => {
  const world = new World({ ...CONFIG, hold: millis(0) }, PASSIVE)
  world.start()
  t.true(world.meet(seconds(1)))
  t.is(world.left.session.deadline(), NEVER)
  t.is(world.right.session.deadline(), NEVER)
  const { messagesOut } = world.left.session.counters
  t.false(world.run(seconds(86400), () => !world.met))
  t.is(world.left.session.counters.messagesOut, messagesOut)
})

test('the smaller hold time of both is agreed', t => {
  const world = new World({ ...CONFIG, hold: seconds(30) }, PASSIVE)
  world.start()
  world.meet(seconds(1))
  t.is(world.left.session.negotiated?.holdSeconds, 30)
  t.is(world.right.session.negotiated?.holdSeconds, 30)
})

test('an end that hears nothing gives up after the hold time, and both meet again', t => {
  const world = new World(CONFIG, PASSIVE)
  world.start()
  world.meet(seconds(1))
  const heard = world.now
  world.left.dark = true
  t.true(world.run(seconds(91), () => world.left.session.state !== 'Established'))
  t.true(world.now - heard > 60_000 && world.now - heard <= 90_001, `${world.now - heard} ms`)
  t.like(world.left.session.lastError, {
    direction: 'sent',
    code: 4,
    text: 'nothing from the peer for 90 s',
  })
  world.run(millis(10))
  t.like(world.right.session.lastError, {
    direction: 'received',
    code: 4,
    text: 'Hold Timer Expired',
  })
  world.left.dark = false
  t.true(world.meet(seconds(10)))
})

test('a connection that is cut is made again within a second or so', t => {
  const world = new World(CONFIG, PASSIVE)
  world.start()
  world.meet(seconds(1))
  world.run(seconds(60))
  world.cut()
  t.is(world.left.session.state, 'Active')
  t.is(world.right.session.state, 'Active')
  t.like(world.left.session.lastError, { direction: 'local', text: 'connection reset' })
  t.true(world.meet(millis(1100)))
  t.is(world.left.record.downs.length, 1)
  t.is(world.left.session.counters.established, 2)
})

test('an end that is down is tried after 1, 2, 4 and at most 120 s, less up to a quarter', t => {
  const world = new World(CONFIG, PASSIVE)
  world.right.refuses = true
  const tried: number[] = []
  world.left.session.start(world.now)
  let seen = 0
  world.run(seconds(800), () => {
    if (world.left.record.connects.length > seen) {
      seen = world.left.record.connects.length
      tried.push(world.now)
    }
    return false
  })
  const waits = tried.slice(1).map((at, index) => (at - tried[index]! - 1) / 1000)
  const expected = [1, 2, 4, 8, 16, 32, 64]
  t.true(waits.length >= 10, `${waits}`)
  for (const [index, wait] of waits.entries()) {
    const whole = expected[index] ?? 120
    t.true(wait >= whole * 0.75 - 0.01 && wait <= whole + 0.01, `${waits}`)
  }
  t.like(world.left.session.lastError, { direction: 'local', text: 'connection refused' })
})

test('waiting begins anew after a session that lived', t => {
  const world = new World(CONFIG, PASSIVE)
  world.right.refuses = true
  world.left.session.start(world.now)
  world.right.session.start(world.now)
  world.run(seconds(100))
  world.right.refuses = false
  t.true(world.meet(seconds(200)))
  world.run(seconds(11))
  world.cut()
  t.true(world.meet(millis(1100)))
})

test('a wrong AS is a clear error on both ends', t => {
  const world = new World({ ...CONFIG, peerAs: asn(65003) }, PASSIVE)
  world.start()
  world.run(seconds(1))
  t.like(world.left.session.lastError, {
    direction: 'sent',
    code: 2,
    subcode: 2,
    text: 'peer is AS 65002, configured 65003',
  })
  t.like(world.right.session.lastError, {
    direction: 'received',
    code: 2,
    subcode: 2,
    text: 'OPEN Message Error, Bad Peer AS: the peer does not expect AS 65002',
  })
  t.is(world.left.session.state, 'Idle')
})

test('a wrong AS is tried less and less often, and stays the error that is shown', t => {
  const world = new World({ ...CONFIG, peerAs: asn(65003) }, PASSIVE)
  world.start()
  world.run(seconds(600))
  const tries = world.left.record.connects.length
  t.true(tries >= 8 && tries <= 24, `${tries} connections in 600 s`)
  for (const { session } of [world.left, world.right]) t.is(session.lastError?.code, 2)
})

test('an end that waits after a disagreement hears a stop at once, and a start', t => {
  const world = new World({ ...CONFIG, peerAs: asn(65003) }, PASSIVE)
  world.start()
  world.run(seconds(60))
  t.true(world.run(seconds(60), () => world.left.session.state === 'Idle'))
  const { connects } = world.left.record
  const before = connects.length
  world.left.session.start(world.now)
  t.is(connects.length, before + 1, 'the wait is over')
  t.true(world.run(seconds(60), () => world.left.session.state === 'Idle'))
  world.left.session.stop(cease(CEASE.PEER_DECONFIGURED), world.now)
  t.is(world.left.session.deadline(), NEVER)
  const stopped = connects.length
  t.false(world.run(seconds(600), () => connects.length > stopped))
})

test('a stop says why, and the other end shows it', t => {
  const world = new World(CONFIG, MIRROR)
  world.start()
  world.meet(seconds(1))
  world.left.session.stop(cease(CEASE.ADMINISTRATIVE_SHUTDOWN, 'maintenance'), world.now)
  world.run(millis(10))
  t.like(world.right.session.lastError, {
    direction: 'received',
    code: 6,
    subcode: 9,
    text: 'Cease, Hard Reset: Cease, Administrative Shutdown: maintenance',
  })
  t.is(world.left.session.state, 'Idle')
  t.is(world.left.session.deadline(), NEVER)
  t.is(world.left.record.downs.length, 1)
  t.is(world.right.record.downs.length, 1)
})

test('a stopped end refuses connections, and start is heard at once', t => {
  const world = new World(CONFIG, MIRROR)
  world.right.session.start(world.now)
  world.run(seconds(30))
  t.not(world.right.session.state, 'Established')
  t.is(world.left.record.ups.length, 0)
  t.is(world.left.record.sent.length, 0)
  world.left.session.start(world.now)
  t.true(world.meet(seconds(1)))
})

test('an end that died without a word is found out by the new connection that it opens', t => {
  const world = new World(CONFIG, MIRROR)
  world.start()
  world.meet(seconds(1))
  world.run(seconds(20))
  // the right one forgets everything, as a host does that loses its power: nothing reaches the left
  world.left.dark = true
  world.right.session.stop(cease(CEASE.ADMINISTRATIVE_SHUTDOWN), world.now)
  world.run(millis(10))
  world.left.dark = false
  t.is(world.left.session.state, 'Established')
  const before = world.left.session.counters.messagesOut
  world.right.session.start(world.now)
  world.run(millis(2))
  t.true(world.left.session.counters.messagesOut > before, 'the old connection is probed')
})
