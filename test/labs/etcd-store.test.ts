/**
 * What a real etcd does to its clients: it restarts, compacts, hangs, loses a lease, changes its
 * leader, wants a password or a certificate. The store must not miss a change, nor wait for ever,
 * nor take long to be back.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { Store } from '../../src/core/intent/index.ts'
import { openStore, StoreError } from '../../src/shell/store/index.ts'
import {
  certificates,
  type EtcdMember,
  type EtcdOptions,
  etcdMembers,
  freePort,
} from '../support/etcd.ts'
import { until } from '../support/until.ts'
import { Watched } from '../support/watched.ts'

const ROOT = '/martlet/v1/last/'

async function started(
  t: ExecutionContext,
  count = 1,
  options: EtcdOptions = {},
): Promise<EtcdMember[]> {
  const members = await etcdMembers(count, options)
  for (const member of members) {
    t.teardown(() => member.remove())
    member.launch()
  }
  await Promise.all(members.map(member => member.healthy()))
  return members
}

function opened(t: ExecutionContext, members: readonly { endpoint: string }[]): Store {
  const endpoints = members.map(({ endpoint }) => endpoint)
  const store = openStore({ kind: 'etcd', endpoints }, { deadlineMs: 5000 })
  t.teardown(() => store.close())
  return store
}

/** A wire to a member that can be held: bytes wait in it, and nobody is told. */
async function wire(t: ExecutionContext, member: EtcdMember): Promise<Wire> {
  const port = await freePort()
  const target = Number(new URL(member.endpoint).port)
  const ends = new Set<Socket>()
  let held = false
  const server = createServer(near => {
    const far = connect(target, '127.0.0.1')
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      ends.add(from)
      from.on('data', chunk => to.write(chunk))
      from.on('error', () => to.destroy())
      from.on('close', () => {
        ends.delete(from)
        to.destroy()
      })
      if (held) from.pause()
    }
  })
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  const cut = (): void => {
    for (const end of ends) end.destroy()
  }
  t.teardown(() => {
    cut()
    server.close()
  })
  return {
    endpoint: `http://127.0.0.1:${port}`,
    cut,
    hold: () => {
      held = true
      for (const end of ends) end.pause()
    },
    release: () => {
      held = false
      for (const end of ends) end.resume()
    },
  }
}

interface Wire {
  readonly endpoint: string
  hold(): void
  release(): void
  cut(): void
}

test('after a restart, the watch and the leased state are fresh within five seconds', async t => {
  t.timeout(90_000)
  const [member] = await started(t)
  const store = opened(t, [member!])
  const watched = new Watched(store, [ROOT])
  const leased = store.leased(10)
  leased.set('/martlet/v1/nodes/a/agent', 'before')
  await leased.settled()
  await until(() => watched.count('snapshot') === 1, 'the snapshot')
  await member!.kill()
  await until(() => watched.count('lost') === 1, 'the loss is told')
  leased.set('/martlet/v1/nodes/a/agent', 'during')
  // long enough that every back-off has reached its limit
  const end = Date.now() + 20_000
  await until(() => Date.now() > end, 'the outage lasts', { withinMs: 30_000, everyMs: 100 })
  await member!.start()
  await member!.control('put', `${ROOT}x`, 'new')
  await until(() => watched.values.get(`${ROOT}x`) === 'new', 'the watch is fresh', {
    withinMs: 5000,
  })
  const agent = (): Promise<boolean> =>
    member!.control('get', '/martlet/v1/nodes/a/agent').then(text => text.includes('during'))
  await until(agent, 'the state is fresh', { withinMs: 5000, everyMs: 50 })
  t.is(watched.count('lost'), 1)
  await leased.close()
})

test('changes and deletions behind a compaction are told', async t => {
  t.timeout(60_000)
  const [member] = await started(t)
  const cable = await wire(t, member!)
  const direct = opened(t, [member!])
  const store = opened(t, [cable])
  for (const name of ['a', 'b', 'c']) await direct.put(ROOT + name, 'old')
  const watched = new Watched(store, [ROOT])
  await until(() => watched.values.size === 3, 'the snapshot')
  cable.hold()
  await direct.delete(`${ROOT}a`)
  for (let at = 0; at < 50; at++) await direct.put(`${ROOT}b`, `change ${at}`)
  const put = await direct.put(`${ROOT}d`, 'new')
  await member!.control('compact', String(put.done ? put.revision : 0))
  cable.cut()
  cable.release()
  await until(() => watched.values.has(`${ROOT}d`), 'the difference is told')
  t.deepEqual(Object.fromEntries(watched.values), {
    [`${ROOT}b`]: 'change 49',
    [`${ROOT}c`]: 'old',
    [`${ROOT}d`]: 'new',
  })
  t.is(watched.count('snapshot'), 1, 'as a difference, not as a new beginning')
  const listed = watched.events.filter(event => event.type === 'changes' && event.listed === true)
  t.is(listed.length, 1, 'found by a list: nobody saw in which order it went')
  await direct.put(`${ROOT}e`, 'later')
  await until(() => watched.values.has(`${ROOT}e`), 'later changes are told')
})

test('an etcd that is restored from nothing is a snapshot of nothing, and is followed', async t => {
  t.timeout(60_000)
  const [member] = await started(t)
  const store = opened(t, [member!])
  for (let at = 0; at < 20; at++) await store.put(`${ROOT}${at}`, 'old')
  const watched = new Watched(store, [ROOT])
  await until(() => watched.values.size === 20, 'the snapshot')
  await member!.remove()
  await until(() => watched.count('lost') === 1, 'the loss is told')
  await member!.start()
  await until(() => watched.count('snapshot') === 2, 'all is told again')
  t.is(watched.values.size, 0)
  const { done } = await store.put(`${ROOT}new`, 'new')
  t.true(done)
  await until(() => watched.values.has(`${ROOT}new`), 'changes of the new one are told')
})

test('a compaction under a live watch is not even noticed', async t => {
  t.timeout(60_000)
  const [member] = await started(t)
  const store = opened(t, [member!])
  const watched = new Watched(store, [ROOT])
  await until(() => watched.count('snapshot') === 1, 'the snapshot')
  const put = await store.put(`${ROOT}a`, 'old')
  await member!.control('compact', String(put.done ? put.revision : 0))
  await store.put(`${ROOT}b`, 'new')
  await until(() => watched.values.size === 2, 'changes are told')
  t.is(watched.count('snapshot'), 1)
  t.is(watched.count('lost'), 0)
})

test('a member that hangs is noticed, calls to it are rejected, and it is used again', async t => {
  t.timeout(90_000)
  const [member] = await started(t)
  const store = opened(t, [member!])
  const watched = new Watched(store, [ROOT])
  await until(() => watched.count('snapshot') === 1, 'the snapshot')
  member!.signal('SIGSTOP')
  t.teardown(() => member!.signal('SIGCONT'))
  const begin = Date.now()
  const error = await t.throwsAsync(store.get(`${ROOT}x`), { instanceOf: StoreError })
  t.is(error?.code, 'STORE_UNAVAILABLE')
  t.true(Date.now() - begin < 8000, 'a deadline of five seconds holds')
  await until(() => watched.count('lost') === 1, 'the loss is told')
  member!.signal('SIGCONT')
  await until(() => watched.count('snapshot') === 2, 'it is followed again', { withinMs: 5000 })
  await member!.control('put', `${ROOT}x`, 'after')
  await until(() => watched.values.get(`${ROOT}x`) === 'after', 'changes are told')
})

test('a lease that the server took away is made anew, with all its keys', async t => {
  t.timeout(60_000)
  const [member] = await started(t)
  const store = opened(t, [member!])
  const leased = store.leased(3)
  leased.set('/martlet/v1/nodes/a/agent', 'one')
  leased.set('/martlet/v1/nodes/a/kernel', 'two')
  await leased.settled()
  const id = (await member!.control('lease', 'list')).trim().split('\n').at(-1)!
  await member!.control('lease', 'revoke', id)
  t.is(await store.get('/martlet/v1/nodes/a/agent'), undefined)
  await until(
    async () => (await store.list('/martlet/v1/nodes/')).entries.length === 2,
    'the keys are back',
    { everyMs: 50 },
  )
  await leased.close()
  t.deepEqual((await store.list('/martlet/v1/nodes/')).entries, [])
})

test('a hang longer than the ttl costs the lease, and it is made anew', async t => {
  t.timeout(60_000)
  const [member] = await started(t)
  const cable = await wire(t, member!)
  const store = opened(t, [cable])
  const direct = opened(t, [member!])
  const leased = store.leased(2)
  leased.set('/martlet/v1/nodes/a/agent', 'one')
  await leased.settled()
  cable.hold()
  const agent = (): Promise<boolean> =>
    direct.get('/martlet/v1/nodes/a/agent').then(entry => entry !== undefined)
  await until(async () => !(await agent()), 'the lease runs out', { everyMs: 100 })
  leased.set('/martlet/v1/nodes/a/agent', 'two')
  cable.release()
  await until(agent, 'the key is back', { withinMs: 5000, everyMs: 50 })
  t.is((await direct.get('/martlet/v1/nodes/a/agent'))?.value, 'two')
  await leased.close()
})

test('of three members, one may die and one may hang, and nothing is missed', async t => {
  t.timeout(120_000)
  const members = await started(t, 3)
  const store = opened(t, members)
  const watched = new Watched(store, [ROOT])
  await until(() => watched.count('snapshot') === 1, 'the snapshot')
  let written = 0
  const write = async (count: number): Promise<void> => {
    for (let at = 0; at < count; at++) {
      written += 1
      await until(
        () => store.put(`${ROOT}${written}`, 'x').catch(() => undefined),
        `put ${written}`,
        { withinMs: 20_000 },
      )
    }
  }
  await write(5)
  for (const member of members) {
    member.signal('SIGSTOP')
    await write(3)
    member.signal('SIGCONT')
    await member.healthy()
  }
  for (const member of members) {
    await member.kill()
    await write(3)
    await member.start()
  }
  await until(() => watched.values.size === written, `all ${written} puts are told`, {
    withinMs: 20_000,
  })
  t.is(written, 23)
})

test('a user needs the password, and permission', async t => {
  t.timeout(60_000)
  const [member] = await started(t)
  const as = ['--user', 'root:secret']
  await member!.control('user', 'add', 'root:secret')
  await member!.control('user', 'grant-role', 'root', 'root')
  await member!.control('role', 'add', 'martlet')
  await member!.control('role', 'grant-permission', 'martlet', '--prefix=true', 'readwrite', ROOT)
  await member!.control('user', 'add', 'martlet:tern')
  await member!.control('user', 'grant-role', 'martlet', 'martlet')
  await member!.control('auth', 'enable')
  const folder = mkdtempSync(join(tmpdir(), 'martlet-password-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const passwordFile = join(folder, 'password')
  writeFileSync(passwordFile, 'tern\n')
  const open = (password: object): Store => {
    const etcd = { kind: 'etcd', endpoints: [member!.endpoint], username: 'martlet' } as const
    const store = openStore({ ...etcd, ...password }, { deadlineMs: 3000 })
    t.teardown(() => store.close())
    return store
  }
  const store = open({ passwordFile })
  const put = await store.put(`${ROOT}a`, 'x')
  t.true(put.done)
  const refused = await t.throwsAsync(store.put('/calico/x', 'x'), { instanceOf: StoreError })
  t.is(refused?.code, 'STORE_REFUSED')
  const wrong = await t.throwsAsync(open({ password: 'gull' }).get(`${ROOT}a`), {
    instanceOf: StoreError,
  })
  t.is(wrong?.code, 'STORE_REFUSED')
  // a restart makes every token invalid
  const watched = new Watched(store, [ROOT])
  await until(() => watched.count('snapshot') === 1, 'the snapshot')
  await member!.kill()
  member!.launch()
  await until(() => store.put(`${ROOT}b`, 'y').catch(() => undefined), 'a put is done')
  await until(() => watched.values.has(`${ROOT}b`), 'changes are told')
  await member!.control(...as, 'auth', 'disable')
})

test('a cluster with TLS wants a certificate, and ours must be signed', async t => {
  t.timeout(60_000)
  const folder = certificates(t)
  const file = (name: string): string => join(folder, name)
  const trust = ['--trusted-ca-file', file('ca.crt'), '--client-cert-auth']
  const identity = ['--cert-file', file('server.crt'), '--key-file', file('server.key')]
  const [member] = await started(t, 1, {
    scheme: 'https',
    flags: [...trust, ...identity],
    controlFlags: [
      ...['--cacert', file('ca.crt')],
      ...['--cert', file('client.crt'), '--key', file('client.key')],
    ],
  })
  const base = { kind: 'etcd', endpoints: [member!.endpoint], ca: file('ca.crt') } as const
  const signed = { ...base, certificate: file('client.crt'), key: file('client.key') }
  const store = openStore(signed, { deadlineMs: 3000 })
  t.teardown(() => store.close())
  t.true((await store.put(`${ROOT}a`, 'x')).done)
  const anonymous = openStore(base, { deadlineMs: 1500 })
  t.teardown(() => anonymous.close())
  await t.throwsAsync(anonymous.get(`${ROOT}a`), { instanceOf: StoreError })
  t.throws(() => openStore({ ...base, ca: file('absent.crt') }), { message: /absent\.crt/ })
})
