import { type AttributeSetId, type LocRib, NO_SET, type PeerId } from '../../rib/index.ts'
import { PATH_IDENTIFIER_OCTETS } from '../../wire/index.ts'
import { FULL_PREFIXES } from '../tables.ts'
import type { Shortage } from './bounded.ts'

/** Routes of an UPDATE into the rows of a table: the hot loops. Their NLRI has been checked. */

/** Puts `set` in each row; false when the table is full. */
export function announce(
  locRib: LocRib,
  nlri: Uint8Array,
  peer: PeerId,
  set: AttributeSetId,
): boolean {
  let complete = true
  for (let at = 0; at < nlri.length; ) {
    const length = nlri[at]!
    const row = locRib.add(nlri, at + 1, length)
    if (row < 0) complete = false
    else locRib.put(peer, row, set)
    at += 1 + ((length + 7) >>> 3)
  }
  return complete
}

/** Takes the peer's path out of each row. */
export function withdraw(locRib: LocRib, nlri: Uint8Array, peer: PeerId): void {
  for (let at = 0; at < nlri.length; ) {
    const length = nlri[at]!
    const row = locRib.prefixes.find(nlri, at + 1, length)
    if (row >= 0) locRib.put(peer, row, NO_SET)
    at += 1 + ((length + 7) >>> 3)
  }
}

/**
 * `announce` and `withdraw` where each prefix follows the identifier of its path, an opaque word.
 * RFC 7911 §3
 */
export function putIdentified(
  locRib: LocRib,
  nlri: Uint8Array,
  peer: PeerId,
  set: AttributeSetId,
  shortage: Shortage,
): void {
  for (let at = 0; at < nlri.length; ) {
    const identifier =
      ((nlri[at]! << 24) | (nlri[at + 1]! << 16) | (nlri[at + 2]! << 8) | nlri[at + 3]!) >>> 0
    at += PATH_IDENTIFIER_OCTETS
    const length = nlri[at]!
    const row =
      set === NO_SET ? locRib.prefixes.find(nlri, at + 1, length) : locRib.add(nlri, at + 1, length)
    if (row >= 0) {
      if (!locRib.putIdentified(peer, row, identifier, set)) shortage.crowded = true
    } else if (set !== NO_SET) shortage.full = FULL_PREFIXES
    at += 1 + ((length + 7) >>> 3)
  }
}
