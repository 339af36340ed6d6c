/** Tunnels between nodes: whose they are, this node's ends, the routes to the other nodes' blocks. */
import test from 'ava'
import { type NodeSpec, newBlock, vtepMac, withAssigned } from '../../../src/core/calico/index.ts'
import type { NodeRoute } from '../../../src/core/dataplane/index.ts'
import {
  type Desired,
  desired,
  type NodeFacts,
  type Snapshot,
} from '../../../src/core/intent/index.ts'
import { prefix } from '../../../src/core/net/index.ts'
import { configuration, facts, node, pool, snapshot } from '../../support/cluster.ts'

const apiVersion = 'projectcalico.org/v3'

const felix = (spec: object, name = 'default') =>
  ({ kind: 'FelixConfiguration', apiVersion, metadata: { name }, spec }) as const

/** A node with ends of tunnels. */
const ended = (name: string, bgp: NonNullable<NodeSpec['bgp']>, spec: Partial<NodeSpec> = {}) => {
  const plain = node(name, bgp)
  return { ...plain, spec: { ...plain.spec, ...spec } }
}

const block = (owner: string, cidr: string, state = 'confirmed') => ({ node: owner, cidr, state })

const nodes = [
  ended(
    'a',
    { ipv4Address: '10.0.0.1/24', ipv6Address: 'fd00::1/64', ipv4IPIPTunnelAddr: '10.244.1.3' },
    { ipv4VXLANTunnelAddr: '10.244.1.1', ipv6VXLANTunnelAddr: 'fd44:1::1' },
  ),
  ended(
    'b',
    { ipv4Address: '10.0.0.2/24', ipv6Address: 'fd00::2/64' },
    { ipv4VXLANTunnelAddr: '10.244.2.1', ipv6VXLANTunnelAddr: 'fd44:2::1' },
  ),
  ended(
    'c',
    { ipv4Address: '10.0.1.3/24', ipv6Address: 'fd00:1::3/64' },
    {
      ipv4VXLANTunnelAddr: '10.244.3.1',
      vxlanTunnelMACAddr: '66-AA-BB-CC-DD-EE',
      ipv6VXLANTunnelAddr: 'fd44:3::1',
    },
  ),
]
const blockAffinities = [
  block('a', '10.244.1.0/26'),
  block('b', '10.244.2.0/26'),
  block('c', '10.244.3.0/26'),
  block('c', '10.244.3.64/26', 'pending'),
  block('c', '10.99.0.0/26'),
  block('b', 'fd44:2::/122'),
  block('c', 'fd44:3::/122'),
]

interface Case {
  readonly store?: Partial<Snapshot>
  readonly facts?: Partial<NodeFacts>
}

const wanted = (one: Case, links = { ipv4: 'eth0', ipv6: 'eth0' }): Desired =>
  desired(
    snapshot({ nodes, blockAffinities, ...one.store }),
    facts('a', one.facts),
    undefined,
    undefined,
    links,
  )

const textOf = ({ prefix, out }: NodeRoute): string => {
  if (out.kind !== 'via') return `${out.kind} ${prefix}`
  const link = out.interface === undefined ? '' : ` dev ${out.interface}`
  return `${prefix} via ${out.gateway}${link}${out.onlink === true ? ' onlink' : ''}`
}

const routesOf = (found: Desired): string[] =>
  found.dataplane.routes.map(textOf).filter(text => text.includes('via'))

const vxlan = (mode: 'Always' | 'CrossSubnet' = 'Always') =>
  pool('10.244.0.0/16', { vxlanMode: mode })
const ipip = (mode: 'Always' | 'CrossSubnet' = 'Always') =>
  pool('10.244.0.0/16', { ipipMode: mode })

test('the link address of an end is that which Calico makes of the name of its node', t => {
  // felix/calc/states_for_test.go: of "remotehostname" and "localhostname"
  t.is(vtepMac('vxlan', 'remotehostname'), '66:3e:ca:a4:db:65')
  t.not(vtepMac('vxlan-v6', 'remotehostname'), vtepMac('vxlan', 'remotehostname'))
})

test('VXLAN: a link with an end at each other node, and their blocks behind those', t => {
  const found = wanted({ store: { ipPools: [vxlan()] } })
  t.deepEqual(found.dataplane.tunnels, [
    {
      kind: 'vxlan',
      name: 'vxlan.calico',
      local: '10.0.0.1',
      address: '10.244.1.1',
      vxlan: { mac: vtepMac('vxlan', 'a'), vni: 4096, port: 4789 },
      ends: [
        { address: '10.244.2.1', mac: vtepMac('vxlan', 'b'), node: '10.0.0.2' },
        { address: '10.244.3.1', mac: '66:aa:bb:cc:dd:ee', node: '10.0.1.3' },
      ],
    },
  ] as unknown)
  t.deepEqual(routesOf(found), [
    '10.244.2.0/26 via 10.244.2.1 dev vxlan.calico onlink',
    '10.244.3.0/26 via 10.244.3.1 dev vxlan.calico onlink',
  ])
  t.deepEqual(found.problems, [])
})

test('CrossSubnet: to a node of our own subnet without the tunnel, by the link of our address', t => {
  const store = { ipPools: [vxlan('CrossSubnet')] }
  t.deepEqual(routesOf(wanted({ store })), [
    '10.244.2.0/26 via 10.0.0.2 dev eth0 onlink',
    '10.244.3.0/26 via 10.244.3.1 dev vxlan.calico onlink',
  ])
  t.is(routesOf(wanted({ store }, {} as never))[0], '10.244.2.0/26 via 10.0.0.2')
})

test('IPv6 has a link of its own', t => {
  const ipPools = [pool('fd44::/16', { vxlanMode: 'CrossSubnet' })]
  const found = wanted({ store: { ipPools } })
  t.deepEqual(
    found.dataplane.tunnels?.map(({ name, local, address, vxlan: made }) => [
      name,
      local,
      address,
      made?.mac,
    ]),
    [['vxlan-v6.calico', 'fd00::1', 'fd44:1::1', vtepMac('vxlan-v6', 'a')]] as unknown,
  )
  t.deepEqual(routesOf(found), [
    'fd44:2::/122 via fd00::2 dev eth0 onlink',
    'fd44:3::/122 via fd44:3::1 dev vxlan-v6.calico onlink',
  ])
})

test('IPIP: routes name the nodes themselves, and the link has no ends', t => {
  const found = wanted({ store: { ipPools: [ipip('CrossSubnet')] } })
  t.deepEqual(found.dataplane.tunnels, [
    { kind: 'ipip', name: 'tunl0', local: '10.0.0.1', address: '10.244.1.3', ends: [] },
  ] as unknown)
  t.deepEqual(routesOf(found), [
    '10.244.2.0/26 via 10.0.0.2 dev eth0 onlink',
    '10.244.3.0/26 via 10.0.1.3 dev tunl0 onlink',
  ])
})

test('a node whose end nobody knows yet has no route: packets would go without the tunnel', t => {
  const lacking = [...nodes.slice(0, 2), node('c', '10.0.1.3/24')]
  const found = wanted({ store: { nodes: lacking, ipPools: [vxlan()] } })
  t.deepEqual(routesOf(found), ['10.244.2.0/26 via 10.244.2.1 dev vxlan.calico onlink'])
  t.is(found.dataplane.tunnels?.[0]?.ends.length, 1)
})

test('an address that a workload has in a block of another node goes to its own node', t => {
  const owner = (name: string, type?: string) => ({
    handleId: name,
    secondary: { node: name, ...(type !== undefined && { type }) },
  })
  const empty = newBlock(prefix('10.244.3.0/26'), { node: 'c', claimTime: '', sequenceNumber: 1n })
  const own = withAssigned(withAssigned(empty, 1, owner('c')), 4, owner('a'))
  const blocks = [
    withAssigned(withAssigned(own, 7, owner('b')), 8, {
      ...owner('b', 'vxlanTunnelAddress'),
      handleId: 'x',
    }),
  ]
  const found = wanted({ store: { blocks, ipPools: [vxlan()] } })
  t.deepEqual(routesOf(found), [
    '10.244.2.0/26 via 10.244.2.1 dev vxlan.calico onlink',
    '10.244.3.0/26 via 10.244.3.1 dev vxlan.calico onlink',
    '10.244.3.7/32 via 10.244.2.1 dev vxlan.calico onlink',
  ])
  t.true(found.dataplane.routes.some(route => textOf(route) === 'device 10.244.3.8/32'))
})

test('of two ends with one address the first name’s counts, and our own before all', t => {
  const same = ended('b', { ipv4Address: '10.0.0.2/24' }, { ipv4VXLANTunnelAddr: '10.244.3.1' })
  const ours = ended('d', { ipv4Address: '10.0.0.4/24' }, { ipv4VXLANTunnelAddr: '10.244.1.1' })
  const found = wanted({ store: { nodes: [nodes[0]!, same, nodes[2]!, ours], ipPools: [vxlan()] } })
  t.deepEqual(found.dataplane.tunnels?.[0]?.ends, [
    { address: '10.244.3.1', mac: vtepMac('vxlan', 'b'), node: '10.0.0.2' },
  ] as unknown)
})

test('without an address of its own a node has no tunnel, and says so', t => {
  const found = wanted({
    store: { nodes: [node('a', '10.0.0.1/24'), ...nodes.slice(1)], ipPools: [vxlan()] },
  })
  t.deepEqual(found.dataplane.tunnels, [])
  t.deepEqual(
    found.problems.map(({ field }) => field),
    ['spec.ipv4VXLANTunnelAddr'],
  )
})

test('FelixConfiguration says number, port and MTU; that of the node goes before the cluster’s', t => {
  const felixConfigurations = [
    felix({ vxlanVNI: 7, vxlanPort: 8472, vxlanMTU: 1400 }),
    felix({ vxlanVNI: 8 }, 'node.a'),
  ]
  const [tunnel] =
    wanted({ store: { ipPools: [vxlan()], felixConfigurations } }).dataplane.tunnels ?? []
  t.like(tunnel, { mtu: 1400, vxlan: { vni: 8, port: 8472 } })
  const none = wanted({
    store: { ipPools: [vxlan()], felixConfigurations: [felix({ vxlanMTU: 0 })] },
  })
  t.false('mtu' in (none.dataplane.tunnels?.[0] ?? {}))
})

test('tunnels that are switched off are not there, and nothing goes without them either', t => {
  for (const [ipPools, off] of [
    [[vxlan('CrossSubnet')], { vxlanEnabled: false }],
    [[ipip('CrossSubnet')], { ipipEnabled: false }],
  ] as const) {
    const found = wanted({ store: { ipPools, felixConfigurations: [felix(off)] } })
    t.deepEqual(found.dataplane.tunnels, [])
    t.deepEqual(routesOf(found), [])
  }
})

test('without pools that ask for them there are none: ours, if there are any, go', t => {
  t.deepEqual(wanted({ store: { ipPools: [pool('10.244.0.0/16')] } }).dataplane.tunnels, [])
})

test('a node that is no member of the cluster has none', t => {
  const found = wanted({ store: { nodes: nodes.slice(1), ipPools: [vxlan()] } })
  t.deepEqual(found.dataplane.tunnels, [])
  t.deepEqual(routesOf(found), [])
})

/** Who writes which routes: Calico's matrix, with a Felix beside and without. */
const owned = test.macro<
  [
    {
      readonly bird?: string
      readonly felix?: string
      readonly beside?: boolean
      /** of pools with VXLAN, with IPIP, without a tunnel: by IPAM's blocks */
      readonly ours: readonly ('vxlan' | 'ipip' | 'none')[]
    },
  ]
>({
  exec(t, { bird, felix: theirs, beside, ours }) {
    const count = (ipPools: Snapshot['ipPools']): number => {
      const found = wanted({
        store: {
          ipPools,
          bgpConfigurations: [
            configuration(bird === undefined ? {} : { programClusterRoutes: bird }),
          ],
          felixConfigurations: [
            felix(theirs === undefined ? {} : { programClusterRoutes: theirs }),
          ],
        },
        ...(beside === true && { facts: { felixBeside: true } }),
      })
      t.is(found.dataplane.tunnels === undefined, beside === true)
      return routesOf(found).length
    }
    t.is(count([vxlan()]) > 0, ours.includes('vxlan'), 'VXLAN')
    t.is(count([ipip()]) > 0, ours.includes('ipip'), 'IPIP')
    t.is(count([pool('10.244.0.0/16')]) > 0, ours.includes('none'), 'none')
  },
  title: (_, { bird = 'default', felix: theirs = 'default', beside, ours }) =>
    `programClusterRoutes ${bird} and ${theirs}${beside === true ? ', a Felix beside' : ''}: ${ours.join(', ')}`,
})
test(owned, { ours: ['vxlan', 'ipip'] })
test(owned, { bird: 'Enabled', felix: 'Disabled', ours: ['vxlan', 'ipip'] })
test(owned, {
  bird: 'EnabledIPIPOnly',
  felix: 'EnabledNoEncapOnly',
  ours: ['vxlan', 'ipip', 'none'],
})
test(owned, { bird: 'Disabled', felix: 'Enabled', ours: ['vxlan', 'ipip', 'none'] })
test(owned, { bird: 'Disabled', felix: 'Disabled', ours: ['vxlan'] })
test(owned, { beside: true, ours: [] })
test(owned, { bird: 'Enabled', felix: 'Disabled', beside: true, ours: ['ipip'] })
test(owned, { bird: 'EnabledIPIPOnly', felix: 'EnabledNoEncapOnly', beside: true, ours: ['ipip'] })
test(owned, { bird: 'Disabled', felix: 'Enabled', beside: true, ours: [] })
