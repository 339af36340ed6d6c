import test from 'ava'
import { type Millis, Prng, seconds } from '../../src/core/base/index.ts'
import { type Prefix, prefix } from '../../src/core/net/index.ts'
import { mesh, PATIENCE, Topology } from './support.ts'

/**
 * Speakers that are away for longer than it takes to restart, that die again while they return, and
 * that are asked for everything again in between: a model says at every step which routes the
 * others must have, and which they must not. RFC 9494, RFC 7313
 */

const ONE = process.env.MARTLET_SIM_SEED
const SEEDS = Number(process.env.MARTLET_SIM_SEEDS ?? 10)
const seeds = ONE === undefined ? Array.from({ length: SEEDS }, (_, at) => at + 1) : [Number(ONE)]

const RESTART = seconds(60)
const LONG_LIVED = seconds(300)
/** the network may take so long to tell that somebody is gone, and speakers to act */
const SLACK = seconds(2)

const NETWORK = { latencyMin: 1, latencyMax: 30, split: 0.5, windowOctets: 300 }
const NAMES = ['a', 'b', 'c']

const prefixesOf = (at: number): Prefix[] =>
  Array.from({ length: 12 }, (_, each) => prefix(`10.${100 + at}.${each}.0/24`))

/** A mesh whose kernels are watched. A node's routes have no other way than its own sessions. */
class Watched {
  readonly topology: Topology
  readonly wrong: string[] = []
  /** who is away, or not yet heard whole: until when its routes must stay, when they must be gone */
  readonly away = new Map<string, { readonly must: number; readonly mustNot: number }>()
  checks = 0

  constructor(seed: number) {
    const places = NAMES.map((name, at) => ({ name, asn: 1, originated: prefixesOf(at) }))
    this.topology = new Topology(
      seed,
      { places, edges: mesh(NAMES) },
      {
        network: NETWORK,
        peer: peer => ({ ...peer, restart: RESTART, options: { longLived: LONG_LIVED } }),
      },
    )
    this.topology.start()
    this.rest()
    this.topology.world.afterStep = () => this.#look()
  }

  get now(): Millis {
    return this.topology.world.now
  }

  /** All is well again, and everybody has said all. */
  rest(): void {
    if (!this.topology.world.until(() => this.topology.established, PATIENCE))
      this.wrong.push(`at ${this.now}: sessions do not come back`)
    this.topology.world.run(70_000)
    this.away.clear()
  }

  kill(name: string): void {
    const must = this.away.get(name)?.must ?? this.now + RESTART + LONG_LIVED - SLACK
    this.away.set(name, { must, mustNot: this.now + RESTART + LONG_LIVED + SLACK })
    this.topology.node(name).kill()
  }

  revive(name: string): void {
    const { must = 0 } = this.away.get(name) ?? {}
    const { topology, now } = this
    // what was kept until now stays; what was not comes, some time
    const kept = now < must ? must : 0
    this.away.set(name, { must: kept, mustNot: Number.POSITIVE_INFINITY })
    topology.node(name).restart()
    topology.configure(name)
    topology.node(name).attachFib()
  }

  refresh(chance: Prng): void {
    const [name, peer] = [NAMES[chance.below(3)]!, NAMES[chance.below(3)]!]
    const node = this.topology.node(name)
    if (node.alive) node.deliver({ type: 'Refresh', peer })
  }

  #look(): void {
    if (this.wrong.length > 0) return
    const { now } = this
    for (const { name: origin, originated } of this.topology.places) {
      const { must, mustNot } = this.away.get(origin) ?? ALWAYS
      for (const [name, { fib, alive }] of this.topology.nodes) {
        if (name === origin) continue
        this.checks++
        const has = originated.filter(each => fib.kernel.has(each)).length
        const where = `step ${this.topology.world.steps}, ${now}: ${name} has ${has} of ${origin}`
        if (now < must && has < originated.length) this.wrong.push(`${where}, should have all`)
        if (now > mustNot && alive && has > 0) this.wrong.push(`${where}, should have none`)
      }
    }
  }

  /** What is wrong at rest, beside what the watch saw. */
  atRest(): string[] {
    const found = [...this.wrong, ...this.topology.wrong()]
    for (const [name, { speaker }] of this.topology.nodes) {
      for (const { prefixes } of speaker.snapshot(this.now).sessions)
        for (const { stale, longLivedUntil } of prefixes)
          if (stale > 0 || longLivedUntil !== undefined) found.push(`${name} has stale routes`)
      for (const { originated } of this.topology.places)
        for (const each of originated)
          for (const { communities } of speaker.lookup(each).flatMap(({ paths }) => paths))
            if (communities.length > 0) found.push(`${name}: ${each} has ${communities.join(' ')}`)
    }
    return found
  }
}

const ALWAYS = { must: Number.POSITIVE_INFINITY, mustNot: Number.POSITIVE_INFINITY }

const watches = test.macro({
  exec: (t, _: string, act: (watched: Watched, chance: Prng) => void) => {
    for (const seed of seeds) {
      const watched = new Watched(seed)
      const chance = new Prng(seed ^ 0x9494)
      for (let times = 0; times < 4; times++) {
        act(watched, chance)
        watched.rest()
        t.deepEqual(watched.atRest(), [], `seed ${seed}`)
      }
      t.true(watched.checks > 1000, 'much was looked at')
    }
  },
  title: (_, name) =>
    `${name}: every route stays or goes as the model says, on ${seeds.length} seeds`,
})

const someone = (chance: Prng): string => NAMES[chance.below(3)]!

test(watches, 'one is away for any time', (watched, chance) => {
  const name = someone(chance)
  watched.kill(name)
  watched.topology.world.run(chance.below(RESTART + LONG_LIVED + seconds(60)))
  watched.revive(name)
})

test(watches, 'one dies again while it returns', (watched, chance) => {
  const name = someone(chance)
  watched.kill(name)
  // always longer than a restart takes: what is not marked yet goes with a second restart, RFC 4724
  watched.topology.world.run(RESTART + SLACK + chance.below(seconds(100)))
  for (let times = 0; times < 3; times++) {
    watched.revive(name)
    watched.topology.world.run(chance.below(2000))
    watched.kill(name)
    watched.topology.world.run(RESTART + SLACK + chance.below(seconds(60)))
  }
  watched.revive(name)
})

test(watches, 'everybody is asked for everything again, all the time', (watched, chance) => {
  for (let times = 0; times < 20; times++) {
    watched.refresh(chance)
    watched.topology.world.run(chance.below(300))
  }
})

test(watches, 'one dies while it is asked for everything again', (watched, chance) => {
  const name = someone(chance)
  for (const other of NAMES) {
    const node = watched.topology.node(other)
    if (other !== name) node.deliver({ type: 'Refresh', peer: name })
  }
  watched.topology.world.run(chance.below(150))
  watched.kill(name)
  watched.topology.world.run(chance.below(RESTART))
  watched.revive(name)
  for (let times = 0; times < 5; times++) {
    watched.refresh(chance)
    watched.topology.world.run(chance.below(1000))
  }
})

test('without long-lived restart the same watch finds routes missing', t => {
  const watched = new Watched(1)
  const { topology } = watched
  for (const name of NAMES) {
    const { peers, ...config } = topology.config(name)
    const bare = peers.map(({ options: _options, ...peer }) => peer)
    topology.node(name).configure({ ...config, peers: bare })
  }
  watched.rest()
  watched.wrong.length = 0
  watched.kill('a')
  topology.world.run(RESTART + SLACK)
  t.regex(watched.wrong[0] ?? '', /should have all/)
})
