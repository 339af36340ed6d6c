import type { Reader, Writer } from '../../base/index.ts'
import { AS_TRANS, addressBytes, formatAddress } from '../../net/index.ts'
import { FLAG, UPDATE_ERROR } from '../iana.ts'
import type { Aggregator, AttributeSpec } from './spec.ts'

/** AGGREGATOR: who aggregated: an AS number of the session's width, and an IPv4 address. */
export const AGGREGATOR: AttributeSpec<'aggregator'> = {
  key: 'aggregator',
  code: 7,
  name: 'AGGREGATOR',
  flags: FLAG.OPTIONAL | FLAG.TRANSITIVE,
  rfc: 'RFC 4271 §5.1.7, RFC 6793 §4; errors RFC 7606 §7.7, RFC 7607 §2',
  onMalformed: 'attribute-discard',
  subcode: UPDATE_ERROR.OPTIONAL_ATTRIBUTE_ERROR,
  length: (octets, context) => octets === (context.fourOctetAs ? 8 : 6),
  decode(from, context) {
    return readAggregator(from, context.fourOctetAs)
  },
  encode(value, to, context) {
    writeAggregator(value, to, context.fourOctetAs)
  },
}

/** The value; undefined for AS 0. RFC 7607 §2 */
export function readAggregator(from: Reader, fourOctetAs: boolean): Aggregator | undefined {
  const asn = fourOctetAs ? from.u32() : from.u16()
  return asn === 0 ? undefined : { asn, address: formatAddress(from.rest()) }
}

/** Writes the value; AS_TRANS stands for a number that two octets cannot hold. RFC 6793 §4.2.2 */
export function writeAggregator(value: Aggregator, to: Writer, fourOctetAs: boolean): void {
  if (fourOctetAs) to.u32(value.asn)
  else to.u16(value.asn > 0xffff ? AS_TRANS : value.asn)
  to.put(addressBytes(value.address))
}
