import fc from 'fast-check'
import { type Address, formatAddress } from '../../../src/core/net/index.ts'
import {
  type AsPathSegment,
  type Capability,
  type Open,
  type PathAttributes,
  RESTART_SECONDS_MAX,
  STALE_SECONDS_MAX,
} from '../../../src/core/wire/index.ts'
import { asn } from '../../unit/session/network.ts'

/** Messages and attributes at random, such as an encoder must be able to write. */

const word = fc.nat(0xffffffff)
const as = fc.oneof(fc.integer({ min: 1, max: 65535 }), fc.integer({ min: 1, max: 0xffffffff }))

const ipv4 = fc
  .uint8Array({ minLength: 4, maxLength: 4 })
  .filter(bytes => bytes[0]! > 0 && bytes[0]! < 224)
  .map((bytes): Address => formatAddress(bytes))

/** A segment of a path that left no confederation. */
export const segment: fc.Arbitrary<AsPathSegment> = fc.record(
  {
    type: fc.constantFrom('sequence', 'set'),
    asns: fc.array(as, { minLength: 1, maxLength: 6 }),
  },
  { noNullPrototype: true },
)

const plainAttributes: fc.Arbitrary<PathAttributes> = fc.record(
  {
    origin: fc.constantFrom(0, 1, 2),
    asPath: fc.array(segment, { maxLength: 4 }),
    nextHop: ipv4,
    med: word,
    atomicAggregate: fc.constant(true),
    aggregator: fc.record({ asn: as, address: ipv4 }, { noNullPrototype: true }),
    communities: fc.array(word, { minLength: 1, maxLength: 100 }),
    extendedCommunities: fc.array(fc.uint8Array({ minLength: 8, maxLength: 8 }), {
      minLength: 1,
      maxLength: 5,
    }),
    largeCommunities: fc.uniqueArray(fc.tuple(word, word, word), {
      minLength: 1,
      maxLength: 30,
      selector: each => each.join(':'),
    }),
    onlyToCustomer: word,
    unknown: fc
      .uniqueArray(
        fc.record({
          flags: fc.constant(0xe0),
          code: fc.integer({ min: 100, max: 255 }),
          value: fc.uint8Array({ maxLength: 300 }),
        }),
        { minLength: 1, maxLength: 3, selector: ({ code }) => code },
      )
      .map(list => list.toSorted((left, right) => left.code - right.code)),
  },
  { requiredKeys: [], noNullPrototype: true },
)

const PASSED_ON = { aggregator: 7, communities: 8, extendedCommunities: 16, largeCommunities: 32 }

/** Attributes of a route between two ASes, IPv4 next hop, some of them with the Partial bit. */
export const attributes: fc.Arbitrary<PathAttributes> = fc
  .tuple(plainAttributes, fc.subarray(Object.keys(PASSED_ON)))
  .map(([whole, names]) => {
    const partial = Object.entries(PASSED_ON)
      .filter(([name]) => names.includes(name) && name in whole)
      .map(([, code]) => code)
    return partial.length === 0 ? whole : { ...whole, partial }
  })

/** The same with what belongs inside an AS. */
export const internalAttributes: fc.Arbitrary<PathAttributes> = fc
  .tuple(
    attributes,
    fc.record(
      {
        localPref: word,
        originatorId: word,
        clusterList: fc.array(word, { minLength: 1, maxLength: 5 }),
      },
      { requiredKeys: [], noNullPrototype: true },
    ),
  )
  .map(([outside, inside]) => ({ ...outside, ...inside }))

const capability: fc.Arbitrary<Capability> = fc.oneof(
  fc.record({
    type: fc.constant('multiprotocol' as const),
    afi: fc.nat(0xffff),
    safi: fc.nat(255),
  }),
  fc.constant({ type: 'route-refresh' as const }),
  fc.integer({ min: 1, max: 4294967294 }).map(number => ({
    type: 'four-octet-as' as const,
    asn: asn(number),
  })),
  fc.record({
    type: fc.constant('graceful-restart' as const),
    restarting: fc.boolean(),
    notification: fc.boolean(),
    restartSeconds: fc.nat(RESTART_SECONDS_MAX),
    families: fc.array(
      fc.record({ afi: fc.nat(0xffff), safi: fc.nat(255), forwarding: fc.boolean() }),
      { maxLength: 63 },
    ),
  }),
  fc.constantFrom(
    { type: 'extended-message' as const },
    { type: 'enhanced-route-refresh' as const },
  ),
  fc.record({ type: fc.constant('role' as const), role: fc.nat(255) }),
  fc.record({
    type: fc.constant('long-lived-graceful-restart' as const),
    families: fc.array(
      fc.record({
        afi: fc.nat(0xffff),
        safi: fc.nat(255),
        forwarding: fc.boolean(),
        staleSeconds: fc.nat(STALE_SECONDS_MAX),
      }),
      { maxLength: 36 },
    ),
  }),
  fc.record({
    type: fc.constant('add-path' as const),
    families: fc.array(
      fc
        .record({
          afi: fc.nat(0xffff),
          safi: fc.nat(255),
          receive: fc.boolean(),
          send: fc.boolean(),
        })
        .filter(({ receive, send }) => receive || send),
      { maxLength: 63 },
    ),
  }),
  fc.record({
    type: fc.constant('extended-next-hop' as const),
    families: fc.array(
      fc.record({ afi: fc.nat(0xffff), safi: fc.nat(0xffff), nextHopAfi: fc.nat(0xffff) }),
      { maxLength: 42 },
    ),
  }),
  fc.record({
    type: fc.constant('unknown' as const),
    code: fc.integer({ min: 72, max: 255 }),
    value: fc.uint8Array({ maxLength: 255, size: 'max' }),
  }),
)

/** An OPEN, its parameters short or long enough for RFC 9072. */
export const open: fc.Arbitrary<Open> = fc.record({
  type: fc.constant('OPEN'),
  version: fc.constant(4),
  asn: fc.nat(0xffff),
  holdSeconds: fc.nat(0xffff),
  routerId: word,
  capabilities: fc.array(capability, { maxLength: 12 }),
})

/** A prefix as its length and the octets that it needs at least, bits beyond it zero. */
export const prefixIn = (bits: 32 | 128): fc.Arbitrary<{ length: number; bytes: Uint8Array }> =>
  fc
    .tuple(fc.nat(bits), fc.uint8Array({ minLength: bits / 8, maxLength: bits / 8 }))
    .map(([length, bytes]) => {
      for (let at = 0; at < bytes.length; at++) {
        const kept = Math.min(8, Math.max(0, length - 8 * at))
        bytes[at] = bytes[at]! & (0xff00 >>> kept)
      }
      return { length, bytes }
    })
