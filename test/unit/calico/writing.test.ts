/** What writers of Calico's resources must obey, a case per rule, and what they fill in. */
import test from 'ava'
import {
  DATASTORE_KEY,
  filterFaults,
  type IpPoolResource,
  type IpPoolSpec,
  newDatastore,
  poolFaultsAmong,
  type Resource,
  type WriteFault,
  withDefaults,
  writeFaults,
} from '../../../src/core/calico/index.ts'
import { prefix } from '../../../src/core/net/index.ts'
import { decodeResource } from '../../../src/shell/config/index.ts'

/** A resource that its schema lets pass. */
function resource(kind: string, spec: object, metadata: object = {}): Resource {
  const value = {
    kind,
    apiVersion: 'projectcalico.org/v3',
    metadata: { name: 'default', ...metadata },
    spec,
  }
  const { resource: found, findings } = decodeResource(value)
  if (found === undefined) throw new Error(JSON.stringify(findings))
  return found
}

const fields = (faults: readonly WriteFault[]): string[] => faults.map(({ path }) => path.join('.'))

const NODE = { name: 'node.a' }

/** A rule, a resource that breaks it, and which fields are said to be wrong. */
const RULES: readonly (readonly [string, Resource, readonly string[]])[] = [
  [
    'BGPConfiguration: what holds for the cluster is set in "default" only',
    resource(
      'BGPConfiguration',
      {
        nodeToNodeMeshEnabled: true,
        asNumber: 64512,
        serviceClusterIPs: [{ cidr: '10.96.0.0/12' }],
        serviceExternalIPs: [],
        serviceLoadBalancerIPs: [],
        nodeMeshPassword: { secretKeyRef: { name: 'a', key: 'b' } },
        nodeMeshMaxRestartTime: '10s',
        listenPort: 180,
        logSeverityScreen: 'Debug',
      },
      NODE,
    ),
    [
      'spec.nodeToNodeMeshEnabled',
      'spec.asNumber',
      'spec.serviceClusterIPs',
      'spec.serviceExternalIPs',
      'spec.serviceLoadBalancerIPs',
      'spec.nodeMeshPassword',
      'spec.nodeMeshMaxRestartTime',
    ],
  ],
  [
    'BGPConfiguration: another name is read by nobody',
    resource('BGPConfiguration', {}, { name: 'mine' }),
    ['metadata.name'],
  ],
  [
    'BGPConfiguration: without a mesh there is nothing to set of it',
    resource('BGPConfiguration', {
      nodeToNodeMeshEnabled: false,
      nodeMeshPassword: { secretKeyRef: { name: 'a', key: 'b' } },
      nodeMeshMaxRestartTime: '10s',
    }),
    ['spec.nodeMeshPassword', 'spec.nodeMeshMaxRestartTime'],
  ],
  [
    'BGPConfiguration: a level of logs is one of six, in any case',
    resource('BGPConfiguration', { logSeverityScreen: 'Loud' }),
    ['spec.logSeverityScreen'],
  ],
  [
    'BGPConfiguration: who programs routes is one of four',
    resource('BGPConfiguration', { programClusterRoutes: 'Yes' }),
    ['spec.programClusterRoutes'],
  ],
  [
    'BGPConfiguration: ranges of services are prefixes, or empty',
    resource('BGPConfiguration', { serviceClusterIPs: [{}, { cidr: '' }, { cidr: '10.0.0.1/8' }] }),
    ['spec.serviceClusterIPs.2.cidr'],
  ],
  [
    'BGPConfiguration: communities come with prefixAdvertisements',
    resource('BGPConfiguration', { communities: [{ name: 'a', value: '1:2' }] }),
    ['spec.communities'],
  ],
  [
    'BGPConfiguration: a community is of two 16-bit or of three 32-bit numbers',
    resource('BGPConfiguration', {
      communities: [
        { name: 'a', value: '65536:1' },
        { name: 'b', value: '4294967296:1:1' },
        { name: 'c', value: '65535:65535' },
        { name: 'd', value: '4294967295:1:1' },
        { name: 'e', value: '1:2:3:4' },
      ],
      prefixAdvertisements: [{ cidr: '10.0.0.0/8', communities: ['c'] }],
    }),
    ['spec.communities.0.value', 'spec.communities.1.value', 'spec.communities.4.value'],
  ],
  [
    'BGPConfiguration: an advertisement names communities that there are, or values',
    resource('BGPConfiguration', {
      communities: [{ name: 'a', value: '1:2' }],
      prefixAdvertisements: [
        { cidr: '10.0.0.0/8', communities: ['a', '3:4', 'b'] },
        { cidr: '10.0.0.1/8', communities: [] },
      ],
    }),
    [
      'spec.prefixAdvertisements.0.communities.2',
      'spec.prefixAdvertisements.1.cidr',
      'spec.prefixAdvertisements.1.communities',
    ],
  ],
  [
    'BGPConfiguration: ignored interfaces are names or globs, not all of them, none twice',
    resource('BGPConfiguration', {
      ignoredInterfaces: ['eth0', '*', 'a-name-too-long-for-one', 'eth0', 'veth*'],
    }),
    ['spec.ignoredInterfaces.1', 'spec.ignoredInterfaces.2', 'spec.ignoredInterfaces.3'],
  ],
  [
    'BGPPeer: selectors parse',
    resource('BGPPeer', { nodeSelector: 'rack = 1', peerSelector: 'has(' }, { name: 'p' }),
    ['spec.nodeSelector', 'spec.peerSelector'],
  ],
  [
    'BGPPeer: a filter is named once',
    resource('BGPPeer', { peerIP: '10.0.0.1', filters: ['f', 'f'] }, { name: 'p' }),
    ['spec.filters.1'],
  ],
  [
    'IPPool: not where addresses are of one link',
    resource('IPPool', { cidr: '169.254.0.0/20' }),
    ['spec.cidr'],
  ],
  [
    'IPPool: at most one way of encapsulation',
    resource('IPPool', { cidr: '10.0.0.0/16', ipipMode: 'Always', vxlanMode: 'CrossSubnet' }),
    ['spec.vxlanMode'],
  ],
  [
    'IPPool: IPIP is for IPv4',
    resource('IPPool', { cidr: 'fd00::/64', ipipMode: 'Always' }),
    ['spec.ipipMode'],
  ],
  [
    'IPPool: smaller than a block of the default size needs a size',
    resource('IPPool', { cidr: '10.0.0.0/28' }),
    ['spec.blockSize'],
  ],
  [
    'IPPool: selectors parse',
    resource('IPPool', { cidr: '10.0.0.0/16', nodeSelector: '=', namespaceSelector: '=' }),
    ['spec.nodeSelector', 'spec.namespaceSelector'],
  ],
  [
    'IPPool: one for load balancers has no tunnel, is exported, and has no other use',
    resource('IPPool', {
      cidr: '10.0.0.0/16',
      vxlanMode: 'Always',
      disableBGPExport: true,
      allowedUses: ['LoadBalancer', 'Workload'],
    }),
    ['spec.vxlanMode', 'spec.disableBGPExport', 'spec.allowedUses'],
  ],
  [
    'IPAMConfiguration: only "default"',
    resource('IPAMConfiguration', { strictAffinity: true }, { name: 'mine' }),
    ['metadata.name'],
  ],
  [
    'IPAMConfiguration: neither borrowing nor blocks is no addresses',
    resource('IPAMConfiguration', { strictAffinity: false, autoAllocateBlocks: false }),
    ['spec.autoAllocateBlocks'],
  ],
  [
    'IPAMConfiguration: a limit of blocks needs strict affinity',
    resource('IPAMConfiguration', { maxBlocksPerHost: 4 }),
    ['spec.maxBlocksPerHost'],
  ],
  [
    'ClusterInformation: only "default"',
    resource('ClusterInformation', {}, { name: 'mine' }),
    ['metadata.name'],
  ],
  ['WorkloadEndpoint: in a namespace', resource('WorkloadEndpoint', { node: 'a' }), ['metadata']],
  [
    'CalicoNodeStatus: how often is said',
    resource('CalicoNodeStatus', { node: 'a', classes: ['BGP'] }),
    ['spec.updatePeriodSeconds'],
  ],
  [
    'labels are Kubernetes’',
    resource(
      'Node',
      {},
      { labels: { ok: '', 'example.org/ok': 'a.b-c_d', 'no good': 'a', bad: 'a b' } },
    ),
    ['metadata.labels.no good', 'metadata.labels.bad'],
  ],
]

for (const [rule, broken, expected] of RULES)
  test(rule, t => t.deepEqual(fields(writeFaults(broken)), expected))

test('there are twenty-five rules above', t => t.is(RULES.length, 25))

test('what every rule allows has no faults', t => {
  const allowed = [
    resource('BGPConfiguration', {
      logSeverityScreen: 'debug',
      nodeToNodeMeshEnabled: true,
      nodeMeshPassword: { secretKeyRef: { name: 'a', key: 'b' } },
      communities: [{ name: 'a', value: '1:2' }],
      prefixAdvertisements: [{ cidr: 'fd00::/64', communities: ['a', '1:2:3'] }],
      programClusterRoutes: 'Disabled',
    }),
    resource('BGPConfiguration', { listenPort: 1179 }, NODE),
    resource('IPPool', {
      cidr: '10.0.0.0/28',
      blockSize: 28,
      ipipMode: 'Always',
      vxlanMode: 'Never',
    }),
    resource('IPPool', { cidr: '10.0.0.0/16', allowedUses: ['LoadBalancer'] }),
    resource('IPAMConfiguration', {
      strictAffinity: true,
      autoAllocateBlocks: false,
      maxBlocksPerHost: 2,
    }),
    resource('WorkloadEndpoint', {}, { namespace: 'default' }),
  ]
  for (const one of allowed) t.deepEqual(writeFaults(one), [])
})

const SCHEMA_RULES: readonly (readonly [string, string, object])[] = [
  ['Node: a BGP without an address is no BGP', 'Node', { bgp: {} }],
  [
    'BGPFilter: a CIDR needs its operator',
    'BGPFilter',
    { exportV4: [{ action: 'Accept', cidr: '10.0.0.0/8' }] },
  ],
  [
    'BGPFilter: an operator needs its CIDR',
    'BGPFilter',
    { exportV4: [{ action: 'Accept', matchOperator: 'In' }] },
  ],
  [
    'BGPFilter: a length needs a CIDR',
    'BGPFilter',
    { exportV4: [{ action: 'Accept', prefixLength: { min: 8 } }] },
  ],
  [
    'BGPFilter: a CIDR is of its list’s family',
    'BGPFilter',
    rule({ cidr: 'fd00::/64', matchOperator: 'In' }),
  ],
  [
    'BGPFilter: a length is of its family',
    'BGPFilter',
    rule({ ...inside(), prefixLength: { max: 64 } }),
  ],
  [
    'BGPFilter: lengths that match nothing are none',
    'BGPFilter',
    rule({ ...inside(), prefixLength: { min: 9, max: 8 } }),
  ],
  [
    'BGPFilter: exactly one community',
    'BGPFilter',
    rule({ communities: { values: ['1:2', '3:4'] } }),
  ],
  [
    'BGPFilter: an interface has 15 characters',
    'BGPFilter',
    rule({ interface: 'a234567890123456' }),
  ],
  [
    'BGPFilter: at most ten operations',
    'BGPFilter',
    rule({ operations: Array(11).fill({ setPriority: { value: 1 } }) }),
  ],
  [
    'BGPFilter: an operation is one thing',
    'BGPFilter',
    rule({ operations: [{ setPriority: { value: 1 }, addCommunity: { value: '1:2' } }] }),
  ],
  [
    'BGPFilter: at most ten AS numbers before the path',
    'BGPFilter',
    rule({ operations: [{ prependASPath: { prefix: Array(11).fill(1) } }] }),
  ],
  [
    'BGPFilter: a refused route is not changed',
    'BGPFilter',
    rule({ operations: [{ setPriority: { value: 1 } }] }, 'Reject'),
  ],
  ['IPPool: the size of a block is of its family', 'IPPool', { cidr: 'fd00::/64', blockSize: 26 }],
  ['IPPool: a block fits into the pool', 'IPPool', { cidr: '10.0.0.0/28', blockSize: 26 }],
  [
    'CalicoNodeStatus: a class is asked for once',
    'CalicoNodeStatus',
    { node: 'a', classes: ['BGP', 'BGP'] },
  ],
  [
    'BGPPeer: reachableBy is of the family of peerIP',
    'BGPPeer',
    { peerIP: '10.0.0.1', reachableBy: 'fd00::1' },
  ],
]

function rule(conditions: object, action = 'Accept'): object {
  return { exportV4: [{ action, ...conditions }] }
}
function inside(): object {
  return { cidr: '10.0.0.0/8', matchOperator: 'In' }
}

for (const [title, kind, spec] of SCHEMA_RULES)
  test(title, t => {
    const value = { kind, apiVersion: 'projectcalico.org/v3', metadata: { name: 'a' }, spec }
    const { resource: found, findings } = decodeResource(value)
    t.is(found, undefined)
    t.is(findings.length, 1, JSON.stringify(findings))
  })

test('there are seventeen rules of schemas above', t => t.is(SCHEMA_RULES.length, 17))

test('defaults are written where nothing is said, and nowhere else', t => {
  const spec = (kind: string, given: object): object => withDefaults(resource(kind, given)).spec
  t.like(spec('BGPConfiguration', {}), {
    logSeverityScreen: 'Info',
    serviceLoadBalancerAggregation: 'Enabled',
  })
  t.like(spec('BGPConfiguration', { logSeverityScreen: 'Debug' }), { logSeverityScreen: 'Debug' })
  t.deepEqual(spec('IPPool', { cidr: '10.0.0.0/16' }), {
    cidr: '10.0.0.0/16',
    vxlanMode: 'Never',
    ipipMode: 'Never',
    blockSize: 26,
    nodeSelector: 'all()',
    assignmentMode: 'Automatic',
  })
  t.like(spec('IPPool', { cidr: 'fd00::/64' }), { blockSize: 122 })
  t.like(spec('IPPool', { cidr: '10.0.0.0/16', blockSize: 28, nodeSelector: 'a' }), {
    blockSize: 28,
    nodeSelector: 'a',
  })
  t.deepEqual(spec('IPAMConfiguration', {}), {
    strictAffinity: false,
    maxBlocksPerHost: 0,
    autoAllocateBlocks: true,
  })
  t.like(spec('BlockAffinity', { state: 'confirmed', node: 'a', cidr: '10.0.0.0/26' }), {
    deleted: 'false',
  })
  t.deepEqual(spec('BGPPeer', { peerIP: '10.0.0.1' }), { peerIP: '10.0.0.1' })
})

test('defaults are what the rules allow', t => {
  for (const kind of ['BGPConfiguration', 'IPAMConfiguration'])
    t.deepEqual(writeFaults(withDefaults(resource(kind, {}))), [])
  t.deepEqual(writeFaults(withDefaults(resource('IPPool', { cidr: '10.0.0.0/16' }))), [])
})

test('every filter that a peer names must exist', t => {
  const peer = resource('BGPPeer', { peerIP: '10.0.0.1', filters: ['a', 'b', 'c'] })
  if (peer.kind !== 'BGPPeer') throw new Error('not a peer')
  t.deepEqual(fields(filterFaults(peer, new Set(['b']))), ['spec.filters.0', 'spec.filters.2'])
  t.deepEqual(filterFaults(peer, new Set(['a', 'b', 'c', 'd'])), [])
})

const pool = (name: string, spec: IpPoolSpec): IpPoolResource => ({
  kind: 'IPPool',
  apiVersion: 'projectcalico.org/v3',
  metadata: { name },
  spec,
})

const POOL = pool('a', { cidr: '10.0.0.0/16' })
const alone = { pools: [POOL], blocks: [] }

test('a pool does not overlap another one, but itself', t => {
  t.deepEqual(poolFaultsAmong(POOL, alone), [])
  t.deepEqual(fields(poolFaultsAmong(pool('b', { cidr: '10.0.128.0/17' }), alone)), ['spec.cidr'])
  t.deepEqual(poolFaultsAmong(pool('b', { cidr: '10.1.0.0/16' }), alone), [])
  t.deepEqual(poolFaultsAmong(pool('b', { cidr: 'fd00::/64' }), alone), [])
})

test('neither a pool’s addresses nor the size of its blocks change; the default size is no change', t => {
  const after = (spec: IpPoolSpec): string[] =>
    fields(poolFaultsAmong(pool('a', spec), { ...alone, previous: POOL }))
  t.deepEqual(after({ cidr: '10.0.0.0/15' }), ['spec.cidr'])
  t.deepEqual(after({ cidr: '10.0.0.0/16', blockSize: 27 }), ['spec.blockSize'])
  t.deepEqual(after({ cidr: '10.0.0.0/16', blockSize: 26, disabled: true }), [])
})

test('a new pool has no blocks of another size in it already', t => {
  const blocks = [prefix('10.0.3.0/27'), prefix('10.9.0.0/20')]
  t.deepEqual(fields(poolFaultsAmong(POOL, { pools: [], blocks })), ['spec.blockSize'])
  t.deepEqual(
    poolFaultsAmong(pool('a', { cidr: '10.0.0.0/16', blockSize: 27 }), { pools: [], blocks }),
    [],
  )
})

test('a new datastore has Calico’s tiers, and then its ClusterInformation, without a version', t => {
  let ids = 0
  const made = newDatastore({
    uniqueId: () => `a1b2c3d4-0000-4000-8000-${String(++ids).padStart(12, '0')}`,
    creationTimestamp: '2026-08-22T10:00:00Z',
  })
  const root = '/calico/resources/v3/projectcalico.org/'
  t.deepEqual(
    made.map(({ key, value }) => [key.slice(root.length), JSON.parse(value).spec]),
    [
      ['tiers/default', { order: 1_000_000, defaultAction: 'Deny' }],
      ['tiers/kube-admin', { order: 1_000, defaultAction: 'Pass' }],
      ['tiers/kube-baseline', { order: 10_000_000, defaultAction: 'Pass' }],
      [
        'clusterinformations/default',
        { clusterGUID: 'a1b2c3d4000040008000' + '000000000004', datastoreReady: true },
      ],
    ],
  )
  const objects = made.map(({ value }) => JSON.parse(value))
  t.is(new Set(objects.map(({ metadata }) => metadata.uid)).size, 4)
  for (const { apiVersion, metadata } of objects)
    t.deepEqual(
      [apiVersion, metadata.creationTimestamp],
      ['projectcalico.org/v3', '2026-08-22T10:00:00Z'],
    )
  t.is(made.at(-1)?.key, DATASTORE_KEY)
  const information = decodeResource(objects.at(-1))
  t.deepEqual(information.findings, [])
  t.deepEqual(information.resource && writeFaults(information.resource), [])
})
