/** The directory store, where people write too: files of theirs, half of them, twice, by hand. */
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { DEPTH_MAX, FILE_BYTES_MAX } from '../../../src/shell/store/file/files.ts'
import { openStore, StoreError } from '../../../src/shell/store/index.ts'
import { until } from '../../support/until.ts'
import { Watched } from '../../support/watched.ts'

const ROOT = '/calico/resources/v3/projectcalico.org/'
const PEERS = `${ROOT}bgppeers/`

const yaml = (name: string, peerIP = '10.0.0.1'): string => `apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata:
  name: ${name}
spec:
  peerIP: ${peerIP} # of ${name}
`
const json = (name: string, peerIP = '10.0.0.1'): string =>
  JSON.stringify({
    apiVersion: 'projectcalico.org/v3',
    kind: 'BGPPeer',
    metadata: { name },
    spec: { peerIP },
  })

function directory(t: ExecutionContext) {
  const path = mkdtempSync(join(tmpdir(), 'martlet-directory-'))
  t.teardown(() => rmSync(path, { recursive: true }))
  const open = () => {
    const store = openStore({ kind: 'directory', path }, { deadlineMs: 15_000 })
    t.teardown(() => store.close())
    return store
  }
  return {
    path,
    open,
    write: (name: string, text: string) => writeFileSync(join(path, name), text),
    read: (name: string) => readFileSync(join(path, name), 'utf8'),
    remove: (name: string) => unlinkSync(join(path, name)),
  }
}

const names = (watched: Watched): string =>
  [...watched.values.keys()].map(key => key.slice(PEERS.length)).join()

test('any file in any folder counts, hidden ones and other kinds of file do not', async t => {
  const { path, open, write } = directory(t)
  mkdirSync(join(path, 'racks', 'one'), { recursive: true })
  write('all.yaml', `${yaml('a')}---\n${yaml('b')}`)
  write('racks/one/c.yml', yaml('c'))
  write('d.json', json('d'))
  write('.e.yaml', yaml('e'))
  write('f.yaml~', yaml('f'))
  write('README.md', '# not a resource')
  const { entries } = await open().list(PEERS)
  t.deepEqual(
    entries.map(({ key, source }) => [key.slice(PEERS.length), source]),
    [
      ['a', 'all.yaml:1'],
      ['b', 'all.yaml:8'],
      ['c', 'racks/one/c.yml:1'],
      ['d', 'd.json:1'],
    ],
  )
})

test('a folder that is DEPTH_MAX deep is searched, and no deeper one', async t => {
  const { path, open, write } = directory(t)
  const deep = Array.from({ length: DEPTH_MAX }, () => 'd').join('/')
  mkdirSync(join(path, deep, 'd'), { recursive: true })
  write(`${deep}/a.yaml`, yaml('a'))
  write(`${deep}/d/b.yaml`, yaml('b'))
  // a link that leads back costs no more than that either
  symlinkSync('.', join(path, 'd', 'loop'))
  const { entries } = await open().list(PEERS)
  t.deepEqual(
    entries.map(({ key }) => key),
    [`${PEERS}a`],
  )
})

test('a file of more than FILE_BYTES_MAX is reported and left out, and the others count', async t => {
  const { open, write } = directory(t)
  const fill = (bytes: number): string => `${'#'.repeat(bytes - 1)}\n`
  write('a.yaml', fill(FILE_BYTES_MAX - yaml('a').length) + yaml('a'))
  write('b.yaml', fill(FILE_BYTES_MAX - yaml('b').length + 1) + yaml('b'))
  const watched = new Watched(open(), [PEERS])
  await until(() => watched.problems.length > 0, 'the problem is told')
  t.is(names(watched), 'a')
  const reason = `has ${FILE_BYTES_MAX + 1} bytes; the most is ${FILE_BYTES_MAX}`
  t.like(watched.problems[0], { object: 'b.yaml', reason })
})

test('files that are links into a hidden folder count, as Kubernetes mounts them', async t => {
  const { path, open, write } = directory(t)
  mkdirSync(join(path, '..data'))
  write('..data/peers.yaml', yaml('a'))
  symlinkSync(join('..data', 'peers.yaml'), join(path, 'peers.yaml'))
  t.is((await open().list(PEERS)).entries.length, 1)
})

test('a change by hand is told, with a new revision for what changed alone', async t => {
  const { open, write } = directory(t)
  write('a.yaml', yaml('a'))
  write('b.yaml', yaml('b'))
  const store = open()
  const watched = new Watched(store, [PEERS])
  await until(() => names(watched) === 'a,b', 'the snapshot')
  const before = await store.list(PEERS)
  write('b.yaml', yaml('b', '10.0.0.2'))
  await until(() => watched.values.get(`${PEERS}b`)?.includes('10.0.0.2'), 'the change')
  const after = await store.list(PEERS)
  t.is(after.entries[0]?.revision, before.entries[0]?.revision)
  t.true((after.entries[1]?.revision ?? 0) > (before.entries[1]?.revision ?? 0))
  t.true(after.revision > before.revision)
})

test('two processes give a change by hand the same revision', async t => {
  const { open, write } = directory(t)
  const stores = [open(), open(), open()]
  for (let round = 0; round < 5; round++) {
    write('a.yaml', yaml('a', `10.0.0.${round + 1}`))
    const found = await Promise.all(stores.map(store => store.get(`${PEERS}a`)))
    t.is(new Set(found.map(entry => entry?.revision)).size, 1)
    t.true(found.every(entry => entry?.value.includes(`10.0.0.${round + 1}`)))
  }
})

test('half a file keeps what the whole one said, and is reported with its line', async t => {
  const { open, write } = directory(t)
  write('all.yaml', `${yaml('a')}---\n${yaml('b')}`)
  const watched = new Watched(open(), [PEERS])
  await until(() => names(watched) === 'a,b', 'the snapshot')
  write('all.yaml', `${yaml('a', '10.0.0.9')}---\nmetadata: {name: [`)
  await until(() => watched.problems.length > 0, 'the problem is told')
  t.regex(watched.problems[0]?.object ?? '', /^all\.yaml:8$/)
  t.regex(watched.problems[0]?.reason ?? '', /is not YAML/)
  t.is(names(watched), 'a,b')
  t.true(watched.values.get(`${PEERS}a`)?.includes('10.0.0.9'))
  write('all.yaml', yaml('a'))
  await until(() => names(watched) === 'a', 'the whole file counts again')
  t.deepEqual(watched.problems, [])
})

test('a file that an editor replaces is not told as gone', async t => {
  const { path, open, write, remove } = directory(t)
  write('a.yaml', yaml('a'))
  const watched = new Watched(open(), [PEERS])
  await until(() => names(watched) === 'a', 'the snapshot')
  for (let round = 0; round < 10; round++) {
    renameSync(join(path, 'a.yaml'), join(path, 'a.yaml~'))
    await new Promise(resolve => setTimeout(resolve, 20))
    write('a.yaml', yaml('a', `10.0.1.${round}`))
    remove('a.yaml~')
  }
  await until(() => watched.values.get(`${PEERS}a`)?.includes('10.0.1.9'), 'the last content')
  t.false(watched.events.some(event => event.type === 'changes' && event.deletes.length > 0))
})

test('an object in two files counts once, and both files are named', async t => {
  const { open, write } = directory(t)
  write('one.yaml', yaml('a', '10.0.0.1'))
  write('two.yaml', yaml('a', '10.0.0.2'))
  const watched = new Watched(open(), [PEERS])
  await until(() => watched.events.length > 0, 'the snapshot')
  t.true(watched.values.get(`${PEERS}a`)?.includes('10.0.0.1'))
  t.deepEqual(watched.problems, [
    {
      object: 'two.yaml:1',
      field: 'metadata.name',
      reason: 'is in one.yaml:1 too, which counts; remove one of the two',
    },
  ])
})

for (const [title, text, field] of [
  ['without a kind', 'metadata: {name: a}\n', 'kind'],
  ['of an unknown kind', 'kind: Gull\nmetadata: {name: a}\n', 'kind'],
  ['without a name', 'kind: Node\n', 'metadata.name'],
] as const)
  test(`a document ${title} is a problem of its own`, async t => {
    const { open, write } = directory(t)
    write('all.yaml', `${yaml('a')}---\n${text}---\n${yaml('b')}`)
    const watched = new Watched(open(), [PEERS])
    await until(() => watched.events.length > 0, 'the snapshot')
    t.is(names(watched), 'a,b')
    t.is(watched.problems.length, 1)
    t.is(watched.problems[0]?.object, 'all.yaml:8')
    t.is(watched.problems[0]?.field, field)
  })

test('writing one object leaves the others and their comments as they were', async t => {
  const { open, write, read } = directory(t)
  const head = '# our routers\n'
  write('all.yaml', `${head}${yaml('a')}---\n${yaml('b')}---\n# the last\n${yaml('c')}`)
  const store = open()
  await store.put(`${PEERS}b`, json('b', '10.0.0.7'))
  const text = read('all.yaml')
  t.true(text.startsWith(head + yaml('a')))
  t.true(text.endsWith(yaml('c')))
  t.true(text.includes('10.0.0.7') && !text.includes('# of b'))
  const { entries } = await store.list(PEERS)
  t.deepEqual(
    entries.map(({ value }) => /10\.[\d.]+/.exec(value)?.[0]),
    ['10.0.0.1', '10.0.0.7', '10.0.0.1'],
  )
})

test('deleting one object leaves the others, and the last one takes the file with it', async t => {
  const { path, open, write, read } = directory(t)
  write('all.yaml', `${yaml('a')}---\n${yaml('b')}---\n${yaml('c')}`)
  const store = open()
  const left = async (): Promise<string> =>
    (await store.list(PEERS)).entries.map(({ key }) => key.slice(PEERS.length)).join()
  await store.delete(`${PEERS}b`)
  t.is(await left(), 'a,c')
  t.true(read('all.yaml').includes('# of c'))
  await store.delete(`${PEERS}a`)
  t.is(await left(), 'c')
  await store.delete(`${PEERS}c`)
  t.is(await left(), '')
  t.false(existsSync(join(path, 'all.yaml')))
})

test('an item of a list is written and deleted in its list', async t => {
  const { open, write } = directory(t)
  const items = `[${json('a')}, ${json('b')}]`
  write('list.yaml', `apiVersion: projectcalico.org/v3\nkind: BGPPeerList\nitems: ${items}\n`)
  const store = open()
  await store.put(`${PEERS}a`, json('a', '10.0.0.5'))
  await store.delete(`${PEERS}b`)
  const { entries, revision } = await store.list(PEERS)
  t.deepEqual(
    entries.map(({ value }) => value),
    [json('a', '10.0.0.5')],
  )
  t.true(revision > 0)
})

test('a new object is a file that people can read, by plural and name', async t => {
  const { open, read } = directory(t)
  await open().put(`${PEERS}tor`, json('tor'))
  t.is(read('bgppeers/tor.yaml'), yaml('tor').replace(' # of tor', ''))
})

test('a file that is not YAML is not written over', async t => {
  const { open, write, read } = directory(t)
  write('all.yaml', yaml('a'))
  const store = open()
  await store.list(PEERS)
  write('all.yaml', 'kind: [')
  const error = await t.throwsAsync(store.put(`${PEERS}a`, json('a')), { instanceOf: StoreError })
  t.is(error?.code, 'STORE_REFUSED')
  t.is(read('all.yaml'), 'kind: [')
})

test('what cannot be read back is not written', async t => {
  const { path, open } = directory(t)
  const store = open()
  for (const [key, value] of [
    [`${PEERS}a`, json('b')],
    [`${PEERS}a`, 'not JSON'],
    [`${ROOT}gulls/a`, '{}'],
    ['/martlet/v1/../../escape', 'x'],
    ['relative', 'x'],
    ['/a//b', 'x'],
  ] as const) {
    const error = await t.throwsAsync(store.put(key, value), { instanceOf: StoreError }, key)
    t.is(error?.code, 'STORE_VALUE_INVALID', key)
  }
  t.false(existsSync(join(path, '..', 'escape.json')))
})

test('a directory that is not there is not made, because its name may be mistyped', async t => {
  const { path } = directory(t)
  const store = openStore({ kind: 'directory', path: join(path, 'typo') })
  t.teardown(() => store.close())
  const leased = store.leased(5)
  leased.set('/martlet/v1/nodes/a/agent', 'x')
  const error = await t.throwsAsync(store.put(`${PEERS}a`, json('a')), { instanceOf: StoreError })
  t.is(error?.code, 'STORE_UNAVAILABLE')
  t.regex(error?.message ?? '', /typo/)
  t.false(existsSync(join(path, 'typo')))
  await leased.close()
})

test('a lock whose holder died is broken', async t => {
  const { path, open, write } = directory(t)
  mkdirSync(join(path, '.state'))
  write('.state/lock', 'of a process that is no more\n')
  const old = new Date(Date.now() - 60_000)
  const { utimesSync } = await import('node:fs')
  utimesSync(join(path, '.state', 'lock'), old, old)
  t.true((await open().put(`${PEERS}a`, json('a'))).done)
})

test('an index that a crash has torn costs new revisions, and nothing else', async t => {
  const { open, write } = directory(t)
  const store = open()
  await store.put(`${PEERS}a`, json('a'))
  write('.state/revisions.json', '{"revision": 1, "ke')
  const found = await store.get(`${PEERS}a`)
  t.is(found?.value, json('a'))
  t.true((found?.revision ?? 0) > 0)
})

const root = process.getuid?.() === 0
test('a directory that may only be read is read', async t => {
  const { path, open, write } = directory(t)
  write('a.yaml', yaml('a'))
  chmodSync(path, 0o555)
  t.teardown(() => chmodSync(path, 0o755))
  const store = open()
  const { entries } = await store.list(PEERS)
  t.is(entries.length, 1)
  // root may write anywhere: only the reading is shown then
  if (!root) await t.throwsAsync(store.put(`${PEERS}b`, json('b')), { instanceOf: StoreError })
})

const OWNER = 65_534
const asRoot = process.geteuid?.() === 0 ? test : test.skip

asRoot(
  'what root writes belongs to the owner of the directory (left out without root)',
  async t => {
    const { path, open } = directory(t)
    chownSync(path, OWNER, OWNER)
    const store = open()
    t.true((await store.put(`${PEERS}tor`, json('tor'))).done)
    t.true((await store.put('/martlet/v1/last/a', '{}')).done)
    const made = ['.state', '.state/revisions.json', '.state/keys/martlet/v1', 'bgppeers/tor.yaml']
    for (const name of ['bgppeers', '.state/keys', ...made]) {
      const { uid, gid } = statSync(join(path, name))
      t.deepEqual([uid, gid], [OWNER, OWNER], name)
    }
  },
)
