import type { Millis } from '../../base/index.ts'
import { prefixId, type RouteTable } from './route-table.ts'

/**
 * Walks all rows of both tables in slices, again and again while somebody asks.
 *
 * What is about every row (a sweep, a dump that did not name a route, a next hop that is back) asks
 * for a walk, so an event costs the same in a table of ten and of a million. A walk that is asked
 * for while one is going goes once round from where it is: every row is visited after the asking.
 * Rows that are made meanwhile know already what the asking was about.
 */
export class Walk {
  readonly #tables: readonly [RouteTable, RouteTable]
  #table = 0
  #row = 0
  #left = 0

  constructor(tables: readonly [RouteTable, RouteTable]) {
    this.#tables = tables
  }

  /** True while rows are to be visited. */
  get going(): boolean {
    return this.#left > 0
  }

  /** Every row is to be visited from now on. */
  ask(): void {
    const [first, second] = this.#tables
    // one more for each table, so that a walk of empty tables ends too
    this.#left = first.prefixes.rows + second.prefixes.rows + 2
  }

  /** Visits at most `budget` rows. Answers how many it took. `visit` may free the row. */
  step(
    budget: number,
    now: Millis,
    visit: (table: RouteTable, row: number, now: Millis) => void,
  ): number {
    let taken = 0
    while (taken < budget && this.#left > 0) {
      taken++
      this.#left--
      const table = this.#tables[this.#table === 0 ? 0 : 1]
      if (this.#row >= table.prefixes.rows) {
        this.#row = 0
        this.#table = 1 - this.#table
        continue
      }
      const row = this.#row++
      if (table.prefixes.has(prefixId(row))) visit(table, row, now)
    }
    return taken
  }
}
