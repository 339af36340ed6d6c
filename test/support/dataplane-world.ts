import { type Millis, millis, Prng } from '../../src/core/base/index.ts'
import {
  Dataplane,
  type DataplaneConfig,
  type DataplaneEvent,
  type DataplaneNote,
  type DataplaneSnapshot,
} from '../../src/core/dataplane/index.ts'
import {
  type Epoch,
  type GroupId,
  type NextHopAnswer,
  type NextHopGroup,
  type NextHopName,
  NO_METRIC,
} from '../../src/core/fib/index.ts'
import {
  address,
  type Family,
  hostPrefix,
  parseNetwork,
  prefix,
  prefixParts,
} from '../../src/core/net/index.ts'
import { BLACKHOLE, unicastTarget } from '../../src/core/rtnl/index.ts'
import {
  type KernelStream,
  type RouteAct,
  SimulatedKernel,
  type SimulatedSocket,
} from '../../src/sim/index.ts'

/**
 * A dataplane on a simulated kernel, on a clock that only a test moves. One seed replays one run.
 */

export const CONFIG: DataplaneConfig = {
  table: 254,
  protocol: 80,
  metric: 1024,
  nexthopObjects: false,
  routesMax: 100_000,
  stale: millis(30_000),
  resync: millis(90_000),
}

/** Brands a number as an epoch. */
export const epoch = (value: number): Epoch => value as Epoch

/** Brands a number as a speaker's group. */
export const group = (value: number): GroupId => value as GroupId

/** What a speaker says of one family in one event. */
export function nlriOf(prefixes: readonly string[]): Uint8Array {
  const octets: number[] = []
  for (const text of prefixes) {
    const { bytes, length } = prefixParts(prefix(text))
    octets.push(length, ...bytes.subarray(0, (length + 7) >> 3))
  }
  return Uint8Array.from(octets)
}

/** Next hops, written as `10.9.0.2` or `fe80::2%a`. */
export const hopsOf = (...ways: readonly string[]): NextHopGroup =>
  ways.map(way => {
    const [text = '', link] = way.split('%')
    return { address: address(text), weight: 1, ...(link !== undefined && { interface: link }) }
  })

const namesOf = (ways: readonly string[]): NextHopName[] =>
  hopsOf(...ways).map(({ weight: _weight, ...name }) => name)

/** Rows in one slice of work: small, so that slices and events mix. */
const BUDGET = 16

/** One node's kernel half. */
export class DataplaneWorld {
  readonly kernel = new SimulatedKernel()
  readonly notes: DataplaneNote[] = []
  /** the last answer for each next hop that was tracked, and every one in order */
  readonly answers = new Map<string, NextHopAnswer>()
  readonly told: NextHopAnswer[] = []
  now: Millis = millis(1_000)
  engine!: Dataplane
  socket!: SimulatedSocket
  readonly #chance: Prng
  #queues = new Map<KernelStream, (() => void)[]>()
  #config: DataplaneConfig

  constructor(seed = 1, config: Partial<DataplaneConfig> = {}) {
    this.#chance = new Prng(seed)
    this.#config = { ...CONFIG, ...config }
    this.kernel.addLink('a')
    this.kernel.addLink('b')
    this.address('a', '10.9.0.1/24')
    this.address('b', '10.8.0.1/24')
    this.address('a', '2001:db8:9::1/64')
    this.start()
  }

  /** Starts a dataplane; one that ran before is dead at once, with what it had sent on its way. */
  start(config: Partial<DataplaneConfig> = {}): void {
    this.#config = { ...this.#config, ...config }
    this.socket?.close()
    const queues = new Map<KernelStream, (() => void)[]>()
    // what a dead process has sent is still done
    for (const act of this.#queues.get('answers') ?? []) act()
    this.#queues = queues
    this.socket = this.kernel.open({
      table: this.#config.table,
      protocol: this.#config.protocol,
      deliver: event => this.say(event),
      note: note => this.notes.push(note),
      later: (stream, act) => {
        const queue = queues.get(stream) ?? []
        queues.set(stream, queue)
        queue.push(act)
      },
    })
    this.engine = new Dataplane(this.#config, this.socket, {
      chance: this.#chance,
      tell: answers => {
        this.told.push(...answers)
        for (const answer of answers) this.answers.set(answer.address, answer)
      },
    })
    this.say({ type: 'Tick' })
  }

  /** Hands the dataplane an event. */
  say(event: DataplaneEvent): void {
    this.engine.handle(event, this.now)
  }

  /**
   * A speaker comes, names groups 1, 2, … and says routes: `family` of each prefix by its text.
   * `metrics` are of the groups, in their order; absent: the dataplane's own.
   */
  speak(
    number: number,
    groups: readonly NextHopGroup[],
    routes: Readonly<Record<string, number>>,
    metrics: readonly number[] = [],
  ): void {
    this.say({ type: 'SpeakerUp' })
    this.say({ type: 'Begin', epoch: epoch(number) })
    for (const [index, hops] of groups.entries()) {
      this.name(index + 1, hops, metrics[index])
    }
    this.route(routes)
    this.say({ type: 'InSync', epoch: epoch(number) })
  }

  /** Names a group, or moves it. */
  name(id: number, hops: NextHopGroup, metric = NO_METRIC): void {
    // as a speaker does: only of a next hop that is tracked its link is known
    if (this.#config.nexthopObjects)
      for (const { weight: _weight, ...hop } of hops) this.say({ type: 'Track', hop })
    this.say({ type: 'Group', id: group(id), hops, metric })
  }

  /** Says routes, each with the number of its group. */
  route(routes: Readonly<Record<string, number>>): void {
    for (const family of ['ipv4', 'ipv6'] as const) {
      const prefixes = Object.keys(routes).filter(text => familyOfText(text) === family)
      if (prefixes.length === 0) continue
      const groups = prefixes.map(text => routes[text] ?? 0)
      this.say({ type: 'Routes', family, nlri: nlriOf(prefixes), groups })
    }
  }

  track(...ways: readonly string[]): void {
    for (const hop of namesOf(ways)) this.say({ type: 'Track', hop })
  }

  untrack(...ways: readonly string[]): void {
    for (const hop of namesOf(ways)) this.say({ type: 'Untrack', hop })
  }

  /** What was said of a next hop last: its metric, or why not; undefined when nothing was. */
  answer(text: string): number | string | undefined {
    const answer = this.answers.get(text)
    return answer?.eligible ? answer.metric : answer?.why
  }

  withdraw(...prefixes: readonly string[]): void {
    for (const family of ['ipv4', 'ipv6'] as const) {
      const some = prefixes.filter(text => familyOfText(text) === family)
      if (some.length > 0) this.say({ type: 'Withdraws', family, nlri: nlriOf(some) })
    }
  }

  intend(
    blackholes: readonly string[],
    watched: readonly string[] = [],
    hostRoutes: Readonly<Record<string, string>> = {},
  ): void {
    this.say({
      type: 'Intent',
      intent: {
        routes: [
          ...blackholes.map(text => ({
            prefix: prefix(text),
            out: { kind: 'blackhole' as const },
          })),
          ...Object.entries(hostRoutes).map(([to, gateway]) => ({
            prefix: hostPrefix(address(to)),
            out: { kind: 'via' as const, gateway: address(gateway) },
          })),
        ],
        watched: watched.map(prefix),
        watchedMax: 100,
      },
    })
  }

  address(link: string, text: string): void {
    const network = parseNetwork(text)
    if (network !== undefined) this.kernel.addAddress(link, network.address, network.prefix)
  }

  /**
   * What somebody does by `ip route`; `to` as `10.9.0.2` or `10.9.0.2,10.8.0.2`, or `blackhole`.
   */
  hand(act: RouteAct, text: string, to: string, protocol = 99, metric = 1024): number {
    const target =
      to === 'blackhole'
        ? BLACKHOLE
        : unicastTarget(
            to
              .split(',')
              .map(way => ({ gateway: address(way), link: 0, weight: 1, onlink: false })),
          )
    return this.kernel.act(act, { table: 254, prefix: prefix(text), metric, protocol, target })
  }

  /**
   * Does one thing of those that wait: the first of a stream that chance picks, or a slice of work.
   */
  step(): boolean {
    const waiting = [...this.#queues.values()].filter(queue => queue.length > 0)
    const pick = this.#chance.below(waiting.length + 1)
    const act = waiting[pick]?.shift()
    if (act !== undefined) {
      act()
      return true
    }
    return this.engine.work(BUDGET, this.now) || waiting.length > 0
  }

  /** Runs until nothing waits, without moving the clock. */
  settle(): void {
    for (let steps = 0; ; steps++) {
      if (steps > 1_000_000) throw new Error('the dataplane does not come to rest')
      // a slice of work may put something in a queue, so rest is twice nothing
      if (!this.step() && !this.step() && !this.#waits()) return
    }
  }

  /** Lets `duration` pass, with every timer in its time. */
  pass(duration: number): void {
    const end = millis(this.now + duration)
    this.settle()
    for (let ticks = 0; this.engine.deadline() <= end; ticks++) {
      if (ticks > 100_000) throw new Error('a timer is due again and again')
      this.now = millis(Math.max(this.now, this.engine.deadline()))
      this.say({ type: 'Tick' })
      this.settle()
    }
    this.now = end
  }

  /** Our routes as `prefix to`, sorted. */
  ours(): string[] {
    return this.#list(protocol => protocol === 80)
  }

  foreign(): string[] {
    return this.#list(protocol => protocol !== 80)
  }

  /** Our routes as `prefix to at metric`, sorted. */
  places(): string[] {
    return this.#list(
      protocol => protocol === 80,
      ({ metric }) => ` at ${metric}`,
    )
  }

  snapshot(): DataplaneSnapshot {
    return this.engine.snapshot(this.now)
  }

  codes(): string[] {
    return this.notes.map(note => note.code)
  }

  #waits(): boolean {
    return [...this.#queues.values()].some(queue => queue.length > 0)
  }

  #list(
    belongs: (protocol: number) => boolean,
    more: (route: { readonly metric: number }) => string = () => '',
  ): string[] {
    return this.kernel
      .routes(254)
      .filter(route => belongs(route.protocol))
      .map(route => this.kernel.expand(route))
      .map(
        route =>
          `${route.prefix} ${route.target.hops.map(hop => hop.gateway).join(',') || 'blackhole'}${more(route)}`,
      )
      .sort()
  }
}

const familyOfText = (text: string): Family => (text.includes(':') ? 'ipv6' : 'ipv4')
