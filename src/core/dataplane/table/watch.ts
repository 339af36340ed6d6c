import { type Family, type Prefix, prefixParts } from '../../net/index.ts'
import { prefixId, type RouteTable } from './route-table.ts'

/** Which rows are inside prefixes that somebody names: those that a snapshot lists, and others. */

/** A prefix, taken apart once. */
export interface Extent {
  readonly family: Family
  readonly bytes: Uint8Array
  readonly length: number
}

/** The prefixes, taken apart once: tens of them, asked for each new row. */
export class Watch {
  readonly #watched: readonly Extent[]

  constructor(prefixes: readonly Prefix[]) {
    this.#watched = prefixes.map(prefixParts)
  }

  /** True when the prefix of `row` is inside a watched one. O(watched). */
  contains(table: RouteTable, row: number): boolean {
    return this.#watched.some(extent => isWithin(table, row, extent))
  }
}

const SCRATCH = new Uint8Array(16)

/** True when the prefix of `row` is `extent` or inside it. O(1). */
export function isWithin(table: RouteTable, row: number, extent: Extent): boolean {
  const id = prefixId(row)
  if (extent.family !== table.family || extent.length > table.prefixes.length(id)) return false
  table.prefixes.write(id, SCRATCH, 0)
  return equalBits(extent.bytes, SCRATCH, extent.length)
}

function equalBits(left: Uint8Array, right: Uint8Array, length: number): boolean {
  const whole = length >>> 3
  for (let at = 0; at < whole; at++) if (left[at] !== right[at]) return false
  const rest = length & 7
  return rest === 0 || ((left[whole]! ^ right[whole]!) & (0xff00 >>> rest) & 0xff) === 0
}
