import test from 'ava'
import { type Prefix, prefix } from '../../src/core/net/index.ts'
import { type Edge, mesh, PATIENCE, type Place, Topology, type Tuning } from './support.ts'

/** Topologies that come up and come to rest, each on many seeds. */

const podCidr = (at: number): Prefix => prefix(`10.200.${at}.0/24`)

const places = (asns: Readonly<Record<string, number>>): Place[] =>
  Object.entries(asns).map(([name, asn], at) => ({ name, asn, originated: [podCidr(at)] }))

interface Shape {
  readonly places: readonly Place[]
  readonly edges: readonly Edge[]
  readonly tuning?: Tuning
  /** pairs that do not learn of each other, as iBGP without a mesh */
  readonly strangers?: readonly (readonly [string, string])[]
}

const SHAPES: Readonly<Record<string, Shape>> = {
  'two nodes of two ASes': {
    places: places({ a: 65001, b: 65002 }),
    edges: [{ left: 'a', right: 'b' }],
  },
  'three nodes in a row of three ASes': {
    places: places({ a: 65001, b: 65002, c: 65003 }),
    edges: [
      { left: 'a', right: 'b' },
      { left: 'b', right: 'c' },
    ],
  },
  'a triangle of three ASes': {
    places: places({ a: 65001, b: 65002, c: 65003 }),
    edges: mesh(['a', 'b', 'c']),
  },
  'a full mesh of one AS': {
    places: places({ a: 65001, b: 65001, c: 65001, d: 65001 }),
    edges: mesh(['a', 'b', 'c', 'd']),
  },
  'three nodes in a row of one AS, which do not pass on what they learn': {
    places: places({ a: 65001, b: 65001, c: 65001 }),
    edges: [
      { left: 'a', right: 'b' },
      { left: 'b', right: 'c' },
    ],
    strangers: [['a', 'c']],
  },
  'a reflector and three clients': {
    places: places({ rr: 65001, a: 65001, b: 65001, c: 65001 }),
    edges: ['a', 'b', 'c'].map(right => ({ left: 'rr', right, client: true })),
  },
  'two reflectors that share three clients': {
    places: places({ r1: 65001, r2: 65001, a: 65001, b: 65001, c: 65001 }),
    edges: [
      { left: 'r1', right: 'r2' },
      ...['r1', 'r2'].flatMap(left =>
        ['a', 'b', 'c'].map((right): Edge => ({ left, right, client: true })),
      ),
    ],
  },
  'two racks of two routers each': {
    places: places({ s: 65000, t1: 65001, t2: 65001, u1: 65002, u2: 65002, w: 65010, v: 65020 }),
    edges: [
      ...['t1', 't2', 'u1', 'u2'].map(right => ({ left: 's', right })),
      { left: 't1', right: 'w' },
      { left: 't2', right: 'w' },
      { left: 'u1', right: 'v' },
      { left: 'u2', right: 'v' },
    ],
    strangers: [
      ['t1', 't2'],
      ['u1', 'u2'],
    ],
  },
}

const SEEDS = Number(process.env.MARTLET_SIM_SEEDS ?? 25)

const comesUp = test.macro({
  exec: (t, _: string, { places, edges, tuning, strangers = [] }: Shape) => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const topology = new Topology(seed, { places, edges }, tuning)
      topology.start()
      const up = topology.world.until(() => topology.established, PATIENCE)
      topology.world.run(10_000)
      t.true(up, `seed ${seed}: all sessions are Established`)
      t.deepEqual(topology.wrong(), [], `seed ${seed}`)
      reaches(t, topology, strangers, seed)
    }
  },
  title: (_, name) => `${name} reach one another, on ${SEEDS} seeds`,
})

/** Every node has a route to what every other originates, and none of its own in the FIB. */
function reaches(
  t: { is(actual: unknown, expected: unknown, message: string): unknown },
  topology: Topology,
  strangers: Shape['strangers'] & object,
  seed: number,
): void {
  for (const [name, node] of topology.nodes)
    for (const place of topology.places) {
      const isStranger = strangers.some(
        pair => pair.includes(name) && pair.includes(place.name) && name !== place.name,
      )
      const wanted = place.name !== name && !isStranger
      for (const each of place.originated)
        t.is(
          node.fib.hopsOf(each).length > 0,
          wanted,
          `seed ${seed}: ${name} has a route to ${place.name}`,
        )
    }
}

for (const [name, shape] of Object.entries(SHAPES)) test(comesUp, name, shape)
