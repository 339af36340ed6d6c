/**
 * Nodes that claim blocks of one pool at once, a process each, on a real etcd; some are killed between two writes, and
 * leave nothing that keeps others from what is free.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import test from 'ava'
import {
  AFFINITIES_ROOT,
  API_VERSION,
  BLOCKS_ROOT,
  decodeBlock,
  HANDLES_ROOT,
  parseAffinityKey,
  RESOURCES_ROOT,
} from '../../src/core/calico/index.ts'
import { openStore } from '../../src/shell/store/index.ts'
import { etcdMembers } from '../support/etcd.ts'
import { POOL } from './support/claimer.ts'

/** What was built, where there is any: it starts in half the time. */
const MAIN = resolve(import.meta.dirname, '../..', process.env.MARTLET_LAB_MAIN ?? 'src/main.ts')
const CLAIMER = new URL('support/claimer.ts', import.meta.url).pathname

const BLOCKS = 16
/** pend, create, confirm, the handle, reserve: after each of them but the last, somebody dies */
const DEATHS = [1, 2, 3, 4]
/** who is killed before the block is made has none */
const ORPHANED = DEATHS.filter(writes => writes >= 2).length
const CLAIMERS = 18

interface Ended {
  readonly signal: string | undefined
  readonly code: number
  readonly out: string
}

const node = (...words: readonly string[]): Promise<Ended> =>
  new Promise(resolve => {
    const child = execFile(process.execPath, words, (error, out) =>
      resolve({ signal: error?.signal ?? undefined, code: child.exitCode ?? -1, out }),
    )
  })

test('of many that claim at once each gets a block while there is one, whoever is killed meanwhile', async t => {
  t.timeout(240_000)
  const [etcd] = await etcdMembers(1)
  if (etcd === undefined) return t.fail('one member was asked for')
  t.teardown(() => etcd.remove())
  await etcd.start()
  const store = openStore({ kind: 'etcd', endpoints: [etcd.endpoint] })
  t.teardown(() => store.close())
  const folder = mkdtempSync(join(tmpdir(), 'martlet-claimers-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const configuration = join(folder, 'martlet.yaml')
  writeFileSync(configuration, `node: desk\nstore: {etcd: {endpoints: ['${etcd.endpoint}']}}\n`)
  const martlet = (...words: string[]): Promise<Ended> => node(MAIN, ...words, '-c', configuration)
  const claim = (name: string, ...more: string[]): Promise<Ended> =>
    node(CLAIMER, etcd.endpoint, name, ...more)
  const blockOf = ({ out }: Ended): string | undefined => JSON.parse(out).block
  const resource = (kind: string, name: string, spec: object): Promise<unknown> =>
    store.put(
      `${RESOURCES_ROOT}${kind.toLowerCase()}s/${name}`,
      JSON.stringify({ kind, apiVersion: API_VERSION, metadata: { name }, spec }),
    )
  const dead = DEATHS.map(writes => `dead-${writes}`)
  const alive = Array.from({ length: CLAIMERS }, (_, at) => `alive-${at}`)
  await resource('IPPool', 'default', POOL)
  for (const name of [...dead, ...alive]) await resource('Node', name, {})

  const ends = await Promise.all(DEATHS.map(writes => claim(`dead-${writes}`, String(writes))))
  t.deepEqual(
    ends.map(({ signal }) => signal),
    DEATHS.map(() => 'SIGKILL'),
  )
  const claims = await Promise.all(alive.map(name => claim(name)))
  const won = new Set(claims.flatMap(end => blockOf(end) ?? []))
  t.is(won.size, BLOCKS - ORPHANED, 'all that nobody who died had made')
  for (const { code } of claims) t.is(code, 0)

  const held = async (): Promise<Map<string, string | undefined>> => {
    const { entries } = await store.list(BLOCKS_ROOT)
    return new Map(
      entries.map(({ value }) => {
        const block = decodeBlock(value)
        return [block?.cidr ?? value, block?.affinity]
      }),
    )
  }
  const before = await held()
  t.is(before.size, BLOCKS)
  t.is(new Set(before.values()).size, BLOCKS, 'one each')

  // who starts again goes on where it was killed; who had made nothing comes too late
  const again = await Promise.all(dead.map(name => claim(name)))
  for (const [at, name] of dead.entries()) {
    const own = [...before].find(([, owner]) => owner === `host:${name}`)?.[0]
    t.is(blockOf(again[at]!), own, name)
    t.is(own === undefined, at === 0, name)
  }
  t.deepEqual(await held(), before)
  const affinities = (await store.list(AFFINITIES_ROOT)).entries.map(({ key, value }) => {
    const { node: name, block } = parseAffinityKey(key) ?? {}
    return [block, `host:${name}`, JSON.parse(value).state]
  })
  t.deepEqual(
    affinities.toSorted(),
    [...before].map(([block, owner]) => [block, owner, 'confirmed']).toSorted(),
  )
  t.is((await store.list(HANDLES_ROOT)).entries.length, BLOCKS)
  const check = await martlet('ipam', 'check')
  t.regex(check.out, /0 problems/)

  // one that never comes back is deleted, and its block is the next one's
  t.is((await martlet('delete', 'node', 'dead-4')).code, 0)
  const loser = alive.find((_, at) => blockOf(claims[at]!) === undefined)!
  const late = await claim(loser)
  t.is(before.get(blockOf(late) ?? ''), 'host:dead-4')
  t.is((await held()).size, BLOCKS)
})
