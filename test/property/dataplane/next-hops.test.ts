/**
 * What the speaker hears of next hops is what a packet would find if none of the speaker's routes
 * were there, whatever happened before and in whatever order the kernel said so; and routes go
 * where that says.
 */
import test from 'ava'
import fc from 'fast-check'
import { NO_METRIC } from '../../../src/core/fib/index.ts'
import { address, containsAddress, prefixParts } from '../../../src/core/net/index.ts'
import { DataplaneWorld, group, hopsOf } from '../../support/dataplane-world.ts'

const NEXT_HOPS = ['192.0.2.1', '192.0.2.129', '10.9.0.2', '10.8.0.2']
/** What both strangers and the speaker may have: with them the way to every next hop is covered. */
const PREFIXES = ['0.0.0.0/0', '192.0.2.0/24', '192.0.2.128/25', '192.0.2.1/32', '10.8.0.0/16']
const GATEWAYS = ['10.9.0.3', '10.8.0.3', '10.9.0.3,10.8.0.3', 'blackhole']
const LINKS = ['a', 'b']
const OURS = 80

const step = fc.oneof(
  fc.record({
    type: fc.constant('hand' as const),
    act: fc.constantFrom('add' as const, 'replace' as const, 'delete' as const),
    prefix: fc.constantFrom(...PREFIXES),
    to: fc.constantFrom(...GATEWAYS),
    metric: fc.constantFrom(10, 50),
  }),
  fc.record({
    type: fc.constant('route' as const),
    prefix: fc.constantFrom(...PREFIXES),
    // beyond the last next hop: withdrawn
    group: fc.nat(NEXT_HOPS.length),
  }),
  fc.record({
    type: fc.constant('link' as const),
    link: fc.constantFrom(...LINKS),
    up: fc.boolean(),
  }),
  fc.record({ type: fc.constant('pass' as const), for: fc.constantFrom(0, 30, 1_000) }),
  fc.record({ type: fc.constant('lose' as const) }),
)

type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never

function take(world: DataplaneWorld, what: Step): void {
  switch (what.type) {
    case 'hand':
      world.hand(what.act, what.prefix, what.to, 99, what.metric)
      return
    case 'route':
      if (what.group === NEXT_HOPS.length) world.withdraw(what.prefix)
      else world.route({ [what.prefix]: what.group + 1 })
      return
    case 'link':
      world.kernel.setLink(what.link, what.up)
      return
    case 'pass':
      world.pass(what.for)
      return
    case 'lose':
      world.kernel.faults.loseNotifications = 3
      return
    default:
      what satisfies never
  }
}

/** A slow look at the kernel's table, without what is ours: the metric, the gateways. */
function oracle(world: DataplaneWorld, text: string): { metric?: number; through: string } {
  const to = address(text)
  const others = [...world.kernel.connected(254), ...world.kernel.routes(254)].filter(
    ({ protocol, prefix }) => protocol !== OURS && containsAddress(prefix, to),
  )
  let best: (typeof others)[number] | undefined
  for (const route of others) {
    const [length, most] = [route, best].map(one => (one ? prefixParts(one.prefix).length : -1))
    if (length! > most! || (length === most && route.metric < best!.metric)) best = route
  }
  if (best === undefined || best.target.kind !== 'unicast') return { through: text }
  const up = best.target.hops.filter(hop => LINKS.some(name => isUp(world, name, hop.link)))
  if (up.length === 0) return { through: text }
  const near = up.some(({ gateway }) => gateway === undefined)
  return {
    metric: near ? 0 : Math.max(1, best.metric),
    through: near
      ? text
      : up
          .map(({ gateway }) => gateway)
          .sort()
          .join(','),
  }
}

const isUp = (world: DataplaneWorld, name: string, index: number): boolean =>
  [...world.kernel.links()].some(link => link.index === index && link.name === name && link.up)

test('answers are the kernel’s without the speaker’s routes, after anything that happened', t => {
  let hidden = 0
  let ways = 0
  fc.assert(
    fc.property(fc.nat(), fc.array(step, { minLength: 5, maxLength: 40 }), (seed, steps) => {
      const world = new DataplaneWorld(seed)
      world.settle()
      world.speak(1, [], {})
      world.track(...NEXT_HOPS)
      for (const [at, hop] of NEXT_HOPS.entries())
        world.say({ type: 'Group', id: group(at + 1), hops: hopsOf(hop), metric: NO_METRIC })
      for (const each of steps) take(world, each)
      world.pass(5_000)
      for (const hop of NEXT_HOPS) {
        const { metric, through } = oracle(world, hop)
        const answer = world.answers.get(hop)
        t.is(answer?.eligible, metric !== undefined, `${hop}: ${answer?.why}`)
        t.is(answer?.metric, metric ?? 0, hop)
        if (world.kernel.lookUp(address(hop)).protocol === OURS) hidden++
        if (metric === undefined || metric === 0) continue
        world.route({ '203.0.113.0/24': NEXT_HOPS.indexOf(hop) + 1 })
        world.pass(1_000)
        const ours = world.ours().find(route => route.startsWith('203.0.113.0/24'))
        t.deepEqual(ours?.split(' ')[1]?.split(',').sort().join(','), through)
        ways++
      }
    }),
    { numRuns: 500 },
  )
  t.true(hidden > 50, `${hidden} next hops that a route of ours covers`)
  t.true(ways > 100, `${ways} routes through a gateway`)
})
