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
  #table: 0 | 1 = 0
  #row = 0
  #going = false
  /** ends of tables to pass until the round is back where it began */
  #ends = 0
  /** where the round ends, in the table where it began */
  #stop = 0

  constructor(tables: readonly [RouteTable, RouteTable]) {
    this.#tables = tables
  }

  /** True while rows are to be visited. */
  get going(): boolean {
    return this.#going
  }

  /** Every row is to be visited from now on: once round, back to where the walk is now. */
  ask(): void {
    this.#going = true
    this.#ends = 2
    this.#stop = this.#row
  }

  /** Visits at most `budget` rows. Answers how many it took. `visit` may free the row. */
  step(
    budget: number,
    now: Millis,
    visit: (table: RouteTable, row: number, now: Millis) => void,
  ): number {
    let taken = 0
    for (; taken < budget && this.#going; taken++) {
      const table = this.#tables[this.#table]
      if (this.#ends === 0 && this.#row >= this.#stop) this.#going = false
      else if (this.#row >= table.prefixes.rows) this.#turn()
      else {
        const row = this.#row++
        if (table.prefixes.has(prefixId(row))) visit(table, row, now)
      }
    }
    return taken
  }

  /** A table may be shorter than it was when the round began, so an end too many ends the round. */
  #turn(): void {
    this.#row = 0
    this.#table = this.#table === 0 ? 1 : 0
    if (this.#ends === 0) this.#going = false
    else this.#ends--
  }
}
