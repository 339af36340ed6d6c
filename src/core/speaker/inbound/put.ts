import { type AttributeSetId, type LocRib, NO_SET, type PeerId } from '../../rib/index.ts'
import { PATH_IDENTIFIER_OCTETS } from '../../wire/index.ts'
import { FULL_PREFIXES } from '../tables.ts'
import type { Shortage } from './bounded.ts'

/** Routes of an UPDATE into the rows of a table: the hot loops. Their NLRI has been checked. */

/** A field of routes: octets `start` to `end`, not included, of `bytes`. */
export interface Nlri {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
}

/** Puts `set` in each row; false when the table is full. */
export function announce(
  locRib: LocRib,
  { bytes, start, end }: Nlri,
  peer: PeerId,
  set: AttributeSetId,
): boolean {
  let complete = true
  for (let at = start; at < end; ) {
    const length = bytes[at]!
    const row = locRib.add(bytes, at + 1, length)
    if (row < 0) complete = false
    else locRib.put(peer, row, set)
    at += 1 + ((length + 7) >>> 3)
  }
  return complete
}

/** Takes the peer's path out of each row. */
export function withdraw(locRib: LocRib, { bytes, start, end }: Nlri, peer: PeerId): void {
  for (let at = start; at < end; ) {
    const length = bytes[at]!
    const row = locRib.prefixes.find(bytes, at + 1, length)
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
  { bytes, start, end }: Nlri,
  peer: PeerId,
  set: AttributeSetId,
  shortage: Shortage,
): void {
  for (let at = start; at < end; ) {
    const identifier =
      ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
    at += PATH_IDENTIFIER_OCTETS
    const length = bytes[at]!
    const row =
      set === NO_SET
        ? locRib.prefixes.find(bytes, at + 1, length)
        : locRib.add(bytes, at + 1, length)
    if (row >= 0) {
      if (!locRib.putIdentified(peer, row, identifier, set)) shortage.crowded = true
    } else if (set !== NO_SET) shortage.full = FULL_PREFIXES
    at += 1 + ((length + 7) >>> 3)
  }
}
