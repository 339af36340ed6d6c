import { type Millis, millis, type Prng } from '../base/index.ts'
import { maxLength, type PrefixId } from '../net/index.ts'
import { EEXIST, ENOBUFS, ENODEV, ENOENT, ESRCH, isShared, type RouteVerb } from '../rtnl/index.ts'
import type { KernelOutput, ObjectChange, Refusal } from './ports.ts'
import { NONE } from './table/counted.ts'
import type { Objects } from './table/objects.ts'
import {
  DIRTY,
  DOUBT,
  DYING,
  IN_FLIGHT,
  LEFTOVER,
  LOST,
  OVER_LIMIT,
  PENDING,
  prefixId,
  type RouteTable,
  type Shared,
} from './table/route-table.ts'
import { LengthQueue, RowQueue } from './table/row-queue.ts'
import { Batch, codeOf, type Sent, type Stray } from './writing/batch.ts'
import { Failures } from './writing/failures.ts'
import { Holds } from './writing/holds.ts'
import { maySweep, type SweepRule } from './writing/sweep.ts'

/** Makes the kernel's routes what is wanted: the difference, in batches, and what refusals mean. */

/** Routes of ours with another metric that wait to be deleted; the next dump finds those beyond. */
const STRAYS_MAX = 4_096

/** What the reconciler is told when it is made. */
export interface ReconcilerOptions {
  readonly shared: Shared
  readonly tables: readonly [RouteTable, RouteTable]
  readonly output: KernelOutput
  readonly objects: Objects
  readonly chance: Prng
  readonly metric: number
  readonly routesMax: number
  readonly sweep: SweepRule
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

type Plan = 'nothing' | RouteVerb

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
 * that name them, and out again only when none does. One batch is in flight; its rows
 * are not planned again until its results are in. Never sorts: the kernel is slow on sorted input.
 */
export class Reconciler {
  readonly holds: Holds
  /** routes that somebody took out and that were put back */
  repaired = 0
  readonly failures: Failures
  readonly #options: ReconcilerOptions
  readonly #dirty = new RowQueue()
  readonly #dying = new LengthQueue()
  readonly #strays: Stray[] = []
  readonly #batch: Batch
  #full = false

  constructor(options: ReconcilerOptions) {
    this.#options = options
    this.failures = new Failures(options.shared, options.output, options.chance)
    this.holds = new Holds(options.shared.groups, options.output, options.chance)
    this.#batch = new Batch(options.shared, options.output, options.metric)
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

  /** True when nothing waits and nothing is in flight. */
  get idle(): boolean {
    return !this.#batch.inFlight && this.#waiting === 0
  }

  get #waiting(): number {
    const { objects } = this.#options
    return this.#dirty.size + this.#dying.size + this.#strays.length + objects.waiting
  }

  /** Something about the row has changed: it is decided when its turn comes. O(1). */
  touch(table: RouteTable, row: number): void {
    table.recount(row)
    if ((table.flags[row]! & (DIRTY | IN_FLIGHT)) !== 0) return
    table.flags[row]! |= DIRTY
    this.#dirty.push(codeOf(table, row))
  }

  /** Our route has gone, or is another's now. */
  lost(table: RouteTable, row: PrefixId, blame: Blame, now: Millis): void {
    if (table.wantOf(row) !== NONE) {
      if (blame !== 'kernel') table.flags[row]! |= LOST
      // a loss is news: what failed before it may work now
      table.errno[row] = 0
      if (blame === 'contender') {
        const { times, pause } = table.fights.lost(row, now)
        if (pause > 0)
          this.#options.output.note({
            code: 'ROUTE_CONTESTED',
            prefix: table.prefixes.text(row),
            times,
            pause,
          })
      }
    }
    this.touch(table, row)
  }

  /** Takes a stray to delete. False when there are too many now: the next dump finds it again. */
  stray(stray: Stray): boolean {
    if (this.#strays.length >= STRAYS_MAX) return false
    this.#strays.push(stray)
    return true
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
      this.#answered(sent, refused, now)
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
      if (plan !== 'delete') this.#emit(table, row, plan)
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
    if (code < 0) {
      const stray = this.#strays.pop()
      if (stray === undefined) return false
      this.#batch.addStray(stray)
      return true
    }
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
    if (want === NONE) return have !== NONE && this.maySweep(table, row) ? 'delete' : 'nothing'
    if (have !== NONE && groups.covers(want, have)) {
      table.errno[row] = 0
      table.flags[row]! &= ~LOST
      return 'nothing'
    }
    // a stranger has this place: it is not replaced, and what we have beside it is left as it is
    if (table.foreign[row] !== 0) table.errno[row] = EEXIST
    if (table.errno[row] !== 0 || table.fights.paused(row, now)) return 'nothing'
    if (have === NONE && this.#isFull()) return this.#refuseForLimit(table, row)
    table.errno[row] = this.holds.blocks(want)
    if (table.errno[row] !== 0) return 'nothing'
    if (groups.resolve(want) === NONE) {
      table.errno[row] = ENODEV
      this.holds.refused(want, codeOf(table, row), { errno: ENODEV }, now)
      return 'nothing'
    }
    return have === NONE ? 'add' : 'replace'
  }

  /** True when our route in the kernel, which nobody wants, may be deleted. */
  maySweep(table: RouteTable, row: PrefixId): boolean {
    const { shared, sweep } = this.#options
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
    if (plan !== 'delete') this.#options.shared.groups.prepare(table.wantOf(row), this.#batch)
    this.#batch.add(table, row, plan)
  }

  #answered(sent: Sent, refusal: Refusal | undefined, now: Millis): void {
    const table = this.#tableOf(sent.code)
    const row = prefixId(sent.code >>> 1)
    const doubted = (table.flags[row]! & DOUBT) !== 0
    table.flags[row]! &= ~(IN_FLIGHT | DOUBT)
    const object = this.#whyNot(sent.target)
    if (refusal === undefined) this.#done(table, row, sent)
    if (object !== undefined) {
      // whether or not the kernel took the route: it leads elsewhere than it should
      table.errno[row] = object.errno
      this.holds.refused(sent.want, sent.code, object, now)
      this.failures.count(table, row, object, now)
    } else if (refusal === undefined) {
      if (sent.verb !== 'delete' && this.holds.taken(sent.want)) this.#options.revisit()
    } else if (sent.verb !== 'add' && (refusal.errno === ESRCH || refusal.errno === ENOENT))
      this.#absent(table, row, sent.verb, now)
    else if (sent.verb !== 'delete' && isShared(refusal.errno)) {
      table.errno[row] = refusal.errno
      this.holds.refused(sent.want, sent.code, refusal, now)
      this.failures.count(table, row, refusal, now)
    } else this.#failed(table, row, refusal, now)
    if (sent.want !== NONE) this.holds.undecided(sent.want)
    if (doubted) this.#options.doubt(now)
    this.#again(table, row)
  }

  /**
   * After an answer: what was told meanwhile, or what the answer means, may want another change.
   */
  #again(table: RouteTable, row: PrefixId): void {
    table.recount(row)
    const standing = table.standing(row)
    if (standing === PENDING || (standing === LEFTOVER && this.maySweep(table, row)))
      this.touch(table, row)
    else table.settle(row)
  }

  #done(table: RouteTable, row: PrefixId, sent: Sent): void {
    table.setSeen(row, sent.target)
    table.heard[row] = this.#options.shared.dump
    if (sent.verb === 'delete') return
    table.errno[row] = 0
    if ((table.flags[row]! & LOST) !== 0) {
      table.flags[row]! &= ~LOST
      this.repaired++
      this.#options.shared.version++
      this.#options.output.note({ code: 'ROUTE_REPAIRED', prefix: table.prefixes.text(row) })
    }
  }

  /** What was to be deleted or replaced is not there: that is what we wanted to know. */
  #absent(table: RouteTable, row: PrefixId, verb: RouteVerb, now: Millis): void {
    const { groups } = this.#options.shared
    // but that of an object's says nothing of a route of ours that leads elsewhere
    if (verb === 'delete' && groups.isObject(table.seen[row]!)) this.#options.doubt(now)
    table.setSeen(row, NONE)
  }

  /** Why the kernel refused the object that a target is. */
  #whyNot(target: number): Omit<Refusal, 'at'> | undefined {
    const { shared, objects } = this.#options
    return target === NONE ? undefined : objects.errorOf(shared.targets.get(target).id)
  }

  #failed(table: RouteTable, row: PrefixId, refusal: Refusal, now: Millis): void {
    table.errno[row] = Math.min(refusal.errno, OVER_LIMIT - 1)
    this.failures.count(table, row, refusal, now)
    if (refusal.errno === EEXIST) {
      table.foreign[row] = this.#options.shared.dump
      this.#options.doubt(now)
      return
    }
    // answers were lost: what the kernel did is not known
    if (refusal.errno === ENOBUFS) this.#options.doubt(now)
    this.failures.retry(now)
  }
}
