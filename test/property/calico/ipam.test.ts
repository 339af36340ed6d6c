/**
 * Blocks under any mixture of claims, releases and crashes of several nodes: whatever they do to one
 * another, each ends with one block, and no block with two nodes.
 */
import test from 'ava'
import fc from 'fast-check'
import {
  AFFINITIES_ROOT,
  API_VERSION,
  BLOCKS_ROOT,
  blockKey,
  decodeBlock,
  decodeHandle,
  HANDLES_ROOT,
  type IpPoolResource,
  ipamFindings,
  parseAffinityKey,
  parseBlockKey,
  unescapeName,
} from '../../../src/core/calico/index.ts'
import { cniHandle, type Store } from '../../../src/core/intent/index.ts'
import { prefix } from '../../../src/core/net/index.ts'
import { BlockClient } from '../../../src/shell/store/index.ts'
import { SimulatedEtcd, SimulatedStore } from '../../../src/sim/index.ts'

const POOL = prefix('10.0.0.0/27')
/** blocks of the pool, and most nodes */
const BLOCKS = 8

/** What a node does, one after another; dies at a write, or not. */
interface Act {
  readonly act: 'claim' | 'release'
  readonly diesAt: number | undefined
  readonly reserves: boolean
  readonly force: boolean
}

const act: fc.Arbitrary<Act> = fc.record({
  act: fc.constantFrom('claim' as const, 'claim' as const, 'release' as const),
  diesAt: fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined }),
  reserves: fc.boolean(),
  force: fc.boolean(),
})

const nodes = fc.array(fc.array(act, { maxLength: 5 }), { minLength: 1, maxLength: BLOCKS })

const clock = { now: () => 0, after: () => () => {} }

/**
 * Nobody says that a block is its own while it is another's, not between any two writes either: that
 * would be announced.
 */
function assertSafe(etcd: SimulatedEtcd): void {
  for (const { key, value } of etcd.list([AFFINITIES_ROOT])) {
    const { node, block } = parseAffinityKey(key)!
    if (JSON.parse(value).state !== 'confirmed') continue
    const stored = etcd.get(blockKey(block))
    const owner = stored === undefined ? 'nobody' : decodeBlock(stored.value)?.affinity
    if (owner !== `host:${node}`) throw new Error(`${node} announces ${block} of ${owner}`)
  }
}

/** A store whose answers come after some other work, in an order that `turns` says. */
function slow(etcd: SimulatedEtcd, turns: () => number, diesAt?: number): Store {
  const store = new SimulatedStore(etcd)
  let writes = 0
  const wait = async (): Promise<void> => {
    for (let turn = turns(); turn > 0; turn--) await Promise.resolve()
  }
  const write = async <Result>(done: () => Promise<Result>): Promise<Result> => {
    writes += 1
    await wait()
    // half of the deaths are after the write, before its answer
    const isDead = diesAt !== undefined && writes >= diesAt
    if (isDead && (diesAt % 2 === 1 || writes > diesAt)) throw new Error('dead')
    const result = await done()
    assertSafe(etcd)
    if (isDead) throw new Error('dead')
    return result
  }
  const read = async <Result>(done: () => Promise<Result>): Promise<Result> => {
    await wait()
    return await done()
  }
  return {
    get: key => read(() => store.get(key)),
    list: (...list) => read(() => store.list(...list)),
    put: (...put) => write(() => store.put(...put)),
    delete: (...gone) => write(() => store.delete(...gone)),
    watch: (...watch) => store.watch(...watch),
    leased: seconds => store.leased(seconds),
    close: () => store.close(),
  }
}

const FROM: IpPoolResource = {
  kind: 'IPPool',
  apiVersion: API_VERSION,
  metadata: { name: 'default' },
  spec: { cidr: POOL, blockSize: 30 },
}

const rulesOf = (node: string, reserves: boolean) => ({
  family: 'ipv4' as const,
  pools: [FROM],
  labels: {},
  reserved: [],
  ...(reserves && { handleId: cniHandle(node) }),
})

/** Does what a node does; how often it died. */
async function perform(
  etcd: SimulatedEtcd,
  node: string,
  acts: readonly Act[],
  turns: () => number,
) {
  let deaths = 0
  for (const { act, diesAt, reserves, force } of acts) {
    const client = new BlockClient(slow(etcd, turns, diesAt), node, () => 1e12)
    try {
      if (act === 'claim') await client.claim(rulesOf(node, reserves))
      else
        for (const entry of etcd.list([`${AFFINITIES_ROOT}${node}/`])) {
          const block = parseAffinityKey(entry.key)?.block
          if (block !== undefined) await client.release({ block, force, handleId: cniHandle(node) })
        }
    } catch (error) {
      if (!(error instanceof Error) || error.message !== 'dead') throw error
      deaths += 1
    }
  }
  return deaths
}

/** All that IPAM holds, as `ipam check` sees it. */
async function stateOf(store: Store, names: readonly string[]) {
  const [affinities, blocks, handles] = [
    await store.list(AFFINITIES_ROOT),
    await store.list(BLOCKS_ROOT),
    await store.list(HANDLES_ROOT),
  ]
  return {
    affinities: affinities.entries.map(({ key, value }) => {
      const { node = '', block = '' } = parseAffinityKey(key) ?? {}
      return { node, cidr: block, ...JSON.parse(value) }
    }),
    blocks: new Map(
      blocks.entries.map(({ key, value }) => [parseBlockKey(key)!, decodeBlock(value)] as const),
    ),
    handles: new Map(
      handles.entries.map(
        ({ key, value }) =>
          [unescapeName(key.slice(HANDLES_ROOT.length)), decodeHandle(value)] as const,
      ),
    ),
    pools: [POOL],
    nodes: new Set(names),
  }
}

test('whatever nodes do and wherever they die, each has one block in the end, and IPAM is whole', async t => {
  let deaths = 0
  let runs = 0
  await fc.assert(
    fc.asyncProperty(
      nodes,
      fc.infiniteStream(fc.integer({ min: 0, max: 9 })),
      async (plans, delays) => {
        const etcd = new SimulatedEtcd(clock)
        const names = plans.map((_, at) => `${at % 2}-worker${'-'.repeat(at)}`)
        const turns = () => Number(delays.next().value)
        const died = await Promise.all(
          plans.map((acts, at) => perform(etcd, names[at]!, acts, turns)),
        )
        deaths += died.reduce((sum, each) => sum + each, 0)
        runs += 1
        const claims = await Promise.all(
          names.map(name =>
            new BlockClient(slow(etcd, turns), name, () => 1e12).claim(rulesOf(name, true)),
          ),
        )
        const held = claims.map((claim, at) =>
          'block' in claim ? claim.block : `${names[at]}: ${claim.why}`,
        )
        const state = await stateOf(new SimulatedStore(etcd), names)
        t.deepEqual(ipamFindings(state), [])
        t.deepEqual(
          [...state.blocks].map(([cidr, block]) => `${cidr} ${block?.affinity}`).toSorted(),
          held.map((block, at) => `${block} host:${names[at]}`).toSorted(),
        )
        t.is(state.affinities.length, names.length)
      },
    ),
    { numRuns: 300 },
  )
  t.true(runs >= 300 && deaths > 50, `${runs} runs, ${deaths} deaths`)
})
