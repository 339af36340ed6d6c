/** Hands other than ours in the table: what they take out comes back, what is theirs stays theirs. */
import test from 'ava'
import { DataplaneWorld, hopsOf } from '../../support/dataplane-world.ts'

const A = hopsOf('10.9.0.2')
const B = hopsOf('10.8.0.2')

test('a route of ours that somebody deletes is back at once', t => {
  const world = new DataplaneWorld()
  world.speak(1, [A], { '10.200.1.0/24': 1 })
  world.settle()
  t.is(world.hand('delete', '10.200.1.0/24', '10.9.0.2', 80), 0)
  world.settle()
  t.deepEqual(world.ours(), ['10.200.1.0/24 10.9.0.2'])
  t.is(world.snapshot().repaired, 1)
})

test('a route of ours that somebody changes is as it was', t => {
  const world = new DataplaneWorld()
  world.speak(1, [A], { '10.200.1.0/24': 1 })
  world.settle()
  world.hand('replace', '10.200.1.0/24', '10.8.0.2', 80)
  world.settle()
  t.deepEqual(world.ours(), ['10.200.1.0/24 10.9.0.2'])
  t.is(world.snapshot().repaired, 1)
})

test('who deletes again and again is met less and less often, and not given up', t => {
  const world = new DataplaneWorld()
  world.speak(1, [A], { '10.200.1.0/24': 1 })
  world.settle()
  let back = 0
  for (let at = 0; at < 1_000; at++) {
    if (world.hand('delete', '10.200.1.0/24', '10.9.0.2', 80) === 0) back++
    world.pass(10)
  }
  t.true(back > 5 && back < 20, `${back} repairs in ten seconds`)
  t.true(world.codes().includes('ROUTE_CONTESTED'))
  world.pass(60_000)
  t.is(world.ours().length, 1)
})

test('a stranger in our place is left alone, and we come when it goes', t => {
  const world = new DataplaneWorld()
  world.intend([], ['10.200.0.0/16'])
  world.hand('add', '10.200.1.0/24', '10.8.0.2')
  world.speak(1, [A], { '10.200.1.0/24': 1 })
  world.pass(1_000)
  t.deepEqual(world.foreign(), ['10.200.1.0/24 10.8.0.2'])
  t.deepEqual(world.ours(), [])
  t.deepEqual(world.snapshot().routes, [
    {
      prefix: '10.200.1.0/24',
      state: 'foreign',
      error: 'EEXIST (another route has this destination and metric)',
      owner: 'speaker',
    },
  ])
  world.hand('delete', '10.200.1.0/24', '10.8.0.2')
  world.settle()
  t.deepEqual(world.ours(), ['10.200.1.0/24 10.9.0.2'])
})

test('a stranger that takes our place has it', t => {
  const world = new DataplaneWorld()
  world.speak(1, [A], { '10.200.1.0/24': 1 })
  world.settle()
  world.hand('replace', '10.200.1.0/24', '10.8.0.2', 99)
  world.pass(200_000)
  t.deepEqual(world.foreign(), ['10.200.1.0/24 10.8.0.2'])
  t.deepEqual(world.ours(), [])
  t.is(world.snapshot().failed, 1)
})

test('a stranger that leaves unheard is noticed by the next dump', t => {
  const world = new DataplaneWorld()
  world.hand('add', '10.200.1.0/24', '10.8.0.2')
  world.speak(1, [A], { '10.200.1.0/24': 1 })
  world.pass(1_000)
  world.kernel.faults.loseNotifications = 1
  world.hand('delete', '10.200.1.0/24', '10.8.0.2')
  world.pass(1_000)
  t.deepEqual(world.ours(), ['10.200.1.0/24 10.9.0.2'])
})

test('while a stranger is beside ours, ours is not replaced', t => {
  const world = new DataplaneWorld()
  world.speak(1, [A, B], { '10.200.1.0/24': 1 })
  world.settle()
  world.hand('append', '10.200.1.0/24', '10.8.0.9')
  world.pass(1_000)
  const changes = world.socket.changes
  world.route({ '10.200.1.0/24': 2 })
  world.pass(1_000)
  t.is(world.socket.changes, changes)
  t.is(world.snapshot().failed, 1)
  world.hand('delete', '10.200.1.0/24', '10.8.0.9')
  world.settle()
  t.deepEqual(world.ours(), ['10.200.1.0/24 10.8.0.2'])
})

test('a stranger that stands before ours when we start is seen, and not replaced', t => {
  const world = new DataplaneWorld()
  world.hand('add', '10.200.1.0/24', '10.8.0.9')
  world.hand('append', '10.200.1.0/24', '10.9.0.2', 80)
  world.start()
  world.settle()
  world.speak(1, [B], { '10.200.1.0/24': 1 })
  world.pass(1_000)
  t.deepEqual(world.foreign(), ['10.200.1.0/24 10.8.0.9'])
  t.deepEqual(world.ours(), ['10.200.1.0/24 10.9.0.2'])
  t.is(world.snapshot().failed, 1)
})
