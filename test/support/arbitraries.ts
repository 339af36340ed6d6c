/** Scalars and records that any message may hold. */
import fc, { type Arbitrary } from 'fast-check'
import { type Millis, millis } from '../../src/core/base/index.ts'
import {
  type Address,
  type Asn,
  addressOctets,
  type Family,
  formatAddress,
  formatPrefix,
  maxLength,
  type Prefix,
} from '../../src/core/net/index.ts'

/** An arbitrary for every field, none forgotten. */
export type Fields<Kind> = { [Name in keyof Required<Kind>]: Arbitrary<Required<Kind>[Name]> }

/** Records of `fields`; those named in `optional` may be absent. */
export function record<Kind>(
  fields: Fields<Kind>,
  optional: readonly (keyof Kind)[] = [],
): Arbitrary<Kind> {
  const names = Object.keys(fields)
  const requiredKeys = names.filter(name => !optional.some(other => other === name))
  // fast-check's type cannot say "these may be absent"; the two arguments do
  return fc.record(fields, { requiredKeys, noNullPrototype: true } as never) as never
}

/** `ipv4` or `ipv6`. */
export const family: Arbitrary<Family> = fc.constantFrom('ipv4', 'ipv6')
/** The octets of an address of a family. */
export const octetsOf = (kind: Family): Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: addressOctets(kind), maxLength: addressOctets(kind) })
/** Any address. */
export const address: Arbitrary<Address> = family.chain(octetsOf).map(formatAddress)
/** Any prefix. */
export const prefix: Arbitrary<Prefix> = family.chain(kind =>
  fc
    .tuple(octetsOf(kind), fc.nat(maxLength(kind)))
    .map(([octets, length]) => formatPrefix(octets, length)),
)
/** Any AS number that a system can have. */
export const asn: Arbitrary<Asn> = fc
  .integer({ min: 1, max: 4294967294 })
  .map(value => value as Asn)
/** An unsigned word. */
export const word32 = fc.nat(0xffffffff)
/** A port. */
export const port = fc.integer({ min: 1, max: 65535 })
/** A time, or a duration. */
export const time: Arbitrary<Millis> = fc
  .double({ min: 0, max: 1e12, noNaN: true })
  .map(value => millis(value + 0))
/** A number that a double holds exactly. */
export const count = fc.nat({ max: Number.MAX_SAFE_INTEGER })
/** A number that a word holds. */
export const small = fc.nat(0xffffffff)
/** A text of people. */
export const text = fc.string({ unit: 'grapheme', maxLength: 40 })
/** None to five of something. */
export const few = <Kind>(of: Arbitrary<Kind>): Arbitrary<Kind[]> => fc.array(of, { maxLength: 5 })

/** One to three of something. */
export const some = <Kind>(of: Arbitrary<Kind>): Arbitrary<Kind[]> =>
  fc.array(of, { minLength: 1, maxLength: 3 })
