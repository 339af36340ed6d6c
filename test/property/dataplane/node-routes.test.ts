/**
 * Routes of the node itself, over links that come and go: whatever happens in whatever order, in the
 * end the kernel has what is wanted, and nothing else of ours.
 */
import test from 'ava'
import fc from 'fast-check'
import { millis } from '../../../src/core/base/index.ts'
import type { NodeRoute, NodeRouteOut } from '../../../src/core/dataplane/index.ts'
import { address, prefix } from '../../../src/core/net/index.ts'
import { BLACKHOLE, type RouteTarget, unicastTarget } from '../../../src/core/rtnl/index.ts'
import { CONFIG, DataplaneWorld, hopsOf } from '../../support/dataplane-world.ts'

const PREFIXES = ['10.200.1.7/32', '10.200.1.0/24', '10.200.2.0/24', 'fd00:1::7/128', 'fd00:2::/64']
const LINKS = ['cali1', 'cali2'] as const
type Link = (typeof LINKS)[number]

const RUNS = 200

const GROUPS = [hopsOf('10.9.0.2'), hopsOf('2001:db8:9::2')]

/** Where an own route leads, before the family is known. */
type Way = 'blackhole' | `on ${Link}` | `beyond ${Link}`

interface Own {
  readonly way: Way
  readonly metric: number | undefined
}

type Step =
  | { readonly kind: 'intend'; readonly own: Readonly<Record<string, Own>> }
  | { readonly kind: 'speak'; readonly said: readonly string[] }
  | { readonly kind: 'link'; readonly name: Link; readonly to: 'gone' | 'there' | 'down' | 'up' }
  | { readonly kind: 'take'; readonly prefix: string }
  | { readonly kind: 'lose'; readonly count: number }
  | { readonly kind: 'kill' }
  | { readonly kind: 'run'; readonly steps: number }

const name = fc.constantFrom<Link>(...LINKS)
const some = fc.subarray(PREFIXES)
const own = fc.record<Own>({
  way: fc.oneof(
    fc.constant<Way>('blackhole'),
    name.map((link): Way => `on ${link}`),
    name.map((link): Way => `beyond ${link}`),
  ),
  metric: fc.constantFrom(undefined, undefined, 512, CONFIG.metric),
})

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('intend' as const),
    own: fc.dictionary(fc.constantFrom(...PREFIXES), own, { maxKeys: PREFIXES.length }),
  }),
  fc.record({ kind: fc.constant('speak' as const), said: some }),
  fc.record({
    kind: fc.constant('link' as const),
    name,
    to: fc.constantFrom('gone', 'there', 'down', 'up'),
  }),
  fc.record({ kind: fc.constant('take' as const), prefix: fc.constantFrom(...PREFIXES) }),
  fc.record({ kind: fc.constant('lose' as const), count: fc.integer({ min: 1, max: 4 }) }),
  fc.constant<Step>({ kind: 'kill' }),
  fc.record({ kind: fc.constant('run' as const), steps: fc.integer({ min: 1, max: 30 }) }),
)

const isFour = (text: string): boolean => !text.includes(':')
const gatewayOf = (text: string) => address(isFour(text) ? '172.16.5.5' : '2001:db8:55::5')
const linkOf = (way: Way): Link => (way.endsWith('cali1') ? 'cali1' : 'cali2')

function outOf(text: string, way: Way): NodeRouteOut {
  if (way === 'blackhole') return { kind: 'blackhole' }
  const link = linkOf(way)
  if (way.startsWith('on ')) return { kind: 'device', interface: link }
  return { kind: 'via', gateway: gatewayOf(text), interface: link, onlink: true }
}

class Story {
  readonly world: DataplaneWorld
  #own: Readonly<Record<string, Own>> = {}
  #said: readonly string[] = []
  #epoch = 0

  constructor(seed: number, nexthopObjects: boolean) {
    // without the dump that comes by itself: what is asked for must be enough
    this.world = new DataplaneWorld(seed, { resync: millis(1e9), nexthopObjects })
    for (const link of LINKS) this.world.kernel.addLink(link)
    this.#tell()
  }

  act(step: Step): void {
    const { kernel } = this.world
    switch (step.kind) {
      case 'intend':
        this.#own = step.own
        this.#intend()
        return
      case 'speak':
        this.#said = step.said
        this.#speak()
        return
      case 'link':
        this.#link(step.name, step.to)
        return
      case 'take':
        for (const route of kernel.routes(CONFIG.table))
          if (route.protocol === CONFIG.protocol && route.prefix === step.prefix)
            kernel.act('delete', route)
        return
      case 'lose':
        kernel.faults.loseNotifications = step.count
        return
      case 'kill':
        this.world.start()
        this.#tell()
        return
      case 'run':
        for (let left = step.steps; left > 0; left--) this.world.step()
        return
      default:
        step satisfies never
    }
  }

  /** What is there, and what should be, when all has come to rest. */
  end(): readonly [readonly string[], readonly string[]] {
    const { world } = this
    world.kernel.faults.loseNotifications = 0
    for (const link of LINKS) {
      this.#link(link, 'there')
      this.#link(link, 'up')
    }
    world.pass(250_000)
    const found = world.kernel
      .routes(CONFIG.table)
      .filter(({ protocol }) => protocol === CONFIG.protocol)
      .map(route => world.kernel.expand(route))
      .map(route => `${route.prefix} ${route.metric} ${route.target.key}`)
    return [found.sort(), this.#expected().sort()]
  }

  #tell(): void {
    this.#speak()
    this.#intend()
  }

  #speak(): void {
    const routes = Object.fromEntries(this.#said.map(text => [text, isFour(text) ? 1 : 2]))
    this.world.speak(++this.#epoch, GROUPS, routes)
  }

  #intend(): void {
    const routes = Object.entries(this.#own).map(
      ([text, { way, metric }]): NodeRoute => ({
        ...{ prefix: prefix(text), out: outOf(text, way) },
        ...(metric !== undefined && { metric }),
      }),
    )
    this.world.say({ type: 'Intent', intent: { routes, watched: [], watchedMax: 0 } })
  }

  #link(link: Link, to: 'gone' | 'there' | 'down' | 'up'): void {
    const { kernel } = this.world
    const isThere = kernel.indexOf(link) !== 0
    if (to === 'there' && !isThere) kernel.addLink(link)
    if (to === 'gone' && isThere) kernel.deleteLink(link)
    if ((to === 'down' || to === 'up') && isThere) kernel.setLink(link, to === 'up')
  }

  #expected(): string[] {
    const targets = new Map<string, readonly [number, RouteTarget]>()
    const { kernel } = this.world
    const learned = (text: string): RouteTarget => {
      const gateway = address(isFour(text) ? '10.9.0.2' : '2001:db8:9::2')
      return unicastTarget([{ gateway, link: kernel.indexOf('a'), weight: 1, onlink: false }])
    }
    for (const text of this.#said) targets.set(text, [CONFIG.metric, learned(text)])
    for (const [text, { way, metric = CONFIG.metric }] of Object.entries(this.#own)) {
      const beyond = way.startsWith('beyond ')
      const target =
        way === 'blackhole'
          ? BLACKHOLE
          : unicastTarget([
              {
                ...(beyond && { gateway: gatewayOf(text) }),
                ...{ link: kernel.indexOf(linkOf(way)), weight: 1, onlink: beyond },
              },
            ])
      targets.set(text, [metric, target])
    }
    return [...targets].map(([text, [metric, target]]) => `${text} ${metric} ${target.key}`)
  }
}

for (const nexthopObjects of [false, true])
  test(`own routes follow what is wanted and the links that are there; ${
    nexthopObjects ? 'nexthop objects' : 'plain routes'
  }`, t => {
    const ran = fc.check(
      fc.property(fc.integer(), fc.array(step, { maxLength: 30 }), (seed, steps) => {
        const story = new Story(seed, nexthopObjects)
        for (const one of steps) story.act(one)
        const [found, expected] = story.end()
        return found.join('\n') === expected.join('\n')
      }),
      { numRuns: RUNS },
    )
    t.false(ran.failed, fc.defaultReportMessage(ran))
    t.is(ran.numRuns, RUNS)
  })
