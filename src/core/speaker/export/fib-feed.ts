import { after, Bitset, grownInt32, type Millis, millis, NEVER } from '../../base/index.ts'
import type { Epoch, FibWriter, GroupId, NextHopName } from '../../fib/index.ts'
import { FAMILIES, type Family, type PrefixId } from '../../net/index.ts'
import { type Program, REJECTED } from '../../policy/index.ts'
import {
  type AttributeSetId,
  CHANGES,
  type LocRib,
  type NextHops,
  NO_GROUP,
  type TrackListener,
} from '../../rib/index.ts'
import type { Tables } from '../tables.ts'
import { FibNames } from './fib-names.ts'
import { Judge } from './judge.ts'

/** What the dataplane is told: the difference from what it was told before. */

/**
 * How long routes whose group may move as a whole wait for the decisions about the others. Each is
 * written alone afterwards, at some 3 µs, so that more would be lost than won.
 */
const MOVE_PATIENCE = millis(500)

/** The walk is over. */
const DONE = Number.POSITIVE_INFINITY

/**
 * One family's part.
 *
 *   row (PrefixId)   told       name that the dataplane has it by, NO_GROUP   4 bytes
 *                    routes     waits to be said                              1 bit
 *                    moves      waits to be said, or for its name to move     1 bit
 *                    withdraws  waits to be taken back                        1 bit
 *
 * Each told row counts as a route of its name, and holds a reference to its row. `walk` goes over
 * the table once an epoch: what is at or after it has not been said in this epoch, whatever `told`
 * holds. `review`
 * goes over it once a policy has changed.
 */
class FamilyFeed {
  readonly #locRib: LocRib
  readonly #names: FibNames
  readonly #fib: FibWriter
  #told = new Int32Array(0)
  readonly #routes = new Bitset()
  readonly #moves = new Bitset()
  readonly #withdraws = new Bitset()
  readonly #scratch = new Uint8Array(16)
  readonly #tables: Tables
  #judge: Judge | undefined
  #walk = DONE
  #review = DONE

  constructor(locRib: LocRib, tables: Tables, names: FibNames, fib: FibWriter) {
    this.#locRib = locRib
    this.#tables = tables
    this.#names = names
    this.#fib = fib
  }

  /** From now on only what `program` accepts is told; undefined: everything. */
  set program(program: Program | undefined) {
    this.#judge = program && new Judge(program, this.#locRib.family, this.#tables)
    this.#review = 0
  }

  /** Everything has been said. */
  get idle(): boolean {
    const waiting = this.#routes.size + this.#moves.size + this.#withdraws.size
    return this.#walk === DONE && this.#review === DONE && waiting === 0
  }

  /** A change of policy has not been carried through. */
  get reviews(): boolean {
    return this.#review !== DONE
  }

  /** Rows that wait for their name to move, or to be said. */
  get moves(): number {
    return this.#moves.size
  }

  /** Bytes of the columns. */
  get bytes(): number {
    return 4 * this.#told.length
  }

  /** A dataplane has come, or gone: what it was told counts for nothing. O(rows that wait). */
  restart(): void {
    for (const bits of [this.#routes, this.#moves, this.#withdraws])
      for (let row = bits.take(); row >= 0; row = bits.take()) this.#locRib.drop(row as PrefixId)
    this.#walk = 0
    this.#review = DONE
  }

  /** Considers further rows after a change of policy, at most `rows`. */
  review(rows: number): void {
    const last = this.#locRib.prefixes.rows
    const end = Math.min(last, this.#review + rows)
    for (; this.#review < end; this.#review++)
      if (this.#locRib.prefixes.has(this.#review)) this.consider(this.#review as PrefixId, false)
    if (this.#review >= last) this.#review = DONE
  }

  /**
   * The next hops of a row, or what the policy says of it, may have changed.
   *
   * @param gathers  a row may wait for the others of its name
   */
  consider(row: PrefixId, gathers: boolean): void {
    // the walk will come to it
    if (row >= this.#walk) return
    const names = this.#names
    const wanted = this.#wanted(row)
    const told = this.#toldOf(row)
    this.#locRib.hold(row)
    if (this.#routes.delete(row)) this.#locRib.drop(row)
    if (this.#withdraws.delete(row)) this.#locRib.drop(row)
    if (this.#moves.delete(row)) {
      names.giveUp(told)
      this.#locRib.drop(row)
    }
    if (wanted === names.groupOf(told)) this.#locRib.drop(row)
    else if (wanted === NO_GROUP) this.#withdraws.add(row)
    else if (gathers && names.gather(told, wanted)) this.#moves.add(row)
    else this.#routes.add(row)
  }

  /** Names have moved: what did not move with them is said like other routes. */
  scatter(budget: number): void {
    for (let left = budget; left > 0; left--) {
      const row = this.#moves.take() as PrefixId
      if (row < 0) return
      if (this.#wanted(row) === this.#names.groupOf(this.#toldOf(row))) this.#locRib.drop(row)
      else this.#routes.add(row)
    }
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

  #wanted(row: PrefixId): GroupId {
    const group = this.#locRib.group[row] as GroupId
    if (this.#judge === undefined || group === NO_GROUP) return group
    const best = this.#locRib.best[row] as AttributeSetId
    return this.#judge.outcome(row, best, false) === REJECTED ? NO_GROUP : group
  }

  #say(row: PrefixId): void {
    const name = this.#names.nameFor(this.#locRib.group[row] as GroupId)
    const { prefixes, family } = this.#locRib
    prefixes.write(row, this.#scratch, 0)
    this.#fib.route(family, this.#scratch, 0, prefixes.length(row), name)
    this.#tell(row, name)
  }

  #toldOf(row: PrefixId): GroupId {
    return row < this.#told.length ? (this.#told[row] as GroupId) : NO_GROUP
  }

  #tell(row: PrefixId, name: GroupId): void {
    const last = this.#toldOf(row)
    if (last === name) return
    if (row >= this.#told.length)
      this.#told = grownInt32(this.#told, this.#locRib.prefixes.capacity, NO_GROUP)
    this.#told[row] = name
    if (name !== NO_GROUP) this.#names.hold(name)
    if (last !== NO_GROUP) this.#names.release(last)
    if (last === NO_GROUP) this.#locRib.hold(row)
    else if (name === NO_GROUP) this.#locRib.drop(row)
  }
}

/**
 * Both families, epochs, credit and in-sync.
 *
 * `FibUp` begins an epoch: all next hops, groups and routes are said again, then what changes.
 * In-sync follows once the walk is over, nothing waits, and the owner says that its table is
 * complete. A route costs a credit, a withdrawal none.
 *
 * A route that goes to another group waits until nothing is to be decided, at most `MOVE_PATIENCE`:
 * where all routes of a name go the same way, that is said once.
 */
export class FibFeed implements TrackListener {
  readonly #fib: FibWriter
  readonly #nextHops: NextHops
  readonly #names: FibNames
  readonly #families: Readonly<Record<Family, FamilyFeed>>
  /** until when routes wait for others of their name; NEVER: none does */
  #patience = NEVER
  /** names have moved, and not all routes that waited have been looked at since */
  #scattering = false
  #up = false
  #frozen = false
  #credit = 0
  #epoch = 0
  #inSync = false
  #program: Program | undefined

  constructor(tables: Tables, fib: FibWriter) {
    this.#fib = fib
    this.#nextHops = tables.nextHops
    this.#names = new FibNames(tables.nextHops, fib)
    tables.nextHops.listen(this)
    this.#families = {
      ipv4: new FamilyFeed(tables.locRibs.ipv4, tables, this.#names, fib),
      ipv6: new FamilyFeed(tables.locRibs.ipv6, tables, this.#names, fib),
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
    this.#restart()
    this.#nextHops.repeat(this)
    this.#names.repeat()
  }

  /** Nobody listens any more. */
  end(): void {
    this.#up = false
    this.#restart()
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

  track(hop: NextHopName): void {
    if (this.#up) this.#fib.track(hop)
  }

  untrack(hop: NextHopName): void {
    if (this.#up) this.#fib.untrack(hop)
  }

  /** The next hops of a row may have changed. */
  consider(family: Family, row: PrefixId): void {
    if (this.#up) this.#families[family].consider(row, !this.#scattering)
  }

  /**
   * Says at most `budget` routes. True when more waits for its turn, not for credit.
   *
   * @param state  `deciding`: more decisions are to come. `complete` is asked once all is said: is
   *   the table what it should be, so that others may be swept?
   */
  work(
    budget: number,
    now: Millis,
    { deciding, complete }: { readonly deciding: boolean; complete: (now: Millis) => boolean },
  ): boolean {
    if (this.#frozen) return false
    let left = budget
    for (const family of FAMILIES) this.#families[family].review(budget)
    this.#gather(deciding || this.#reviews, budget, now)
    for (const family of FAMILIES) left -= this.#families[family].withdraw(left)
    for (const family of FAMILIES) {
      const feed = this.#families[family]
      const said = this.#up ? feed.route(Math.min(left, this.#credit)) : 0
      this.#credit -= said
      const walked = feed.walk(budget, Math.min(left - said, this.#credit), this.#up)
      this.#credit -= walked
      left -= said + walked
    }
    this.#names.sweep(this.#up)
    this.#nextHops.sweep()
    if (this.awaitsSync && complete(now)) {
      this.#inSync = true
      this.#fib.inSync(this.#epoch as Epoch)
    }
    if (this.#reviews || this.#scattering) return true
    const idle = FAMILIES.every(family => this.#families[family].idle)
    return !idle && (!this.#up || this.#credit > 0)
  }

  get #reviews(): boolean {
    return FAMILIES.some(family => this.#families[family].reviews)
  }

  #restart(): void {
    this.#names.stay()
    this.#scattering = false
    this.#patience = NEVER
    for (const family of FAMILIES) this.#families[family].restart()
  }

  /** Moves names once all is decided, or has taken too long. */
  #gather(deciding: boolean, budget: number, now: Millis): void {
    const waiting = FAMILIES.reduce((sum, family) => sum + this.#families[family].moves, 0)
    if (waiting === 0) {
      this.#scattering = false
      this.#patience = NEVER
      return
    }
    if (this.#patience === NEVER) this.#patience = after(now, MOVE_PATIENCE)
    if (!this.#scattering && deciding && now < this.#patience) return
    if (!this.#scattering) this.#names.move()
    this.#scattering = true
    for (const family of FAMILIES) this.#families[family].scatter(budget)
  }
}
