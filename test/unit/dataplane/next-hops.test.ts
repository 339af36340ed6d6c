/** How next hops are reached, on a simulated kernel: what the speaker hears, where routes go. */
import test from 'ava'
import { NO_METRIC } from '../../../src/core/fib/index.ts'
import { address } from '../../../src/core/net/index.ts'
import { DataplaneWorld, group, hopsOf } from '../../support/dataplane-world.ts'

const FAR = '192.0.2.1'
const FAR_6 = '2001:db8:ff::1'

/** A world that has a speaker, which tracks what a test says. */
function begin(seed = 1): DataplaneWorld {
  const world = new DataplaneWorld(seed)
  world.settle()
  world.speak(1, [], {})
  return world
}

test('an address on a link has metric 0, one behind a gateway that of its route', t => {
  const world = begin()
  world.hand('add', '192.0.2.0/24', '10.9.0.3', 99, 50)
  world.hand('add', '198.51.100.0/24', '10.9.0.3', 99, 0)
  world.track('10.9.0.2', '2001:db8:9::2', FAR, '198.51.100.1')
  world.settle()
  t.is(world.answer('10.9.0.2'), 0)
  t.is(world.answer('2001:db8:9::2'), 0)
  t.is(world.answer(FAR), 50)
  t.is(world.answer('198.51.100.1'), 1, 'a gateway is farther than a link')
})

test('the default route leads to a next hop, unless another route forbids it', t => {
  const world = begin()
  world.hand('add', '0.0.0.0/0', '10.9.0.3', 99, 100)
  world.track(FAR)
  world.settle()
  t.is(world.answer(FAR), 100)
  world.hand('add', '192.0.2.0/24', 'blackhole')
  world.settle()
  t.is(world.answer(FAR), `a blackhole to ${FAR}`)
  world.hand('delete', '192.0.2.0/24', 'blackhole')
  world.settle()
  t.is(world.answer(FAR), 100)
})

test('where there is no route, and at an address of the node itself, it is said why', t => {
  const world = begin()
  world.track(FAR, '10.9.0.1')
  world.settle()
  t.is(world.answer(FAR), `no route to ${FAR}`)
  t.is(world.answer('10.9.0.1'), '10.9.0.1 is an address of this node')
})

test('a link that goes down is told before the kernel is asked anything', t => {
  const world = begin()
  world.track('10.9.0.2', 'fe80::2%a', 'fe80::2%c')
  world.settle()
  t.is(world.answer('10.9.0.2'), 0)
  const before = world.told.length
  const index = world.kernel.indexOf('a')
  const link = { present: true, index, name: 'a', up: true, carrier: false }
  world.say({ type: 'Link', dump: 0, link })
  world.engine.work(16, world.now)
  const down = { eligible: false, metric: 0, why: 'a is down' }
  t.deepEqual(world.told.slice(before), [
    { address: address('10.9.0.2'), ...down },
    { address: address('fe80::2'), interface: 'a', ...down },
  ])
  world.say({ type: 'Link', dump: 0, link: { ...link, carrier: true } })
  world.settle()
  t.deepEqual([world.answer('10.9.0.2'), world.answer('fe80::2')], [0, 0])
  t.like(
    world.told.find(answer => answer.interface === 'c'),
    { why: 'there is no link c' },
  )
})

test('only what has changed is told', t => {
  const world = begin()
  world.track('10.9.0.2', '10.8.0.2')
  world.settle()
  t.is(world.told.length, 2)
  world.pass(200_000)
  t.is(world.told.length, 2, 'two dumps asked for all again')
  world.kernel.setLink('b', false)
  world.settle()
  t.deepEqual(
    world.told.slice(2).map(({ address, why }) => [address, why]),
    [
      ['10.8.0.2', 'b is down'],
      ['10.8.0.2', 'no route to 10.8.0.2'],
    ],
    'what the link says, then what the kernel says without it',
  )
})

test('a speaker that comes anew is told all again, and what it does not name is forgotten', t => {
  const world = begin()
  world.track('10.9.0.2', '10.8.0.2')
  world.settle()
  world.say({ type: 'SpeakerDown' })
  world.told.length = 0
  world.say({ type: 'SpeakerUp' })
  world.say({ type: 'Begin', epoch: 2 as never })
  world.track('10.9.0.2')
  world.say({ type: 'InSync', epoch: 2 as never })
  world.settle()
  t.deepEqual(
    world.told.map(answer => answer.address),
    [address('10.9.0.2')],
  )
  t.is(world.engine.held().nextHops, 1)
  world.untrack('10.9.0.2')
  t.is(world.engine.held().nextHops, 0)
})

test('routes go through the gateway to their next hop, and move with it', t => {
  const world = begin()
  world.hand('add', '0.0.0.0/0', '10.9.0.3', 99, 100)
  world.track(FAR)
  world.say({ type: 'Group', id: group(1), hops: hopsOf(FAR), metric: NO_METRIC })
  world.route({ '203.0.113.0/24': 1, '198.51.100.0/24': 1 })
  world.settle()
  t.deepEqual(world.ours(), ['198.51.100.0/24 10.9.0.3', '203.0.113.0/24 10.9.0.3'])
  t.deepEqual(
    world.codes().filter(code => code === 'NEXT_HOP_REFUSED'),
    [],
    'never tried as it is',
  )
  world.hand('add', '192.0.2.0/24', '10.8.0.3,10.9.0.4', 99, 10)
  world.settle()
  t.deepEqual(world.ours(), [
    '198.51.100.0/24 10.8.0.3,10.9.0.4',
    '203.0.113.0/24 10.8.0.3,10.9.0.4',
  ])
  world.hand('delete', '192.0.2.0/24', '10.8.0.3', 99, 10)
  world.settle()
  t.deepEqual(world.ours(), ['198.51.100.0/24 10.9.0.3', '203.0.113.0/24 10.9.0.3'])
  t.is(world.snapshot().installed, 2)
})

test('next hops behind one gateway are one way out', t => {
  const world = begin()
  world.hand('add', '0.0.0.0/0', '10.9.0.3', 99, 100)
  world.hand('add', '::/0', '2001:db8:9::3', 99, 100)
  const [second, second6] = ['192.0.2.2', '2001:db8:ff::2']
  world.track(FAR, second, FAR_6, second6)
  world.say({ type: 'Group', id: group(1), hops: hopsOf(FAR, second), metric: NO_METRIC })
  world.say({ type: 'Group', id: group(2), hops: hopsOf(FAR_6, second6), metric: NO_METRIC })
  world.say({ type: 'Group', id: group(3), hops: hopsOf(FAR, '10.8.0.2'), metric: NO_METRIC })
  world.route({ '203.0.113.0/24': 1, '2001:db8:1::/48': 2, '198.51.100.0/24': 3 })
  world.settle()
  t.deepEqual(world.ours(), [
    '198.51.100.0/24 10.8.0.2,10.9.0.3',
    '2001:db8:1::/48 2001:db8:9::3',
    '203.0.113.0/24 10.9.0.3',
  ])
})

test('a route of ours that covers its own next hop neither keeps it alive nor takes its way', t => {
  for (let seed = 1; seed <= 40; seed++) {
    const world = begin(seed)
    world.hand('add', '0.0.0.0/0', '10.9.0.3', 99, 100)
    world.track(FAR)
    world.say({ type: 'Group', id: group(1), hops: hopsOf(FAR), metric: NO_METRIC })
    world.route({ '192.0.2.0/24': 1 })
    world.settle()
    t.deepEqual(world.ours(), ['192.0.2.0/24 10.9.0.3'])
    t.is(world.answer(FAR), 100)
    world.pass(200_000)
    t.is(world.answer(FAR), 100, 'still the metric of the route under it')
    t.is(world.told.length, 1)
    world.hand('replace', '0.0.0.0/0', '10.8.0.3', 99, 100)
    world.pass(100)
    t.deepEqual(world.ours(), ['192.0.2.0/24 10.8.0.3'], `seed ${seed}`)
    world.hand('delete', '0.0.0.0/0', '10.8.0.3', 99, 100)
    world.pass(100)
    t.is(world.answer(FAR), `no route to ${FAR}`, `seed ${seed}`)
  }
})

test('a dataplane that starts again leaves such a route as it is', t => {
  const world = begin()
  world.hand('add', '0.0.0.0/0', '10.9.0.3', 99, 100)
  const speak = (): void => {
    world.track(FAR)
    world.say({ type: 'Group', id: group(1), hops: hopsOf(FAR), metric: NO_METRIC })
    world.route({ '192.0.2.0/24': 1, '203.0.113.0/24': 1 })
  }
  speak()
  world.settle()
  world.start()
  world.settle()
  world.speak(1, [], {})
  speak()
  world.pass(100)
  t.is(world.socket.changes, 0)
  t.is(world.answer(FAR), 100)
  t.is(world.snapshot().installed, 2)
})

test('no more than 4,096 next hops are tracked, and those beyond are used as they are', t => {
  const world = begin()
  const all = Array.from({ length: 4_100 }, (_, at) => `10.9.${at >> 8}.${at & 255}`)
  world.address('a', '10.9.0.1/16')
  world.track(...all)
  world.settle()
  t.is(world.answers.size, 4_096)
  const [last] = all.slice(-1)
  world.say({ type: 'Group', id: group(1), hops: hopsOf(last!), metric: NO_METRIC })
  world.route({ '203.0.113.0/24': 1 })
  world.settle()
  t.deepEqual(world.ours(), [`203.0.113.0/24 ${last}`])
})

test('a host route that the node itself wants leads to its address, and its end ends that', t => {
  for (let seed = 1; seed <= 20; seed++) {
    const world = begin(seed)
    world.track(FAR, '192.0.2.2')
    world.say({ type: 'Group', id: group(1), hops: hopsOf('10.9.0.2'), metric: NO_METRIC })
    world.say({ type: 'Group', id: group(2), hops: hopsOf(FAR), metric: NO_METRIC })
    world.route({ '192.0.2.0/24': 1 })
    world.settle()
    t.is(
      world.answer(FAR),
      `no route to ${FAR}`,
      'a route of the speaker leads there, and counts not',
    )
    world.intend([], [], { [FAR]: '10.8.0.7' })
    world.route({ '203.0.113.0/24': 2 })
    world.pass(100)
    t.is(world.answer(FAR), 1024, `seed ${seed}`)
    t.is(world.answer('192.0.2.2'), 'no route to 192.0.2.2')
    t.true(world.ours().includes('203.0.113.0/24 10.8.0.7'))
    world.intend([], [], { [FAR]: '10.8.0.6' })
    world.pass(100)
    t.true(world.ours().includes('203.0.113.0/24 10.8.0.6'), `seed ${seed}`)
    world.intend([])
    world.pass(100)
    t.is(world.answer(FAR), `no route to ${FAR}`, `seed ${seed}`)
  }
})
