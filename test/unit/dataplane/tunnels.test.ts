/** Tunnels in the kernel half: the routes through them, restarts, lost notifications, what a snapshot says. */
import test from 'ava'
import type { NodeRoute, Tunnel } from '../../../src/core/dataplane/index.ts'
import { address, prefix } from '../../../src/core/net/index.ts'
import { DataplaneWorld } from '../../support/dataplane-world.ts'

const VXLAN: Tunnel = {
  kind: 'vxlan',
  name: 'vxlan.calico',
  local: address('10.9.0.1'),
  address: address('10.200.1.1'),
  vxlan: { mac: '66:3d:01:02:03:04', vni: 4096, port: 4789 },
  ends: [{ address: address('10.200.2.1'), mac: '66:00:00:00:00:02', node: address('10.9.0.2') }],
}

const ROUTE: NodeRoute = {
  prefix: prefix('10.200.2.0/26'),
  out: { kind: 'via', gateway: address('10.200.2.1'), interface: VXLAN.name, onlink: true },
}

const want = (
  world: DataplaneWorld,
  tunnels?: readonly Tunnel[],
  routes: readonly NodeRoute[] = [ROUTE],
): void => {
  world.say({
    type: 'Intent',
    intent: { routes, watched: [], watchedMax: 0, ...(tunnels !== undefined && { tunnels }) },
  })
  world.pass(1_000)
}

const indexOf = (world: DataplaneWorld): number => world.kernel.indexOf(VXLAN.name)

for (const nexthopObjects of [false, true]) {
  const made = (): DataplaneWorld => {
    const world = new DataplaneWorld(3, { nexthopObjects })
    world.settle()
    return world
  }
  const title = (text: string): string => `${text}, ${nexthopObjects ? 'by objects' : 'by routes'}`

  test(title('a route through a tunnel comes with its link, and again with the next one'), t => {
    const world = made()
    want(world, [])
    t.deepEqual(world.ours(), [])
    want(world, [VXLAN])
    t.deepEqual(world.ours(), ['10.200.2.0/26 10.200.2.1'])
    const before = indexOf(world)
    world.kernel.deleteLink(VXLAN.name)
    t.deepEqual(world.ours(), [])
    world.pass(1_000)
    t.not(indexOf(world), before)
    t.deepEqual(world.ours(), ['10.200.2.0/26 10.200.2.1'])
  })

  test(title('a new life finds the tunnel of the last one as it is, and touches nothing'), t => {
    const world = made()
    want(world, [VXLAN])
    const before = world.kernel.devices.seen()
    world.start()
    world.pass(1_000)
    t.deepEqual(world.kernel.devices.seen(), before, 'not before it knows what is wanted')
    want(world, [VXLAN])
    t.deepEqual(world.kernel.devices.seen(), before)
    t.deepEqual(world.ours(), ['10.200.2.0/26 10.200.2.1'])
    world.start()
    want(world, [], [])
    t.is(indexOf(world), 0, 'and takes it away when nobody wants it')
  })
}

test('a deletion that nobody told of is found after the loss', t => {
  const world = new DataplaneWorld()
  want(world, [VXLAN])
  world.kernel.faults.loseNotifications = 10
  world.kernel.deleteLink(VXLAN.name)
  world.pass(1_000)
  t.not(indexOf(world), 0)
})

test('without a word of anybody, what differs is found at the next look', t => {
  const world = new DataplaneWorld(1, { resync: 60_000 as never })
  want(world, [VXLAN])
  const [entry] = world.kernel.devices.seen().neighbours
  world.kernel.devices.down(entry?.link ?? 0)
  t.true(world.kernel.devices.seen().neighbours.length < 2)
  world.pass(70_000)
  t.is(world.kernel.devices.seen().neighbours.length, 2)
})

test('an intent that says nothing of tunnels leaves them, and does not put them back', t => {
  const world = new DataplaneWorld()
  want(world, [VXLAN])
  want(world, undefined, [])
  t.not(indexOf(world), 0)
  world.kernel.deleteLink(VXLAN.name)
  world.pass(200_000)
  t.is(indexOf(world), 0)
})

test('a snapshot says how each tunnel stands, and why one does not', t => {
  const world = new DataplaneWorld()
  const six: Tunnel = {
    ...VXLAN,
    name: 'vxlan-v6.calico',
    local: address('2001:db8:77::1'),
    ends: [],
  }
  const ipip: Tunnel = {
    kind: 'ipip',
    name: 'tunl0',
    local: address('10.9.0.1'),
    address: address('10.200.1.3'),
    ends: [],
  }
  world.kernel.devices.missing.add('ipip')
  want(world, [ipip, six, VXLAN])
  t.deepEqual(
    world
      .snapshot()
      .tunnels?.map(({ name, state, error, ends }) => [name, state, error ?? '', ends]),
    [
      ['tunl0', 'failed', 'EOPNOTSUPP (not supported by this kernel)', 0],
      ['vxlan-v6.calico', 'failed', 'no link has 2001:db8:77::1', 0],
      ['vxlan.calico', 'up', '', 1],
    ],
  )
  want(world, [])
  t.is(world.snapshot().tunnels, undefined)
})

test('a kernel that refuses is asked again, less and less often, and said to refuse once', t => {
  const world = new DataplaneWorld()
  world.kernel.devices.missing.add('vxlan')
  want(world, [VXLAN])
  world.pass(120_000)
  t.is(world.codes().filter(code => code === 'TUNNEL_REFUSED').length, 1)
  world.kernel.devices.missing.clear()
  world.pass(11_000)
  t.true(world.codes().includes('TUNNEL_BACK'))
  t.deepEqual(world.ours(), ['10.200.2.0/26 10.200.2.1'])
})
