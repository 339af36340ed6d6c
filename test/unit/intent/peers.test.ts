/**
 * Who peers with whom by BGPPeers: the rules of Calico's confd (updatePeersV1, buildPeerFromData),
 * one test a rule. What is better here than there says so.
 */
import test from 'ava'
import type { BgpPeerSpec } from '../../../src/core/calico/index.ts'
import {
  type Desired,
  desired,
  type Plan,
  type PlannedSession,
  planOf,
  type Secrets,
  type Snapshot,
} from '../../../src/core/intent/index.ts'
import { address, prefix } from '../../../src/core/net/index.ts'
import {
  configuration,
  facts,
  filter,
  labelled,
  node,
  peer,
  snapshot,
  workload,
} from '../../support/cluster.ts'

const noMesh = configuration({ nodeToNodeMeshEnabled: false })
const held: Secrets = {
  read: ({ name }) => (name === 'gone' ? { missing: 'gone' } : { text: 's' }),
}

/** Two reflectors and three workers in two racks, all in both families but `w3`. */
const both = (last: number) => ({ ipv4Address: `10.0.0.${last}/24`, ipv6Address: `fd00::${last}` })
const nodes = [
  labelled({ rr: 'true' }, node('r1', { ...both(1), routeReflectorClusterID: '1.0.0.1' })),
  labelled({ rr: 'true' }, node('r2', { ...both(2), routeReflectorClusterID: '1.0.0.1' })),
  labelled({ rack: 'a' }, node('w1', both(3))),
  labelled({ rack: 'b' }, node('w2', both(4))),
  labelled({ rack: 'b' }, node('w3', '10.0.0.5/24')),
]

const wanted = (name: string, parts: Partial<Snapshot>): Desired =>
  desired(snapshot({ nodes, bgpConfigurations: [noMesh], ...parts }), facts(name), held)
const planned = (name: string, parts: Partial<Snapshot>): Plan =>
  planOf(wanted(name, parts), { node: name }, { bgpFilters: parts.bgpFilters ?? [] })
const sessions = (name: string, ...specs: BgpPeerSpec[]): readonly PlannedSession[] =>
  planned(name, { bgpPeers: specs.map((spec, at) => peer(`p${at}`, spec)) }).sessions
const names = (name: string, ...specs: BgpPeerSpec[]): string[] =>
  sessions(name, ...specs).map(session => session.name)
const problems = (found: { readonly problems: Plan['problems'] }): string[] =>
  found.problems.map(({ object, field }) => `${object.split('/').pop()} ${field}`)

// --- which nodes a BGPPeer is for --------------------------------------------------------------

const selected = test.macro((t, nodeSelector: string, expected: string) => {
  const spec = { nodeSelector, peerIP: '10.0.0.9', asNumber: 65000 }
  const found = nodes.map(({ metadata }) => metadata.name).filter(name => names(name, spec).length)
  t.is(found.join(' '), expected)
})
test('nodeSelector: only nodes with the label have the session', selected, "rack == 'a'", 'w1')
test('nodeSelector: all() is every node', selected, 'all()', 'r1 r2 w1 w2 w3')
test('nodeSelector: a label that is not there is none', selected, "rack != 'a'", 'r1 r2 w2 w3')
test('nodeSelector: && and ! work as Calico’s', selected, '!has(rr) && has(rack)', 'w1 w2 w3')
test('nodeSelector: none that matches is no session', selected, "rack == 'c'", '')
test('nodeSelector: one that is no selector selects nothing', selected, 'rack = ', '')

test('a peer for selected nodes is named Node_, one for all Global_', t => {
  const spec = { peerIP: '10.0.0.9', asNumber: 65000 }
  t.deepEqual(names('w1', spec), ['Global_10_0_0_9'])
  t.deepEqual(names('w1', { ...spec, nodeSelector: 'all()' }), ['Node_10_0_0_9'])
  t.deepEqual(names('w1', { ...spec, node: 'w1' }), ['Node_10_0_0_9'])
})

test('a selector that cannot be read is a problem of its field', t => {
  const bgpPeers = [peer('odd', { nodeSelector: 'rack = ', peerSelector: 'all()' })]
  t.deepEqual(problems(planned('w1', { bgpPeers })), ['odd spec.nodeSelector'])
})

// --- whom it is with ---------------------------------------------------------------------------

test('peerSelector: every node that matches, in each family that both ends have', t => {
  const spec = { nodeSelector: 'has(rack)', peerSelector: 'has(rr)', reversePeering: 'Manual' }
  t.deepEqual(names('w1', spec as BgpPeerSpec), [
    'Node_10_0_0_1',
    'Node_10_0_0_2',
    'Node_fd00__1',
    'Node_fd00__2',
  ])
  t.deepEqual(names('w3', spec as BgpPeerSpec), ['Node_10_0_0_1', 'Node_10_0_0_2'])
})

test('peerSelector: a node that selects itself has no session with itself', t => {
  t.deepEqual(names('r1', { nodeSelector: 'has(rr)', peerSelector: 'has(rr)' }), [
    'Node_10_0_0_2',
    'Node_fd00__2',
  ])
})

test('peerSelector without nodes is for all of them, and named Global_', t => {
  t.deepEqual(names('w3', { peerSelector: 'has(rr)' }), ['Global_10_0_0_1', 'Global_10_0_0_2'])
})

test('peerSelector: the AS number is the remote node’s, else the cluster’s', t => {
  const own = node('x', { ipv4Address: '10.0.0.7', asNumber: 65007 })
  const bgpPeers = [peer('p', { node: 'w1', peerSelector: 'all()', reversePeering: 'Manual' })]
  const bgpConfigurations = [configuration({ nodeToNodeMeshEnabled: false, asNumber: 65001 })]
  const found = planned('w1', { nodes: [own, ...nodes], bgpPeers, bgpConfigurations }).sessions
  const as = (name: string): unknown => found.find(each => each.name === name)?.peerAs
  t.is(as('Node_10_0_0_7'), 65007)
  t.is(as('Node_10_0_0_4'), 65001)
})

test('peerIP: an AS number that nobody says is the cluster’s, whatever this node’s own', t => {
  const own = node('x', { ipv4Address: '10.0.0.7/24', asNumber: 65007 })
  const bgpPeers = [peer('p', { peerIP: '10.0.0.9' })]
  const [found] = planned('x', { nodes: [own, ...nodes], bgpPeers }).sessions
  t.like(found, { peerAs: 64512, localAs: 65007, ebgp: true })
})

test('peerSelector: keepOriginalNextHop means nothing, nextHopMode does', t => {
  const own = node('x', { ipv4Address: '10.0.0.7/24', asNumber: 65007 })
  const nextHop = (spec: BgpPeerSpec): unknown =>
    planned('x', {
      nodes: [own, ...nodes],
      bgpPeers: [peer('p', { nodeSelector: 'all()', peerSelector: 'has(rr)', ...spec })],
    }).sessions[0]?.nextHop
  t.is(nextHop({ keepOriginalNextHop: true }), 'auto')
  t.is(nextHop({ nextHopMode: 'Keep' }), 'keep')
})

test('peerSelector: localASNumber and numAllowedLocalASNumbers do not count, and are told', t => {
  const spec = { peerSelector: 'has(rr)', localASNumber: 65009, numAllowedLocalASNumbers: 2 }
  const plan = planned('w3', { bgpPeers: [peer('p', spec)] })
  t.deepEqual(
    plan.sessions.map(({ localAs, allowLocalAs }) => [localAs as number, allowLocalAs]),
    [
      [64512, 0],
      [64512, 0],
    ],
  )
  t.deepEqual(problems(plan), ['p spec.localASNumber', 'p spec.numAllowedLocalASNumbers'])
})

test('of a peer that all nodes have, the peer itself has none with itself, and it is no problem', t => {
  const plan = planned('r1', { bgpPeers: [peer('p', { peerIP: '10.0.0.1', asNumber: 64512 })] })
  t.false(plan.sessions.some(({ peerAddress }) => peerAddress === '10.0.0.1'))
  t.deepEqual(plan.problems, [])
})

// --- ports -------------------------------------------------------------------------------------

const ports = test.macro(
  (t, peerIP: string, listen: Readonly<Record<string, number>>, expected: string) => {
    const bgpConfigurations = [
      noMesh,
      ...Object.entries(listen).map(([name, listenPort]) =>
        configuration(
          { listenPort, nodeToNodeMeshEnabled: name === 'default' ? false : undefined },
          name,
        ),
      ),
    ].filter(
      ({ metadata }, at, all) => all.findLastIndex(o => o.metadata.name === metadata.name) === at,
    )
    const bgpPeers = [peer('p', { node: 'w1', peerIP, asNumber: 64512 })]
    const [found] = planned('w1', { bgpConfigurations, bgpPeers }).sessions
    t.is(`${found?.name} ${found?.peerPort}`, expected)
  },
)
test(
  'a port that nobody says is 179, and not in the name',
  ports,
  '10.0.0.4',
  {},
  'Node_10_0_0_4 179',
)
test(
  'a port that peerIP says is in the name',
  ports,
  '10.0.0.4:179',
  {},
  'Node_10_0_0_4_port_179 179',
)
test(
  'a node’s own listenPort is the port of a peer without one',
  ports,
  '10.0.0.4',
  { default: 1000, 'node.w2': 2000 },
  'Node_10_0_0_4_port_2000 2000',
)
test(
  'the cluster’s listenPort is that of a node without one of its own',
  ports,
  '10.0.0.4',
  { default: 1000 },
  'Node_10_0_0_4_port_1000 1000',
)
test('a listenPort is of nodes only', ports, '10.0.0.9', { default: 1000 }, 'Node_10_0_0_9 179')

test('an address of a node with another AS number is not that node’s port', t => {
  const bgpConfigurations = [noMesh, configuration({ listenPort: 2000 }, 'node.w2')]
  const bgpPeers = [peer('p', { node: 'w1', peerIP: '10.0.0.4', asNumber: 65000 })]
  t.is(planned('w1', { bgpConfigurations, bgpPeers }).sessions[0]?.peerPort, 179)
})

// --- precedence --------------------------------------------------------------------------------

test('a peer of all nodes is before one of some, one of some before a session back', t => {
  const all = { peerIP: '10.0.0.3', asNumber: 64512, maxRestartTime: '1s' }
  const some = {
    nodeSelector: 'has(rr)',
    peerIP: '10.0.0.3',
    asNumber: 64512,
    maxRestartTime: '2s',
  }
  const back = { node: 'w1', peerIP: '10.0.0.1', asNumber: 64512, maxRestartTime: '3s' }
  const first = (...specs: BgpPeerSpec[]): string =>
    sessions('r1', ...specs)
      .map(({ name, restartTimeSeconds }) => `${name} ${restartTimeSeconds}`)
      .join()
  t.is(first(back, some, all), 'Global_10_0_0_3 1')
  t.is(first(back, some), 'Node_10_0_0_3 2')
  t.is(first(back), 'Node_10_0_0_3 3')
})

test('of two resources for one session, both ends take that of all nodes', t => {
  const a = { node: 'w1', peerIP: '10.0.0.1', asNumber: 64512, ttlSecurity: 1 }
  const b = { peerIP: '10.0.0.1', asNumber: 64512, ttlSecurity: 2 }
  const hops = (name: string, peerAddress: string): unknown =>
    sessions(name, a, b).find(session => session.peerAddress === peerAddress)?.ttlSecurityHops
  t.is(hops('w1', '10.0.0.1'), 2)
  t.is(hops('r1', '10.0.0.3'), 2)
})

test('179 and no port are one endpoint; another port is another session', t => {
  const spec = { node: 'w1', asNumber: 65000 }
  t.deepEqual(
    names(
      'w1',
      { ...spec, peerIP: '10.0.0.9' },
      { ...spec, peerIP: '10.0.0.9:179' },
      { ...spec, peerIP: '10.0.0.9:1790' },
    ),
    ['Node_10_0_0_9', 'Node_10_0_0_9_port_1790'],
  )
})

test('two resources that ask for one and the same session are no problem', t => {
  const spec = { nodeSelector: 'has(rack)', peerSelector: 'has(rr)' }
  const bgpPeers = [peer('a', spec), peer('b', { ...spec, nodeSelector: "rack == 'a'" })]
  const plan = planned('w1', { bgpPeers })
  t.deepEqual(plan.problems, [])
  t.is(plan.sessions.length, 4)
  t.true(plan.sessions.every(({ resource }) => resource?.endsWith('/a')))
  const other = planned('w1', { bgpPeers: [...bgpPeers, peer('c', { ...spec, ttlSecurity: 2 })] })
  t.deepEqual(problems(other), Array(4).fill('c spec.peerSelector'))
})

// --- sessions back -----------------------------------------------------------------------------

test('reverse peering: who is selected as a peer has the session too, in both families', t => {
  const spec = { nodeSelector: 'has(rr)', peerSelector: '!has(rr)' }
  const found = sessions('w1', spec)
  t.deepEqual(
    found.map(({ name, reverse }) => [name, reverse]),
    ['Node_10_0_0_1', 'Node_10_0_0_2', 'Node_fd00__1', 'Node_fd00__2'].map(name => [name, true]),
  )
})

test('reverse peering: of a peerIP, in that family only', t => {
  t.deepEqual(names('r1', { nodeSelector: "rack == 'a'", peerIP: '10.0.0.1', asNumber: 64512 }), [
    'Node_10_0_0_3',
  ])
})

test('reverse peering: a peer of all nodes has a session with each of them', t => {
  t.deepEqual(names('r1', { peerIP: '10.0.0.1', asNumber: 64512 }), [
    'Node_10_0_0_2',
    'Node_10_0_0_3',
    'Node_10_0_0_4',
    'Node_10_0_0_5',
  ])
})

const notBack = test.macro((t, spec: BgpPeerSpec, more: Partial<Snapshot> = {}) => {
  t.deepEqual(
    planned('r1', { ...more, bgpPeers: [peer('p', { node: 'w1', ...spec })] }).sessions,
    [],
  )
})
const AT_R1 = { peerIP: '10.0.0.1', asNumber: 64512 }
test('reverse peering: Manual has none', notBack, { ...AT_R1, reversePeering: 'Manual' })
test('reverse peering: not where the AS number is another', notBack, { ...AT_R1, asNumber: 65000 })
test(
  'reverse peering: not where the port is not the node’s',
  notBack,
  { ...AT_R1, peerIP: '10.0.0.1:1790' },
  {
    bgpConfigurations: [noMesh, configuration({ listenPort: 1791 }, 'node.r1')],
  },
)

test('reverse peering: the node’s own port counts, whatever the cluster’s (Calico misses it)', t => {
  const bgpConfigurations = [
    configuration({ nodeToNodeMeshEnabled: false, listenPort: 179 }),
    configuration({ listenPort: 1790 }, 'node.r1'),
  ]
  const bgpPeers = [peer('p', { node: 'w1', ...AT_R1, peerIP: '10.0.0.1:1790' })]
  t.deepEqual(
    planned('r1', { bgpConfigurations, bgpPeers }).sessions.map(({ name }) => name),
    ['Node_10_0_0_3_port_179'],
  )
})

test('reverse peering: what secures and tunes the one end does so at the other', t => {
  const [found] = sessions('r1', {
    node: 'w1',
    ...AT_R1,
    password: { secretKeyRef: { name: 'bgp', key: 'k' } },
    sourceAddress: 'None',
    maxRestartTime: '60s',
    keepaliveTime: '10s',
    ttlSecurity: 3,
    nextHopMode: 'Self',
    numAllowedLocalASNumbers: 2,
    reachableBy: '10.0.0.99',
  })
  t.like(found, {
    name: 'Node_10_0_0_3',
    password: 'set',
    sourceAddress: null,
    restartTimeSeconds: 60,
    keepaliveSeconds: 10,
    ttlSecurityHops: 3,
    nextHop: 'self',
    // of the one end's own tables and links
    allowLocalAs: 0,
    reachableBy: null,
  })
})

test('reverse peering: the one end’s localASNumber is whom the other peers with (better)', t => {
  const [found] = sessions('r1', { node: 'w1', ...AT_R1, localASNumber: 65009 })
  t.like(found, { peerAs: 65009, localAs: 64512, ebgp: true, routeReflectorClient: false })
})

test('reachableBy: a host route to the peer by the gateway, at the end that says so', t => {
  const spec = { nodeSelector: "rack == 'a'", asNumber: 65000 }
  const bgpPeers = [
    peer('a', { ...spec, peerIP: '10.9.9.9', reachableBy: '10.0.0.99' }),
    peer('b', { ...spec, peerIP: '10.9.9.9:1790', reachableBy: '10.0.0.98' }),
    peer('c', { ...spec, peerIP: 'fd09::9', reachableBy: 'fd00::99' }),
    peer('d', { ...spec, peerIP: '10.9.9.8' }),
  ]
  t.deepEqual(
    wanted('w1', { bgpPeers }).dataplane.routes.filter(({ out }) => out.kind === 'via'),
    [
      { prefix: prefix('10.9.9.9/32'), out: { kind: 'via', gateway: address('10.0.0.99') } },
      { prefix: prefix('fd09::9/128'), out: { kind: 'via', gateway: address('fd00::99') } },
    ],
  )
  t.deepEqual(wanted('w2', { bgpPeers }).dataplane.routes, [])
})

test('reachableBy: a gateway of the other family makes no session', t => {
  const spec = { node: 'w1', peerIP: '10.9.9.9', asNumber: 65000, reachableBy: 'fd00::99' }
  const plan = planned('w1', { bgpPeers: [peer('p', spec)] })
  t.deepEqual(plan.sessions, [])
  t.deepEqual(problems(plan), ['p spec.reachableBy'])
})

test('filters of a session are those with rules of its direction and family, and those that are gone', t => {
  const accept = [{ action: 'Accept' as const }]
  const bgpFilters = [
    filter('v4', { importV4: accept, exportV4: accept }),
    filter('v6-in', { importV6: accept }),
    filter('v6-out', { exportV6: accept }),
  ]
  const filters = ['v6-out', 'v4', 'gone', 'v6-in']
  const bgpPeers = ['10.0.0.9', 'fd00::9'].map((peerIP, at) =>
    peer(`p${at}`, { peerIP, asNumber: 65000, filters }),
  )
  t.deepEqual(
    planned('w1', { bgpFilters, bgpPeers }).sessions.map(each => [
      each.importFilters,
      each.exportFilters,
    ]),
    [
      [
        ['v4', 'gone'],
        ['v4', 'gone'],
      ],
      [
        ['gone', 'v6-in'],
        ['v6-out', 'gone'],
      ],
    ],
  )
})

// --- who connects ------------------------------------------------------------------------------

test('passive: of a Global_ peer that is a node, the lower text waits', t => {
  const passive = (name: string, peerIP: string): unknown =>
    sessions(name, { peerIP, asNumber: 64512, reversePeering: 'Manual' })[0]?.passive
  t.is(passive('w1', '10.0.0.4'), true)
  t.is(passive('w2', '10.0.0.3'), false)
  t.is(passive('w1', '10.0.0.9'), false, 'no node')
})

test('passive: Node_ peers, selected ones and sessions back connect from both ends', t => {
  const connects = (name: string, spec: BgpPeerSpec): boolean =>
    sessions(name, spec).every(({ passive }) => !passive)
  for (const name of ['r1', 'w1', 'w3']) {
    t.true(connects(name, { nodeSelector: 'has(rr)', peerSelector: 'all()' }))
    t.true(connects(name, { peerSelector: 'all()' }))
    t.true(connects(name, { nodeSelector: 'has(rr)', peerIP: '10.0.0.3', asNumber: 64512 }))
  }
})

// --- reflectors --------------------------------------------------------------------------------

test('a reflector’s clients are iBGP peers of another cluster or none, with our cluster id', t => {
  const r3 = node('r3', { ipv4Address: '10.0.0.8/24', routeReflectorClusterID: '3.0.0.3' })
  const bgpPeers = [
    peer('all', { nodeSelector: 'has(rr)', peerSelector: 'all()' }),
    peer('outside', { node: 'r1', peerIP: '10.0.0.9', asNumber: 65000 }),
  ]
  const found = planned('r1', { nodes: [...nodes, r3], bgpPeers }).sessions
  const clients = found.map(
    ({ name, routeReflectorClient, clusterId }) => `${name} ${routeReflectorClient} ${clusterId}`,
  )
  t.true(clients.includes('Node_10_0_0_2 false null'), 'the same cluster')
  t.true(clients.includes('Node_10_0_0_3 true 1.0.0.1'))
  t.true(clients.includes('Node_10_0_0_8 true 1.0.0.1'), 'another cluster')
  t.true(clients.includes('Node_10_0_0_9 false null'), 'eBGP')
})

test('a localASNumber that makes a session external makes its peer no client', t => {
  const spec = { node: 'r1', peerIP: '10.0.0.9', asNumber: 64512 }
  t.true(sessions('r1', spec)[0]?.routeReflectorClient)
  t.false(sessions('r1', { ...spec, localASNumber: 65001 })[0]?.routeReflectorClient)
  const other = { ...spec, asNumber: 65001, localASNumber: 65001 }
  t.true(sessions('r1', other)[0]?.routeReflectorClient)
})

const keepalives = test.macro({
  exec(t, keepaliveTime: string | undefined, expected: number | null, told: number) {
    const spec = { node: 'w1', peerIP: '10.0.0.9', asNumber: 65000, keepaliveTime }
    const plan = planned('w1', { bgpPeers: [peer('p', spec)] })
    t.is(plan.sessions[0]?.keepaliveSeconds, expected)
    t.deepEqual(problems(plan), Array(told).fill('p spec.keepaliveTime'))
  },
  title: (_, time, expected) => `keepaliveTime ${time} is ${expected} s`,
})
test(keepalives, undefined, null, 0)
test(keepalives, '0s', null, 0)
test(keepalives, '10s', 10, 0)
test(keepalives, '1m0.6s', 61, 0)
test(keepalives, '200ms', 1, 1)

// --- secrets -----------------------------------------------------------------------------------

test('a session whose password is missing is planned and not made, nor another to that address', t => {
  const password = { secretKeyRef: { name: 'gone', key: 'k' } }
  const spec = { node: 'w1', peerIP: '10.0.0.4', asNumber: 64512 }
  const bgpPeers = [peer('a', { ...spec, password }), peer('b', { ...spec, peerIP: '10.0.0.4:99' })]
  const found = wanted('w1', { bgpPeers, bgpConfigurations: [] })
  t.deepEqual(
    found.speaker?.peers.map(({ name }) => name),
    ['Mesh_10_0_0_5', 'Mesh_fd00__4'],
  )
  const [first] = found.sessions.filter(({ withheld }) => withheld !== undefined)
  t.is(first?.config.name, 'Node_10_0_0_4')
  t.is(first?.password, 'missing')
})

test('a mesh whose password is missing is planned as such', t => {
  const nodeMeshPassword = { secretKeyRef: { name: 'gone', key: 'k' } }
  const bgpConfigurations = [configuration({ nodeMeshPassword })]
  const found = planned('w3', { bgpConfigurations })
  t.deepEqual(
    found.sessions.map(({ name, password, withheld }) => [name, password, withheld]),
    ['Mesh_10_0_0_3', 'Mesh_10_0_0_4'].map(name => [name, 'missing', 'gone']),
  )
})

// --- where peers connect to --------------------------------------------------------------------

test('bindMode: NodeIP listens at the node’s addresses, None at any', t => {
  const listen = (bindMode?: 'None' | 'NodeIP'): string[] =>
    planned('w1', {
      bgpConfigurations: [configuration({ bindMode, listenPort: 1790 })],
    }).listen.map(({ address, port }) => `${address} ${port}`)
  t.deepEqual(listen('NodeIP'), ['10.0.0.3 1790', 'fd00::3 1790'])
  t.deepEqual(listen('None'), ['0.0.0.0 1790', ':: 1790'])
  t.deepEqual(listen(), listen('None'))
})

// --- workloads ---------------------------------------------------------------------------------

const vm = workload('vm', 'w1', { color: 'red' }, ['192.168.1.1/32', 'fd01::1/128'])
const workloadEndpoints = [
  vm,
  workload('blue', 'w1', { color: 'blue' }, ['192.168.1.2/32']),
  workload('elsewhere', 'w2', { color: 'red' }, ['192.168.1.3/32']),
]
const ofVms = (spec: BgpPeerSpec = {}) =>
  peer('vms', { localWorkloadSelector: "color == 'red'", asNumber: 64999, ...spec })

test('localWorkloadSelector: passive sessions with workloads of this node that match', t => {
  const found = planned('w1', { workloadEndpoints, bgpPeers: [ofVms({ localASNumber: 65002 })] })
  t.deepEqual(
    found.sessions.map(({ name, passive, sourceAddress, peerAs, localAs }) =>
      [name, passive, sourceAddress, peerAs, localAs].join(' '),
    ),
    ['Local_Workload_192_168_1_1 true  64999 65002', 'Local_Workload_fd01__1 true  64999 65002'],
  )
})

test('localWorkloadSelector: of each family the first address counts, as in Calico', t => {
  const many = workload('vm', 'w1', { color: 'red' }, [
    '192.168.1.1/32',
    '192.168.1.9/32',
    'fd01::1/128',
    'fd01::9/128',
  ])
  const found = planned('w1', { workloadEndpoints: [many], bgpPeers: [ofVms()] })
  t.deepEqual(
    found.sessions.map(({ name }) => name),
    ['Local_Workload_192_168_1_1', 'Local_Workload_fd01__1'],
  )
})

test('localWorkloadSelector: password, restart, keepalive and hops mean nothing, as in Calico', t => {
  const spec = {
    password: { secretKeyRef: { name: 'gone', key: 'k' } },
    maxRestartTime: '7s',
    keepaliveTime: '7s',
    ttlSecurity: 7,
    nextHopMode: 'Self' as const,
  }
  const plan = planned('w1', { workloadEndpoints, bgpPeers: [ofVms(spec)] })
  t.like(plan.sessions[0], {
    nextHop: 'auto',
    password: 'none',
    restartTimeSeconds: null,
    keepaliveSeconds: null,
    ttlSecurityHops: null,
    withheld: null,
  })
  t.deepEqual(
    problems(plan),
    ['keepaliveTime', 'maxRestartTime', 'password', 'ttlSecurity'].map(each => `vms spec.${each}`),
  )
})

test('localWorkloadSelector: in families that the node has, at addresses that can be a peer’s', t => {
  const odd = workload('odd', 'w3', { color: 'red' }, ['224.0.0.5/32', 'fd01::7/128'])
  const fine = workload('vm', 'w3', { color: 'red' }, ['192.168.1.7/32', 'fd01::8/128'])
  const found = planned('w3', { workloadEndpoints: [odd, fine], bgpPeers: [ofVms()] })
  t.deepEqual(
    found.sessions.map(({ name }) => name),
    ['Local_Workload_192_168_1_7'],
  )
})

test('localWorkloadSelector: nodes that are not selected have none, and none has a session back', t => {
  const store = { workloadEndpoints, bgpPeers: [ofVms({ nodeSelector: 'has(rr)' })] }
  t.deepEqual(planned('w1', store).sessions, [])
  t.deepEqual(planned('r1', store).sessions, [])
})
