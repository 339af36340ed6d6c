import test from 'ava'
import { type Address, address, prefix } from '../../../src/core/net/index.ts'
import type { PathAttributes } from '../../../src/core/wire/index.ts'
import { checkDecisions, checkReferences } from '../../../src/sim/index.ts'
import { Bench, LOCAL_AS, type Offer, type Scripted } from './bench.ts'

/** The decision as a whole: paths that come over the wire, and what becomes of them. RFC 4271 §9.1 */

const P = prefix('10.1.0.0/16')
const SENDS: Offer = { addPath: { send: true } }
const TAKES = { options: { addPath: { receive: true, send: false } } }

/** A path, and who says it under which identifier. */
interface Said {
  readonly by: 'a' | 'b' | 'c'
  readonly path: number
  readonly attributes: Partial<PathAttributes>
}

/** Two external peers and a client, all of which send several paths, and one who hears. */
function neighbours() {
  const bench = new Bench()
  const a = bench.peer('a', 65001, TAKES)
  const b = bench.peer('b', 65002, TAKES)
  const c = bench.peer('c', LOCAL_AS, { ...TAKES, routeReflectorClient: true })
  const d = bench.peer('d', 65004)
  bench.configure()
  bench.deliver({ type: 'FibUp', preserved: false })
  bench.deliver({ type: 'FibCredit', routes: 10_000 })
  for (const peer of [a, b, c]) peer.up(SENDS)
  d.up()
  return { bench, a, b, c, d }
}

const paths = (bench: Bench): string[] =>
  (bench.speaker.lookup(P)[0]?.paths ?? []).map(({ from, pathId, best, multipath, reason }) =>
    [from, pathId, best ? 'best' : `${multipath ? 'beside: ' : ''}${reason}`].join(' '),
  )

const wrong = ({ speaker }: Bench): string[] => [
  ...checkDecisions({ speaker }),
  ...checkReferences({ speaker }),
]

const through = (...asns: number[]) => [{ type: 'sequence' as const, asns }]
const hop = (at: number) => ({ nextHop: address(`203.0.113.${at}`) })

/**
 * MED of one neighbouring AS makes a cycle of pairs: a 1 loses to c 1 by MED, c 1 to b 1 for being
 * internal, b 1 to a 1 by router id. Others tie, or differ by their identifiers alone.
 */
const SAID: readonly Said[] = [
  { by: 'a', path: 1, attributes: { asPath: through(65001), med: 10, ...hop(1) } },
  { by: 'a', path: 9, attributes: { asPath: through(65001), med: 10, ...hop(2) } },
  { by: 'b', path: 1, attributes: { asPath: through(65002), med: 0, ...hop(3) } },
  { by: 'b', path: 2, attributes: { asPath: through(65002), med: 0, ...hop(4) } },
  { by: 'c', path: 1, attributes: { asPath: through(65001), med: 5, ...hop(5) } },
]

const RESULT = [
  'b 1 best',
  'b 2 beside: higher path identifier',
  'c 1 internal, another is external',
  'a 1 higher MED',
  'a 9 higher MED',
]

test('paths that come in any order, from any slots, have one result and one reason each', t => {
  const orders = permutations(SAID)
  t.is(orders.length, 120)
  for (const [turn, order] of orders.entries()) {
    const { bench, d, ...peers } = neighbours()
    for (const { by, path, attributes } of order) {
      peers[by].announcePath(path, attributes, P)
      // some come, go and come again, so that slots are left and taken
      if ((turn + path) % 3 === 0) {
        peers[by].withdrawPath(path, P)
        peers[by].announcePath(path, attributes, P)
      }
    }
    t.deepEqual(paths(bench), RESULT, order.map(({ by, path }) => `${by} ${path}`).join())
    t.deepEqual(bench.fib.hopsOf(P), [hop(3).nextHop, hop(4).nextHop])
    const last = d.news().at(-1)
    t.like(last, { announced: P, attributes: { asPath: through(LOCAL_AS, 65002) } })
    if (turn % 20 === 0) t.deepEqual(wrong(bench), [])
  }
})

test('each path that goes leaves what the others would have given without it', t => {
  for (const gone of SAID.keys()) {
    const { bench, ...peers } = neighbours()
    const other = neighbours()
    for (const { by, path, attributes } of SAID) peers[by].announcePath(path, attributes, P)
    peers[SAID[gone]!.by].withdrawPath(SAID[gone]!.path, P)
    for (const { by, path, attributes } of SAID.toSpliced(gone, 1).toReversed())
      other[by].announcePath(path, attributes, P)
    t.is(paths(bench).length, SAID.length - 1)
    t.deepEqual(paths(bench), paths(other.bench))
    t.deepEqual(bench.fib.hopsOf(P), other.bench.fib.hopsOf(P))
  }
})

/** What a next-hop tracker would say. */
function resolve(bench: Bench, of: Address, metric: number | undefined): void {
  const known = { eligible: metric !== undefined, metric: metric ?? 0, why: 'no route to it' }
  bench.deliver({ type: 'NextHops', answers: [{ address: of, ...known }] })
  bench.settle()
}

/** Two external peers of one AS, so that nothing but the way to them differs before ties. */
function twoWays(): { bench: Bench; a: Scripted; b: Scripted } {
  const bench = new Bench()
  const a = bench.peer('a', 65001)
  const b = bench.peer('b', 65001)
  bench.configure()
  bench.deliver({ type: 'FibUp', preserved: false })
  bench.deliver({ type: 'FibCredit', routes: 10_000 })
  for (const peer of [a, b]) peer.up()
  a.announce({}, P)
  b.announce({}, P)
  return { bench, a, b }
}

const reasons = (bench: Bench): (string | undefined)[] =>
  (bench.speaker.lookup(P)[0]?.paths ?? []).map(({ from, reason }) => `${from} ${reason ?? 'best'}`)

test('RFC 4271 §9.1.2.2 (e): the nearer next hop is better, and alone', t => {
  const { bench, a, b } = twoWays()
  t.deepEqual(bench.fib.hopsOf(P), [a.config.address, b.config.address])
  resolve(bench, a.config.address, 20)
  t.deepEqual(reasons(bench), ['b best', 'a farther next hop'])
  t.deepEqual(bench.fib.hopsOf(P), [b.config.address])
  resolve(bench, b.config.address, 20)
  t.deepEqual(reasons(bench), ['a best', 'b higher router id'])
  t.deepEqual(bench.fib.hopsOf(P), [a.config.address, b.config.address])
})

test('RFC 4271 §9.1.2.1: a path whose next hop is not resolved is not eligible, and says so', t => {
  const { bench, a, b } = twoWays()
  resolve(bench, a.config.address, undefined)
  t.deepEqual(reasons(bench), ['b best', 'a no route to it'])
  t.deepEqual(bench.fib.hopsOf(P), [b.config.address])
  resolve(bench, b.config.address, undefined)
  t.deepEqual(bench.fib.hopsOf(P), [])
  t.is(reasons(bench).length, 2, 'both are still shown')
  resolve(bench, a.config.address, 1)
  t.deepEqual(bench.fib.hopsOf(P), [a.config.address])
})

test('RFC 5065 §5.3: segments of a confederation do not count, and an AS_SET counts as one', t => {
  const bench = new Bench()
  const a = bench.peer('a', LOCAL_AS)
  const b = bench.peer('b', LOCAL_AS)
  bench.configure()
  for (const peer of [a, b]) peer.up()
  const confederation = { type: 'confed-sequence' as const, asns: [64512, 64513, 64514] }
  b.announce({ asPath: [confederation, ...through(1)] }, P)
  a.announce({ asPath: [...through(1), { type: 'set', asns: [2, 3, 4] }] }, P)
  t.deepEqual(reasons(bench), ['b best', 'a longer AS_PATH'])
  a.announce({ asPath: through(1) }, P)
  t.deepEqual(reasons(bench), ['a best', 'b higher router id'])
})

function permutations<Item>(items: readonly Item[]): Item[][] {
  if (items.length <= 1) return [[...items]]
  return items.flatMap((item, at) =>
    permutations(items.toSpliced(at, 1)).map(rest => [item, ...rest]),
  )
}
