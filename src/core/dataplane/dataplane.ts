import { after, type Engine, type Millis, millis, NEVER, type Prng } from '../base/index.ts'
import type { Epoch, GroupId, NextHopGroup } from '../fib/index.ts'
import { type Family, maxLength, NO_PREFIX, type Prefix, prefixParts } from '../net/index.ts'
import type { RouteTarget } from '../rtnl/index.ts'
import { Counted, NONE } from './counted.ts'
import { Dumps } from './dumps.ts'
import { Groups } from './groups.ts'
import { Links } from './links.ts'
import { Observer } from './observer.ts'
import type { DataplaneEvent, KernelEvent, KernelOutput } from './ports.ts'
import { Reconciler, type SweepRule } from './reconciler.ts'
import {
  BLACKHOLED,
  IN_FLIGHT,
  LEFTOVER,
  PENDING,
  prefixId,
  RouteTable,
  type Shared,
  STATES,
  WATCHED,
} from './route-table.ts'
import { listCounts, listRoutes, SnapshotCache } from './snapshot.ts'
import type { DataplaneConfig, DataplaneIntent, DataplaneSnapshot, RouteEvent } from './types.ts'
import { Walk } from './walk.ts'
import { Watch } from './watch.ts'

/** A link may bring many changes at once: one dump after them is enough. */
const LINK_SETTLES = millis(20)

/** Prefixes that a table remembers, as a multiple of `routesMax`; what is said beyond is not heard. */
const ROWS_PER_ROUTE = 4

/** Where the dataplane gets chance from: jitter. */
export interface DataplaneOptions {
  readonly chance: Prng
}

/**
 * The kernel half: makes the kernel's routes what the speaker and the node's intent want.
 *
 *   speaker's routes --\
 *   node's intent ------+--> wanted --\
 *                                      Reconciler --batches--> kernel
 *   dumps, notifications --> Observer --> seen --/
 *
 * - Ours is what has our (table, protocol). What is not ours is never changed, nor taken the place of.
 * - At start the kernel's table is read first: what is there already and wanted is not written again.
 * - Nothing is deleted before its source has said all: the speaker by `InSync`, the node's intent by being
 *   there. A speaker that has gone leaves its routes, stale, for `stale`; then they are swept.
 * - A route of ours that somebody takes out is put back at once, and less and less eagerly if they go on.
 * - The kernel takes IPv4 routes out without a word when a link goes down: a change of a link asks for a dump.
 *
 * Limits: `routesMax` routes in the kernel, `ROWS_PER_ROUTE` times as many prefixes (docs/LIMITS.md).
 */
export class Dataplane implements Engine<DataplaneEvent> {
  readonly #config: DataplaneConfig
  readonly #output: KernelOutput
  readonly #shared: Shared
  readonly #tables: readonly [RouteTable, RouteTable]
  readonly #links = new Links()
  readonly #sweep: SweepRule = { speaker: false, intent: false }
  readonly #reconciler: Reconciler
  readonly #observer: Observer
  readonly #dumps: Dumps
  readonly #walk: Walk
  readonly #names = new Map<GroupId, number>()
  readonly #snapshots = new SnapshotCache()
  #watch = new Watch([])
  #watchChanged = false
  #watchedMax = 0
  #blackholes: ReadonlySet<Prefix> = new Set()
  #speaker: 'up' | 'down' = 'down'
  #epoch: Epoch | undefined
  #inSync = false
  #staleAt: Millis = NEVER
  /** why nobody wants what is swept in this walk, and how many routes that was */
  #sweeping: { readonly why: string; routes: number } | undefined

  constructor(config: DataplaneConfig, output: KernelOutput, options: DataplaneOptions) {
    this.#config = config
    this.#output = output
    const targets = new Counted<RouteTarget>()
    this.#shared = {
      groups: new Groups(this.#links, targets),
      targets,
      counts: new Uint32Array(STATES.length),
      generation: 1,
      wanted: 0,
      present: 0,
      dump: 0,
      version: 1,
    }
    const shared = this.#shared
    this.#tables = [new RouteTable('ipv4', shared), new RouteTable('ipv6', shared)]
    const tables = this.#tables
    this.#walk = new Walk(tables)
    this.#dumps = new Dumps(output, shared, options.chance, config.resync)
    const doubt = (now: Millis): void => this.#dumps.doubt(now)
    this.#reconciler = new Reconciler({
      shared,
      tables,
      output,
      chance: options.chance,
      metric: config.metric,
      routesMax: config.routesMax,
      sweep: this.#sweep,
      doubt,
      revisit: () => this.#walk.ask(),
    })
    const reconciler = this.#reconciler
    this.#observer = new Observer({ config, shared, tables, reconciler, doubt })
  }

  handle(event: DataplaneEvent, now: Millis): void {
    switch (event.type) {
      case 'Tick':
        this.#tick(now)
        return
      case 'Intent':
        this.#intend(event.intent)
        return
      case 'Route':
      case 'Link':
      case 'Address':
      case 'Dumped':
      case 'Lost':
      case 'Written':
        this.#hear(event, now)
        return
      default:
        this.#obey(event, now)
    }
  }

  work(budget: number, now: Millis): boolean {
    this.#dumps.tick(now)
    // nothing is decided before the kernel's table is known
    if (this.#dumps.completed === 0) return false
    const walked = this.#walk.going ? this.#walk.step(budget, now, this.#visit) : 0
    if (walked > 0 && !this.#walk.going) this.#walked()
    const more = this.#reconciler.work(Math.max(1, budget - walked), now)
    return more || this.#walk.going
  }

  deadline(): Millis {
    return millis(Math.min(this.#dumps.next, this.#reconciler.next, this.#staleAt))
  }

  /** What it is and holds at `now`. O(rows) when something changed since the last one. */
  snapshot(now: Millis): DataplaneSnapshot {
    return this.#snapshots.at(this.#shared.version, now, () => {
      const { table, protocol, metric } = this.#config
      const { repaired, failures, lastFailure } = this.#reconciler
      const { lastSync } = this.#dumps
      return {
        version: this.#shared.version,
        at: now,
        table,
        protocol,
        metric,
        speaker: this.#speaker,
        inSync: this.#inSync,
        ...listCounts(this.#shared),
        repaired,
        failures,
        ...(lastSync !== undefined && { lastSync }),
        ...(lastFailure !== undefined && { lastFailure }),
        routes: listRoutes(this.#tables, this.#shared, this.#watchedMax),
      }
    })
  }

  /** True when all that can be done is done: nothing waits, nothing is in flight, no walk is going. */
  get idle(): boolean {
    return this.#dumps.completed > 0 && this.#reconciler.idle && !this.#walk.going
  }

  #tick(now: Millis): void {
    this.#reconciler.tick(now)
    if (now < this.#staleAt) return
    this.#staleAt = NEVER
    this.#mayForget('the speaker has been away for too long', now)
  }

  // What the speaker says.

  #obey(event: RouteEvent, now: Millis): void {
    switch (event.type) {
      case 'SpeakerUp':
        this.#speaker = 'up'
        this.#staleAt = NEVER
        this.#shared.version++
        return
      case 'SpeakerDown':
        this.#lose(now)
        return
      case 'Begin':
        this.#begin(event.epoch)
        return
      case 'Group':
        this.#name(event.id, event.hops)
        return
      case 'DropGroup':
        this.#shared.groups.drop(this.#names.get(event.id) ?? NONE)
        this.#names.delete(event.id)
        return
      case 'Routes':
        this.#routes(event.family, event.nlri, event.groups)
        return
      case 'Withdraws':
        this.#routes(event.family, event.nlri, undefined)
        return
      case 'InSync':
        this.#complete(event.epoch, now)
        return
      default:
        event satisfies never
    }
  }

  #lose(now: Millis): void {
    this.#speaker = 'down'
    this.#staleAt = after(now, this.#config.stale)
    this.#forgetEpoch()
  }

  #begin(epoch: Epoch): void {
    this.#forgetEpoch()
    this.#epoch = epoch
  }

  /** What was said is stale from here on: it stays, but nobody repeats it yet. */
  #forgetEpoch(): void {
    const shared = this.#shared
    this.#epoch = undefined
    this.#inSync = false
    this.#sweep.speaker = false
    shared.generation++
    shared.version++
    for (const group of this.#names.values()) shared.groups.drop(group)
    this.#names.clear()
    this.#walk.ask()
  }

  #name(id: GroupId, hops: NextHopGroup): void {
    if (hops.length === 0) {
      this.#mistake(`group ${id} has no next hop`)
      return
    }
    const group = this.#shared.groups.take(hops)
    this.#shared.groups.drop(this.#names.get(id) ?? NONE)
    this.#names.set(id, group)
  }

  /** Prefixes as BGP writes them, each with the group that it goes through; `undefined`: withdrawn. */
  #routes(family: Family, nlri: Uint8Array, groups: readonly number[] | undefined): void {
    if (this.#epoch === undefined) {
      this.#mistake('routes before Begin')
      return
    }
    const table = this.#tables[family === 'ipv4' ? 0 : 1]
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
      else this.#want(table, nlri, at, length, groups[index])
      at += octets
    }
  }

  #want(
    table: RouteTable,
    nlri: Uint8Array,
    at: number,
    length: number,
    id: number | undefined,
  ): void {
    const group = this.#names.get(groupId(id ?? -1))
    if (group === undefined) {
      this.#mistake(`group ${id} was not named`)
      return
    }
    if (this.#shared.wanted >= ROWS_PER_ROUTE * this.#config.routesMax) {
      this.#mistake(`more than ${ROWS_PER_ROUTE * this.#config.routesMax} routes`)
      return
    }
    const row = this.#row(table, nlri, at, length)
    if (row < 0) return
    table.setWanted(row, group)
    table.told[row] = this.#shared.generation
    this.#reconciler.touch(table, row)
  }

  #withdraw(table: RouteTable, nlri: Uint8Array, at: number, length: number): void {
    const row = table.prefixes.find(nlri, at, length)
    if (row === NO_PREFIX) return
    table.setWanted(row, NONE)
    this.#reconciler.touch(table, row)
  }

  #row(table: RouteTable, bytes: Uint8Array, offset: number, length: number): number {
    const known = table.prefixes.find(bytes, offset, length)
    if (known !== NO_PREFIX) return known
    const row = table.add(bytes, offset, length)
    if (row !== NO_PREFIX && this.#watch.contains(table, row)) table.flags[row]! |= WATCHED
    return row
  }

  #complete(epoch: Epoch, now: Millis): void {
    if (epoch !== this.#epoch) {
      this.#mistake(`InSync of epoch ${epoch}, which is not the current one`)
      return
    }
    this.#inSync = true
    this.#mayForget('the speaker has said all that it wants', now)
  }

  /** From here on, what the speaker did not say again is not wanted. */
  #mayForget(why: string, now: Millis): void {
    this.#sweep.speaker = true
    this.#shared.version++
    this.#startSweep(why, now)
  }

  #startSweep(why: string, now: Millis): void {
    this.#sweeping = { why, routes: this.#sweeping?.routes ?? 0 }
    this.#walk.ask()
    if (!this.#observer.straysLeft) return
    this.#observer.straysLeft = false
    this.#dumps.ask(now)
  }

  #mistake(why: string): void {
    this.#output.note({ code: 'SPEAKER_MISTAKE', why })
  }

  // What the node itself wants.

  #intend(intent: DataplaneIntent): void {
    const wanted = new Set(intent.blackholes)
    for (const prefix of this.#blackholes) if (!wanted.has(prefix)) this.#blackhole(prefix, false)
    for (const prefix of wanted) if (!this.#blackholes.has(prefix)) this.#blackhole(prefix, true)
    this.#blackholes = wanted
    this.#watch = new Watch(intent.watched)
    this.#watchChanged = true
    this.#watchedMax = intent.watchedMax
    this.#sweep.intent = true
    this.#shared.version++
    this.#walk.ask()
  }

  #blackhole(prefix: Prefix, wanted: boolean): void {
    const { family, bytes, length } = prefixParts(prefix)
    const table = this.#tables[family === 'ipv4' ? 0 : 1]
    const row = this.#row(table, bytes, 0, length)
    if (row < 0) return
    if (wanted) table.flags[row]! |= BLACKHOLED
    else table.flags[row]! &= ~BLACKHOLED
    table.errno[row] = 0
    this.#reconciler.touch(table, row)
  }

  // What the kernel says.

  #hear(event: KernelEvent, now: Millis): void {
    switch (event.type) {
      case 'Route':
        this.#observer.learn(event.route, now)
        return
      case 'Link': {
        const change = this.#links.learn(event.link, event.dump)
        if (change === 'better') this.#reconciler.holds.better(now)
        if (change !== 'same' && event.dump === 0) this.#dumps.ask(now, LINK_SETTLES)
        return
      }
      case 'Address':
        if (event.present) this.#reconciler.holds.better(now)
        this.#dumps.ask(now, LINK_SETTLES)
        return
      case 'Dumped':
        this.#dumped(event.dump, event.complete, event.why, now)
        return
      case 'Lost':
        this.#output.note({ code: 'NOTIFICATIONS_LOST' })
        this.#dumps.ask(now)
        return
      case 'Written':
        this.#reconciler.written(event.batch, event.refusals, now)
        return
      default:
        event satisfies never
    }
  }

  #dumped(dump: number, complete: boolean, why: string | undefined, now: Millis): void {
    const first = this.#dumps.completed === 0
    if (!this.#dumps.ended(dump, complete, why, now)) return
    this.#shared.version++
    if (this.#links.settle(dump)) this.#dumps.ask(now, LINK_SETTLES)
    this.#walk.ask()
    if (!first) return
    const took = this.#dumps.adoptedIn
    this.#output.note({ code: 'KERNEL_ADOPTED', routes: this.#shared.present, took })
    // what is adopted without a speaker is as stale as what a speaker left
    if (this.#speaker === 'down') this.#staleAt = after(now, this.#config.stale)
  }

  // What is about every row.

  readonly #visit = (table: RouteTable, row: number, now: Millis): void => {
    const { completed } = this.#dumps
    const id = prefixId(row)
    const flags = table.flags[row]!
    if (this.#watchChanged)
      table.flags[row] = this.#watch.contains(table, row) ? flags | WATCHED : flags & ~WATCHED
    if (table.foreign[row]! < completed) table.foreign[row] = 0
    if ((flags & IN_FLIGHT) === 0 && table.seen[row] !== NONE && table.heard[row]! < completed) {
      // the dump did not name it: it has gone without a word
      table.setSeen(row, NONE)
      this.#reconciler.lost(table, id, false, now)
    }
    if (this.#sweep.speaker && table.wanted[row] !== NONE && this.#isUnrepeated(table, row)) {
      table.setWanted(row, NONE)
      if (this.#sweeping !== undefined) this.#sweeping.routes++
    }
    this.#reconciler.forgive(table, row)
    table.recount(row)
    const standing = table.standing(row)
    if (standing === PENDING || (standing === LEFTOVER && this.#mayDelete(table, row)))
      this.#reconciler.touch(table, row)
    else table.settle(id)
  }

  #isUnrepeated(table: RouteTable, row: number): boolean {
    return table.told[row] !== this.#shared.generation
  }

  #mayDelete(table: RouteTable, row: number): boolean {
    return this.#reconciler.maySweep(table.seen[row]!)
  }

  #walked(): void {
    this.#watchChanged = false
    this.#reconciler.retrying = false
    this.#shared.version++
    const sweeping = this.#sweeping
    this.#sweeping = undefined
    if (sweeping !== undefined && sweeping.routes > 0)
      this.#output.note({ code: 'SWEEP', ...sweeping })
  }
}

/** The speaker's number for a group, as it came. */
const groupId = (value: number): GroupId => value as GroupId
