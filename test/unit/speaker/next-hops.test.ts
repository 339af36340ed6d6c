import test from 'ava'
import type { NextHopAnswer } from '../../../src/core/fib/index.ts'
import { address, type Prefix, prefix } from '../../../src/core/net/index.ts'
import { NextHopChanges } from '../../../src/core/speaker/inbound/next-hops.ts'
import { checkDecisions, checkReferences } from '../../../src/sim/index.ts'
import { Bench, LOCAL_AS, type Scripted } from './bench.ts'

/** What the speaker asks the kernel half about next hops, and what it does with the answers. */

const P = prefix('10.1.0.0/16')
const Q = prefix('10.2.0.0/16')
const FAR = address('198.51.100.1')

/** Two external peers of one AS, and a dataplane that answers nothing by itself. */
function scene(): { bench: Bench; a: Scripted; b: Scripted } {
  const bench = new Bench()
  const a = bench.peer('a', 65001)
  const b = bench.peer('b', 65001)
  bench.configure()
  bench.deliver({ type: 'FibUp', preserved: false })
  bench.deliver({ type: 'FibCredit', routes: 10_000 })
  for (const peer of [a, b]) peer.up()
  return { bench, a, b }
}

const no = (why: string): Omit<NextHopAnswer, 'address'> => ({ eligible: false, metric: 0, why })
const at = (metric: number): Omit<NextHopAnswer, 'address'> => ({ eligible: true, metric, why: '' })

function answer(bench: Bench, of: string, what: Omit<NextHopAnswer, 'address'>): void {
  bench.deliver({ type: 'NextHops', answers: [{ address: address(of), ...what }] })
  bench.settle()
}

const tracked = (bench: Bench): string[] => [...bench.fib.tracked.keys()].sort()

const paths = (bench: Bench, of: Prefix): string[] =>
  (bench.speaker.lookup(of)[0]?.paths ?? []).map(
    ({ from, reason }) => `${from} ${reason ?? 'best'}`,
  )

test('the dataplane is asked about each next hop while a path names it', t => {
  const { bench, a, b } = scene()
  t.deepEqual(tracked(bench), [])
  a.announce({ nextHop: FAR }, P)
  b.announce({ nextHop: FAR }, P, Q)
  a.announce({}, Q)
  t.deepEqual(tracked(bench), [a.config.address, FAR])
  a.withdraw(P)
  t.deepEqual(tracked(bench), [a.config.address, FAR])
  b.down()
  t.deepEqual(tracked(bench), [a.config.address])
  bench.deliver({ type: 'FibDown' })
  bench.deliver({ type: 'FibUp', preserved: true })
  t.deepEqual(tracked(bench), [a.config.address], 'a new epoch asks again')
  t.deepEqual(bench.fib.faults, [])
})

test('a path whose next hop is lost is left at once, though its session stands', t => {
  const { bench, a, b } = scene()
  const c = bench.peer('c', LOCAL_AS)
  bench.configure()
  c.up()
  a.announce({}, P)
  b.announce({ asPath: [{ type: 'sequence', asns: [65001, 65009] }] }, P)
  a.announce({}, Q)
  t.deepEqual(bench.fib.hopsOf(P), [a.config.address])
  c.news()
  answer(bench, a.config.address, no('eth1 is down'))
  t.deepEqual(bench.fib.hopsOf(P), [b.config.address])
  t.deepEqual(bench.fib.hopsOf(Q), [])
  t.deepEqual(c.brief().sort(), [`+${P}`, `-${Q}`])
  t.deepEqual(paths(bench, P), ['b best', 'a eth1 is down'])
  t.deepEqual(paths(bench, Q), ['a eth1 is down'])
  t.is(bench.speaker.peer('a')?.session.state, 'Established')
  answer(bench, a.config.address, at(0))
  t.deepEqual(bench.fib.hopsOf(P), [a.config.address])
  t.deepEqual(paths(bench, P), ['a best', 'b longer AS_PATH'])
  t.deepEqual([...checkDecisions(bench), ...checkReferences(bench)], [])
})

test('equal paths part where one next hop is farther, and meet again', t => {
  const { bench, a, b } = scene()
  a.announce({}, P)
  b.announce({}, P)
  const both = [a.config.address, b.config.address]
  t.deepEqual(bench.fib.hopsOf(P), both)
  answer(bench, a.config.address, at(20))
  t.deepEqual(bench.fib.hopsOf(P), [b.config.address])
  t.deepEqual(paths(bench, P), ['b best', 'a farther next hop'])
  answer(bench, b.config.address, at(20))
  t.deepEqual(bench.fib.hopsOf(P), both)
})

test('while no dataplane listens, next hops are as they were known last', t => {
  const { bench, a } = scene()
  a.announce({}, P)
  answer(bench, a.config.address, no('no route to 192.0.2.1'))
  bench.deliver({ type: 'FibDown' })
  bench.settle()
  t.deepEqual(paths(bench, P), ['a no route to 192.0.2.1'])
  const never = scene()
  never.bench.deliver({ type: 'FibDown' })
  never.a.announce({}, P)
  t.deepEqual(paths(never.bench, P), ['a best'])
})

test('an answer for what no path names is not remembered', t => {
  const { bench, a } = scene()
  answer(bench, a.config.address, no('no route to 192.0.2.1'))
  a.announce({}, P)
  t.deepEqual(paths(bench, P), ['a best'], 'until the dataplane, which is asked now, says so again')
})

test('only rows with a path through it are decided again, in slices of paths', t => {
  const { bench, a, b } = scene()
  const many = Array.from({ length: 50 }, (_, row) => prefix(`10.3.${row}.0/24`))
  const others = Array.from({ length: 400 }, (_, row) => prefix(`10.4.${row >> 8}.${row & 255}/32`))
  a.announce({ nextHop: FAR }, ...many)
  b.announce({}, ...others)
  const { tables } = bench.speaker
  const changes = new NextHopChanges(tables)
  changes.take([{ address: FAR, ...no('no route') }])
  t.is(tables.dirty, 0, 'nothing is looked for before there is time')
  let slices = 1
  for (; changes.work(40); slices++) if (slices > 1_000) throw new Error('it never ends')
  t.true(slices > 10, `${slices} slices`)
  t.is(tables.dirty, many.length)
  changes.take([{ address: FAR, ...no('still no route') }])
  t.false(changes.work(40), 'another reason changes nothing')
})

test('a session on an address of its own decides only what goes through that again', t => {
  const { bench, a, b } = scene()
  const others = Array.from({ length: 400 }, (_, row) => prefix(`10.4.${row >> 8}.${row & 255}/32`))
  b.announce({}, ...others)
  a.announce({ nextHop: FAR }, P)
  const alone = bench.peer('alone', 65003)
  bench.configure()
  const { ipv4 } = bench.speaker.tables.locRibs
  const decide = ipv4.decideDirty.bind(ipv4)
  let decided = 0
  ipv4.decideDirty = most => {
    const rows = decide(most)
    decided += rows.count
    return rows
  }
  alone.up({ local: FAR })
  t.deepEqual(paths(bench, P), ['a the next hop is this node'])
  t.deepEqual(bench.fib.hopsOf(P), [])
  t.is(decided, 1)
  alone.down()
  t.deepEqual(bench.fib.hopsOf(P), [FAR])
  t.is(decided, 2)
  alone.up()
  t.is(decided, 2, 'the address that the others know us by is no news')
  t.deepEqual([...checkDecisions(bench), ...checkReferences(bench)], [])
})
