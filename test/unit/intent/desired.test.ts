/**
 * What resources mean for a node: Calico's rules, one test a rule (calico's confd is the
 * reference).
 */
import test from 'ava'
import fc from 'fast-check'
import { type Desired, desired, type Snapshot } from '../../../src/core/intent/index.ts'
import { address, parseQuad, prefix } from '../../../src/core/net/index.ts'
import type { PeerConfig } from '../../../src/core/speaker/index.ts'
import { configuration, facts, node, peer, snapshot } from '../../support/cluster.ts'

const KEY = '/calico/resources/v3/projectcalico.org/'
const three = [
  node('worker-0', '10.240.0.20/24', ['10.200.0.0/24']),
  node('worker-1', '10.240.0.21/24', ['10.200.1.0/24']),
  node('worker-2', '10.240.0.22/24', ['10.200.2.0/24']),
]
const noMesh = configuration({ nodeToNodeMeshEnabled: false })

const peersOf = (found: Desired): readonly PeerConfig[] => found.speaker?.peers ?? []
const names = (found: Desired): string[] => peersOf(found).map(({ name }) => name)
const only = (found: Desired): PeerConfig => {
  const [first, ...rest] = peersOf(found)
  if (first === undefined || rest.length > 0) throw new Error(`not one peer: ${names(found)}`)
  return first
}
const reasons = (found: Desired): string[] =>
  found.problems.map(({ object, field, reason }) => `${object} ${field} ${reason}`)

test('by default, every node is in a mesh of AS 64512 on port 179', t => {
  const found = desired(snapshot({ nodes: three }), facts('worker-0'))
  t.deepEqual(found.problems, [])
  t.is(found.speaker?.localAs, 64512 as never)
  t.is(found.speaker?.routerId, parseQuad('10.240.0.20')!)
  t.deepEqual(found.listen, [{ family: 'ipv4', port: 179 }])
  t.deepEqual(names(found), ['Mesh_10_240_0_21', 'Mesh_10_240_0_22'])
  t.deepEqual(peersOf(found)[0], {
    name: 'Mesh_10_240_0_21',
    address: address('10.240.0.21'),
    port: 179,
    peerAs: 64512 as never,
    localAs: 64512 as never,
    localAddress: address('10.240.0.20'),
    passive: true,
    hold: 90_000 as never,
    connectRetry: 5000 as never,
    restart: 120_000 as never,
    families: ['ipv4'],
    routeReflectorClient: false,
    nextHop: 'auto',
    export: 'originated',
  })
})

test('in a mesh, the end whose address is the lower text waits, as Calico compares them', t => {
  const nodes = [node('a', '10.0.0.9'), node('b', '10.0.0.10')]
  const passive = (name: string): boolean => only(desired(snapshot({ nodes }), facts(name))).passive
  // "10.0.0.9" > "10.0.0.10"
  t.true(passive('b'))
  t.false(passive('a'))
})

test('of any two nodes of a mesh, exactly one opens the session', t => {
  const octet = fc.integer({ min: 1, max: 254 })
  fc.assert(
    fc.property(octet, octet, octet, octet, (a, b, c, d) => {
      fc.pre(a !== c || b !== d)
      const nodes = [node('a', `10.0.${a}.${b}`), node('b', `10.0.${c}.${d}`)]
      const passive = ['a', 'b'].map(
        name => only(desired(snapshot({ nodes }), facts(name))).passive,
      )
      t.is(passive.filter(Boolean).length, 1)
    }),
  )
})

test('a mesh has one session for each family that both ends have', t => {
  const nodes = [
    node('a', { ipv4Address: '10.0.0.1/24', ipv6Address: 'fd00::1/64' }),
    node('b', { ipv4Address: '10.0.0.2/24', ipv6Address: 'fd00::2/64' }),
    node('c', { ipv6Address: 'fd00::3/64' }),
  ]
  const found = desired(snapshot({ nodes }), facts('a'))
  t.deepEqual(
    peersOf(found).map(({ name, families, localAddress }) => [name, families, localAddress]),
    [
      ['Mesh_10_0_0_2', ['ipv4'], address('10.0.0.1')],
      ['Mesh_fd00__2', ['ipv6'], address('fd00::1')],
      ['Mesh_fd00__3', ['ipv6'], address('fd00::1')],
    ],
  )
  t.deepEqual(
    found.listen.map(({ family }) => family),
    ['ipv4', 'ipv6'],
  )
})

test('the node says which families its sessions carry, if it wants to', t => {
  const both = facts('worker-0', { families: ['ipv4', 'ipv6'] })
  const found = desired(snapshot({ nodes: three }), both)
  t.deepEqual(peersOf(found)[0]?.families, ['ipv4', 'ipv6'])
})

test('a session that carries both families names our next hop of the one that it is not over', t => {
  const both = { ipv4Address: '10.0.0.1/24', ipv6Address: 'fd00::1/64' }
  const nodes = [node('a', both), node('b', { ipv4Address: '10.0.0.2/24' })]
  const bgpPeers = [peer('six', { peerIP: 'fd00::9', asNumber: 64_999 })]
  const store = snapshot({ nodes, bgpPeers })
  const hops = (found: Desired) =>
    peersOf(found).map(({ name, nextHopIpv4, nextHopIpv6 }) => [name, nextHopIpv4, nextHopIpv6])
  t.deepEqual(hops(desired(store, facts('a', { families: ['ipv4', 'ipv6'] }))), [
    ['Mesh_10_0_0_2', undefined, address('fd00::1')],
    ['Global_fd00__9', address('10.0.0.1'), undefined],
  ])
  t.deepEqual(hops(desired(store, facts('a'))), [
    ['Mesh_10_0_0_2', undefined, undefined],
    ['Global_fd00__9', undefined, undefined],
  ])
})

test('a mesh that is switched off has no sessions', t => {
  const found = desired(snapshot({ nodes: three, bgpConfigurations: [noMesh] }), facts('worker-0'))
  t.deepEqual(names(found), [])
  t.truthy(found.speaker)
})

test('the AS number is the node’s, else the cluster’s', t => {
  const nodes = [node('a', '10.0.0.1'), node('b', { ipv4Address: '10.0.0.2', asNumber: 65002 })]
  const bgpConfigurations = [configuration({ asNumber: 65001 })]
  const found = desired(snapshot({ nodes, bgpConfigurations }), facts('a'))
  t.is(found.speaker?.localAs, 65001 as never)
  t.is(only(found).peerAs, 65002 as never)
})

test('the port is that of node.<name>, else of default, for listening and for peers', t => {
  const bgpConfigurations = [
    configuration({ listenPort: 1179 }),
    configuration({ listenPort: 2179 }, 'node.worker-1'),
  ]
  const zero = desired(snapshot({ nodes: three, bgpConfigurations }), facts('worker-0'))
  t.deepEqual(
    peersOf(zero).map(({ port }) => port),
    [2179, 1179],
  )
  t.deepEqual(zero.listen, [{ family: 'ipv4', port: 1179 }])
  const one = desired(snapshot({ nodes: three, bgpConfigurations }), facts('worker-1'))
  t.deepEqual(one.listen, [{ family: 'ipv4', port: 2179 }])
})

test('route reflectors are not in the mesh, neither own nor others', t => {
  const nodes = [
    node('a', '10.0.0.1'),
    node('b', '10.0.0.2'),
    node('r', { ipv4Address: '10.0.0.3', routeReflectorClusterID: '1.0.0.1' }),
  ]
  t.deepEqual(names(desired(snapshot({ nodes }), facts('a'))), ['Mesh_10_0_0_2'])
  const reflector = desired(snapshot({ nodes }), facts('r'))
  t.deepEqual(names(reflector), [])
  t.is(reflector.speaker?.clusterId, parseQuad('1.0.0.1')!)
})

test('a peer without node is everybody’s, one with node is that node’s', t => {
  const bgpPeers = [
    peer('tor', { peerIP: '10.240.0.1', asNumber: 65000 }),
    peer('extra', { node: 'worker-1', peerIP: '10.240.0.2:1790', asNumber: 65000 }),
  ]
  const store = snapshot({ nodes: three, bgpConfigurations: [noMesh], bgpPeers })
  t.deepEqual(names(desired(store, facts('worker-0'))), ['Global_10_240_0_1'])
  const one = desired(store, facts('worker-1'))
  t.deepEqual(names(one), ['Global_10_240_0_1', 'Node_10_240_0_2_port_1790'])
  t.deepEqual(
    peersOf(one).map(({ port, peerAs, passive }) => [port, peerAs, passive]),
    [
      [179, 65000 as never, false],
      [1790, 65000 as never, false],
    ],
  )
})

test('an AS number that a peer does not say is the cluster’s', t => {
  const bgpPeers = [peer('tor', { peerIP: '10.240.0.1' })]
  const bgpConfigurations = [configuration({ nodeToNodeMeshEnabled: false, asNumber: 65001 })]
  const found = desired(snapshot({ nodes: three, bgpConfigurations, bgpPeers }), facts('worker-0'))
  t.is(only(found).peerAs, 65001 as never)
})

test('of two peers at one address and port, the one for all nodes is made', t => {
  const bgpPeers = [
    peer('a-node', { node: 'worker-0', peerIP: '10.240.0.1', asNumber: 65000 }),
    peer('b-global', { peerIP: '10.240.0.1', asNumber: 65000 }),
  ]
  const store = snapshot({ nodes: three, bgpConfigurations: [noMesh], bgpPeers })
  const found = desired(store, facts('worker-0'))
  t.deepEqual(names(found), ['Global_10_240_0_1'])
  t.deepEqual(found.problems, [])
})

test('of two peers of one scope at one address, the lower name is made, and both are named', t => {
  const bgpPeers = [
    peer('a', { peerIP: '10.240.0.1', asNumber: 65000 }),
    peer('b', { peerIP: '10.240.0.1', asNumber: 65001 }),
  ]
  const store = snapshot({ nodes: three, bgpConfigurations: [noMesh], bgpPeers })
  const found = desired(store, facts('worker-0'))
  t.is(only(found).peerAs, 65000 as never)
  t.is(found.problems.length, 1)
  t.regex(reasons(found)[0]!, /bgppeers\/b spec\.peerIP .*bgppeers\/a already/)
})

test('a peer that is a Calico node has that node’s port, and one end waits', t => {
  const bgpPeers = [peer('zero', { peerIP: '10.240.0.20', asNumber: 64512 })]
  const bgpConfigurations = [noMesh, configuration({ listenPort: 2179 }, 'node.worker-0')]
  const store = snapshot({ nodes: three, bgpConfigurations, bgpPeers })
  const found = only(desired(store, facts('worker-1')))
  t.is(found.port, 2179)
  t.false(found.passive)
})

test('a peer at the address of a mesh neighbour takes its place', t => {
  const bgpPeers = [peer('one', { peerIP: '10.240.0.21', asNumber: 64512 })]
  const found = desired(snapshot({ nodes: three, bgpPeers }), facts('worker-0'))
  t.deepEqual(names(found), ['Global_10_240_0_21', 'Mesh_10_240_0_22'])
})

test('a node does not peer with itself, and says so', t => {
  const bgpPeers = [peer('self', { node: 'worker-0', peerIP: '10.240.0.20', asNumber: 65000 })]
  const found = desired(snapshot({ nodes: three, bgpPeers }), facts('worker-0'))
  t.deepEqual(names(found), ['Mesh_10_240_0_21', 'Mesh_10_240_0_22'])
  t.deepEqual(found.problems, [
    {
      object: `${KEY}bgppeers/self`,
      field: 'spec.peerIP',
      reason: '10.240.0.20 is the address of worker-0 itself; no node peers with itself',
    },
  ])
})

for (const [why, peerIP] of [
  ['multicast', '224.0.0.5'],
  ['unspecified', '0.0.0.0'],
  ['loopback', '::1'],
] as const)
  test(`a ${why} address cannot be a peer`, t => {
    const bgpPeers = [peer('odd', { peerIP, asNumber: 65000 })]
    const nodes = [node('a', { ipv4Address: '10.0.0.1', ipv6Address: 'fd00::1' })]
    const found = desired(snapshot({ nodes, bgpPeers }), facts('a'))
    t.deepEqual(names(found), [])
    t.regex(reasons(found)[0]!, /not an address that a router can have/)
  })

test('a peer of a family that the node lacks is a problem of that peer alone', t => {
  const bgpPeers = [
    peer('four', { peerIP: '10.240.0.1', asNumber: 65000 }),
    peer('six', { peerIP: 'fd00::1', asNumber: 65000 }),
  ]
  const store = snapshot({ nodes: three, bgpConfigurations: [noMesh], bgpPeers })
  const found = desired(store, facts('worker-0'))
  t.deepEqual(names(found), ['Global_10_240_0_1'])
  t.regex(
    reasons(found)[0]!,
    /bgppeers\/six spec\.peerIP fd00::1 is ipv6.*add spec.bgp.ipv6Address/,
  )
})

for (const [field, spec] of [
  ['password', { password: { secretKeyRef: { name: 'a', key: 'b' } } }],
  ['nodeSelector', { nodeSelector: 'has rack' }],
] as const)
  test(`a peer with ${field} is never made without it`, t => {
    const bgpPeers = [peer('tor', { peerIP: '10.240.0.1', asNumber: 65000, ...spec })]
    const found = desired(snapshot({ nodes: three, bgpPeers }), facts('worker-0'))
    t.false(names(found).includes('Global_10_240_0_1'))
    t.is(found.problems[0]?.field, `spec.${field}`)
  })

test('what Go writes for nothing is nothing', t => {
  const empty = { node: '', nodeSelector: '', filters: [], ttlSecurity: 0, reachableBy: '' }
  const bgpPeers = [peer('tor', { peerIP: '10.240.0.1', asNumber: 65000, ...empty })]
  const store = snapshot({ nodes: three, bgpConfigurations: [noMesh], bgpPeers })
  const found = desired(store, facts('worker-0'))
  t.is(only(found).name, 'Global_10_240_0_1')
  t.deepEqual(found.problems, [])
})

const restartTimes = test.macro((t, text: string | undefined, expected: number | undefined) => {
  const given = text === undefined ? {} : { maxRestartTime: text }
  const bgpPeers = [peer('tor', { peerIP: '10.240.0.1', asNumber: 65000, ...given })]
  const spec = text === undefined ? {} : { nodeMeshMaxRestartTime: text }
  const mesh = configuration(spec)
  const store = snapshot({ nodes: three, bgpConfigurations: [mesh], bgpPeers })
  const found = desired(store, facts('worker-0'))
  for (const { restart } of peersOf(found)) t.is(restart as number | undefined, expected)
  t.is(peersOf(found).length, 3)
  t.deepEqual(
    found.problems.map(({ field }) => field),
    expected === 4_095_000 ? ['spec.nodeMeshMaxRestartTime', 'spec.maxRestartTime'] : [],
  )
})
test('peers are asked to keep routes for 120 s', restartTimes, undefined, 120_000)
test('a restart time is one of Go, to the second', restartTimes, '1m30.4s', 90_000)
test('a restart time of nothing asks for nothing', restartTimes, '0s', undefined)
test('a restart time that BGP cannot say is cut, and reported', restartTimes, '2h', 4_095_000)

test('next hops are announced as the peer says; the older field counts for eBGP only', t => {
  const mode = (spec: object): string => {
    const bgpPeers = [peer('tor', { peerIP: '10.240.0.1', asNumber: 65000, ...spec })]
    const store = snapshot({ nodes: three, bgpConfigurations: [noMesh], bgpPeers })
    return only(desired(store, facts('worker-0'))).nextHop
  }
  t.is(mode({}), 'auto')
  t.is(mode({ nextHopMode: 'Self' }), 'self')
  t.is(mode({ nextHopMode: 'Keep' }), 'keep')
  t.is(mode({ keepOriginalNextHop: true }), 'keep')
  t.is(mode({ keepOriginalNextHop: true, asNumber: 64512 }), 'auto')
})

test('localASNumber is our AS for that peer, sourceAddress None leaves it to the kernel', t => {
  const spec = { peerIP: '10.240.0.1', asNumber: 65000, localASNumber: 65009 }
  const bgpPeers = [peer('tor', { ...spec, sourceAddress: 'None' })]
  const store = snapshot({ nodes: three, bgpConfigurations: [noMesh], bgpPeers })
  const found = only(desired(store, facts('worker-0')))
  t.is(found.localAs, 65009 as never)
  t.is(found.localAddress, undefined)
})

test('a reflector’s clients are its iBGP peers of no cluster or another', t => {
  const nodes = [
    node('r1', { ipv4Address: '10.0.0.1', routeReflectorClusterID: '1.0.0.1' }),
    node('r2', { ipv4Address: '10.0.0.2', routeReflectorClusterID: '1.0.0.1' }),
    node('w', '10.0.0.3'),
  ]
  const bgpPeers = [
    peer('r2', { peerIP: '10.0.0.2', asNumber: 64512 }),
    peer('tor', { peerIP: '10.0.0.9', asNumber: 65000 }),
    peer('w', { peerIP: '10.0.0.3', asNumber: 64512 }),
  ]
  const found = desired(snapshot({ nodes, bgpPeers }), facts('r1'))
  t.deepEqual(
    peersOf(found).map(({ name, routeReflectorClient }) => [name, routeReflectorClient]),
    [
      ['Global_10_0_0_2', false],
      ['Global_10_0_0_3', true],
      ['Global_10_0_0_9', false],
    ],
  )
  t.true(peersOf(found).every(one => one.export === 'all'))
})

test('a node announces its own alone, a router what it learned too', t => {
  const mode = (transit: boolean): unknown[] =>
    peersOf(desired(snapshot({ nodes: three }), facts('worker-0', { transit }))).map(
      one => one.export,
    )
  t.deepEqual(mode(false), ['originated', 'originated'])
  t.deepEqual(mode(true), ['all', 'all'])
})

test('without its Node object, a node has no speaker, and says what to do', t => {
  const found = desired(snapshot({ nodes: three }), facts('worker-9'))
  t.is(found.speaker, undefined)
  t.deepEqual(found.listen, [])
  t.deepEqual(found.problems, [
    {
      object: `${KEY}nodes/worker-9`,
      field: '',
      reason: 'is not there, so that worker-9 has no sessions; apply a Node of that name',
    },
  ])
})

test('a Node object that goes takes its sessions at its peers with it', t => {
  const found = desired(snapshot({ nodes: three.slice(0, 2) }), facts('worker-0'))
  t.deepEqual(names(found), ['Mesh_10_240_0_21'])
})

test('a node of IPv6 alone needs a router id from its configuration', t => {
  const nodes = [node('a', { ipv6Address: 'fd00::1' }), node('b', { ipv6Address: 'fd00::2' })]
  const without = desired(snapshot({ nodes }), facts('a'))
  t.is(without.speaker, undefined)
  t.regex(reasons(without)[0]!, /routerId/)
  const found = desired(snapshot({ nodes }), facts('a', { routerId: 7 }))
  t.is(found.speaker?.routerId, 7)
  t.deepEqual(names(found), ['Mesh_fd00__2'])
})

test('two nodes with one address are both named, and no session is made', t => {
  const nodes = [node('a', '10.0.0.1'), node('b', '10.0.0.1'), node('c', '10.0.0.3')]
  const found = desired(snapshot({ nodes }), facts('a'))
  t.deepEqual(names(found), ['Mesh_10_0_0_3'])
  t.true(reasons(found).some(text => /nodes\/b spec\.bgp\.ipv4Address .*a's address/.test(text)))
})

test('pod CIDRs are of the configuration, else of the affinities, else of the status', t => {
  const asked = (podCidrs: string[], status?: string[], states: string[] = [], more = {}) =>
    desired(
      snapshot({
        nodes: [node('a', '10.0.0.1', status)],
        blockAffinities: states.map((state, at) => ({ node: 'a', cidr: `10.9.${at}.0/26`, state })),
      }),
      facts('a', { podCidrs: podCidrs.map(prefix), ...more }),
    ).speaker?.originated as readonly string[] | undefined
  t.deepEqual(asked(['10.7.0.0/24'], ['10.8.0.0/24'], ['confirmed']), ['10.7.0.0/24'])
  t.deepEqual(asked([], ['10.8.0.0/24'], ['confirmed', '']), ['10.9.0.0/26', '10.9.1.0/26'])
  t.deepEqual(asked([], ['10.8.0.0/24', 'fd08::/64']), ['10.8.0.0/24', 'fd08::/64'])
  t.deepEqual(asked([], undefined, ['pending', 'pendingDeletion', 'confirmed']), ['10.9.2.0/26'])
  t.deepEqual(asked([], ['10.8.0.0/24'], ['pending']), [], 'IPAM knows the node')
  const usePodCidr = { usePodCidr: true }
  t.deepEqual(asked([], ['10.8.0.0/24'], ['confirmed'], usePodCidr), ['10.8.0.0/24'])
  t.deepEqual(asked([], undefined, ['confirmed'], usePodCidr), [], 'addresses are not of IPAM')
})

test('an affinity that is deleted is none, whatever its state', t => {
  const blockAffinities = [{ node: 'a', cidr: '10.9.0.0/26', state: 'confirmed', deleted: true }]
  const found = desired(snapshot({ nodes: [node('a', '10.0.0.1')], blockAffinities }), facts('a'))
  t.deepEqual(found.speaker?.originated, [])
})

test('a router id that is another node’s too is told, inside an AS', t => {
  const told = (asNumber: number): readonly string[] => {
    const nodes = [node('a', '10.0.0.1'), node('b', { ipv4Address: '10.0.0.2', asNumber })]
    return reasons(desired(snapshot({ nodes }), facts('a', { routerId: 0x0a000002 })))
  }
  t.regex(told(64512)[0] ?? '', /the router id of b too/)
  t.deepEqual(told(65001), [])
})

test('own pod CIDRs are blackholes, everybody’s are watched', t => {
  const found = desired(snapshot({ nodes: three }), facts('worker-1'))
  t.deepEqual(found.speaker?.originated, [prefix('10.200.1.0/24')])
  t.deepEqual(found.dataplane.routes, [
    { prefix: prefix('10.200.1.0/24'), out: { kind: 'blackhole' } },
  ])
  const all = ['10.200.0.0/24', '10.200.1.0/24', '10.200.2.0/24'].map(prefix)
  t.deepEqual(found.dataplane.watched, all)
  t.deepEqual(found.speaker?.watched, all)
})

test('pod CIDRs of another node’s configuration are watched, before those of its status', t => {
  const podCidrs = [
    { node: 'worker-2', podCidrs: [prefix('10.7.2.0/24')] },
    { node: 'gone', podCidrs: [prefix('10.7.9.0/24')] },
    // what this node itself published in an earlier life
    { node: 'worker-1', podCidrs: [prefix('10.7.1.0/24')] },
  ]
  const found = desired(snapshot({ nodes: three, podCidrs }), facts('worker-1'))
  const all = ['10.7.2.0/24', '10.200.0.0/24', '10.200.1.0/24'].map(prefix)
  t.deepEqual(found.dataplane.watched, all)
  t.deepEqual(found.speaker?.watched, all)
  t.deepEqual(found.speaker?.originated, [prefix('10.200.1.0/24')])
  t.deepEqual(found.problems, [])
})

test('pod CIDRs of configurations that overlap are told alike on both nodes', t => {
  const nodes = [node('a', '10.0.0.1'), node('b', '10.0.0.2')]
  const podCidrs = ['a', 'b'].map(name => ({ node: name, podCidrs: [prefix('10.9.0.0/24')] }))
  const seen = (name: string) =>
    desired(snapshot({ nodes, podCidrs }), facts(name, { podCidrs: [prefix('10.9.0.0/24')] }))
  t.deepEqual(seen('a').speaker?.originated, [prefix('10.9.0.0/24')])
  t.deepEqual(seen('b').speaker?.originated, [])
  t.deepEqual(
    ['a', 'b'].map(name => seen(name).problems.map(({ object, field }) => `${object} ${field}`)),
    [['/martlet/v1/pod-cidrs/a podCIDRs'], ['/martlet/v1/pod-cidrs/b podCIDRs']],
  )
})

test('of overlapping pod CIDRs the lower name keeps its own, and both keys are named', t => {
  const nodes = [
    node('a', '10.0.0.1', ['10.200.0.0/16']),
    node('b', '10.0.0.2', ['10.200.1.0/24', '10.201.0.0/24']),
  ]
  const a = desired(snapshot({ nodes }), facts('a'))
  const b = desired(snapshot({ nodes }), facts('b'))
  t.deepEqual(a.speaker?.originated, [prefix('10.200.0.0/16')])
  t.deepEqual(b.speaker?.originated, [prefix('10.201.0.0/24')])
  t.deepEqual(b.dataplane.watched, [prefix('10.200.0.0/16'), prefix('10.201.0.0/24')])
  for (const found of [a, b]) {
    t.is(found.problems.length, 1)
    t.regex(reasons(found)[0]!, /nodes\/a/)
    t.regex(reasons(found)[0]!, /nodes\/b/)
    t.is(found.problems[0]?.field, 'status.podCIDRs')
  }
})

test('a block that two nodes hold is the lower name’s, by the keys of both affinities', t => {
  const nodes = [node('a', '10.0.0.1'), node('b', '10.0.0.2')]
  const blockAffinities = ['a', 'b'].map(name => ({ node: name, cidr: '10.9.0.0/26' }))
  const b = desired(snapshot({ nodes, blockAffinities }), facts('b'))
  t.deepEqual(b.speaker?.originated, [])
  t.is(b.problems[0]?.object, '/calico/ipam/v2/host/b/ipv4/block/10.9.0.0-26')
  t.regex(b.problems[0]?.reason ?? '', /host\/a\/ipv4\/block\/10\.9\.0\.0-26/)
})

test('problems of reading the store are passed on', t => {
  const problem = { object: 'nodes.yaml:3', field: 'spec', reason: 'is odd' }
  const found = desired(snapshot({ nodes: three, problems: [problem] }), facts('worker-0'))
  t.deepEqual(found.problems, [problem])
  t.is(peersOf(found).length, 2)
})

test('the order in which the store lists its objects means nothing', t => {
  const peers = ['10.0.1.1', '10.0.1.2', '10.0.1.3:1', 'fd00::9'].map((peerIP, at) =>
    peer(`p${at}`, { peerIP, asNumber: 65000 + at }),
  )
  const nodes = [1, 2, 3, 4].map(at =>
    node(`n${at}`, `10.0.0.${at}`, [`10.200.${at}.0/24`, `10.20${at}.0.0/16`]),
  )
  const blockAffinities = [1, 2].map(at => ({ node: `n${at}`, cidr: `10.9.${at}.0/26` }))
  const all: Snapshot = snapshot({ nodes, bgpPeers: peers, blockAffinities })
  const expected = desired(all, facts('n2'))
  const shuffled = <Item>(items: readonly Item[]): fc.Arbitrary<Item[]> =>
    fc.shuffledSubarray([...items], { minLength: items.length })
  fc.assert(
    fc.property(shuffled(nodes), shuffled(blockAffinities), (nodes, blockAffinities) => {
      t.deepEqual(desired({ ...all, nodes, blockAffinities }, facts('n2')), expected)
    }),
  )
})
