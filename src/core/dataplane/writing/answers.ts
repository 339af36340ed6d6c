import type { Millis } from '../../base/index.ts'
import type { PrefixId } from '../../net/index.ts'
import { EEXIST, ENOBUFS, ENOENT, ESRCH, isShared } from '../../rtnl/index.ts'
import type { KernelOutput, Refusal } from '../ports.ts'
import type { Audit } from '../reading/audit.ts'
import { NONE } from '../table/counted.ts'
import type { Objects } from '../table/objects.ts'
import {
  DOUBT,
  IN_FLIGHT,
  LOST,
  NO_PLACE,
  prefixId,
  type RouteTable,
  type Shared,
  WORDS_OF_OURS,
} from '../table/route-table.ts'
import { codeOf, type Sent } from './batch.ts'
import type { Failures } from './failures.ts'
import type { Holds } from './holds.ts'

/** What the kernel's answer to a change means for its row. */

/** What the answers are told when they are made. */
export interface AnswersOptions {
  readonly shared: Shared
  readonly tables: readonly [RouteTable, RouteTable]
  readonly output: KernelOutput
  readonly objects: Objects
  readonly holds: Holds
  readonly failures: Failures
  readonly audit: Audit
  /** Something does not fit what is known: a dump should tell. */
  readonly doubt: (now: Millis) => void
  /** Rows that were refused may be tried again: look at all of them. */
  readonly revisit: () => void
  /** The row may want another change now. */
  readonly again: (table: RouteTable, row: PrefixId) => void
}

/** Takes the answers of a batch, one row at a time. O(1) each. */
export class Answers {
  /** routes that somebody took out and that were put back */
  repaired = 0
  readonly #o: AnswersOptions

  constructor(options: AnswersOptions) {
    this.#o = options
  }

  /** The kernel did what was `sent`, or refused it. */
  take(sent: Sent, refusal: Refusal | undefined, now: Millis): void {
    const { tables, holds, failures, revisit, doubt } = this.#o
    const table = tables[(sent.code & 1) === 0 ? 0 : 1]
    const row = prefixId(sent.code >>> 1)
    const doubted = (table.flags[row]! & DOUBT) !== 0
    table.flags[row]! &= ~(IN_FLIGHT | DOUBT)
    const object = this.#whyNot(sent.target)
    if (refusal === undefined) this.#done(table, row, sent)
    if (object !== undefined) {
      // whether or not the kernel took the route: it leads elsewhere than it should
      table.errno[row] = object.errno
      holds.refused(sent.want, sent.code, object, now)
      failures.count(table, row, object, now)
    } else if (refusal === undefined) {
      if (sent.verb !== 'delete' && holds.taken(sent.want)) revisit()
    } else if (sent.verb !== 'add' && (refusal.errno === ESRCH || refusal.errno === ENOENT))
      this.#absent(table, row, sent, now)
    else if (sent.verb !== 'delete' && isShared(refusal.errno)) {
      table.errno[row] = refusal.errno
      holds.refused(sent.want, sent.code, refusal, now)
      failures.count(table, row, refusal, now)
    } else this.#failed(table, row, refusal, now)
    if (sent.want !== NONE) holds.undecided(sent.want, now)
    // something else is wanted meanwhile: of that the kernel has not said anything
    if (sent.want !== NONE && table.wantOf(row) !== sent.want) table.errno[row] = 0
    if (doubted) doubt(now)
    this.#o.again(table, row)
  }

  #done(table: RouteTable, row: PrefixId, sent: Sent): void {
    const { shared, audit, output } = this.#o
    table.heard[row] = shared.dump
    if (sent.verb === 'delete') {
      forget(table, row, sent.metric)
      return
    }
    const moved = table.seen[row] !== NONE && table.metric[row] !== sent.metric
    if (moved) table.other[row] = table.metric[row]!
    else if (table.other[row] === sent.metric) table.other[row] = NO_PLACE
    table.setSeen(row, sent.target, sent.metric)
    table.errno[row] = 0
    if ((table.flags[row]! & LOST) === 0) return
    table.flags[row]! &= ~LOST
    this.repaired++
    shared.version++
    const prefix = table.prefixes.text(row)
    output.note({ code: 'ROUTE_REPAIRED', prefix, ...audit.repaired(codeOf(table, row)) })
  }

  /** What was to be deleted or replaced is not there: that is what we wanted to know. */
  #absent(table: RouteTable, row: PrefixId, { verb, metric }: Sent, now: Millis): void {
    const { groups } = this.#o.shared
    // but that of an object's says nothing of a route of ours that leads elsewhere
    if (verb === 'delete' && groups.isObject(table.seen[row]!)) this.#o.doubt(now)
    forget(table, row, metric)
  }

  /** Why the kernel refused the object that a target is. */
  #whyNot(target: number): Omit<Refusal, 'at'> | undefined {
    const { shared, objects } = this.#o
    return target === NONE ? undefined : objects.errorOf(shared.targets.get(target).id)
  }

  #failed(table: RouteTable, row: PrefixId, refusal: Refusal, now: Millis): void {
    table.errno[row] = Math.min(refusal.errno, WORDS_OF_OURS - 1)
    this.#o.failures.count(table, row, refusal, now)
    if (refusal.errno === EEXIST) {
      table.foreign[row] = this.#o.shared.dump
      this.#o.doubt(now)
      return
    }
    // answers were lost: what the kernel did is not known
    if (refusal.errno === ENOBUFS) this.#o.doubt(now)
    this.#o.failures.retry(now)
  }
}

/** Nothing of ours has this metric any more. */
function forget(table: RouteTable, row: PrefixId, metric: number): void {
  if (table.other[row] === metric) table.other[row] = NO_PLACE
  else table.setSeen(row, NONE, NO_PLACE)
}
