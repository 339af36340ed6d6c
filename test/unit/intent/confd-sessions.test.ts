/**
 * What Calico's confd makes of resources, by its own tests: each case has the name that its folder has
 * under confd/tests (mock_data/calicoctl, compiled_templates), and says in our words what BIRD's
 * configuration says there for the node kube-master. What is better here is left out: peers.test.ts.
 */
import test from 'ava'
import type { BgpPeerSpec } from '../../../src/core/calico/index.ts'
import {
  desired,
  NO_SECRETS,
  type Plan,
  type PlannedSession,
  planOf,
  type Snapshot,
} from '../../../src/core/intent/index.ts'
import { configuration, facts, peer, snapshot, workload } from '../../support/cluster.ts'
import { nodes } from '../../support/confd.ts'

const peers = (...specs: readonly BgpPeerSpec[]) =>
  specs.map((spec, at) => peer(`peer-${at + 1}`, spec))
const noMesh = configuration({ nodeToNodeMeshEnabled: false })

const planned = (parts: Partial<Snapshot>): Plan =>
  planOf(
    desired(snapshot({ bgpConfigurations: [noMesh], ...parts }), facts('kube-master'), NO_SECRETS),
    { node: 'kube-master' },
    { bgpFilters: parts.bgpFilters ?? [] },
  )

/** A session as its `protocol bgp` says it; what BIRD would not say is not said. */
function protocolOf(session: PlannedSession): string {
  const { name, peerAddress, peerPort, peerAs, localAs, sourceAddress, nextHop } = session
  return [
    `${name} ${peerAddress}${peerPort === 179 ? '' : ` port ${peerPort}`} as ${peerAs}`,
    ...(localAs === 64512 ? [] : [`local as ${localAs}`]),
    ...(sourceAddress === null ? [] : [`source ${sourceAddress}`]),
    ...(session.ttlSecurityHops === null ? [] : [`ttl ${session.ttlSecurityHops}`]),
    ...(session.routeReflectorClient ? [`rr client of ${session.clusterId}`] : []),
    ...(nextHop === 'auto' ? [] : [`next hop ${nextHop}`]),
    ...(session.allowLocalAs === 0 ? [] : [`allow local as ${session.allowLocalAs}`]),
    ...(session.passive ? ['passive'] : []),
    ...(session.restartTimeSeconds === null ? [] : [`restart ${session.restartTimeSeconds}`]),
    ...(session.reachableBy === null ? [] : [`route via ${session.reachableBy}`]),
    ...(session.importFilters.length === 0 ? [] : [`import ${session.importFilters}`]),
    ...(session.exportFilters.length === 0 ? [] : [`export ${session.exportFilters}`]),
  ].join(', ')
}

const protocols = test.macro((t, parts: Partial<Snapshot>, expected: readonly string[]) => {
  const plan = planned(parts)
  t.deepEqual(plan.sessions.map(protocolOf), expected)
})

const FROM4 = 'source 10.192.0.2'

test(
  'explicit_peering/specific_node',
  protocols,
  {
    nodes: nodes(),
    bgpPeers: peers(
      { node: 'kube-master', peerIP: '10.192.0.3', asNumber: 64512 },
      { node: 'kube-master', peerIP: '10.192.0.4', asNumber: 64566 },
    ),
  },
  [
    `Node_10_192_0_3 10.192.0.3 as 64512, ${FROM4}`,
    `Node_10_192_0_4 10.192.0.4 as 64566, ${FROM4}`,
  ],
)

const GROUPS = nodes([
  { ipv6Address: 'fd5f::2/96', labels: { group: 'one' } },
  { ipv6Address: 'fd5f::3/96', labels: { group: 'two' } },
  { ipv6Address: 'fd5f::4/96', labels: { group: 'two' } },
])
const BETWEEN_GROUPS = peers({ nodeSelector: "group=='one'", peerSelector: "group=='two'" })
test(
  'explicit_peering/selectors',
  protocols,
  {
    nodes: GROUPS,
    bgpPeers: BETWEEN_GROUPS,
    bgpConfigurations: [noMesh, configuration({ listenPort: 500 }, 'node.kube-node-1')],
  },
  [
    `Node_10_192_0_3_port_500 10.192.0.3 port 500 as 64512, ${FROM4}`,
    `Node_10_192_0_4 10.192.0.4 as 64512, ${FROM4}`,
    'Node_fd5f__3_port_500 fd5f::3 port 500 as 64512, source fd5f::2',
    'Node_fd5f__4 fd5f::4 as 64512, source fd5f::2',
  ],
)
test(
  'explicit_peering/selectors/step2: a port that goes is 179 again',
  protocols,
  {
    nodes: GROUPS,
    bgpPeers: BETWEEN_GROUPS,
    bgpConfigurations: [noMesh, configuration({}, 'node.kube-node-1')],
  },
  [
    `Node_10_192_0_3 10.192.0.3 as 64512, ${FROM4}`,
    `Node_10_192_0_4 10.192.0.4 as 64512, ${FROM4}`,
    'Node_fd5f__3 fd5f::3 as 64512, source fd5f::2',
    'Node_fd5f__4 fd5f::4 as 64512, source fd5f::2',
  ],
)

const AS_64532 = [configuration({ nodeToNodeMeshEnabled: false, asNumber: 64532 })]
const REFLECTOR = nodes([
  {
    ipv6Address: 'fe0a::2/96',
    routeReflectorClusterID: '10.0.0.1',
    labels: { routeReflector: 'true' },
  },
  { ipv6Address: 'fe0a::3/96' },
  { ipv6Address: 'fe0a::4/96' },
])
const OUTSIDE: readonly BgpPeerSpec[] = [
  { peerIP: '172.19.4.87', asNumber: 64533, nodeSelector: 'has(routeReflector)' },
  { peerIP: '[ac13::57]:50', asNumber: 64533, nodeSelector: 'has(routeReflector)' },
]
/** Of AS 64532, which `protocolOf` says of each. */
const OF_64532 = `local as 64532, ${FROM4}`
const OF_64532_V6 = 'local as 64532, source fe0a::2'
test(
  'explicit_peering/route_reflector',
  protocols,
  {
    nodes: REFLECTOR,
    bgpConfigurations: AS_64532,
    bgpPeers: peers(...OUTSIDE, {
      nodeSelector: 'has(routeReflector)',
      peerSelector: '!has(routeReflector)',
    }),
  },
  [
    `Node_10_192_0_3 10.192.0.3 as 64532, ${OF_64532}, rr client of 10.0.0.1`,
    `Node_10_192_0_4 10.192.0.4 as 64532, ${OF_64532}, rr client of 10.0.0.1`,
    `Node_172_19_4_87 172.19.4.87 as 64533, ${OF_64532}`,
    `Node_ac13__57_port_50 ac13::57 port 50 as 64533, ${OF_64532_V6}`,
    `Node_fe0a__3 fe0a::3 as 64532, ${OF_64532_V6}, rr client of 10.0.0.1`,
    `Node_fe0a__4 fe0a::4 as 64532, ${OF_64532_V6}, rr client of 10.0.0.1`,
  ],
)
test(
  'explicit_peering/route_reflector_v6_by_ip: of a peerIP, sessions back in its family alone',
  protocols,
  {
    nodes: REFLECTOR,
    bgpConfigurations: AS_64532,
    bgpPeers: peers(...OUTSIDE, { peerIP: 'fe0a::2' }),
  },
  [
    `Node_172_19_4_87 172.19.4.87 as 64533, ${OF_64532}`,
    `Node_ac13__57_port_50 ac13::57 port 50 as 64533, ${OF_64532_V6}`,
    `Node_fe0a__3 fe0a::3 as 64532, ${OF_64532_V6}, rr client of 10.0.0.1`,
    `Node_fe0a__4 fe0a::4 as 64532, ${OF_64532_V6}, rr client of 10.0.0.1`,
  ],
)
test(
  'explicit_peering/keepnexthop',
  protocols,
  {
    nodes: nodes([
      {
        ipv6Address: 'fe0a::2/96',
        routeReflectorClusterID: '10.0.0.1',
        labels: { routeReflector: 'true' },
      },
    ]),
    bgpConfigurations: AS_64532,
    bgpPeers: peers(...OUTSIDE.map(spec => ({ ...spec, keepOriginalNextHop: true })), {
      nodeSelector: 'all()',
      peerSelector: 'has(routeReflector)',
    }),
  },
  [
    `Node_10_192_0_3 10.192.0.3 as 64532, ${OF_64532}, rr client of 10.0.0.1`,
    `Node_10_192_0_4 10.192.0.4 as 64532, ${OF_64532}, rr client of 10.0.0.1`,
    `Node_172_19_4_87 172.19.4.87 as 64533, ${OF_64532}, next hop keep`,
    `Node_ac13__57_port_50 ac13::57 port 50 as 64533, ${OF_64532_V6}, next hop keep`,
  ],
)
test(
  'explicit_peering/local-as',
  protocols,
  {
    nodes: nodes(),
    bgpPeers: peers(
      { node: 'kube-master', peerIP: '10.192.0.3', asNumber: 64512, numAllowedLocalASNumbers: 1 },
      { node: 'kube-master', peerIP: '10.192.0.4', asNumber: 64566, localASNumber: 65001 },
    ),
  },
  [
    `Node_10_192_0_3 10.192.0.3 as 64512, ${FROM4}, allow local as 1`,
    `Node_10_192_0_4 10.192.0.4 as 64566, local as 65001, ${FROM4}`,
  ],
)

const PORT_150 = [configuration({ nodeToNodeMeshEnabled: false, asNumber: 64567, listenPort: 150 })]
test(
  'explicit_peering/local-as-global: a node’s port is the cluster’s, and the lower text waits',
  protocols,
  {
    nodes: nodes([{}, {}, { ipv4Address: '10.192.0.1/16' }]),
    bgpConfigurations: PORT_150,
    bgpPeers: peers(
      { peerIP: '10.192.0.3', asNumber: 64567, sourceAddress: 'None' },
      { peerIP: '10.192.0.1:166', asNumber: 64567 },
      { peerIP: '10.192.0.1', asNumber: 64567, numAllowedLocalASNumbers: 1 },
    ),
  },
  [
    `Global_10_192_0_1_port_150 10.192.0.1 port 150 as 64567, local as 64567, ${FROM4}, allow local as 1`,
    `Global_10_192_0_1_port_166 10.192.0.1 port 166 as 64567, local as 64567, ${FROM4}`,
    'Global_10_192_0_3_port_150 10.192.0.3 port 150 as 64567, local as 64567, passive',
  ],
)
test(
  'explicit_peering/global-external: who is no node is at 179',
  protocols,
  {
    nodes: nodes([{}, {}, { ipv4Address: '10.192.0.5/16' }]),
    bgpConfigurations: PORT_150,
    bgpPeers: peers(
      { peerIP: '10.192.0.3', asNumber: 64567, sourceAddress: 'None' },
      { peerIP: '10.192.0.4:166', asNumber: 64567 },
      { peerIP: '10.192.0.4', asNumber: 64567 },
    ),
  },
  [
    'Global_10_192_0_3_port_150 10.192.0.3 port 150 as 64567, local as 64567, passive',
    `Global_10_192_0_4 10.192.0.4 as 64567, local as 64567, ${FROM4}`,
    `Global_10_192_0_4_port_166 10.192.0.4 port 166 as 64567, local as 64567, ${FROM4}`,
  ],
)
test(
  'explicit_peering/local_bgp_peer',
  protocols,
  {
    nodes: nodes([{ ipv6Address: '2001::102/64' }]),
    bgpFilters: [
      {
        kind: 'BGPFilter',
        apiVersion: 'projectcalico.org/v3',
        metadata: { name: 'import-only-filter' },
        spec: { importV4: [{ action: 'Accept', matchOperator: 'In', cidr: '44.0.0.0/16' }] },
      },
    ],
    workloadEndpoints: [
      workload('one', 'kube-master', { app: 'calico-bird-0' }, ['192.168.162.134/32']),
      workload('two', 'kube-master', { app: 'calico-bird-1' }, ['192.168.162.136/32']),
    ],
    bgpPeers: peers(
      {
        localWorkloadSelector: "app == 'calico-bird-0'",
        asNumber: 64516,
        localASNumber: 65002,
        filters: ['import-only-filter'],
      },
      {
        node: 'kube-master',
        localWorkloadSelector: "app == 'calico-bird-1'",
        asNumber: 64517,
        localASNumber: 65001,
        filters: ['import-only-filter'],
      },
    ),
  },
  [
    'Local_Workload_192_168_162_134 192.168.162.134 as 64516, local as 65002, passive, import import-only-filter',
    'Local_Workload_192_168_162_136 192.168.162.136 as 64517, local as 65001, passive, import import-only-filter',
  ],
)

const BOTH = [
  { ipv6Address: '2001::103/64' },
  { ipv6Address: '2001::102/64' },
  { ipv6Address: '2001::104/64' },
]
test(
  'ttl_security/explicit_node',
  protocols,
  {
    nodes: nodes(BOTH),
    bgpPeers: peers(
      { node: 'kube-master', peerIP: '10.192.0.3', asNumber: 64517, ttlSecurity: 1 },
      { node: 'kube-master', peerIP: '10.192.0.4', asNumber: 64517, ttlSecurity: 2 },
    ),
  },
  [
    `Node_10_192_0_3 10.192.0.3 as 64517, ${FROM4}, ttl 1`,
    `Node_10_192_0_4 10.192.0.4 as 64517, ${FROM4}, ttl 2`,
  ],
)
test(
  'ttl_security/peer_selector',
  protocols,
  {
    nodes: nodes(BOTH.map((bgp, at) => (at === 0 ? bgp : { ...bgp, labels: { secure: 'yes' } }))),
    bgpPeers: peers({ node: 'kube-master', peerSelector: 'has(secure)', ttlSecurity: 1 }),
  },
  [
    `Node_10_192_0_3 10.192.0.3 as 64512, ${FROM4}, ttl 1`,
    `Node_10_192_0_4 10.192.0.4 as 64512, ${FROM4}, ttl 1`,
    'Node_2001__102 2001::102 as 64512, source 2001::103, ttl 1',
    'Node_2001__104 2001::104 as 64512, source 2001::103, ttl 1',
  ],
)

const LABELLED = nodes([{ labels: { 'route-reflector': 'true' } }])
const AT_REFLECTORS = { nodeSelector: "route-reflector == 'true'" }
const TO_REFLECTORS = { nodeSelector: 'all()', peerSelector: "route-reflector == 'true'" }
test(
  'reverse_peering/auto',
  protocols,
  { nodes: LABELLED, bgpPeers: peers({ ...TO_REFLECTORS, reversePeering: 'Auto' }) },
  [
    `Node_10_192_0_3 10.192.0.3 as 64512, ${FROM4}`,
    `Node_10_192_0_4 10.192.0.4 as 64512, ${FROM4}`,
  ],
)
test(
  'reverse_peering/manual: the one that is peered with has no session',
  protocols,
  { nodes: LABELLED, bgpPeers: peers({ ...TO_REFLECTORS, reversePeering: 'Manual' }) },
  [],
)
test(
  'next_hop_mode/route_reflectors: Self and Keep count inside the AS too',
  protocols,
  {
    nodes: LABELLED,
    bgpPeers: peers(
      TO_REFLECTORS,
      { ...AT_REFLECTORS, peerIP: '10.225.0.4', asNumber: 65515, nextHopMode: 'Keep' },
      { ...AT_REFLECTORS, peerIP: '10.225.0.5', asNumber: 64512, nextHopMode: 'Self' },
    ),
  },
  [
    `Node_10_192_0_3 10.192.0.3 as 64512, ${FROM4}`,
    `Node_10_192_0_4 10.192.0.4 as 64512, ${FROM4}`,
    `Node_10_225_0_4 10.225.0.4 as 65515, ${FROM4}, next hop keep`,
    `Node_10_225_0_5 10.225.0.5 as 64512, ${FROM4}, next hop self`,
  ],
)
test(
  'reachable_by/route_reflectors',
  protocols,
  {
    nodes: LABELLED,
    bgpPeers: peers(
      ...['10.225.0.4', '10.225.0.5'].map(peerIP => ({
        peerIP,
        asNumber: 65515,
        reachableBy: '10.224.0.1',
        keepOriginalNextHop: true,
        ...AT_REFLECTORS,
      })),
    ),
  },
  [
    `Node_10_225_0_4 10.225.0.4 as 65515, ${FROM4}, next hop keep, route via 10.224.0.1`,
    `Node_10_225_0_5 10.225.0.5 as 65515, ${FROM4}, next hop keep, route via 10.224.0.1`,
  ],
)
test(
  'mesh/restart-time',
  protocols,
  {
    nodes: nodes(),
    bgpConfigurations: [configuration({ nodeMeshMaxRestartTime: '10s' })],
  },
  [
    `Mesh_10_192_0_3 10.192.0.3 as 64512, ${FROM4}, passive, restart 10`,
    `Mesh_10_192_0_4 10.192.0.4 as 64512, ${FROM4}, passive, restart 10`,
  ],
)
test(
  'mesh/route-reflector-mesh-enabled: a reflector is not in the mesh, and is peered with beside it',
  protocols,
  {
    nodes: nodes([
      { ipv6Address: 'fe0a::2/96' },
      { ipv6Address: 'fe0a::4/96' },
      {
        ipv6Address: 'fe0a::6/96',
        routeReflectorClusterID: '10.0.0.1',
        labels: { routeReflector: 'true' },
      },
    ]),
    bgpConfigurations: [configuration({ asNumber: 64532, nodeToNodeMeshEnabled: true })],
    bgpPeers: peers(...OUTSIDE, {
      nodeSelector: 'has(routeReflector)',
      peerSelector: '!has(routeReflector)',
    }),
  },
  [
    `Mesh_10_192_0_3 10.192.0.3 as 64532, ${OF_64532}, passive`,
    `Mesh_fe0a__4 fe0a::4 as 64532, ${OF_64532_V6}, passive`,
    `Node_10_192_0_4 10.192.0.4 as 64532, ${OF_64532}`,
    `Node_fe0a__6 fe0a::6 as 64532, ${OF_64532_V6}`,
  ],
)
