import { type Millis, millis, type Prng } from '../base/index.ts'
import { maxLength, type PrefixId } from '../net/index.ts'
import { EEXIST, ENODEV, isShared, type RouteVerb } from '../rtnl/index.ts'
import type { KernelOutput, ObjectChange, Refusal } from './ports.ts'
import { Audit, type Loss } from './reading/audit.ts'
import { NONE } from './table/counted.ts'
import type { Objects } from './table/objects.ts'
import {
  DIRTY,
  DYING,
  IN_FLIGHT,
  LEFTOVER,
  LOST,
  NO_PLACE,
  NOT_ALLOWED,
  OVER_LIMIT,
  PENDING,
  prefixId,
  type RouteTable,
  type Shared,
  WORDS_OF_OURS,
  YIELDED,
} from './table/route-table.ts'
import { LengthQueue, RowQueue } from './table/row-queue.ts'
import type { Allowance, AuditRule } from './types.ts'
import { Allowed } from './writing/allowed.ts'
import { Answers } from './writing/answers.ts'
import { Batch, codeOf } from './writing/batch.ts'
import { Failures } from './writing/failures.ts'
import { Holds } from './writing/holds.ts'
import { maySweep, type SweepRule } from './writing/sweep.ts'

/** Makes the kernel's routes what is wanted: the difference, in batches, and what refusals mean. */

/** What the reconciler is told when it is made. */
export interface ReconcilerOptions {
  readonly shared: Shared
  readonly tables: readonly [RouteTable, RouteTable]
  readonly output: KernelOutput
  readonly objects: Objects
  readonly chance: Prng
  readonly routesMax: number
  readonly sweep: SweepRule
  readonly audit: readonly AuditRule[]
  readonly allow: Allowance | undefined
  /** Something does not fit what is known: a dump should tell. */
  readonly doubt: (now: Millis) => void
  /** Rows that were refused may be tried again: look at all of them. */
  readonly revisit: () => void
}

/**
 * Who took a route of ours out: the kernel, as it does when a link goes down; a stranger, some time
 * ago; or one who does it now, and may go on.
 */
export type Blame = 'kernel' | 'stranger' | 'contender'

/** `clear`: what of ours is in another place is deleted. */
type Plan = 'nothing' | 'clear' | RouteVerb

/**
 * The difference between wanted and seen, level-triggered: a row is marked, and decided when its
 * turn comes.
 *
 *   touch -> dirty (FIFO) --plan--> add, replace ---\
 *                          \-> dying (by length) ----+--> batch --commit--> kernel
 *   rows <-------------------- written -----------------------------------------/
 *
 * Replacing is one step in the kernel. Deletions go after all that is to be written, more specific
 * ones first, so that no packet meets a gap between two states; nexthop objects before the routes
 * that name them, and out again only when none does. A route that gets another metric is added at
 * that before it is deleted where it was. One batch is in flight; its rows are not planned again
 * until its results are in. Never sorts: the kernel is slow on sorted input.
 */
export class Reconciler {
  readonly holds: Holds
  readonly failures: Failures
  readonly audit: Audit
  readonly allowed: Allowed
  readonly #answers: Answers
  readonly #options: ReconcilerOptions
  readonly #dirty = new RowQueue()
  readonly #dying = new LengthQueue()
  readonly #batch: Batch
  #full = false

  constructor(options: ReconcilerOptions) {
    this.#options = options
    const { shared, tables, output, objects, chance, doubt, revisit } = options
    this.failures = new Failures(shared, output, chance)
    this.holds = new Holds(shared.groups, output, chance)
    this.audit = new Audit(options.audit, output)
    this.allowed = new Allowed(options.allow, shared.groups, output)
    this.#batch = new Batch(shared, output)
    this.#answers = new Answers({
      ...{ shared, tables, output, objects, doubt, revisit },
      ...{ holds: this.holds, failures: this.failures, audit: this.audit },
      again: (table, row) => this.#again(table, row),
    })
  }

  /** When something that failed is to be tried again. */
  get next(): Millis {
    const [first, second] = this.#options.tables
    const paused = Math.min(first.fights.next, second.fights.next)
    return millis(Math.min(this.failures.next, this.holds.next, paused))
  }

  /** True while the kernel has not answered the last batch. */
  get inFlight(): boolean {
    return this.#batch.inFlight
  }

  /** True when `routesMax` routes are in the kernel and more are wanted. */
  get frozen(): boolean {
    return this.#full
  }

  /** True when nothing waits and nothing is in flight. */
  get idle(): boolean {
    return !this.#batch.inFlight && this.#waiting === 0
  }

  get #waiting(): number {
    const { objects } = this.#options
    return this.#dirty.size + this.#dying.size + objects.waiting
  }

  /** Something about the row has changed: it is decided when its turn comes. O(1). */
  touch(table: RouteTable, row: number): void {
    table.recount(row)
    if ((table.flags[row]! & (DIRTY | IN_FLIGHT)) !== 0) return
    table.flags[row]! |= DIRTY
    this.#dirty.push(codeOf(table, row))
  }

  /** Routes that somebody took out and that were put back. */
  get repaired(): number {
    return this.#answers.repaired
  }

  /** Our route has gone, or is another's now. O(rules of the audit). */
  lost(table: RouteTable, row: PrefixId, blame: Blame, loss: Loss, now: Millis): void {
    if (table.wantOf(row) !== NONE) {
      // a loss is news: what failed before it may work now
      table.errno[row] = 0
      if (blame !== 'kernel') this.#suffer(table, row, blame, loss, now)
    }
    this.touch(table, row)
  }

  /** Somebody did it: the audit's rules say whether it is put right, the fights how soon. */
  #suffer(table: RouteTable, row: PrefixId, blame: Blame, loss: Loss, now: Millis): void {
    this.#options.shared.version++
    if (!this.audit.lost(table, row, loss, now)) {
      table.errno[row] = YIELDED
      return
    }
    table.flags[row]! |= LOST
    if (blame !== 'contender') return
    const { times, pause } = table.fights.lost(row, now)
    if (pause === 0) return
    const prefix = table.prefixes.text(row)
    const { by } = loss
    this.#options.output.note({ code: 'ROUTE_CONTESTED', prefix, by, times, pause })
  }

  /** What was due at `now` is tried again. O(groups that fail + fights). */
  tick(now: Millis): void {
    const { tables, revisit } = this.#options
    if (this.failures.due(now)) {
      this.retrying = true
      revisit()
    }
    for (const table of tables) for (const row of table.fights.due(now)) this.touch(table, row)
    const freed = this.holds.due(now, (hold, group) => {
      const table = this.#tableOf(hold.probe)
      const row = hold.probe >>> 1
      if (!table.prefixes.has(row) || table.wantOf(row) !== group) return false
      // there is nothing that it could try
      if (table.isAsWanted(row)) return false
      table.errno[row] = 0
      this.touch(table, row)
      return true
    })
    if (freed) revisit()
  }

  /** Rows refused for reasons of their own may be tried again, until the walk has ended. */
  retrying = false

  /** Forgets why a row was refused, where that may be over. */
  forgive(table: RouteTable, row: number): void {
    const errno = table.errno[row]!
    if (errno === 0) return
    const { groups } = this.#options.shared
    const want = table.wantOf(row)
    const held = want !== NONE && groups.get(want).hold !== undefined
    if (isShared(errno) && !held) table.errno[row] = 0
    else if (errno === EEXIST && table.foreign[row] === 0) table.errno[row] = 0
    else if (errno === OVER_LIMIT && !this.#isFull()) table.errno[row] = 0
    else if (errno === NOT_ALLOWED && !this.allowed.forbids(table, row, want)) table.errno[row] = 0
    else if (errno >= WORDS_OF_OURS) return
    else if (this.retrying && !isShared(errno) && errno !== EEXIST) table.errno[row] = 0
  }

  /**
   * Fills a batch with at most `budget` rows and hands it to the kernel. True when more waits and
   * could go now; while a batch is in flight nothing can.
   */
  work(budget: number, now: Millis): boolean {
    const batch = this.#batch
    if (batch.inFlight) return false
    const { shared, objects, sweep } = this.#options
    // one change for all routes of a group, so it goes before those that are about one route
    objects.flush(batch)
    for (let left = budget; left > 0 && !batch.full; left--) if (!this.#next(now)) break
    if (this.#waiting === 0 && sweep.speaker && batch.size === 0)
      objects.collect(batch, key => shared.targets.has(key))
    if (batch.size === 0) return this.#waiting > 0
    batch.commit()
    return false
  }

  /** The results of batch `number`. `refusals` are in the batch's order. O(batch). */
  written(number: number, refusals: readonly Refusal[], now: Millis): void {
    const batch = this.#batch
    if (!batch.inFlight || number !== batch.number) return
    const present = this.#options.shared.present
    let next = 0
    for (let at = 0; at < batch.size; at++) {
      const refused = refusals[next]?.at === at ? refusals[next++] : undefined
      const object = batch.objectAt(at)
      if (object !== undefined && refused !== undefined) this.#refused(object, refused, now)
      const sent = batch.sent(at)
      if (sent === undefined) continue
      this.#answers.take(sent, refused, now)
      batch.forget(sent)
    }
    batch.clear()
    if (this.#full && this.#options.shared.present < present && !this.#isFull()) {
      this.#full = false
      this.#options.revisit()
    }
  }

  /** All routes of a group look again at what it is; the kernel's word on why is in the group. */
  #refused(change: ObjectChange, refusal: Refusal, now: Millis): void {
    if (this.#options.objects.answered(change, refusal)) this.#options.doubt(now)
    this.#options.revisit()
  }

  #isFull(): boolean {
    return this.#options.shared.present + this.#batch.adds >= this.#options.routesMax
  }

  #tableOf(code: number): RouteTable {
    return this.#options.tables[(code & 1) === 0 ? 0 : 1]
  }

  /** Plans the next row that waits. False when none does. */
  #next(now: Millis): boolean {
    const dirty = this.#dirty.shift()
    if (dirty >= 0) {
      const table = this.#tableOf(dirty)
      const row = prefixId(dirty >>> 1)
      table.flags[row]! &= ~DIRTY
      const plan = this.#plan(table, row, now)
      if (plan !== 'delete' && plan !== 'clear') this.#emit(table, row, plan)
      else if ((table.flags[row]! & DYING) === 0) {
        table.flags[row]! |= DYING
        this.#dying.push(table.prefixes.length(row), dirty)
      }
      return true
    }
    return this.#nextDeletion(now)
  }

  #nextDeletion(now: Millis): boolean {
    const code = this.#dying.shift()
    if (code < 0) return false
    const table = this.#tableOf(code)
    const row = prefixId(code >>> 1)
    table.flags[row]! &= ~DYING
    this.#emit(table, row, this.#plan(table, row, now))
    return true
  }

  #plan(table: RouteTable, row: PrefixId, now: Millis): Plan {
    // planned again with its answer; both queues may name one row
    if ((table.flags[row]! & IN_FLIGHT) !== 0) return 'nothing'
    const { groups } = this.#options.shared
    const want = table.wantOf(row)
    const have = table.seen[row]!
    if (want === NONE) return this.#remove(table, row)
    if (this.allowed.forbids(table, row, want)) {
      this.allowed.refuse(table, row)
      return this.#remove(table, row)
    }
    if (table.isAsWanted(row)) {
      table.errno[row] = 0
      table.flags[row]! &= ~LOST
      return table.other[row] === NO_PLACE ? 'nothing' : 'clear'
    }
    // a stranger has this place: it is not replaced, and what we have beside it is left as it is
    if (table.foreign[row] !== 0) table.errno[row] = EEXIST
    if (table.errno[row] === EEXIST) return elsewhere(table, row)
    if (table.errno[row] !== 0 || table.fights.paused(row, now)) return 'nothing'
    if (have === NONE && this.#isFull()) return this.#refuseForLimit(table, row)
    table.errno[row] = this.holds.blocks(want)
    if (table.errno[row] !== 0) return 'nothing'
    if (groups.resolve(want) === NONE) {
      table.errno[row] = ENODEV
      this.holds.refused(want, codeOf(table, row), { errno: ENODEV }, now)
      return 'nothing'
    }
    const { metric } = groups.get(want)
    if (table.other[row] === metric) return 'replace'
    if (have === NONE) return 'add'
    if (table.metric[row] === metric) return 'replace'
    return table.other[row] === NO_PLACE ? 'add' : 'clear'
  }

  /** What is in the kernel is not to be there. */
  #remove(table: RouteTable, row: PrefixId): Plan {
    if (!this.maySweep(table, row)) return 'nothing'
    if (table.seen[row] !== NONE) return 'delete'
    return table.other[row] === NO_PLACE ? 'nothing' : 'clear'
  }

  /** True when ours is in the kernel and is not to be: nobody wants it, or it is not allowed. */
  isLeft(table: RouteTable, row: number): boolean {
    if (table.standing(row) === LEFTOVER) return true
    return table.errno[row] === NOT_ALLOWED && table.seen[row] !== NONE
  }

  /** True when our route in the kernel, which nobody wants, may be deleted. */
  maySweep(table: RouteTable, row: PrefixId): boolean {
    const { shared, sweep } = this.#options
    // where another one of ours leads is not known
    if (table.seen[row] === NONE) return sweep.speaker && sweep.intent
    const host = table.prefixes.length(row) === maxLength(table.family)
    const target = shared.targets.get(table.seen[row]!)
    return maySweep({ target, host, told: table.told[row]! }, sweep)
  }

  #refuseForLimit(table: RouteTable, row: number): Plan {
    table.errno[row] = OVER_LIMIT
    if (!this.#full)
      this.#options.output.note({ code: 'ROUTES_FULL', limit: this.#options.routesMax })
    this.#full = true
    return 'nothing'
  }

  #emit(table: RouteTable, row: PrefixId, plan: Plan): void {
    if (plan === 'nothing') {
      table.recount(row)
      table.settle(row)
      return
    }
    const batch = this.#batch
    const { groups } = this.#options.shared
    if (plan === 'clear') batch.add(table, row, 'delete', table.other[row]!)
    else if (plan === 'delete') batch.add(table, row, plan, table.metric[row]!)
    else {
      const want = table.wantOf(row)
      groups.prepare(want, batch)
      batch.add(table, row, plan, groups.get(want).metric)
    }
  }

  /**
   * After an answer: what was told meanwhile, or what the answer means, may want another change.
   */
  #again(table: RouteTable, row: PrefixId): void {
    table.recount(row)
    const mustGo = this.isLeft(table, row) && this.maySweep(table, row)
    const moves = table.standing(row) === PENDING || table.other[row] !== NO_PLACE
    if (moves || mustGo) this.touch(table, row)
    else table.settle(row)
  }
}

/** What is not where it is wanted goes, though it cannot come there: nobody wants it as it is. */
function elsewhere(table: RouteTable, row: number): Plan {
  const place = table.placeOf(row)
  if (table.seen[row] !== NONE && table.metric[row] !== place) return 'delete'
  const other = table.other[row]!
  return other === NO_PLACE || other === place ? 'nothing' : 'clear'
}
