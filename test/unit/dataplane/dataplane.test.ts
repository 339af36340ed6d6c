/** The kernel half on a simulated kernel, on a clock of its own. */
import test from 'ava'
import { millis, NEVER } from '../../../src/core/base/index.ts'
import { NO_METRIC } from '../../../src/core/fib/index.ts'
import { DataplaneWorld, epoch, group, hopsOf, nlriOf } from '../../support/dataplane-world.ts'

const A = hopsOf('10.9.0.2')
const B = hopsOf('10.8.0.2')
const SIX = hopsOf('2001:db8:9::2')

test('what the speaker and the intent want is in the kernel', t => {
  const world = new DataplaneWorld()
  world.intend(['10.200.0.0/24'])
  world.speak(1, [A, hopsOf('10.9.0.2', '10.8.0.2'), SIX], {
    '10.200.1.0/24': 1,
    '10.200.2.0/24': 2,
    'fd00:2::/64': 3,
  })
  world.settle()
  t.deepEqual(world.ours(), [
    '10.200.0.0/24 blackhole',
    '10.200.1.0/24 10.9.0.2',
    '10.200.2.0/24 10.8.0.2,10.9.0.2',
    'fd00:2::/64 2001:db8:9::2',
  ])
  t.like(world.snapshot(), { wanted: 4, installed: 4, pending: 0, failed: 0, stale: 0 })
})

test('nothing is written before the kernel was read', t => {
  const world = new DataplaneWorld()
  world.kernel.faults.interruptDumps = 3
  world.speak(1, [A], { '10.200.1.0/24': 1 })
  world.settle()
  t.is(world.socket.changes, 0)
  t.like(world.snapshot(), { pending: 1 })
  world.pass(2_000)
  t.deepEqual(world.ours(), ['10.200.1.0/24 10.9.0.2'])
  t.is(world.codes().filter(code => code === 'KERNEL_DUMP_FAILED').length, 3)
})

test('a dataplane that was killed adopts what is there and writes nothing', t => {
  const world = new DataplaneWorld()
  const routes = { '10.200.1.0/24': 1, '10.200.2.0/24': 2, 'fd00:2::/64': 3 }
  const groups = [A, hopsOf('10.9.0.2', '10.8.0.2'), SIX]
  world.intend(['10.200.0.0/24', 'fd00:1::/64'])
  world.speak(1, groups, routes)
  world.settle()
  const before = world.ours()
  world.start()
  world.settle()
  t.like(world.snapshot(), { installed: 0, stale: 5 })
  world.intend(['10.200.0.0/24', 'fd00:1::/64'])
  world.speak(1, groups, routes)
  world.settle()
  t.is(world.socket.changes, 0)
  t.deepEqual(world.ours(), before)
  t.like(world.snapshot(), { installed: 5, stale: 0, repaired: 0 })
})

test('what an earlier speaker wanted is preserved by this dataplane, or found in the kernel', t => {
  const world = new DataplaneWorld()
  world.intend(['10.200.0.0/24'])
  world.settle()
  t.false(world.engine.preserved, 'the node’s own blackholes are nobody’s routes')
  world.say({ type: 'SpeakerUp' })
  t.false(world.engine.preserved, 'it has not said anything')
  world.speak(1, [A], { '10.200.1.0/24': 1 })
  world.settle()
  t.true(world.engine.preserved)
  world.say({ type: 'SpeakerDown' })
  t.true(world.engine.preserved)
  world.start()
  t.false(world.engine.preserved, 'the kernel was not read yet')
  world.settle()
  t.true(world.engine.preserved)
})

test('what nobody repeats goes after InSync, and not before', t => {
  const world = new DataplaneWorld()
  world.intend([])
  world.speak(1, [A], { '10.200.1.0/24': 1, '10.200.2.0/24': 1 })
  world.settle()
  world.say({ type: 'SpeakerDown' })
  world.settle()
  t.like(world.snapshot(), { installed: 0, stale: 2, speaker: 'down', inSync: false })
  world.say({ type: 'SpeakerUp' })
  world.say({ type: 'Begin', epoch: epoch(2) })
  world.say({ type: 'Group', id: group(1), hops: A, metric: NO_METRIC })
  world.route({ '10.200.1.0/24': 1 })
  world.pass(60_000)
  t.is(world.ours().length, 2)
  t.like(world.snapshot(), { installed: 1, stale: 1 })
  world.say({ type: 'InSync', epoch: epoch(2) })
  world.settle()
  t.deepEqual(world.ours(), ['10.200.1.0/24 10.9.0.2'])
  t.like(world.snapshot(), { installed: 1, stale: 0, inSync: true })
})

test('InSync of another epoch sweeps nothing', t => {
  const world = new DataplaneWorld()
  world.speak(1, [A], { '10.200.1.0/24': 1 })
  world.settle()
  world.say({ type: 'Begin', epoch: epoch(3) })
  world.say({ type: 'InSync', epoch: epoch(2) })
  world.pass(1_000)
  t.is(world.ours().length, 1)
  t.true(world.codes().includes('SPEAKER_MISTAKE'))
})

test('a withdrawal before InSync waits for it', t => {
  const world = new DataplaneWorld()
  world.speak(1, [A], { '10.200.1.0/24': 1 })
  world.settle()
  world.say({ type: 'Begin', epoch: epoch(2) })
  world.withdraw('10.200.1.0/24')
  world.settle()
  t.is(world.ours().length, 1)
  world.say({ type: 'InSync', epoch: epoch(2) })
  world.settle()
  t.deepEqual(world.ours(), [])
})

test('a speaker that stays away gives up its routes after `stale`', t => {
  const world = new DataplaneWorld(1, { stale: millis(5_000) })
  world.intend(['10.200.0.0/24'])
  world.speak(1, [A], { '10.200.1.0/24': 1 })
  world.settle()
  world.say({ type: 'SpeakerDown' })
  world.pass(4_900)
  t.is(world.ours().length, 2)
  world.pass(200)
  t.deepEqual(world.ours(), ['10.200.0.0/24 blackhole'])
})

test('`stale` NEVER keeps them', t => {
  const world = new DataplaneWorld(1, { stale: NEVER })
  world.speak(1, [A], { '10.200.1.0/24': 1 })
  world.settle()
  world.say({ type: 'SpeakerDown' })
  world.pass(600_000)
  t.is(world.ours().length, 1)
})

test('adopted routes without a speaker are given up after `stale` too', t => {
  const world = new DataplaneWorld(1, { stale: millis(5_000) })
  world.hand('add', '10.200.1.0/24', '10.9.0.2', 80)
  world.pass(4_000)
  t.is(world.ours().length, 1)
  world.pass(2_000)
  t.is(world.ours().length, 0)
})

test('blackholes of a former life wait for the intent, routes do not', t => {
  const world = new DataplaneWorld()
  world.hand('add', '10.200.0.0/24', 'blackhole', 80)
  world.hand('add', '10.200.9.0/24', '10.9.0.2', 80)
  world.speak(1, [A], {})
  world.settle()
  t.deepEqual(world.ours(), ['10.200.0.0/24 blackhole'])
  world.intend(['10.201.0.0/24'])
  world.settle()
  t.deepEqual(world.ours(), ['10.201.0.0/24 blackhole'])
})

test('the intent goes before the speaker, and leaves its place again', t => {
  const world = new DataplaneWorld()
  world.speak(1, [A], { '10.200.0.0/24': 1 })
  world.intend(['10.200.0.0/24'])
  world.settle()
  t.deepEqual(world.ours(), ['10.200.0.0/24 blackhole'])
  world.intend([])
  world.settle()
  t.deepEqual(world.ours(), ['10.200.0.0/24 10.9.0.2'])
})

test('a host route of the intent goes before the speaker, changes its gateway, and goes', t => {
  const world = new DataplaneWorld()
  world.speak(1, [A], { '192.0.2.9/32': 1, '10.200.1.0/24': 1 })
  const host = (routes: Readonly<Record<string, string>>): string[] => {
    world.intend(['10.200.0.0/24'], [], routes)
    world.settle()
    return world.ours()
  }
  const others = ['10.200.0.0/24 blackhole', '10.200.1.0/24 10.9.0.2']
  t.deepEqual(host({ '192.0.2.9': '10.8.0.7', '192.0.2.8': '10.8.0.7' }), [
    ...others,
    '192.0.2.8/32 10.8.0.7',
    '192.0.2.9/32 10.8.0.7',
  ])
  t.like(world.snapshot(), { installed: 4, stale: 0, failed: 0 })
  // the speaker's silence in a new epoch says nothing of it
  world.speak(2, [A], { '10.200.1.0/24': 1 })
  t.deepEqual(host({ '192.0.2.9': '10.8.0.6' }), [...others, '192.0.2.9/32 10.8.0.6'])
  t.deepEqual(host({}), others)
})

test('a change of next hop is a replacement: there is no moment without a route', t => {
  const world = new DataplaneWorld()
  world.speak(1, [A, B], { '10.200.1.0/24': 1, 'fd00:2::/64': 1 })
  world.settle()
  world.route({ '10.200.1.0/24': 2 })
  do t.true(world.ours().some(route => route.startsWith('10.200.1.0/24')))
  while (world.step())
  world.settle()
  t.true(world.ours().includes('10.200.1.0/24 10.8.0.2'))
})

test('a next hop that is not reachable yet is asked for once, not by each of its routes', t => {
  const world = new DataplaneWorld()
  const routes: Record<string, number> = {}
  for (let at = 0; at < 3_000; at++) routes[`20.${at >> 8}.${at & 255}.0/24`] = 1
  world.speak(1, [hopsOf('10.7.0.2')], routes)
  world.settle()
  t.like(world.snapshot(), { failed: 3_000, installed: 0 })
  const asked = world.socket.changes
  t.true(asked <= 1_000, `${asked} changes`)
  world.pass(60_000)
  // eagerly for two seconds after the links were read, then every ten
  t.true(world.socket.changes - asked < 40)
  world.address('b', '10.7.0.1/24')
  world.pass(1)
  t.like(world.snapshot(), { failed: 0, installed: 3_000 })
  t.deepEqual(
    world.codes().filter(code => code.startsWith('NEXT_HOP')),
    ['NEXT_HOP_REFUSED', 'NEXT_HOP_BACK'],
  )
})

test('a link that does not exist yet is waited for', t => {
  const world = new DataplaneWorld()
  world.speak(1, [hopsOf('fe80::2%late')], { 'fd00:2::/64': 1 })
  world.pass(1_000)
  t.is(world.socket.changes, 0)
  t.is(world.snapshot().failed, 1)
  world.kernel.addLink('late')
  world.pass(1)
  t.deepEqual(world.ours(), ['fd00:2::/64 fe80::2'])
})

test('routes of a link are back when it is, though the kernel took them out without a word', t => {
  const world = new DataplaneWorld()
  world.speak(1, [A, hopsOf('fe80::2%a')], { '10.200.1.0/24': 1, 'fd00:2::/64': 2 })
  world.settle()
  world.kernel.setLink('a', false)
  world.pass(5_000)
  t.deepEqual(world.ours(), [])
  t.like(world.snapshot(), { installed: 0, failed: 2 })
  world.kernel.setLink('a', true)
  world.pass(100)
  t.is(world.ours().length, 2)
  t.is(world.snapshot().repaired, 0)
})

test('a link with IPv4 alone goes down without a word about routes, and it is noticed', t => {
  const world = new DataplaneWorld()
  world.speak(1, [B], { '10.200.1.0/24': 1 })
  world.settle()
  world.kernel.setLink('b', false)
  world.pass(100)
  t.like(world.snapshot(), { installed: 0, failed: 1 })
})

test('a walk visits what was there, however many rows come before it meanwhile', t => {
  const world = new DataplaneWorld()
  world.speak(1, [A, SIX], {})
  world.settle()
  world.route({ 'fd00:2::/64': 2 })
  // the walk of this InSync has not begun when a hundred rows come
  world.speak(2, [A, SIX], {})
  world.route(Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`20.0.${at}.0/24`, 1])))
  world.settle()
  t.is(world.ours().length, 100)
  t.like(world.snapshot(), { installed: 100, stale: 0 })
})

test('links that come do not make the table be read again, links that go do', t => {
  const world = new DataplaneWorld()
  world.speak(1, [A], { '10.200.1.0/24': 1 })
  world.settle()
  const { lastSync } = world.snapshot()
  for (let pod = 0; pod < 20; pod++) {
    world.kernel.addLink(`pod${pod}`)
    world.pass(100)
  }
  t.is(world.snapshot().lastSync, lastSync)
  world.kernel.deleteLink('pod3')
  world.pass(100)
  t.not(world.snapshot().lastSync, lastSync)
})

test('what a notification says during a dump is not undone by an older word of the dump', t => {
  let undone = 0
  for (let seed = 0; seed < 200; seed++) {
    const world = new DataplaneWorld(seed, { resync: millis(1e9) })
    const routes: Record<string, number> = {}
    for (let at = 0; at < 30; at++) routes[`20.0.${at}.0/24`] = 1
    world.speak(1, [A], routes)
    world.settle()
    // a dump runs, and meanwhile somebody deletes
    world.kernel.setLink('b', false)
    world.pass(19)
    world.now = millis(world.now + 1)
    for (let steps = 0; steps < seed % 12; steps++) world.step()
    world.hand('delete', '20.0.7.0/24', '10.9.0.2', 80)
    for (let steps = 0; steps < seed % 5; steps++) world.step()
    world.hand('delete', '20.0.20.0/24', '10.9.0.2', 80)
    world.pass(1_000)
    if (world.ours().length !== 30) undone++
  }
  t.is(undone, 0)
})

test('a change by a stranger while ours is in flight is not taken for an earlier one', t => {
  let undone = 0
  for (let seed = 0; seed < 200; seed++) {
    const world = new DataplaneWorld(seed, { resync: millis(1e9) })
    world.speak(1, [A, B], { '10.200.1.0/24': 1 })
    world.settle()
    world.route({ '10.200.1.0/24': 2 })
    for (let steps = 0; steps < 1 + (seed % 4); steps++) world.step()
    world.hand('delete', '10.200.1.0/24', '10.9.0.2', 80)
    world.pass(1_000)
    if (world.ours().join() !== '10.200.1.0/24 10.8.0.2') undone++
  }
  t.is(undone, 0)
})

test('a link that is made again has another index, and its routes go there', t => {
  const world = new DataplaneWorld()
  world.speak(1, [hopsOf('fe80::2%a')], { 'fd00:2::/64': 1 })
  world.settle()
  const [before] = world.kernel.routes(254)
  world.kernel.deleteLink('a')
  world.kernel.addLink('a')
  world.pass(100)
  const [after] = world.kernel.routes(254)
  t.is(after?.target.hops[0]?.link, world.kernel.indexOf('a'))
  t.not(after?.target.key, before?.target.key)
})

test('a lost notification costs a dump, not a route', t => {
  const world = new DataplaneWorld()
  world.speak(1, [A], { '10.200.1.0/24': 1, '10.200.2.0/24': 1 })
  world.settle()
  world.kernel.faults.loseNotifications = 2
  world.hand('delete', '10.200.1.0/24', '10.9.0.2', 80)
  world.hand('delete', '10.200.2.0/24', '10.9.0.2', 80)
  world.pass(1_000)
  t.is(world.ours().length, 2)
  t.is(world.snapshot().repaired, 2)
})

test('a refusal of one route is tried again with growing pauses', t => {
  const world = new DataplaneWorld()
  let asked = 0
  world.kernel.faults.refuse = prefix => {
    if (prefix !== '10.200.1.0/24') return 0
    asked++
    return asked < 6 ? 12 : 0
  }
  world.speak(1, [A], { '10.200.1.0/24': 1, '10.200.2.0/24': 1 })
  world.settle()
  t.is(asked, 1)
  t.like(world.snapshot(), { installed: 1, failed: 1, failures: 1 })
  t.is(world.snapshot().lastFailure?.error, 'ENOMEM (out of memory)')
  world.pass(500)
  t.true(asked > 1 && asked < 6)
  world.pass(10_000)
  t.is(world.ours().length, 2)
})

test('answers that were lost are asked for again', t => {
  const world = new DataplaneWorld()
  let left = 3
  world.kernel.faults.refuse = () => (left-- > 0 ? 105 : 0)
  world.speak(1, [A], { '10.200.1.0/24': 1, '10.200.2.0/24': 1, '10.200.3.0/24': 1 })
  world.pass(5_000)
  t.is(world.ours().length, 3)
})

test('at routesMax what is there may change, and no more comes until something goes', t => {
  const world = new DataplaneWorld(1, { routesMax: 2 })
  world.intend([], ['10.200.0.0/16'])
  world.speak(1, [A, B], { '10.200.1.0/24': 1, '10.200.2.0/24': 1, '10.200.3.0/24': 1 })
  world.pass(1_000)
  t.is(world.ours().length, 2)
  t.like(world.snapshot(), { installed: 2, failed: 1 })
  t.is(world.codes().filter(code => code === 'ROUTES_FULL').length, 1)
  world.route({ '10.200.1.0/24': 2 })
  world.settle()
  t.true(world.ours().includes('10.200.1.0/24 10.8.0.2'))
  world.withdraw('10.200.1.0/24')
  world.settle()
  t.deepEqual(world.ours(), ['10.200.2.0/24 10.9.0.2', '10.200.3.0/24 10.9.0.2'])
})

test('routes of ours at another metric go once all is known', t => {
  const world = new DataplaneWorld()
  world.hand('add', '10.200.1.0/24', '10.9.0.2', 80, 50)
  world.hand('add', '10.200.0.0/24', 'blackhole', 80, 50)
  world.pass(1_000)
  t.is(world.ours().length, 2)
  world.intend(['10.200.0.0/24'])
  world.speak(1, [A], { '10.200.1.0/24': 1 })
  world.pass(1_000)
  t.deepEqual(
    world.kernel.routes(254).map(route => route.metric),
    [1024, 1024],
  )
})

test('deletions go after what is written, more specific ones first', t => {
  const world = new DataplaneWorld()
  world.speak(1, [A], { '10.200.0.0/16': 1, '10.200.1.0/24': 1, '10.200.1.128/25': 1 })
  world.settle()
  const asked: string[] = []
  world.kernel.faults.refuse = (prefix, verb) => {
    asked.push(`${verb} ${prefix}`)
    return 0
  }
  world.withdraw('10.200.0.0/16', '10.200.1.128/25', '10.200.1.0/24')
  world.route({ '10.200.0.0/20': 1 })
  world.settle()
  t.deepEqual(asked, [
    'add 10.200.0.0/20',
    'delete 10.200.1.128/25',
    'delete 10.200.1.0/24',
    'delete 10.200.0.0/16',
  ])
})

test('ten changes of a route while it waits are one', t => {
  const world = new DataplaneWorld()
  world.speak(1, [A, B], {})
  world.settle()
  for (let at = 0; at < 10; at++) world.route({ '10.200.1.0/24': 1 + (at % 2) })
  world.settle()
  t.is(world.socket.changes, 1)
  t.deepEqual(world.ours(), ['10.200.1.0/24 10.8.0.2'])
})

test('what the speaker says that cannot be is noted and not done', t => {
  const world = new DataplaneWorld()
  world.say({ type: 'SpeakerUp' })
  world.route({ '10.200.1.0/24': 1 })
  world.say({ type: 'Begin', epoch: epoch(1) })
  world.route({ '10.200.1.0/24': 7 })
  world.say({ type: 'Group', id: group(1), hops: [], metric: NO_METRIC })
  world.say({ type: 'Routes', family: 'ipv4', nlri: Uint8Array.of(33, 1, 2, 3, 4, 5), groups: [1] })
  world.say({ type: 'Routes', family: 'ipv4', nlri: Uint8Array.of(24, 1, 2), groups: [1] })
  world.settle()
  t.is(world.codes().filter(code => code === 'SPEAKER_MISTAKE').length, 5)
  t.deepEqual(world.ours(), [])
})

test('groups of a dead epoch do not name routes of the next', t => {
  const world = new DataplaneWorld()
  world.speak(1, [A], { '10.200.1.0/24': 1 })
  world.settle()
  world.say({ type: 'Begin', epoch: epoch(2) })
  world.say({ type: 'Routes', family: 'ipv4', nlri: nlriOf(['10.200.2.0/24']), groups: [1] })
  world.settle()
  t.is(world.ours().length, 1)
  t.is(world.codes().filter(code => code === 'SPEAKER_MISTAKE').length, 1)
})

test('a snapshot lists watched routes in order, and says the same until something changes', t => {
  const world = new DataplaneWorld()
  world.speak(1, [A], { '10.200.9.0/24': 1, '10.200.1.0/24': 1, '20.0.0.0/24': 1 })
  world.intend(['10.200.5.0/24'], ['10.200.0.0/16'])
  world.settle()
  const first = world.snapshot()
  t.deepEqual(
    first.routes.map(({ prefix, state }) => `${prefix} ${state}`),
    ['10.200.1.0/24 installed', '10.200.5.0/24 installed', '10.200.9.0/24 installed'],
  )
  world.pass(1_000)
  const second = world.snapshot()
  t.is(second.version, first.version)
  t.not(second.at, first.at)
  world.withdraw('10.200.9.0/24')
  world.settle()
  t.is(world.snapshot().routes.length, 2)
  t.not(world.snapshot().version, first.version)
})

test('the table is read again after `resync`, and what is missing is put back', t => {
  const world = new DataplaneWorld()
  world.speak(1, [A], { '10.200.1.0/24': 1 })
  world.settle()
  const { lastSync } = world.snapshot()
  world.pass(100_000)
  t.true((world.snapshot().lastSync ?? 0) > (lastSync ?? 0))
  t.is(world.socket.changes, 1)
})

test('nothing is left of routes that have gone', t => {
  const world = new DataplaneWorld()
  world.intend([])
  for (let round = 1; round < 20; round++) {
    world.speak(round, [hopsOf(`10.9.0.${round + 1}`)], { [`10.200.${round}.0/24`]: 1 })
    world.settle()
  }
  world.speak(20, [], {})
  world.settle()
  t.deepEqual(world.ours(), [])
  t.like(world.snapshot(), { wanted: 0, installed: 0, stale: 0 })
  t.deepEqual(world.engine.held(), { prefixes: 0, groups: 0, targets: 0, nextHops: 0 })
})
