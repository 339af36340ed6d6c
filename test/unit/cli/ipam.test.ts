/** `ipam show | check | release`: tables that add up, problems that are found, blocks that go. */
import test from 'ava'
import {
  type AllocationBlock,
  affinityKey,
  blockKey,
  decodeBlock,
  encodeBlock,
  encodeHandle,
  encodeIpamConfig,
  handleKey,
  IPAM_CONFIG_KEY,
  kindNamed,
  newBlock,
  resourceKey,
} from '../../../src/core/calico/index.ts'
import { cniHandle, nodeKey } from '../../../src/core/intent/index.ts'
import { type Prefix, prefix } from '../../../src/core/net/index.ts'
import { MemoryStore, run } from './world.ts'

const A = prefix('10.200.0.0/28')
const B = prefix('10.200.0.16/28')

const resource = (kind: string, name: string, spec: object): readonly [string, object] => [
  resourceKey({ kind: kindNamed(kind)!, name }),
  { kind, apiVersion: 'projectcalico.org/v3', metadata: { name }, spec },
]

const blockOf = (
  cidr: Prefix,
  node: string,
  owners: readonly (readonly [number, string, Record<string, string>])[] = [],
): AllocationBlock => {
  const block = newBlock(cidr, { node, claimTime: '2026-11-20T10:00:00Z', sequenceNumber: 1n })
  const used = owners.map(([ordinal]) => ordinal)
  const at = (ordinal: number): number | null => {
    const index = used.indexOf(ordinal)
    return index < 0 ? null : index
  }
  return {
    ...block,
    allocations: block.allocations.map((_, ordinal) => at(ordinal)),
    unallocated: block.unallocated.filter(ordinal => at(ordinal) === null),
    attributes: owners.map(([, handleId, secondary]) => ({ handleId, secondary })),
  }
}

/** Two nodes with a block each; worker-1 has borrowed an address of worker-0's. */
function cluster(): MemoryStore {
  const store = new MemoryStore()
  const seeds: readonly (readonly [string, object | string])[] = [
    resource('IPPool', 'default', { cidr: '10.200.0.0/24', blockSize: 28 }),
    resource('IPReservation', 'kept', { reservedCIDRs: ['10.200.0.14/31'] }),
    ...['worker-0', 'worker-1'].map((name, at) =>
      resource('Node', name, { bgp: { ipv4Address: `10.240.0.${20 + at}/24` } }),
    ),
    [
      blockKey(A),
      encodeBlock(
        blockOf(A, 'worker-0', [
          [1, 'k8s-pod-network.aa', { node: 'worker-0', pod: 'web-0', namespace: 'shop' }],
          [7, 'k8s-pod-network.bb', { node: 'worker-1', pod: 'web-1', namespace: 'shop' }],
        ]),
      ),
    ],
    [blockKey(B), encodeBlock(blockOf(B, 'worker-1'))],
    [affinityKey('worker-0', A), { state: 'confirmed', deleted: false }],
    [affinityKey('worker-1', B), { state: 'confirmed', deleted: false }],
    ...['aa', 'bb'].map(
      id =>
        [
          handleKey(`k8s-pod-network.${id}`),
          encodeHandle({ block: { [A]: 1 }, deleted: false }),
        ] as const,
    ),
  ]
  for (const [key, value] of seeds) store.seed(key, value)
  return store
}

const lines = (printed: string): string[] => printed.split('\n').map(line => line.trimEnd())

test('show counts the addresses of pools, and of their blocks where it is asked', async t => {
  const { code, printed } = await run(['ipam', 'show', '--show-blocks'], {
    store: cluster(),
    columns: 120,
  })
  t.is(code, 0)
  t.deepEqual(lines(printed), [
    'GROUPING   CIDR             IPS TOTAL   IPS IN USE   IPS RESERVED   IPS FREE    OWNER',
    'IP Pool    10.200.0.0/24    256         2 (1%)       2 (1%)         252 (98%)',
    'Block      10.200.0.0/28    16          2 (13%)      2 (13%)        12 (75%)    host:worker-0',
    'Block      10.200.0.16/28   16          0 (0%)       0 (0%)         16 (100%)   host:worker-1',
  ])
  const { printed: json } = await run(['ipam', 'show', '-o', 'json'], { store: cluster() })
  t.deepEqual(JSON.parse(json), [
    { grouping: 'IP Pool', cidr: '10.200.0.0/24', total: 256, used: 2, reserved: 2, free: 252 },
  ])
})

test('show says whose an address is, what is borrowed, and how blocks are handed out', async t => {
  const store = cluster()
  const owned = await run(['ipam', 'show', '--ip', '10.200.0.1'], { store })
  t.regex(owned.printed, /^IP 10\.200\.0\.1 is in use\n/)
  t.regex(owned.printed, /Handle ID +k8s-pod-network\.aa/)
  t.regex(owned.printed, /pod +web-0/)
  t.is((await run(['ipam', 'show', '--ip', '10.200.0.2'], { store })).code, 3)
  t.is((await run(['ipam', 'show', '--ip', 'web-0'], { store })).code, 2)
  const borrowed = await run(['ipam', 'show', '--show-borrowed'], { store, columns: 120 })
  t.deepEqual(lines(borrowed.printed), [
    'IP           BORROWING-NODE   BLOCK           BLOCK OWNER   TYPE   ALLOCATED-TO',
    '10.200.0.7   worker-1         10.200.0.0/28   worker-0      pod    shop/web-1',
  ])
  store.seed(
    IPAM_CONFIG_KEY,
    encodeIpamConfig({ strictAffinity: true, autoAllocateBlocks: true, maxBlocksPerHost: 4 }),
  )
  const configured = await run(['ipam', 'show', '--show-configuration'], { store })
  t.deepEqual(lines(configured.printed), [
    'PROPERTY             VALUE',
    'StrictAffinity       true',
    'AutoAllocateBlocks   true',
    'MaxBlocksPerHost     4',
  ])
})

test('check finds nothing in an IPAM that is whole', async t => {
  const { code, printed } = await run(['ipam', 'check'], { store: cluster() })
  t.is(code, 0)
  t.deepEqual(lines(printed), [
    'Checking IPAM for inconsistencies...',
    'Found 1 IP pool.',
    'Found 2 IPAM blocks.',
    'Found 2 IPAM handles.',
    'Found 2 block affinities.',
    'Check complete; found 0 problems.',
  ])
})

const FAULTS: Readonly<Record<string, readonly [(store: MemoryStore) => void, RegExp]>> = {
  'an affinity to another node’s block': [
    store => store.seed(affinityKey('worker-0', B), { state: 'confirmed' }),
    /worker-0 has an affinity to 10\.200\.0\.16\/28, which is host:worker-1's/,
  ],
  'an affinity to nothing': [
    store => void store.entries.delete(blockKey(B)),
    /worker-1 has an affinity to 10\.200\.0\.16\/28, which is no block/,
  ],
  'a claim that was not ended': [
    store => store.seed(affinityKey('worker-1', B), { state: 'pending' }),
    /the affinity of worker-1 to 10\.200\.0\.16\/28 is pending/,
  ],
  'a block without an affinity': [
    store => void store.entries.delete(affinityKey('worker-1', B)),
    /block 10\.200\.0\.16\/28 is worker-1's, which has no affinity to it/,
  ],
  'an affinity of a node that is no more': [
    store => void store.entries.delete(nodeKey('worker-1')),
    /worker-1 has an affinity to 10\.200\.0\.16\/28, and no Node/,
  ],
  'a block that cannot be read': [
    store => store.seed(blockKey(B), '{'),
    /block 10\.200\.0\.16\/28 cannot be read/,
  ],
  'a block outside every pool': [
    store =>
      store.seed(
        blockKey(prefix('10.9.0.0/28')),
        encodeBlock({ ...blockOf(prefix('10.9.0.0/28'), 'x'), affinity: undefined }),
      ),
    /block 10\.9\.0\.0\/28 is in no IPPool/,
  ],
  'a block inside a block': [
    store =>
      store.seed(
        blockKey(prefix('10.200.0.0/29')),
        encodeBlock({ ...blockOf(prefix('10.200.0.0/29'), 'x'), affinity: undefined }),
      ),
    /block 10\.200\.0\.0\/29 is inside block 10\.200\.0\.0\/28/,
  ],
  'a handle that counts what is not there': [
    store => store.seed(handleKey('ghost'), encodeHandle({ block: { [B]: 2 }, deleted: false })),
    /handle ghost counts 2 addresses of 10\.200\.0\.16\/28, which has 0 of it/,
  ],
  'addresses of a handle that is gone': [
    store => void store.entries.delete(handleKey('k8s-pod-network.aa')),
    /1 addresses of 10\.200\.0\.0\/28 are of handle k8s-pod-network\.aa, which knows nothing/,
  ],
  'an address that is free and in use': [
    store => store.seed(blockKey(A), encodeBlock({ ...blockOf(A, 'worker-0'), unallocated: [0] })),
    /10\.200\.0\.1 is neither free nor in use/,
  ],
}

for (const [title, [harm, finding]] of Object.entries(FAULTS))
  test(`check finds ${title}`, async t => {
    const store = cluster()
    harm(store)
    const { code, printed } = await run(['ipam', 'check'], { store })
    t.is(code, 1)
    t.regex(printed, finding)
  })

test('release gives up what is empty, and keeps what is in use unless it is forced', async t => {
  const store = cluster()
  const refused = await run(['ipam', 'release'], { store })
  t.is(refused.code, 1)
  t.is(refused.printed, '10.200.0.0/28 stays: 2 addresses in use')
  t.true(store.entries.has(affinityKey('worker-0', A)))
  const forced = await run(['ipam', 'release', '10.200.0.0/28', '--force'], { store })
  t.is(forced.printed, '10.200.0.0/28 released')
  t.false(store.entries.has(affinityKey('worker-0', A)))
  const left = decodeBlock(store.entries.get(blockKey(A))?.value ?? '')
  t.is(left?.affinity, undefined)
  t.is(left?.allocations.filter(slot => slot !== null).length, 2)
  const other = await run(['ipam', 'release', '--node', 'worker-1'], { store })
  t.is(other.printed, '10.200.0.16/28 released')
  t.false(store.entries.has(blockKey(B)))
  t.is((await run(['ipam', 'release', '--node', 'worker-1'], { store })).code, 3)
})

test('release gives back what was reserved for the node’s own IPAM, and names what is not its own', async t => {
  const store = cluster()
  const owners = Array.from({ length: 16 }, (_, at) => [at, cniHandle('worker-1'), {}] as const)
  const block = blockOf(B, 'worker-1', owners.slice(0, 1))
  store.seed(
    blockKey(B),
    encodeBlock({ ...block, allocations: block.allocations.map(() => 0), unallocated: [] }),
  )
  store.seed(handleKey(cniHandle('worker-1')), encodeHandle({ block: { [B]: 16 }, deleted: false }))
  const wrong = await run(['ipam', 'release', '10.200.0.16/28'], { store })
  t.is(wrong.code, 3)
  t.regex(wrong.remarks, /no block of node worker-0; it has 10\.200\.0\.0\/28/)
  const { printed } = await run(['ipam', 'release', '--node', 'worker-1'], { store })
  t.is(printed, '10.200.0.16/28 released')
  t.false(store.entries.has(handleKey(cniHandle('worker-1'))))
})
