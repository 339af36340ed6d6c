import type { RouteEvent } from '../../../core/dataplane/index.ts'
import type { Epoch, FibNextHop, GroupId, NextHopGroup } from '../../../core/fib/index.ts'
import { addressBytes, type Family, formatAddress, maxLength } from '../../../core/net/index.ts'
import type { FromSpeaker, NextHop } from '../generated/link_pb.ts'
import { LinkError } from '../transport/error.ts'

/**
 * The route stream as events of the dataplane. The speaker is trusted no further than its job: what
 * is not well formed ends the connection, and what was installed before stays.
 */

/** Most routes or withdrawals of one message. */
export const BATCH_ROUTES_MAX = 1_024

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
      return body.value.groups.map(({ id, hops }) => ({
        type: 'Group',
        id: id as GroupId,
        hops: fromHops(hops),
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

function fromHops(hops: readonly NextHop[]): NextHopGroup {
  if (hops.length === 0 || hops.length > GROUP_HOPS_MAX)
    throw new LinkError('LINK_MESSAGE', `a group of ${hops.length} next hops`)
  return hops.map(fromHop)
}

function fromHop(hop: NextHop): FibNextHop {
  const { address, weight } = hop
  if (address.length !== 4 && address.length !== 16)
    throw new LinkError('LINK_MESSAGE', `a next hop of ${address.length} octets`)
  if (weight < 1 || weight > 255) throw new LinkError('LINK_MESSAGE', `the weight ${weight}`)
  return {
    address: formatAddress(address),
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
