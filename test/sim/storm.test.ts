import test from 'ava'
import { Prng, seconds } from '../../src/core/base/index.ts'
import { type Prefix, prefix } from '../../src/core/net/index.ts'
import { checkEmpty, checkSilence } from '../../src/sim/index.ts'
import { type Edge, mesh, PATIENCE, type Place, Topology, type Tuning } from './support.ts'

/**
 * Everything that can go wrong, in any order, and then rest: what is left must be what a quiet run
 * would have led to. A failure names its seed; `MARTLET_SIM_SEED` runs that one alone.
 */

const ONE = process.env.MARTLET_SIM_SEED
const SEEDS = Number(process.env.MARTLET_SIM_SEEDS ?? 25)
const seeds = ONE === undefined ? Array.from({ length: SEEDS }, (_, at) => at + 1) : [Number(ONE)]

/** Enough prefixes that a table does not fit the network's window. */
const prefixesOf = (at: number, count: number): Prefix[] =>
  Array.from({ length: count }, (_, each) => prefix(`10.${100 + at}.${each}.0/24`))

const NETWORK = { latencyMin: 1, latencyMax: 30, split: 0.5, windowOctets: 300 }

/** Both families over IPv4, so that IPv6 has a next hop of its own. */
const bothFamilies: Tuning = {
  network: NETWORK,
  peer: (peer, node) => ({
    ...peer,
    families: ['ipv4', 'ipv6'],
    nextHopIpv6: prefix(`2001:db8::${node.charCodeAt(0).toString(16)}/128`).slice(0, -4) as never,
  }),
  speaker: config => ({
    ...config,
    originated: [
      ...config.originated,
      ...config.originated
        .slice(0, 5)
        .map((_, at) => prefix(`2001:db8:${config.routerId & 255}:${at + 1}::/64`)),
    ],
  }),
}

class Storm {
  readonly topology: Topology
  readonly #chance: Prng
  readonly #dead = new Set<string>()
  readonly #cut: (readonly [string, string])[] = []

  constructor(topology: Topology, seed: number) {
    this.topology = topology
    this.#chance = new Prng(seed ^ 0x5eed)
  }

  /** One thing happens. */
  strike(): void {
    const { topology } = this
    const place = this.#pick(topology.places)
    const edge = this.#pick(topology.edges)
    const acts: readonly (() => void)[] = [
      () => topology.network.reset(topology.addressOf(edge.left), topology.addressOf(edge.right)),
      () => this.#kill(place.name),
      () => this.#flick(place.name),
      () => this.#reviveAll(),
      () => this.#originate(place),
      () => this.#originate(place),
      () => this.#cutOff(edge),
      () => this.#healAll(),
      () => this.#fib(place.name),
    ]
    this.#pick(acts)()
    topology.world.run(this.#chance.below(20_000))
  }

  /** Everything is as it should be again. */
  calm(): void {
    this.#healAll()
    this.#reviveAll()
    for (const { name } of this.topology.places) this.topology.configure(name)
  }

  #kill(name: string): void {
    if (this.#dead.has(name)) return
    this.#dead.add(name)
    this.topology.node(name).kill()
  }

  /** It dies and is back before anybody has noticed much. */
  #flick(name: string): void {
    if (this.#dead.has(name)) return
    this.#kill(name)
    this.topology.world.run(this.#chance.below(500))
    this.#reviveAll()
  }

  #reviveAll(): void {
    for (const name of this.#dead) {
      this.topology.node(name).restart({ rebooted: this.#chance.next() < 0.3 })
      this.topology.configure(name)
      this.topology.node(name).attachFib()
    }
    this.#dead.clear()
  }

  #originate({ name, originated }: Place): void {
    if (this.#dead.has(name)) return
    const some = originated.filter(() => this.#chance.next() < 0.5)
    this.topology.configure(name, some)
  }

  #cutOff({ left, right }: Edge): void {
    this.#cut.push([left, right])
    this.topology.network.cut(this.topology.addressOf(left), this.topology.addressOf(right))
  }

  #healAll(): void {
    for (const [left, right] of this.#cut.splice(0))
      this.topology.network.heal(this.topology.addressOf(left), this.topology.addressOf(right))
  }

  #fib(name: string): void {
    if (this.#dead.has(name)) return
    const node = this.topology.node(name)
    node.deliver({ type: 'FibDown' })
    this.topology.world.run(this.#chance.below(2_000))
    node.attachFib()
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[this.#chance.below(items.length)]!
  }
}

const weathers = test.macro({
  exec: (t, _: string, places: readonly Place[], edges: readonly Edge[], tuning: Tuning) => {
    for (const seed of seeds) {
      const topology = new Topology(seed, { places, edges }, tuning)
      const silent = watchSilence(topology)
      topology.start()
      const storm = new Storm(topology, seed)
      for (let strikes = 0; strikes < 12; strikes++) storm.strike()
      storm.calm()
      const up = topology.world.until(() => topology.established, 3 * PATIENCE)
      topology.world.run(100_000)
      const at = `seed ${seed}, step ${topology.world.steps}`
      t.true(up && topology.established, `${at}: all sessions are Established`)
      t.deepEqual(topology.wrong(), [], at)
      t.deepEqual(silent(), [], at)
      t.deepEqual(remains(topology), remainsOfQuietRun(seed, places, edges, tuning), at)
      leave(topology)
      for (const [name, node] of topology.nodes) t.deepEqual(checkEmpty(node), [], `${at}: ${name}`)
    }
  },
  title: (_, name) => `${name} end where a quiet run ends, on ${seeds.length} seeds`,
})

/** The next hops of every route of every node. */
function remains(topology: Topology): Record<string, string[]> {
  const all: Record<string, string[]> = {}
  for (const [name, { fib }] of topology.nodes)
    all[name] = [...fib.routes.keys()].sort().map(each => `${each} ${fib.hopsOf(each).join(' ')}`)
  return all
}

function remainsOfQuietRun(
  seed: number,
  places: readonly Place[],
  edges: readonly Edge[],
  tuning: Tuning,
): Record<string, string[]> {
  const topology = new Topology(seed + 1000, { places, edges }, tuning)
  topology.start()
  topology.world.until(() => topology.established, PATIENCE)
  topology.world.run(100_000)
  return remains(topology)
}

/** Nobody has peers or prefixes any more. */
function leave(topology: Topology): void {
  for (const [name, node] of topology.nodes)
    node.configure({ ...topology.config(name), peers: [], originated: [] })
  topology.world.run(10_000)
}

function watchSilence({ world, nodes, places }: Topology): () => string[] {
  const found: string[] = []
  const names = places.map(({ name }) => name)
  world.afterStep = () => {
    if (world.steps % 50 !== 0 || found.length > 0) return
    for (const node of nodes.values()) found.push(...checkSilence(world, node, names))
  }
  return () => found
}

const row = (asns: readonly number[], count: number): Place[] =>
  asns.map((asn, at) => ({
    name: String.fromCharCode(97 + at),
    asn,
    originated: prefixesOf(at, count),
  }))

test(weathers, 'two nodes of two ASes', row([1, 2], 60), mesh(['a', 'b']), { network: NETWORK })
test(weathers, 'a triangle that wants nothing kept', row([1, 2, 3], 20), mesh(['a', 'b', 'c']), {
  network: NETWORK,
  peer: ({ restart: _restart, ...peer }) => peer,
})
test(weathers, 'a triangle', row([1, 2, 3], 20), mesh(['a', 'b', 'c']), { network: NETWORK })
test(
  weathers,
  'a full mesh of one AS with both families',
  row([1, 1, 1, 1], 10),
  mesh(['a', 'b', 'c', 'd']),
  bothFamilies,
)
test(
  weathers,
  'a reflector and its clients with short hold times',
  row([1, 1, 1, 1], 10),
  ['b', 'c', 'd'].map((right): Edge => ({ left: 'a', right, client: true })),
  { network: NETWORK, peer: peer => ({ ...peer, hold: seconds(6) }) },
)

/** All paths, both ways. RFC 7911 */
const allPaths: Tuning = {
  network: NETWORK,
  peer: peer => ({
    ...peer,
    options: { ...peer.options, addPath: { receive: true, send: true } },
    sendPaths: { which: 'all', most: 8 },
  }),
  speaker: config => ({ ...config, multipathMax: 8 }),
}

test(
  weathers,
  'a triangle that sends all paths',
  row([1, 2, 3], 20),
  mesh(['a', 'b', 'c']),
  allPaths,
)
test(
  weathers,
  'a reflector and clients that originate the same, with all paths',
  row([1, 1, 1, 1], 10).map(place => ({ ...place, originated: prefixesOf(0, 10) })),
  ['b', 'c', 'd'].map((right): Edge => ({ left: 'a', right, client: true })),
  allPaths,
)
