/**
 * Any state to any state: whatever was wanted, is wanted now, and was done by strangers meanwhile,
 * the kernel ends with what is wanted now, and with every route of a stranger as the stranger left
 * it. On the simulated kernel in all orders that a seed gives, on the real one in the order that it
 * gives.
 */
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { millis, Prng } from '../../src/core/base/index.ts'
import {
  Dataplane,
  type DataplaneEvent,
  type DataplaneNote,
} from '../../src/core/dataplane/index.ts'
import { NO_METRIC } from '../../src/core/fib/index.ts'
import type { Address } from '../../src/core/net/index.ts'
import { Loop } from '../../src/shell/clock/index.ts'
import { CONFIG, DataplaneWorld, epoch, group, hopsOf, nlriOf } from '../support/dataplane-world.ts'
import { type Rig, realRig } from '../support/kernel-rig.ts'
import { until } from '../support/until.ts'

/** Stories on the simulated kernel. */
const RUNS = Number(process.env.MARTLET_RUNS ?? 1_000)

const FOUR = ['10.200.0.0/16', '10.200.1.0/24', '10.200.1.128/25', '10.200.2.0/24', '0.0.0.0/0']
const SIX = ['fd00:1::/64', 'fd00:2::/64', 'fd00::/16']

/** Ways out of routes of each family; IPv4 routes also go through IPv6 neighbours. */
const FOUR_WAYS = [
  ['10.9.0.2'],
  ['10.8.0.2'],
  ['10.9.0.2', '10.8.0.2'],
  ['10.9.0.3'],
  ['2001:db8:9::2'],
  ['fe80::2%a'],
  ['10.8.0.2', '2001:db8:9::2'],
] as const
const SIX_WAYS = [
  ['2001:db8:9::2'],
  ['2001:db8:9::2', '2001:db8:9::3'],
  ['fe80::2%a'],
  ['fe80::3%a'],
] as const

/** Metrics of routes; the first is the dataplane's own. */
const METRICS = [NO_METRIC, 512, 2_147_483_547] as const

/** What a speaker wants: the place of a choice for a prefix. */
type Wanted = Readonly<Record<string, number>>

type Step =
  | { readonly kind: 'epoch'; readonly wanted: Wanted }
  | { readonly kind: 'change'; readonly wanted: Wanted; readonly gone: readonly string[] }
  | { readonly kind: 'move'; readonly name: number; readonly way: number }
  | { readonly kind: 'intent'; readonly blackholes: readonly string[] }
  | { readonly kind: 'delete'; readonly prefix: string }
  | { readonly kind: 'spoil'; readonly prefix: string }
  | {
      readonly kind: 'stranger'
      readonly prefix: string
      readonly add: boolean
      readonly metric: number
    }
  | { readonly kind: 'flap' }
  | { readonly kind: 'link'; readonly name: 'a' | 'b'; readonly up: boolean }
  | { readonly kind: 'object'; readonly pick: number }
  | { readonly kind: 'lose'; readonly count: number }
  | { readonly kind: 'kill' }
  | { readonly kind: 'run'; readonly steps: number }

const prefixes = fc.constantFrom(...FOUR, ...SIX)
const wanted = fc
  .dictionary(prefixes, fc.nat(7 * METRICS.length - 1), { maxKeys: 6 })
  .map(given =>
    Object.fromEntries(
      Object.entries(given).map(([text, choice]) => [text, choice % choicesOf(text).length]),
    ),
  )

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('epoch' as const), wanted }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('change' as const),
      wanted,
      gone: fc.uniqueArray(prefixes, { maxLength: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('move' as const),
      name: fc.nat(),
      way: fc.nat(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('intent' as const),
      blackholes: fc.uniqueArray(fc.constantFrom('10.200.1.0/24', 'fd00:1::/64'), { maxLength: 2 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('delete' as const), prefix: prefixes }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('spoil' as const), prefix: prefixes }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('stranger' as const),
      prefix: prefixes,
      add: fc.boolean(),
      metric: fc.constantFrom(CONFIG.metric, 512, 2_147_483_547),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'flap' as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('link' as const),
      name: fc.constantFrom('a' as const, 'b' as const),
      up: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('object' as const), pick: fc.nat() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('lose' as const),
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'kill' as const }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('run' as const),
      steps: fc.integer({ min: 1, max: 12 }),
    }),
  },
)

const isFour = (prefix: string): boolean => !prefix.includes(':')

/** Where routes of one group go. */
interface Choice {
  readonly ways: readonly string[]
  readonly metric: number
}

const across = (ways: readonly (readonly string[])[]): readonly Choice[] =>
  METRICS.flatMap(metric => ways.map(way => ({ ways: way, metric })))

const FOUR_CHOICES = across(FOUR_WAYS)
const SIX_CHOICES = across(SIX_WAYS)
const choicesOf = (prefix: string): readonly Choice[] =>
  isFour(prefix) ? FOUR_CHOICES : SIX_CHOICES

/** The IPv4 choices are the groups from 1 on, the IPv6 ones follow. */
const CHOICES = [...FOUR_CHOICES, ...SIX_CHOICES]
const GROUPS = CHOICES.map(({ ways }) => hopsOf(...ways))
const groupOf = (prefix: string, choice: number): number =>
  choice + 1 + (isFour(prefix) ? 0 : FOUR_CHOICES.length)

/** A choice as a dataplane lists the routes of it. */
const choiceText = ({ ways, metric }: Choice): string =>
  `${hopsText(ways)} at ${metric === NO_METRIC ? CONFIG.metric : metric}`

const inGroups = (some: Wanted): Record<string, number> =>
  Object.fromEntries(Object.entries(some).map(([text, way]) => [text, groupOf(text, way)]))

const mode = (objects: boolean): string => (objects ? 'nexthop objects' : 'plain routes')

/** What happened, and what is wanted after it. */
class Story {
  readonly world: DataplaneWorld
  wanted: Record<string, number> = {}
  /** what the groups are now, by their numbers less 1 */
  choices = [...CHOICES]
  blackholes: readonly string[] = []
  /** routes that name an object, at the end */
  named = 0
  #epoch = 0

  constructor(seed: number, nexthopObjects: boolean) {
    // without the dump that comes by itself: what is asked for must be enough
    this.world = new DataplaneWorld(seed, { resync: millis(1e9), nexthopObjects })
    this.speak({})
    this.world.intend([])
  }

  speak(some: Wanted): void {
    this.wanted = { ...some }
    this.choices = [...CHOICES]
    const metrics = CHOICES.map(({ metric }) => metric)
    this.world.speak(++this.#epoch, GROUPS, inGroups(some), metrics)
  }

  act(step: Step): void {
    const { world } = this
    switch (step.kind) {
      case 'epoch':
        this.speak(step.wanted)
        return
      case 'change':
        for (const text of step.gone) delete this.wanted[text]
        world.withdraw(...step.gone)
        Object.assign(this.wanted, step.wanted)
        world.route(inGroups(step.wanted))
        return
      case 'move': {
        const at = step.name % CHOICES.length
        const all = at < FOUR_CHOICES.length ? FOUR_WAYS : SIX_WAYS
        const ways = all[step.way % all.length] ?? []
        const { metric } = this.choices[at]!
        this.choices[at] = { ways, metric }
        world.name(at + 1, hopsOf(...ways), metric)
        return
      }
      case 'intent':
        this.blackholes = step.blackholes
        world.intend(step.blackholes)
        return
      case 'delete':
        world.hand('delete', step.prefix, 'blackhole', CONFIG.protocol, this.#metricOf(step.prefix))
        return
      case 'spoil':
        // only where ours is: a stranger's `replace` would take a stranger's place otherwise
        if (world.ours().some(route => route.startsWith(`${step.prefix} `)))
          if (!world.foreign().some(route => route.startsWith(`${step.prefix} `))) {
            const metric = this.#metricOf(step.prefix)
            world.hand('replace', step.prefix, 'blackhole', CONFIG.protocol, metric)
          }
        return
      case 'stranger':
        this.#stranger(step.prefix, step.add, step.metric)
        return
      case 'flap':
        this.#link('a', false)
        this.#link('a', true)
        return
      case 'link':
        this.#link(step.name, step.up)
        return
      case 'object': {
        const objects = world.kernel.objects.all()
        const object = objects[step.pick % Math.max(1, objects.length)]
        if (object !== undefined) world.kernel.objects.change('delete', object, 0x7000_0000)
        return
      }
      case 'lose':
        world.kernel.faults.loseNotifications = step.count
        return
      case 'kill':
        world.start()
        world.intend(this.blackholes)
        this.speak(this.wanted)
        return
      case 'run':
        for (let left = step.steps; left > 0; left--) world.step()
        return
      default:
        step satisfies never
    }
  }

  /** Lets more time pass than any pause takes; then all is as it should be. */
  end(): void {
    const { world } = this
    world.kernel.faults.loseNotifications = 0
    for (const name of ['a', 'b'] as const) this.#link(name, true)
    const before = world.foreign()
    world.pass(250_000)
    same(world.foreign(), before)
    same(world.places(), this.expected())
    const { installed, pending, stale } = world.snapshot()
    same([installed, pending, stale], [this.expected().length, 0, 0])
    const named = world.kernel.routes(CONFIG.table).map(({ target }) => target.id)
    this.named += named.filter(id => id !== undefined).length
    // what nobody names any more is not left behind
    world.speak(++this.#epoch, [], {})
    world.pass(250_000)
    same(world.kernel.objects.all(), [])
  }

  #link(name: 'a' | 'b', up: boolean): void {
    this.world.kernel.setLink(name, up)
    if (up && name === 'a') this.world.address('a', '2001:db8:9::1/64')
  }

  /** What our routes should be when all has come to rest. */
  expected(): string[] {
    const place = (text: string, metric: number): string => `${text} ${metric}`
    const strangers = this.world.kernel.routes(CONFIG.table)
    const taken = new Set(
      strangers
        .filter(({ protocol }) => protocol !== CONFIG.protocol)
        .map(({ prefix, metric }) => place(prefix, metric)),
    )
    const routes = new Map(
      Object.entries(this.wanted).map(([text, choice]) => [
        text,
        choiceText(this.choices[groupOf(text, choice) - 1]!),
      ]),
    )
    for (const text of this.blackholes) {
      // of the two the lower metric counts, as it would in the kernel
      const said = routes.get(text)?.split(' at ')[1] ?? CONFIG.metric
      if (Number(said) >= CONFIG.metric) routes.set(text, `blackhole at ${CONFIG.metric}`)
    }
    return [...routes]
      .filter(([text, to]) => !taken.has(place(text, Number(to.split(' at ')[1]))))
      .map(([text, to]) => `${text} ${to}`)
      .sort()
  }

  /** The metric of our route to a prefix; where there is none, that of the configuration. */
  #metricOf(text: string): number {
    const ours = this.world.kernel
      .routes(CONFIG.table)
      .find(({ prefix, protocol }) => prefix === text && protocol === CONFIG.protocol)
    return ours?.metric ?? CONFIG.metric
  }

  /**
   * A stranger comes when all was heard: the kernel has no compare-and-swap, so who takes our place in
   * the moment between its loss and our hearing of it may be replaced, by any routing daemon.
   */
  #stranger(text: string, add: boolean, metric: number): void {
    if (add) {
      this.world.kernel.faults.loseNotifications = 0
      this.world.pass(1_000)
    }
    const to = isFour(text) ? '10.8.0.9' : 'blackhole'
    this.world.hand(add ? 'add' : 'delete', text, to, 99, metric)
  }
}

/** As the world lists a target's gateways. */
const hopsText = (ways: readonly string[]): string =>
  ways
    .map(way => way.replace(/%.*/, ''))
    .sort()
    .join(',')

/** Stories that went wrong once and come by rarely. */
const FOUND: readonly (readonly [number, ...Step[]])[] = [
  // a group that went before it was written was taken for what it was to be
  [
    -369278923,
    { kind: 'epoch', wanted: { [FOUR[0]!]: 11 } },
    { kind: 'run', steps: 11 },
    { kind: 'move', name: 11, way: 0 },
    { kind: 'epoch', wanted: { [FOUR[0]!]: 0 } },
  ],
  // one that the kernel refused when nobody wanted it any more kept all others from going
  [
    -1558405325,
    { kind: 'link', name: 'a', up: false },
    { kind: 'change', wanted: { [FOUR[0]!]: 19 }, gone: [] },
    { kind: 'run', steps: 11 },
    { kind: 'move', name: 19, way: 0 },
    { kind: 'stranger', prefix: FOUR[0]!, add: true, metric: 1024 },
  ],
]
const EXAMPLES = FOUND.map(([seed, ...steps]): [number, Step[]] => [seed, steps])

for (const objects of [false, true])
  test(`simulated: any state to any state, strangers beside, any order; ${mode(objects)}`, t => {
    let named = 0
    const ran = fc.check(
      fc.property(fc.integer(), fc.array(step, { maxLength: 40 }), (seed, steps) => {
        const story = new Story(seed, objects)
        for (const one of steps) {
          const before = story.world.foreign()
          story.act(one)
          // a stranger's routes change by strangers and by links, never by us
          if (one.kind === 'run') same(story.world.foreign(), before)
        }
        story.end()
        named += story.named
      }),
      { numRuns: RUNS, examples: EXAMPLES },
    )
    t.is(ran.failed, false, fc.defaultReportMessage(ran))
    t.is(ran.numRuns, RUNS)
    t.is(named > RUNS, objects, `${named} routes name an object`)
  })

/** Throws what is different, so that a failure shrinks to a short story. */
function same(found: unknown, wanted: unknown): void {
  const [left, right] = [JSON.stringify(found), JSON.stringify(wanted)]
  if (left !== right) throw new Error(`${left} instead of ${right}`)
}

/** A dataplane on the real kernel, on the real loop. */
class RealDataplane {
  readonly notes: DataplaneNote[] = []
  readonly engine: Dataplane
  readonly #kernel: ReturnType<Rig['open']>
  readonly #loop: Loop<DataplaneEvent>
  changes = 0
  #epoch = 0

  constructor(rig: Rig, nexthopObjects: boolean, notificationOctetsMax?: number) {
    const kernel = rig.open({
      table: CONFIG.table,
      protocol: CONFIG.protocol,
      deliver: event => loop.deliver(event),
      ...(notificationOctetsMax !== undefined && { notificationOctetsMax }),
    })
    const counting = {
      change: (change: Parameters<typeof kernel.change>[0]) => {
        this.changes++
        kernel.change(change)
      },
      object: (change: Parameters<typeof kernel.object>[0]) => {
        this.changes++
        kernel.object(change)
      },
      commit: (batch: number) => kernel.commit(batch),
      dump: (dump: number) => kernel.dump(dump),
      lookUp: (addresses: readonly Address[]) => kernel.lookUp(addresses),
      inspect: (number: number) => kernel.inspect(number),
      configure: (...change: Parameters<typeof kernel.configure>) => kernel.configure(...change),
      serve: (...links: Parameters<typeof kernel.serve>) => kernel.serve(...links),
      note: (note: DataplaneNote) => {
        this.notes.push(note)
      },
    }
    const config = { ...CONFIG, nexthopObjects, stale: millis(60_000) }
    this.engine = new Dataplane(config, counting, {
      chance: new Prng(1),
    })
    const loop = new Loop<DataplaneEvent>(this.engine)
    this.#kernel = kernel
    this.#loop = loop
    loop.deliver({ type: 'Tick' })
  }

  speak(some: Wanted): void {
    this.#loop.deliver({ type: 'SpeakerUp' })
    this.#loop.deliver({ type: 'Begin', epoch: epoch(++this.#epoch) })
    for (const [index, hops] of GROUPS.entries()) {
      for (const { weight: _weight, ...hop } of hops) this.#loop.deliver({ type: 'Track', hop })
      const { metric } = CHOICES[index]!
      this.#loop.deliver({ type: 'Group', id: group(index + 1), hops, metric })
    }
    const routes = Object.entries(inGroups(some))
    for (const family of ['ipv4', 'ipv6'] as const) {
      const own = routes.filter(([text]) => isFour(text) === (family === 'ipv4'))
      this.#loop.deliver({
        type: 'Routes',
        family,
        nlri: nlriOf(own.map(([text]) => text)),
        groups: own.map(([, id]) => id),
      })
    }
    this.#loop.deliver({ type: 'InSync', epoch: epoch(this.#epoch) })
  }

  intend(): void {
    const intent = { routes: [], watched: [], watchedMax: 0 }
    this.#loop.deliver({ type: 'Intent', intent })
  }

  close(): void {
    this.#loop.close()
    this.#kernel.close()
  }
}

/** Two links as the simulated world has them. */
function prepare(): Rig {
  const rig = realRig()
  rig.addLink('a')
  rig.addLink('b')
  rig.addAddress('a', '10.9.0.1/24')
  rig.addAddress('b', '10.8.0.1/24')
  rig.addAddress('a', '2001:db8:9::1/64')
  return rig
}

/** Our routes in the kernel, as `Story.expected` writes them. */
const oursIn = (rig: Rig): string[] =>
  rig
    .routes(CONFIG.table)
    .filter(route => route.protocol === CONFIG.protocol)
    .map(({ prefix, to, metric }) => {
      const ways = to.split(', ').map(hop => hop.replace(/via (\S+).*/, '$1'))
      return `${prefix} ${ways.sort().join(',')} at ${metric}`
    })
    .sort()

const expected = (some: Wanted): string[] =>
  Object.entries(some)
    .map(([text, choice]) => `${text} ${choiceText(choicesOf(text)[choice]!)}`)
    .sort()

/** A test in both modes. */
const real = (
  title: string,
  run: (t: ExecutionContext, objects: boolean) => Promise<void>,
): void => {
  for (const objects of [false, true])
    test.serial(`real: ${title}; ${mode(objects)}`, t => run(t, objects))
}

real('any state to any state, with deletions by hand between', async (t, objects) => {
  const rig = prepare()
  rig.act('add', CONFIG.table, {
    prefix: '203.0.113.0/24',
    to: 'via 10.9.0.9',
    protocol: 99,
    metric: CONFIG.metric,
  })
  const dataplane = new RealDataplane(rig, objects)
  t.teardown(() => dataplane.close())
  dataplane.intend()
  await fc.assert(
    fc.asyncProperty(wanted, wanted, fc.nat(), async (from, to, pick) => {
      for (const some of [from, to]) {
        dataplane.speak(some)
        await until(() => oursIn(rig).join() === expected(some).join(), `${expected(some)}`)
        const routes = rig.routes(CONFIG.table).filter(({ protocol }) => protocol === 80)
        const victim = routes[pick % Math.max(1, routes.length)]
        if (victim === undefined) continue
        t.true(rig.act('delete', CONFIG.table, victim))
        await until(() => oursIn(rig).join() === expected(some).join(), `${victim.prefix} is back`)
      }
    }),
    { numRuns: 25 },
  )
  t.is(rig.routes(CONFIG.table).filter(({ protocol }) => protocol === 99).length, 1)
})

real('a dataplane that is started again writes nothing', async (t, objects) => {
  const rig = prepare()
  // from the IPv6 ways of IPv4 routes on
  const some = Object.fromEntries(
    [...FOUR, ...SIX].map((text, at) => [text, (at + 4) % choicesOf(text).length]),
  )
  const first = new RealDataplane(rig, objects)
  first.intend()
  first.speak(some)
  await until(() => first.engine.snapshot(millis(0)).installed === 8, 'all are installed')
  first.close()
  const second = new RealDataplane(rig, objects)
  t.teardown(() => second.close())
  second.intend()
  second.speak(some)
  await until(() => second.engine.snapshot(millis(0)).installed === 8, 'all are adopted')
  await until(() => second.engine.idle, 'nothing waits')
  t.is(second.changes, 0)
  t.deepEqual(oursIn(rig), expected(some))
})

real('routes are back after a link went down and up, and was made again', async (t, objects) => {
  const rig = prepare()
  const four = { '10.200.1.0/24': 0, '10.200.2.0/24': 2, '10.200.0.0/16': 4, '0.0.0.0/0': 5 }
  const some = { ...four, 'fd00:1::/64': 1, 'fd00:2::/64': 2 }
  const dataplane = new RealDataplane(rig, objects)
  t.teardown(() => dataplane.close())
  dataplane.intend()
  dataplane.speak(some)
  const all = (): boolean => oursIn(rig).join() === expected(some).join()
  await until(all, 'all are installed')
  rig.setLink('a', false)
  await until(() => dataplane.engine.snapshot(millis(0)).failed >= 5, 'the kernel refuses')
  rig.setLink('a', true)
  rig.addAddress('a', '2001:db8:9::1/64')
  await until(all, 'all are back')
  rig.deleteLink('a')
  await until(() => dataplane.engine.snapshot(millis(0)).failed >= 5, 'the kernel refuses')
  rig.addLink('a')
  rig.addAddress('a', '10.9.0.1/24')
  rig.addAddress('a', '2001:db8:9::1/64')
  await until(all, 'all are back on the new link')
  t.is(dataplane.engine.snapshot(millis(0)).repaired, 0)
})

real('notifications that do not fit are made up for', async (t, objects) => {
  const rig = prepare()
  const texts = Array.from({ length: 500 }, (_, at) => `20.${at >> 8}.${at & 255}.0/24`)
  const some = Object.fromEntries(texts.map(text => [text, 0]))
  // the smallest buffer that the kernel gives holds a few notifications
  const dataplane = new RealDataplane(rig, objects, 1)
  t.teardown(() => dataplane.close())
  dataplane.intend()
  dataplane.speak(some)
  await until(() => oursIn(rig).length === 500, 'all are installed')
  rig.flush(CONFIG.table, CONFIG.protocol)
  await until(
    () => dataplane.notes.some(note => note.code === 'NOTIFICATIONS_LOST'),
    'the loss is noticed',
  )
  await until(() => oursIn(rig).length === 500, 'all are back')
  await until(() => dataplane.engine.snapshot(millis(0)).installed === 500, 'and all are known')
  t.is(oursIn(rig).length, 500)
})
