import { FLAG, UPDATE_ERROR } from '../iana.ts'
import { readAggregator, writeAggregator } from './aggregator.ts'
import { type AttributeSpec, exactly } from './spec.ts'

/** AS4_AGGREGATOR: AGGREGATOR with its four-octet number, carried past a two-octet speaker. */
export const AS4_AGGREGATOR: AttributeSpec<'as4Aggregator'> = {
  key: 'as4Aggregator',
  code: 18,
  name: 'AS4_AGGREGATOR',
  flags: FLAG.OPTIONAL | FLAG.TRANSITIVE,
  rfc: 'RFC 6793 §3; errors RFC 6793 §6, RFC 7607 §2',
  onMalformed: 'attribute-discard',
  only: 'two-octet',
  subcode: UPDATE_ERROR.OPTIONAL_ATTRIBUTE_ERROR,
  length: exactly(8),
  decode(from) {
    return readAggregator(from, true)
  },
  encode(value, to) {
    writeAggregator(value, to, true)
  },
}
