import { prefixParts } from '../../net/index.ts'
import type { KernelOutput } from '../ports.ts'
import type { Groups } from '../table/groups.ts'
import { NOT_ALLOWED, prefixId, type RouteTable } from '../table/route-table.ts'
import { type Extent, isWithin } from '../table/watch.ts'
import type { Allowance } from '../types.ts'

/** What the node's own configuration lets the dataplane install, whoever asks for more. */

/** Refuses routes by name: to prefixes that are not allowed, or through links that are not. */
export class Allowed {
  /** undefined: any prefix */
  readonly #extents: readonly Extent[] | undefined
  readonly #groups: Groups
  readonly #output: KernelOutput

  constructor(allowance: Allowance | undefined, groups: Groups, output: KernelOutput) {
    this.#extents = allowance?.prefixes?.map(prefixParts)
    this.#groups = groups
    this.#output = output
  }

  /** True when the row may not lead where `group` does. O(prefixes that are allowed). */
  forbids(table: RouteTable, row: number, group: number): boolean {
    return this.#isOutside(table, row) || this.#groups.isForbidden(group)
  }

  /** Marks the row as refused, and says so once. */
  refuse(table: RouteTable, row: number): void {
    if (table.errno[row] === NOT_ALLOWED) return
    table.errno[row] = NOT_ALLOWED
    const prefix = table.prefixes.text(prefixId(row))
    this.#output.note({ code: 'ROUTE_NOT_ALLOWED', prefix, why: this.why(table, row) })
  }

  /** Which of the two rules the row breaks, for people. */
  why(table: RouteTable, row: number): string {
    return this.#isOutside(table, row)
      ? 'kernel.allow.prefixes of this node does not have it'
      : 'kernel.allow.interfaces of this node does not have the link of its next hop'
  }

  #isOutside(table: RouteTable, row: number): boolean {
    return (
      this.#extents !== undefined && !this.#extents.some(extent => isWithin(table, row, extent))
    )
  }
}
