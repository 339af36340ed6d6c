import type { Reader, Writer } from '../../base/index.ts'
import type { Address } from '../../net/index.ts'
import type { AsPathSegment, PathAttributes, Remedy } from '../message.ts'

/**
 * What a row of the attribute table is. One file a row; table.ts lists them.
 *
 * A row knows its value and nothing else. Flags, duplicates, lengths, and the data of the
 * NOTIFICATION are checked and made by the loop that walks the table (decode.ts), so that no row
 * repeats them.
 */

/** What is known of the session that an attribute came over. */
export interface AttributeContext {
  /** both sides speak four-octet AS numbers. RFC 6793 */
  readonly fourOctetAs: boolean
  /** the peer is in another AS: what belongs inside one is discarded. RFC 7606 §7.5, §7.9, §7.10 */
  readonly ebgp: boolean
  /** IPv4 routes may have IPv6 next hops; absent: they may not. RFC 8950 §4 */
  readonly extendedNextHop?: boolean
}

/** MP_REACH_NLRI, RFC 4760 §3. The parts are views of the bytes that were decoded. */
export interface Reach {
  readonly afi: number
  readonly safi: number
  readonly nextHop: Uint8Array
  readonly nlri: Uint8Array
}

/** MP_UNREACH_NLRI, RFC 4760 §4. `nlri` is a view of the bytes that were decoded. */
export interface Unreach {
  readonly afi: number
  readonly safi: number
  readonly nlri: Uint8Array
}

/** The attributes of an UPDATE while its section is read: also those that do not outlive it. */
export type Draft = { -readonly [Key in keyof PathAttributes]: PathAttributes[Key] } & {
  reach?: Reach
  unreach?: Unreach
  as4Path?: readonly AsPathSegment[]
  as4Aggregator?: Aggregator
}

/** AGGREGATOR's value. RFC 4271 §5.1.7 */
export interface Aggregator {
  readonly asn: number
  readonly address: Address
}

/** What the table may hold: everything but the attributes that it has no row for. */
export type AttributeKey = Exclude<
  keyof Draft,
  'unknown' | 'partial' | 'linkLocalNextHop' | 'nextHopLink'
>

/** The value of one attribute. */
export type AttributeValue<Key extends AttributeKey> = NonNullable<Draft[Key]>

/** What the loop that walks the table needs to know of an attribute, whatever its value. */
export interface AttributeRules {
  readonly code: number
  /** as RFCs write it */
  readonly name: string
  /** the Optional and Transitive bits that it must have, and is sent with */
  readonly flags: number
  /** what defines it, and what defines its errors */
  readonly rfc: string
  /** what to do where its length or value is wrong. RFC 7606 */
  readonly onMalformed: Remedy
  /** UPDATE Message Error's subcode for a wrong value */
  readonly subcode: number
  /** sent only inside an AS, or only to speakers of two-octet AS numbers; discarded from others */
  readonly only?: 'internal' | 'two-octet'
  /** a second one is a session reset instead of being ignored. RFC 7606 §3 (g) */
  readonly once?: true
  /** Whether an attribute may have this many octets. */
  length(octets: number, context: AttributeContext): boolean
}

/** A row: all there is to know about one attribute. */
export interface AttributeSpec<Key extends AttributeKey> extends AttributeRules {
  /** where the value lives in `PathAttributes` */
  readonly key: Key
  /** The value; undefined where it is malformed. `from` holds the value and nothing else. */
  decode(from: Reader, context: AttributeContext): AttributeValue<Key> | undefined
  /**
   * Writes the value; the header is the loop's. Sets `to.overflow` for what the format cannot hold.
   */
  encode(value: AttributeValue<Key>, to: Writer, context: EncodeContext): void
}

/** What is known of the session that an attribute is written for. */
export interface EncodeContext {
  readonly fourOctetAs: boolean
}

/** Exactly `octets` octets. */
export const exactly =
  (octets: number) =>
  (length: number): boolean =>
    length === octets

/** A list of items of `octets` octets, at least one. RFC 7606 §7.8: "a non-zero multiple" */
export const listOf =
  (octets: number) =>
  (length: number): boolean =>
    length > 0 && length % octets === 0
