import test from 'ava'
import fc from 'fast-check'
import { Prng, Writer } from '../../../src/core/base/index.ts'
import { address, type Family, prefix } from '../../../src/core/net/index.ts'
import { ACCEPT_ALL, Programs } from '../../../src/core/policy/index.ts'
import { PEER_KINDS, PEERS_MAX } from '../../../src/core/rib/index.ts'
import type { PathRules } from '../../../src/core/speaker/export/as-path.ts'
import { NextHopRule } from '../../../src/core/speaker/export/next-hop.ts'
import { rewrite } from '../../../src/core/speaker/export/rewrite.ts'
import { type ExportRules, RulesExporter } from '../../../src/core/speaker/export/rules.ts'
import { Tables } from '../../../src/core/speaker/tables.ts'
import { encodeAttributes, type PathAttributes } from '../../../src/core/wire/index.ts'

/** The export rules on octets are the rules on decoded attributes. */

const word = fc.constantFrom(0, 1, 100, 65001, 0xfffffffe)
/** BLACKHOLE, NO_EXPORT, NO_ADVERTISE, and ordinary ones */
const community = fc.constantFrom(0xffff029a, 0xffffff01, 0xffffff02, 0x10001, 0x10002)
const PEER_AS = 65001
const OWN_AS = 65000
const PEER = { ipv4: address('192.0.2.1'), ipv6: address('2001:db8::1') } as const
const SUBNET = { ipv4: prefix('192.0.2.0/28'), ipv6: prefix('2001:db8::/126') } as const
/** the peer's own, inside the subnet, just outside, elsewhere; link-local */
const HOPS = {
  ipv4: ['192.0.2.1', '192.0.2.9', '192.0.2.16', '10.0.0.1'],
  ipv6: ['2001:db8::1', '2001:db8::3', '2001:db8::4', 'fd00::7', 'fe80::9'],
} as const
const families = ['ipv4', 'ipv6'] as const

const attributesOf = (hops: readonly string[]): fc.Arbitrary<PathAttributes> =>
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
            fc.array(fc.constantFrom(1, PEER_AS, 64512, 4200000000), {
              minLength: 1,
              maxLength: 4,
            }),
            fc
              .constantFrom(62, 63, 64, 253, 254, 255)
              .map(count => new Array<number>(count).fill(7)),
          ),
        }),
        { maxLength: 2 },
      ),
      nextHop: fc.constantFrom(...hops).map(address),
      linkLocalNextHop: fc.constant(address('fe80::1')),
      med: word,
      localPref: word,
      atomicAggregate: fc.constant(true as const),
      communities: fc.oneof(
        fc.array(community, { minLength: 1, maxLength: 4 }),
        fc.array(word, { minLength: 60, maxLength: 80 }),
      ),
      originatorId: word.filter(value => value !== 0),
      clusterList: fc.oneof(
        fc.array(word, { minLength: 1, maxLength: 3 }),
        fc.constantFrom(62, 63, 64).map(count => new Array<number>(count).fill(7)),
      ),
      largeCommunities: fc.array(fc.tuple(word, word, word), { minLength: 1, maxLength: 2 }),
      onlyToCustomer: word,
      partial: fc.constantFrom([8], [32], [8, 35]),
      unknown: fc
        .constantFrom(34, 36, 99)
        .map(code => [{ flags: 0xe0, code, value: Uint8Array.of(1, 2) }]),
    },
    { requiredKeys: ['origin', 'asPath', 'nextHop'] },
  )

const pathRules: fc.Arbitrary<PathRules> = fc
  .record({
    front: fc.constantFrom([OWN_AS], [OWN_AS, 64999]),
    overrides: fc.boolean(),
    privateAs: fc.constantFrom(undefined, 'remove' as const, 'replace' as const),
  })
  .map(({ front, overrides, privateAs }) => ({
    front,
    own: OWN_AS,
    ...(overrides && { overridden: PEER_AS }),
    ...(privateAs && { privateAs, peerAs: PEER_AS }),
  }))

const rulesOf = (family: Family): fc.Arbitrary<ExportRules> =>
  fc
    .record({
      kind: fc.constantFrom(PEER_KINDS.EXTERNAL, PEER_KINDS.INTERNAL, PEER_KINDS.CLIENT),
      keeps: fc.boolean(),
      own: fc.constantFrom(undefined, ...(family === 'ipv4' ? families : ['ipv6' as const])),
      extended: fc.boolean(),
      shared: fc.constantFrom(undefined, ...families),
      messageMax: fc.constantFrom(4096, 500),
      path: pathRules,
      by: fc.constantFrom(undefined, OWN_AS),
      addPath: fc.boolean(),
    })
    .map(({ kind, keeps, own, extended, shared, messageMax, path, by, addPath }) => {
      const external = kind === PEER_KINDS.EXTERNAL
      const ours = { ipv4: address('192.0.2.200'), ipv6: address('2001:db8::200') } as const
      return {
        family,
        kind,
        routerId: 1,
        clusterId: 0x63000001,
        fourOctetAs: true,
        messageMax,
        addPath,
        nextHop: {
          keeps,
          // an IPv6 one is offered for IPv4 routes only where it was agreed on
          own: own && (own === family || extended) ? ours[own] : undefined,
          extended: extended && family === 'ipv4',
          shared:
            external && shared
              ? { subnet: SUBNET[shared], peer: PEER[shared], alone: false }
              : undefined,
        },
        path: external ? path : undefined,
        onlyToCustomer: { by: external ? by : undefined, stops: false },
        takesStale: true,
        program: new Programs().compile(ACCEPT_ALL),
      }
    })

const source = fc.constantFrom(PEER_KINDS.EXTERNAL, PEER_KINDS.INTERNAL, PEER_KINDS.CLIENT)

const agrees = test.macro<[Family, readonly string[]]>({
  exec: (t, family: Family, hops: readonly string[]) => {
    let sent = 0
    fc.assert(
      fc.property(
        attributesOf(hops),
        rulesOf(family),
        source,
        fc.nat(1),
        (attributes, rules, kind, through) => {
          const tables = new Tables(new Prng(1))
          const peer = tables.peers.take()
          if (peer === undefined) return false
          tables.peers.kind[peer] = kind
          tables.peers.routerId[peer] = 0x0a0a0a0a
          const { linkLocalNextHop: _linkLocal, ...global } = attributes
          const wide = attributes.nextHop?.includes(':') === true
          const set = tables.sets.intern(wide ? attributes : global)
          const silent = {
            doesNotFit: () => {},
            nextHopMissing: () => {},
            tableFull: () => {},
            peerAt: () => undefined,
          }
          // the form of what goes through another peer
          const variant = rules.kind === PEER_KINDS.EXTERNAL ? through : 0
          const exporter = new RulesExporter(rules, tables, silent)
          // an outcome that the program never gave changes nothing, and is not done on octets
          const decoded = exporter.make(set, peer, PEERS_MAX + variant)
          const octets = exporter.make(set, peer, variant)
          if (octets >= 0) sent++
          return octets === decoded
        },
      ),
      { numRuns: 3000 },
    )
    t.true(sent > 1000)
  },
  title: (_, family, hops) => `for ${family} routes through ${hops[0]} and others`,
})

test(agrees, 'ipv4', HOPS.ipv4)
test(agrees, 'ipv4', HOPS.ipv6)
test(agrees, 'ipv6', HOPS.ipv6)

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
  const nothing = { originatorId: undefined, clusterId: undefined, onlyToCustomer: undefined }
  const own = { keeps: false, own: address('192.0.2.200'), extended: false, shared: undefined }
  const nextHop = new NextHopRule({ ...own, family: 'ipv4' })
  const path: PathRules = { front: [OWN_AS], own: OWN_AS, overridden: 7, privateAs: 'remove' }
  t.true(rewrite(record, 1, { ...nothing, nextHop, path }, new Writer(4096)))
  t.true(rewrite(record, 1, { ...nothing, nextHop, path: undefined }, new Writer(4096)))
})
