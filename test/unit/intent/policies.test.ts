import test from 'ava'
import type { AllocationBlock, BgpConfigurationSpec } from '../../../src/core/calico/index.ts'
import { clusterOf } from '../../../src/core/intent/cluster.ts'
import {
  type Desired,
  desired,
  type NodeFacts,
  type Snapshot,
} from '../../../src/core/intent/index.ts'
import { NO_SERVICES } from '../../../src/core/intent/originated/services.ts'
import { communitiesOf } from '../../../src/core/intent/policies/communities.ts'
import { policiesOf } from '../../../src/core/intent/policies/policies.ts'
import { prefix } from '../../../src/core/net/index.ts'
import { ACCEPT_ALL, ORIGINATED_ONLY, type Policy } from '../../../src/core/policy/index.ts'
import type { PathAttributes } from '../../../src/core/wire/index.ts'
import { configuration, facts, filter, node, peer, pool, snapshot } from '../../support/cluster.ts'
import { type AskedRoute, judged } from '../../support/routes.ts'

/** What leaves a node, what it takes, what its kernel gets: rule by rule of Calico's filters for BIRD. */

const OWN = '10.244.1.0/26'
const NORMAL = 2_147_482_623

const nodes = [
  node('a', '10.0.0.1/24', [OWN]),
  node('b', '10.0.0.2/24', ['10.244.2.0/26']),
  node('c', { ipv4Address: '10.0.1.3/24', routeReflectorClusterID: '244.0.0.1' }),
]
const toR = peer('tor', { peerIP: '10.0.0.254', asNumber: 65000 })

interface Case {
  readonly store?: Partial<Snapshot>
  readonly spec?: BgpConfigurationSpec
  readonly facts?: Partial<NodeFacts>
  readonly node?: string
}

const wanted = (one: Case = {}): Desired =>
  desired(
    snapshot({
      nodes,
      bgpConfigurations: [configuration(one.spec ?? {})],
      bgpPeers: [toR],
      ipPools: [pool('10.244.0.0/16')],
      ...one.store,
    }),
    facts(one.node ?? 'a', one.facts),
  )

const sessionTo = (found: Desired, name: string) => {
  const session = found.speaker?.peers.find(each => each.name === name)
  if (session === undefined) throw new Error(`no session ${name}`)
  return session
}

function exportOf(found: Desired, name = 'Global_10_0_0_254'): Policy {
  const policy = sessionTo(found, name).export
  if (policy === 'all') return ACCEPT_ALL
  return policy === 'originated' ? ORIGINATED_ONLY : policy
}

/** What a peer is told of a learned route, or of `ours`. */
const told = (one: Case, route: AskedRoute | string, name?: string): PathAttributes | undefined =>
  judged(exportOf(wanted(one), name), typeof route === 'string' ? { prefix: route } : route)

const passes = (one: Case, route: AskedRoute | string, name?: string): boolean =>
  told(one, route, name) !== undefined

const installs = (found: Desired, route: AskedRoute | string): boolean => {
  const policy = found.speaker?.fibPolicy ?? ACCEPT_ALL
  return judged(policy, typeof route === 'string' ? { prefix: route } : route) !== undefined
}

test('LOCAL_PREF of what is originated is 2147483647 less the normal metric', t => {
  t.deepEqual(wanted().speaker?.originatedLocalPref, { ipv4: NORMAL, ipv6: NORMAL })
  const spec = { ipv4NormalRoutePriority: 2000, ipv6NormalRoutePriority: 1 }
  t.deepEqual(wanted({ spec }).speaker?.originatedLocalPref, {
    ipv4: 2_147_481_647,
    ipv6: 2_147_483_646,
  })
})

test('1: nothing inside a pool with disableBGPExport leaves, not even a block of our own', t => {
  const store = { ipPools: [pool('10.244.0.0/16', { disableBGPExport: true })] }
  t.false(passes({ store }, { prefix: OWN, originated: true }))
  t.false(passes({ store }, '10.244.2.0/26'))
  t.true(passes({}, { prefix: OWN, originated: true }))
})

test('4: prefixAdvertisements add communities to what leaves, standard and large, by name or value', t => {
  const spec = {
    communities: [{ name: 'pods', value: '65000:1:2' }],
    prefixAdvertisements: [
      { cidr: '10.244.0.0/16', communities: ['pods', '65000:7'] },
      { cidr: '10.244.2.0/26', communities: ['65000:8'] },
    ],
  }
  const found = wanted({ spec })
  const communities = [65000 * 65536 + 7]
  const largeCommunities = [[65000, 1, 2]]
  t.deepEqual(told({ spec }, { prefix: OWN, originated: true }), {
    communities,
    largeCommunities,
  } as never)
  t.deepEqual(told({ spec }, '10.244.2.0/26')?.communities, [...communities, 65000 * 65536 + 8])
  t.deepEqual(found.communities, [
    { prefix: prefix('10.244.0.0/16'), communities: ['65000:1:2', '65000:7'] },
    { prefix: prefix('10.244.2.0/26'), communities: ['65000:8'] },
  ])
  t.deepEqual(found.problems, [])
  t.truthy(
    told({ spec }, { prefix: OWN, originated: true }, 'Mesh_10_0_0_2')?.communities,
    'to every peer',
  )
})

test('communities of the node object replace those of all nodes, and may use their names', t => {
  const source = (name: string, spec: BgpConfigurationSpec) => ({ name, spec })
  const global = source('default', {
    communities: [{ name: 'all', value: '1:1' }],
    prefixAdvertisements: [{ cidr: '10.0.0.0/8', communities: ['all'] }],
  })
  const own = source('node.a', {
    communities: [{ name: 'own', value: '2:2' }],
    prefixAdvertisements: [{ cidr: '11.0.0.0/8', communities: ['own', 'all', 'nobody'] }],
  })
  const found = communitiesOf(global, own)
  t.deepEqual(found.communities, [{ prefix: prefix('11.0.0.0/8'), communities: ['2:2', '1:1'] }])
  t.is(found.problems[0]?.field, 'spec.prefixAdvertisements')
  t.regex(found.problems[0]?.object ?? '', /node\.a$/)
  t.is(communitiesOf(global, source('node.a', {})).communities[0]?.communities[0], '1:1')
})

test('5: a block of our own leaves; what is inside it does not', t => {
  t.true(passes({}, { prefix: OWN, originated: true }))
  t.false(passes({}, '10.244.1.7/32'))
  t.false(passes({}, { prefix: '10.244.1.7/32', originated: true }))
})

test('5: inside a block of our own, what is preferred to it leaves: a workload that moves', t => {
  const route = (localPref: number) => ({ prefix: '10.244.1.7/32', attributes: { localPref } })
  t.true(passes({}, route(2_147_483_135)))
  t.false(passes({}, route(NORMAL)))
  t.false(passes({}, route(100)))
})

test('6 and 7: ranges of services leave; those of others only from a reflector', t => {
  const services = {
    announced: [prefix('10.96.0.0/12')],
    passed: [prefix('10.96.0.0/12')],
    own: [],
    rejected: [prefix('10.96.0.0/12')],
    reflected: [prefix('203.0.113.0/24')],
  }
  const store = snapshot({ nodes, ipPools: [pool('10.244.0.0/16')] })
  const exportsOf = (name: string): Policy => {
    const { nodes: all } = clusterOf(store)
    const own = all.get(name)
    const { sessions } = policiesOf(store, {
      facts: facts(name),
      own,
      nodes: all,
      blocks: [],
      services,
    })
    const [neighbour] = wanted().sessions
    const policy = sessions.applied(neighbour!).config.export
    return typeof policy === 'string' ? ACCEPT_ALL : policy
  }
  const service = { prefix: '10.96.0.10/32' }
  t.truthy(judged(exportsOf('a'), service))
  t.is(judged(exportsOf('a'), { prefix: '203.0.113.9/32' }), undefined)
  t.truthy(judged(exportsOf('c'), { prefix: '203.0.113.9/32' }))
})

test('8: what is inside a pool leaves: blocks of others, borrowed addresses; VXLAN pools too', t => {
  t.true(passes({}, '10.244.2.0/26'))
  t.true(passes({}, '10.244.2.9/32'))
  const store = { ipPools: [pool('10.244.0.0/16', { vxlanMode: 'Always' })] }
  t.true(passes({ store }, '10.244.2.0/26'))
})

test('a disabled pool is like any other: only IPAM asks for that', t => {
  const store = { ipPools: [pool('10.244.0.0/16', { disabled: true })] }
  t.true(passes({ store }, '10.244.2.0/26'))
})

test('9: nothing else leaves; a router (`transit`) tells what it knows beside that', t => {
  t.false(passes({}, '0.0.0.0/0'))
  t.false(passes({}, { prefix: '10.0.0.0/24', originated: true }))
  t.false(passes({ node: 'c' }, '192.0.2.0/24'), 'a reflector passes on pools alone')
  const router = { facts: { transit: true } }
  t.true(passes(router, '0.0.0.0/0'))
  t.false(passes(router, '10.244.1.7/32'))
})

test('without any pool, a node announces its own, a router and a reflector all; with communities', t => {
  const store = { ipPools: [] }
  const mode = (one: Case) => sessionTo(wanted({ store, ...one }), 'Global_10_0_0_254').export
  t.is(mode({}), 'originated')
  t.is(mode({ facts: { transit: true } }), 'all')
  t.is(mode({ node: 'c' }), 'all')
  const spec = { prefixAdvertisements: [{ cidr: '10.0.0.0/8', communities: ['1:1'] }] }
  t.deepEqual(told({ store, spec }, { prefix: OWN, originated: true }), { communities: [65537] })
  t.false(passes({ store, spec }, '10.244.2.0/26'))
})

test('filters come before the built-in policy, and what they accept passes it by', t => {
  const accept = { cidr: '10.244.1.7/32', matchOperator: 'Equal', action: 'Accept' } as const
  const reject = { cidr: '10.244.2.0/26', matchOperator: 'Equal', action: 'Reject' } as const
  const store = {
    bgpFilters: [
      filter('first', { exportV4: [accept] }),
      filter('second', { exportV4: [{ ...accept, action: 'Reject' }, reject] }),
    ],
    bgpPeers: [peer('tor', { ...toR.spec, filters: ['first', 'second'] })],
  }
  const spec = { prefixAdvertisements: [{ cidr: '10.0.0.0/8', communities: ['1:1'] }] }
  t.deepEqual(
    told({ store, spec }, '10.244.1.7/32'),
    {},
    'without communities, though inside a block',
  )
  t.false(passes({ store }, '10.244.2.0/26'))
  t.true(passes({ store }, '10.244.3.0/26'), 'what no filter ends goes on')
  t.true(passes({ store }, '10.244.2.0/26', 'Mesh_10_0_0_2'), 'the mesh has no filters')
})

test('import: filters in order, then everything', t => {
  const reject = (cidr: string) => ({ cidr, matchOperator: 'In', action: 'Reject' }) as const
  const accept = { cidr: '192.0.2.0/25', matchOperator: 'In', action: 'Accept' } as const
  const store = {
    bgpFilters: [
      filter('first', { importV4: [accept] }),
      filter('second', { importV4: [reject('192.0.2.0/24')] }),
    ],
    bgpPeers: [peer('tor', { ...toR.spec, filters: ['first', 'second'] })],
  }
  const policy = sessionTo(wanted({ store }), 'Global_10_0_0_254').importRules?.policy
  if (policy === undefined) return t.fail('no policy')
  t.deepEqual(judged(policy, { prefix: '192.0.2.0/26' }), {})
  t.is(judged(policy, { prefix: '192.0.2.128/26' }), undefined)
  t.deepEqual(judged(policy, { prefix: '0.0.0.0/0' }), {})
  t.is(sessionTo(wanted(), 'Global_10_0_0_254').importRules?.policy, undefined)
})

test('peerType asks whether the peer’s AS is ours there: its own, or that of localASNumber', t => {
  const rule = { peerType: 'iBGP', action: 'Reject' } as const
  const bgpFilters = [filter('inside', { exportV4: [rule], importV4: [rule] })]
  const rejects = (spec: { asNumber: number; localASNumber?: number }): boolean[] => {
    const bgpPeers = [peer('tor', { peerIP: '10.0.0.254', filters: ['inside'], ...spec })]
    const store = { bgpFilters, bgpPeers }
    const taken = sessionTo(wanted({ store }), 'Global_10_0_0_254').importRules?.policy
    return [
      !passes({ store }, '10.244.2.0/26'),
      judged(taken ?? ACCEPT_ALL, { prefix: '10.244.2.0/26' }) === undefined,
    ]
  }
  t.deepEqual(rejects({ asNumber: 64512 }), [true, true])
  t.deepEqual(rejects({ asNumber: 65000 }), [false, false])
  t.deepEqual(rejects({ asNumber: 64512, localASNumber: 65001 }), [false, false])
  t.deepEqual(rejects({ asNumber: 65001, localASNumber: 65001 }), [true, true])
})

test('a filter that is not there lets nothing in or out, and is a problem; those before it count', t => {
  const only = filter('only', {
    exportV4: [{ cidr: '10.244.2.0/26', matchOperator: 'Equal', action: 'Accept' }],
  })
  const bgpPeers = [peer('tor', { ...toR.spec, filters: ['only', 'gone'] })]
  const store = { bgpFilters: [only], bgpPeers }
  const found = wanted({ store })
  t.true(passes({ store }, '10.244.2.0/26'))
  t.false(passes({ store }, { prefix: OWN, originated: true }))
  const policy = sessionTo(found, 'Global_10_0_0_254').importRules?.policy ?? ACCEPT_ALL
  t.is(judged(policy, { prefix: '192.0.2.0/24' }), undefined)
  t.deepEqual(
    found.problems.map(({ object, field, reason }) => `${object} ${field} ${reason}`),
    [
      '/calico/resources/v3/projectcalico.org/bgppeers/tor spec.filters ' +
        'BGPFilter gone is not there; until it is, no route passes it, in or out',
    ],
  )
})

test('sessions that are alike have one policy', t => {
  const found = wanted({ store: { nodes: [...nodes, node('d', '10.0.0.4/24')] } })
  t.is(exportOf(found, 'Mesh_10_0_0_2'), exportOf(found, 'Mesh_10_0_0_4'))
})

const block = (
  cidr: string,
  affinity: string,
  secondary: Record<string, string>,
): AllocationBlock => ({
  cidr,
  affinity,
  allocations: [null, 0, 1, 0, null],
  unallocated: [0, 4],
  attributes: [{ secondary }, { secondary: { node: 'b' } }],
  sequenceNumber: 0n,
  deleted: false,
})

/** Nobody has an address but whom the first attributes are of: the one at `ordinal`. */
const last = (ordinal: number): (number | null)[] => [...Array(ordinal).fill(null), 0]

test('addresses borrowed from blocks of other nodes are announced by themselves, and drop nothing', t => {
  const blocks = [
    block(OWN, 'host:a', { node: 'a' }),
    block('10.244.2.0/26', 'host:b', { node: 'a' }),
    block('10.244.3.0/26', 'host:b', { node: 'a', type: 'ipipTunnelAddress' }),
    // inside what is announced whole anyway
    block('10.244.1.32/27', 'host:b', { node: 'a' }),
    // its own, and given up; another's, and given up
    block('10.244.4.0/26', 'host:a', { node: 'a' }),
    { ...block('10.244.5.0/26', 'host:b', { node: 'a' }), deleted: true },
    { ...block('10.244.6.0/23', 'host:b', { node: 'a' }), allocations: last(258) },
  ]
  const found = wanted({ store: { blocks } })
  t.deepEqual(found.originated, [
    { prefix: prefix(OWN), kind: 'block', blackhole: true },
    { prefix: prefix('10.244.2.1/32'), kind: 'block', blackhole: false },
    { prefix: prefix('10.244.2.3/32'), kind: 'block', blackhole: false },
    { prefix: prefix('10.244.7.2/32'), kind: 'block', blackhole: false },
  ])
  t.deepEqual(
    found.speaker?.originated,
    found.originated.map(each => each.prefix),
  )
  t.deepEqual(found.dataplane.routes, [{ prefix: prefix(OWN), out: { kind: 'blackhole' } }])
  t.true(passes({ store: { blocks } }, { prefix: '10.244.2.1/32', originated: true }))
})

test('a block of one address drops nothing', t => {
  const found = wanted({ facts: { podCidrs: [prefix('10.244.1.9/32')] } })
  t.deepEqual(found.dataplane.routes, [])
  t.deepEqual(found.originated, [
    { prefix: prefix('10.244.1.9/32'), kind: 'block', blackhole: false },
  ])
})

const kernel = test.macro({
  exec(
    t,
    spec: Parameters<typeof pool>[1],
    programClusterRoutes: string | undefined,
    expected: string,
  ) {
    const global = programClusterRoutes === undefined ? {} : { programClusterRoutes }
    const found = wanted({ spec: global, store: { ipPools: [pool('10.244.0.0/16', spec)] } })
    t.deepEqual(found.pools, [
      { cidr: prefix('10.244.0.0/16'), bgpExport: true, kernel: expected as 'accept' },
    ])
    t.is(installs(found, '10.244.2.0/26'), expected === 'accept')
    t.true(installs(found, '0.0.0.0/0'), 'all else is the kernel’s')
  },
  title: (_, spec, program, expected) => `kernel: ${JSON.stringify(spec)}, ${program}: ${expected}`,
})
test(kernel, {}, undefined, 'accept')
test(kernel, {}, 'EnabledNoEncapOnly', 'accept')
test(kernel, {}, 'Enabled', 'accept')
test(kernel, {}, 'EnabledIPIPOnly', 'reject')
test(kernel, {}, 'Disabled', 'reject')
test(kernel, { vxlanMode: 'Never', ipipMode: 'Never' }, undefined, 'accept')
test(kernel, { vxlanMode: 'Always' }, undefined, 'tunnel')
test(kernel, { ipipMode: 'Always' }, undefined, 'tunnel')
test(kernel, { ipipMode: 'CrossSubnet' }, 'Enabled', 'tunnel')

test('programClusterRoutes that nobody knows is a problem, and Calico’s default', t => {
  const found = wanted({ spec: { programClusterRoutes: 'Sometimes' } })
  t.is(found.pools[0]?.kernel, 'accept')
  t.is(found.problems[0]?.field, 'spec.programClusterRoutes')
})

test('routes of a pool with tunnels are not BGP’s, whether or not they need one: IPAM knows the way', t => {
  const found = wanted({
    store: { ipPools: [pool('10.244.0.0/16', { vxlanMode: 'CrossSubnet' })] },
  })
  const via = (nextHop: string): AskedRoute => ({
    prefix: '10.244.2.0/26',
    attributes: { nextHop: nextHop as never },
  })
  t.false(installs(found, via('10.0.0.2')))
  t.false(installs(found, via('10.0.1.3')))
})

const wireguard = (name: string, last: number, families: readonly ('IPv4' | 'IPv6')[]) => {
  const plain = node(name, { ipv4Address: `10.0.0.${last}/24`, ipv6Address: `fd00::${last}/64` })
  const addresses = {
    ...(families.includes('IPv4') && { interfaceIPv4Address: `192.168.9.${last}` }),
    ...(families.includes('IPv6') && { interfaceIPv6Address: `fd99::${last}` }),
  }
  return { ...plain, spec: { ...plain.spec, wireguard: addresses } }
}

test('WireGuard: routes to nodes that have it are Felix’s, where this node has it, by family', t => {
  const both = ['IPv4', 'IPv6'] as const
  const others = [wireguard('b', 2, both), wireguard('c', 3, ['IPv6']), wireguard('d', 4, [])]
  const reached = (own: readonly ('IPv4' | 'IPv6')[]): string[] => {
    const found = wanted({ store: { nodes: [wireguard('a', 1, own), ...others] } })
    const via = (prefix: string, nextHop: string): AskedRoute => ({
      prefix,
      attributes: { nextHop: nextHop as never },
    })
    return [2, 3, 4].flatMap(last => [
      ...(installs(found, via('10.244.2.0/26', `10.0.0.${last}`)) ? [`v4 ${last}`] : []),
      ...(installs(found, via('fd44::/64', `fd00::${last}`)) ? [`v6 ${last}`] : []),
    ])
  }
  const told = (felixBeside?: true): number =>
    wanted({
      store: { nodes: [wireguard('a', 1, both), ...others] },
      facts: { ...(felixBeside && { felixBeside }) },
    }).problems.filter(({ field }) => field === 'spec.wireguard').length
  t.deepEqual([told(), told(true)], [1, 0], 'without a Felix nobody writes them')
  t.deepEqual(reached([]), ['v4 2', 'v6 2', 'v4 3', 'v6 3', 'v4 4', 'v6 4'])
  t.deepEqual(reached(['IPv4']), ['v6 2', 'v4 3', 'v6 3', 'v4 4', 'v6 4'])
  t.deepEqual(reached(both), ['v4 3', 'v4 4', 'v6 4'])
})

test('ranges of services never reach the kernel', t => {
  const { kernel: policy } = policiesOf(snapshot({}), {
    facts: facts('a'),
    own: undefined,
    nodes: new Map(),
    blocks: [],
    services: { ...NO_SERVICES, rejected: [prefix('10.96.0.0/12')] },
  })
  t.is(judged(policy ?? ACCEPT_ALL, { prefix: '10.96.0.10/32' }), undefined)
  t.truthy(judged(policy ?? ACCEPT_ALL, { prefix: '10.244.2.0/26' }))
})

test('without pools and services nothing is kept from the kernel', t => {
  t.is(wanted({ store: { ipPools: [] } }).speaker?.fibPolicy, undefined)
})

test('pools are in the order of their texts', t => {
  const ipPools = ['10.9.0.0/16', '10.244.0.0/16', 'fd00::/64'].map(each => pool(each))
  t.deepEqual(
    wanted({ store: { ipPools } }).pools.map(({ cidr }) => String(cidr)),
    ['10.244.0.0/16', '10.9.0.0/16', 'fd00::/64'],
  )
})
