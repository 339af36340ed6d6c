import { type Engine, type Millis, millis, type Prng, seconds } from '../base/index.ts'
import {
  type Address,
  FAMILIES,
  type Family,
  type Prefix,
  prefixParts,
  prefixTableRowsMax,
} from '../net/index.ts'
import { Programs } from '../policy/index.ts'
import { LOCAL_PEER, NO_SET } from '../rib/index.ts'
import { familyOfAfiSafi, type RouteRefresh } from '../wire/index.ts'
import { type ConfigDifference, difference } from './configure.ts'
import { Exports } from './export/groups.ts'
import { type ExportListener, type ExportRules, exportPolicy } from './export/rules.ts'
import { FibFeed } from './fib-feed.ts'
import { Neighbours } from './neighbours.ts'
import type { Link, Peer } from './peer.ts'
import { Pipeline } from './pipeline.ts'
import { lookUp, type Subject, takeSnapshot } from './snapshot.ts'
import { Tables } from './tables.ts'
import type {
  RouteSnapshot,
  SpeakerConfig,
  SpeakerEvent,
  SpeakerOutput,
  SpeakerSnapshot,
} from './types.ts'

/**
 * How long, by default, the FIB waits for configured peers before what is not wanted may be swept.
 */
export const FIB_DEFERRAL = seconds(120)

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
  readonly #programs = new Programs()
  #config: SpeakerConfig | undefined
  #stopped = false
  #version = 0

  constructor(output: SpeakerOutput, options: SpeakerOptions) {
    this.#output = output
    this.#tables = new Tables(options.chance)
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
        queued: peer => this.#pipeline.queue(peer),
        refresh: (peer, message) => this.#refresh(peer, message),
      },
    })
    this.#pipeline = new Pipeline({
      output,
      tables: this.#tables,
      exports: this.#exports,
      fib: this.#fib,
      neighbours: this.#neighbours,
      fibDeferral: options.fibDeferral ?? FIB_DEFERRAL,
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
    const more = this.#pipeline.work(budget, now)
    if (more) this.#version++
    return more
  }

  deadline(): Millis {
    return millis(Math.min(this.#neighbours.deadline, this.#pipeline.settleAt))
  }

  /** What the speaker is and holds. O(rows of the tables); allocates for what it lists. */
  snapshot(now: Millis): SpeakerSnapshot {
    const subject = this.#subject()
    return takeSnapshot(subject, this.#version, now)
  }

  /**
   * The route of a prefix, or of the longest prefix that holds an address; all its paths, with
   * reasons.
   */
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
    if (this.#config === undefined) this.#pipeline.configured(now)
    this.#config = config
    for (const peer of changes.removed) {
      const gone = this.#neighbours.remove(peer, now)
      if (gone !== undefined) this.#pipeline.leave(gone)
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
    for (const family of FAMILIES) this.#exports[family].leave(peer.id)
    this.#pipeline.drop(peer)
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

  #full(why: string): void {
    this.#output.note({ code: 'TABLE_FULL', limit: prefixTableRowsMax, why })
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
