/** Resources as people write them, strictly, and as the store has them, tolerantly. */
import test from 'ava'
import type { Entry, Snapshot } from '../../../src/core/intent/index.ts'
import { parsePrefix } from '../../../src/core/net/index.ts'
import { parseResources, SnapshotReader } from '../../../src/shell/config/index.ts'

const HEAD = 'apiVersion: projectcalico.org/v3\n'
const ROOT = '/calico/resources/v3/projectcalico.org/'

const written = (text: string): string[] =>
  parseResources(text, 'peers.yaml').problems.map(
    ({ object, field, reason }) => `${object}: ${field}: ${reason}`,
  )

test('documents, lists and JSON are resources, each with its line', t => {
  const text = `${HEAD}kind: Node
metadata: {name: a}
---
# nothing here
---
apiVersion: projectcalico.org/v3
kind: BGPPeerList
items:
  - ${HEAD}    kind: BGPPeer
    metadata: {name: tor}
    spec: {peerIP: 10.0.0.1, asNumber: '1.10'}
---
{"apiVersion": "projectcalico.org/v3", "kind": "BGPConfiguration", "metadata": {"name": "default"}}
`
  const { resources, problems } = parseResources(text, 'all.yaml')
  t.deepEqual(problems, [])
  t.deepEqual(
    resources.map(({ resource, source }) => [resource.kind, resource.metadata.name, source]),
    [
      ['Node', 'a', 'all.yaml:1'],
      ['BGPPeer', 'tor', 'all.yaml:10'],
      ['BGPConfiguration', 'default', 'all.yaml:15'],
    ],
  )
  const peer = resources[1]?.resource
  t.is(peer?.kind === 'BGPPeer' ? peer.spec.asNumber : undefined, 65546)
})

test('labels are texts, as calicoctl takes them: what YAML has as true or 1 too', t => {
  const { resources, problems } = parseResources(
    `${HEAD}kind: Node\nmetadata: {name: a, labels: {rr: true, rack: 7, zone: b}}\n`,
    'a.yaml',
  )
  t.deepEqual(problems, [])
  t.deepEqual(resources[0]?.resource.metadata.labels, { rr: 'true', rack: '7', zone: 'b' })
})

test('every field that Calico has for a peer is known', t => {
  const { problems } = parseResources(
    `${HEAD}kind: BGPPeer
metadata: {name: tor-rack1, labels: {a: b}, uid: x, creationTimestamp: null}
spec:
  nodeSelector: rack == 'rack1'
  peerIP: 172.19.4.87:179
  asNumber: 64533
  localASNumber: 65001
  nextHopMode: Self
  password: {secretKeyRef: {name: bgp-pw, key: tor}}
  sourceAddress: UseNodeIP
  maxRestartTime: 60s
  keepaliveTime: 10s
  numAllowedLocalASNumbers: 1
  ttlSecurity: 1
  reachableBy: 10.224.0.1
  filters: [test-filter]
  reversePeering: Auto
`,
    'tor.yaml',
  )
  t.deepEqual(problems, [])
})

/** One fault each: the lines after the head, and the whole of what is said. */
const faults: readonly (readonly [string, string, string])[] = [
  [
    'a wrong port',
    'kind: BGPPeer\nmetadata: {name: tor}\nspec:\n  peerIP: 10.0.0.1:99999\n',
    'peers.yaml:5: spec.peerIP: "10.0.0.1:99999" is not an address; ' +
      'write 10.0.0.1, 10.0.0.1:179, fd00::1 or [fd00::1]:179',
  ],
  [
    'an unknown field',
    'kind: BGPPeer\nmetadata: {name: tor}\nspec:\n  peerIP: 10.0.0.1\n  asNumbr: 65000\n',
    'peers.yaml:6: spec.asNumbr: "asNumbr" is not a known field; did you mean "asNumber"?',
  ],
  [
    'an AS number that YAML takes for a fraction',
    'kind: BGPPeer\nmetadata: {name: tor}\nspec: {peerIP: 10.0.0.1, asNumber: 1.10}\n',
    'peers.yaml:4: spec.asNumber: 1.1 is not an AS number; write 1 to 4294967294, ' +
      'or asdot in quotes, as "1.10"',
  ],
  [
    'a peer of one node and of some',
    'kind: BGPPeer\nmetadata: {name: tor}\n' +
      'spec: {peerIP: 10.0.0.1, node: a, nodeSelector: all()}\n',
    'peers.yaml:4: spec.nodeSelector: "all()" and node exclude each other; keep one',
  ],
  [
    'a peer that is nowhere',
    'kind: BGPPeer\nmetadata: {name: tor}\nspec: {asNumber: 65000}\n',
    'peers.yaml:4: spec.peerIP: is missing; a peer needs peerIP, peerSelector or ' +
      'localWorkloadSelector',
  ],
  [
    'a listen port out of range',
    'kind: BGPConfiguration\nmetadata: {name: default}\nspec: {listenPort: 0}\n',
    'peers.yaml:4: spec.listenPort: 0 is too small; the least is 1',
  ],
  [
    'a node address of the other family',
    'kind: Node\nmetadata: {name: a}\nspec: {bgp: {ipv4Address: fd00::1}}\n',
    'peers.yaml:4: spec.bgp.ipv4Address: "fd00::1" is not an IPv4 address; ' +
      'write 10.0.0.1 or 10.0.0.1/24',
  ],
  [
    'a node that speaks BGP nowhere',
    'kind: Node\nmetadata: {name: a}\nspec: {bgp: {asNumber: 65000}}\n',
    'peers.yaml:4: spec.bgp: {"asNumber":65000} has no address; write ipv4Address or ' +
      'ipv6Address, or leave "bgp" out',
  ],
  [
    'a field of all nodes for one',
    'kind: BGPConfiguration\nmetadata: {name: node.a}\nspec: {asNumber: 65000}\n',
    'peers.yaml:4: spec.asNumber: has a meaning in the BGPConfiguration named "default" only',
  ],
  [
    'a name with capitals',
    'kind: Node\nmetadata: {name: Worker}\n',
    'peers.yaml:3: metadata.name: "Worker" is not a name; use lower-case letters, digits, ' +
      '"-" and "."',
  ],
  [
    'a misspelt kind',
    'kind: BGPPer\nmetadata: {name: tor}\n',
    'peers.yaml:2: kind: "BGPPer" is not a known kind; did you mean "BGPPeer"?',
  ],
  [
    'a kind of Calico’s that is not read',
    'kind: Tier\nmetadata: {name: tor}\n',
    "peers.yaml:2: kind: Tier is a kind of Calico's that this version does not read; it reads " +
      'Node, BGPConfiguration, BGPPeer, BGPFilter, IPPool, IPReservation, IPAMConfiguration, BlockAffinity, ' +
      'ClusterInformation, FelixConfiguration, CalicoNodeStatus, WorkloadEndpoint',
  ],
  ['no name', 'kind: Node\n', 'peers.yaml:1: metadata: is missing; it is a mapping of fields'],
]

for (const [title, text, message] of faults)
  test(`${title} is an error with line, field, reason and remedy`, t =>
    t.deepEqual(written(HEAD + text), [message]))

test('there are thirteen faults above', t => t.is(faults.length, 13))

test('another apiVersion is an error', t => {
  t.deepEqual(written('kind: Node\napiVersion: v1\n'), [
    'peers.yaml:2: apiVersion: is "v1"; write projectcalico.org/v3',
  ])
})

test('one bad document does not hide the good ones, nor their faults one another', t => {
  const good = `${HEAD}kind: Node\nmetadata: {name: a}\n`
  const bad = `${HEAD}kind: BGPPeer\nmetadata: {name: b}\nspec: {peerIP: x, asNumber: 0, gull: 1}\n`
  const { resources, problems } = parseResources(`${good}---\n${bad}---\n${good}`, 'f')
  t.is(resources.length, 2)
  t.deepEqual(problems.map(({ field }) => field).toSorted(), [
    'spec.asNumber',
    'spec.gull',
    'spec.peerIP',
  ])
})

const entry = (key: string, value: unknown, revision = 1): Entry => ({
  key: key.startsWith('/') ? key : ROOT + key,
  value: typeof value === 'string' ? value : JSON.stringify(value),
  revision,
})
const object = (kind: string, name: string, spec: object = {}): object => ({
  kind,
  apiVersion: 'projectcalico.org/v3',
  metadata: { name },
  spec,
})
const peer = (spec: object): object => object('BGPPeer', 'tor', spec)
const read = (...entries: Entry[]): Snapshot => new SnapshotReader().read(entries)

test('the store’s entries are sorted by kind and name, whatever their order', t => {
  const entries = [
    entry('nodes/b', object('Node', 'b')),
    entry('nodes/a', object('Node', 'a')),
    entry('bgppeers/tor', peer({ peerIP: '10.0.0.1' })),
    entry('bgpconfigurations/default', object('BGPConfiguration', 'default')),
    entry('/calico/ipam/v2/host/a/ipv4/block/10.9.0.0-26', '{"state":"confirmed","deleted":false}'),
    entry('/calico/ipam/v2/host/a', ''),
    entry('tiers/default', 'not even JSON'),
  ]
  for (const order of [entries, entries.toReversed()]) {
    const found = read(...order)
    t.deepEqual(
      found.nodes.map(node => node.metadata.name),
      ['a', 'b'],
    )
    t.is(found.bgpPeers.length, 1)
    t.is(found.bgpConfigurations.length, 1)
    t.deepEqual(found.blockAffinities, [
      { node: 'a', cidr: '10.9.0.0/26', state: 'confirmed', deleted: false },
    ])
    t.deepEqual(found.problems, [])
  }
})

test('an unknown field in the store is reported, and the object used without it', t => {
  const found = read(entry('bgppeers/tor', peer({ peerIP: '10.0.0.1', newInCalico4: true })))
  t.is(found.bgpPeers[0]?.spec.peerIP, '10.0.0.1')
  t.false('newInCalico4' in (found.bgpPeers[0]?.spec ?? {}))
  t.is(found.problems[0]?.object, `${ROOT}bgppeers/tor`)
  t.is(found.problems[0]?.field, 'spec.newInCalico4')
})

test('a filter with a condition that is not understood is not in force without it', t => {
  const rules = (more: object): object => ({ exportV4: [{ action: 'Accept', ...more }] })
  const reader = new SnapshotReader()
  const [bare, newer] = [rules({}), rules({ newInCalico4: true })].map((spec, at) =>
    entry('bgpfilters/f', object('BGPFilter', 'f', spec), at + 1),
  )
  t.deepEqual(reader.read([newer!]).bgpFilters, [])
  t.is(reader.read([bare!]).bgpFilters.length, 1)
  const after = reader.read([newer!])
  t.is(after.bgpFilters[0]?.spec.exportV4?.length, 1)
  t.deepEqual(
    after.problems.map(({ field }) => field),
    ['spec.exportV4[0].newInCalico4', ''],
  )
})

test('an invalid peer is absent for itself alone', t => {
  const reader = new SnapshotReader()
  const node = entry('nodes/a', object('Node', 'a'))
  reader.read([node, entry('bgppeers/tor', peer({ peerIP: '10.0.0.1' }))])
  const found = reader.read([node, entry('bgppeers/tor', peer({ peerIP: '10.0.0.1:0' }), 2)])
  t.is(found.bgpPeers.length, 0)
  t.is(found.nodes.length, 1)
  t.is(found.problems[0]?.field, 'spec.peerIP')
})

test('an invalid configuration leaves the last valid one in force, and says so', t => {
  const reader = new SnapshotReader()
  const key = 'bgpconfigurations/default'
  const good = object('BGPConfiguration', 'default', { asNumber: 65001 })
  const bad = object('BGPConfiguration', 'default', { asNumber: 65001, listenPort: 'x' })
  reader.read([entry(key, good, 7)])
  for (const value of [bad, '{"torn', bad]) {
    const found = reader.read([entry(key, value, 8)])
    t.is(found.bgpConfigurations[0]?.spec.asNumber, 65001)
    t.regex(found.problems.at(-1)?.reason ?? '', /last valid content \(revision 7\) stays/)
  }
  const mended = reader.read([entry(key, object('BGPConfiguration', 'default', {}), 9)])
  t.is(mended.bgpConfigurations[0]?.spec.asNumber, undefined)
  t.deepEqual(mended.problems, [])
  t.deepEqual(reader.read([]).bgpConfigurations, [])
})

test('the next reader goes by what the last one found valid, and by the store where that is valid', t => {
  const key = 'bgpconfigurations/default'
  const good = entry(key, object('BGPConfiguration', 'default', { asNumber: 65001 }), 7)
  const gone = entry('nodes/a', object('Node', 'a'))
  const last = new SnapshotReader()
  last.read([good, gone])
  last.read([entry(key, '{"torn', 8), gone])
  t.deepEqual(last.valid, [good, gone])
  const next = new SnapshotReader(last.valid)
  const found = next.read([entry(key, '{"torn', 8)])
  t.is(found.bgpConfigurations[0]?.spec.asNumber, 65001)
  t.deepEqual(found.nodes, [], 'what the store no longer has is gone')
  t.deepEqual(
    new SnapshotReader(last.valid).read([entry(key, object('BGPConfiguration', 'default', {}), 9)])
      .problems,
    [],
  )
})

test('what an unreadable file held stays in force until the file is read or gone', t => {
  const known = { ...entry('nodes/a', object('Node', 'a')), source: 'cluster.yaml:3' }
  const other = { ...entry('nodes/b', object('Node', 'b')), source: 'other.yaml:1' }
  const reader = new SnapshotReader([known, other])
  const torn = { object: 'cluster.yaml:9', field: '', reason: 'is not YAML' }
  t.deepEqual(
    reader.read([], [torn]).nodes.map(({ metadata }) => metadata.name),
    ['a'],
  )
  t.deepEqual(
    reader.read([], [torn]).nodes.map(({ metadata }) => metadata.name),
    ['a'],
  )
  t.deepEqual(reader.read([], []).nodes, [])
  t.deepEqual(reader.read([], [torn]).nodes, [])
})

test('an object at another’s key is refused', t => {
  const found = read(entry('bgppeers/tor', object('BGPPeer', 'other', { peerIP: '10.0.0.1' })))
  t.is(found.bgpPeers.length, 0)
  t.is(found.problems[0]?.field, 'metadata.name')
})

test('a problem names the file where the store knows it', t => {
  const found = read({ ...entry('bgppeers/tor', peer({})), source: 'peers.yaml:12' })
  t.is(found.problems[0]?.object, 'peers.yaml:12')
})

for (const [value, expected] of [
  ['', { node: 'a', cidr: '10.9.0.0/26' }],
  ['{}', { node: 'a', cidr: '10.9.0.0/26', deleted: false }],
  ['{"state":"pending"}', { node: 'a', cidr: '10.9.0.0/26', state: 'pending', deleted: false }],
  ['{"deleted":"true"}', { node: 'a', cidr: '10.9.0.0/26', deleted: true }],
] as const)
  test(`an affinity of ${value === '' ? 'nothing' : value} is read as Calico reads it`, t => {
    const found = read(entry('/calico/ipam/v2/host/a/ipv4/block/10.9.0.0-26', value))
    t.deepEqual(found.blockAffinities, [expected])
    t.deepEqual(found.problems, [])
  })

test('pod CIDRs that nodes published are read, and a document that is none is reported', t => {
  const key = (name: string): string => `/martlet/v1/pod-cidrs/${name}`
  const found = read(
    entry(key('a'), '{"node": "a", "podCIDRs": ["10.9.0.0/24", "fd09::/64"], "later": 1}'),
    entry(key('b'), '{"node": "a", "podCIDRs": []}'),
    entry(key('c'), '{"node": "c", "podCIDRs": ["10.9.0.1/24", "10.9.1.0/24"]}'),
    entry(key('d'), '{'),
  )
  t.deepEqual(found.podCidrs, [
    { node: 'a', podCidrs: [parsePrefix('10.9.0.0/24')!, parsePrefix('fd09::/64')!] },
  ])
  t.deepEqual(
    found.problems.map(problem => problem.object),
    ['b', 'c', 'd'].map(key),
  )
})
