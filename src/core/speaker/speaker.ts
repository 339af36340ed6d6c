import {
  after,
  type Engine,
  type Millis,
  millis,
  NEVER,
  type Prng,
  seconds,
} from '../base/index.ts'
import { type Address, FAMILIES, type Family, type Prefix } from '../net/index.ts'
import { Programs } from '../policy/index.ts'
import { difference, NOT_CONFIGURED } from './configure.ts'
import { FibFeed } from './export/fib-feed.ts'
import { type Exports, exportsOf } from './export/groups.ts'
import { notesOnExport, rulesFor } from './export/membership.ts'
import { relinked, setFibPolicy, type Users } from './export/policies.ts'
import type { ExportRules } from './export/rules.ts'
import { ImportRules } from './inbound/acceptance.ts'
import { Completion } from './inbound/completion.ts'
import { Limits } from './inbound/limits.ts'
import { askForRefresh, takeRefresh, whyNoRefresh } from './inbound/refresh.ts'
import { Retention } from './inbound/retention.ts'
import { Neighbours } from './neighbours/neighbours.ts'
import { withThoseHere } from './neighbours/ranges.ts'
import { tableFull } from './notes.ts'
import { type Link, ownAddresses, type Peer } from './peer.ts'
import { Pipeline } from './pipeline.ts'
import { lookUp, type Subject, takeSnapshot } from './snapshot.ts'
import { Tables } from './tables.ts'
import type {
  Listening,
  RouteSnapshot,
  SpeakerConfig,
  SpeakerEvent,
  SpeakerOutput,
  SpeakerSnapshot,
} from './types.ts'

/** How long, by default, the FIB waits for peers before what is not wanted may be swept. */
export const FIB_DEFERRAL = seconds(120)

/** What a speaker is made with. */
export interface SpeakerOptions {
  /** jitter of timers, and seeds of hashes */
  readonly chance: Prng
  /** instead of `FIB_DEFERRAL` */
  readonly fibDeferral?: Millis
  /**
   * how long the first configuration waits for a dataplane, which alone knows whether this speaker
   * has restarted; absent: not at all
   */
  readonly fibPatience?: Millis
}

/**
 * The BGP half: sessions, tables and what becomes of routes, behind one door.
 *
 * `handle` only takes note: it runs the sessions, queues UPDATEs and marks what is to be done.
 * `work` does it, in slices: sweep what dead sessions left, import, decide, export, tell the FIB.
 * Neither waits for anything; effects leave by the output.
 */
export class Speaker implements Engine<SpeakerEvent> {
  readonly #output: SpeakerOutput
  readonly #tables: Tables
  readonly #exports: Readonly<Record<Family, Exports>>
  readonly #fib: FibFeed
  readonly #neighbours: Neighbours
  readonly #pipeline: Pipeline
  readonly #limits: Limits
  readonly #completion: Completion
  readonly #retention: Retention
  readonly #programs = new Programs()
  readonly #importRules: ImportRules
  /** the first configuration, until a dataplane is there or was waited for */
  #waiting: SpeakerConfig | undefined
  #patience: Millis
  #waitsUntil = NEVER
  #config: SpeakerConfig | undefined
  #listening: readonly Listening[] = []
  #stopped = false
  #version = 0

  constructor(output: SpeakerOutput, options: SpeakerOptions) {
    this.#output = output
    this.#tables = new Tables(options.chance)
    this.#exports = exportsOf(this.#tables, address => this.#neighbours.at(address)?.id)
    this.#importRules = new ImportRules(this.#tables, this.#programs)
    this.#tables.onFreed(set => this.#programs.forget(set))
    this.#fib = new FibFeed(this.#tables, output.fib)
    this.#patience = options.fibPatience ?? millis(0)
    this.#completion = new Completion({
      tables: this.#tables,
      peers: () => this.#neighbours.all,
      strangers: () => this.#neighbours.hasRanges,
      deferral: options.fibDeferral ?? FIB_DEFERRAL,
    })
    this.#retention = new Retention({ tables: this.#tables, note: note => output.note(note) })
    this.#neighbours = new Neighbours(output, {
      chance: options.chance,
      columns: this.#tables.peers,
      listener: {
        up: (peer, now) => this.#up(peer, now),
        down: (peer, last, kept, now) => this.#down(peer, last, kept, now),
        forget: peer => {
          this.#pipeline.lose(peer)
          this.#retention.forget(peer)
        },
        expired: (peer, at) => this.#expired(peer, at),
        standing: ({ met }) => {
          const { restarting, forwarding } = this.#completion
          return { restarting, forwarding: forwarding || met }
        },
        left: peer => this.#pipeline.leave(peer),
        queued: peer => this.#pipeline.queue(peer),
        refresh: (peer, message) =>
          takeRefresh(peer, message, { exports: this.#exports, neighbours: this.#neighbours }),
      },
    })
    this.#limits = new Limits({
      tables: this.#tables,
      exports: this.#exports,
      note: note => output.note(note),
      suspend: (...how) => this.#neighbours.suspend(...how),
    })
    this.#pipeline = new Pipeline({
      output,
      tables: this.#tables,
      exports: this.#exports,
      fib: this.#fib,
      neighbours: this.#neighbours,
      completion: this.#completion,
      retention: this.#retention,
      limits: this.#limits,
    })
  }

  handle(event: SpeakerEvent, now: Millis): void {
    if (event.type !== 'Tick') this.#version++
    const neighbours = this.#neighbours
    switch (event.type) {
      case 'Configure':
        if (this.#patience > 0) this.#wait(event.config, now)
        else if (!this.#stopped) this.#configure(event.config, now)
        return
      case 'Accepted':
        neighbours.accepted(event.connection, event.remote, event.local, now)
        return
      case 'Connected':
        neighbours.connected(event.connection, event.local, now)
        return
      case 'Failed':
        neighbours.failed(event.connection, event.why, now)
        return
      case 'Closed':
        neighbours.closed(event.connection, event.why, now)
        return
      case 'Received':
        neighbours.received(event.connection, event.bytes, now)
        return
      case 'Congested':
      case 'Drained': {
        const peer = neighbours.linked(event.connection)
        const congested = event.type === 'Congested'
        if (peer !== undefined)
          for (const family of FAMILIES) this.#exports[family].congest(peer.id, congested)
        return
      }
      case 'Blocked':
      case 'Unblocked':
        neighbours.blocked(event.connection, event.type === 'Blocked', now)
        return
      case 'FibUp':
        if (event.preserved) this.#completion.preserved()
        this.#fib.begin()
        this.#waitNoLonger(now)
        return
      case 'FibDown':
        this.#fib.end()
        return
      case 'FibCredit':
        this.#fib.addCredit(event.routes)
        return
      case 'NextHops':
        this.#pipeline.resolved(event.answers)
        this.#relink()
        return
      case 'Refresh':
        askForRefresh(neighbours.named(event.peer))
        return
      case 'Listening':
        this.#listening = event.at
        return
      case 'Tick':
        if (now >= this.#waitsUntil) this.#waitNoLonger(now)
        if (neighbours.tick(now)) this.#version++
        this.#limits.look(now)
        return
      case 'Stop':
        this.#stopped = true
        this.#fib.freeze()
        neighbours.stop(event.text, now)
        return
      default:
        event satisfies never
    }
  }

  work(budget: number, now: Millis): boolean {
    const more = this.#pipeline.work(budget, now)
    if (more) this.#version++
    return more
  }

  deadline(): Millis {
    const { asksAt } = this.#completion
    const { deadline } = this.#limits
    return millis(Math.min(this.#neighbours.deadline, asksAt, this.#waitsUntil, deadline))
  }

  /** What the speaker is and holds. O(rows of the tables); allocates for what it lists. */
  snapshot(now: Millis): SpeakerSnapshot {
    return takeSnapshot(this.#subject(), this.#version, now)
  }

  /**
   * The route of a prefix, or of the longest prefix that holds an address; all its paths, with
   * reasons.
   */
  lookup(target: Prefix | Address): readonly RouteSnapshot[] {
    return lookUp(this.#subject(), target)
  }

  /** Why a peer of this name cannot be asked to say all again; undefined where it can. */
  whyNoRefresh(name: string): string | undefined {
    const peer = this.#neighbours.named(name)
    return peer === undefined ? 'there is no such peer' : whyNoRefresh(peer)
  }

  /** The tables, for checks and measurements: nobody outside may change them. */
  get tables(): Tables {
    return this.#tables
  }

  /** Which import rules there are, for checks. */
  get importRules(): ImportRules {
    return this.#importRules
  }

  /** The update groups, for checks and measurements. */
  get exports(): Readonly<Record<Family, Exports>> {
    return this.#exports
  }

  /** A configured peer, for checks. */
  peer(name: string): Peer | undefined {
    return this.#neighbours.named(name)
  }

  #subject(): Subject {
    const config = this.#config ?? NOT_CONFIGURED
    const { byId, visitors } = this.#neighbours
    const configured = config.peers.flatMap(({ name }) => this.#neighbours.named(name) ?? [])
    const peers = [...configured, ...visitors]
    const shared = { tables: this.#tables, exports: this.#exports, limits: this.#limits }
    return { config, peers, byId, listening: this.#listening, ...shared }
  }

  // ---- configuration

  /**
   * Sessions begin when the dataplane has said what it preserved: a peer that were told otherwise
   * would throw away what it keeps of ours. RFC 4724 §4.2
   */
  #wait(config: SpeakerConfig, now: Millis): void {
    if (this.#waiting === undefined) this.#waitsUntil = after(now, this.#patience)
    this.#waiting = config
  }

  #waitNoLonger(now: Millis): void {
    const config = this.#waiting
    this.#patience = millis(0)
    this.#waitsUntil = NEVER
    this.#waiting = undefined
    if (config !== undefined && !this.#stopped) this.#configure(config, now)
  }

  #configure(config: SpeakerConfig, now: Millis): void {
    const neighbours = this.#neighbours
    const { visitors } = neighbours
    const last = this.#config && withThoseHere(this.#config, visitors)
    const changes = difference(last, withThoseHere(config, visitors))
    if (this.#config === undefined) this.#completion.configured(now)
    this.#config = config
    this.#neighbours.identify(config)
    for (const peer of changes.removed) {
      const gone = this.#neighbours.remove(peer, now)
      if (gone !== undefined) this.#pipeline.leave(gone)
    }
    this.#importRules.identify(config, this.#neighbours.byId.values())
    if (changes.identity)
      for (const peer of this.#neighbours.all) this.#neighbours.reidentify(peer, now)
    for (const change of changes.changed) {
      this.#neighbours.change(change, now)
      const peer = this.#neighbours.named(change.after.name)
      if (!change.resets && peer !== undefined) this.#regroup(peer)
    }
    for (const peer of changes.added) this.#neighbours.add(peer, now)
    this.#neighbours.index()
    this.#importRules.assignAll(neighbours.all, neighbours.byId.values(), config)
    for (const { prefix, full } of this.#tables.configure(config, changes))
      this.#output.note(tableFull(`${prefix} cannot be originated`, full))
    setFibPolicy(config, this.#programs, this.#users)
    this.#own()
  }

  #own(): void {
    this.#pipeline.own(ownAddresses(this.#neighbours.all))
  }

  // ---- sessions

  #up(peer: Peer, now: Millis): void {
    const { link } = peer
    if (link === undefined) return
    const { peers } = this.#tables
    const { peerRouterId } = link.negotiated
    // under another identifier it is another router, and routes are decided anew
    const same = peers.routerId[peer.id] === peerRouterId
    peers.describe(peer.id, peer.kind, peerRouterId)
    this.#importRules.assign(peer, this.#config ?? NOT_CONFIGURED)
    peer.met = true
    this.#retention.up(peer, link, same, now)
    this.#limits.begin(peer)
    this.#own()
    const { session } = peer
    const member = {
      peer: peer.id,
      send: (message: Uint8Array) => session.send(link.connection, message),
    }
    for (const family of link.negotiated.families) {
      const rules = this.#rules(peer, link, family)
      const notes = notesOnExport(peer, family, this.#tables, this.#output)
      this.#exports[family].join(member, rules, notes)
    }
  }

  #down(peer: Peer, last: Link, kept: boolean, now: Millis): void {
    for (const family of FAMILIES) this.#exports[family].leave(peer.id)
    this.#pipeline.lose(peer)
    this.#limits.end(peer)
    this.#retention.down(peer, last, kept, now)
    this.#own()
  }

  #expired(peer: Peer, now: Millis): void {
    this.#retention.expired(peer, now)
    this.#own()
  }

  #regroup(peer: Peer): void {
    const { link } = peer
    if (link === undefined) return
    peer.said.clear()
    this.#limits.begin(peer)
    for (const family of link.negotiated.families)
      this.#exports[family].move(peer.id, this.#rules(peer, link, family))
  }

  #rules(peer: Peer, link: Link, family: Family): ExportRules {
    return rulesFor(peer, link, family, this.#config ?? NOT_CONFIGURED, this.#programs)
  }

  /** Asks the policies that look at links again. */
  #relink(): void {
    const config = this.#config
    const { ways } = this.#tables.nextHops
    if (config === undefined || !relinked(this.#programs, ways, this.#users)) return
    const neighbours = this.#neighbours
    this.#importRules.assignAll(neighbours.all, neighbours.byId.values(), config)
    for (const peer of neighbours.all) this.#regroup(peer)
    setFibPolicy(config, this.#programs, this.#users)
  }

  get #users(): Users {
    return { importRules: this.#importRules, exports: this.#exports, fib: this.#fib }
  }
}
