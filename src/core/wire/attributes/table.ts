import type { Reader, Writer } from '../../base/index.ts'
import { AGGREGATOR } from './aggregator.ts'
import { AS_PATH } from './as-path.ts'
import { AS4_AGGREGATOR } from './as4-aggregator.ts'
import { AS4_PATH } from './as4-path.ts'
import { ATOMIC_AGGREGATE } from './atomic-aggregate.ts'
import { CLUSTER_LIST } from './cluster-list.ts'
import { COMMUNITIES } from './communities.ts'
import { EXTENDED_COMMUNITIES } from './extended-communities.ts'
import { LARGE_COMMUNITY } from './large-communities.ts'
import { LOCAL_PREF } from './local-pref.ts'
import { MULTI_EXIT_DISC } from './med.ts'
import { MP_REACH_NLRI } from './mp-reach.ts'
import { MP_UNREACH_NLRI } from './mp-unreach.ts'
import { NEXT_HOP } from './next-hop.ts'
import { ONLY_TO_CUSTOMER } from './only-to-customer.ts'
import { ORIGIN } from './origin.ts'
import { ORIGINATOR_ID } from './originator-id.ts'
import type {
  AttributeContext,
  AttributeKey,
  AttributeRules,
  AttributeSpec,
  Draft,
  EncodeContext,
} from './spec.ts'

/**
 * The attribute table: every attribute that Martlet knows, in the order of their codes, which is
 * the order in which they are sent. RFC 4271 §5: "in ascending order of attribute type"
 */

/** A row as the loops see it: its value's type is known to itself alone. */
export interface AttributeRow {
  readonly rules: AttributeRules
  /** Decodes into `into`; false where the value is malformed. */
  read(from: Reader, context: AttributeContext, into: Draft): boolean
  /** Whether `from` has the attribute. */
  present(from: Readonly<Draft>): boolean
  /** Encodes the value that `from` has; the header is not written. */
  write(from: Readonly<Draft>, to: Writer, context: EncodeContext): void
}

function row<Key extends AttributeKey>(spec: Readonly<AttributeSpec<Key>>): AttributeRow {
  const { key } = spec
  return {
    rules: spec,
    read(from, context, into) {
      const value = spec.decode(from, context)
      if (value === undefined || from.overrun || from.remaining > 0) return false
      into[key] = value
      return true
    },
    present(from) {
      return from[key] !== undefined
    },
    write(from, to, context) {
      const value = from[key]
      if (value !== undefined) spec.encode(value, to, context)
    },
  }
}

/** The rows, by code. */
export const ATTRIBUTES: readonly AttributeRow[] = [
  row(ORIGIN),
  row(AS_PATH),
  row(NEXT_HOP),
  row(MULTI_EXIT_DISC),
  row(LOCAL_PREF),
  row(ATOMIC_AGGREGATE),
  row(AGGREGATOR),
  row(COMMUNITIES),
  row(ORIGINATOR_ID),
  row(CLUSTER_LIST),
  row(MP_REACH_NLRI),
  row(MP_UNREACH_NLRI),
  row(EXTENDED_COMMUNITIES),
  row(AS4_PATH),
  row(AS4_AGGREGATOR),
  row(LARGE_COMMUNITY),
  row(ONLY_TO_CUSTOMER),
]

const BY_CODE: readonly (AttributeRow | undefined)[] = Array.from({ length: 256 }, (_, code) =>
  ATTRIBUTES.find(({ rules }) => rules.code === code),
)

/** The row of `code`; undefined for an attribute that is not known. */
export const rowOf = (code: number): AttributeRow | undefined => BY_CODE[code]
