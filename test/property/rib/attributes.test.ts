import test from 'ava'
import fc from 'fast-check'
import { equalBytes, Writer } from '../../../src/core/base/index.ts'
import { address, addressBytes } from '../../../src/core/net/index.ts'
import { FACTS, Facts, isPlain, readFacts } from '../../../src/core/rib/attribute-facts.ts'
import {
  type AttributeSetId,
  AttributeTable,
  attributeContext,
  NextHops,
  NO_SET,
} from '../../../src/core/rib/index.ts'
import {
  decodeAttributes,
  encodeAttributes,
  missingMandatory,
  type PathAttributes,
} from '../../../src/core/wire/index.ts'

/**
 * What is read from octets is what the codec says; what is called plain is what the codec would
 * write.
 */

const asns = fc.array(fc.constantFrom(1, 23456, 65001, 65002, 4200000000), { maxLength: 4 })
const word = fc.constantFrom(0, 1, 100, 0xffffff01, 0xffffff02, 0xffffff03, 0xffffffff)
const nextHop = fc.constantFrom('10.0.0.1', '192.0.2.9', '2001:db8::1', 'fd00::7').map(address)

const attributesOf: fc.Arbitrary<PathAttributes> = fc.record(
  {
    origin: fc.constantFrom(0 as const, 1 as const, 2 as const),
    asPath: fc.array(
      fc.record({
        type: fc.constantFrom(
          'sequence' as const,
          'sequence' as const,
          'set' as const,
          'confed-sequence' as const,
        ),
        asns: asns.filter(({ length }) => length > 0),
      }),
      { maxLength: 2 },
    ),
    nextHop,
    med: word,
    localPref: word,
    communities: fc.array(word, { minLength: 1, maxLength: 4 }),
    originatorId: word.filter(value => value !== 0),
    clusterList: fc.array(word, { minLength: 1, maxLength: 3 }),
    largeCommunities: fc.array(fc.tuple(word, word, word), { minLength: 1, maxLength: 2 }),
  },
  { requiredKeys: ['origin', 'asPath', 'nextHop'] },
)

/** What most routes of most peers are like. */
const ordinary: fc.Arbitrary<PathAttributes> = attributesOf.map(
  ({ originatorId: _originatorId, clusterList: _clusterList, asPath = [], ...rest }) => ({
    ...rest,
    asPath: asPath.slice(0, 1).map(({ asns }) => ({ type: 'sequence', asns })),
  }),
)

/** A record as the table draws it. */
function recordOf(attributes: PathAttributes): Uint8Array {
  const writer = new Writer(5000)
  const octets = addressBytes(attributes.nextHop ?? address('10.0.0.1'))
  writer.u8(octets.length === 16 ? 16 : 0)
  if (octets.length === 16) writer.put(octets)
  encodeAttributes(attributes, { fourOctetAs: true }, writer)
  return writer.bytes().slice()
}

/** True when the codec takes the record without a fault and would write the same. */
function codecAgrees(record: Uint8Array, external: boolean): boolean {
  const context = { ebgp: external, fourOctetAs: true }
  const octets = record[0] ?? 0
  const { attributes, faults } = decodeAttributes(record.subarray(1 + octets), context)
  const hop = octets === 16 ? { nextHop: address('2001:db8::1') } : {}
  const whole = { ...attributes, ...hop }
  if (faults.length > 0 || missingMandatory(whole, context) !== undefined) return false
  const writer = new Writer(5000)
  encodeAttributes(whole, { fourOctetAs: true }, writer)
  return equalBytes(writer.bytes(), record.subarray(1 + octets))
}

test('what is called plain is what the codec takes, and writes again as it was', t => {
  let plain = 0
  fc.assert(
    fc.property(fc.oneof(ordinary, attributesOf), fc.boolean(), (attributes, external) => {
      const record = recordOf(attributes)
      if (!isPlain(record, record.length, { external, fourOctetAs: true })) return true
      plain++
      return codecAgrees(record, external)
    }),
    { numRuns: 2000 },
  )
  t.true(plain > 20, 'some are plain')
})

test('what is called plain after any octet was changed is what the codec takes', t => {
  let plain = 0
  const seedRecord = recordOf({
    origin: 0,
    asPath: [{ type: 'sequence', asns: [65001, 65002] }],
    nextHop: address('10.0.0.1'),
    med: 5,
    communities: [1, 2],
    largeCommunities: [[1, 2, 3]],
  })
  for (let at = 1; at < seedRecord.length; at++)
    for (let value = 0; value < 256; value++)
      for (const external of [true, false]) {
        const record = seedRecord.slice()
        record[at] = value
        if (!isPlain(record, record.length, { external, fourOctetAs: true })) continue
        plain++
        if (!codecAgrees(record, external)) t.fail(`octet ${at} is ${value}`)
      }
  t.true(plain > 1000)
  t.true(isPlain(seedRecord, seedRecord.length, { external: true, fourOctetAs: true }))
  for (let end = 1; end < seedRecord.length; end++) {
    const cut = seedRecord.slice(0, end)
    const taken = isPlain(cut, end, { external: true, fourOctetAs: true })
    t.true(!taken || codecAgrees(cut, true), `the first ${end} octets`)
  }
})

test('facts are what the attributes say', t => {
  const self = { asns: [65001], routerId: 1, clusterId: 100 }
  const facts = new Facts()
  fc.assert(
    fc.property(attributesOf, attributes => {
      const record = recordOf(attributes)
      readFacts(record, 1 + (record[0] ?? 0), record.length, self, facts)
      const path = attributes.asPath ?? []
      const counted = path.filter(({ type }) => type === 'set' || type === 'sequence')
      const length = counted.reduce(
        (sum, { type, asns }) => sum + (type === 'set' ? 1 : asns.length),
        0,
      )
      const neighbour = counted[0]?.type === 'sequence' ? (counted[0].asns[0] ?? 0) : 0
      const has = (bit: number): boolean => (facts.bits & bit) !== 0
      const { communities = [], clusterList = [] } = attributes
      return (
        facts.asPathLength === length &&
        facts.neighbourAs === neighbour &&
        facts.origin === attributes.origin &&
        facts.med === (attributes.med ?? 0) &&
        facts.localPref === (attributes.localPref ?? 100) &&
        facts.originatorId === (attributes.originatorId ?? 0) &&
        facts.clusterListLength === clusterList.length &&
        has(FACTS.AS_LOOP) === path.some(({ asns }) => asns.includes(65001)) &&
        has(FACTS.ORIGINATOR_LOOP) === (attributes.originatorId === 1) &&
        has(FACTS.CLUSTER_LOOP) === clusterList.includes(100) &&
        has(FACTS.HAS_MED) === (attributes.med !== undefined) &&
        has(FACTS.NO_EXPORT) === communities.includes(0xffffff01) &&
        has(FACTS.NO_ADVERTISE) === communities.includes(0xffffff02) &&
        has(FACTS.NO_EXPORT_SUBCONFED) === communities.includes(0xffffff03)
      )
    }),
    { numRuns: 1000 },
  )
  t.pass()
})

test('a table has one set for equal attributes, and nothing when nobody holds any', t => {
  fc.assert(
    fc.property(fc.array(attributesOf, { maxLength: 40 }), list => {
      const freed: AttributeSetId[] = []
      const nextHops = new NextHops()
      const table = new AttributeTable({ seed: 7, nextHops, freed: set => freed.push(set) })
      const byText = new Map<string, AttributeSetId>()
      const held: AttributeSetId[] = []
      for (const attributes of list) {
        const set = table.intern(attributes)
        held.push(set)
        const text = recordOf(attributes).join()
        if ((byText.get(text) ?? set) !== set) return false
        byText.set(text, set)
        const address = nextHops.address(
          table.nextHop[set] as Parameters<typeof nextHops.address>[0],
        )
        if (address !== attributes.nextHop) return false
        if (recordOf(table.attributes(set)).join() !== text) return false
      }
      if (table.size !== byText.size) return false
      for (const set of held) table.release(set)
      return table.size === 0 && nextHops.size === 0 && freed.length === byText.size
    }),
  )
  t.pass()
})

test('octets that were decoded once are found again, in their context only', t => {
  const nextHops = new NextHops()
  const table = new AttributeTable({ seed: 7, nextHops, freed: () => {} })
  const attributes: PathAttributes = {
    origin: 0,
    asPath: [{ type: 'sequence', asns: [65001] }],
    nextHop: address('10.0.0.1'),
  }
  const external = attributeContext({ external: true, fourOctetAs: true })
  const internal = attributeContext({ external: false, fourOctetAs: true })
  // attributes in another order: what no codec of ours would write
  const reversed = Uint8Array.of(
    0,
    0x40,
    3,
    4,
    10,
    0,
    0,
    1,
    0x40,
    2,
    6,
    2,
    1,
    0,
    0,
    0xfd,
    0xe9,
    0x40,
    1,
    1,
    0,
  )
  const record = new Uint8Array(100)
  record.set(reversed)
  t.is(table.find(record, reversed.length, external), NO_SET)
  const set = table.intern(attributes)
  table.remember(record, reversed.length, external, set)
  t.is(table.aliases, 1)
  t.is(table.find(record, reversed.length, external), set)
  t.is(table.find(record, reversed.length, internal), NO_SET)
  const canonical = recordOf(attributes)
  t.is(table.find(canonical, canonical.length, external), set, 'plain: never decoded')
  t.is(table.find(canonical, canonical.length, internal), NO_SET, 'LOCAL_PREF is missing')
  for (let each = 0; each < 3; each++) table.release(set)
  t.is(table.size, 0)
  t.is(table.aliases, 0)
})
