import { after, type Millis, millis, NEVER, type Prng } from '../base/index.ts'
import type { Family, Prefix, PrefixId } from '../net/index.ts'
import {
  BLACKHOLE,
  EEXIST,
  ENOBUFS,
  ENODEV,
  ENOENT,
  ESRCH,
  errnoText,
  isAboutNextHop,
} from '../rtnl/index.ts'
import { NONE } from './counted.ts'
import { backOff, Holds } from './holds.ts'
import type { KernelOutput, Refusal, RouteChange } from './ports.ts'
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
} from './route-table.ts'
import { RowQueue } from './row-queue.ts'

/** Makes the kernel's routes what is wanted: the difference, in batches, and what to do with refusals. */

/** Changes in one batch. Above a hundred the kernel's speed does not depend on it. */
export const BATCH_MAX = 1_000

/** Routes of ours with another metric that wait to be deleted; the next dump finds those beyond. */
const STRAYS_MAX = 4_096

/** In the batch: not a row, but a stray. */
const STRAY = 0xffffffff

/** A retry that follows the last one by more than this starts over with short pauses. */
const RETRIES_FORGET = millis(60_000)

/** A route of ours at a metric that is not ours now: a dump found it, and it has no row. */
export interface Stray {
  readonly family: Family
  /** the network's octets first */
  readonly bytes: Uint8Array
  readonly length: number
  readonly metric: number
}

/** Whether what nobody wants may be deleted: not before its source has said all. */
export interface SweepRule {
  /** the speaker's table is complete, or it has been away for too long */
  speaker: boolean
  /** the node's intent is known */
  intent: boolean
}

/** What the reconciler is told when it is made. */
export interface ReconcilerOptions {
  readonly shared: Shared
  readonly tables: readonly [RouteTable, RouteTable]
  readonly output: KernelOutput
  readonly chance: Prng
  readonly metric: number
  readonly routesMax: number
  readonly sweep: SweepRule
  /** Something does not fit what is known: a dump should tell. */
  readonly doubt: (now: Millis) => void
  /** Rows that were refused may be tried again: look at all of them. */
  readonly revisit: () => void
}

/** The last route that the kernel refused. */
export interface LastFailure {
  readonly prefix: Prefix
  readonly error: string
  readonly at: Millis
}

type Plan = 'nothing' | 'add' | 'replace' | 'delete'

/**
 * The difference between wanted and seen, level-triggered: a row is marked, and decided when its turn comes.
 *
 *   touch -> dirty (FIFO) --plan--> add, replace ------\
 *                          \-> dying (by length) -------+--> batch --commit--> kernel --written--> rows
 *
 * Replacing is one step in the kernel. Deletions go after all that is to be written, more specific ones
 * first, so that no packet meets a gap between two states. One batch is in flight; its rows are not planned
 * again until its results are in. Never sorts: the kernel is slow on sorted input.
 */
export class Reconciler {
  readonly holds: Holds
  /** routes that somebody took out and that were put back */
  repaired = 0
  /** refusals, ever */
  failures = 0
  lastFailure: LastFailure | undefined
  readonly #o: ReconcilerOptions
  readonly #dirty = new RowQueue()
  /** rows to delete, by the length of their prefix */
  readonly #dying: RowQueue[] = Array.from({ length: 129 }, () => new RowQueue())
  #dyingSize = 0
  readonly #strays: Stray[] = []
  #batch = 0
  #busy = false
  #changes = 0
  #adds = 0
  readonly #codes = new Uint32Array(BATCH_MAX)
  readonly #plans: Plan[] = new Array<Plan>(BATCH_MAX).fill('nothing')
  readonly #wants = new Uint32Array(BATCH_MAX)
  readonly #targets = new Uint32Array(BATCH_MAX)
  readonly #change: RouteChange
  readonly #scratch = new Uint8Array(16)
  #retryAt: Millis = NEVER
  #retries = 0
  #retriedAt: Millis = millis(0)
  #full = false

  constructor(options: ReconcilerOptions) {
    this.#o = options
    this.holds = new Holds(options.shared.groups, options.output, options.chance)
    this.#change = {
      verb: 'add',
      family: 'ipv4',
      bytes: this.#scratch,
      offset: 0,
      length: 0,
      metric: options.metric,
      target: BLACKHOLE,
    }
  }

  /** When something that failed is to be tried again. */
  get next(): Millis {
    const [first, second] = this.#o.tables
    const paused = Math.min(first.fights.next, second.fights.next)
    return millis(Math.min(this.#retryAt, this.holds.next, paused))
  }

  /** True when nothing waits and nothing is in flight. */
  get idle(): boolean {
    return !this.#busy && this.#waiting === 0
  }

  get #waiting(): number {
    return this.#dirty.size + this.#dyingSize + this.#strays.length
  }

  /** Something about the row has changed: it is decided when its turn comes. O(1). */
  touch(table: RouteTable, row: number): void {
    table.recount(row)
    if ((table.flags[row]! & (DIRTY | IN_FLIGHT)) !== 0) return
    table.flags[row]! |= DIRTY
    this.#dirty.push(codeOf(table, row))
  }

  /** Our route has gone, or is another's now. `contested`: somebody did it just now, not an event of a link. */
  lost(table: RouteTable, row: PrefixId, contested: boolean, now: Millis): void {
    if (table.wantOf(row) !== NONE) {
      table.flags[row]! |= LOST
      // a loss is news: what failed before it may work now
      table.errno[row] = 0
      if (contested) {
        const { times, pause } = table.fights.lost(row, now)
        if (pause > 0)
          this.#o.output.note({
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
    const { tables, revisit } = this.#o
    if (now >= this.#retryAt) {
      this.#retryAt = NEVER
      this.#retriedAt = now
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

  /** Rows that were refused for reasons of their own may be tried again, until the walk has ended. */
  retrying = false

  /** Forgets why a row was refused, where that may be over. */
  forgive(table: RouteTable, row: number): void {
    const errno = table.errno[row]!
    if (errno === 0) return
    const { groups } = this.#o.shared
    const want = table.wantOf(row)
    const held = want !== NONE && groups.get(want).hold !== undefined
    if (isAboutNextHop(errno) && !held) table.errno[row] = 0
    else if (errno === EEXIST && table.foreign[row] === 0) table.errno[row] = 0
    else if (errno === OVER_LIMIT && !this.#isFull()) table.errno[row] = 0
    else if (this.retrying && !isAboutNextHop(errno) && errno !== EEXIST) table.errno[row] = 0
  }

  /**
   * Fills a batch with at most `budget` rows and hands it to the kernel. True when more waits and could go
   * now; while a batch is in flight nothing can.
   */
  work(budget: number, now: Millis): boolean {
    if (this.#busy) return false
    for (let left = budget; left > 0 && this.#changes < BATCH_MAX; left--)
      if (!this.#next(now)) break
    if (this.#changes === 0) return this.#waiting > 0
    this.#busy = true
    this.#o.output.commit(++this.#batch)
    return false
  }

  /** The results of the batch in flight. `refusals` are in the batch's order. O(batch). */
  written(batch: number, refusals: readonly Refusal[], now: Millis): void {
    if (!this.#busy || batch !== this.#batch) return
    this.#busy = false
    const present = this.#o.shared.present
    let next = 0
    for (let at = 0; at < this.#changes; at++) {
      const refusal = refusals[next]
      const refused = refusal?.at === at
      if (refused) next++
      if (this.#codes[at] !== STRAY) this.#answered(at, refused ? refusal : undefined, now)
    }
    this.#changes = 0
    this.#adds = 0
    if (this.#full && this.#o.shared.present < present && !this.#isFull()) {
      this.#full = false
      this.#o.revisit()
    }
  }

  #isFull(): boolean {
    return this.#o.shared.present + this.#adds >= this.#o.routesMax
  }

  #tableOf(code: number): RouteTable {
    return this.#o.tables[(code & 1) === 0 ? 0 : 1]
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
        this.#dying[table.prefixes.length(row)]!.push(dirty)
        this.#dyingSize++
      }
      return true
    }
    return this.#nextDeletion(now)
  }

  #nextDeletion(now: Millis): boolean {
    if (this.#dyingSize === 0) {
      const stray = this.#strays.pop()
      if (stray === undefined) return false
      this.#emitStray(stray)
      return true
    }
    let length = 128
    while (this.#dying[length]!.size === 0) length--
    const code = this.#dying[length]!.shift()
    this.#dyingSize--
    const table = this.#tableOf(code)
    const row = prefixId(code >>> 1)
    table.flags[row]! &= ~DYING
    this.#emit(table, row, this.#plan(table, row, now))
    return true
  }

  #plan(table: RouteTable, row: PrefixId, now: Millis): Plan {
    // planned again with its answer; both queues may name one row
    if ((table.flags[row]! & IN_FLIGHT) !== 0) return 'nothing'
    const { groups } = this.#o.shared
    const want = table.wantOf(row)
    const have = table.seen[row]!
    if (want === NONE) return have !== NONE && this.maySweep(have) ? 'delete' : 'nothing'
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

  /** True when a route of ours that leads to `target` and that nobody wants may be deleted. */
  maySweep(target: number): boolean {
    const { shared, sweep } = this.#o
    // only the node's intent has blackholes, only the speaker has the rest
    return shared.targets.get(target).kind === 'blackhole' ? sweep.intent : sweep.speaker
  }

  #refuseForLimit(table: RouteTable, row: number): Plan {
    table.errno[row] = OVER_LIMIT
    if (!this.#full) this.#o.output.note({ code: 'ROUTES_FULL', limit: this.#o.routesMax })
    this.#full = true
    return 'nothing'
  }

  #emit(table: RouteTable, row: PrefixId, plan: Plan): void {
    if (plan === 'nothing') {
      table.recount(row)
      table.settle(row)
      return
    }
    const { groups, targets } = this.#o.shared
    const at = this.#changes++
    const want = plan === 'delete' ? NONE : table.wantOf(row)
    const target = plan === 'delete' ? NONE : groups.resolve(want)
    groups.keep(want)
    targets.keep(target)
    this.#codes[at] = codeOf(table, row)
    this.#plans[at] = plan
    this.#wants[at] = want
    this.#targets[at] = target
    table.flags[row]! |= IN_FLIGHT
    if (plan === 'add') this.#adds++
    const change = this.#change
    change.verb = plan
    change.family = table.family
    change.length = table.prefixes.length(row)
    change.metric = this.#o.metric
    change.bytes = this.#scratch
    change.target = target === NONE ? BLACKHOLE : targets.get(target)
    table.prefixes.write(row, this.#scratch, 0)
    this.#o.output.change(change)
  }

  #emitStray(stray: Stray): void {
    this.#codes[this.#changes++] = STRAY
    const change = this.#change
    change.verb = 'delete'
    change.family = stray.family
    change.length = stray.length
    change.metric = stray.metric
    change.bytes = stray.bytes
    change.target = BLACKHOLE
    this.#o.output.change(change)
  }

  #answered(at: number, refusal: Refusal | undefined, now: Millis): void {
    const { shared } = this.#o
    const code = this.#codes[at]!
    const table = this.#tableOf(code)
    const row = prefixId(code >>> 1)
    const want = this.#wants[at]!
    const target = this.#targets[at]!
    const plan = this.#plans[at]!
    const doubted = (table.flags[row]! & DOUBT) !== 0
    table.flags[row]! &= ~(IN_FLIGHT | DOUBT)
    if (refusal === undefined) this.#done(table, row, want, target)
    else if (refusal.errno === ESRCH || refusal.errno === ENOENT) {
      // what was to be deleted or replaced is not there: that is what we wanted to know
      if (plan === 'add') this.#failed(table, row, refusal, now)
      else table.setSeen(row, NONE)
    } else if (plan !== 'delete' && isAboutNextHop(refusal.errno)) {
      table.errno[row] = refusal.errno
      this.holds.refused(want, code, refusal, now)
      this.#count(table, row, refusal, now)
    } else this.#failed(table, row, refusal, now)
    shared.groups.drop(want)
    shared.targets.drop(target)
    if (doubted) this.#o.doubt(now)
    this.#again(table, row)
  }

  /** After an answer: what was told meanwhile, or what the answer means, may want another change. */
  #again(table: RouteTable, row: PrefixId): void {
    table.recount(row)
    const standing = table.standing(row)
    if (standing === PENDING || (standing === LEFTOVER && this.maySweep(table.seen[row]!)))
      this.touch(table, row)
    else table.settle(row)
  }

  #done(table: RouteTable, row: PrefixId, want: number, target: number): void {
    table.setSeen(row, target)
    table.heard[row] = this.#o.shared.dump
    if (target === NONE) return
    table.errno[row] = 0
    if ((table.flags[row]! & LOST) !== 0) {
      table.flags[row]! &= ~LOST
      this.repaired++
      this.#o.shared.version++
      this.#o.output.note({ code: 'ROUTE_REPAIRED', prefix: table.prefixes.text(row) })
    }
    if (this.holds.taken(want)) this.#o.revisit()
  }

  #failed(table: RouteTable, row: PrefixId, refusal: Refusal, now: Millis): void {
    table.errno[row] = Math.min(refusal.errno, OVER_LIMIT - 1)
    this.#count(table, row, refusal, now)
    if (refusal.errno === EEXIST) {
      table.foreign[row] = this.#o.shared.dump
      this.#o.doubt(now)
      return
    }
    // answers were lost: what the kernel did is not known
    if (refusal.errno === ENOBUFS) this.#o.doubt(now)
    if (this.#retryAt !== NEVER) return
    this.#retries = now - this.#retriedAt > RETRIES_FORGET ? 1 : this.#retries + 1
    this.#retryAt = after(now, backOff(this.#retries, this.#o.chance))
  }

  #count(table: RouteTable, row: PrefixId, refusal: Refusal, now: Millis): void {
    const error = refusal.text ?? errnoText(refusal.errno)
    const prefix = table.prefixes.text(row)
    this.failures++
    this.#o.shared.version++
    this.lastFailure = { prefix, error, at: now }
    // of a next hop that fails, the hold tells once for all
    if (!isAboutNextHop(refusal.errno))
      this.#o.output.note({ code: 'ROUTE_REFUSED', prefix, error })
  }
}

/** A row of either table as one number: what the queues and the batch hold. */
function codeOf(table: RouteTable, row: number): number {
  return row * 2 + (table.family === 'ipv4' ? 0 : 1)
}
