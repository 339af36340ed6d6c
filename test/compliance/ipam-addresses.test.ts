/** Single addresses assigned and given back by Calico's protocol: races, and crashes between any two writes. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import {
  API_VERSION,
  type AssignRules,
  BLOCKS_ROOT,
  decodeBlock,
  decodeHandle,
  encodeIpamConfig,
  HANDLES_ROOT,
  IPAM_CONFIG_KEY,
  type IpPoolSpec,
  ordinalsOf,
} from '../../src/core/calico/index.ts'
import type { Store } from '../../src/core/intent/index.ts'
import { prefix } from '../../src/core/net/index.ts'
import { BlockClient, openStore } from '../../src/shell/store/index.ts'
import { SimulatedEtcd, SimulatedStore } from '../../src/sim/index.ts'
import { etcdMembers } from '../support/etcd.ts'

const rules = (node: string, spec: Partial<IpPoolSpec> = {}): Omit<AssignRules, 'config'> => ({
  family: 'ipv4',
  pools: [
    {
      ...{ kind: 'IPPool', apiVersion: API_VERSION, metadata: { name: 'default' } },
      spec: { cidr: '10.0.0.0/24', blockSize: 28, vxlanMode: 'Always', ...spec },
    },
  ],
  ...{ labels: {}, reserved: [], handleId: `vxlan-tunnel-addr-${node}` },
  secondary: { node, type: 'vxlanTunnelAddress' },
})

const clock = {
  now: () => Number(process.hrtime.bigint()) / 1e6,
  after: (delayMs: number, action: () => void) => {
    const timer = setTimeout(action, delayMs)
    return () => clearTimeout(timer)
  },
}

const simulated = (): Store => new SimulatedStore(new SimulatedEtcd(clock))
const client = (store: Store, node: string): BlockClient => new BlockClient(store, node, Date.now)

/** What each owner has, by the blocks and by the handles, which must be the same. */
async function ownedIn(store: Store): Promise<{ blocks: string[]; handles: string[] }> {
  const blocks = await store.list([BLOCKS_ROOT])
  const handles = await store.list([HANDLES_ROOT])
  return {
    blocks: blocks.entries
      .flatMap(({ value }) => {
        const block = decodeBlock(value)
        return (block?.attributes ?? []).map(({ handleId = '' }) => {
          const count = block === undefined ? 0 : ordinalsOf(block, handleId).length
          return `${handleId} ${block?.cidr} ${count}`
        })
      })
      .sort(),
    handles: handles.entries
      .flatMap(({ key, value }) =>
        Object.entries(decodeHandle(value)?.block ?? {}).map(
          ([cidr, count]) => `${key.slice(HANDLES_ROOT.length)} ${cidr} ${count}`,
        ),
      )
      .sort(),
  }
}

const assigned = async (
  store: Store,
  node: string,
  more: Partial<AssignRules> = {},
): Promise<string> => {
  const found = await client(store, node).assign({ ...rules(node), ...more })
  return 'address' in found ? found.address : found.why
}

for (const [medium, make] of Object.entries({
  simulated: async () => ({ store: simulated(), end: async () => {} }),
  directory: async () => {
    const path = mkdtempSync(join(tmpdir(), 'martlet-ipam-'))
    return {
      store: openStore({ kind: 'directory', path }, { deadlineMs: 60_000 }),
      end: async () => rmSync(path, { recursive: true }),
    }
  },
  etcd: async () => {
    const [member] = await etcdMembers(1)
    if (member === undefined) throw new Error('there is no etcd')
    await member.start()
    return {
      store: openStore({ kind: 'etcd', endpoints: [member.endpoint] }),
      end: async () => member.remove(),
    }
  },
})) {
  test(`${medium}: nodes that ask at once have an address each, and blocks and handles agree`, async t => {
    t.timeout(120_000)
    const { store, end } = await make()
    const nodes = ['n1', 'n2', 'n3', 'n4', 'n5', 'n6']
    const found = await Promise.all(nodes.map(node => assigned(store, node)))
    t.is(new Set(found).size, nodes.length)
    t.true(found.every(text => text.startsWith('10.0.0.')))
    const { blocks, handles } = await ownedIn(store)
    t.is(blocks.length, nodes.length)
    t.deepEqual(blocks, handles)
    t.deepEqual(
      await Promise.all(nodes.map(node => assigned(store, node))),
      found,
      'who has one keeps it',
    )
    for (const node of nodes) await client(store, node).giveBack(`vxlan-tunnel-addr-${node}`)
    t.deepEqual(await ownedIn(store), { blocks: [], handles: [] })
    await store.close()
    await end()
  })
}

test('the first free address of a block that the node has is taken, and reserved ones are not', async t => {
  const store = simulated()
  const { family, labels, pools } = rules('a')
  const claim = await client(store, 'a').claim({ family, labels, pools, reserved: [] })
  if (!('block' in claim)) throw new Error(claim.why)
  const block = prefix(claim.block)
  const [first = ''] = block.split('/')
  t.is(await assigned(store, 'a', { handleId: 'ipip-tunnel-addr-a' }), first)
  const next = first.replace(/\d+$/, last => String(Number(last) + 1))
  const after = first.replace(/\d+$/, last => String(Number(last) + 2))
  t.is(await assigned(store, 'a', { reserved: [prefix(`${next}/32`)] }), after)
})

test('where the node’s blocks are another’s, a block more is claimed', async t => {
  const store = simulated()
  const { family, labels, pools } = rules('a')
  const claim = await client(store, 'a').claim({
    family,
    labels,
    pools,
    reserved: [],
    handleId: 'cni',
  })
  if (!('block' in claim)) throw new Error(claim.why)
  const found = await assigned(store, 'a', { avoid: 'cni' })
  const { blocks } = await ownedIn(store)
  t.is(blocks.length, 2)
  t.true(blocks.some(text => text === `cni ${claim.block} 16`))
  t.true(found.startsWith('10.0.0.'))
})

test('no more blocks than the cluster allows, and none of pools that are not for tunnels', async t => {
  const store = simulated()
  const config = { strictAffinity: true, autoAllocateBlocks: true, maxBlocksPerHost: 1 }
  await store.put(IPAM_CONFIG_KEY, encodeIpamConfig(config), { absent: true })
  const { family, labels, pools } = rules('a')
  await client(store, 'a').claim({ family, labels, pools, reserved: [], handleId: 'cni' })
  t.regex(await assigned(store, 'a', { avoid: 'cni' }), /1 blocks/)
  t.regex(
    await assigned(store, 'b', rules('b', { allowedUses: ['Workload'] })),
    /no IPPool of ipv4 is for tunnels/,
  )
})

test('an address of a pool that is no more is given back, and another taken', async t => {
  const store = simulated()
  const before = await assigned(store, 'a')
  const found = await assigned(store, 'a', rules('a', { cidr: '10.1.0.0/24' }))
  t.true(before.startsWith('10.0.0.') && found.startsWith('10.1.0.'))
  const { blocks, handles } = await ownedIn(store)
  t.is(blocks.length, 1)
  t.deepEqual(blocks, handles)
})

test('a node that dies between any two writes goes on where it stopped', async t => {
  for (let writes = 0; ; writes++) {
    t.true(writes < 40, 'a claim has an end')
    const store = simulated()
    let left = writes
    const dying: Store = new Proxy(store, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        return (...words: readonly unknown[]): unknown => {
          if ((name === 'put' || name === 'delete') && left-- <= 0) throw new Error('dead')
          return Reflect.apply(value, target, words)
        }
      },
    })
    const died = await assigned(dying, 'a').then(
      () => false,
      () => true,
    )
    t.regex(await assigned(store, 'a'), /^10\.0\.0\./)
    const { blocks, handles } = await ownedIn(store)
    t.deepEqual([blocks.length, handles], [1, blocks])
    left = writes
    await client(dying, 'a')
      .giveBack('vxlan-tunnel-addr-a')
      .catch(() => {})
    await client(store, 'a').giveBack('vxlan-tunnel-addr-a')
    t.deepEqual(await ownedIn(store), { blocks: [], handles: [] })
    if (!died) return
  }
})
