import {
  type AttributeSetId,
  type FullTable,
  type LocRib,
  NO_SET,
  NONE,
  type PeerId,
} from '../../rib/index.ts'
import { PATH_IDENTIFIER_OCTETS } from '../../wire/index.ts'
import { FULL_PREFIXES } from '../tables.ts'
import type { Nlri } from './put.ts'

/** Routes of a peer that may not have more than so many: `block` of its prefix limits. */

/** How many routes of one family a peer may have. */
export interface Bound {
  /** beyond so many said, a further one is left out; Infinity: no bound */
  readonly received: number
  /** the same of those that import rules let in */
  readonly accepted: number
  /** how many were left out since the peer was last asked for all */
  left: number
}

/** Why routes were left out. */
export interface Shortage {
  /** a table is full */
  full: FullTable | undefined
  /** the peer has `PATHS_PER_PEER_MAX` paths of a prefix */
  crowded: boolean
}

/**
 * Puts `set` in the row of each route for which there is room. A route that is there may
 * become another; one that import rules refused and now would let in may not, and goes. For peers
 * with a bound: slower than what others have.
 */
export function putBounded(
  locRib: LocRib,
  { bytes, start, end }: Nlri,
  peer: PeerId,
  { set, bound, identified }: { set: AttributeSetId; bound: Bound; identified: boolean },
  shortage: Shortage,
): void {
  const adj = locRib.adjRibIn(peer)
  const { acceptances } = locRib
  for (let at = start; at < end; ) {
    const identifier = identified ? wordAt(bytes, at) : NONE
    if (identified) at += PATH_IDENTIFIER_OCTETS
    const length = bytes[at]!
    const known = locRib.prefixes.find(bytes, at + 1, length)
    const source = identified && known >= 0 ? adj.find(known, identifier) : peer
    const has = known >= 0 && source !== NONE && locRib.source(source).get(known) !== NO_SET
    if (has || adj.size < bound.received) {
      const accepted = acceptances.accepted(peer)
      const row = locRib.add(bytes, at + 1, length)
      const put = (each: AttributeSetId): boolean => {
        if (identified) return locRib.putIdentified(peer, row, identifier, each)
        locRib.put(peer, row, each)
        return true
      }
      if (row < 0) shortage.full = FULL_PREFIXES
      else if (!put(set)) shortage.crowded = true
      else if (acceptances.accepted(peer) > Math.max(accepted, bound.accepted)) {
        put(NO_SET)
        bound.left++
      }
    } else bound.left++
    at += 1 + ((length + 7) >>> 3)
  }
}

const wordAt = (bytes: Uint8Array, at: number): number =>
  ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
