/**
 * Routes and the word of how their next hops are reached come in any order, and leave one table:
 * what was decided before an answer was there is decided again.
 */
import test from 'ava'
import fc from 'fast-check'
import { type Address, address, prefix } from '../../../src/core/net/index.ts'
import { checkDecisions, checkReferences } from '../../../src/sim/index.ts'
import { Bench, type Scripted } from '../../unit/speaker/bench.ts'

const HOPS = ['192.0.2.1', '192.0.2.2', '198.51.100.1', '198.51.100.2'].map(address)
const PREFIXES = Array.from({ length: 6 }, (_, at) => prefix(`10.${at}.0.0/16`))
const PEERS = 3

/** One thing that happens: a peer says something, a way changes, or the dataplane answers. */
type Step =
  | { readonly type: 'route'; readonly peer: number; readonly row: number; readonly hop: number }
  | { readonly type: 'way'; readonly hop: number; readonly metric: number }
  | { readonly type: 'answer' }
  | { readonly type: 'dataplane' }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant('route' as const),
      peer: fc.nat(PEERS - 1),
      row: fc.nat(PREFIXES.length - 1),
      // beyond the last one: withdrawn
      hop: fc.nat(HOPS.length),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('way' as const),
      hop: fc.nat(HOPS.length - 1),
      // the largest: there is none
      metric: fc.nat(3),
    }),
  },
  { weight: 3, arbitrary: fc.constant({ type: 'answer' as const }) },
  { weight: 1, arbitrary: fc.constant({ type: 'dataplane' as const }) },
)

/** A speaker with a dataplane whose kernel is a map. */
class World {
  readonly bench = new Bench()
  readonly #peers: readonly Scripted[]
  readonly #ways = new Map<Address, number>()

  constructor() {
    const { bench } = this
    bench.budget = 3
    this.#peers = Array.from({ length: PEERS }, (_, at) => bench.peer(`p${at}`, 65001 + at))
    bench.configure({ multipathMax: 2 })
    for (const peer of this.#peers) peer.up()
    this.do({ type: 'dataplane' })
  }

  do(what: Step): void {
    const { bench } = this
    switch (what.type) {
      case 'route': {
        const [peer, row] = [this.#peers[what.peer]!, PREFIXES[what.row]!]
        const nextHop = HOPS[what.hop]
        if (nextHop === undefined) peer.withdraw(row)
        else peer.announce({ nextHop }, row)
        return
      }
      case 'way':
        this.#ways.set(HOPS[what.hop]!, what.metric)
        return
      case 'answer': {
        const answers = [...bench.fib.tracked.values()].map(({ address }) => {
          const metric = this.#ways.get(address) ?? 0
          const eligible = metric < 3
          return { address, eligible, metric, why: eligible ? '' : `no route to ${address}` }
        })
        bench.deliver({ type: 'NextHops', answers })
        return
      }
      case 'dataplane':
        bench.deliver({ type: 'FibDown' })
        bench.deliver({ type: 'FibUp', preserved: true })
        bench.deliver({ type: 'FibCredit', routes: 1_000 })
        return
      default:
        what satisfies never
    }
  }

  /** What is shown and what the kernel would have. */
  result(): unknown {
    this.do({ type: 'answer' })
    this.bench.settle()
    return PREFIXES.map(row => [this.bench.speaker.lookup(row), this.bench.fib.hopsOf(row)])
  }
}

const keyOf = (what: Step): string =>
  what.type === 'route' ? `${what.peer} ${what.row}` : what.type === 'way' ? `${what.hop}` : ''

test('any order of routes and answers leaves one table', t => {
  let lost = 0
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 20, maxLength: 60 }),
      fc.infiniteStream(fc.nat()),
      (steps, dice) => {
        const world = new World()
        for (const each of steps) world.do(each)
        // only the last word on each thing, in another order
        const last = new Map(
          steps.filter(each => keyOf(each) !== '').map(each => [keyOf(each), each]),
        )
        const other = new World()
        const left = [...last.values()]
        while (left.length > 0) {
          const [roll = 0] = dice.take(1)
          other.do(left.splice(roll % left.length, 1)[0]!)
          if (roll % 5 === 0) other.do({ type: 'answer' })
        }
        const result = world.result()
        t.deepEqual(other.result(), result)
        for (const { bench } of [world, other]) {
          t.deepEqual([...checkDecisions(bench), ...checkReferences(bench)], [])
          t.deepEqual(bench.fib.faults, [])
        }
        if (JSON.stringify(result).includes('no route to')) lost++
      },
    ),
    { numRuns: 150 },
  )
  t.true(lost > 40, `${lost} runs with a next hop that is not reached`)
})
