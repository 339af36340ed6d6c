/** Nexthop objects: what moves routes, what does not, and what is left to others. */
import test from 'ava'
import { DataplaneWorld, hopsOf } from '../../support/dataplane-world.ts'

const HAND = 0x7000_0000

/** A world in which `count` routes lead to both links, and all is written. */
function spread(count: number): DataplaneWorld {
  const world = new DataplaneWorld(1, { nexthopObjects: true })
  const texts = Array.from({ length: count }, (_, at) => `20.${at >> 8}.${at & 255}.0/24`)
  world.intend([])
  world.speak(1, BOTH_AND_ONE, Object.fromEntries(texts.map(text => [text, 1])))
  world.pass(1_000)
  return world
}

const BOTH_AND_ONE = [hopsOf('10.9.0.2', '10.8.0.2'), hopsOf('10.8.0.2')]

/** Ways of our routes, each once. */
const ways = (world: DataplaneWorld): string[] => [
  ...new Set(world.ours().map(route => route.split(' ')[1] ?? '')),
]

for (const count of [10, 1_000])
  test(`a link that goes down and comes back costs two changes for ${count} prefixes`, t => {
    const world = spread(count)
    t.deepEqual(ways(world), ['10.8.0.2,10.9.0.2'])
    const before = world.socket.changes
    world.kernel.setLink('a', false)
    world.pass(1_000)
    t.deepEqual(ways(world), ['10.8.0.2'])
    t.is(world.socket.changes - before, 0, 'the kernel has taken it out of the group')
    world.kernel.setLink('a', true)
    world.pass(1_000)
    t.deepEqual(ways(world), ['10.8.0.2,10.9.0.2'])
    // the hop, which the kernel took out with its link, and the group
    t.is(world.socket.changes - before, 2)
    t.is(world.snapshot().installed, count)
    t.is(world.snapshot().repaired, 0)
  })

test('what the speaker then says of each prefix is so already, and nothing is written', t => {
  const world = spread(1_000)
  world.kernel.setLink('a', false)
  world.pass(1_000)
  const before = world.socket.changes
  world.route(Object.fromEntries(world.ours().map(route => [route.split(' ')[0] ?? '', 2])))
  world.pass(1_000)
  t.is(world.socket.changes, before)
  t.is(world.snapshot().installed, 1_000)
})

test('a next hop that is lost while its link stands leaves its groups at once', t => {
  const world = new DataplaneWorld(1, { nexthopObjects: true })
  world.hand('add', '192.0.2.1/32', '10.9.0.9', 99, 0)
  world.hand('add', '192.0.2.2/32', '10.8.0.9', 99, 0)
  world.intend([])
  world.speak(1, [hopsOf('192.0.2.1', '192.0.2.2')], { '20.0.0.0/24': 1, '20.0.1.0/24': 1 })
  world.pass(1_000)
  t.deepEqual(ways(world), ['10.8.0.9,10.9.0.9'])
  const before = world.socket.changes
  world.hand('delete', '192.0.2.1/32', '10.9.0.9', 99, 0)
  world.pass(1_000)
  t.deepEqual(ways(world), ['10.8.0.9'])
  t.is(world.socket.changes - before, 1)
})

test('a dataplane that is started again finds its objects by what they are', t => {
  const world = spread(50)
  const before = world.kernel.objects.all()
  world.start()
  world.intend([])
  const routes = Object.fromEntries(world.ours().map(route => [route.split(' ')[0] ?? '', 2]))
  world.speak(1, [hopsOf('10.8.0.2'), hopsOf('10.9.0.2', '10.8.0.2')], routes)
  world.pass(1_000)
  t.is(world.socket.changes, 0)
  t.deepEqual(world.kernel.objects.all(), before)
})

test('objects of others stay, and an id that one of them has is not used', t => {
  const world = new DataplaneWorld(1, { nexthopObjects: true })
  const { objects } = world.kernel
  const group = { kind: 'group', members: [{ id: 7, weight: 1 }] } as const
  const hop = { link: world.kernel.indexOf('b'), weight: 1, onlink: false }
  t.is(objects.change('add', { id: 7, protocol: 99, object: { kind: 'hop', hop } }, HAND), 0)
  for (const id of [8, 800_032_768])
    t.is(objects.change('add', { id, protocol: 99, object: group }, HAND), 0)
  const before = objects.all()
  world.intend([])
  world.speak(1, BOTH_AND_ONE, { '20.0.0.0/24': 1 })
  world.pass(1_000)
  t.deepEqual(ways(world), ['10.8.0.2,10.9.0.2'])
  t.true(world.notes.some(note => note.code === 'NEXT_HOP_ID_TAKEN' && note.id === 800_032_768))
  world.speak(2, [], {})
  world.pass(1_000)
  t.deepEqual(objects.all(), before)
})

test('an object that somebody deletes is made again, with its routes', t => {
  const world = spread(20)
  const group = world.kernel.objects.all().find(({ object }) => object.kind === 'group')
  t.is(group && world.kernel.objects.change('delete', group, HAND), 0)
  t.is(world.ours().length, 0)
  world.pass(1_000)
  t.is(world.ours().length, 20)
  t.deepEqual(ways(world), ['10.8.0.2,10.9.0.2'])
})

test('where the kernel has no objects, routes have hops of their own', t => {
  const world = new DataplaneWorld(1, { nexthopObjects: true })
  world.kernel.faults.noObjects = true
  world.intend([])
  world.speak(1, BOTH_AND_ONE, { '20.0.0.0/24': 1 })
  world.pass(1_000)
  t.deepEqual(ways(world), ['10.8.0.2,10.9.0.2'])
  t.is(world.kernel.objects.all().length, 0)
})

test('routes through objects go back to hops of their own without a gap, and the objects go', t => {
  const world = spread(20)
  world.start({ nexthopObjects: false })
  world.intend([])
  const routes = Object.fromEntries(world.ours().map(route => [route.split(' ')[0] ?? '', 1]))
  world.speak(1, BOTH_AND_ONE, routes)
  let least = 20
  for (let steps = 0; steps < 10_000; steps++) {
    world.step()
    least = Math.min(least, world.ours().length)
  }
  world.pass(1_000)
  t.is(least, 20)
  t.deepEqual(ways(world), ['10.8.0.2,10.9.0.2'])
  t.is(world.kernel.objects.all().length, 0)
})
