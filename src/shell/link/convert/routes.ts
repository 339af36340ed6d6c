import type { RouteEvent } from '../../../core/dataplane/index.ts'
import type {
  Epoch,
  FibNextHop,
  GroupId,
  NextHopAnswer,
  NextHopGroup,
  NextHopName,
} from '../../../core/fib/index.ts'
import {
  type Address,
  addressBytes,
  type Family,
  formatAddress,
  maxLength,
} from '../../../core/net/index.ts'
import type {
  NextHopAnswer as AnswerMessage,
  FromSpeaker,
  NextHopName as NameMessage,
  NextHop,
} from '../generated/link_pb.ts'
import { LinkError } from '../transport/error.ts'

/**
 * The route stream as events of the dataplane. The speaker is trusted no further than its job: what
 * is not well formed ends the connection, and what was installed before stays.
 */

/** Most routes or withdrawals of one message. */
export const BATCH_ROUTES_MAX = 1_024

/** Most next hops that one message answers for. */
export const BATCH_ANSWERS_MAX = 1_024

/** Most next hops of a group, whatever the speaker's configuration says. */
export const GROUP_HOPS_MAX = 256

/** IANA address family numbers. */
export const AFI: Readonly<Record<Family, number>> = { ipv4: 1, ipv6: 2 }

/**
 * The events that `message` says, in order. Costs O(1) a message and a look at each prefix's
 * length.
 */
export function routeEvents(message: FromSpeaker): RouteEvent[] {
  const { body } = message
  switch (body.case) {
    case 'begin':
      return [{ type: 'Begin', epoch: body.value.epoch as Epoch }]
    case 'inSync':
      return [{ type: 'InSync', epoch: body.value.epoch as Epoch }]
    case 'groups':
      return body.value.groups.map(({ id, hops, metric }) => ({
        type: 'Group',
        id: id as GroupId,
        hops: fromHops(hops),
        metric,
      }))
    case 'dropGroups':
      return body.value.ids.map(id => ({ type: 'DropGroup', id: id as GroupId }))
    case 'routes': {
      const { afi, nlri, groups } = body.value
      const family = fromAfi(afi)
      if (countPrefixes(family, nlri) !== groups.length)
        throw new LinkError('LINK_MESSAGE', 'routes with more prefixes than groups, or fewer')
      return [{ type: 'Routes', family, nlri, groups }]
    }
    case 'withdraws': {
      const { afi, nlri } = body.value
      const family = fromAfi(afi)
      countPrefixes(family, nlri)
      return [{ type: 'Withdraws', family, nlri }]
    }
    case 'track':
      return body.value.hops.map(hop => ({ type: 'Track', hop: fromName(hop) }))
    case 'untrack':
      return body.value.hops.map(hop => ({ type: 'Untrack', hop: fromName(hop) }))
    case 'hello':
    case undefined:
      throw new LinkError('LINK_MESSAGE', 'a message without a body')
    default:
      return body satisfies never
  }
}

/** A group's next hops as the message has them. */
export function toHops(hops: NextHopGroup) {
  return hops.map(hop => ({
    address: addressBytes(hop.address),
    interface: hop.interface ?? '',
    weight: hop.weight,
  }))
}

/** A next hop's name as the message has it. */
export const toName = (hop: NextHopName) => ({
  address: addressBytes(hop.address),
  interface: hop.interface ?? '',
})

/** An answer as the message has it. */
export const toAnswer = ({ eligible, metric, why, link = '', ...hop }: NextHopAnswer) => ({
  ...{ eligible, metric, why, link },
  hop: toName(hop),
})

/** What the kernel half says of next hops. */
export function fromAnswers(answers: readonly AnswerMessage[]): readonly NextHopAnswer[] {
  if (answers.length > BATCH_ANSWERS_MAX)
    throw new LinkError('LINK_MESSAGE', `answers for ${answers.length} next hops`)
  return answers.map(({ hop, eligible, metric, why, link }) => {
    if (hop === undefined) throw new LinkError('LINK_MESSAGE', 'an answer for no next hop')
    return { ...fromName(hop), eligible, metric, why, ...(link !== '' && { link }) }
  })
}

function fromName({ address, interface: link }: NameMessage): NextHopName {
  return { address: fromAddress(address), ...(link !== '' && { interface: link }) }
}

function fromAddress(octets: Uint8Array): Address {
  if (octets.length !== 4 && octets.length !== 16)
    throw new LinkError('LINK_MESSAGE', `a next hop of ${octets.length} octets`)
  return formatAddress(octets)
}

function fromHops(hops: readonly NextHop[]): NextHopGroup {
  if (hops.length === 0 || hops.length > GROUP_HOPS_MAX)
    throw new LinkError('LINK_MESSAGE', `a group of ${hops.length} next hops`)
  return hops.map(fromHop)
}

function fromHop(hop: NextHop): FibNextHop {
  const { address, weight } = hop
  if (weight < 1 || weight > 255) throw new LinkError('LINK_MESSAGE', `the weight ${weight}`)
  return {
    address: fromAddress(address),
    ...(hop.interface !== '' && { interface: hop.interface }),
    weight,
  }
}

function fromAfi(afi: number): Family {
  if (afi === AFI.ipv4) return 'ipv4'
  if (afi === AFI.ipv6) return 'ipv6'
  throw new LinkError('LINK_MESSAGE', `the address family ${afi}`)
}

/** How many prefixes `nlri` holds; each is of the family's length at most, and whole. */
function countPrefixes(family: Family, nlri: Uint8Array): number {
  const bitsMax = maxLength(family)
  let count = 0
  let offset = 0
  while (offset < nlri.length) {
    const bits = nlri[offset]!
    if (bits > bitsMax) throw new LinkError('LINK_MESSAGE', `a prefix of ${bits} bits`)
    offset += 1 + ((bits + 7) >> 3)
    count++
  }
  if (offset > nlri.length) throw new LinkError('LINK_MESSAGE', 'a prefix that is cut off')
  if (count > BATCH_ROUTES_MAX) throw new LinkError('LINK_MESSAGE', `a batch of ${count} prefixes`)
  return count
}
