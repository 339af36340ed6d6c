/**
 * Blocks claimed and released by Calico's protocol on every store: races, and crashes between any
 * two writes. What is decided is in test/unit/calico; here it meets compare-and-swap.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import {
  AFFINITIES_ROOT,
  API_VERSION,
  BLOCKS_ROOT,
  blockKey,
  type ClaimRules,
  decodeBlock,
  encodeBlock,
  encodeIpamConfig,
  HANDLES_ROOT,
  IPAM_CONFIG_KEY,
  newBlock,
  parseAffinityKey,
} from '../../src/core/calico/index.ts'
import type { Store } from '../../src/core/intent/index.ts'
import { prefix } from '../../src/core/net/index.ts'
import { BlockClient, openStore } from '../../src/shell/store/index.ts'
import { SimulatedEtcd, SimulatedStore } from '../../src/sim/index.ts'
import { etcdMembers } from '../support/etcd.ts'

const CLAIMERS = 40
/** blocks in the pool of the race */
const BLOCKS = 16

const RULES: Omit<ClaimRules, 'config'> = {
  family: 'ipv4',
  pools: [
    {
      kind: 'IPPool',
      apiVersion: API_VERSION,
      metadata: { name: 'default' },
      spec: { cidr: '10.0.0.0/24', blockSize: 28 },
    },
  ],
  labels: {},
  reserved: [],
}

type Open = () => Store
type Make = (t: ExecutionContext) => Promise<Open> | Open

const clock = {
  now: () => Number(process.hrtime.bigint()) / 1e6,
  after: (delayMs: number, action: () => void) => {
    const timer = setTimeout(action, delayMs)
    return () => clearTimeout(timer)
  },
}

const MEDIA: Readonly<Record<string, Make>> = {
  simulated: () => {
    const etcd = new SimulatedEtcd(clock)
    return () => new SimulatedStore(etcd)
  },
  directory: t => {
    const path = mkdtempSync(join(tmpdir(), 'martlet-ipam-'))
    t.teardown(() => rmSync(path, { recursive: true }))
    return () => openStore({ kind: 'directory', path }, { deadlineMs: 60_000 })
  },
  etcd: async t => {
    const [member] = await etcdMembers(1)
    if (member === undefined) return t.fail() as never
    t.teardown(() => member.remove())
    await member.start()
    return () => openStore({ kind: 'etcd', endpoints: [member.endpoint] })
  },
}

const client = (store: Store, node: string): BlockClient => new BlockClient(store, node, Date.now)

/** What the store says in the end: each block with its node, each affinity with its state. */
async function heldIn(
  store: Store,
): Promise<{ blocks: Map<string, string>; affinities: string[] }> {
  const [blocks, affinities] = [await store.list(BLOCKS_ROOT), await store.list(AFFINITIES_ROOT)]
  return {
    blocks: new Map(
      blocks.entries.map(({ value }) => {
        const block = decodeBlock(value)
        return [block?.cidr ?? value, block?.affinity ?? 'nobody']
      }),
    ),
    affinities: affinities.entries.map(({ key, value }) => {
      const { node, block } = parseAffinityKey(key) ?? {}
      return `host:${node} ${block} ${String(JSON.parse(value).state)}`
    }),
  }
}

for (const [medium, make] of Object.entries(MEDIA)) {
  test(`${medium}: of 40 nodes that claim at once, 16 get the 16 blocks of the pool, one each`, async t => {
    t.timeout(240_000)
    const open = await make(t)
    const nodes = Array.from({ length: CLAIMERS }, (_, at) => `worker-${at}`)
    const stores = nodes.map(open)
    t.teardown(() => Promise.all(stores.map(store => store.close())))
    const claims = await Promise.all(
      nodes.map((node, at) => client(stores[at]!, node).claim(RULES)),
    )
    const won = claims.flatMap((claim, at) =>
      'block' in claim ? [`host:${nodes[at]} ${claim.block} confirmed`] : [],
    )
    t.is(won.length, BLOCKS)
    const { blocks, affinities } = await heldIn(stores[0]!)
    t.is(blocks.size, BLOCKS)
    t.is(new Set(blocks.values()).size, BLOCKS)
    t.deepEqual(affinities.toSorted(), won.toSorted())
    t.deepEqual(
      [...blocks].map(([cidr, node]) => `${node} ${cidr} confirmed`).toSorted(),
      won.toSorted(),
    )
    for (const claim of claims)
      if ('why' in claim) t.is(claim.why, 'the IPPools of ipv4 have no free block')
  })

  test(`${medium}: a claim finds the block that the node has, and a release takes it away`, async t => {
    t.timeout(60_000)
    const store = (await make(t))()
    t.teardown(() => store.close())
    const ipam = client(store, 'worker-0')
    const claimed = await ipam.claim({ ...RULES, handleId: 'martlet-worker-0' })
    if (!('block' in claimed)) return t.fail(claimed.why)
    const { block } = claimed
    t.deepEqual(await client(store, 'worker-0').claim(RULES), claimed)
    const stored = decodeBlock((await store.get(blockKey(block)))?.value ?? '')
    t.deepEqual(stored?.unallocated, [])
    t.deepEqual(stored?.attributes, [
      { handleId: 'martlet-worker-0', secondary: { node: 'worker-0' } },
    ])
    const [handle] = (await store.list(HANDLES_ROOT)).entries
    t.is(handle?.value, `{"block":{"${block}":16},"deleted":false}`)
    t.deepEqual(await ipam.release({ block, force: false }), { used: 16 })
    t.is(await ipam.release({ block, force: false, handleId: 'martlet-worker-0' }), undefined)
    t.deepEqual(await heldIn(store), { blocks: new Map(), affinities: [] })
    t.deepEqual((await store.list(HANDLES_ROOT)).entries, [])
  })
}

/** A store whose owner dies: at its nth write, before it is done, or after and before the answer. */
function dying(store: Store, nth: number, when: 'before' | 'after'): Store {
  let writes = 0
  const fatal = async <Result>(write: () => Promise<Result>): Promise<Result> => {
    writes += 1
    if (writes < nth) return await write()
    if (when === 'after' && writes === nth) await write()
    throw new Error('dead')
  }
  return {
    get: key => store.get(key),
    list: (...list) => store.list(...list),
    put: (...put) => fatal(() => store.put(...put)),
    delete: (...gone) => fatal(() => store.delete(...gone)),
    watch: (...watch) => store.watch(...watch),
    leased: seconds => store.leased(seconds),
    close: () => store.close(),
  }
}

const WITH_HANDLE = { ...RULES, handleId: 'martlet-worker-0' }
/** pend, create, confirm, the handle, reserve */
const CLAIM_WRITES = 5
/** mark, free, delete, forget, the handle */
const RELEASE_WRITES = 5

for (const when of ['before', 'after'] as const) {
  for (let nth = 1; nth <= CLAIM_WRITES; nth++)
    test(`a claim that dies ${when} write ${nth} is ended by the next one, with one block`, async t => {
      const store = new SimulatedStore(new SimulatedEtcd(clock))
      await t.throwsAsync(client(dying(store, nth, when), 'worker-0').claim(WITH_HANDLE), {
        message: 'dead',
      })
      const claimed = await client(store, 'worker-0').claim(WITH_HANDLE)
      const { blocks, affinities } = await heldIn(store)
      t.true('block' in claimed)
      t.deepEqual([...blocks.values()], ['host:worker-0'])
      t.is(affinities.length, 1)
      t.regex(affinities[0]!, / confirmed$/)
      t.is((await store.list(HANDLES_ROOT)).entries.length, 1)
    })

  for (let nth = 1; nth <= RELEASE_WRITES; nth++)
    test(`a release that dies ${when} write ${nth} is ended by the next one, with nothing left`, async t => {
      const store = new SimulatedStore(new SimulatedEtcd(clock))
      const claimed = await client(store, 'worker-0').claim(WITH_HANDLE)
      if (!('block' in claimed)) return t.fail(claimed.why)
      const rules = { block: claimed.block, force: false, handleId: 'martlet-worker-0' }
      await t.throwsAsync(client(dying(store, nth, when), 'worker-0').release(rules), {
        message: 'dead',
      })
      t.is(await client(store, 'worker-0').release(rules), undefined)
      t.deepEqual(await heldIn(store), { blocks: new Map(), affinities: [] })
      t.deepEqual((await store.list(HANDLES_ROOT)).entries, [])
    })
}

test('a claim that dies while another node takes its block gets another one', async t => {
  const store = new SimulatedStore(new SimulatedEtcd(clock))
  await t.throwsAsync(client(dying(store, 1, 'after'), 'worker-0').claim(RULES))
  const [pending] = (await store.list(AFFINITIES_ROOT)).entries
  const cidr = parseAffinityKey(pending?.key ?? '')?.block ?? prefix('0.0.0.0/0')
  const theirs = newBlock(cidr, {
    node: 'other',
    claimTime: '2026-11-20T10:00:00Z',
    sequenceNumber: 1n,
  })
  await store.put(blockKey(cidr), encodeBlock(theirs))
  const claimed = await client(store, 'worker-0').claim(RULES)
  if (!('block' in claimed)) return t.fail(claimed.why)
  t.not(claimed.block, cidr)
  t.deepEqual((await heldIn(store)).affinities, [`host:worker-0 ${claimed.block} confirmed`])
})

test('a block that was released with addresses in use is nobody’s, and keeps them', async t => {
  const store = new SimulatedStore(new SimulatedEtcd(clock))
  const ipam = client(store, 'worker-0')
  const claimed = await ipam.claim(RULES)
  if (!('block' in claimed)) return t.fail(claimed.why)
  const key = blockKey(claimed.block)
  const block = decodeBlock((await store.get(key))?.value ?? '')!
  const used = {
    ...block,
    allocations: block.allocations.map((_, at) => (at === 3 ? 0 : null)),
    attributes: [{ handleId: 'k8s-pod-network.7c2f' }],
  }
  await store.put(key, encodeBlock(used))
  t.deepEqual(await ipam.release({ block: claimed.block, force: false }), { used: 1 })
  t.is(await ipam.release({ block: claimed.block, force: true }), undefined)
  const { blocks, affinities } = await heldIn(store)
  t.deepEqual([...blocks], [[claimed.block, 'nobody']])
  t.deepEqual(affinities, [])
  t.is(decodeBlock((await store.get(key))?.value ?? '')?.allocations[3], 0)
  const next = await ipam.claim(RULES)
  t.true('block' in next && next.block !== claimed.block)
})

test('a claim obeys what IPAM is configured with now, at its own key', async t => {
  const store = new SimulatedStore(new SimulatedEtcd(clock))
  const config = { strictAffinity: true, autoAllocateBlocks: false, maxBlocksPerHost: 20 }
  await store.put(IPAM_CONFIG_KEY, encodeIpamConfig(config))
  const ipam = client(store, 'worker-0')
  t.true('why' in (await ipam.claim(RULES)))
  await store.put(IPAM_CONFIG_KEY, encodeIpamConfig({ ...config, autoAllocateBlocks: true }))
  t.true('block' in (await ipam.claim(RULES)))
})
