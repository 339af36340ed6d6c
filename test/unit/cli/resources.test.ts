/**
 * Resources on the command line, against a store in memory: calicoctl's words, and its way of
 * writing.
 */
import test from 'ava'
import { MemoryStore, type Outcome, run } from './world.ts'

const ROOT = '/calico/resources/v3/projectcalico.org/'
const TOR = `${ROOT}bgppeers/tor`

const peer = (name: string, metadata = '', spec = 'peerIP: 10.240.0.1, asNumber: 64512'): string =>
  `apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: ${name}${metadata}}
spec: {${spec}}
`

const stored = (store: MemoryStore, key: string) =>
  JSON.parse(store.entries.get(key)?.value ?? '{}')

const apply = (store: MemoryStore, text: string, verb = 'apply'): Promise<Outcome> =>
  run([verb, '-f', 'a.yaml'], { store, files: { 'a.yaml': text } })

test('what is applied first is stored as Calico stores it', async t => {
  const store = new MemoryStore()
  const { code, printed } = await apply(store, peer('tor'))
  t.is(code, 0)
  t.is(printed, "Successfully applied 1 'BGPPeer' resource(s)")
  t.deepEqual(stored(store, TOR), {
    kind: 'BGPPeer',
    apiVersion: 'projectcalico.org/v3',
    metadata: {
      name: 'tor',
      uid: '00000000-0000-4000-8000-000000000001',
      creationTimestamp: '2026-11-20T10:15:33Z',
    },
    spec: { peerIP: '10.240.0.1', asNumber: 64512 },
  })
  t.is(store.closed, 1)
})

test('a Node is stored with a status, which libcalico-go expects', async t => {
  const store = new MemoryStore()
  await apply(
    store,
    '{apiVersion: projectcalico.org/v3, kind: Node, metadata: {name: worker-0}, ' +
      'spec: {bgp: {ipv4Address: 10.240.0.20/24}}}',
  )
  t.deepEqual(stored(store, `${ROOT}nodes/worker-0`).status, {})
})

test('applied again, the metadata stays the store’s but for labels and annotations', async t => {
  const store = new MemoryStore()
  store.seed(TOR, {
    kind: 'BGPPeer',
    apiVersion: 'projectcalico.org/v3',
    metadata: {
      name: 'tor',
      uid: 'first',
      creationTimestamp: '2020-01-01T00:00:00Z',
      labels: { rack: 'a' },
      annotations: { why: 'old' },
    },
    spec: { peerIP: '10.240.0.9', asNumber: 1 },
  })
  const { code } = await apply(store, peer('tor', ', uid: mine, labels: {rack: b}'))
  t.is(code, 0)
  t.deepEqual(stored(store, TOR).metadata, {
    name: 'tor',
    uid: 'first',
    creationTimestamp: '2020-01-01T00:00:00Z',
    labels: { rack: 'b' },
  })
  t.deepEqual(stored(store, TOR).spec, { peerIP: '10.240.0.1', asNumber: 64512 })
})

test('what another writer stored without uid and time is healed', async t => {
  const store = new MemoryStore()
  store.seed(TOR, {
    kind: 'BGPPeer',
    apiVersion: 'projectcalico.org/v3',
    metadata: { name: 'tor' },
    spec: {},
  })
  t.is((await apply(store, peer('tor'), 'replace')).code, 0)
  t.truthy(stored(store, TOR).metadata.uid)
  t.truthy(stored(store, TOR).metadata.creationTimestamp)
})

test('somebody faster is read again, five times and no more', async t => {
  const store = new MemoryStore()
  await apply(store, peer('tor'))
  let rivals = 4
  store.beforeWrite = key => {
    if (rivals-- > 0) store.seed(key, stored(store, key))
  }
  t.is((await apply(store, peer('tor', '', 'peerIP: 10.0.0.1, asNumber: 2'), 'replace')).code, 0)
  t.is(stored(store, TOR).spec.asNumber, 2)
  rivals = Number.POSITIVE_INFINITY
  const before = store.entries.get(TOR)?.revision ?? 0
  const { code, remarks } = await apply(store, peer('tor'), 'replace')
  t.is(code, 4)
  t.regex(remarks, /update conflict: BGPPeer\(tor\)/)
  t.is(store.entries.get(TOR)?.revision, before + 5)
})

test('a revision in the file must be the store’s, and is tried once', async t => {
  const store = new MemoryStore()
  await apply(store, peer('tor'))
  const revision = store.entries.get(TOR)?.revision ?? 0
  let writes = 0
  store.beforeWrite = () => {
    writes += 1
  }
  const old = await apply(store, peer('tor', `, resourceVersion: "${revision + 7}"`), 'replace')
  t.is(old.code, 4)
  t.is(writes, 1)
  const right = await apply(store, peer('tor', `, resourceVersion: "${revision}"`))
  t.is(right.code, 0)
  t.is(stored(store, TOR).metadata.resourceVersion, undefined)
  const none = await apply(store, peer('tor', ', resourceVersion: soon'))
  t.is(none.code, 1)
  t.regex(none.remarks, /"soon" is not a revision/)
})

test('what is deleted while it is applied is created', async t => {
  const store = new MemoryStore()
  await apply(store, peer('tor'))
  const get = store.get.bind(store)
  let first = true
  store.get = async key => {
    if (first) store.entries.delete(key)
    first = false
    return get(key)
  }
  t.is((await apply(store, peer('tor'))).code, 0)
  t.true(store.entries.has(TOR))
})

test('create refuses what exists with code 4, replace what does not with code 3', async t => {
  const store = new MemoryStore()
  const missing = await apply(store, peer('tor'), 'replace')
  t.is(missing.code, 3)
  t.regex(missing.remarks, /Failed to replace 'BGPPeer' resource\n.*does not exist: BGPPeer\(tor\)/)
  t.is(
    (await apply(store, peer('tor'), 'create')).printed,
    "Successfully created 1 'BGPPeer' resource(s)",
  )
  const again = await apply(store, peer('tor'), 'create')
  t.is(again.code, 4)
  t.regex(again.remarks, /resource already exists: BGPPeer\(tor\)/)
})

test('one invalid resource of several, and nothing is written', async t => {
  const store = new MemoryStore()
  const text = `${peer('tor')}---\n${peer('typo', '', 'peerIp: 10.0.0.1, asNumber: 1')}`
  const { code, remarks } = await apply(store, text)
  t.is(code, 1)
  t.regex(remarks, /a\.yaml:9: spec\.peerIp: .*did you mean "peerIP"/)
  t.regex(remarks, /nothing was done/)
  t.is(store.entries.size, 0)
})

test('a failure among several says how far it came', async t => {
  const store = new MemoryStore()
  await apply(store, peer('b'))
  const { code, printed, remarks } = await apply(store, `${peer('a')}---\n${peer('b')}`, 'create')
  t.is(code, 4)
  t.is(printed, '')
  t.regex(remarks, /Partial success: created the first 1 out of 2 'BGPPeer' resources/)
  t.true(store.entries.has(`${ROOT}bgppeers/a`))
})

test('kinds of a mixed file are not named', async t => {
  const config =
    'apiVersion: projectcalico.org/v3\nkind: BGPConfiguration\n' +
    'metadata: {name: default}\nspec: {}'
  const { printed } = await apply(new MemoryStore(), `${peer('a')}---\n${config}\n`)
  t.is(printed, 'Successfully applied 2 resource(s)')
})

const fleet = (): MemoryStore => {
  const store = new MemoryStore()
  const seed = (plural: string, kind: string, name: string, spec: object): void =>
    store.seed(`${ROOT}${plural}/${name}`, {
      kind,
      apiVersion: 'projectcalico.org/v3',
      metadata: { name, uid: `uid-${name}`, creationTimestamp: '2026-01-01T00:00:00Z' },
      spec,
    })
  seed('bgppeers', 'BGPPeer', 'tor', { peerIP: '10.240.0.1', asNumber: 64512 })
  seed('bgppeers', 'BGPPeer', 'one', { node: 'worker-0', peerIP: '10.0.0.9:1179', asNumber: 65000 })
  seed('bgppeers', 'BGPPeer', 'some', { nodeSelector: "rack == 'a'", peerSelector: 'has(rr)' })
  seed('nodes', 'Node', 'worker-0', { bgp: { ipv4Address: '10.240.0.20/24' } })
  seed('nodes', 'Node', 'worker-1', { bgp: { asNumber: 65001, ipv6Address: 'fd00::21/64' } })
  seed('nodes', 'Node', 'worker-2', {})
  seed('bgpconfigurations', 'BGPConfiguration', 'default', { asNumber: 64999 })
  return store
}

const COLUMNS: readonly (readonly [string, readonly string[], string])[] = [
  [
    'BGPPeer',
    ['get', 'bgppeers'],
    `NAME   PEERIP          NODE          ASN
one    10.0.0.9:1179   worker-0      65000
some   -               rack == 'a'   -
tor    10.240.0.1      (global)      64512`,
  ],
  ['Node', ['get', 'nodes'], 'NAME\nworker-0\nworker-1\nworker-2'],
  [
    'Node, wide, with the AS number that a node has from the cluster',
    ['get', 'no', '-o', 'wide'],
    `NAME       ASN       IPV4             IPV6
worker-0   (64999)   10.240.0.20/24   -
worker-1   65001     -                fd00::21/64
worker-2   -         -                -`,
  ],
  [
    'BGPConfiguration',
    ['get', 'bgpconfig', '-o', 'ps'],
    'NAME      LOGSEVERITY   MESHENABLED   ASNUMBER\ndefault   -             -             64999',
  ],
]

const columnsMacro = test.macro({
  exec: async (t, words: readonly string[], expected: string) => {
    const { code, printed } = await run(words, { store: fleet() })
    t.is(code, 0)
    t.is(printed, expected)
  },
  title: (kind = '') => `calicoctl's columns: ${kind}`,
})
for (const [kind, words, expected] of COLUMNS) test(kind, columnsMacro, words, expected)

test('no resources of a kind are its headings', async t => {
  const { code, printed } = await run(['get', 'bgppeers'])
  t.is(code, 0)
  t.is(printed, 'NAME   PEERIP   NODE   ASN')
  const list = JSON.parse((await run(['get', 'bgppeers', '-o', 'json'])).printed)
  t.is(list.kind, 'BGPPeerList')
  t.deepEqual(list.items, [])
})

test('one by name is itself, several are a list, --export leaves out what is the store’s', async t => {
  const store = fleet()
  const one = JSON.parse((await run(['get', 'bgpp', 'tor', '-o', 'json'], { store })).printed)
  t.is(one.kind, 'BGPPeer')
  t.is(one.metadata.resourceVersion, '1')
  const all = JSON.parse((await run(['get', 'BGPPeers', '-o', 'json'], { store })).printed)
  t.is(all.kind, 'BGPPeerList')
  t.is(all.items.length, 3)
  t.is(all.metadata.resourceVersion, '7')
  const { printed } = await run(['get', 'bp', 'tor', '--export', '-o', 'yaml'], { store })
  t.notRegex(printed, /uid|resourceVersion|creationTimestamp/)
  const other = new MemoryStore()
  t.is((await apply(other, printed, 'create')).code, 0)
  t.deepEqual(stored(other, TOR).spec, stored(store, TOR).spec)
})

test('what get prints can be applied as it is, list included', async t => {
  const store = fleet()
  const { printed } = await run(['get', 'bgppeers', 'tor', 'one', '-o', 'yaml'], { store })
  t.is((await apply(store, printed)).printed, "Successfully applied 2 'BGPPeer' resource(s)")
})

test('a value that is no resource harms itself only', async t => {
  const store = fleet()
  store.seed(`${ROOT}bgppeers/broken`, '{"half":')
  const all = await run(['get', 'bgppeers'], { store })
  t.is(all.code, 0)
  t.regex(all.printed, /^tor /m)
  t.regex(all.remarks, /bgppeers\/broken: is not a resource, left out/)
  const one = await run(['get', 'bgppeer', 'broken'], { store })
  t.is(one.code, 1)
  t.is((await apply(store, peer('broken'))).code, 0)
  t.is(stored(store, `${ROOT}bgppeers/broken`).metadata.name, 'broken')
})

test('delete by name and by file; what is not there is code 3 unless it is skipped', async t => {
  const store = fleet()
  const named = await run(['delete', 'bgppeer', 'tor', 'one'], { store })
  t.is(named.printed, "Successfully deleted 2 'BGPPeer' resource(s)")
  t.false(store.entries.has(TOR))
  const gone = await run(['delete', 'bgppeer', 'tor'], { store })
  t.is(gone.code, 3)
  t.is((await run(['delete', 'bgppeer', 'tor', '--skip-not-exists'], { store })).code, 0)
  const files = { 'a.yaml': peer('some') }
  t.is((await run(['delete', '-f', 'a.yaml'], { store, files })).code, 0)
  t.false(store.entries.has(`${ROOT}bgppeers/some`))
  t.is((await run(['delete', 'bgppeer'], { store })).code, 2)
})

test('an unknown kind, a missing name and a missing file each say what to do', async t => {
  const store = fleet()
  const kind = await run(['get', 'pods'], { store })
  t.is(kind.code, 2)
  t.regex(kind.remarks, /"pods" is not a kind; kinds are .*bgppeers/)
  const name = await run(['get', 'bgppeer', 'nobody'], { store })
  t.is(name.code, 3)
  t.is(name.remarks, 'martlet: resource does not exist: BGPPeer(nobody)')
  const file = await run(['apply', '-f', 'nowhere.yaml'], { store })
  t.is(file.code, 3)
  t.is(file.remarks, 'martlet: nowhere.yaml: no such file')
  const nothing = await run(['apply'], { store })
  t.is(nothing.code, 2)
  t.is(nothing.remarks, 'martlet: nothing is named; write -f FILE')
})
