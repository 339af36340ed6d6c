/** A route's place in the kernel is its prefix and its metric: what happens when the metric changes. */
import test from 'ava'
import { DataplaneWorld, epoch, hopsOf } from '../../support/dataplane-world.ts'

const FOUR = '10.200.1.0/24'
const SIX = 'fd00:1::/64'
const GROUPS = [
  hopsOf('10.9.0.2'),
  hopsOf('2001:db8:9::2'),
  hopsOf('10.9.0.2'),
  hopsOf('2001:db8:9::2'),
  hopsOf('10.8.0.2'),
]
const METRICS = [1024, 1024, 512, 512, 1024]

/** A world in which both prefixes have the metric 1024, and all is written. */
function settled(nexthopObjects: boolean): DataplaneWorld {
  const world = new DataplaneWorld(1, { nexthopObjects })
  world.intend([])
  world.speak(1, GROUPS, { [FOUR]: 1, [SIX]: 2 }, METRICS)
  world.pass(1_000)
  return world
}

/** Runs until nothing waits, and looks at the kernel after each thing that is done. */
function watch(world: DataplaneWorld, look: (prefixes: readonly string[]) => void): void {
  for (let rests = 0; rests < 50; ) {
    rests = world.step() ? 0 : rests + 1
    look(world.kernel.routes(254).map(({ prefix }) => prefix))
  }
}

for (const objects of [false, true]) {
  const mode = objects ? 'nexthop objects' : 'plain routes'

  test(`another metric is two messages a route, and there is no moment without one; ${mode}`, t => {
    const world = settled(objects)
    for (const [groups, metric] of [
      [{ [FOUR]: 3, [SIX]: 4 }, 512],
      [{ [FOUR]: 1, [SIX]: 2 }, 1024],
    ] as const) {
      const before = world.socket.changes
      world.route(groups)
      watch(world, prefixes => t.deepEqual([...new Set(prefixes)].sort(), [FOUR, SIX]))
      t.deepEqual(world.places(), [
        `${FOUR} 10.9.0.2 at ${metric}`,
        `${SIX} 2001:db8:9::2 at ${metric}`,
      ])
      // groups of one metric are not those of another
      t.true(world.socket.changes - before <= 4 + (objects ? 2 : 0))
    }
    t.is(world.snapshot().repaired, 0)
  })

  test(`what an earlier life left at another metric moves to its own; ${mode}`, t => {
    const world = settled(objects)
    world.start()
    world.intend([])
    world.speak(2, GROUPS, { [FOUR]: 3, [SIX]: 4 }, METRICS)
    watch(world, prefixes => t.deepEqual([...new Set(prefixes)].sort(), [FOUR, SIX]))
    t.deepEqual(world.places(), [`${FOUR} 10.9.0.2 at 512`, `${SIX} 2001:db8:9::2 at 512`])
  })

  test(`a group that is named again moves its routes and no others; ${mode}`, t => {
    const world = new DataplaneWorld(1, { nexthopObjects: objects })
    const texts = Array.from({ length: 1_000 }, (_, at) => `20.${at >> 8}.${at & 255}.0/24`)
    world.intend([])
    // two names for one thing
    const both = [hopsOf('10.9.0.2'), hopsOf('10.9.0.2'), hopsOf('10.8.0.2')]
    world.speak(1, both, {
      ...Object.fromEntries(texts.map(text => [text, 1])),
      '30.0.0.0/8': 2,
      '40.0.0.0/8': 3,
    })
    world.pass(1_000)
    const before = world.socket.changes
    world.name(1, hopsOf('10.8.0.2'))
    world.pass(1_000)
    const others = ['30.0.0.0/8 10.9.0.2 at 1024', '40.0.0.0/8 10.8.0.2 at 1024']
    t.deepEqual(world.places(), [
      ...texts.map(text => `${text} 10.8.0.2 at 1024`).sort(),
      ...others,
    ])
    t.is(world.socket.changes - before, objects ? 1 : 1_000)
    t.is(world.snapshot().installed, 1_002)
    // what is said anew is what it is now, and nothing is written for it
    world.start()
    world.intend([])
    world.speak(2, [hopsOf('10.9.0.2'), hopsOf('10.8.0.2')], {
      ...Object.fromEntries(texts.map(text => [text, 2])),
      '30.0.0.0/8': 1,
      '40.0.0.0/8': 2,
    })
    world.pass(1_000)
    t.deepEqual(world.places().slice(-2), others)
    t.is(world.socket.changes, 0)
  })
}

for (const objects of [false, true])
  test(`what an earlier speaker said does not move with what the next one says; ${objects}`, t => {
    const world = new DataplaneWorld(1, { nexthopObjects: objects })
    const [early, late] = ['20.0.0.0/24', '20.0.1.0/24']
    world.intend([])
    world.speak(1, [hopsOf('10.9.0.2')], { [early]: 1, [late]: 1 })
    world.pass(1_000)
    const before = world.socket.changes
    world.say({ type: 'SpeakerDown' })
    world.say({ type: 'SpeakerUp' })
    world.say({ type: 'Begin', epoch: epoch(2) })
    world.name(1, hopsOf('10.9.0.2'))
    world.route({ [early]: 1 })
    world.pass(1_000)
    t.is(world.socket.changes, before, 'what is said again is so already')
    world.name(1, hopsOf('10.8.0.2'))
    world.pass(1_000)
    t.deepEqual(world.places(), [`${early} 10.8.0.2 at 1024`, `${late} 10.9.0.2 at 1024`])
    world.say({ type: 'InSync', epoch: epoch(2) })
    world.pass(1_000)
    t.deepEqual(world.places(), [`${early} 10.8.0.2 at 1024`])
  })

test('a name that gets another metric is another name: its routes are said again', t => {
  const world = settled(true)
  world.name(1, hopsOf('10.9.0.2'), 512)
  world.pass(1_000)
  t.true(world.places().includes(`${FOUR} 10.9.0.2 at 1024`))
  world.route({ [FOUR]: 1 })
  world.pass(1_000)
  t.true(world.places().includes(`${FOUR} 10.9.0.2 at 512`))
})

test('of two routes of ours to one prefix the wanted one stays, whichever comes first', t => {
  for (const metric of [50, 5_000]) {
    const world = new DataplaneWorld()
    for (const text of [FOUR, SIX])
      for (const each of [1024, metric]) {
        const to = text === FOUR ? '10.9.0.2' : '2001:db8:9::2'
        world.hand('add', text, to, 80, each)
      }
    world.intend([])
    world.pass(1_000)
    t.is(world.places().length, 4)
    world.speak(1, GROUPS, { [FOUR]: 1, [SIX]: 2 }, METRICS)
    world.pass(1_000)
    t.deepEqual(world.places(), [`${FOUR} 10.9.0.2 at 1024`, `${SIX} 2001:db8:9::2 at 1024`])
    t.is(world.snapshot().repaired, 0)
  }
})

test('where a stranger has the metric that is wanted, ours does not stay at another', t => {
  const world = settled(false)
  world.hand('add', FOUR, '10.8.0.9', 99, 512)
  world.pass(1_000)
  t.is(world.places().length, 2, 'another metric is another place')
  world.route({ [FOUR]: 3 })
  world.pass(1_000)
  t.deepEqual(world.places(), [`${SIX} 2001:db8:9::2 at 1024`])
  world.hand('delete', FOUR, '10.8.0.9', 99, 512)
  world.pass(1_000)
  t.true(world.places().includes(`${FOUR} 10.9.0.2 at 512`))
})
