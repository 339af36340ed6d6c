import { type Engine, type Millis, millis, NEVER, type Prng, seconds } from '../base/index.ts'
import { type Address, FAMILIES, type Family, type Prefix, prefixParts } from '../net/index.ts'
import { Programs } from '../policy/index.ts'
import { CHANGES, LOCAL_PEER, NO_SET } from '../rib/index.ts'
import { familyOfAfiSafi, type RouteRefresh } from '../wire/index.ts'
import { type ConfigDifference, difference } from './configure.ts'
import { type ExportListener, type ExportRules, exportPolicy } from './export-rules.ts'
import { Exports } from './exports.ts'
import { FibFeed } from './fib-feed.ts'
import { Importer, type Verdict } from './import.ts'
import { Neighbours } from './neighbours.ts'
import { INBOUND_OCTETS_LOW, type Link, type Peer } from './peer.ts'
import { lookUp, type Subject, takeSnapshot } from './snapshot.ts'
import { Tables } from './tables.ts'
import type {
  RouteSnapshot,
  SpeakerConfig,
  SpeakerEvent,
  SpeakerOutput,
  SpeakerSnapshot,
} from './types.ts'

/** How long, by default, the FIB waits for configured peers before what is not wanted may be swept. */
export const FIB_DEFERRAL = seconds(120)

/** A peer that sends no End-of-RIB is taken to have said all when it was up for so long and is quiet. */
const QUIET = seconds(5)

/** Rows that a peer's queue is drained by before the next peer has its turn. */
const TURN_ROWS = 256

/** What a speaker is made with. */
export interface SpeakerOptions {
  /** jitter of timers, and seeds of hashes */
  readonly chance: Prng
  /** instead of `FIB_DEFERRAL` */
  readonly fibDeferral?: Millis
}

/**
 * The BGP half: sessions, tables and what becomes of routes, behind one door.
 *
 * `handle` only takes note: it runs the sessions, queues UPDATEs and marks what is to be done. `work` does
 * it, in slices: sweep what dead sessions left, import, decide, export, tell the FIB. Neither waits for
 * anything; effects leave by the output.
 */
export class Speaker implements Engine<SpeakerEvent> {
  readonly #output: SpeakerOutput
  readonly #tables: Tables
  readonly #importer: Importer
  readonly #exports: Readonly<Record<Family, Exports>>
  readonly #fib: FibFeed
  readonly #neighbours: Neighbours
  readonly #programs = new Programs()
  readonly #fibDeferral: Millis
  #config: SpeakerConfig | undefined
  #configuredAt = NEVER
  /** peers whose queue is not empty, whose turn is first first */
  readonly #ready = new Set<Peer>()
  readonly #sweeping = new Set<Peer>()
  /** removed, but still in the tables */
  readonly #leaving = new Set<Peer>()
  /** the first tables are complete: from now on a new dataplane need not wait */
  #settled = false
  #settleAt = NEVER
  #stopped = false
  #version = 0

  constructor(output: SpeakerOutput, options: SpeakerOptions) {
    this.#output = output
    this.#fibDeferral = options.fibDeferral ?? FIB_DEFERRAL
    this.#tables = new Tables(options.chance)
    this.#importer = new Importer(this.#tables)
    this.#exports = {
      ipv4: new Exports('ipv4', this.#tables),
      ipv6: new Exports('ipv6', this.#tables),
    }
    this.#fib = new FibFeed(this.#tables, output.fib)
    this.#neighbours = new Neighbours(output, {
      chance: options.chance,
      columns: this.#tables.peers,
      listener: {
        up: peer => this.#up(peer),
        down: peer => this.#down(peer),
        queued: peer => this.#ready.add(peer),
        refresh: (peer, message) => this.#refresh(peer, message),
      },
    })
  }

  handle(event: SpeakerEvent, now: Millis): void {
    if (event.type !== 'Tick') this.#version++
    const neighbours = this.#neighbours
    switch (event.type) {
      case 'Configure':
        if (!this.#stopped) this.#configure(event.config, now)
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
      case 'FibUp':
        this.#fib.begin()
        return
      case 'FibDown':
        this.#fib.end()
        return
      case 'FibCredit':
        this.#fib.addCredit(event.routes)
        return
      case 'Tick':
        if (neighbours.tick(now)) this.#version++
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
    this.#sweep(budget)
    this.#import(budget, now)
    this.#decide(budget)
    // an UPDATE may have ended a session: what it left is swept in the next slice
    let more = this.#sweeping.size > 0 || this.#ready.size > 0 || this.#tables.dirty > 0
    for (const family of FAMILIES) {
      this.#exports[family].flush()
      more = this.#exports[family].work(budget) || more
    }
    more = this.#fib.work(budget, now, at => this.#complete(at)) || more
    this.#retire()
    if (more) this.#version++
    return more
  }

  deadline(): Millis {
    return millis(Math.min(this.#neighbours.deadline, this.#settleAt))
  }

  /** What the speaker is and holds. O(rows of the tables); allocates for what it lists. */
  snapshot(now: Millis): SpeakerSnapshot {
    const subject = this.#subject()
    return takeSnapshot(subject, this.#version, now)
  }

  /** The route of a prefix, or of the longest prefix that holds an address; all its paths, with reasons. */
  lookup(target: Prefix | Address): readonly RouteSnapshot[] {
    return lookUp(this.#subject(), target)
  }

  /** The tables, for checks and measurements: nobody outside may change them. */
  get tables(): Tables {
    return this.#tables
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
    const peers = config.peers.flatMap(({ name }) => this.#neighbours.named(name) ?? [])
    const { byId } = this.#neighbours
    return { config, peers, byId, tables: this.#tables, exports: this.#exports }
  }

  // ---- configuration

  #configure(config: SpeakerConfig, now: Millis): void {
    const changes = difference(this.#config, config)
    if (this.#config === undefined) this.#configuredAt = now
    this.#config = config
    for (const peer of changes.removed) {
      const gone = this.#neighbours.remove(peer, now)
      if (gone !== undefined) this.#leaving.add(gone)
    }
    this.#identify(config)
    if (changes.identity)
      for (const peer of this.#neighbours.all) this.#neighbours.reidentify(peer, config, now)
    for (const change of changes.changed) {
      this.#neighbours.change(change, config, now)
      const peer = this.#neighbours.named(change.after.name)
      if (!change.resets && peer !== undefined) this.#regroup(peer)
    }
    for (const peer of changes.added) this.#neighbours.add(peer, config, now)
    this.#neighbours.index()
    this.#applyTables(config, changes)
    this.#own()
  }

  #applyTables(config: SpeakerConfig, changes: ConfigDifference): void {
    for (const family of FAMILIES) {
      const locRib = this.#tables.locRibs[family]
      locRib.multipathMax = config.multipathMax
      if (changes.multipath) locRib.touchAll()
    }
    for (const prefix of changes.withdrawn) this.#originate(prefix, false)
    for (const prefix of changes.originated) this.#originate(prefix, true)
  }

  /** Tells the tables who we are; loops are found by it. */
  #identify(config: SpeakerConfig): void {
    const { sets, peers } = this.#tables
    const { routerId } = config
    const asns = [...new Set([config.localAs, ...config.peers.map(({ localAs }) => localAs)])].sort(
      (a, b) => a - b,
    )
    peers.routerId[LOCAL_PEER] = routerId
    if (!sets.identify({ asns, routerId, clusterId: config.clusterId ?? routerId })) return
    for (const family of FAMILIES) this.#tables.locRibs[family].touchAll()
  }

  /** RFC 4271 §9.4: what this node announces of its own is a path like any other, from peer 0. */
  #originate(prefix: Prefix, originates: boolean): void {
    const { family, bytes, length } = prefixParts(prefix)
    const { sets, locRibs } = this.#tables
    const locRib = locRibs[family]
    if (!originates) {
      const row = locRib.prefixes.find(bytes, 0, length)
      if (row >= 0) locRib.put(LOCAL_PEER, row, NO_SET)
      return
    }
    const set = sets.intern({ origin: 0, asPath: [] })
    const row = set === NO_SET ? -1 : locRib.add(bytes, 0, length)
    if (row < 0) this.#full(`${prefix} cannot be originated`)
    else locRib.put(LOCAL_PEER, locRib.add(bytes, 0, length), set)
    if (set !== NO_SET) sets.release(set)
  }

  /** Addresses of this node, as far as BGP shows them: nothing is reached through them. */
  #own(): void {
    const own = new Set<Address>()
    for (const { link, config } of this.#neighbours.all) {
      if (link !== undefined) own.add(link.local)
      for (const address of [config.localAddress, config.nextHopIpv4, config.nextHopIpv6])
        if (address !== undefined) own.add(address)
    }
    if (!this.#tables.nextHops.own(own)) return
    for (const family of FAMILIES) this.#tables.locRibs[family].touchAll()
  }

  // ---- sessions

  #up(peer: Peer): void {
    const { link } = peer
    if (link === undefined) return
    const { peers, locRibs } = this.#tables
    peers.kind[peer.id] = peer.kind
    peers.routerId[peer.id] = link.negotiated.peerRouterId
    for (const family of FAMILIES) {
      const adj = locRibs[family].adjRibIn(peer.id)
      adj.live = !peer.sweeping.has(family)
    }
    this.#own()
    const { session } = peer
    const member = {
      peer: peer.id,
      send: (message: Uint8Array) => session.send(link.connection, message),
    }
    for (const family of link.negotiated.families) {
      const rules = this.#rules(peer, link, family)
      this.#exports[family].join(member, rules, this.#listen(peer, family))
    }
  }

  #down(peer: Peer): void {
    this.#ready.delete(peer)
    for (const family of FAMILIES) {
      this.#exports[family].leave(peer.id)
      const adj = this.#tables.locRibs[family].adjRibIn(peer.id)
      adj.live = false
      if (adj.size === 0) continue
      peer.sweeping.set(family, 0)
      this.#sweeping.add(peer)
    }
    this.#own()
  }

  #refresh(peer: Peer, { afi, safi, subtype }: RouteRefresh): void {
    const family = familyOfAfiSafi(afi, safi)
    if (family !== undefined && subtype === 0) this.#exports[family].refresh(peer.id)
  }

  #regroup(peer: Peer): void {
    const { link } = peer
    if (link === undefined) return
    peer.said.clear()
    for (const family of link.negotiated.families)
      this.#exports[family].move(peer.id, this.#rules(peer, link, family))
  }

  #rules(peer: Peer, { negotiated }: Link, family: Family): ExportRules {
    const { routerId, clusterId = routerId } = this.#config ?? NOT_CONFIGURED
    return {
      family,
      kind: peer.kind,
      localAs: peer.config.localAs,
      routerId,
      clusterId,
      fourOctetAs: negotiated.fourOctetAs,
      messageMax: negotiated.messageMax,
      nextHop: peer.config.nextHop,
      ownNextHop: peer.ownNextHop(family),
      program: this.#programs.compile(exportPolicy(peer.config)),
    }
  }

  /** Notes about what cannot be sent: once a session each. */
  #listen(peer: Peer, family: Family): ExportListener {
    const { prefixes } = this.#tables.locRibs[family]
    const once = (key: string): boolean => {
      if (peer.said.has(key)) return false
      peer.said.add(key)
      return true
    }
    return {
      doesNotFit: row => {
        const name = peer.config.name
        if (!once(`fit ${family}`)) return
        this.#output.note({ code: 'ROUTE_DOES_NOT_FIT', peer: name, prefix: prefixes.text(row) })
      },
      nextHopMissing: () => {
        if (!once(`next hop ${family}`)) return
        this.#output.note({ code: 'NEXT_HOP_MISSING', peer: peer.config.name, family })
      },
    }
  }

  // ---- table work

  /** Takes the paths of dead sessions out. */
  #sweep(budget: number): void {
    let left = budget
    for (const peer of this.#sweeping) {
      for (const [family, from] of peer.sweeping) {
        const locRib = this.#tables.locRibs[family]
        const adj = locRib.adjRibIn(peer.id)
        let row = adj.next(from)
        for (; row >= 0 && left > 0; row = adj.next(row), left--)
          locRib.put(peer.id, row as Parameters<typeof locRib.put>[1], NO_SET)
        if (row >= 0) {
          peer.sweeping.set(family, row)
          return
        }
        peer.sweeping.delete(family)
        adj.live = peer.link !== undefined
      }
      this.#sweeping.delete(peer)
    }
  }

  /** Applies queued UPDATEs, a turn for each peer. */
  #import(budget: number, now: Millis): void {
    let left = budget
    let waiting = 0
    while (left > 0 && this.#ready.size > waiting) {
      const peer = this.#ready.values().next().value
      if (peer === undefined) break
      this.#ready.delete(peer)
      if (peer.sweeping.size > 0) {
        // its rows wait until those of its last session are gone
        this.#ready.add(peer)
        waiting++
        continue
      }
      left -= this.#drain(peer, Math.min(left, TURN_ROWS), now)
      if (peer.inbound.size > 0) this.#ready.add(peer)
    }
  }

  #drain(peer: Peer, budget: number, now: Millis): number {
    const { link } = peer
    if (link === undefined) return 0
    const sender = { id: peer.id, external: peer.external, negotiated: link.negotiated }
    let rows = 0
    while (rows < budget) {
      const body = peer.inbound.shift()
      if (body === undefined) break
      const verdict = this.#importer.update(body, sender)
      rows += verdict.rows
      if (!this.#judge(peer, link, verdict, now)) return rows
    }
    if (peer.paused && peer.inbound.octets < INBOUND_OCTETS_LOW) {
      peer.paused = false
      this.#output.resume(link.connection)
    }
    return rows
  }

  /** False when the session is gone. */
  #judge(peer: Peer, link: Link, verdict: Readonly<Verdict>, now: Millis): boolean {
    if (verdict.endOfRib !== undefined) link.complete.add(verdict.endOfRib)
    if (verdict.full) this.#full(`routes of ${peer.config.name} are left out`)
    for (const fault of verdict.faults) {
      if (fault.remedy === 'attribute-discard') peer.faults.discarded++
      else peer.faults.withdrawn++
      this.#noteFault(peer, fault.remedy, fault.why)
    }
    const { reset } = verdict
    if (reset === undefined) return true
    peer.faults.reset++
    this.#noteFault(peer, reset.remedy, reset.why)
    this.#neighbours.reset(peer, reset.notification, reset.why, now)
    return false
  }

  #noteFault(peer: Peer, remedy: string, why: string): void {
    this.#output.note({ code: 'UPDATE_FAULT', peer: peer.config.name, remedy, why })
  }

  #full(why: string): void {
    const { sets } = this.#tables
    this.#output.note({ code: 'TABLE_FULL', limit: sets.size, why })
  }

  /** Decides dirty rows, and hands on what that changed. */
  #decide(budget: number): void {
    let left = budget
    for (const family of FAMILIES) {
      const locRib = this.#tables.locRibs[family]
      const exports = this.#exports[family]
      for (; left > 0; left--) {
        const row = locRib.takeDirty()
        if (row < 0) break
        const changes = locRib.decide(row, this.#fib)
        if ((changes & CHANGES.BEST) !== 0) exports.consider(row)
        if ((changes & CHANGES.GROUP) !== 0) this.#fib.consider(family, row)
        locRib.settle(row)
      }
    }
  }

  /** Numbers of removed peers are free once no table can refer to them. */
  #retire(): void {
    if (this.#leaving.size === 0 || this.#tables.dirty > 0) return
    for (const peer of this.#leaving)
      if (peer.sweeping.size === 0) {
        this.#leaving.delete(peer)
        this.#neighbours.forget(peer)
      }
  }

  /**
   * True when the first tables are complete, so that the FIB may be swept: every peer has said all it has,
   * or has been waited for long enough. Once true it stays true.
   */
  #complete(now: Millis): boolean {
    if (this.#config === undefined || this.#tables.dirty > 0) return false
    if (this.#settled) return true
    const end = this.#configuredAt + this.#fibDeferral
    let wait = 0
    if (now < end)
      for (const peer of this.#neighbours.all) wait = Math.max(wait, this.#awaited(peer, now, end))
    this.#settleAt = wait > now ? millis(Math.min(wait, end)) : NEVER
    this.#settled = wait <= now
    return this.#settled
  }

  /** Until when a peer's table may still be incomplete. */
  #awaited({ link, inbound, sweeping }: Peer, now: Millis, end: number): number {
    if (link === undefined || inbound.size > 0 || sweeping.size > 0) return end
    if (link.negotiated.families.every(family => link.complete.has(family))) return now
    return link.since + QUIET
  }
}

/** What is said of a speaker before it has a configuration. */
const NOT_CONFIGURED: SpeakerConfig = {
  routerId: 0,
  localAs: 0 as SpeakerConfig['localAs'],
  multipathMax: 1,
  peers: [],
  originated: [],
  watched: [],
  watchedMax: 0,
}
