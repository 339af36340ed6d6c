import { type Engine, type Millis, millis, NEVER, type Prng } from '../base/index.ts'
import type { NextHopAnswer } from '../fib/index.ts'
import type { Prefix } from '../net/index.ts'
import type { RouteTarget } from '../rtnl/index.ts'
import type { DataplaneEvent, KernelEvent, KernelOutput } from './ports.ts'
import { Dumps } from './reading/dumps.ts'
import { Observer } from './reading/observer.ts'
import { Tracker } from './reading/tracker.ts'
import { type Blame, Reconciler } from './reconciler.ts'
import { findRoute, Snapshots, type Sources } from './snapshot.ts'
import { Counted, NONE } from './table/counted.ts'
import { Groups } from './table/groups.ts'
import { Links } from './table/links.ts'
import { Objects } from './table/objects.ts'
import {
  IN_FLIGHT,
  NO_PLACE,
  PENDING,
  prefixId,
  RouteTable,
  type Shared,
  STATES,
  WATCHED,
} from './table/route-table.ts'
import { Walk } from './table/walk.ts'
import { Ways } from './table/ways.ts'
import { Tunnels } from './tunnels/tunnels.ts'
import type { DataplaneConfig, DataplaneSnapshot, KernelRouteSnapshot } from './types.ts'
import { Wants } from './wants.ts'
import { ServedLinks } from './writing/served-links.ts'
import type { SweepRule } from './writing/sweep.ts'

/** An address came or went, on whatever link. */
const NO_LINK = 0

/** A link may bring many changes at once: one dump after them is enough. */
const LINK_SETTLES = millis(20)

/** What the dataplane is made with, beside its configuration and the kernel. */
export interface DataplaneOptions {
  /** jitter */
  readonly chance: Prng
  /** Takes what the speaker is to hear of the next hops that it tracks; may not call back. */
  readonly tell?: (answers: readonly NextHopAnswer[]) => void
  /** Names the process that has or had a netlink port, where it was found. */
  readonly who?: (port: number) => string | undefined
  /** What may harm our routes, in sentences. */
  readonly hazards?: () => readonly string[]
}

/**
 * The kernel half: makes the kernel's routes what the speaker and the node's intent want.
 *
 *   speaker's routes, node's intent --> Wants ------> wanted --\
 *                                                     rows      Reconciler --batches--> kernel
 *   dumps, notifications -------------> Observer ---> seen ----/
 *
 * - Ours is what has our (table, protocol). What is not ours is never changed, nor taken the place
 *   of.
 * - At start the kernel's table is read first: what is there already and wanted is not written
 *   again.
 * - Nothing is deleted before its source has said all: the speaker by `InSync`, the node's intent
 *   by being
 *   there. A speaker that has gone leaves its routes, stale, for `stale`; then they are swept.
 * - Where a next hop is not on a link of ours, its routes go through the gateway that the kernel
 *   uses, and move with it.
 * - A route of ours that somebody takes out is put back at once, and less and less eagerly if they
 *   go on.
 * - The kernel takes IPv4 routes out without a word when a link goes down: a change of a link asks
 *   for a dump.
 *
 * Limits: `routesMax` routes in the kernel, four times as many prefixes (docs/LIMITS.md).
 */
export class Dataplane implements Engine<DataplaneEvent> {
  readonly #config: DataplaneConfig
  readonly #output: KernelOutput
  readonly #shared: Shared
  readonly #tables: readonly [RouteTable, RouteTable]
  readonly #links: Links
  readonly #objects: Objects
  readonly #sweep: SweepRule = { speaker: false, intent: false }
  readonly #wants: Wants
  readonly #reconciler: Reconciler
  readonly #observer: Observer
  readonly #tracker: Tracker
  readonly #tunnels: Tunnels
  readonly #served: ServedLinks
  readonly #dumps: Dumps
  readonly #walk: Walk
  readonly #snapshots: Snapshots
  readonly #sources: Sources
  /** why nobody wants what is swept in this walk, and how many routes that was */
  #sweeping: { readonly why: string; routes: number } | undefined
  /**
   * a link or an address went since the last dump was started: the kernel itself took routes out
   */
  #worse = false
  #blame: Blame = 'stranger'
  /** routes of ours that the first dump found */
  #adopted = 0

  constructor(config: DataplaneConfig, output: KernelOutput, options: DataplaneOptions) {
    const { chance } = options
    const sweep = this.#sweep
    const links = new Links(config.allow?.interfaces)
    const targets = new Counted<RouteTarget>()
    const ways = new Ways()
    const taken = (id: number): void => output.note({ code: 'NEXT_HOP_ID_TAKEN', id })
    const objects = new Objects(config.protocol, () => shared.dump, taken)
    const shared: Shared = {
      groups: new Groups({ links, ways, targets, objects, metric: config.metric }),
      targets,
      counts: new Uint32Array(STATES.length),
      generation: 1,
      wanted: 0,
      present: 0,
      dump: 0,
      version: 1,
    }
    const tables = [new RouteTable('ipv4', shared), new RouteTable('ipv6', shared)] as const
    const revisit = (): void => this.#walk.ask()
    const doubt = (now: Millis): void => this.#dumps.doubt(now)
    const startSweep = (why: string): void => this.#startSweep(why)
    const { routesMax, audit = [], allow } = config
    const reconciler = new Reconciler({
      ...{ shared, tables, output, objects, chance, routesMax, sweep, doubt, revisit },
      ...{ audit, allow },
    })
    this.#links = links
    this.#config = config
    this.#output = output
    this.#shared = shared
    this.#objects = objects
    this.#tables = tables
    this.#walk = new Walk(tables)
    this.#dumps = new Dumps(output, shared, chance, config.resync)
    this.#reconciler = reconciler
    this.#observer = new Observer({ config, shared, tables, reconciler, output, doubt })
    this.#tracker = new Tracker({
      ...{ output, ways, links, protocol: config.protocol },
      tell: options.tell ?? (() => {}),
      askDump: now => this.#dumps.ask(now),
      moved: now => {
        reconciler.holds.better(now)
        revisit()
      },
    })
    this.#tunnels = new Tunnels({
      ...{ output, chance, resync: config.resync },
      changed: () => void shared.version++,
    })
    this.#served = new ServedLinks(links, output)
    this.#wants = new Wants({
      ...{ config, shared, tables, reconciler, output, sweep, revisit, startSweep },
    })
    this.#sources = { tables, shared, links, objects, allowed: reconciler.allowed }
    this.#snapshots = new Snapshots({
      ...this.#sources,
      ...{ config, reconciler, wants: this.#wants, dumps: this.#dumps, tunnels: this.#tunnels },
      who: options.who ?? (() => undefined),
      hazards: options.hazards ?? (() => []),
    })
  }

  handle(event: DataplaneEvent, now: Millis): void {
    switch (event.type) {
      case 'Tick':
        this.#reconciler.tick(now)
        this.#wants.tick(now)
        return
      case 'Intent':
        this.#wants.intend(event.intent)
        this.#tracker.intend(event.intent.routes)
        this.#tunnels.intend(event.intent.tunnels, now)
        this.#served.intend(event.intent.workloads ?? [])
        return
      case 'Track':
        this.#tracker.track(event.hop)
        return
      case 'Untrack':
        this.#tracker.untrack(event.hop)
        return
      case 'Route':
      case 'Link':
      case 'Object':
      case 'Address':
      case 'Dumped':
      case 'Found':
      case 'Lost':
      case 'Written':
      case 'Neighbour':
      case 'Inspected':
      case 'Configured':
      case 'Served':
        this.#tunnels.hear(event, now)
        this.#served.hear(event)
        this.#hear(event, now)
        return
      default:
        if (event.type === 'Begin') this.#tracker.begin()
        if (event.type === 'InSync') this.#tracker.complete()
        this.#wants.obey(event, now)
    }
  }

  work(budget: number, now: Millis): boolean {
    if (now >= this.#nextDump) this.#startDump(now)
    this.#tunnels.work(now)
    // nothing is decided before the kernel's table is known
    if (this.#dumps.completed === 0) return false
    this.#served.work()
    this.#tracker.work(now)
    if (this.#shared.groups.refresh()) this.#walk.ask()
    const walked = this.#walk.going ? this.#walk.step(budget, now, this.#visit) : 0
    if (walked > 0 && !this.#walk.going) this.#walked()
    // a route through a next hop that nobody has looked up yet could only be written wrong
    const more = !this.#tracker.waits && this.#reconciler.work(Math.max(1, budget - walked), now)
    return more || this.#walk.going || this.#tracker.busy
  }

  deadline(): Millis {
    const { next } = this.#tunnels
    return millis(Math.min(this.#nextDump, this.#reconciler.next, this.#wants.staleAt, next))
  }

  /**
   * True when all that can be done is done: nothing waits, nothing is in flight, no walk is going.
   */
  get idle(): boolean {
    const asking = this.#tracker.waits || this.#tracker.busy || this.#tunnels.busy
    return this.#dumps.completed > 0 && this.#reconciler.idle && !this.#walk.going && !asking
  }

  /**
   * True when what an earlier speaker wanted has been forwarded all the time: it wanted it of this
   * dataplane, or of one before, whose routes were found.
   */
  get preserved(): boolean {
    return this.#adopted > 0 || this.#wants.heardSpeaker
  }

  /** What it is and holds at `now`. O(rows) when something changed since the last one. */
  snapshot(now: Millis): DataplaneSnapshot {
    return this.#snapshots.at(now)
  }

  /** What is known of the routes to exactly these prefixes; of some nothing. O(prefixes). */
  lookUp(prefixes: readonly Prefix[]): readonly KernelRouteSnapshot[] {
    return prefixes.flatMap(prefix => findRoute(this.#sources, prefix) ?? [])
  }

  /** How much it remembers: nothing when nothing is wanted and nothing is there. */
  held(): Readonly<Record<'prefixes' | 'groups' | 'targets' | 'nextHops', number>> {
    const { groups, targets } = this.#shared
    const [first, second] = this.#tables
    const prefixes = first.prefixes.size + second.prefixes.size
    return { prefixes, groups: groups.size, targets: targets.size, nextHops: this.#tracker.size }
  }

  #hear(event: KernelEvent, now: Millis): void {
    switch (event.type) {
      case 'Route':
        this.#tracker.learn(event.route, now)
        this.#observer.learn(event.route, now)
        return
      case 'Link': {
        const change = this.#links.learn(event.link, event.dump)
        if (change === 'better') this.#reconciler.holds.better(now)
        if (change === 'worse') {
          this.#objects.lose(event.link.index)
          this.#lose(now)
        }
        if (change !== 'same') this.#tracker.changed(event.link.index)
        return
      }
      case 'Object':
        this.#objects.learn(event.message, event.dump)
        if (event.dump === 0) this.#alarm(event.message.id, now)
        return
      case 'Found':
        this.#tracker.found(event.address, event.found, now)
        return
      case 'Address':
        this.#tracker.changed(NO_LINK)
        if (event.present) this.#reconciler.holds.better(now)
        else this.#lose(now)
        return
      case 'Dumped':
        this.#dumped(event, now)
        return
      case 'Lost':
        this.#output.note({ code: 'NOTIFICATIONS_LOST' })
        this.#dumps.ask(now)
        return
      case 'Written':
        this.#reconciler.written(event.batch, event.refusals, now)
        this.#tracker.written()
        return
      case 'Neighbour':
      case 'Inspected':
      case 'Configured':
      case 'Served':
        return
      default:
        event satisfies never
    }
  }

  /**
   * When a dump may start: not while a batch is in flight. Its answer could come during the dump,
   * and nobody could say whether the dump read a row before or after the kernel wrote it and lost
   * it again.
   */
  get #nextDump(): Millis {
    return this.#reconciler.inFlight ? NEVER : this.#dumps.next
  }

  /**
   * A link or an address has gone, and perhaps routes with it. What comes takes nothing out: next
   * hops that wait for it try again, and no dump is needed, so a node where pods come all the time
   * is not busy with its own table.
   */
  #lose(now: Millis): void {
    this.#worse = true
    this.#dumps.ask(now, LINK_SETTLES)
  }

  #startDump(now: Millis): void {
    this.#blame = this.#worse ? 'kernel' : 'stranger'
    this.#worse = false
    // before it starts: the kernel may tell the first links at once
    this.#links.begin(this.#shared.dump + 1)
    this.#tracker.dumping(this.#shared.dump + 1)
    this.#dumps.start(now)
  }

  /** Somebody changed a nexthop object: of ours, only a dump tells which routes went with it. */
  #alarm(id: number, now: Millis): void {
    if (this.#objects.covers(id)) this.#dumps.doubt(now)
  }

  #dumped(event: Extract<KernelEvent, { readonly type: 'Dumped' }>, now: Millis): void {
    const { dump, complete, why } = event
    const first = this.#dumps.completed === 0
    if (!this.#dumps.ended(dump, complete, why, now)) return
    this.#shared.version++
    if (this.#links.settle(dump)) this.#lose(now)
    this.#objects.settle(dump)
    this.#tracker.dumped()
    this.#walk.ask()
    if (!first) return
    if (event.objects && this.#config.nexthopObjects) this.#objects.enable()
    const took = this.#dumps.adoptedIn
    this.#adopted = this.#shared.present
    this.#output.note({ code: 'KERNEL_ADOPTED', routes: this.#shared.present, took })
    // what is adopted without a speaker is as stale as what a speaker left
    this.#wants.waitForSpeaker(now)
  }

  #startSweep(why: string): void {
    this.#sweeping = { why, routes: this.#sweeping?.routes ?? 0 }
    this.#walk.ask()
  }

  /** What is about every row: see `Walk`. */
  readonly #visit = (table: RouteTable, row: number, now: Millis): void => {
    const { completed } = this.#dumps
    const id = prefixId(row)
    const flags = table.flags[row]!
    const wants = this.#wants
    if (wants.watchChanged)
      table.flags[row] = wants.watch.contains(table, row) ? flags | WATCHED : flags & ~WATCHED
    if (table.foreign[row]! < completed) table.foreign[row] = 0
    if ((flags & IN_FLIGHT) === 0 && table.seen[row] !== NONE && table.heard[row]! < completed) {
      // the dump did not name it: it has gone without a word
      table.setSeen(row, NONE, NO_PLACE)
      this.#reconciler.lost(table, id, this.#blame, { what: 'removed', by: 0 }, now)
    }
    if (this.#sweep.speaker && wants.unrepeated(table, row)) table.setWanted(row, NONE)
    this.#reconciler.forgive(table, row)
    table.recount(row)
    const standing = table.standing(row)
    if (standing === PENDING || table.other[row] !== NO_PLACE) this.#reconciler.touch(table, row)
    else if (!this.#reconciler.isLeft(table, row)) table.settle(id)
    else if (this.#reconciler.maySweep(table, id)) {
      if (this.#sweeping !== undefined) this.#sweeping.routes++
      this.#reconciler.touch(table, row)
    }
  }

  #walked(): void {
    this.#wants.watchChanged = false
    this.#reconciler.retrying = false
    this.#shared.version++
    const sweeping = this.#sweeping
    this.#sweeping = undefined
    if (sweeping !== undefined && sweeping.routes > 0)
      this.#output.note({ code: 'SWEEP', ...sweeping })
  }
}
