/** What a node does next for a block, by what the store holds: Calico's protocol, rule by rule. */
import test from 'ava'
import {
  type AffinityState,
  type AllocationBlock,
  API_VERSION,
  type BlockView,
  type ClaimRules,
  claimStep,
  IPAM_CONFIG_DEFAULT,
  type IpPoolResource,
  type IpPoolSpec,
  newBlock,
  releaseStep,
  usablePools,
  withAllReserved,
} from '../../../src/core/calico/index.ts'
import { type Prefix, prefix } from '../../../src/core/net/index.ts'

const NODE = 'worker-0'
const A = prefix('10.0.0.0/26')
const B = prefix('10.0.0.64/26')

const pool = (spec: Partial<IpPoolSpec> = {}, name = 'default'): IpPoolResource => ({
  kind: 'IPPool',
  apiVersion: API_VERSION,
  metadata: { name },
  spec: { cidr: '10.0.0.0/25', ...spec },
})

const rules = (change: Partial<ClaimRules> = {}): ClaimRules => ({
  family: 'ipv4',
  pools: [pool()],
  labels: { rack: 'r1' },
  reserved: [],
  config: IPAM_CONFIG_DEFAULT,
  ...change,
})

const blockOf = (cidr: Prefix, node: string | undefined, used = 0): AllocationBlock => {
  const { affinity: _, ...block } = newBlock(cidr, {
    node: node ?? '',
    claimTime: '2026-11-20T10:00:00Z',
    sequenceNumber: 1n,
  })
  return {
    ...block,
    ...(node !== undefined && { affinity: `host:${node}` }),
    allocations: block.allocations.map((_, at) => (at < used ? 0 : null)),
    unallocated: block.unallocated.slice(used),
    attributes: used > 0 ? [{ handleId: 'k8s-pod-network.7c2f' }] : [],
  }
}

const view = (
  affinities: readonly (readonly [Prefix, AffinityState])[],
  blocks: readonly (readonly [Prefix, AllocationBlock | undefined])[] = [],
): BlockView => ({ node: NODE, affinities: new Map(affinities), blocks: new Map(blocks) })

const OURS = blockOf(A, NODE)
const THEIRS = blockOf(A, 'worker-1')

const CLAIMS: Readonly<Record<string, readonly [BlockView, string]>> = {
  'a pending affinity without a block: the block is created': [
    view([[A, 'pending']]),
    `create ${A}`,
  ],
  'a pending affinity to a block of ours is confirmed': [
    view([[A, 'pending']], [[A, OURS]]),
    `confirm ${A}`,
  ],
  'a pending affinity to another node’s block is taken back': [
    view([[A, 'pending']], [[A, THEIRS]]),
    `abandon ${A}`,
  ],
  'a pending affinity to nobody’s block is taken back': [
    view([[A, 'pending']], [[A, blockOf(A, undefined, 1)]]),
    `abandon ${A}`,
  ],
  'a confirmed affinity to a block of ours is all that is wanted': [
    view([[A, 'confirmed']], [[A, OURS]]),
    `held ${A}`,
  ],
  'a confirmed affinity to another node’s block is stale': [
    view([[A, 'confirmed']], [[A, THEIRS]]),
    `abandon ${A}`,
  ],
  'a confirmed affinity without a block is pending again': [view([[A, 'confirmed']]), `pend ${A}`],
  'a confirmed affinity that no pool explains is its writer’s': [
    view([[prefix('10.9.0.0/24'), 'confirmed']]),
    'held 10.9.0.0/24',
  ],
  'a confirmed affinity to a block that cannot be read is left alone': [
    view([[A, 'confirmed']], [[A, undefined]]),
    `held ${A}`,
  ],
  'a release that was not ended is undone': [
    view([[A, 'pendingDeletion']], [[A, OURS]]),
    `pend ${A}`,
  ],
  'a held block is found before anything is gone on with': [
    view(
      [
        [A, 'pending'],
        [B, 'confirmed'],
      ],
      [[B, blockOf(B, NODE)]],
    ),
    `held ${B}`,
  ],
  'a block that somebody has is passed over': [view([], [[A, THEIRS]]), `pend ${B}`],
  'a block that cannot be read is passed over': [view([], [[B, undefined]]), `pend ${A}`],
  'an affinity of the other family counts for that': [
    view([[prefix('fd00::/122'), 'pending']], [[A, THEIRS]]),
    `pend ${B}`,
  ],
  'a smaller block of an earlier pool is not covered': [
    view([], [[prefix('10.0.0.16/28'), blockOf(prefix('10.0.0.16/28'), 'worker-2')]]),
    `pend ${B}`,
  ],
}

for (const [title, [held, next]] of Object.entries(CLAIMS))
  test(`claim: ${title}`, t => {
    const step = claimStep(held, rules())
    t.is(step.type === 'none' ? step.why : `${step.type} ${step.block}`, next)
  })

test('claim: no block of another is ever reclaimed, however empty', t => {
  const step = claimStep(
    view(
      [],
      [
        [A, THEIRS],
        [B, blockOf(B, 'worker-2')],
      ],
    ),
    rules(),
  )
  t.deepEqual(step, { type: 'none', why: 'the IPPools of ipv4 have no free block' })
})

test('claim: with an IPAM of its own beside it, a block’s free addresses are reserved, once', t => {
  const wanted = rules({ handleId: 'martlet' })
  t.is(claimStep(view([[A, 'confirmed']], [[A, OURS]]), wanted).type, 'reserve')
  const reserved = withAllReserved(OURS, { handleId: 'martlet', node: NODE })
  t.is(claimStep(view([[A, 'confirmed']], [[A, reserved]]), wanted).type, 'held')
})

const POOLS: Readonly<Record<string, readonly [Partial<IpPoolSpec>, boolean]>> = {
  'says nothing': [{}, true],
  'selects the node by its labels': [{ nodeSelector: "rack == 'r1'" }, true],
  'selects other nodes': [{ nodeSelector: "rack == 'r2'" }, false],
  'has a selector that is none': [{ nodeSelector: 'rack ==' }, false],
  'is disabled': [{ disabled: true }, false],
  'is for tunnels alone': [{ allowedUses: ['Tunnel'] }, false],
  'is for workloads among others': [{ allowedUses: ['Tunnel', 'Workload'] }, true],
  'is assigned by hand': [{ assignmentMode: 'Manual' }, false],
  'is of the other family': [{ cidr: 'fd00::/64' }, false],
  'has blocks greater than itself': [{ blockSize: 24 }, false],
}

for (const [title, [spec, used]] of Object.entries(POOLS))
  test(`a pool that ${title} is ${used ? '' : 'not '}taken from`, t => {
    t.is(usablePools(rules({ pools: [pool(spec)] })).length, used ? 1 : 0)
  })

test('pools are tried in order, and reserved blocks not at all', t => {
  const second = pool({ cidr: '10.1.0.0/26' }, 'second')
  const step = claimStep(
    view([], [[A, THEIRS]]),
    rules({ pools: [pool(), second], reserved: [prefix('10.0.0.64/26')] }),
  )
  t.deepEqual(step, { type: 'pend', block: prefix('10.1.0.0/26') })
})

test('where IPAM is not to assign blocks, none is claimed', t => {
  const step = claimStep(
    view([]),
    rules({ config: { ...IPAM_CONFIG_DEFAULT, autoAllocateBlocks: false } }),
  )
  t.is(step.type, 'none')
})

const releasing = (
  state: AffinityState | undefined,
  block: AllocationBlock | undefined,
  change: { readonly force?: boolean; readonly handleId?: string } = {},
): string =>
  releaseStep(
    view(state === undefined ? [] : [[A, state]], block === undefined ? [] : [[A, block]]),
    {
      block: A,
      force: false,
      ...change,
    },
  ).type

test('release: an empty block goes: marked, deleted, and its affinity forgotten', t => {
  t.is(releasing('confirmed', OURS), 'mark')
  t.is(releasing('pendingDeletion', OURS), 'delete')
  t.is(releasing('pendingDeletion', undefined), 'forget')
  t.is(releasing(undefined, undefined), 'released')
})

test('release: a block in use is kept, unless it is to be given up with what is in it', t => {
  const used = blockOf(A, NODE, 3)
  t.deepEqual(releaseStep(view([[A, 'confirmed']], [[A, used]]), { block: A, force: false }), {
    type: 'refused',
    used: 3,
  })
  t.is(releasing('confirmed', used, { force: true }), 'mark')
  t.is(releasing('pendingDeletion', used, { force: true }), 'orphan')
  t.is(releasing('pendingDeletion', blockOf(A, undefined, 3), { force: true }), 'forget')
})

test('release: what was reserved for the node’s own IPAM is no use of the block', t => {
  const reserved = withAllReserved(OURS, { handleId: 'martlet', node: NODE })
  t.is(releasing('confirmed', reserved), 'refused')
  t.is(releasing('confirmed', reserved, { handleId: 'martlet' }), 'mark')
  t.is(releasing('pendingDeletion', reserved, { handleId: 'martlet' }), 'free')
})

test('release: another node’s block is not touched, and a stale affinity to it goes', t => {
  t.is(releasing('confirmed', THEIRS), 'forget')
  t.is(releasing(undefined, THEIRS), 'released')
})
