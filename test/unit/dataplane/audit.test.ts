/** What another hand does to routes of ours, what the configuration does not allow, and what is told of both. */
import test from 'ava'
import type { DataplaneNote, KernelState } from '../../../src/core/dataplane/index.ts'
import { address, prefix, prefixParts } from '../../../src/core/net/index.ts'
import { BLACKHOLE, notFound } from '../../../src/core/rtnl/index.ts'
import { DataplaneWorld, hopsOf } from '../../support/dataplane-world.ts'

const A = hopsOf('10.9.0.2')
const B = hopsOf('10.8.0.2')

/** By whom the world's hand does what it does. */
const HAND = 0x7000_0000

const RULES = [
  { prefix: prefix('10.200.0.0/16'), action: 'yield' },
  { prefix: prefix('10.200.1.0/24'), action: 'restore' },
  { prefix: prefix('10.200.2.0/24'), action: 'alert' },
] as const

const stateOf = (world: DataplaneWorld, text: string): KernelState | undefined =>
  world.engine.lookUp([prefix(text)])[0]?.state

const notesOf = <Code extends DataplaneNote['code']>(world: DataplaneWorld, code: Code) =>
  world.notes.filter((note): note is Extract<DataplaneNote, { code: Code }> => note.code === code)

/** Three routes, one under each rule, one that no rule names. */
function audited(): DataplaneWorld {
  const world = new DataplaneWorld(1, { audit: RULES })
  world.intend([])
  world.speak(1, [A, B], {
    '10.200.1.0/24': 1,
    '10.200.2.0/24': 1,
    '10.200.3.0/24': 1,
    '10.201.0.0/24': 1,
  })
  world.settle()
  return world
}

test('a repair names the netlink port of who made it necessary, and what was done', t => {
  const world = audited()
  world.hand('delete', '10.200.1.0/24', '10.9.0.2', 80)
  world.settle()
  world.hand('replace', '10.201.0.0/24', '10.8.0.2', 80)
  world.settle()
  t.deepEqual(notesOf(world, 'ROUTE_REPAIRED'), [
    {
      code: 'ROUTE_REPAIRED',
      prefix: prefix('10.200.1.0/24'),
      what: 'removed',
      by: HAND,
    },
    {
      code: 'ROUTE_REPAIRED',
      prefix: prefix('10.201.0.0/24'),
      what: 'changed',
      by: HAND,
    },
  ])
  t.like(world.snapshot(), {
    repaired: 2,
    yielded: 0,
    alerted: 0,
    lastIntervention: {
      prefix: prefix('10.201.0.0/24'),
      what: 'changed',
      action: 'restore',
      by: HAND,
    },
  })
})

test('a loss that a dump finds is repaired in nobody’s name', t => {
  const world = audited()
  world.kernel.faults.loseNotifications = 1
  // whatever the rule: perhaps it was the kernel, and its word was lost
  world.hand('delete', '10.200.3.0/24', '10.9.0.2', 80)
  world.pass(1_000)
  t.like(notesOf(world, 'ROUTE_REPAIRED')[0], { what: 'removed', by: 0 })
  t.is(stateOf(world, '10.200.3.0/24'), 'installed')
})

test('the longest rule decides: restored, yielded, or told as long as it is so', t => {
  const world = audited()
  for (const text of ['10.200.1.0/24', '10.200.2.0/24', '10.200.3.0/24'])
    world.hand('delete', text, '10.9.0.2', 80)
  world.pass(200_000)
  t.deepEqual(world.ours(), ['10.200.1.0/24 10.9.0.2', '10.201.0.0/24 10.9.0.2'])
  t.is(stateOf(world, '10.200.2.0/24'), 'foreign')
  t.is(stateOf(world, '10.200.3.0/24'), 'foreign')
  const { installed, foreign, failed, yielded, alerted, alerts } = world.snapshot()
  t.deepEqual([installed, foreign, failed, yielded, alerted], [2, 2, 2, 1, 1])
  t.deepEqual(
    alerts.map(({ prefix: text, what, by }) => [text, what, by]),
    [['10.200.2.0/24', 'removed', HAND]],
  )
  t.deepEqual(
    notesOf(world, 'ROUTE_LEFT').map(({ action }) => action),
    ['alert', 'yield'],
  )
})

test('what was left alone is ours again when somebody puts it back, or something else is wanted', t => {
  const world = audited()
  for (const text of ['10.200.2.0/24', '10.200.3.0/24']) world.hand('replace', text, '10.8.0.9', 80)
  world.pass(200_000)
  t.is(stateOf(world, '10.200.2.0/24'), 'foreign')
  t.true(world.ours().includes('10.200.2.0/24 10.8.0.9'))
  world.hand('replace', '10.200.2.0/24', '10.9.0.2', 80)
  world.settle()
  t.is(stateOf(world, '10.200.2.0/24'), 'installed')
  t.deepEqual(world.snapshot().alerts, [])
  // the same again is no news
  world.route({ '10.200.3.0/24': 1 })
  world.settle()
  t.true(world.ours().includes('10.200.3.0/24 10.8.0.9'))
  world.route({ '10.200.3.0/24': 2 })
  world.settle()
  t.true(world.ours().includes('10.200.3.0/24 10.8.0.2'))
  t.is(world.snapshot().repaired, 0)
})

test('what was left alone goes when nobody wants it, and its alert with it', t => {
  const world = audited()
  world.hand('replace', '10.200.2.0/24', '10.8.0.9', 80)
  world.settle()
  t.is(world.snapshot().alerts.length, 1)
  world.withdraw('10.200.2.0/24')
  world.settle()
  t.false(world.ours().some(route => route.startsWith('10.200.2.0/24')))
  t.deepEqual(world.snapshot().alerts, [])
})

test('a link that goes down is nobody’s hand: no rule keeps its routes out', t => {
  const world = audited()
  world.kernel.setLink('a', false)
  world.pass(1_000)
  t.is(stateOf(world, '10.200.2.0/24'), 'held')
  t.is(stateOf(world, '10.200.3.0/24'), 'held')
  world.kernel.setLink('a', true)
  world.pass(20_000)
  t.is(world.snapshot().installed, 4)
  t.deepEqual(world.snapshot().alerts, [])
})

test('who adds routes of our protocol is told of, and what is his goes', t => {
  const world = audited()
  world.hand('add', '192.0.2.0/24', '10.9.0.7', 80)
  world.settle()
  t.deepEqual(notesOf(world, 'PROTOCOL_SHARED'), [
    { code: 'PROTOCOL_SHARED', prefix: prefix('192.0.2.0/24'), by: HAND },
  ])
  t.false(world.ours().some(route => route.startsWith('192.0.2.0/24')))
})

test('a route of our protocol that we never write is told of once a dump, and stays', t => {
  const world = new DataplaneWorld()
  world.intend([])
  world.speak(1, [A], { '10.200.1.0/24': 1 })
  world.settle()
  const { version } = world.snapshot()
  const hears = (dump: number, text: string): void => {
    const { family, bytes, length } = prefixParts(prefix(text))
    const route = {
      present: true,
      replaced: false,
      dump,
      by: HAND,
      family,
      bytes,
      offset: 0,
      length,
    }
    const more = { protocol: 80, metric: 1024, tos: 8, target: BLACKHOLE, leads: () => notFound(0) }
    world.say({ type: 'Route', route: { ...route, ...more } })
  }
  for (const text of ['192.0.2.0/24', '198.51.100.0/24']) hears(7, text)
  t.deepEqual(notesOf(world, 'PROTOCOL_SHARED'), [
    { code: 'PROTOCOL_SHARED', prefix: prefix('192.0.2.0/24'), by: 0 },
  ])
  t.true(world.snapshot().version > version)
  hears(0, '203.0.113.0/24')
  t.like(notesOf(world, 'PROTOCOL_SHARED')[1], { prefix: prefix('203.0.113.0/24'), by: HAND })
  world.settle()
  t.is(world.ours().length, 1)
})

test('a lookup says who wants a route and where it leads, and nothing of what is not there', t => {
  const world = new DataplaneWorld(1, { nexthopObjects: true })
  world.intend(['10.200.0.0/24'])
  world.speak(1, [A, hopsOf('10.9.0.2', '10.8.0.2')], { '203.0.113.0/24': 1 })
  world.route({ '198.51.100.0/24': 2 })
  world.settle()
  const all = ['10.200.0.0/24', '203.0.113.0/24', '198.51.100.0/24', '192.0.2.0/24'].map(prefix)
  const found = world.engine.lookUp(all)
  t.deepEqual(
    found.map(({ prefix: text, state, owner }) => [text, state, owner]),
    [
      ['10.200.0.0/24', 'installed', 'node'],
      ['203.0.113.0/24', 'installed', 'speaker'],
      ['198.51.100.0/24', 'installed', 'speaker'],
    ],
  )
  t.is(found[0]?.leads, 'blackhole')
  t.regex(found[1]?.leads ?? '', /^nexthop 8000\d{5}: via 10\.9\.0\.2 dev a$/)
  t.regex(
    found[2]?.leads ?? '',
    /: via 10\.8\.0\.2 dev b, via 10\.9\.0\.2 dev a$|: via 10\.9\.0\.2 dev a, via/,
  )
})

test('a prefix that the configuration does not allow is refused by name, whoever wants it', t => {
  const allow = { prefixes: ['10.200.0.0/16', 'fd00::/16'].map(prefix) }
  const world = new DataplaneWorld(1, { allow })
  world.intend(['10.201.0.0/24'])
  world.speak(1, [A], { '10.200.1.0/24': 1, '0.0.0.0/0': 1 })
  world.pass(200_000)
  t.deepEqual(world.ours(), ['10.200.1.0/24 10.9.0.2'])
  t.deepEqual(
    notesOf(world, 'ROUTE_NOT_ALLOWED').map(note => note.prefix),
    ['10.201.0.0/24', '0.0.0.0/0'].map(prefix),
  )
  const [refused] = world.engine.lookUp([prefix('0.0.0.0/0')])
  t.like(refused, {
    state: 'rejected',
    error: 'kernel.allow.prefixes of this node does not have it',
  })
  t.is(world.snapshot().rejected, 2)
})

test('a metric that the configuration does not allow is refused, and left when it is another', t => {
  const world = new DataplaneWorld(1, { allow: { metrics: [1024] } })
  world.intend([])
  const out = { kind: 'via', gateway: address('10.9.0.2') } as const
  const want = (metric: number): void =>
    world.say({
      type: 'Intent',
      intent: {
        routes: [{ prefix: prefix('10.200.1.0/24'), metric, out }],
        watched: [],
        watchedMax: 0,
      },
    })
  want(1)
  world.pass(1_000)
  t.deepEqual(world.ours(), [])
  t.regex(world.engine.lookUp([prefix('10.200.1.0/24')])[0]?.error ?? '', /kernel\.allow\.metrics/)
  want(1024)
  world.pass(1_000)
  t.is(stateOf(world, '10.200.1.0/24'), 'installed')
})

for (const nexthopObjects of [false, true])
  test(`no route leads through a link that is not allowed; nexthop objects: ${nexthopObjects}`, t => {
    const world = new DataplaneWorld(1, { nexthopObjects, allow: { interfaces: ['a*'] } })
    world.intend([])
    // of next hops that are tracked the link is known
    world.track('10.9.0.2', '10.8.0.2')
    const both = hopsOf('10.9.0.2', '10.8.0.2')
    world.speak(1, [A, B, both], { '10.200.1.0/24': 1, '10.200.2.0/24': 2, '10.200.3.0/24': 3 })
    world.track('10.9.0.2', '10.8.0.2')
    world.pass(200_000)
    t.deepEqual(world.ours(), ['10.200.1.0/24 10.9.0.2', '10.200.3.0/24 10.9.0.2'])
    const [refused] = world.engine.lookUp([prefix('10.200.2.0/24')])
    t.is(refused?.state, 'rejected')
    t.regex(refused?.error ?? '', /kernel\.allow\.interfaces/)
    t.is(notesOf(world, 'ROUTE_NOT_ALLOWED').length, 1)
    // so that the speaker takes another path, where it has one
    t.is(world.answer('10.9.0.2'), 0)
    t.regex(String(world.answer('10.8.0.2')), /kernel\.allow\.interfaces/)
  })

test('what an earlier configuration allowed goes once its source has said all, and not before', t => {
  const world = new DataplaneWorld()
  world.intend([])
  world.speak(1, [A], { '10.200.1.0/24': 1, '10.201.1.0/24': 1 })
  world.settle()
  world.start({ allow: { prefixes: [prefix('10.200.0.0/16')] } })
  world.intend([])
  world.settle()
  t.is(world.ours().length, 2)
  world.speak(1, [A], { '10.200.1.0/24': 1, '10.201.1.0/24': 1 })
  world.pass(1_000)
  t.deepEqual(world.ours(), ['10.200.1.0/24 10.9.0.2'])
  t.is(stateOf(world, '10.201.1.0/24'), 'rejected')
})
