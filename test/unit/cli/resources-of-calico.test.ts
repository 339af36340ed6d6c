/** Calico's rules on the command line: what is filled in, what is checked among others, what goes with what. */
import test from 'ava'
import { decodeBlock } from '../../../src/core/calico/index.ts'
import { MemoryStore, type Outcome, run } from './world.ts'

const ROOT = '/calico/resources/v3/projectcalico.org/'
const HEAD = 'apiVersion: projectcalico.org/v3\n'

const pool = (name: string, spec: string): string =>
  `${HEAD}kind: IPPool\nmetadata: {name: ${name}}\nspec: {${spec}}\n`

const write = (
  store: MemoryStore,
  text: string,
  verb = 'apply',
  ...more: string[]
): Promise<Outcome> => run([verb, '-f', 'a.yaml', ...more], { store, files: { 'a.yaml': text } })

const stored = (store: MemoryStore, place: string) =>
  JSON.parse(store.entries.get(place.startsWith('/') ? place : ROOT + place)?.value ?? 'null')

function seed(
  store: MemoryStore,
  place: string,
  kind: string,
  spec: object,
  more: object = {},
): void {
  const [name, namespace] = place.split('/').slice(1).toReversed()
  const metadata = {
    name,
    ...(namespace !== undefined && { namespace }),
    uid: 'u',
    creationTimestamp: '2020-01-01T00:00:00Z',
  }
  store.seed(ROOT + place, { kind, apiVersion: 'projectcalico.org/v3', metadata, spec, ...more })
}

test('Calico’s defaults are written into what is stored', async t => {
  const store = new MemoryStore()
  t.is((await write(store, pool('a', 'cidr: 10.0.0.0/16'))).code, 0)
  t.deepEqual(stored(store, 'ippools/a').spec, {
    cidr: '10.0.0.0/16',
    vxlanMode: 'Never',
    ipipMode: 'Never',
    blockSize: 26,
    nodeSelector: 'all()',
    assignmentMode: 'Automatic',
  })
})

test('a peer whose filter does not exist is not written, until it does', async t => {
  const store = new MemoryStore()
  const peer = `${HEAD}kind: BGPPeer\nmetadata: {name: tor}\nspec: {peerIP: 10.0.0.1, filters: [f]}\n`
  const refused = await write(store, peer)
  t.is(refused.code, 1)
  t.regex(refused.remarks, /BGPPeer\(tor\): spec\.filters: there is no BGPFilter "f"/)
  t.is(store.entries.size, 0)
  const filter = `${HEAD}kind: BGPFilter\nmetadata: {name: f}\nspec: {exportV4: [{action: Reject}]}\n`
  t.is((await write(store, `${filter}---\n${peer}`)).printed, 'Successfully applied 2 resource(s)')
})

test('pools do not overlap, and keep their addresses and the size of their blocks', async t => {
  const store = new MemoryStore()
  await write(store, pool('a', 'cidr: 10.0.0.0/16'))
  const other = await write(store, pool('b', 'cidr: 10.0.128.0/17'))
  t.regex(other.remarks, /IPPool\(b\): spec\.cidr: overlaps 10\.0\.0\.0\/16 of the pool "a"/)
  t.regex(
    (await write(store, pool('a', 'cidr: 10.0.0.0/15'))).remarks,
    /was 10\.0\.0\.0\/16, and cannot be changed/,
  )
  t.regex(
    (await write(store, pool('a', 'cidr: 10.0.0.0/16, blockSize: 28'), 'replace')).remarks,
    /spec\.blockSize: was 26/,
  )
  t.is((await write(store, pool('a', 'cidr: 10.0.0.0/16, disabled: true'))).code, 0)
  t.true(stored(store, 'ippools/a').spec.disabled)
  store.seed('/calico/ipam/v2/assignment/ipv4/block/10.1.0.0-28', '{}')
  t.regex(
    (await write(store, pool('c', 'cidr: 10.1.0.0/16'))).remarks,
    /has the block 10\.1\.0\.0\/28 in it/,
  )
})

test('the status of an object stays its writer’s', async t => {
  const store = new MemoryStore()
  seed(store, 'nodes/a', 'Node', {}, { status: { podCIDRs: ['10.9.0.0/24'] } })
  await write(
    store,
    `${HEAD}kind: Node\nmetadata: {name: a, labels: {rack: r1}}\nspec: {bgp: {ipv4Address: 10.0.0.1}}\n`,
  )
  t.deepEqual(stored(store, 'nodes/a').status, { podCIDRs: ['10.9.0.0/24'] })
  t.deepEqual(stored(store, 'nodes/a').metadata.labels, { rack: 'r1' })
})

test('the first write makes an etcd a Calico datastore, once, and a directory is none', async t => {
  const place = 'clusterinformations/default'
  const directory = new MemoryStore()
  await write(directory, pool('a', 'cidr: 10.0.0.0/16'))
  t.is(stored(directory, place), null)
  const store = new MemoryStore()
  const files = { 'a.yaml': pool('a', 'cidr: 10.0.0.0/16') }
  const storeIn = '{etcd: {endpoints: ["http://127.0.0.1:2379"]}}'
  t.is((await run(['apply', '-f', 'a.yaml'], { store, files, storeIn })).code, 0)
  t.deepEqual(stored(store, place).spec, {
    clusterGUID: '00000000000040008000000000000001',
    datastoreReady: true,
  })
  t.deepEqual(stored(store, 'tiers/kube-admin').spec, { order: 1000, defaultAction: 'Pass' })
  const before = store.entries.get(ROOT + place)
  await run(['apply', '-f', 'a.yaml'], { store, files, storeIn })
  t.is(store.entries.get(ROOT + place), before)
})

test('create leaves what exists, and with --skip-exists that is no failure', async t => {
  const store = new MemoryStore()
  await write(store, pool('a', 'cidr: 10.0.0.0/16'))
  const again = pool('a', 'cidr: 10.0.0.0/16, disabled: true')
  t.is((await write(store, again, 'create')).code, 4)
  t.is((await write(store, again, 'create', '--skip-exists')).code, 0)
  t.is(stored(store, 'ippools/a').spec.disabled, undefined)
})

test('labels are set, changed with --overwrite, and taken away', async t => {
  const store = new MemoryStore()
  seed(store, 'nodes/a', 'Node', { bgp: { ipv4Address: '10.0.0.1' } })
  const label = (...words: string[]): Promise<Outcome> =>
    run(['label', 'nodes', 'a', ...words], { store })
  const labels = (): object => stored(store, 'nodes/a').metadata.labels
  t.is(
    (await label('rack=r1', 'routeReflector=')).printed,
    'Successfully set label rack on Node a\nSuccessfully set label routeReflector on Node a',
  )
  t.deepEqual(labels(), { rack: 'r1', routeReflector: '' })
  t.deepEqual(stored(store, 'nodes/a').spec, { bgp: { ipv4Address: '10.0.0.1' } })
  t.is((await label('rack=r1')).code, 0)
  const other = await label('rack=r2', 'more=x')
  t.is(other.code, 4)
  t.regex(other.remarks, /Node a has the label rack=r1 already; write --overwrite/)
  t.deepEqual(labels(), { rack: 'r1', routeReflector: '' })
  t.is((await label('rack=r2', '--overwrite')).printed, 'Successfully updated label rack on Node a')
  t.is((await label('rack-')).printed, 'Successfully removed label rack from Node a')
  t.is((await label('routeReflector', '--remove')).code, 0)
  t.deepEqual(labels(), {})
  t.is((await label('rack-')).code, 3)
  t.is((await label('rack')).code, 2)
  t.is((await label('rack=a b')).code, 2)
  t.is((await run(['label', 'nodes', 'nobody', 'a=b'], { store })).code, 3)
})

test('a label that somebody else sets meanwhile is not lost', async t => {
  const store = new MemoryStore()
  seed(store, 'nodes/a', 'Node', {})
  let others = 0
  store.beforeWrite = key => {
    if (others++ > 0) return
    const value = stored(store, key)
    store.seed(key, { ...value, metadata: { ...value.metadata, labels: { theirs: '1' } } })
  }
  t.is((await run(['label', 'no', 'a', 'ours=1'], { store })).code, 0)
  t.deepEqual(stored(store, 'nodes/a').metadata.labels, { theirs: '1', ours: '1' })
})

const BLOCK = '/calico/ipam/v2/assignment/ipv4/block/'
const HOST = '/calico/ipam/v2/host/'
const HANDLE = '/calico/ipam/v2/handle/'

/** A block of four addresses, of which those of `owners` are in use, one each. */
const block = (
  cidr: string,
  affinity: string,
  owners: readonly (readonly [string, string])[],
): object => ({
  cidr,
  affinity: `host:${affinity}`,
  allocations: [0, 1, 2, 3].map(at => (at < owners.length ? at : null)),
  unallocated: [0, 1, 2, 3].filter(at => at >= owners.length),
  attributes: owners.map(([handle_id, node]) => ({ handle_id, secondary: { node } })),
  sequenceNumber: 7,
  deleted: false,
})

test('with a node goes all that is its own, and nothing of others', async t => {
  const store = new MemoryStore()
  for (const node of ['a', 'ab']) {
    seed(store, `nodes/${node}`, 'Node', { bgp: { ipv4Address: '10.0.0.1' } })
    seed(store, `bgppeers/of-${node}`, 'BGPPeer', { node, peerIP: '10.0.0.9' })
    seed(store, `bgpconfigurations/node.${node}`, 'BGPConfiguration', { listenPort: 180 })
    seed(store, `felixconfigurations/node.${node}`, 'FelixConfiguration', {})
    seed(store, `hostendpoints/on-${node}`, 'HostEndpoint', { node })
    seed(store, `workloadendpoints/default/${node}-k8s-web-eth0`, 'WorkloadEndpoint', { node })
    store.seed(`${HOST}${node}`, '')
  }
  seed(store, 'bgppeers/global', 'BGPPeer', { peerIP: '10.0.0.8' })
  store.seed(`${HOST}a/ipv4/block/10.9.0.0-30`, '{"state":"confirmed","deleted":false}')
  store.seed(`${HOST}a/ipv4/block/10.9.0.4-30`, '{"state":"confirmed","deleted":false}')
  store.seed(`${HOST}ab/ipv4/block/10.9.0.8-30`, '{"state":"confirmed","deleted":false}')
  store.seed(
    `${BLOCK}10.9.0.0-30`,
    block('10.9.0.0/30', 'a', [
      ['pod-1', 'a'],
      ['tunnel', 'a'],
    ]),
  )
  store.seed(
    `${BLOCK}10.9.0.4-30`,
    block('10.9.0.4/30', 'a', [
      ['pod-2', 'a'],
      ['borrowed', 'ab'],
    ]),
  )
  store.seed(
    `${BLOCK}10.9.0.8-30`,
    block('10.9.0.8/30', 'ab', [
      ['pod-3', 'ab'],
      ['pod-1', 'a'],
    ]),
  )
  store.seed(`${HANDLE}pod-1`, { block: { '10.9.0.0/30': 1, '10.9.0.8/30': 1 }, deleted: false })
  store.seed(`${HANDLE}borrowed`, { block: { '10.9.0.4/30': 1 }, deleted: false })

  const { code, printed } = await run(['delete', 'node', 'a'], { store })
  t.is(code, 0)
  t.is(printed, "Successfully deleted 1 'Node' resource(s)")
  t.deepEqual([...store.entries.keys()].toSorted(), [
    `${BLOCK}10.9.0.4-30`,
    `${BLOCK}10.9.0.8-30`,
    `${HANDLE}borrowed`,
    `${HOST}ab`,
    `${HOST}ab/ipv4/block/10.9.0.8-30`,
    `${ROOT}bgpconfigurations/node.ab`,
    `${ROOT}bgppeers/global`,
    `${ROOT}bgppeers/of-ab`,
    `${ROOT}felixconfigurations/node.ab`,
    `${ROOT}hostendpoints/on-ab`,
    `${ROOT}nodes/ab`,
    `${ROOT}workloadendpoints/default/ab-k8s-web-eth0`,
  ])
  const kept = (cidr: string) => decodeBlock(store.entries.get(`${BLOCK}${cidr}`)!.value)!
  const owners = (cidr: string): unknown[] =>
    kept(cidr).allocations.map(slot =>
      slot === null ? null : kept(cidr).attributes[slot]?.handleId,
    )
  t.is(kept('10.9.0.4-30').affinity, undefined)
  t.deepEqual(owners('10.9.0.4-30'), [null, 'borrowed', null, null])
  t.is(kept('10.9.0.8-30').affinity, 'host:ab')
  t.deepEqual(owners('10.9.0.8-30'), ['pod-3', null, null, null])
})

test('a node that is not there is not half there', async t => {
  const store = new MemoryStore()
  seed(store, 'bgppeers/of-a', 'BGPPeer', { node: 'a', peerIP: '10.0.0.9' })
  t.is((await run(['delete', 'node', 'a'], { store })).code, 3)
  t.is(store.entries.size, 1)
})

test('a pool that is deleted is disabled first, and gives its blocks back', async t => {
  const store = new MemoryStore()
  await write(store, `${pool('a', 'cidr: 10.9.0.0/16')}---\n${pool('b', 'cidr: 10.8.0.0/16')}`)
  store.seed(`${HOST}n/ipv4/block/10.9.0.0-30`, '{"state":"confirmed","deleted":false}')
  store.seed(`${HOST}n/ipv4/block/10.8.0.0-30`, '{"state":"confirmed","deleted":false}')
  store.seed(`${BLOCK}10.9.0.0-30`, block('10.9.0.0/30', 'n', []))
  store.seed(`${BLOCK}10.8.0.0-30`, block('10.8.0.0/30', 'n', []))
  const writes: string[] = []
  store.beforeWrite = key => {
    writes.push(
      `${key.slice(key.lastIndexOf('/') + 1)} ${stored(store, 'ippools/a').spec.disabled ?? false}`,
    )
  }
  t.is((await run(['delete', 'pool', 'a'], { store })).code, 0)
  t.is(writes[0], 'a false')
  t.is(writes.at(-1), 'a true')
  t.deepEqual([...store.entries.keys()].toSorted(), [
    `${BLOCK}10.8.0.0-30`,
    `${HOST}n/ipv4/block/10.8.0.0-30`,
    `${ROOT}ippools/b`,
  ])
})

/** A cluster with one of each kind. */
function cluster(): MemoryStore {
  const store = new MemoryStore()
  seed(store, 'bgpfilters/f', 'BGPFilter', {
    exportV4: [{ action: 'Reject' }, { action: 'Accept' }],
  })
  seed(store, 'ippools/a', 'IPPool', {
    cidr: '10.0.0.0/16',
    ipipMode: 'Always',
    nodeSelector: 'all()',
  })
  seed(store, 'caliconodestatuses/s', 'CalicoNodeStatus', { node: 'a', classes: ['BGP', 'Agent'] })
  seed(store, 'clusterinformations/default', 'ClusterInformation', {
    clusterGUID: 'abc',
    datastoreReady: true,
  })
  seed(store, 'workloadendpoints/default/a-k8s-web-eth0', 'WorkloadEndpoint', {
    node: 'a',
    pod: 'web',
    ipNetworks: ['10.0.0.1/32', 'fd00::1/128'],
    interfaceName: 'cali1',
  })
  seed(store, 'workloadendpoints/kube-system/a-k8s-dns-eth0', 'WorkloadEndpoint', {
    node: 'a',
    pod: 'dns',
  })
  seed(store, 'ipreservations/r', 'IPReservation', { reservedCIDRs: ['10.0.0.1/32'] })
  seed(store, 'tiers/default', 'Tier', { order: 1_000_000, defaultAction: 'Deny' })
  seed(store, 'ipamconfigurations/default', 'IPAMConfiguration', { strictAffinity: true })
  return store
}

const TABLES: readonly (readonly [string, string])[] = [
  [
    'bgpfilters',
    'NAME   NUMEXPORTV4   NUMIMPORTV4   NUMEXPORTV6   NUMIMPORTV6\nf      2             0             0             0',
  ],
  ['pools', 'NAME   CIDR          SELECTOR\na      10.0.0.0/16   all()'],
  [
    'ippool -o wide',
    'NAME   CIDR          NAT     IPIPMODE   VXLANMODE   DISABLED   DISABLEBGPEXPORT   SELECTOR   ASSIGNMENTMODE\n' +
      'a      10.0.0.0/16   false   Always     -           false      false              all()      -',
  ],
  ['caliconodestatus -o wide', 'NAME   NODE   CLASSES\ns      a      BGP,Agent'],
  [
    'clusterinfo',
    'NAME      CLUSTERGUID   CLUSTERTYPE   CALICOVERSION   DATASTOREREADY\n' +
      'default   abc           -             -               true',
  ],
  [
    'wep',
    'WORKLOAD   NODE   NETWORKS                  INTERFACE\nweb        a      10.0.0.1/32,fd00::1/128   cali1',
  ],
  ['weps -n kube-system', 'WORKLOAD   NODE   NETWORKS   INTERFACE\ndns        a      -          -'],
  [
    'wep -A -o custom-columns=NAMESPACE,NAME',
    'NAMESPACE     NAME\ndefault       a-k8s-web-eth0\nkube-system   a-k8s-dns-eth0',
  ],
  ['ipreservations -o wide', 'NAME   CIDRS\nr      10.0.0.1/32'],
  ['ipamconfig', 'NAME      STRICTAFFINITY   AUTOALLOCATEBLOCKS\ndefault   true             false'],
  ['tiers', 'NAME      ORDER\ndefault   1000000'],
  ['pools -o custom-columns=cidr,NAME', 'CIDR          NAME\n10.0.0.0/16   a'],
]

for (const [words, expected] of TABLES)
  test(`calicoctl's columns: get ${words}`, async t => {
    const { code, printed } = await run(['get', ...words.split(' ')], {
      store: cluster(),
      columns: 200,
    })
    t.is(code, 0)
    t.is(printed, expected)
  })

test('there are twelve tables above', t => t.is(TABLES.length, 12))

test('a column that is not there, and a Go template, say what to write', async t => {
  const column = await run(['get', 'pools', '-o', 'custom-columns=NAME,COLOUR'], {
    store: cluster(),
  })
  t.is(column.code, 2)
  t.regex(column.remarks, /"COLOUR" is not a column; columns are NAME, CIDR, NAT/)
  const template = await run(['get', 'pools', '-o', 'go-template={{.}}'], { store: cluster() })
  t.is(template.code, 2)
  t.regex(template.remarks, /no Go templates here/)
})

test('one of a namespace is got, labelled and deleted in it', async t => {
  const store = cluster()
  const name = 'a-k8s-dns-eth0'
  t.is((await run(['get', 'wep', name], { store })).code, 3)
  t.is((await run(['get', 'wep', name, '-n', 'kube-system'], { store })).code, 0)
  t.is((await run(['label', 'wep', name, 'color=red', '-n', 'kube-system'], { store })).code, 0)
  t.deepEqual(stored(store, `workloadendpoints/kube-system/${name}`).metadata.labels, {
    color: 'red',
  })
  const gone = await run(['delete', 'wep', name], { store })
  t.is(gone.code, 3)
  t.regex(gone.remarks, /resource does not exist: WorkloadEndpoint\(default\/a-k8s-dns-eth0\)/)
  t.is((await run(['delete', 'wep', name, '-n', 'kube-system'], { store })).code, 0)
})

test('an endpoint without a namespace is written to that of the command', async t => {
  const store = new MemoryStore()
  const endpoint = `${HEAD}kind: WorkloadEndpoint\nmetadata: {name: a}\nspec: {node: a}\n`
  await write(store, endpoint)
  await write(store, endpoint, 'apply', '-n', 'other')
  t.deepEqual(
    [...store.entries.keys()],
    [`${ROOT}workloadendpoints/default/a`, `${ROOT}workloadendpoints/other/a`],
  )
  t.is(stored(store, 'workloadendpoints/other/a').metadata.namespace, 'other')
})
