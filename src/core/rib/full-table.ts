import type { Interner } from '../base/index.ts'

/** Which table has no room, for a note about what was left out. */

/** What there is no room for, in words, and how many there may be. */
export interface FullTable {
  readonly limit: number
  readonly of: string
}

/** Why a table of attributes had no room for a set. */
export function fullSets({ full: { limit, of } }: Interner): FullTable {
  return { limit, of: of === 'rows' ? 'sets of attributes' : 'octets of attributes' }
}
