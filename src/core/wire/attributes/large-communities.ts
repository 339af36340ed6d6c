import { FLAG, UPDATE_ERROR } from '../iana.ts'
import { type AttributeSpec, listOf } from './spec.ts'

/**
 * LARGE_COMMUNITY: three numbers of four octets: global administrator, local data 1 and 2. RFC 8092
 * §3: what is repeated is there once, read or sent.
 */
export const LARGE_COMMUNITY: AttributeSpec<'largeCommunities'> = {
  key: 'largeCommunities',
  code: 32,
  name: 'LARGE_COMMUNITY',
  flags: FLAG.OPTIONAL | FLAG.TRANSITIVE,
  rfc: 'RFC 8092 §3; errors RFC 8092 §6',
  onMalformed: 'treat-as-withdraw',
  subcode: UPDATE_ERROR.OPTIONAL_ATTRIBUTE_ERROR,
  length: listOf(12),
  decode(from) {
    const communities: LargeCommunity[] = []
    while (from.remaining > 0) communities.push([from.u32(), from.u32(), from.u32()])
    return once(communities)
  },
  encode(communities, to) {
    for (const [administrator, first, second] of once(communities)) {
      to.u32(administrator)
      to.u32(first)
      to.u32(second)
    }
  },
}

type LargeCommunity = readonly [number, number, number]

function once(communities: readonly LargeCommunity[]): readonly LargeCommunity[] {
  if (communities.length < 2) return communities
  return [...new Map(communities.map(each => [each.join(':'), each])).values()]
}
