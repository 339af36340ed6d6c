import { FLAG, UPDATE_ERROR } from '../iana.ts'
import { type AttributeSpec, listOf } from './spec.ts'

/** COMMUNITIES: numbers of four octets, by custom an AS number and a value of two octets each. */
export const COMMUNITIES: AttributeSpec<'communities'> = {
  key: 'communities',
  code: 8,
  name: 'COMMUNITIES',
  flags: FLAG.OPTIONAL | FLAG.TRANSITIVE,
  rfc: 'RFC 1997; errors RFC 7606 §7.8',
  onMalformed: 'treat-as-withdraw',
  subcode: UPDATE_ERROR.OPTIONAL_ATTRIBUTE_ERROR,
  length: listOf(4),
  decode(from) {
    const communities: number[] = []
    while (from.remaining > 0) communities.push(from.u32())
    return communities
  },
  encode(communities, to) {
    for (const community of communities) to.u32(community)
  },
}
