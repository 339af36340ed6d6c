import { FLAG, UPDATE_ERROR } from '../iana.ts'
import { type AttributeSpec, listOf } from './spec.ts'

/** EXTENDED COMMUNITIES: eight octets each, a type and a value; carried as they are. */
export const EXTENDED_COMMUNITIES: AttributeSpec<'extendedCommunities'> = {
  key: 'extendedCommunities',
  code: 16,
  name: 'EXTENDED_COMMUNITIES',
  flags: FLAG.OPTIONAL | FLAG.TRANSITIVE,
  rfc: 'RFC 4360 §2; errors RFC 7606 §7.14',
  onMalformed: 'treat-as-withdraw',
  subcode: UPDATE_ERROR.OPTIONAL_ATTRIBUTE_ERROR,
  length: listOf(8),
  decode(from) {
    const communities: Uint8Array[] = []
    while (from.remaining > 0) communities.push(from.view(8).slice())
    return communities
  },
  encode(communities, to) {
    for (const community of communities)
      if (community.length === 8) to.put(community)
      else to.overflow = true
  },
}
