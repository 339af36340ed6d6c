/** Blocks as numbers and as values: what libcalico-go's lib/ipam does with the same ones. */
import test from 'ava'
import {
  addressAt,
  addressesIn,
  candidateBlocks,
  decodeBlock,
  encodeBlock,
  newBlock,
  ordinalOf,
  usageOf,
  usedIn,
  withAllReserved,
  withoutAffinity,
  withReleased,
} from '../../../src/core/calico/index.ts'
import { address, contains, prefix } from '../../../src/core/net/index.ts'

const claim = {
  node: 'worker-0',
  claimTime: '2026-11-20T10:00:00Z',
  sequenceNumber: 17n * 10n ** 17n,
}

test('the blocks of a pool are walked round once, each inside it, from a place that is the node’s', t => {
  const pool = prefix('10.0.0.0/24')
  const walk = [...candidateBlocks(pool, 26, 'worker-0')]
  t.is(walk.length, 4)
  t.deepEqual(walk.toSorted(), ['10.0.0.0/26', '10.0.0.128/26', '10.0.0.192/26', '10.0.0.64/26'])
  t.deepEqual([...candidateBlocks(pool, 26, 'worker-0')], walk)
  const starts = new Set(
    Array.from({ length: 40 }, (_, at) => candidateBlocks(pool, 26, `worker-${at}`).next().value),
  )
  t.is(starts.size, 4)
})

test('a pool of more blocks than numbers can count is walked without being listed', t => {
  const pool = prefix('fd00:10::/48')
  const walk = candidateBlocks(pool, 122, 'worker-0')
  const [first, second] = [walk.next().value!, walk.next().value!]
  t.true(contains(pool, first))
  t.true(first.endsWith('/122'))
  t.is(addressesIn(first), 64)
  t.is(ordinalOf(first, addressAt(second, 0)), undefined)
  t.is(addressAt(first, 64), addressAt(second, 0))
})

test('an ordinal counts from the first address of the block', t => {
  const block = prefix('192.168.221.192/26')
  t.is(addressAt(block, 0), address('192.168.221.192'))
  t.is(addressAt(block, 63), address('192.168.221.255'))
  t.is(ordinalOf(block, address('192.168.221.200')), 8)
  t.is(ordinalOf(block, address('192.168.221.191')), undefined)
  t.is(ordinalOf(block, address('fd00::1')), undefined)
})

test('a new block is as libcalico-go writes it, its number not rounded', t => {
  const text = encodeBlock(newBlock(prefix('10.0.0.4/30'), claim))
  t.is(
    text,
    '{"cidr":"10.0.0.4/30","affinity":"host:worker-0","affinity_claim_time":"2026-11-20T10:00:00Z",' +
      '"allocations":[null,null,null,null],"unallocated":[0,1,2,3],"attributes":[],' +
      '"sequenceNumber":1700000000000000000,"sequenceNumberForAllocation":{},"deleted":false}',
  )
})

test('what is reserved for a handle is given back with it, and nothing of others', t => {
  const used = {
    ...newBlock(prefix('10.0.0.4/30'), claim),
    allocations: [null, 0, null, null],
    unallocated: [3, 0, 2],
    attributes: [{ handleId: 'k8s-pod-network.7c2f' }],
    sequenceNumberForAllocation: { '1': 5n },
  }
  const reserved = withAllReserved(used, { handleId: 'martlet', node: 'worker-0' })
  t.deepEqual(reserved.allocations, [1, 0, 1, 1])
  t.deepEqual(reserved.unallocated, [])
  t.is(reserved.sequenceNumber, used.sequenceNumber + 1n)
  t.is(reserved.sequenceNumberForAllocation?.['3'], used.sequenceNumber)
  t.is(usedIn(reserved), 4)
  t.is(usedIn(reserved, 'martlet'), 1)
  t.deepEqual(decodeBlock(encodeBlock(reserved)), reserved)
  const back = withReleased(reserved, 'martlet')
  t.deepEqual(back.allocations, [null, 0, null, null])
  t.deepEqual(back.unallocated, [0, 2, 3])
  t.deepEqual(back.attributes, used.attributes)
  t.deepEqual(back.sequenceNumberForAllocation, { '1': 5n })
  const pods = withReleased(reserved, 'k8s-pod-network.7c2f')
  t.deepEqual(pods.allocations, [0, null, 0, 0])
  t.is(withReleased(used, 'nobody'), used)
})

test('a block that is given up has no affinity and no time of its claim', t => {
  const left = withoutAffinity(newBlock(prefix('10.0.0.4/30'), claim))
  t.false('affinity' in left || 'affinityClaimTime' in left)
  t.regex(encodeBlock(left), /"affinity":null,"allocations"/)
})

test('reserved addresses are neither free nor used', t => {
  const cidr = prefix('10.0.0.0/28')
  const block = { ...newBlock(cidr, claim), allocations: [0, ...new Array<null>(15).fill(null)] }
  const usage = usageOf(
    { ...block, unallocated: block.unallocated.slice(1), attributes: [{ handleId: 'pod' }] },
    cidr,
    [prefix('10.0.0.0/30'), prefix('10.0.0.15/32'), prefix('10.9.0.0/16')],
  )
  t.deepEqual(usage, { total: 16, used: 1, reserved: 4, free: 11 })
})
