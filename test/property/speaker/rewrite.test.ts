import test from 'ava'
import fc from 'fast-check'
import { Prng, Writer } from '../../../src/core/base/index.ts'
import { address, toAsn } from '../../../src/core/net/index.ts'
import { ACCEPT_ALL, Programs } from '../../../src/core/policy/index.ts'
import { PEER_KINDS, PEERS_MAX } from '../../../src/core/rib/index.ts'
import { rewrite } from '../../../src/core/speaker/export/rewrite.ts'
import { type ExportRules, RulesExporter } from '../../../src/core/speaker/export/rules.ts'
import { Tables } from '../../../src/core/speaker/tables.ts'
import { encodeAttributes, type PathAttributes } from '../../../src/core/wire/index.ts'

/** The export rules on octets are the rules on decoded attributes. */

const word = fc.constantFrom(0, 1, 100, 65001, 0xfffffffe)
const hops = { ipv4: ['10.0.0.1', '192.0.2.9'], ipv6: ['2001:db8::1', 'fd00::7'] } as const

const attributesOf = (family: 'ipv4' | 'ipv6'): fc.Arbitrary<PathAttributes> =>
  fc.record(
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
          asns: fc.oneof(
            fc.array(fc.constantFrom(1, 65001, 4200000000), { minLength: 1, maxLength: 4 }),
            fc.constantFrom(62, 63, 64, 254, 255).map(count => new Array<number>(count).fill(7)),
          ),
        }),
        { maxLength: 2 },
      ),
      nextHop: fc.constantFrom(...hops[family]).map(address),
      linkLocalNextHop: fc.constant(address('fe80::1')),
      med: word,
      localPref: word,
      atomicAggregate: fc.constant(true as const),
      communities: fc.array(word, { minLength: 1, maxLength: 80 }),
      originatorId: word.filter(value => value !== 0),
      clusterList: fc.oneof(
        fc.array(word, { minLength: 1, maxLength: 3 }),
        fc.constantFrom(62, 63, 64).map(count => new Array<number>(count).fill(7)),
      ),
      largeCommunities: fc.array(fc.tuple(word, word, word), { minLength: 1, maxLength: 2 }),
      unknown: fc.constant([{ flags: 0xe0, code: 99, value: Uint8Array.of(1, 2) }]),
    },
    { requiredKeys: ['origin', 'asPath', 'nextHop'] },
  )

const rulesOf = fc.record({
  kind: fc.constantFrom(PEER_KINDS.EXTERNAL, PEER_KINDS.INTERNAL, PEER_KINDS.CLIENT),
  nextHop: fc.constantFrom('auto' as const, 'self' as const, 'keep' as const),
  hasOwn: fc.boolean(),
  messageMax: fc.constantFrom(4096, 500),
})

const source = fc.constantFrom(PEER_KINDS.EXTERNAL, PEER_KINDS.INTERNAL, PEER_KINDS.CLIENT)

const agrees = test.macro({
  exec: (t, family: 'ipv4' | 'ipv6') => {
    let sent = 0
    fc.assert(
      fc.property(attributesOf(family), rulesOf, source, (attributes, chosen, kind) => {
        const { hasOwn, ...rest } = chosen
        const tables = new Tables(new Prng(1))
        const peer = tables.peers.take()
        const localAs = toAsn(65000)
        if (peer === undefined || localAs === undefined) return false
        tables.peers.kind[peer] = kind
        tables.peers.routerId[peer] = 0x0a0a0a0a
        const { linkLocalNextHop: _linkLocal, ...global } = attributes
        const set = tables.sets.intern(family === 'ipv6' ? attributes : global)
        const own = family === 'ipv4' ? '192.0.2.200' : '2001:db8::200'
        const rules: ExportRules = {
          ...rest,
          family,
          localAs,
          routerId: 1,
          clusterId: 0x63000001,
          fourOctetAs: true,
          ownNextHop: hasOwn ? address(own) : undefined,
          program: new Programs().compile(ACCEPT_ALL),
        }
        const silent = { doesNotFit: () => {}, nextHopMissing: () => {} }
        const exporter = new RulesExporter(rules, tables, silent)
        // an outcome that the program never gave changes nothing, and is not done on octets
        const decoded = exporter.make(set, peer, PEERS_MAX)
        const octets = exporter.make(set, peer, 0)
        if (octets >= 0) sent++
        return octets === decoded
      }),
      { numRuns: 3000 },
    )
    t.true(sent > 1000)
  },
  title: (_, family) => `for ${family} routes`,
})

test(agrees, 'ipv4')
test(agrees, 'ipv6')

test('ordinary attributes do not need the codec', t => {
  const writer = new Writer(4096)
  encodeAttributes(
    {
      origin: 0,
      asPath: [{ type: 'sequence', asns: [65001, 7] }],
      nextHop: address('10.0.0.1'),
      med: 5,
      communities: [1],
    },
    { fourOctetAs: true },
    writer,
  )
  const record = Uint8Array.of(0, ...writer.bytes())
  const nothing = { nextHop: undefined, originatorId: undefined, clusterId: undefined }
  t.true(rewrite(record, 1, { ...nothing, prepend: 65000 }, new Writer(4096)))
  t.true(rewrite(record, 1, { ...nothing, prepend: undefined }, new Writer(4096)))
})
