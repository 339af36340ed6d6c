/** Limits and neighbours of ranges, whatever happens in whatever order. */
import test from 'ava'
import fc from 'fast-check'
import { millis, seconds } from '../../../src/core/base/index.ts'
import { address, type Prefix, prefix } from '../../../src/core/net/index.ts'
import type { PeerRange, PrefixLimit } from '../../../src/core/speaker/index.ts'
import { encodeKeepalive } from '../../../src/core/wire/index.ts'
import { Bench, type Scripted } from '../../unit/speaker/bench.ts'

const PREFIXES = Array.from({ length: 12 }, (_, at) => prefix(`10.${at}.0.0/16`))
const block = (most: number): PrefixLimit => ({
  most,
  warnPercent: 80,
  action: 'block',
  restartAfter: seconds(60),
})

interface Change {
  readonly from: number
  readonly at: number
  readonly says: boolean
  readonly med: number
}

const change: fc.Arbitrary<Change> = fc.record({
  from: fc.nat(2),
  at: fc.nat(PREFIXES.length - 1),
  says: fc.boolean(),
  med: fc.nat(2),
})

/** What a peer holds, by what it was told. */
function believe(held: Set<Prefix>, peer: Scripted): void {
  for (const told of peer.news())
    if ('announced' in told) held.add(told.announced)
    else if ('withdrawn' in told) held.delete(told.withdrawn)
}

test('a peer holds as many routes as there are and it may have, and none that went', t => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 6 }),
      fc.array(change, { maxLength: 60 }),
      (most, changes) => {
        const bench = new Bench()
        const peers = [65001, 65002, 65003].map((peerAs, at) =>
          bench.peer(`p${at}`, peerAs, at === 0 ? { limits: { announced: block(most) } } : {}),
        )
        bench.configure()
        for (const peer of peers) peer.up()
        const said = peers.map(() => new Set<Prefix>())
        const held = new Set<Prefix>()
        for (const { from, at, says, med } of changes) {
          const each = PREFIXES[at]!
          if (says) peers[from]?.announce({ communities: [med] }, each)
          else peers[from]?.withdraw(each)
          if (says) said[from]?.add(each)
          else said[from]?.delete(each)
          believe(held, peers[0]!)
          // its own routes win: the lowest address does, of paths that are equal otherwise
          const offered = PREFIXES.filter(
            one => !said[0]!.has(one) && (said[1]!.has(one) || said[2]!.has(one)),
          )
          t.is(held.size, Math.min(most, offered.length))
          for (const one of held) t.true(offered.includes(one), `${one} is held`)
        }
      },
    ),
    { numRuns: 150 },
  )
})

test('of a peer no more routes are taken than may be, and as many once it says all again', t => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 6 }),
      fc.array(change, { maxLength: 60 }),
      (most, changes) => {
        const bench = new Bench()
        const peer = bench.peer('a', 65001, { limits: { received: block(most) } })
        bench.configure()
        peer.up()
        const said = new Map<Prefix, number>()
        const taken = () => bench.speaker.snapshot(bench.now).sessions[0]?.prefixes[0]?.received
        const asked = () => peer.news().some(told => 'refresh' in told)
        for (const { at, says, med } of changes) {
          const each = PREFIXES[at]!
          if (says) peer.announce({ communities: [med] }, each)
          else peer.withdraw(each)
          if (says) said.set(each, med)
          else said.delete(each)
          t.true(taken()! <= most)
          // it answers, as a router does, with all that it has
          if (asked()) for (const [one, value] of said) peer.announce({ communities: [value] }, one)
        }
        bench.pass(seconds(30))
        peer.send(encodeKeepalive())
        if (asked()) for (const [one, value] of said) peer.announce({ communities: [value] }, one)
        t.is(taken(), Math.min(most, said.size))
      },
    ),
    { numRuns: 150 },
  )
})

type Event =
  | { readonly type: 'connect' | 'up' | 'down' | 'announce'; readonly host: number }
  | { readonly type: 'pass'; readonly seconds: number }
  | { readonly type: 'configure'; readonly ranges: number; readonly own: boolean }

const HOSTS = 8
const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constantFrom(
        'connect' as const,
        'up' as const,
        'down' as const,
        'announce' as const,
      ),
      host: fc.nat(HOSTS - 1),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('pass' as const), seconds: fc.nat(70) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('configure' as const),
      ranges: fc.nat(3),
      own: fc.boolean(),
    }),
  },
)

test('neighbours of ranges come and go, and leave nothing', t => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 80 }), events => {
      const bench = new Bench()
      const hosts = Array.from({ length: HOSTS }, (_, at) =>
        bench.peer(`own-${at}`, 65001, { address: address(`192.0.2.${16 * (at % 2) + at}`) }),
      )
      const { name: _n, address: _a, port: _p, passive: _s, ...template } = hosts[0]!.config
      const rangesOf = (bits: number): PeerRange[] => [
        ...(bits & 1
          ? [{ name: 'wide', prefix: prefix('192.0.2.0/24'), peersMax: 3, template }]
          : []),
        ...(bits & 2
          ? [{ name: 'narrow', prefix: prefix('192.0.2.16/28'), peersMax: 2, template }]
          : []),
      ]
      let bits = 3
      let own = false
      const configure = (): void =>
        bench.configure({ peers: own ? [hosts[0]!.config] : [], ranges: rangesOf(bits) })
      configure()
      let accepted = 0
      const count = (prefix: string): number =>
        bench.speaker.snapshot(bench.now).sessions.filter(({ name }) => name.startsWith(prefix))
          .length
      for (const each of events) {
        if (each.type === 'pass') bench.pass(seconds(each.seconds))
        else if (each.type === 'configure') {
          bits = each.ranges
          own = each.own
          configure()
        } else {
          const host = hosts[each.host]!
          if (each.type === 'announce') host.announce({}, PREFIXES[each.host]!)
          else if (each.type === 'down') host.down()
          else {
            accepted++
            if (each.type === 'up') host.up()
            else {
              const connection = bench.nextConnection()
              const { address: remote } = host.config
              bench.deliver({ type: 'Accepted', connection, remote, local: address('192.0.2.254') })
            }
          }
        }
        t.true(count('wide_') <= 3 && count('narrow_') <= 2)
        if ((bits & 1) === 0) t.is(count('wide_'), 0)
        if ((bits & 2) === 0) t.is(count('narrow_'), 0)
        t.true(count('own-') <= 1)
      }
      own = false
      configure()
      // hold timers first: nobody has said a word since
      for (let left = 0; left < 20; left++) bench.pass(seconds(60))
      t.is(bench.speaker.snapshot(bench.now).sessions.length, 0)
      t.is(bench.speaker.tables.locRibs.ipv4.prefixes.size, 0)
      t.is(bench.speaker.tables.sets.size, 0)
      t.is(new Set(bench.closed).size, accepted, 'every connection is closed')
      t.is(bench.speaker.deadline(), millis(Number.POSITIVE_INFINITY))
    }),
    { numRuns: 150 },
  )
})
