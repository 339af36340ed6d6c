import test from 'ava'
import { millis, seconds } from '../../../src/core/base/index.ts'
import { NO_METRIC } from '../../../src/core/fib/index.ts'
import { address, type Prefix, prefix } from '../../../src/core/net/index.ts'
import { Bench, pair, updateOf } from './bench.ts'

/** What the speaker tells a dataplane, on the bench. */

const P = prefix('10.1.0.0/16')
const Q = prefix('10.2.0.0/16')
const R = prefix('10.3.0.0/16')

const many = (count: number): Prefix[] =>
  Array.from({ length: count }, (_, at) => prefix(`10.${at >> 8}.${at & 255}.0/24`))

test('a dataplane that comes is told everything, then what changes', t => {
  const { bench, a } = pair()
  a.announce({}, P, Q)
  bench.deliver({ type: 'FibUp', preserved: false })
  bench.deliver({ type: 'FibCredit', routes: 100 })
  bench.settle()
  t.deepEqual([...bench.fib.routes.keys()].sort(), [P, Q])
  a.withdraw(P)
  a.announce({}, R)
  t.deepEqual([...bench.fib.routes.keys()].sort(), [Q, R])
  bench.deliver({ type: 'FibDown' })
  a.announce({}, P)
  bench.deliver({ type: 'FibUp', preserved: false })
  bench.deliver({ type: 'FibCredit', routes: 100 })
  bench.settle()
  t.is(bench.fib.epoch as number | undefined, 2)
  t.deepEqual([...bench.fib.routes.keys()].sort(), [P, Q, R])
  t.deepEqual(bench.fib.faults, [])
})

test('routes wait for credit, withdrawals do not', t => {
  const { bench, a } = pair()
  bench.deliver({ type: 'FibUp', preserved: false })
  bench.deliver({ type: 'FibCredit', routes: 1 })
  a.announce({}, P)
  a.announce({}, Q)
  t.is(bench.fib.routes.size, 1)
  a.withdraw(P)
  t.is(bench.fib.routes.size, 0)
  bench.deliver({ type: 'FibCredit', routes: 1 })
  bench.settle()
  t.deepEqual([...bench.fib.routes.keys()], [Q])
})

test('equal paths are one route of several next hops, up to the limit', t => {
  const bench = new Bench()
  const peers = ['a', 'b', 'c'].map((name, at) => bench.peer(name, 65001 + at))
  bench.configure({ multipathMax: 2 })
  bench.deliver({ type: 'FibUp', preserved: false })
  bench.deliver({ type: 'FibCredit', routes: 100 })
  for (const peer of peers) peer.up()
  for (const peer of peers) peer.announce({}, P)
  t.deepEqual(bench.fib.hopsOf(P), ['192.0.2.1', '192.0.2.2'])
  const { paths } = bench.speaker.lookup(P)[0]!
  t.deepEqual(
    paths.map(({ best, multipath }) => [best, multipath]),
    [
      [true, false],
      [false, true],
      [false, false],
    ],
  )
  bench.configure({ multipathMax: 4 })
  t.is(bench.fib.hopsOf(P).length, 3)
  peers[0]!.down()
  t.deepEqual(bench.fib.hopsOf(P), ['192.0.2.2', '192.0.2.3'])
  t.deepEqual(bench.fib.faults, [])
})

test('what changes while a dataplane is being told all is said once', t => {
  const { bench, a } = pair()
  a.announce({}, ...many(300))
  bench.budget = 20
  bench.deliver({ type: 'FibUp', preserved: false })
  bench.deliver({ type: 'FibCredit', routes: 1000 })
  bench.speaker.work(bench.budget, bench.now)
  let said = 0
  const { route } = bench.fib
  bench.fib.route = (...rest) => {
    said++
    route.apply(bench.fib, rest)
  }
  const before = bench.fib.routes.size
  t.true(before > 0 && before < 100)
  a.send(updateOf(a.attributes({ nextHop: address('192.0.2.250') }), many(300).slice(200)))
  bench.settle()
  t.is(said, 300 - before)
  t.is(bench.fib.groups.size, 2)
  t.deepEqual(bench.fib.faults, [])
})

test('a group of next hops that no route uses any more is dropped', t => {
  const { bench, a } = pair()
  bench.deliver({ type: 'FibUp', preserved: false })
  bench.deliver({ type: 'FibCredit', routes: 1000 })
  for (const med of [1, 2, 3]) a.announce({ med }, P)
  t.is(bench.fib.groups.size, 1)
  a.announce({ nextHop: address('192.0.2.250') }, P)
  const hops = [{ address: address('192.0.2.250'), weight: 1 }]
  t.deepEqual([...bench.fib.groups.values()], [{ hops, metric: 2_147_483_547 }])
  a.withdraw(P)
  t.is(bench.fib.groups.size, 0)
})

const METRICS: readonly (readonly [number | undefined, number])[] = [
  [undefined, 2_147_483_547],
  [2_147_482_623, 1_024],
  [2_147_483_135, 512],
  [0, 2_147_483_647],
  [2_147_483_646, 1],
  // none is left: the dataplane's own
  [2_147_483_647, NO_METRIC],
  [4_294_967_295, NO_METRIC],
]

for (const [localPref, metric] of METRICS)
  test(`a path with LOCAL_PREF ${localPref ?? 'unsaid'} has the metric ${metric}`, t => {
    const bench = new Bench()
    const peer = bench.peer('a', localPref === undefined ? 65001 : 65000)
    bench.configure()
    listen(bench)
    peer.up()
    peer.announce(localPref === undefined ? {} : { localPref }, P)
    t.deepEqual(
      [...bench.fib.groups.values()].map(group => group.metric),
      [metric],
    )
  })

/** Counts what a dataplane is told of routes, from now on. */
function count(bench: Bench): () => number {
  const before = bench.fib.told
  return () => bench.fib.told - before
}

function listen(bench: Bench): void {
  bench.deliver({ type: 'FibUp', preserved: false })
  bench.deliver({ type: 'FibCredit', routes: 10_000 })
}

test('a peer that is lost costs its routes one message, where all go the same way', t => {
  for (const multipathMax of [1, 2]) {
    const bench = new Bench()
    const [a, b] = ['a', 'b'].map((name, at) => bench.peer(name, 65001 + at))
    bench.configure({ multipathMax })
    listen(bench)
    for (const peer of [a, b]) {
      peer!.up()
      peer!.announce({}, ...many(300))
    }
    bench.budget = 20
    const told = count(bench)
    a!.down()
    bench.settle()
    t.is(told(), 0)
    for (const each of many(300)) t.deepEqual(bench.fib.hopsOf(each), ['192.0.2.2'])
    // what was a name of one group is one of another, and a group that comes back gets a name
    a!.up()
    a!.announce({}, ...many(10))
    bench.settle()
    const back = multipathMax === 1 ? ['192.0.2.1'] : ['192.0.2.1', '192.0.2.2']
    t.deepEqual(bench.fib.hopsOf(many(1)[0]!), back)
    t.deepEqual(bench.fib.hopsOf(many(11)[10]!), ['192.0.2.2'])
    t.is(told(), 10)
    t.deepEqual(bench.fib.faults, [])
  }
})

test('routes that go two ways, or stay, or get another metric, are said one by one', t => {
  const bench = new Bench()
  const peers = ['a', 'b', 'c'].map(name => bench.peer(name, 65000))
  const [a, b, c] = peers
  bench.configure({ multipathMax: 1 })
  listen(bench)
  for (const peer of peers) peer.up()
  const prefixes = many(40)
  a!.announce({ localPref: 300 }, ...prefixes)
  b!.announce({ localPref: 200 }, ...prefixes)
  c!.announce({ localPref: 300 }, ...prefixes.slice(0, 1))
  const told = count(bench)
  a!.withdraw(...prefixes.slice(0, 10))
  t.is(told(), 10)
  a!.down()
  bench.settle()
  t.is(told(), 40, 'each has another place in the kernel')
  t.deepEqual(bench.fib.hopsOf(prefixes[39]!), ['192.0.2.2'])
  t.deepEqual(bench.fib.faults, [])
})

test('a path of a dead session is not chosen while it waits to be swept', t => {
  const bench = new Bench()
  const [a, b, c] = [65001, 65002, 65003].map((as, at) => bench.peer('abc'[at]!, as))
  bench.configure()
  for (const peer of [a, b, c]) peer!.up()
  const prefixes = many(300)
  a!.announce({}, ...prefixes)
  b!.announce({}, ...prefixes)
  // decisions go round: the next one is behind this row
  b!.announce({ med: 1 }, prefixes[150]!)
  c!.news()
  bench.budget = 5
  bench.deliver({ type: 'Closed', connection: a!.connection, why: 'reset' })
  // the last row is decided long before the sweep comes to it
  b!.send(updateOf(b!.attributes({ med: 7 }), prefixes.slice(-1)))
  for (let slices = 0; slices < 3; slices++) bench.speaker.work(bench.budget, bench.now)
  const last = () => bench.speaker.lookup(prefixes.at(-1)!)[0]!.paths
  t.like(last()[0], { from: 'b', best: true })
  bench.settle()
  t.like(last()[0], { from: 'b', best: true })
  t.is(last().length, 1)
})

test('in-sync waits for the End-of-RIB of every peer', t => {
  const { bench, a, b } = pair()
  bench.deliver({ type: 'FibUp', preserved: false })
  bench.deliver({ type: 'FibCredit', routes: 100 })
  a.announce({}, P)
  a.endOfRib()
  t.is(bench.fib.synced, undefined)
  b.endOfRib()
  t.is(bench.fib.synced, bench.fib.epoch)
})

test('in-sync waits for a peer that is not up, but not for ever', t => {
  const bench = new Bench(seconds(30))
  const a = bench.peer('a', 65001)
  bench.peer('never', 65002)
  bench.configure()
  bench.deliver({ type: 'FibUp', preserved: false })
  bench.deliver({ type: 'FibCredit', routes: 100 })
  a.up()
  a.endOfRib()
  t.is(bench.fib.synced, undefined)
  t.true(bench.speaker.deadline() <= 1000 + 30_000)
  bench.pass(millis(29_000))
  t.is(bench.fib.synced, undefined)
  bench.pass(millis(1_000))
  t.is(bench.fib.synced, bench.fib.epoch)
})

test('a peer that sends no End-of-RIB is waited for until it is quiet', t => {
  const { bench, b } = pair()
  b.endOfRib()
  bench.deliver({ type: 'FibUp', preserved: false })
  bench.deliver({ type: 'FibCredit', routes: 100 })
  bench.settle()
  t.is(bench.fib.synced, undefined)
  bench.pass(millis(bench.speaker.deadline() - bench.now))
  t.is(bench.fib.synced, bench.fib.epoch)
})

test('a dataplane that comes back is in sync as soon as it has been told all', t => {
  const { bench, a, b } = pair()
  for (const peer of [a, b]) peer.endOfRib()
  bench.deliver({ type: 'FibUp', preserved: false })
  bench.settle()
  bench.deliver({ type: 'FibDown' })
  b.down()
  bench.deliver({ type: 'FibUp', preserved: false })
  bench.deliver({ type: 'FibCredit', routes: 10 })
  bench.settle()
  t.is(bench.fib.synced as number | undefined, 2)
})

test('a speaker without a configuration is never in sync', t => {
  const bench = new Bench()
  bench.deliver({ type: 'FibUp', preserved: false })
  bench.deliver({ type: 'FibCredit', routes: 10 })
  bench.settle()
  bench.pass(seconds(1000))
  t.is(bench.fib.synced, undefined)
})
