import { grownUint16, type Interner } from '../../base/index.ts'
import type { PrefixId } from '../../net/index.ts'
import type { LocRib } from '../loc-rib.ts'
import { LOCAL_PEER, NO_OUT_SET, type OutSetId, type PeerId } from '../rows.ts'
import { AdjRibOut } from './adj-rib-out.ts'

/**
 * One path of each prefix, as an update group sends it, and what of it changed in a pass.
 */

/**
 * A plane of an update group: the paths that are sent under one path identifier (RFC 7911 §3).
 *
 *   adj                what the members hold                              6 bytes a prefix
 *   row   source       whose path it is, where there are several planes   2 bytes a prefix
 *
 * A group that sends the best path alone has one plane, without identifiers and sources. Of a group
 * that sends several paths, a path keeps its plane for as long as it is sent, whatever others come
 * and go; what comes takes the first plane that is free.
 */
export class Plane {
  /** path identifier; 0: prefixes are sent without */
  readonly path: number
  readonly adj: AdjRibOut
  /** the pass: rows that changed, and what their members held */
  readonly rows: PrefixId[] = []
  readonly last: OutSetId[] = []
  readonly lastOwners: PeerId[] = []
  readonly #sets: Interner
  readonly #locRib: LocRib
  #sources = new Uint16Array(0)
  #sweep = 0

  constructor(path: number, locRib: LocRib, sets: Interner) {
    this.path = path
    this.adj = new AdjRibOut(locRib, sets)
    this.#locRib = locRib
    this.#sets = sets
  }

  /** Bytes of the columns. */
  get bytes(): number {
    return this.adj.bytes + 2 * this.#sources.length
  }

  /** True when the row has a path of `source`. */
  has(row: PrefixId, source: PeerId): boolean {
    return this.adj.get(row) !== NO_OUT_SET && this.#sources[row] === source
  }

  /** The path of a row is that of `source`: where there are several planes. */
  claim(row: PrefixId, source: PeerId): void {
    if (row >= this.#sources.length) {
      const rows = Math.max(row + 1, this.#locRib.prefixes.capacity)
      this.#sources = grownUint16(this.#sources, rows)
    }
    this.#sources[row] = source
  }

  /**
   * A row becomes `set`, whose reference is taken over, from `owner`. True if that is a change: it
   * is in the pass then.
   */
  change(row: PrefixId, set: OutSetId, owner: PeerId): boolean {
    const { adj } = this
    const last = adj.get(row)
    const lastOwner = last === NO_OUT_SET ? LOCAL_PEER : (adj.owner[row] as PeerId)
    const nextOwner = set === NO_OUT_SET ? LOCAL_PEER : owner
    if (set === last && nextOwner === lastOwner) {
      if (set !== NO_OUT_SET) this.#sets.release(set)
      return false
    }
    adj.put(row, set, nextOwner)
    this.rows.push(row)
    this.last.push(last)
    this.lastOwners.push(lastOwner)
    return true
  }

  /** The pass is over: rows that nobody holds any more are dropped. */
  endPass(): void {
    for (let at = 0; at < this.rows.length; at++) {
      const row = this.rows[at]!
      if (this.last[at] !== NO_OUT_SET && this.adj.out[row] === NO_OUT_SET) this.#locRib.drop(row)
    }
    this.rows.length = 0
    this.last.length = 0
    this.lastOwners.length = 0
  }

  /** Empties the columns, at most `budget` rows a call. True when more is left. */
  sweep(budget: number): boolean {
    if (this.#sweep >= 0) this.#sweep = this.adj.sweep(this.#sweep, budget)
    return this.#sweep >= 0
  }
}
