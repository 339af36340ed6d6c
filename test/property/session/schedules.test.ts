import test from 'ava'
import fc from 'fast-check'
import { after, type Millis, millis, NEVER, Prng, seconds } from '../../../src/core/base/index.ts'
import {
  type ConnectionId,
  PeerSession,
  type SessionConfig,
} from '../../../src/core/session/index.ts'
import {
  CEASE,
  cease,
  encodeKeepalive,
  encodeNotification,
  encodeOpen,
  encodeRouteRefresh,
  endOfRib,
  notification,
} from '../../../src/core/wire/index.ts'
import { asn, CONFIG, evenIds, MIRROR, Recorder, World } from '../../unit/session/network.ts'

/** Sessions under schedules and events that nobody would write down. */

const FAREWELL = cease(CEASE.ADMINISTRATIVE_SHUTDOWN)

const schedule = fc.record({
  seed: fc.nat(),
  latencyMin: fc.integer({ min: 0, max: 50 }),
  spread: fc.integer({ min: 0, max: 400 }),
  pieceMax: fc.constantFrom(1, 7, 18, 19, 4096),
  delay: fc.integer({ min: 0, max: 500 }),
  leftId: fc.constantFrom(1, 0x0a000001, 0x0a000002, 0x0a000003, 0xffffffff),
  leftOpen: fc.option(fc.integer({ min: 0, max: 5000 }), { nil: undefined }),
  rightOpen: fc.option(fc.integer({ min: 0, max: 5000 }), { nil: undefined }),
})

/** `config` that waits for the peer's OPEN, or not. */
const waiting = (config: SessionConfig, delay: number | undefined): SessionConfig =>
  delay === undefined ? config : { ...config, options: { delayOpen: millis(delay) } }

test('two ends agree on one connection, in whatever order things arrive', t => {
  let both = 0
  fc.assert(
    fc.property(schedule, ({ seed, latencyMin, spread, pieceMax, delay, leftId, ...opens }) => {
      const left = waiting({ ...CONFIG, routerId: leftId }, opens.leftOpen)
      const world = new World(left, waiting(MIRROR, opens.rightOpen), {
        seed,
        latencyMin,
        latencyMax: latencyMin + spread,
        pieceMax,
      })
      world.start(millis(delay))
      if (!world.meet(seconds(30))) throw new Error('they do not meet')
      if (world.left.record.connects.length > 0 && world.right.record.connects.length > 0) both++
      // and what was decided is not taken back
      const ups = world.left.record.ups.length + world.right.record.ups.length
      world.run(seconds(200))
      if (!world.met || ups !== world.left.record.ups.length + world.right.record.ups.length)
        throw new Error('they meet, and part again')
    }),
    { numRuns: 400 },
  )
  t.true(both > 100, `${both} schedules in which both connect`)
})

const trouble = fc.array(
  fc.record({
    kind: fc.constantFrom('cut', 'dark', 'refuse', 'restart', 'stop'),
    side: fc.constantFrom('left' as const, 'right' as const),
    wait: fc.integer({ min: 0, max: 200_000 }),
  }),
  { maxLength: 8 },
)

test('two ends meet again after any trouble', t => {
  fc.assert(
    fc.property(fc.nat(), trouble, (seed, events) => {
      const world = new World(CONFIG, MIRROR, { seed, latencyMin: 0, latencyMax: 30 })
      world.start()
      for (const { kind, side, wait } of events) {
        world.run(millis(wait))
        const { session } = world[side]
        if (kind === 'cut') world.cut()
        else if (kind === 'dark') world[side].dark = !world[side].dark
        else if (kind === 'refuse') world[side].refuses = !world[side].refuses
        else session.stop(FAREWELL, world.now)
        if (kind === 'restart') session.start(world.now)
      }
      for (const end of [world.left, world.right]) {
        end.dark = false
        end.refuses = false
        end.session.start(world.now)
      }
      if (!world.meet(seconds(600))) throw new Error('they do not meet again')
    }),
    { numRuns: 200 },
  )
  t.pass()
})

/** What may happen to one session; numbers choose among the connections that there are. */
const event = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('bytes' as const),
      which: fc.nat(9),
      what: fc.nat(8),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('junk' as const),
      which: fc.nat(9),
      junk: fc.uint8Array({ maxLength: 64 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        ...(['accepted', 'connected', 'agree', 'agree', 'failed', 'closed', 'reset'] as const),
        ...(['blocked', 'unblocked'] as const),
      ),
      which: fc.nat(9),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('tick' as const), ahead: fc.nat(200_000) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('start', 'stop') }) },
)

const MESSAGES: readonly Uint8Array[] = [
  encodeOpen({
    type: 'OPEN',
    version: 4,
    asn: 65002,
    holdSeconds: 9,
    routerId: 0x0a000002,
    capabilities: [{ type: 'four-octet-as', asn: asn(65002) }],
  }),
  encodeOpen({
    type: 'OPEN',
    version: 4,
    asn: 65009,
    holdSeconds: 0,
    routerId: 1,
    capabilities: [],
  }),
  encodeKeepalive(),
  encodeKeepalive(),
  endOfRib('ipv4'),
  endOfRib('ipv6'),
  encodeRouteRefresh({ type: 'ROUTE-REFRESH', afi: 1, subtype: 0, safi: 1 }),
  encodeNotification(notification(6, 7)),
  encodeNotification(notification(2, 2)),
]

/** A recorder that objects to what a session must never do. */
class Judge extends Recorder {
  readonly alive = new Set<ConnectionId>()
  readonly up_ = new Set<ConnectionId>()

  override connect(connection: ConnectionId): void {
    if (this.alive.size > 1) throw new Error('more than two connections')
    this.alive.add(connection)
  }
  override send(connection: ConnectionId): void {
    if (!this.alive.has(connection)) throw new Error('sends on a connection that is gone')
  }
  override close(connection: ConnectionId): void {
    if (!this.alive.delete(connection)) throw new Error('closes a connection twice')
  }
  override up(connection: ConnectionId): void {
    if (!this.alive.has(connection) || this.up_.size > 0) throw new Error('up twice')
    this.up_.add(connection)
  }
  override down(connection: ConnectionId): void {
    if (!this.up_.delete(connection)) throw new Error('down without up')
  }
  override update(connection: ConnectionId): void {
    if (!this.up_.has(connection)) throw new Error('an UPDATE while not Established')
  }
}

test('each `up` has one `down`, and a stop leaves nothing behind, whatever happens', t => {
  let established = 0
  fc.assert(
    fc.property(
      fc.nat(),
      fc.boolean(),
      fc.option(fc.nat(30_000), { nil: undefined }),
      fc.array(event, { maxLength: 80, size: 'max' }),
      (seed, passive, delay, events) => {
        const judge = new Judge()
        const session = new PeerSession(waiting({ ...CONFIG, passive }, delay), judge, {
          chance: new Prng(seed),
          nextConnection: evenIds(),
        })
        let now: Millis = millis(1000)
        let nextOdd = 1
        session.start(now)
        for (const step of events) {
          const connections = [...judge.alive]
          const picked = 'which' in step ? connections[step.which % connections.length] : undefined
          const connection = picked ?? (998 as ConnectionId)
          switch (step.kind) {
            case 'bytes':
              session.received(connection, MESSAGES[step.what]!, now)
              break
            case 'junk':
              session.received(connection, step.junk, now)
              break
            case 'tick':
              now = millis(Math.min(after(now, millis(step.ahead)), session.deadline()))
              session.tick(now)
              break
            case 'start':
              session.start(now)
              break
            case 'stop':
              session.stop(FAREWELL, now)
              break
            case 'accepted':
              judge.alive.add(nextOdd as ConnectionId)
              session.accepted(nextOdd as ConnectionId, now)
              nextOdd += 2
              break
            case 'connected':
              session.connected(connection, now)
              break
            case 'agree':
              session.connected(connection, now)
              session.received(connection, MESSAGES[0]!, now)
              session.received(connection, MESSAGES[2]!, now)
              break
            case 'blocked':
              session.blocked(connection, now)
              break
            case 'unblocked':
              session.unblocked(connection)
              break
            case 'reset':
              session.reset(connection, notification(3, 1), 'malformed', now)
              break
            default:
              session[step.kind](connection, 'the network', now)
          }
          if ((session.state === 'Established') !== (judge.up_.size === 1))
            throw new Error('Established and up are not the same')
          if (session.deadline() <= now) session.tick(now)
          if (session.deadline() <= now) throw new Error('a timer that is due stays due')
        }
        established += session.counters.established
        session.stop(FAREWELL, now)
        if (judge.alive.size + judge.up_.size > 0) throw new Error('a stop leaves a connection')
        if (session.deadline() !== NEVER) throw new Error('a stop leaves a timer')
        if (session.state !== 'Idle') throw new Error('a stop does not lead to Idle')
      },
    ),
    { numRuns: 2000 },
  )
  t.true(established > 200, `Established was reached ${established} times`)
})
