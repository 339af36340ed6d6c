import type { Millis } from '../../base/index.ts'
import { prefixParts } from '../../net/index.ts'
import type { KernelOutput } from '../ports.ts'
import { prefixId, type RouteTable, YIELDED } from '../table/route-table.ts'
import { type Extent, isWithin } from '../table/watch.ts'
import type { AuditAction, AuditRule, Intervention } from '../types.ts'
import { codeOf } from '../writing/batch.ts'

/** What another hand did to routes of ours: what is done about it, and what is told of it. */

/** Routes of which is known who took them out; beyond it the oldest is forgotten. */
const HANDS_MAX = 4_096

/** Interventions that a snapshot lists. */
const ALERTS_MAX = 32

/** What somebody did. */
export interface Loss {
  readonly what: Intervention['what']
  /** netlink port of who did it; 0: nobody knows */
  readonly by: number
}

/**
 * The rules of the configuration, and what they have come to.
 *
 *   restore   put back at once; what a prefix has that no rule names
 *   yield     left as the other hand made it
 *   alert     the same, and a problem of this node as long as it is so
 *
 * What only a dump finds is put back: nobody is known for it. What is left alone is looked at again
 * when something else is wanted there. Limit: `HANDS_MAX`
 * (docs/LIMITS.md); insertion order is age.
 */
export class Audit {
  yielded = 0
  alerted = 0
  last: Intervention | undefined
  readonly #rules: readonly { readonly extent: Extent; readonly action: AuditAction }[]
  readonly #output: KernelOutput
  readonly #hands = new Map<number, Loss>()
  readonly #alerts = new Map<number, Intervention>()

  constructor(rules: readonly AuditRule[], output: KernelOutput) {
    this.#output = output
    // the longest prefix that holds a route decides
    this.#rules = rules
      .map(({ prefix, action }) => ({ extent: prefixParts(prefix), action }))
      .sort((left, right) => right.extent.length - left.extent.length)
  }

  /**
   * What stands of what the rules want to be told of, the oldest first, at most `ALERTS_MAX`: not
   * what is right again, nor what is not wanted any more, or otherwise. O(those that ever stood).
   */
  alerts(tables: readonly [RouteTable, RouteTable]): readonly Intervention[] {
    for (const code of this.#alerts.keys())
      if (tables[(code & 1) === 0 ? 0 : 1].errno[code >>> 1] !== YIELDED) this.#alerts.delete(code)
    return [...this.#alerts.values()].slice(0, ALERTS_MAX)
  }

  /** Somebody changed a route of ours that is wanted. True when it is to be put back. O(rules). */
  lost(table: RouteTable, row: number, loss: Loss, now: Millis): boolean {
    const code = codeOf(table, row)
    // a loss that nobody is known for may be the kernel's doing, and its word was not heard
    const action = loss.by === 0 ? 'restore' : this.#actionOf(table, row)
    const prefix = table.prefixes.text(prefixId(row))
    this.last = { prefix, ...loss, action, at: now }
    this.#forget(code)
    if (action === 'restore') {
      this.#remember(code, loss)
      return true
    }
    if (action === 'yield') this.yielded++
    else {
      this.alerted++
      if (this.#alerts.size < HANDS_MAX) this.#alerts.set(code, this.last)
    }
    this.#output.note({ code: 'ROUTE_LEFT', ...this.last })
    return false
  }

  /** A route is back in the kernel: what was known of its loss. */
  repaired(code: number): Loss {
    const loss = this.#hands.get(code) ?? { what: 'removed', by: 0 }
    this.#forget(code)
    return loss
  }

  #forget(code: number): void {
    this.#hands.delete(code)
    this.#alerts.delete(code)
  }

  #remember(code: number, loss: Loss): void {
    if (this.#hands.size >= HANDS_MAX)
      for (const oldest of this.#hands.keys()) {
        this.#hands.delete(oldest)
        break
      }
    this.#hands.set(code, loss)
  }

  #actionOf(table: RouteTable, row: number): AuditAction {
    for (const { extent, action } of this.#rules) if (isWithin(table, row, extent)) return action
    return 'restore'
  }
}
