import { Bitset, grownInt32, type Millis } from '../../base/index.ts'
import type { Epoch, FibWriter, GroupId, NextHopGroup, NextHopName } from '../../fib/index.ts'
import { FAMILIES, type Family, type PrefixId } from '../../net/index.ts'
import { type Program, REJECTED } from '../../policy/index.ts'
import {
  type AttributeSetId,
  CHANGES,
  type GroupListener,
  type LocRib,
  type NextHops,
  NO_GROUP,
  type TrackListener,
} from '../../rib/index.ts'
import type { Tables } from '../tables.ts'
import { Judge } from './judge.ts'

/** What the dataplane is told: the difference from what it was told before. */

/** The walk is over. */
const DONE = Number.POSITIVE_INFINITY

/**
 * One family's part.
 *
 *   row (PrefixId)   told       GroupId that the dataplane has, or NO_GROUP   4 bytes
 *                    routes     waits to be said                              1 bit
 *                    withdraws  waits to be taken back                        1 bit
 *
 * Each told row holds a reference to its group and to its row. `walk` goes over the table once an
 * epoch: what is at or after it has not been said in this epoch, whatever `told` holds. `review`
 * goes over it once a policy has changed.
 */
class FamilyFeed {
  readonly #locRib: LocRib
  readonly #nextHops: NextHops
  readonly #fib: FibWriter
  #told = new Int32Array(0)
  readonly #routes = new Bitset()
  readonly #withdraws = new Bitset()
  readonly #scratch = new Uint8Array(16)
  readonly #tables: Tables
  #judge: Judge | undefined
  #walk = DONE
  #review = DONE

  constructor(locRib: LocRib, tables: Tables, fib: FibWriter) {
    this.#locRib = locRib
    this.#tables = tables
    this.#nextHops = tables.nextHops
    this.#fib = fib
  }

  /** From now on only what `program` accepts is told; undefined: everything. */
  set program(program: Program | undefined) {
    this.#judge = program && new Judge(program, this.#locRib.family, this.#tables)
    this.#review = 0
  }

  /** Everything has been said. */
  get idle(): boolean {
    const waiting = this.#routes.size + this.#withdraws.size
    return this.#walk === DONE && this.#review === DONE && waiting === 0
  }

  /** A change of policy has not been carried through. */
  get reviews(): boolean {
    return this.#review !== DONE
  }

  /** Bytes of the columns. */
  get bytes(): number {
    return 4 * this.#told.length
  }

  /** A dataplane has come, or gone: what it was told counts for nothing. O(rows that wait). */
  restart(): void {
    for (const bits of [this.#routes, this.#withdraws])
      for (let row = bits.take(); row >= 0; row = bits.take()) this.#locRib.drop(row as PrefixId)
    this.#walk = 0
    this.#review = DONE
  }

  /** Considers further rows after a change of policy, at most `rows`. */
  review(rows: number): void {
    const last = this.#locRib.prefixes.rows
    const end = Math.min(last, this.#review + rows)
    for (; this.#review < end; this.#review++)
      if (this.#locRib.prefixes.has(this.#review)) this.consider(this.#review as PrefixId)
    if (this.#review >= last) this.#review = DONE
  }

  /** The next hops of a row, or what the policy says of it, may have changed. */
  consider(row: PrefixId): void {
    // the walk will come to it
    if (row >= this.#walk) return
    const wanted = this.#wanted(row)
    const told = this.#toldOf(row)
    this.#locRib.hold(row)
    if (this.#routes.delete(row)) this.#locRib.drop(row)
    if (this.#withdraws.delete(row)) this.#locRib.drop(row)
    if (wanted === told) this.#locRib.drop(row)
    else if (wanted === NO_GROUP) this.#withdraws.add(row)
    else this.#routes.add(row)
  }

  /** Takes back what waits. Withdrawals need no credit and wait for no route. */
  withdraw(budget: number): number {
    let done = 0
    for (; done < budget; done++) {
      const row = this.#withdraws.take() as PrefixId
      if (row < 0) break
      const octets = this.#locRib.prefixes.write(row, this.#scratch, 0)
      const bytes = this.#scratch.subarray(0, octets)
      this.#fib.withdraw(this.#locRib.family, bytes, 0, this.#locRib.prefixes.length(row))
      this.#tell(row, NO_GROUP)
      this.#locRib.drop(row)
    }
    return done
  }

  /** Says what waits, at most `budget` rows. */
  route(budget: number): number {
    let done = 0
    for (; done < budget; done++) {
      const row = this.#routes.take() as PrefixId
      if (row < 0) break
      this.#say(row)
      this.#locRib.drop(row)
    }
    return done
  }

  /**
   * Goes on with the walk.
   *
   * @param rows     most rows to look at
   * @param credit   most routes to say; NONE of them while no dataplane listens
   * @returns routes said
   */
  walk(rows: number, credit: number, listens: boolean): number {
    const last = this.#locRib.prefixes.rows
    const end = Math.min(last, this.#walk + rows)
    let said = 0
    for (; this.#walk < end; this.#walk++) {
      const row = this.#walk as PrefixId
      if (!this.#locRib.prefixes.has(row)) continue
      const wanted = listens ? this.#wanted(row) : NO_GROUP
      if (wanted === NO_GROUP) this.#tell(row, NO_GROUP)
      else if (said === credit) return said
      else {
        this.#say(row)
        said++
      }
    }
    // without a listener the walk stays over at the end: nothing is considered until one comes
    if (this.#walk >= last) this.#walk = DONE
    return said
  }

  /** The metric that Calico has a route's LOCAL_PREF mean would be said from here, too. */
  #wanted(row: PrefixId): GroupId {
    const group = this.#locRib.group[row] as GroupId
    if (this.#judge === undefined || group === NO_GROUP) return group
    const best = this.#locRib.best[row] as AttributeSetId
    return this.#judge.outcome(row, best, false) === REJECTED ? NO_GROUP : group
  }

  #say(row: PrefixId): void {
    const group = this.#locRib.group[row] as GroupId
    const { prefixes, family } = this.#locRib
    prefixes.write(row, this.#scratch, 0)
    this.#fib.route(family, this.#scratch, 0, prefixes.length(row), group)
    this.#tell(row, group)
  }

  #toldOf(row: PrefixId): GroupId {
    return row < this.#told.length ? (this.#told[row] as GroupId) : NO_GROUP
  }

  #tell(row: PrefixId, group: GroupId): void {
    const last = this.#toldOf(row)
    if (last === group) return
    if (row >= this.#told.length)
      this.#told = grownInt32(this.#told, this.#locRib.prefixes.capacity, NO_GROUP)
    this.#told[row] = group
    if (group !== NO_GROUP) this.#nextHops.holdGroupAgain(group)
    if (last !== NO_GROUP) this.#nextHops.releaseGroup(last)
    if (last === NO_GROUP) this.#locRib.hold(row)
    else if (group === NO_GROUP) this.#locRib.drop(row)
  }
}

/**
 * Both families, epochs, credit and in-sync.
 *
 * `FibUp` begins an epoch: all next hops, groups and routes are said again, then what changes.
 * In-sync follows once the walk is over, nothing waits, and the owner says that its table is
 * complete. A route costs a credit, a withdrawal none.
 */
export class FibFeed implements GroupListener, TrackListener {
  readonly #fib: FibWriter
  readonly #nextHops: NextHops
  readonly #families: Readonly<Record<Family, FamilyFeed>>
  #up = false
  #frozen = false
  #credit = 0
  #epoch = 0
  #inSync = false
  #program: Program | undefined

  constructor(tables: Tables, fib: FibWriter) {
    this.#fib = fib
    this.#nextHops = tables.nextHops
    tables.nextHops.listen(this)
    this.#families = {
      ipv4: new FamilyFeed(tables.locRibs.ipv4, tables, fib),
      ipv6: new FamilyFeed(tables.locRibs.ipv6, tables, fib),
    }
  }

  /** Said in this epoch that all has been said. */
  get inSync(): boolean {
    return this.#inSync
  }

  /** True while a dataplane listens and lacks nothing but `inSync`. */
  get awaitsSync(): boolean {
    return this.#up && !this.#inSync && FAMILIES.every(family => this.#families[family].idle)
  }

  /** The policy that best routes are told by; undefined: all of them are. */
  get program(): Program | undefined {
    return this.#program
  }

  set program(program: Program | undefined) {
    if (program === this.#program) return
    this.#program = program
    for (const family of FAMILIES) this.#families[family].program = program
  }

  /** Which `CHANGES` of a row it is to be told of. */
  get concern(): number {
    return this.#program?.looksAtAttributes ? CHANGES.GROUP | CHANGES.BEST : CHANGES.GROUP
  }

  /** Bytes of the columns. */
  get bytes(): number {
    return FAMILIES.reduce((sum, family) => sum + this.#families[family].bytes, 0)
  }

  /** A dataplane listens. It gives credit next. */
  begin(): void {
    if (this.#frozen) return
    this.#up = true
    this.#credit = 0
    this.#inSync = false
    this.#epoch++
    this.#fib.begin(this.#epoch as Epoch)
    this.#nextHops.repeat(this)
    for (const family of FAMILIES) this.#families[family].restart()
  }

  /** Nobody listens any more. */
  end(): void {
    this.#up = false
    for (const family of FAMILIES) this.#families[family].restart()
  }

  /** So many more routes may be said. */
  addCredit(routes: number): void {
    this.#credit += routes
  }

  /** From now on nothing is said: routes in the kernel stay as they are. */
  freeze(): void {
    this.#frozen = true
    this.#up = false
  }

  group(id: GroupId, hops: NextHopGroup): void {
    if (this.#up) this.#fib.group(id, hops)
  }

  dropGroup(id: GroupId): void {
    if (this.#up) this.#fib.dropGroup(id)
  }

  track(hop: NextHopName): void {
    if (this.#up) this.#fib.track(hop)
  }

  untrack(hop: NextHopName): void {
    if (this.#up) this.#fib.untrack(hop)
  }

  /** The next hops of a row may have changed. */
  consider(family: Family, row: PrefixId): void {
    if (this.#up) this.#families[family].consider(row)
  }

  /**
   * Says at most `budget` routes. True when more waits for its turn, not for credit.
   *
   * @param complete  asked once all is said: is the table what it should be, so that others may be
   * swept?
   */
  work(budget: number, now: Millis, complete: (now: Millis) => boolean): boolean {
    if (this.#frozen) return false
    let left = budget
    for (const family of FAMILIES) this.#families[family].review(budget)
    for (const family of FAMILIES) left -= this.#families[family].withdraw(left)
    for (const family of FAMILIES) {
      const feed = this.#families[family]
      const said = this.#up ? feed.route(Math.min(left, this.#credit)) : 0
      this.#credit -= said
      const walked = feed.walk(budget, Math.min(left - said, this.#credit), this.#up)
      this.#credit -= walked
      left -= said + walked
    }
    this.#nextHops.sweep(this)
    if (this.awaitsSync && complete(now)) {
      this.#inSync = true
      this.#fib.inSync(this.#epoch as Epoch)
    }
    const reviews = FAMILIES.some(family => this.#families[family].reviews)
    if (reviews) return true
    const idle = FAMILIES.every(family => this.#families[family].idle)
    return !idle && (!this.#up || this.#credit > 0)
  }
}
