import { after, type Millis, NEVER } from '../base/index.ts'
import { type Epoch, type GroupId, type NextHopGroup, NO_METRIC } from '../fib/index.ts'
import { type Family, maxLength, NO_PREFIX, type Prefix, prefixParts } from '../net/index.ts'
import type { KernelOutput } from './ports.ts'
import type { Reconciler } from './reconciler.ts'
import { NONE } from './table/counted.ts'
import { type RouteTable, type Shared, WATCHED } from './table/route-table.ts'
import { Watch } from './table/watch.ts'
import type { DataplaneConfig, DataplaneIntent, RouteEvent } from './types.ts'
import type { SweepRule } from './writing/sweep.ts'

/** What the speaker and the node itself want, written into the tables. */

/**
 * Prefixes that a table remembers, as a multiple of `routesMax`; what is said beyond is not heard.
 */
const ROWS_PER_ROUTE = 4

/** What the wants are told when they are made. */
export interface WantsOptions {
  readonly config: DataplaneConfig
  readonly shared: Shared
  readonly tables: readonly [RouteTable, RouteTable]
  readonly reconciler: Reconciler
  readonly output: KernelOutput
  readonly sweep: SweepRule
  /** All rows are to be looked at. */
  readonly revisit: () => void
  /** From here on, what nobody wants may go; `why` is for people. */
  readonly startSweep: (why: string) => void
}

/**
 * Two sources, each with its own word on what may be deleted.
 *
 * The speaker: says all in an epoch, then `InSync`; only then what it did not repeat is not wanted.
 * When it goes its routes stay, stale, for `stale`. The node's intent: is whole each time, and
 * wants routes that no peer has said.
 *
 * The speaker is trusted no further than its job: what it says that cannot be is noted and not
 * done.
 */
export class Wants {
  speaker: 'up' | 'down' = 'down'
  inSync = false
  /** a speaker has said what it wants, in this life */
  heardSpeaker = false
  /** when stale routes are given up */
  staleAt: Millis = NEVER
  watch = new Watch([])
  /** rows that were there before `watch` do not know of it yet */
  watchChanged = false
  watchedMax = 0
  #watched = ''
  readonly #o: WantsOptions
  readonly #names = new Map<GroupId, number>()
  #epoch: Epoch | undefined
  /** groups that the node itself wants */
  #own: ReadonlyMap<Prefix, number> = new Map()

  constructor(options: WantsOptions) {
    this.#o = options
  }

  /** Takes what the speaker says. O(prefixes of the event). */
  obey(event: Exclude<RouteEvent, { readonly type: 'Track' | 'Untrack' }>, now: Millis): void {
    switch (event.type) {
      case 'SpeakerUp':
        this.speaker = 'up'
        this.staleAt = NEVER
        this.#o.shared.version++
        return
      case 'SpeakerDown':
        this.speaker = 'down'
        this.waitForSpeaker(now)
        this.#forgetEpoch()
        return
      case 'Begin':
        this.#forgetEpoch()
        this.#epoch = event.epoch
        this.heardSpeaker = true
        return
      case 'Group':
        this.#name(event.id, event.hops, event.metric)
        return
      case 'DropGroup':
        this.#unname(event.id)
        return
      case 'Routes':
        this.#routes(event.family, event.nlri, event.groups)
        return
      case 'Withdraws':
        this.#routes(event.family, event.nlri, undefined)
        return
      case 'InSync':
        this.#complete(event.epoch)
        return
      default:
        event satisfies never
    }
  }

  /** Takes what the node itself wants, whole. O(routes + watched). */
  intend(intent: DataplaneIntent): void {
    const { groups } = this.#o.shared
    const own = new Map(
      intent.routes.map(({ prefix, out, metric }) => [prefix, groups.takeOwn(out, metric)]),
    )
    for (const prefix of this.#own.keys()) if (!own.has(prefix)) this.#setOwn(prefix, NONE)
    for (const [prefix, group] of own)
      if (this.#own.get(prefix) !== group) this.#setOwn(prefix, group)
    // those that are wanted as before keep the use of them that they had
    for (const group of this.#own.values()) groups.drop(group)
    this.#own = own
    this.watchedMax = intent.watchedMax
    this.#o.shared.version++
    const watched = intent.watched.join()
    // a pod that comes or goes is about its own rows
    if (this.#o.sweep.intent && watched === this.#watched) return
    this.#watched = watched
    this.watch = new Watch(intent.watched)
    this.watchChanged = true
    this.#o.sweep.intent = true
    this.#o.revisit()
  }

  /** Without a speaker, what it left or what was adopted stays for `stale` from now. */
  waitForSpeaker(now: Millis): void {
    if (this.speaker === 'down') this.staleAt = after(now, this.#o.config.stale)
  }

  /** Gives up stale routes when it is time. */
  tick(now: Millis): void {
    if (now < this.staleAt) return
    this.staleAt = NEVER
    this.#mayForget('the speaker has been away for too long')
  }

  /** True when the speaker wanted the row's route once, and has not said so in this epoch. */
  unrepeated(table: RouteTable, row: number): boolean {
    return table.wanted[row] !== NONE && table.told[row] !== this.#o.shared.generation
  }

  /** What was said is stale from here on: it stays, but nobody repeats it yet. */
  #forgetEpoch(): void {
    const { shared, sweep } = this.#o
    this.#epoch = undefined
    this.inSync = false
    sweep.speaker = false
    shared.generation++
    shared.version++
    for (const group of this.#names.values()) shared.groups.drop(group)
    this.#names.clear()
    this.#o.revisit()
  }

  /** A name that is said again moves its routes; at another metric they are said again too. */
  #name(id: GroupId, hops: NextHopGroup, metric: number): void {
    if (this.#epoch === undefined || hops.length === 0) {
      this.#mistake(hops.length === 0 ? `group ${id} has no next hop` : 'a group before Begin')
      return
    }
    const { groups } = this.#o.shared
    const known = this.#names.get(id)
    const wanted = metric === NO_METRIC ? this.#o.config.metric : metric
    if (known !== undefined && groups.get(known).metric === wanted) {
      groups.move(known, hops)
      return
    }
    this.#unname(id)
    this.#names.set(id, groups.take(hops, metric))
  }

  #unname(id: GroupId): void {
    this.#o.shared.groups.drop(this.#names.get(id) ?? NONE)
    this.#names.delete(id)
  }

  /**
   * Prefixes as BGP writes them, each with the group that it goes through; `undefined`: withdrawn.
   */
  #routes(family: Family, nlri: Uint8Array, groups: readonly number[] | undefined): void {
    if (this.#epoch === undefined) {
      this.#mistake('routes before Begin')
      return
    }
    const table = this.#o.tables[family === 'ipv4' ? 0 : 1]
    const longest = maxLength(family)
    let at = 0
    for (let index = 0; at < nlri.length; index++) {
      const length = nlri[at++]!
      const octets = (length + 7) >> 3
      if (length > longest || at + octets > nlri.length) {
        this.#mistake(`prefix ${index} of a batch is not one`)
        return
      }
      if (groups === undefined) this.#withdraw(table, nlri, at, length)
      else this.#want(table, nlri, at, length, groupId(groups[index] ?? -1))
      at += octets
    }
  }

  #want(table: RouteTable, nlri: Uint8Array, at: number, length: number, id: GroupId): void {
    const { shared, config } = this.#o
    const group = this.#names.get(id)
    if (group === undefined) {
      this.#mistake(`group ${id} was not named`)
      return
    }
    const row = this.#row(table, nlri, at, length)
    if (row < 0) return
    if (table.wanted[row] === NONE && shared.wanted >= ROWS_PER_ROUTE * config.routesMax) {
      this.#mistake(`more than ${ROWS_PER_ROUTE * config.routesMax} routes`)
      table.settle(row)
      return
    }
    table.setWanted(row, group)
    table.told[row] = shared.generation
    this.#o.reconciler.touch(table, row)
  }

  #withdraw(table: RouteTable, nlri: Uint8Array, at: number, length: number): void {
    const row = table.prefixes.find(nlri, at, length)
    if (row === NO_PREFIX) return
    table.setWanted(row, NONE)
    this.#o.reconciler.touch(table, row)
  }

  #row(
    table: RouteTable,
    bytes: Uint8Array,
    offset: number,
    length: number,
  ): ReturnType<RouteTable['add']> {
    const known = table.prefixes.find(bytes, offset, length)
    if (known !== NO_PREFIX) return known
    const row = table.add(bytes, offset, length)
    if (row !== NO_PREFIX && this.watch.contains(table, row)) table.flags[row]! |= WATCHED
    return row
  }

  #complete(epoch: Epoch): void {
    if (epoch !== this.#epoch) {
      this.#mistake(`InSync of epoch ${epoch}, which is not the current one`)
      return
    }
    this.inSync = true
    this.#mayForget('the speaker has said all that it wants')
  }

  #mayForget(why: string): void {
    this.#o.sweep.speaker = true
    this.#o.shared.version++
    this.#o.startSweep(why)
  }

  #setOwn(prefix: Prefix, group: number): void {
    const { family, bytes, length } = prefixParts(prefix)
    const table = this.#o.tables[family === 'ipv4' ? 0 : 1]
    const row = this.#row(table, bytes, 0, length)
    if (row < 0) return
    table.setOwn(row, group)
    this.#o.reconciler.touch(table, row)
  }

  #mistake(why: string): void {
    this.#o.output.note({ code: 'SPEAKER_MISTAKE', why })
  }
}

/** The speaker's number for a group, as it came. */
const groupId = (value: number): GroupId => value as GroupId
