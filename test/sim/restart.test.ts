import test from 'ava'
import { Prng, seconds } from '../../src/core/base/index.ts'
import { type Prefix, prefix } from '../../src/core/net/index.ts'
import { type Edge, mesh, PATIENCE, type Place, Topology } from './support.ts'

/**
 * Speakers that die and come back, while the kernels of all nodes are watched at every step: no
 * route is missing at any time. RFC 4724, both roles at once.
 */

const ONE = process.env.MARTLET_SIM_SEED
const SEEDS = Number(process.env.MARTLET_SIM_SEEDS ?? 15)
const seeds = ONE === undefined ? Array.from({ length: SEEDS }, (_, at) => at + 1) : [Number(ONE)]

const NETWORK = { latencyMin: 1, latencyMax: 30, split: 0.5, windowOctets: 300 }

interface Shape {
  readonly places: readonly Place[]
  readonly edges: readonly Edge[]
}

const prefixesOf = (at: number): Prefix[] =>
  Array.from({ length: 12 }, (_, each) => prefix(`10.${100 + at}.${each}.0/24`))

const row = (asns: readonly number[]): Place[] =>
  asns.map((asn, at) => ({
    name: String.fromCharCode(97 + at),
    asn,
    originated: prefixesOf(at),
  }))

const SHAPES: Readonly<Record<string, Shape>> = {
  'a mesh of one AS': { places: row([1, 1, 1]), edges: mesh(['a', 'b', 'c']) },
  'three ASes in a row': {
    places: row([1, 2, 3]),
    edges: [
      { left: 'a', right: 'b' },
      { left: 'b', right: 'c' },
    ],
  },
  'a reflector and its clients': {
    places: row([1, 1, 1, 1]),
    edges: ['b', 'c', 'd'].map(right => ({ left: 'a', right, client: true as const })),
  },
}

/** A topology at rest, and a watch over what its kernels lack from then on. */
function resting(seed: number, shape: Shape): { topology: Topology; missing: string[] } {
  const topology = new Topology(seed, shape, { network: NETWORK })
  topology.start()
  topology.world.until(() => topology.established, PATIENCE)
  topology.world.run(70_000)
  const missing: string[] = []
  topology.world.afterStep = () => {
    if (missing.length > 0) return
    for (const [name, { fib }] of topology.nodes)
      for (const place of topology.places)
        for (const each of place.originated)
          if (place.name !== name && !fib.kernel.has(each))
            missing.push(`step ${topology.world.steps}: ${name} lacks ${each} of ${place.name}`)
  }
  return { topology, missing }
}

function revive(topology: Topology, name: string): void {
  topology.node(name).restart()
  topology.configure(name)
  topology.node(name).attachFib()
}

const watches = test.macro({
  exec: (t, _: string, shape: Shape, act: (topology: Topology, chance: Prng) => void) => {
    for (const seed of seeds) {
      const { topology, missing } = resting(seed, shape)
      const { steps } = topology.world
      const chance = new Prng(seed ^ 0x4724)
      for (let times = 0; times < 4; times++) {
        act(topology, chance)
        t.true(
          topology.world.until(() => topology.established, PATIENCE),
          `seed ${seed}`,
        )
        topology.world.run(70_000)
      }
      t.true(topology.world.steps > steps + 100, 'much has happened')
      t.deepEqual(missing, [], `seed ${seed}`)
      t.deepEqual(topology.wrong(), [], `seed ${seed}`)
      for (const [name, { speaker }] of topology.nodes)
        for (const { stale, family } of speaker
          .snapshot(topology.world.now)
          .sessions.flatMap(({ prefixes }) => prefixes))
          t.is(stale, 0, `seed ${seed}: ${name} has stale ${family} routes`)
    }
  },
  title: (_, name) => `${name}: no kernel lacks a route at any step, on ${seeds.length} seeds`,
})

/** One of them is away for a while that is shorter than its restart time. */
function one(topology: Topology, chance: Prng): void {
  const { name } = topology.places[chance.below(topology.places.length)]!
  topology.node(name).kill()
  topology.world.run(chance.below(seconds(40)))
  revive(topology, name)
}

/** All die at once, and come back one after another: each waits for the others, but not for ever. */
function all(topology: Topology, chance: Prng): void {
  for (const node of topology.nodes.values()) node.kill()
  for (const name of topology.nodes.keys()) {
    topology.world.run(chance.below(seconds(8)))
    revive(topology, name)
  }
}

/** Connections break; nobody dies. */
function breaks(topology: Topology, chance: Prng): void {
  const { left, right } = topology.edges[chance.below(topology.edges.length)]!
  topology.network.reset(topology.addressOf(left), topology.addressOf(right))
}

for (const [name, shape] of Object.entries(SHAPES)) {
  test(watches, `one of ${name} is killed and comes back`, shape, one)
  test(watches, `all of ${name} are killed and come back`, shape, all)
  test(watches, `connections of ${name} are reset`, shape, breaks)
}

test('without graceful restart the same watch finds routes missing', t => {
  const topology = new Topology(1, SHAPES['a mesh of one AS']!, {
    network: NETWORK,
    peer: ({ restart: _restart, ...peer }) => peer,
  })
  topology.start()
  topology.world.until(() => topology.established, PATIENCE)
  topology.world.run(70_000)
  topology.node('a').kill()
  topology.world.run(1000)
  t.false(topology.node('b').fib.kernel.has(prefixesOf(0)[0]!))
})
