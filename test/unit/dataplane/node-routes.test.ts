/**
 * Routes that the node itself wants: where they lead, whose place they take, how long they wait for
 * a link, and who has to have spoken before a leftover goes.
 */
import test from 'ava'
import { millis } from '../../../src/core/base/index.ts'
import type { DataplaneIntent, NodeRoute, NodeRouteOut } from '../../../src/core/dataplane/index.ts'
import { address, prefix } from '../../../src/core/net/index.ts'
import { ENETDOWN, type TargetHop, unicastTarget } from '../../../src/core/rtnl/index.ts'
import { DataplaneWorld, hopsOf } from '../../support/dataplane-world.ts'

const A = hopsOf('10.9.0.2')
const POD = '10.200.1.7/32'
const POD_SIX = 'fd00:1::7/128'

const onLink = (name: string, source?: string): NodeRouteOut => ({
  kind: 'device',
  interface: name,
  ...(source !== undefined && { source: address(source) }),
})

const onward = (gateway: string, name: string): NodeRouteOut => ({
  ...{ kind: 'via', gateway: address(gateway), interface: name, onlink: true },
})

function intend(
  world: DataplaneWorld,
  routes: Readonly<Record<string, NodeRouteOut>>,
  more: Partial<DataplaneIntent> = {},
): void {
  const wanted = Object.entries(routes).map(
    ([text, out]): NodeRoute => ({ prefix: prefix(text), out }),
  )
  world.say({ type: 'Intent', intent: { routes: wanted, watched: [], watchedMax: 0, ...more } })
  world.settle()
}

/** Our routes as `prefix metric target`, sorted; links by their index. */
const routesOf = (world: DataplaneWorld): string[] =>
  world.kernel
    .routes(254)
    .filter(({ protocol }) => protocol === 80)
    .map(route => `${route.prefix} ${route.metric} ${world.kernel.expand(route).target.key}`)
    .sort()

const line = (text: string, hop: Partial<TargetHop>, source?: string, metric = 1024): string => {
  const target = unicastTarget(
    [{ link: 0, weight: 1, onlink: false, ...hop }],
    source === undefined ? undefined : address(source),
  )
  return `${text} ${metric} ${target.key}`
}

for (const nexthopObjects of [false, true]) {
  const mode = nexthopObjects ? 'with nexthop objects' : 'without nexthop objects'

  test(`a destination is on a link itself, whatever is learned, ${mode}`, t => {
    const world = new DataplaneWorld(1, { nexthopObjects })
    world.speak(1, [A], { [POD]: 1 })
    intend(world, { [POD]: onLink('b'), [POD_SIX]: onLink('b', '2001:db8:9::1') })
    const link = world.kernel.indexOf('b')
    t.deepEqual(routesOf(world), [line(POD, { link }), line(POD_SIX, { link }, '2001:db8:9::1')])
    t.deepEqual(
      world.kernel.routes(254).filter(({ target }) => target.id !== undefined),
      [],
    )
    intend(world, {})
    t.deepEqual(
      world.ours(),
      [`${POD} 10.9.0.2`],
      'what was learned has its place again, the other one goes',
    )
  })

  test(`a gateway is on a link by decree, where no address says so, ${mode}`, t => {
    const world = new DataplaneWorld(2, { nexthopObjects })
    const block = '10.200.9.0/26'
    intend(world, { [block]: onward('172.16.5.5', 'b') })
    const link = world.kernel.indexOf('b')
    const gateway = address('172.16.5.5')
    t.deepEqual(routesOf(world), [line(block, { gateway, link, onlink: true })])
    t.true(world.kernel.routes(254).every(({ target }) => target.id === undefined))
    world.hand('delete', block, '10.9.0.2', 80)
    world.pass(1_000)
    t.deepEqual(routesOf(world), [line(block, { gateway, link, onlink: true })])
  })

  test(`a route waits for its link, and follows it to another index, ${mode}`, t => {
    const world = new DataplaneWorld(3, { nexthopObjects })
    intend(world, { [POD]: onLink('cali1'), [POD_SIX]: onLink('cali1') })
    world.pass(60_000)
    t.deepEqual(routesOf(world), [])
    world.kernel.addLink('cali1')
    world.pass(10)
    const routes = (): string[] => {
      const link = world.kernel.indexOf('cali1')
      return [line(POD, { link }), line(POD_SIX, { link })]
    }
    t.deepEqual(routesOf(world), routes())
    const last = world.kernel.indexOf('cali1')
    world.kernel.deleteLink('cali1')
    world.pass(1_000)
    t.deepEqual(routesOf(world), [])
    world.kernel.addLink('cali1')
    world.pass(10)
    t.not(world.kernel.indexOf('cali1'), last)
    t.deepEqual(routesOf(world), routes())
    world.kernel.setLink('cali1', false)
    world.pass(1_000)
    t.deepEqual(routesOf(world), [])
    world.kernel.setLink('cali1', true)
    world.pass(10)
    t.deepEqual(routesOf(world), routes(), 'within 10 ms, however long it waited')
  })
}

test('a route has the metric that it asks for, and changes it', t => {
  const world = new DataplaneWorld()
  const link = world.kernel.indexOf('b')
  const want = (metric?: number): void => {
    const route = { prefix: prefix(POD), out: onLink('b'), ...(metric !== undefined && { metric }) }
    world.say({ type: 'Intent', intent: { routes: [route], watched: [], watchedMax: 0 } })
    world.settle()
  }
  want(512)
  t.deepEqual(routesOf(world), [line(POD, { link }, undefined, 512)])
  want()
  t.deepEqual(routesOf(world), [line(POD, { link })])
})

test('what is learned at a lower metric goes before it: the workload has moved', t => {
  const world = new DataplaneWorld()
  const link = world.kernel.indexOf('b')
  intend(world, { [POD]: onLink('b') })
  world.speak(1, [A], { [POD]: 1 }, [512])
  world.settle()
  t.deepEqual(world.ours(), [`${POD} 10.9.0.2`])
  t.is(world.kernel.routes(254)[0]?.metric, 512)
  world.speak(2, [A], { [POD]: 1 }, [1024])
  world.settle()
  t.deepEqual(routesOf(world), [line(POD, { link })], 'at the same metric it is ours')
})

test('where the route that should try for all has nothing to try, the others do', t => {
  const world = new DataplaneWorld()
  intend(world, { [POD]: onLink('cali1'), [POD_SIX]: onLink('cali1') })
  world.pass(20_000)
  world.kernel.addLink('cali1')
  const link = world.kernel.indexOf('cali1')
  // somebody has put the one there that would try
  const target = unicastTarget([{ link, weight: 1, onlink: false }])
  const own = { table: 254, metric: 1024, protocol: 80, target }
  world.kernel.act('add', { ...own, prefix: prefix(POD) })
  world.pass(1_000)
  t.deepEqual(routesOf(world), [line(POD, { link }), line(POD_SIX, { link })])
})

test('a workload that comes costs no look at the other rows', t => {
  const world = new DataplaneWorld()
  const many = Object.fromEntries(
    Array.from({ length: 2_000 }, (_, at) => [`10.${100 + (at >> 8)}.${at & 255}.0/24`, 1]),
  )
  world.speak(1, [A], many)
  intend(world, {})
  t.true(world.engine.idle)
  const routes = [{ prefix: prefix(POD), out: onLink('b') }]
  world.say({ type: 'Intent', intent: { routes, watched: [], watchedMax: 0 } })
  let slices = 1
  while (world.engine.work(16, world.now)) slices++
  t.true(slices < 10, `${slices} slices of 16 rows`)
  world.settle()
  t.is(routesOf(world).length, 2_001)
})

test('where links come and go all the time, a doubt is answered as soon as anywhere', t => {
  const world = new DataplaneWorld()
  world.speak(1, [A], { '10.200.1.0/24': 1 })
  for (let at = 0; at < 12; at++) {
    world.kernel.addLink(`cali${at}`)
    world.kernel.deleteLink(`cali${at}`)
    world.pass(1_000)
  }
  const { now } = world
  // beside ours: whose the place is only a dump tells
  t.is(world.hand('append', '10.200.1.0/24', '10.8.0.9'), 0)
  world.pass(100)
  t.true((world.snapshot().lastSync ?? 0) > now)
})

test('a refusal says nothing of what is wanted meanwhile', t => {
  const world = new DataplaneWorld(1, { resync: millis(1e9) })
  world.kernel.addLink('cali1')
  intend(world, {})
  world.pass(1_000)
  const say = (out: NodeRouteOut): void => {
    const routes = [{ prefix: prefix(POD), out }]
    world.say({ type: 'Intent', intent: { routes, watched: [], watchedMax: 0 } })
  }
  let refused = 0
  world.kernel.faults.refuse = () => (refused++ === 0 ? ENETDOWN : 0)
  say(onLink('cali1'))
  while (world.socket.changes === 0) world.engine.work(16, world.now)
  // the batch is on its way
  say({ kind: 'blackhole' })
  world.settle()
  t.true(world.codes().includes('NEXT_HOP_REFUSED'))
  t.deepEqual(world.ours(), [`${POD} blackhole`])
})

test('a stranger’s route to a workload stays, and ours comes when it goes', t => {
  const world = new DataplaneWorld()
  world.hand('add', POD, '10.8.0.9', 3)
  intend(world, { [POD]: onLink('b') })
  world.pass(200_000)
  t.deepEqual(world.foreign(), [`${POD} 10.8.0.9`])
  t.deepEqual(routesOf(world), [])
  world.hand('delete', POD, '10.8.0.9', 3)
  world.pass(10)
  t.deepEqual(routesOf(world), [line(POD, { link: world.kernel.indexOf('b') })])
})

test('a source that is not the node’s is refused, and taken when it is', t => {
  const world = new DataplaneWorld()
  intend(world, { [POD]: onLink('b', '192.0.2.1') })
  world.pass(1_000)
  t.deepEqual(routesOf(world), [])
  t.true(world.codes().includes('NEXT_HOP_REFUSED'))
  world.address('a', '192.0.2.1/32')
  world.pass(20_000)
  t.deepEqual(routesOf(world), [line(POD, { link: world.kernel.indexOf('b') }, '192.0.2.1')])
})

/** An earlier life's routes, then a new dataplane that has heard nobody. */
function leftovers(seed: number): DataplaneWorld {
  const world = new DataplaneWorld(seed)
  const link = world.kernel.indexOf('b')
  const leave = (text: string, hop: Partial<TargetHop>): void => {
    const target = unicastTarget([{ link, weight: 1, onlink: false, ...hop }])
    const route = { table: 254, prefix: prefix(text), metric: 1024, protocol: 80, target }
    if (world.kernel.act('add', route) !== 0) throw new Error(`${text} cannot be left`)
  }
  leave(POD, {})
  leave('192.0.2.9/32', { gateway: address('10.8.0.7') })
  leave('10.200.9.0/26', { gateway: address('172.16.5.5'), onlink: true })
  leave('10.200.8.0/26', { gateway: address('10.8.0.7') })
  world.settle()
  return world
}

const prefixesOf = (world: DataplaneWorld): string[] =>
  routesOf(world).map(text => text.split(' ')[0] ?? '')

test('what an earlier life left goes when those who may have wanted it have spoken', t => {
  const speaker = leftovers(4)
  speaker.speak(1, [A], {})
  speaker.settle()
  t.deepEqual(prefixesOf(speaker), ['10.200.1.7/32', '10.200.9.0/26', '192.0.2.9/32'])
  intend(speaker, {})
  t.deepEqual(prefixesOf(speaker), [])
  const node = leftovers(5)
  intend(node, {})
  t.deepEqual(prefixesOf(node), ['10.200.8.0/26', '10.200.9.0/26', '192.0.2.9/32'])
  node.speak(1, [A], {})
  node.settle()
  t.deepEqual(prefixesOf(node), [])
})

test('what the node itself wanted goes at once, while the speaker is silent', t => {
  const world = new DataplaneWorld(6)
  world.say({ type: 'SpeakerUp' })
  intend(world, {
    [POD]: onLink('b'),
    '192.0.2.9/32': { kind: 'via', gateway: address('10.8.0.7') },
    '10.200.9.0/26': onward('172.16.5.5', 'b'),
  })
  t.is(routesOf(world).length, 3)
  intend(world, {})
  t.deepEqual(routesOf(world), [])
})

test('a next hop behind an own route to one address is reached by it', t => {
  const world = new DataplaneWorld(7)
  world.track('10.200.1.7')
  world.settle()
  t.is(world.answer('10.200.1.7'), 'no route to 10.200.1.7')
  intend(world, { [POD]: onLink('b') })
  world.pass(1_000)
  t.is(world.answer('10.200.1.7'), 0)
  intend(world, {})
  world.pass(1_000)
  t.is(world.answer('10.200.1.7'), 'no route to 10.200.1.7')
})

const workload = (name: string, mac: string): DataplaneIntent['workloads'] => [
  { interface: name, neighbours: [{ address: address('10.200.1.7'), mac }] },
]

test('a workload’s link is served when it comes, comes back, and after a dump', t => {
  const world = new DataplaneWorld(8)
  const served = (): string | undefined =>
    world.kernel.devices
      .served('cali1')
      ?.neighbours.map(({ mac }) => mac)
      .join()
  intend(world, {}, { workloads: workload('cali1', '02:00:00:00:00:01') ?? [] })
  t.is(served(), undefined)
  world.kernel.addLink('cali1')
  world.settle()
  t.is(served(), '02:00:00:00:00:01')
  intend(world, {}, { workloads: workload('cali1', '02:00:00:00:00:02') ?? [] })
  t.is(served(), '02:00:00:00:00:02')
  world.kernel.deleteLink('cali1')
  world.settle()
  t.is(served(), undefined)
  world.kernel.addLink('cali1')
  world.settle()
  t.is(served(), '02:00:00:00:00:02')
  // a link that goes asks for a dump
  world.pass(1_000)
  const asked = world.socket.servings
  world.pass(60_000)
  t.is(world.socket.servings, asked)
  world.pass(60_000)
  t.is(world.socket.servings, asked + 1, 'the dump may have missed what somebody set')
  t.false(world.codes().includes('WORKLOAD_LINK_REFUSED'))
})

/** The addresses of a link, as `address/length`, sorted. */
const addressesOf = ({ kernel }: DataplaneWorld, name: string): string[] =>
  [...kernel.addresses()]
    .filter(({ index }) => index === kernel.indexOf(name))
    .map(own => `${own.address}/${own.length}`)
    .sort()

/** An address that a link is to have, `+`, or not. */
type Own = `${'+' | '-'}${string}`

const peer = (...addresses: readonly Own[]): NonNullable<DataplaneIntent['workloads']> => [
  {
    ...{ interface: 'cali1', neighbours: [] },
    addresses: addresses.map(text => ({
      ...{ address: address(text.slice(1)), present: text.startsWith('+') },
    })),
  },
]

const PEERING = ['169.254.0.179/32', 'fd12::1/128']

test('a workload’s link has the addresses that it is to have, whoever takes them or brings them', t => {
  const world = new DataplaneWorld(9)
  const want = (...texts: readonly Own[]): void => intend(world, {}, { workloads: peer(...texts) })
  want('+169.254.0.179', '+fd12::1')
  world.kernel.addLink('cali1')
  world.address('cali1', '10.77.0.1/24')
  world.settle()
  t.deepEqual(addressesOf(world, 'cali1'), ['10.77.0.1/24', ...PEERING])
  world.kernel.deleteAddress('cali1', address('169.254.0.179'))
  world.settle()
  t.deepEqual(addressesOf(world, 'cali1'), ['10.77.0.1/24', ...PEERING])
  world.kernel.setLink('cali1', false)
  world.kernel.setLink('cali1', true)
  world.settle()
  t.deepEqual(addressesOf(world, 'cali1'), ['10.77.0.1/24', ...PEERING])
  world.kernel.deleteLink('cali1')
  world.kernel.addLink('cali1')
  world.settle()
  t.deepEqual(addressesOf(world, 'cali1'), PEERING)
  world.pass(1_000)
  const asked = world.socket.servings
  want('-169.254.0.179', '-fd12::1')
  want('-169.254.0.179', '+fd12::1')
  t.is(world.socket.servings, asked + 2, 'what it does itself gives it nothing to do')
  t.deepEqual(addressesOf(world, 'cali1'), ['fd12::1/128'])
  world.address('cali1', '169.254.0.179/32')
  world.settle()
  t.deepEqual(addressesOf(world, 'cali1'), ['fd12::1/128'])
})

test('an address that is configured no more goes, and so does one of an earlier life', t => {
  const world = new DataplaneWorld(10)
  world.kernel.addLink('cali1')
  world.address('cali1', '169.254.0.180/24')
  intend(world, {}, { workloads: peer('+169.254.0.179') })
  t.deepEqual(addressesOf(world, 'cali1'), ['169.254.0.179/32', '169.254.0.180/24'])
  intend(world, {}, { workloads: peer('-169.254.0.180', '+169.254.0.181') })
  t.deepEqual(
    addressesOf(world, 'cali1'),
    ['169.254.0.180/24', '169.254.0.181/32'],
    'the same in another network is somebody else’s',
  )
  world.start()
  world.pass(1_000)
  t.deepEqual(addressesOf(world, 'cali1'), ['169.254.0.180/24', '169.254.0.181/32'])
  intend(world, {}, { workloads: peer('-169.254.0.181') })
  t.deepEqual(addressesOf(world, 'cali1'), ['169.254.0.180/24'])
})

test('a link that nothing may lead through is not served', t => {
  const world = new DataplaneWorld(11, { allow: { interfaces: ['a', 'cali*'] } })
  world.kernel.addLink('cali1')
  const workloads = ['b', 'cali1'].map(name => ({
    ...{ interface: name, neighbours: [] },
    addresses: [{ address: address('169.254.0.179'), present: true }],
  }))
  intend(world, {}, { workloads })
  t.deepEqual(addressesOf(world, 'b'), ['10.8.0.1/24'])
  t.deepEqual(addressesOf(world, 'cali1'), ['169.254.0.179/32'])
})
