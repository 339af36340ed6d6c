import type { Millis } from '../base/index.ts'
import type { NextHopAnswer } from '../fib/index.ts'
import { FAMILIES, type Family } from '../net/index.ts'
import { PATHS_PER_PEER_MAX } from '../rib/index.ts'
import type { Fault } from '../wire/index.ts'
import type { FibFeed } from './export/fib-feed.ts'
import type { Exports } from './export/groups.ts'
import type { Completion } from './inbound/completion.ts'
import { Importer, type Verdict } from './inbound/import.ts'
import type { Limits } from './inbound/limits.ts'
import { NextHopChanges } from './inbound/next-hops.ts'
import { type RefreshMark, refreshMarkOf } from './inbound/refresh.ts'
import type { Retention } from './inbound/retention.ts'
import type { Neighbours } from './neighbours/neighbours.ts'
import { tableFull } from './notes.ts'
import { INBOUND_OCTETS_LOW, type Link, type Peer } from './peer.ts'
import type { Tables } from './tables.ts'
import type { SpeakerOutput } from './types.ts'

/** The table work: what becomes of queued UPDATEs, a slice at a time. */

/** Rows that a peer's queue is drained by before the next peer has its turn. */
const TURN_ROWS = 256

/** What the pipeline works on. */
export interface PipelineParts {
  readonly output: SpeakerOutput
  readonly tables: Tables
  readonly exports: Readonly<Record<Family, Exports>>
  readonly fib: FibFeed
  readonly neighbours: Neighbours
  readonly completion: Completion
  readonly limits: Limits
  readonly retention: Retention
}

/**
 * Sweep, import, decide, export, tell the FIB: each at most a budget of rows, in this order, so
 * that a row goes all the way in one slice, and whatever waits is there for the next.
 */
export class Pipeline {
  readonly #parts: PipelineParts
  readonly #importer: Importer
  readonly #nextHops: NextHopChanges
  /** peers whose queue is not empty, whose turn is first first */
  readonly #ready = new Set<Peer>()
  /** removed, but still in the tables */
  readonly #leaving = new Set<Peer>()

  constructor(parts: PipelineParts) {
    this.#parts = parts
    this.#importer = new Importer(parts.tables)
    this.#nextHops = new NextHopChanges(parts.tables)
  }

  /** A peer's queue has something. */
  queue(peer: Peer): void {
    this.#ready.add(peer)
  }

  /** A session is down: nothing of the peer waits any more. */
  lose(peer: Peer): void {
    this.#ready.delete(peer)
  }

  /** A peer was removed: its number is free once nothing refers to it. */
  leave(peer: Peer): void {
    this.#leaving.add(peer)
  }

  /** The kernel half says how next hops are reached. */
  resolved(answers: readonly NextHopAnswer[]): void {
    this.#nextHops.take(answers)
  }

  /** Addresses of this node, as far as BGP shows them: nothing is reached through them. */
  own(addresses: ReadonlySet<string>): void {
    this.#nextHops.own(addresses)
  }

  /** One slice. True when more waits. */
  work(budget: number, now: Millis): boolean {
    const { completion, exports, fib, limits, neighbours, retention, tables } = this.#parts
    retention.work(budget)
    this.#import(budget, now)
    const walking = this.#nextHops.work(budget)
    neighbours.settle()
    this.#decide(budget)
    completion.look(now)
    limits.look(now)
    // an UPDATE may have ended a session: what it left is swept in the next slice
    const deciding = walking || retention.busy || tables.dirty > 0
    let more = deciding || this.#ready.size > 0
    for (const family of FAMILIES) {
      exports[family].flush()
      exports[family].holdEndOfRib(completion.restarting)
      more = exports[family].work(budget) || more
    }
    more = fib.work(budget, now, { deciding, complete: at => completion.complete(at) }) || more
    this.#retire()
    return more
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
    const { id, external, bounds } = peer
    const { interface: name } = peer.config.transport ?? {}
    const sender = { id, external, bounds, negotiated: link.negotiated, interface: name }
    let rows = 0
    // an end of something may have begun a sweep, which what follows waits for
    while (rows < budget && peer.sweeping.size === 0) {
      const body = peer.inbound.shift()
      if (body === undefined) break
      const mark = refreshMarkOf(body)
      if (mark !== undefined) {
        rows++
        this.#refresh(peer, link, mark, now)
        continue
      }
      const verdict = this.#importer.update(body, sender)
      rows += verdict.rows
      for (const fault of verdict.faults) this.#fault(peer, fault, body, now)
      if (verdict.reset !== undefined) this.#fault(peer, verdict.reset, body, now)
      if (!this.#judge(peer, link, verdict, now)) return rows
    }
    if (peer.paused && peer.inbound.octets < INBOUND_OCTETS_LOW) {
      peer.paused = false
      this.#parts.output.resume(link.connection)
    }
    return rows
  }

  /** False when the session is gone. */
  #judge(peer: Peer, link: Link, verdict: Readonly<Verdict>, now: Millis): boolean {
    if (verdict.endOfRib !== undefined) this.#parts.retention.endOfRib(peer, link, verdict.endOfRib)
    if (verdict.full) {
      const why = `routes of ${peer.config.name} are left out`
      this.#parts.output.note(tableFull(why, verdict.full))
    }
    if (verdict.crowded) this.#crowded(peer)
    const { reset } = verdict
    if (reset === undefined)
      return peer.standings.length === 0 || this.#parts.limits.check(peer, now)
    this.#parts.neighbours.reset(peer, reset.notification, reset.why, now)
    return false
  }

  /** RFC 7313 §4. */
  #refresh(peer: Peer, link: Link, { family, begins }: RefreshMark, now: Millis): void {
    const { neighbours, retention } = this.#parts
    if (begins) retention.refreshBegins(peer, link, family, now)
    else retention.refreshEnds(peer, family)
    neighbours.schedule(peer)
  }

  #fault(peer: Peer, fault: Fault, body: Uint8Array, now: Millis): void {
    peer.faults.add(fault, body, now)
    const { remedy, why } = fault
    this.#parts.output.note({ code: 'UPDATE_FAULT', peer: peer.config.name, remedy, why })
  }

  #crowded(peer: Peer): void {
    if (peer.said.has('paths')) return
    peer.said.add('paths')
    const limit = PATHS_PER_PEER_MAX
    this.#parts.output.note({ code: 'PATHS_LEFT_OUT', peer: peer.config.name, limit })
  }

  /** Decides dirty rows, and hands on what that changed. */
  #decide(budget: number): void {
    const { fib, tables } = this.#parts
    const { concern } = fib
    let left = budget
    for (const family of FAMILIES) {
      const locRib = tables.locRibs[family]
      const exports = this.#parts.exports[family]
      const decided = locRib.decideDirty(left)
      const { rows, changes, count } = decided
      exports.consider(decided)
      for (let at = 0; at < count; at++)
        if ((changes[at]! & concern) !== 0) fib.consider(family, rows[at]!)
      locRib.dropAll(decided)
      left -= count
    }
  }

  /**
   * Numbers of removed peers are free once no table can refer to them: at once where they never had
   * a session.
   */
  #retire(): void {
    if (this.#leaving.size === 0) return
    const dirty = this.#parts.tables.dirty > 0
    for (const peer of this.#leaving) {
      if (peer.sweeping.size > 0 || (dirty && peer.met)) continue
      this.#leaving.delete(peer)
      for (const family of FAMILIES) this.#parts.tables.locRibs[family].forget(peer.id)
      this.#parts.neighbours.forget(peer)
    }
  }
}
