/** What is written to a store is read from it as it was: resources by the command line, IPAM’s values by themselves. */
import test from 'ava'
import fc from 'fast-check'
import {
  type AllocationBlock,
  decodeBlock,
  decodeHandle,
  decodeIpamConfig,
  encodeBlock,
  encodeHandle,
  encodeIpamConfig,
  kindNamed,
  resourceKey,
  withDefaults,
} from '../../../src/core/calico/index.ts'
import { decodeResource, SnapshotReader } from '../../../src/shell/config/index.ts'
import { MemoryStore, run } from '../../unit/cli/world.ts'

const name = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/)
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(model, { requiredKeys: [] })
const asn = fc.integer({ min: 1, max: 4294967294 })
const priority = fc.integer({ min: 1, max: 2147483646 })
const community = fc
  .array(fc.integer({ min: 0, max: 65535 }), { minLength: 2, maxLength: 3 })
  .map(parts => parts.join(':'))
const cidr4 = fc
  .tuple(fc.integer({ min: 1, max: 223 }), fc.constantFrom(8, 16, 24))
  .map(([a, n]) => `${a}.0.0.0/${n}`)
const cidr6 = fc.integer({ min: 1, max: 255 }).map(n => `fd${n.toString(16).padStart(2, '0')}::/64`)

const rules = (cidr: fc.Arbitrary<string>) =>
  fc.array(
    fc
      .tuple(
        record({
          source: fc.constant('RemotePeers'),
          interface: fc.constantFrom('eth0', '*.calico'),
          peerType: fc.constantFrom('eBGP', 'iBGP'),
          communities: community.map(value => ({ values: [value] })),
          asPathPrefix: fc.array(asn, { minLength: 1, maxLength: 4 }),
          priority,
        }),
        fc.oneof(
          fc.constant({}),
          fc.record({ cidr, matchOperator: fc.constantFrom('Equal', 'NotEqual', 'In', 'NotIn') }),
        ),
        fc.oneof(
          fc.constant({ action: 'Reject' }),
          fc.record({
            action: fc.constant('Accept'),
            operations: fc.array(
              fc.oneof(
                community.map(value => ({ addCommunity: { value } })),
                fc
                  .array(asn, { minLength: 1, maxLength: 10 })
                  .map(prefix => ({ prependASPath: { prefix } })),
                priority.map(value => ({ setPriority: { value } })),
              ),
              { maxLength: 10 },
            ),
          }),
        ),
      )
      .map(([conditions, where, what]) => ({ ...conditions, ...where, ...what })),
    { maxLength: 4 },
  )

/** A spec of each kind whose fields are all generated. */
const SPECS: Readonly<Record<string, fc.Arbitrary<object>>> = {
  BGPFilter: record({
    exportV4: rules(cidr4),
    importV4: rules(cidr4),
    exportV6: rules(cidr6),
    importV6: rules(cidr6),
  }),
  BGPPeer: fc
    .tuple(
      fc.oneof(
        fc.record({ node: name }),
        fc.record({ nodeSelector: fc.constantFrom('all()', "a == 'b'") }),
        fc.constant({}),
      ),
      fc.oneof(
        fc.record({ peerIP: fc.constantFrom('10.0.0.1', '[fd00::1]:1179'), asNumber: asn }),
        fc.record({ peerSelector: fc.constantFrom('has(rr)', "rack in {'a', 'b'}") }),
      ),
      record({
        localASNumber: asn,
        nextHopMode: fc.constantFrom('Auto', 'Self', 'Keep'),
        maxRestartTime: fc.constantFrom('60s', '1m30s'),
        keepaliveTime: fc.constant('10s'),
        numAllowedLocalASNumbers: fc.integer({ min: 0, max: 10 }),
        ttlSecurity: fc.integer({ min: 0, max: 255 }),
        sourceAddress: fc.constantFrom('UseNodeIP', 'None'),
        reversePeering: fc.constantFrom('Auto', 'Manual'),
        password: fc.record({ secretKeyRef: fc.record({ name, key: name }) }),
      }),
    )
    .map(parts => Object.assign({}, ...parts)),
  BGPConfiguration: record({
    asNumber: asn,
    nodeToNodeMeshEnabled: fc.constant(true),
    listenPort: fc.integer({ min: 1, max: 65535 }),
    serviceClusterIPs: fc.array(
      cidr4.map(cidr => ({ cidr })),
      { maxLength: 3 },
    ),
    prefixAdvertisements: fc.array(
      fc.record({ cidr: cidr4, communities: fc.array(community, { minLength: 1, maxLength: 3 }) }),
      { maxLength: 3 },
    ),
    ipv4NormalRoutePriority: priority,
    bindMode: fc.constantFrom('None', 'NodeIP'),
  }),
  IPPool: fc.record(
    {
      cidr: fc.oneof(cidr4, cidr6),
      vxlanMode: fc.constantFrom('Never', 'Always', 'CrossSubnet'),
      natOutgoing: fc.boolean(),
      disabled: fc.boolean(),
      disableBGPExport: fc.boolean(),
      nodeSelector: fc.constantFrom('all()', '!has(gpu)'),
    },
    { requiredKeys: ['cidr'] },
  ),
  IPReservation: record({ reservedCIDRs: fc.array(cidr4, { maxLength: 3 }) }),
  FelixConfiguration: record({
    ipv4NormalRoutePriority: priority,
    somethingOfFelix: fc.jsonValue(),
  }),
  CalicoNodeStatus: fc.record({
    node: name,
    classes: fc.subarray(['Agent', 'BGP', 'Routes'], { minLength: 1 }),
    updatePeriodSeconds: fc.integer({ min: 0, max: 86400 }),
  }),
  Node: record({
    bgp: fc.record({ ipv4Address: fc.constant('10.0.0.1/24'), asNumber: maybe(asn) }),
    addresses: fc.array(fc.record({ address: cidr4, type: fc.constant('InternalIP') })),
  }),
}

for (const [kind, specs] of Object.entries(SPECS))
  test(`${kind}: what is applied is read as it was written, with defaults; again, it changes nothing`, async t => {
    const place = kindNamed(kind)!
    const named = kind === 'BGPConfiguration' ? fc.constant('default') : name
    await fc.assert(
      fc.asyncProperty(specs, named, async (spec, name) => {
        const written = JSON.parse(
          JSON.stringify({ apiVersion: 'projectcalico.org/v3', kind, metadata: { name }, spec }),
        )
        const store = new MemoryStore()
        const files = { 'a.json': JSON.stringify(written) }
        const first = await run(['apply', '-f', 'a.json'], { store, files })
        t.is(first.code, 0, first.remarks)
        const key = resourceKey({ kind: place, name })
        const entry = store.entries.get(key)!
        const snapshot = new SnapshotReader().read([entry])
        t.deepEqual(snapshot.problems, [])
        const { resource } = decodeResource(written)
        const { metadata: _, ...read } = decodeResource(JSON.parse(entry.value)).resource!
        const { metadata: __, ...wanted } = withDefaults(resource!)
        t.deepEqual(read, hasStatus(kind) ? { status: {}, ...wanted } : wanted)
        await run(['apply', '-f', 'a.json'], { store, files })
        t.is(store.entries.get(key)?.value, entry.value)
      }),
      { numRuns: 60 },
    )
  })

test('eight kinds are written above', t => t.is(Object.keys(SPECS).length, 8))

const hasStatus = (kind: string): boolean => kind === 'Node' || kind === 'CalicoNodeStatus'

const big = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const texts = fc.dictionary(
  fc.stringMatching(/^[a-z_]{1,12}$/),
  fc.string({ unit: 'binary' }).filter(isStorable),
  {
    maxKeys: 4,
    noNullPrototype: true,
  },
)

/** No store holds a text that begins with NUL, which marks a long number while a value is parsed. */
function isStorable(text: string): boolean {
  return !text.startsWith('\0')
}

const others = fc.dictionary(
  fc.stringMatching(/^new_[a-z]{1,8}$/),
  fc.oneof(
    big.filter(n => n >= 10n ** 15n),
    fc.string({ unit: 'binary' }).filter(isStorable),
    fc.array(fc.integer()),
  ),
  {
    minKeys: 1,
    maxKeys: 3,
    noNullPrototype: true,
  },
)

const block: fc.Arbitrary<AllocationBlock> = fc.record(
  {
    cidr: fc.constantFrom('10.0.0.0/26', 'fd00::/122'),
    affinity: fc.constantFrom('host:a', 'virtual:load-balancer'),
    affinityClaimTime: fc.constant('2026-08-22T10:00:00Z'),
    allocations: fc.array(fc.option(fc.nat(63), { nil: null }), { maxLength: 64 }),
    unallocated: fc.array(fc.nat(63), { maxLength: 64 }),
    attributes: fc.array(
      fc.record(
        {
          handleId: fc.string({ unit: 'binary' }).filter(isStorable),
          secondary: texts.filter(pairs => Object.keys(pairs).length > 0),
          others,
        },
        { requiredKeys: [], noNullPrototype: true },
      ),
    ),
    sequenceNumber: big,
    sequenceNumberForAllocation: fc.dictionary(fc.nat(63).map(String), big, {
      minKeys: 1,
      maxKeys: 5,
      noNullPrototype: true,
    }),
    deleted: fc.boolean(),
    others,
  },
  {
    requiredKeys: ['cidr', 'allocations', 'unallocated', 'attributes', 'sequenceNumber', 'deleted'],
    noNullPrototype: true,
  },
)

test('a block is read as it was written, to the last digit of its numbers', t => {
  fc.assert(fc.property(block, one => t.deepEqual(decodeBlock(encodeBlock(one)), one)))
})

test('digits inside of texts are texts', t => {
  const text =
    '{"cidr":"10.0.0.0/26","allocations":[0],"unallocated":[],"attributes":[{"handle_id":"a:1787392800000000012,",' +
    '"secondary":{"pod":"say \\":1787392800000000012\\""},"new":1787392800000000012.5}],' +
    '"sequenceNumber":1787392800000000012,"deleted":false}'
  const read = decodeBlock(text)
  t.is(read?.attributes[0]?.handleId, 'a:1787392800000000012,')
  t.deepEqual(read?.attributes[0]?.secondary, { pod: 'say ":1787392800000000012"' })
  t.is(typeof read?.attributes[0]?.others?.new, 'number')
  t.is(read?.sequenceNumber, 1787392800000000012n)
})

test('a block of an older Calico has its host by another name', t => {
  const text =
    '{"cidr":"10.0.0.0/26","affinity":null,"hostAffinity":"a","allocations":[],"unallocated":[],"attributes":null}'
  t.is(decodeBlock(text)?.affinity, 'host:a')
  t.is(decodeBlock(text)?.sequenceNumber, 0n)
})

test('what is no block is none', t => {
  const parts = '"allocations":[],"unallocated":[],"attributes":[]'
  t.truthy(decodeBlock(`{"cidr":"10.0.0.0/26",${parts}}`))
  for (const text of [
    '',
    '[]',
    'null',
    `{${parts}}`,
    `{"cidr":"x",${parts}}`,
    '{"cidr":"10.0.0.0/26","unallocated":[],"attributes":[]}',
    '{"cidr":"10.0.0.0/26","allocations":["0"],"unallocated":[],"attributes":[]}',
    '{"cidr":"10.0.0.0/26","allocations":[-1],"unallocated":[],"attributes":[]}',
    '{"cidr":"10.0.0.0/26","allocations":[],"unallocated":[null],"attributes":[]}',
    '{"cidr":"10.0.0.0/26","allocations":[],"unallocated":[],"attributes":[1]}',
  ])
    t.is(decodeBlock(text), undefined, text)
})

test('any text is a block or none, and nothing is thrown', t => {
  const blocks = block.map(encodeBlock)
  const cut = fc.tuple(blocks, fc.nat(400)).map(([text, at]) => text.slice(0, at))
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json(), cut), text => {
      decodeBlock(text)
      decodeHandle(text)
      decodeIpamConfig(text)
    }),
  )
  t.pass()
})

test('handles and the configuration of IPAM are read as they were written', t => {
  const handle = fc.record({
    block: fc.dictionary(fc.constantFrom('10.0.0.0/26', 'fd00::/122'), fc.nat(64), {
      noNullPrototype: true,
    }),
    deleted: fc.boolean(),
  })
  fc.assert(fc.property(handle, one => t.deepEqual(decodeHandle(encodeHandle(one)), one)))
  const config = fc.record({
    strictAffinity: fc.boolean(),
    autoAllocateBlocks: fc.boolean(),
    maxBlocksPerHost: fc.nat(100),
  })
  fc.assert(fc.property(config, one => t.deepEqual(decodeIpamConfig(encodeIpamConfig(one)), one)))
  t.is(
    encodeIpamConfig({ strictAffinity: true, autoAllocateBlocks: true, maxBlocksPerHost: 20 }),
    '{"strict_affinity":true,"auto_allocate_blocks":true,"maxBlocksPerHost":20}',
  )
})
