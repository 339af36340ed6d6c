/** Values as Calico's own components store them: each is read, whole, and what concerns one node is told apart. */
import test from 'ava'
import type { Entry, Snapshot } from '../../../src/core/intent/index.ts'
import { concerns, SnapshotReader, WATCHED_ROOTS } from '../../../src/shell/config/index.ts'

const ROOT = '/calico/resources/v3/projectcalico.org/'
const HEAD = { apiVersion: 'projectcalico.org/v3' }
const META = {
  uid: '4b0e7a54-6a1f-4b57-9c1c-6ad1a9b6c1de',
  creationTimestamp: '2026-08-22T10:00:00Z',
}

const stored = (place: string, kind: string, spec: object, more: object = {}): Entry => {
  const [name, namespace] = place.split('/').reverse()
  const metadata = { name, ...(place.split('/').length > 2 && { namespace }), ...META }
  return {
    key: ROOT + place,
    value: JSON.stringify({ kind, ...HEAD, metadata, spec, ...more }),
    revision: 1,
  }
}
const raw = (key: string, value: string): Entry => ({ key, value, revision: 1 })

const BLOCK =
  '{"cidr":"192.168.221.192/26","affinity":"host:kube-master","affinity_claim_time":"2026-08-22T10:00:00Z",' +
  `"allocations":[0,null,1${',null'.repeat(61)}],"unallocated":[1,3,4],` +
  '"attributes":[{"handle_id":"ipip-tunnel-addr-kube-master","secondary":{"node":"kube-master",' +
  '"type":"ipipTunnelAddress"}},{"handle_id":"k8s-pod-network.7c2f","secondary":{"namespace":"default",' +
  '"node":"kube-master","pod":"web-0","timestamp":"2026-08-22 10:01:00 +0000 UTC"}}],' +
  '"sequenceNumber":1787392800000000012,"sequenceNumberForAllocation":{"0":1787392800000000001,' +
  '"2":1787392800000000009},"deleted":false}'

const VALUES: readonly Entry[] = [
  stored('bgpconfigurations/default', 'BGPConfiguration', {
    logSeverityScreen: 'Info',
    nodeToNodeMeshEnabled: true,
    asNumber: 64512,
    serviceLoadBalancerIPs: [{ cidr: '80.15.0.0/24' }],
    serviceExternalIPs: [{ cidr: '203.0.113.0/24' }],
    serviceClusterIPs: [{ cidr: '10.101.0.0/16' }],
    serviceLoadBalancerAggregation: 'Enabled',
    communities: [{ name: 'bgp-large', value: '100:555:107' }],
    prefixAdvertisements: [{ cidr: '192.168.0.0/16', communities: ['bgp-large', '100:6532'] }],
    listenPort: 179,
    nodeMeshPassword: { secretKeyRef: { name: 'bgp-pw', key: 'mesh' } },
    nodeMeshMaxRestartTime: '10s',
    bindMode: 'NodeIP',
    ignoredInterfaces: ['iface-1'],
    programClusterRoutes: 'EnabledNoEncapOnly',
    ipv4NormalRoutePriority: 1024,
  }),
  stored('bgpconfigurations/node.kube-master', 'BGPConfiguration', {
    logSeverityScreen: 'Debug',
    listenPort: 180,
  }),
  stored('bgppeers/rr-clients', 'BGPPeer', {
    nodeSelector: 'has(routeReflector)',
    peerSelector: '!has(routeReflector)',
    reversePeering: 'Auto',
  }),
  stored('bgppeers/vm-peers', 'BGPPeer', {
    nodeSelector: 'all()',
    localWorkloadSelector: "color == 'red'",
    asNumber: 64516,
    localASNumber: 65002,
    filters: ['import-only-filter'],
  }),
  stored('bgpfilters/test-filter', 'BGPFilter', {
    exportV4: [
      {
        cidr: '77.0.0.0/16',
        prefixLength: { min: 16, max: 24 },
        source: 'RemotePeers',
        interface: '*.calico',
        matchOperator: 'In',
        peerType: 'eBGP',
        communities: { values: ['65000:42'] },
        asPathPrefix: [65000],
        priority: 512,
        action: 'Accept',
        operations: [
          { addCommunity: { value: '65001:200' } },
          { prependASPath: { prefix: [65000, 65001] } },
          { setPriority: { value: 256 } },
        ],
      },
      { action: 'Reject' },
    ],
    importV4: [{ cidr: '44.0.0.0/16', matchOperator: 'In', action: 'Accept' }],
    exportV6: [],
    importV6: [],
  }),
  stored(
    'nodes/kube-master',
    'Node',
    {
      bgp: {
        asNumber: 64532,
        ipv4Address: '10.192.0.2/16',
        ipv6Address: 'fe0a::2/96',
        ipv4IPIPTunnelAddr: '192.168.221.193',
        routeReflectorClusterID: '10.0.0.1',
      },
      ipv4VXLANTunnelAddr: '192.168.221.194',
      vxlanTunnelMACAddr: '66:00:00:00:00:01',
      orchRefs: [{ nodeName: 'kube-master', orchestrator: 'k8s' }],
      wireguard: { interfaceIPv4Address: '192.168.221.195' },
      addresses: [
        { address: '10.192.0.2/16', type: 'CalicoNodeIP' },
        { address: '10.192.0.2', type: 'InternalIP' },
      ],
    },
    { status: { wireguardPublicKey: 'a=', podCIDRs: ['10.244.0.0/24'] } },
  ),
  stored('ippools/default-ipv4-ippool', 'IPPool', {
    cidr: '192.168.0.0/16',
    vxlanMode: 'Never',
    ipipMode: 'CrossSubnet',
    natOutgoing: true,
    blockSize: 26,
    nodeSelector: 'all()',
    allowedUses: ['Workload', 'Tunnel'],
    assignmentMode: 'Automatic',
  }),
  stored('ipreservations/res-1', 'IPReservation', { reservedCIDRs: ['10.0.0.1/32'] }),
  stored(
    'caliconodestatuses/kube-master',
    'CalicoNodeStatus',
    { node: 'kube-master', classes: ['Agent', 'BGP', 'Routes'], updatePeriodSeconds: 10 },
    {
      status: {
        lastUpdated: '2026-08-22T10:00:00Z',
        agent: {
          birdV4: {
            state: 'Ready',
            version: 'v0.3.3+birdv1.6.8',
            routerID: '10.192.0.2',
            lastBootTime: '2026-08-22 09:58:40',
            lastReconfigurationTime: '2026-08-22 09:59:12',
          },
          birdV6: { state: 'NotReady' },
        },
        bgp: {
          numberEstablishedV4: 2,
          numberNotEstablishedV4: 0,
          numberEstablishedV6: 0,
          numberNotEstablishedV6: 0,
          peersV4: [{ peerIP: '172.19.4.87', type: 'GlobalPeer', state: 'Active' }],
        },
        routes: {
          routesV4: [
            {
              type: 'FIB',
              destination: '192.168.221.0/26',
              gateway: '10.192.0.3',
              interface: 'eth0',
              learnedFrom: { sourceType: 'NodeMesh', peerIP: '10.192.0.3' },
            },
          ],
        },
      },
    },
  ),
  stored('workloadendpoints/default/kube--master-k8s-web--0-eth0', 'WorkloadEndpoint', {
    orchestrator: 'k8s',
    node: 'kube-master',
    containerID: '7c2f',
    pod: 'web-0',
    endpoint: 'eth0',
    ipNetworks: ['192.168.221.70/32'],
    profiles: ['kns.default'],
    interfaceName: 'cali12d4a061371',
    mac: 'ee:ee:ee:ee:ee:ee',
    ports: [{ name: 'http', protocol: 'TCP', port: 80, hostPort: 0, hostIP: '' }],
  }),
  stored('felixconfigurations/default', 'FelixConfiguration', {
    bpfConnectTimeLoadBalancing: 'TCP',
    logSeverityScreen: 'Info',
    reportingInterval: '0s',
    programClusterRoutes: 'EnabledIPIPOnly',
    ipv4NormalRoutePriority: 1024,
  }),
  stored('clusterinformations/default', 'ClusterInformation', {
    clusterGUID: 'a1b20000000000000000000000000000',
    clusterType: 'typha,k8s,bgp',
    calicoVersion: 'v3.33.0',
    datastoreReady: true,
  }),
  raw('/calico/ipam/v2/assignment/ipv4/block/192.168.221.192-26', BLOCK),
  raw(
    '/calico/ipam/v2/host/kube-master/ipv4/block/192.168.221.192-26',
    '{"state":"confirmed","deleted":false}',
  ),
]

/** How many of each list there are. */
const counted = (snapshot: Snapshot): Record<string, number> =>
  Object.fromEntries(Object.entries(snapshot).map(([list, items]) => [list, items.length]))

const ALL = {
  nodes: 1,
  bgpConfigurations: 2,
  bgpPeers: 2,
  bgpFilters: 1,
  ipPools: 1,
  ipReservations: 1,
  clusterInformations: 1,
  felixConfigurations: 1,
  calicoNodeStatuses: 1,
  workloadEndpoints: 1,
  blockAffinities: 1,
  blocks: 1,
  podCidrs: 0,
  settings: 0,
  problems: 0,
}

test('each kind of value as Calico stores it is read without a finding', t => {
  const found = new SnapshotReader().read(VALUES)
  t.deepEqual(found.problems, [])
  t.deepEqual(counted(found), ALL)
  for (const { key } of VALUES)
    t.true(
      WATCHED_ROOTS.some(root => key.startsWith(root)),
      key,
    )
})

test('what is read of a resource is what was stored, field for field', t => {
  const found = new SnapshotReader().read(VALUES)
  const read = Object.values(found).flat()
  let compared = 0
  for (const { key, value } of VALUES.filter(entry => entry.key.startsWith(ROOT))) {
    compared += 1
    t.true(
      read.some(item => JSON.stringify(sorted(item)) === JSON.stringify(sorted(JSON.parse(value)))),
      key,
    )
  }
  t.is(compared, 12)
})

test('a node’s own endpoints, status and blocks concern it, those of others do not', t => {
  t.deepEqual(counted(new SnapshotReader([], 'kube-master').read(VALUES)), ALL)
  t.deepEqual(counted(new SnapshotReader([], 'kube').read(VALUES)), {
    ...ALL,
    calicoNodeStatuses: 0,
    workloadEndpoints: 0,
    blocks: 0,
  })
})

test('a block in which a node has an address that is not its own concerns all, an affinity of another does', t => {
  const borrowed = BLOCK.replace('"host:kube-master"', '"host:other"')
  const key = '/calico/ipam/v2/assignment/ipv4/block/192.168.221.192-26'
  t.true(concerns(raw(key, borrowed), 'kube-master'))
  t.true(concerns(raw(key, borrowed), 'other'))
  // packets to that address go to its node, not to the block's
  t.true(concerns(raw(key, borrowed), 'kube'))
  t.false(concerns(raw(key, BLOCK), 'kube'))
  t.true(concerns(raw('/calico/ipam/v2/host/other/ipv4/block/10.0.0.0-26', ''), 'kube'))
})

test('an endpoint of a node whose name another’s begins with is told apart by its dashes', t => {
  const endpoint = (name: string): Entry => raw(`${ROOT}workloadendpoints/default/${name}`, '{}')
  t.true(concerns(endpoint('kube--node--1-k8s-web--0-eth0'), 'kube-node-1'))
  t.false(concerns(endpoint('kube--node--11-k8s-web--0-eth0'), 'kube-node-1'))
  t.false(concerns(endpoint('kube-k8s-web-eth0'), 'kube-node-1'))
})

test('a block that is not what its key names is absent for itself alone', t => {
  const wrong = raw('/calico/ipam/v2/assignment/ipv4/block/192.168.0.0-26', BLOCK)
  const found = new SnapshotReader().read([...VALUES, wrong])
  t.is(found.blocks.length, 1)
  t.deepEqual(
    found.problems.map(({ object }) => object),
    [wrong.key],
  )
})

test('a pool that is not valid any more stays as it was, and says so', t => {
  const reader = new SnapshotReader()
  reader.read(VALUES)
  const bad = VALUES.map(entry =>
    entry.key.includes('/ippools/')
      ? { ...entry, value: entry.value.replace('"cidr":"192.168.0.0/16"', '"cidr":"x"') }
      : entry,
  )
  const found = reader.read(bad)
  t.is(found.ipPools[0]?.spec.cidr, '192.168.0.0/16')
  t.deepEqual(
    found.problems.map(({ field }) => field),
    ['spec.cidr', ''],
  )
  t.deepEqual(new SnapshotReader().read(bad).ipPools, [])
})

test('a status is no memory: it is asked for anew', t => {
  const reader = new SnapshotReader()
  reader.read(VALUES)
  t.deepEqual(
    VALUES.filter(({ key }) => !reader.valid.some(entry => entry.key === key)).map(
      ({ key }) => key,
    ),
    [`${ROOT}caliconodestatuses/kube-master`],
  )
})

/** With the keys of every mapping in order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const fields = Object.entries(value).filter(([, field]) => field !== undefined)
  return Object.fromEntries(
    fields.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([key, field]) => [key, sorted(field)]),
  )
}
