import { type Family, type Prefix, prefixParts } from '../../net/index.ts'
import { prefixId, type RouteTable } from './route-table.ts'

/** Which rows a snapshot lists: those inside the watched prefixes. */

interface Watched {
  readonly family: Family
  readonly bytes: Uint8Array
  readonly length: number
}

/** The watched prefixes, taken apart once: tens of them, asked for each new row. */
export class Watch {
  readonly #watched: readonly Watched[]
  readonly #scratch = new Uint8Array(16)

  constructor(prefixes: readonly Prefix[]) {
    this.#watched = prefixes.map(prefixParts)
  }

  /** True when the prefix of `row` is inside a watched one. O(watched). */
  contains(table: RouteTable, row: number): boolean {
    const id = prefixId(row)
    const length = table.prefixes.length(id)
    table.prefixes.write(id, this.#scratch, 0)
    return this.#watched.some(
      watched =>
        watched.family === table.family &&
        watched.length <= length &&
        equalBits(watched.bytes, this.#scratch, watched.length),
    )
  }
}

function equalBits(left: Uint8Array, right: Uint8Array, length: number): boolean {
  const whole = length >>> 3
  for (let at = 0; at < whole; at++) if (left[at] !== right[at]) return false
  const rest = length & 7
  return rest === 0 || ((left[whole]! ^ right[whole]!) & (0xff00 >>> rest) & 0xff) === 0
}
