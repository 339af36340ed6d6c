/**
 * The port `Store` of core/intent: one suite for every implementation. What etcd alone can do wrong
 * is in test/labs/etcd-store.test.ts; what a directory alone can, in test/unit/store.
 */
import { mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { SECRETS_ROOT, type Store, storedSecrets } from '../../src/core/intent/index.ts'
import { openStore } from '../../src/shell/store/index.ts'
import { SimulatedEtcd, SimulatedStore } from '../../src/sim/index.ts'
import { etcdMembers } from '../support/etcd.ts'
import { until } from '../support/until.ts'
import { Watched } from '../support/watched.ts'

/** One store that several clients open, and that can be taken away from them. */
interface Medium {
  /** it keeps what it held before */
  readonly history?: true
  open(): Store
  lose(): Promise<void> | void
  restore(): Promise<void> | void
}

type Make = (t: ExecutionContext) => Promise<Medium> | Medium

const realClock = {
  now: () => Number(process.hrtime.bigint()) / 1e6,
  after: (delayMs: number, action: () => void) => {
    const timer = setTimeout(action, delayMs)
    return () => clearTimeout(timer)
  },
}

function simulated(): Medium {
  const etcd = new SimulatedEtcd(realClock)
  return {
    open: () => new SimulatedStore(etcd),
    lose: () => etcd.lose('the simulation says so'),
    restore: () => etcd.restore(),
  }
}

function directory(t: ExecutionContext): Medium {
  const root = mkdtempSync(join(tmpdir(), 'martlet-store-'))
  const path = join(root, 'here')
  mkdirSync(path)
  t.teardown(() => rmSync(root, { recursive: true }))
  return {
    open: () => openStore({ kind: 'directory', path }, { deadlineMs: 15_000 }),
    lose: () => renameSync(path, join(root, 'away')),
    restore: () => renameSync(join(root, 'away'), path),
  }
}

async function etcd(t: ExecutionContext): Promise<Medium> {
  const [member] = await etcdMembers(1)
  if (member === undefined) return t.fail() as never
  t.teardown(() => member.remove())
  await member.start()
  return {
    history: true,
    open: () => openStore({ kind: 'etcd', endpoints: [member.endpoint] }, { deadlineMs: 3000 }),
    lose: () => member.kill(),
    restore: () => member.start(),
  }
}

const MEDIA: Readonly<Record<string, Make>> = { simulated, directory, etcd }

const PEERS = '/calico/resources/v3/projectcalico.org/bgppeers/'
const peer = (name: string, peerIP = '10.0.0.1'): string =>
  JSON.stringify({
    kind: 'BGPPeer',
    apiVersion: 'projectcalico.org/v3',
    metadata: { name },
    spec: { peerIP, asNumber: 65000 },
  })

let cases = 0

/** Runs `body` as one test on each medium, with the medium's clients closed afterwards. */
function onEach(title: string, body: (t: ExecutionContext, medium: Medium) => Promise<void>): void {
  for (const [name, make] of Object.entries(MEDIA)) {
    cases += 1
    test(`${name}: ${title}`, async t => {
      t.timeout(60_000)
      const medium = await make(t)
      await body(t, {
        ...medium,
        open: () => {
          const store = medium.open()
          t.teardown(() => store.close())
          return store
        },
      })
    })
  }
}

onEach('what was put is got and listed, with its revision', async (t, { open }) => {
  const [one, other] = [open(), open()]
  const key = `${PEERS}tor1`
  t.is(await one.get(key), undefined)
  const first = await one.put(key, peer('tor1'))
  const second = await one.put(key, peer('tor1', '10.0.0.2'))
  if (!first.done || !second.done) return t.fail('a plain put is done')
  t.true(first.revision > 0)
  t.true(second.revision > first.revision)
  const entry = await other.get(key)
  t.is(entry?.value, peer('tor1', '10.0.0.2'))
  t.is(entry?.revision, second.revision)
  const { entries, revision } = await other.list(PEERS)
  t.deepEqual(
    entries.map(found => found.key),
    [key],
  )
  t.true(revision >= second.revision)
})

onEach('a list has the keys under its prefix, in order, and no neighbour', async (t, { open }) => {
  const store = open()
  const keys = ['/martlet/v1/last/b', '/martlet/v1/last/a/x', '/martlet/v1/last/a']
  for (const key of [...keys, '/martlet/v1/lastly', '/martlet/v1/las']) await store.put(key, key)
  const { entries } = await store.list('/martlet/v1/last/')
  t.deepEqual(
    entries.map(entry => [entry.key, entry.value]),
    keys.toSorted().map(key => [key, key]),
  )
})

onEach(
  'a list of several prefixes is of one revision, which may be asked for',
  async (t, medium) => {
    const store = medium.open()
    const key = `${PEERS}tor1`
    const prefixes = [PEERS, '/martlet/v1/last/']
    await store.put('/martlet/v1/last/x', 'x')
    await store.put(key, peer('tor1'))
    const before = await store.list(prefixes)
    t.deepEqual(
      before.entries.map(entry => entry.key),
      [key, '/martlet/v1/last/x'],
    )
    t.deepEqual(await store.list(prefixes, before.revision), before)
    await store.put(key, peer('tor1', '10.0.0.2'))
    await store.delete('/martlet/v1/last/x')
    if (medium.history) t.deepEqual(await store.list(prefixes, before.revision), before)
    else await t.throwsAsync(store.list(prefixes, before.revision))
    await t.throwsAsync(store.list(prefixes, before.revision + 1_000_000))
  },
)

onEach('a list of more entries than a page has them all', async (t, { open }) => {
  const store = open()
  const leased = store.leased(30)
  const keys = Array.from({ length: 1203 }, (_, at) => `/martlet/v1/nodes/n/routes/${at + 10_000}`)
  for (const key of keys) leased.set(key, key)
  await leased.settled()
  const { entries } = await store.list('/martlet/v1/nodes/n/routes/')
  t.deepEqual(
    entries.map(entry => entry.key),
    keys,
  )
  await leased.close()
})

onEach('a value is what it was, to the byte', async (t, { open }) => {
  const store = open()
  for (const value of ['', ' ', '{}', '{ "a" : 1 }\n', 'ünïcode ☃', '"quoted"', 'a\0b', '[1]']) {
    await store.put('/martlet/v1/last/x', value)
    t.is((await store.get('/martlet/v1/last/x'))?.value, value)
  }
})

onEach('create and update happen only on what the writer has seen', async (t, { open }) => {
  const [one, other] = [open(), open()]
  const key = `${PEERS}tor1`
  const created = await one.put(key, peer('tor1'), { absent: true })
  if (!created.done) return t.fail('nothing was there')
  const again = await other.put(key, peer('tor1', '10.0.0.9'), { absent: true })
  t.false(again.done)
  t.is(again.done ? undefined : again.current?.revision, created.revision)
  const updated = await other.put(key, peer('tor1', '10.0.0.2'), { revision: created.revision })
  if (!updated.done) return t.fail('the revision was right')
  const stale = await one.put(key, peer('tor1', '10.0.0.3'), { revision: created.revision })
  t.is(stale.done ? undefined : stale.current?.value, peer('tor1', '10.0.0.2'))
  const late = await one.delete(key, { revision: created.revision })
  t.false(late.done)
  const deleted = await one.delete(key, { revision: updated.revision })
  t.true(deleted.done)
  t.deepEqual(await one.delete(key), { done: false, current: undefined })
  t.deepEqual(await one.put(key, peer('tor1'), { revision: updated.revision }), {
    done: false,
    current: undefined,
  })
})

onEach('of many who create one key at once, one does', async (t, { open }) => {
  const stores = [open(), open(), open()]
  const writes = Array.from({ length: 12 }, (_, at) =>
    stores[at % 3]!.put('/martlet/v1/last/x', `writer ${at}`, { absent: true }),
  )
  const results = await Promise.all(writes)
  t.is(results.filter(result => result.done).length, 1)
  const winner = results.findIndex(result => result.done)
  t.is((await stores[0]!.get('/martlet/v1/last/x'))?.value, `writer ${winner}`)
})

onEach('a watch tells all, then each change, and nothing else', async (t, { open }) => {
  const [one, other] = [open(), open()]
  await one.put(`${PEERS}tor1`, peer('tor1'))
  const watched = new Watched(other, [PEERS, '/martlet/v1/last/'])
  await until(() => watched.values.has(`${PEERS}tor1`), 'the snapshot is told')
  t.is(watched.events[0]?.type, 'snapshot')
  await one.put(`${PEERS}tor2`, peer('tor2'))
  await one.put('/martlet/v1/last/x', 'x')
  await one.put('/martlet/v1/lastly', 'not watched')
  await one.delete(`${PEERS}tor1`)
  await until(
    () => [...watched.values.keys()].toSorted().join() === `${PEERS}tor2,/martlet/v1/last/x`,
    'the changes are told',
  )
  await one.put(`${PEERS}tor2`, peer('tor2', '10.9.9.9'))
  await until(() => watched.values.get(`${PEERS}tor2`)?.includes('10.9.9.9'), 'the update is told')
  t.is(watched.count('snapshot'), 1)
  t.is(watched.count('lost'), 0)
  // in order within a prefix
  const revisions = watched.events.flatMap(event =>
    event.type === 'changes'
      ? event.puts.flatMap(({ key, revision }) => (key.startsWith(PEERS) ? [revision] : []))
      : [],
  )
  t.is(revisions.length, 2)
  t.true(revisions[0]! < revisions[1]!)
})

onEach('a closed watch tells nothing more', async (t, { open }) => {
  const [one, other] = [open(), open()]
  const [closed, live] = [new Watched(other, [PEERS]), new Watched(other, [PEERS])]
  await until(() => closed.events.length > 0 && live.events.length > 0, 'both told their snapshot')
  closed.close()
  await one.put(`${PEERS}tor1`, peer('tor1'))
  await until(() => live.values.size === 1, 'the live one tells')
  t.is(closed.events.length, 1)
})

onEach('an outage is told once, and then all that there is', async (t, medium) => {
  const [one, other] = [medium.open(), medium.open()]
  await one.put(`${PEERS}tor1`, peer('tor1'))
  await one.put(`${PEERS}tor2`, peer('tor2'))
  const watched = new Watched(other, [PEERS])
  await until(() => watched.values.size === 2, 'the snapshot is told')
  await medium.lose()
  await until(() => watched.count('lost') === 1, 'the loss is told', { withinMs: 10_000 })
  await t.throwsAsync(one.get(`${PEERS}tor1`))
  await t.throwsAsync(one.put(`${PEERS}tor3`, peer('tor3')))
  t.is(watched.values.size, 2)
  await medium.restore()
  await until(() => watched.count('snapshot') === 2, 'all is told again', { withinMs: 10_000 })
  t.deepEqual([...watched.values.keys()], [`${PEERS}tor1`, `${PEERS}tor2`])
  await until(() => one.put(`${PEERS}tor3`, peer('tor3')).catch(() => undefined), 'a put is done')
  await until(() => watched.values.size === 3, 'changes are told again')
  t.is(watched.count('lost'), 1)
})

onEach('a store that is not there at first is told lost, and told when it comes', async (t, m) => {
  await m.lose()
  const store = m.open()
  const watched = new Watched(store, [PEERS])
  await until(() => watched.count('lost') === 1, 'the loss is told')
  t.is(watched.events.length, 1)
  await m.restore()
  await until(() => watched.count('snapshot') === 1, 'the snapshot is told')
  t.is(watched.count('lost'), 1)
})

onEach('leased keys are there until their writer ends the lease', async (t, { open }) => {
  const [one, other] = [open(), open()]
  const leased = one.leased(10)
  const watched = new Watched(other, ['/martlet/v1/nodes/'])
  leased.set('/martlet/v1/nodes/a/agent', 'one')
  leased.set('/martlet/v1/nodes/a/kernel', 'two')
  await leased.settled()
  t.is((await other.get('/martlet/v1/nodes/a/agent'))?.value, 'one')
  leased.set('/martlet/v1/nodes/a/agent', 'three')
  leased.unset('/martlet/v1/nodes/a/kernel')
  await leased.settled()
  const { entries } = await other.list('/martlet/v1/nodes/')
  t.deepEqual(
    entries.map(entry => [entry.key, entry.value]),
    [['/martlet/v1/nodes/a/agent', 'three']],
  )
  await until(() => watched.values.get('/martlet/v1/nodes/a/agent') === 'three', 'it is told')
  await leased.close()
  t.is(await other.get('/martlet/v1/nodes/a/agent'), undefined)
  await until(() => watched.values.size === 0, 'their going is told')
})

onEach('leased keys outlive their ttl while their writer lives', async (t, { open }) => {
  const [one, other] = [open(), open()]
  const leased = one.leased(2)
  leased.set('/martlet/v1/nodes/a/agent', 'alive')
  await leased.settled()
  const first = await other.get('/martlet/v1/nodes/a/agent')
  const end = realClock.now() + 5000
  await until(
    async () => {
      t.is((await other.get('/martlet/v1/nodes/a/agent'))?.revision, first?.revision)
      return realClock.now() > end
    },
    'five seconds pass',
    { everyMs: 100 },
  )
  await leased.close()
})

onEach('a key that changes all the time is written about once a second', async (t, { open }) => {
  const [one, other] = [open(), open()]
  const leased = one.leased(10)
  const watched = new Watched(other, ['/martlet/v1/nodes/'])
  await until(() => watched.count('snapshot') === 1, 'the snapshot')
  const begin = realClock.now()
  let changes = 0
  await until(() => {
    changes += 1
    leased.set('/martlet/v1/nodes/a/agent', `change ${changes}`)
    return realClock.now() - begin > 3500
  }, 'time passes')
  const last = `change ${changes}`
  await until(() => watched.values.get('/martlet/v1/nodes/a/agent') === last, 'the last is told')
  const told = watched.count('changes')
  const seconds = (realClock.now() - begin) / 1000
  t.true(told <= seconds + 2, `${told} of ${changes} changes in ${seconds} s`)
  t.true(told > 1, 'it is not written at the end only')
  await leased.close()
})

onEach('leased keys are back after an outage', async (t, medium) => {
  const [one, other] = [medium.open(), medium.open()]
  const leased = one.leased(2)
  leased.set('/martlet/v1/nodes/a/agent', 'before')
  await leased.settled()
  await medium.lose()
  leased.set('/martlet/v1/nodes/a/agent', 'during')
  leased.set('/martlet/v1/nodes/a/kernel', 'new')
  const end = realClock.now() + 2500
  await until(() => realClock.now() > end, 'the ttl passes', { everyMs: 50 })
  await medium.restore()
  const back = realClock.now()
  await until(
    async () => {
      const found = await other.list('/martlet/v1/nodes/').catch(() => undefined)
      return found?.entries.map(entry => entry.value).join() === 'during,new'
    },
    'what was set is there',
    { withinMs: 5000 },
  )
  t.pass(`${Math.round(realClock.now() - back)} ms after the return`)
  await leased.close()
})

onEach(
  'passwords are texts as they were put, and a watch tells their changes',
  async (t, { open }) => {
    const [one, other] = [open(), open()]
    const read = ({ values }: Watched) =>
      storedSecrets([...values].map(([key, value]) => ({ key, value, revision: 1 }))).read({
        name: 'bgp-peers',
        key: 'tor_1.old',
      })
    const key = `${SECRETS_ROOT}bgp-peers/tor_1.old`
    const watched = new Watched(other, [PEERS, SECRETS_ROOT])
    await until(() => watched.count('snapshot') > 0, 'the store has said all')
    t.deepEqual(read(watched), {
      missing: `the key ${key} is not in the store; put the password there`,
    })
    for (const text of ['{"not": json', ' two words', '\u00fcber', '']) {
      await one.put(key, text === '' ? '\n' : text)
      await until(() => watched.values.has(key) && 'text' in read(watched), 'it is told')
      await until(() => isDeepStrictEqual(read(watched), { text }), `it is "${text}"`)
    }
    await one.delete(key)
    await until(() => 'missing' in read(watched), 'that it is gone is told')
    watched.close()
  },
)

test('every case runs on every medium', t => {
  t.is(cases, 3 * 16)
})
