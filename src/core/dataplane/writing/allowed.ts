import { prefixParts } from '../../net/index.ts'
import type { KernelOutput } from '../ports.ts'
import { NONE } from '../table/counted.ts'
import type { Groups } from '../table/groups.ts'
import { NOT_ALLOWED, prefixId, type RouteTable } from '../table/route-table.ts'
import { type Extent, isWithin } from '../table/watch.ts'
import type { Allowance } from '../types.ts'

/** What the node's own configuration lets the dataplane install, whoever asks for more. */

/** Refuses routes by name: to prefixes, at metrics or through links that are not allowed. */
export class Allowed {
  /** undefined: any prefix */
  readonly #extents: readonly Extent[] | undefined
  /** undefined: any metric */
  readonly #metrics: readonly number[] | undefined
  readonly #groups: Groups
  readonly #output: KernelOutput

  constructor(allowance: Allowance | undefined, groups: Groups, output: KernelOutput) {
    this.#extents = allowance?.prefixes?.map(prefixParts)
    this.#metrics = allowance?.metrics
    this.#groups = groups
    this.#output = output
  }

  /** True when the row may not lead where `group` does. O(prefixes that are allowed). */
  forbids(table: RouteTable, row: number, group: number): boolean {
    return (
      this.#isOutside(table, row) || this.#isMisplaced(group) || this.#groups.isForbidden(group)
    )
  }

  /** Marks the row as refused, and says so once. */
  refuse(table: RouteTable, row: number): void {
    if (table.errno[row] === NOT_ALLOWED) return
    table.errno[row] = NOT_ALLOWED
    const prefix = table.prefixes.text(prefixId(row))
    this.#output.note({ code: 'ROUTE_NOT_ALLOWED', prefix, why: this.why(table, row) })
  }

  /** Which of the rules the row breaks, for people. */
  why(table: RouteTable, row: number): string {
    if (this.#isOutside(table, row)) return 'kernel.allow.prefixes of this node does not have it'
    return this.#isMisplaced(table.wantOf(row))
      ? 'kernel.allow.metrics of this node does not have its metric'
      : 'kernel.allow.interfaces of this node does not have the link of its next hop'
  }

  #isMisplaced(group: number): boolean {
    if (this.#metrics === undefined || group === NONE) return false
    return !this.#metrics.includes(this.#groups.get(group).metric)
  }

  #isOutside(table: RouteTable, row: number): boolean {
    return (
      this.#extents !== undefined && !this.#extents.some(extent => isWithin(table, row, extent))
    )
  }
}
