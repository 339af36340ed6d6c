import { type Millis, millis, NEVER, seconds } from '../base/index.ts'
import { FAMILIES, type Family, type PrefixId, prefixTableRowsMax } from '../net/index.ts'
import { CHANGES, NO_SET } from '../rib/index.ts'
import type { Exports } from './export/groups.ts'
import type { FibFeed } from './fib-feed.ts'
import { Importer, type Verdict } from './import.ts'
import type { Neighbours } from './neighbours.ts'
import { INBOUND_OCTETS_LOW, type Link, type Peer } from './peer.ts'
import type { Tables } from './tables.ts'
import type { SpeakerOutput } from './types.ts'

/** The table work: what becomes of queued UPDATEs, a slice at a time. */

/**
 * A peer that sends no End-of-RIB is taken to have said all when it was up for so long and is
 * quiet.
 */
const QUIET = seconds(5)

/** Rows that a peer's queue is drained by before the next peer has its turn. */
const TURN_ROWS = 256

/** What the pipeline works on. */
export interface PipelineParts {
  readonly output: SpeakerOutput
  readonly tables: Tables
  readonly exports: Readonly<Record<Family, Exports>>
  readonly fib: FibFeed
  readonly neighbours: Neighbours
  readonly fibDeferral: Millis
}

/**
 * Sweep, import, decide, export, tell the FIB: each at most a budget of rows, in this order, so
 * that a row goes all the way in one slice, and whatever waits is there for the next.
 */
export class Pipeline {
  readonly #parts: PipelineParts
  readonly #importer: Importer
  /** peers whose queue is not empty, whose turn is first first */
  readonly #ready = new Set<Peer>()
  readonly #sweeping = new Set<Peer>()
  /** removed, but still in the tables */
  readonly #leaving = new Set<Peer>()
  #configuredAt = NEVER
  /** the first tables are complete: from now on a new dataplane need not wait */
  #settled = false
  /** when to ask again whether the first tables are complete */
  settleAt = NEVER

  constructor(parts: PipelineParts) {
    this.#parts = parts
    this.#importer = new Importer(parts.tables)
  }

  /** There is a configuration: from now on peers are waited for. */
  configured(now: Millis): void {
    this.#configuredAt = now
  }

  /** A peer's queue has something. */
  queue(peer: Peer): void {
    this.#ready.add(peer)
  }

  /** A session is down: its paths count no more, and are swept. O(1). */
  drop(peer: Peer): void {
    this.#ready.delete(peer)
    for (const family of FAMILIES) {
      const adj = this.#parts.tables.locRibs[family].adjRibIn(peer.id)
      adj.live = false
      if (adj.size === 0) continue
      peer.sweeping.set(family, 0)
      this.#sweeping.add(peer)
    }
  }

  /** A peer was removed: its number is free once nothing refers to it. */
  leave(peer: Peer): void {
    this.#leaving.add(peer)
  }

  /** One slice. True when more waits. */
  work(budget: number, now: Millis): boolean {
    const { exports, fib, tables } = this.#parts
    this.#sweep(budget)
    this.#import(budget, now)
    this.#decide(budget)
    // an UPDATE may have ended a session: what it left is swept in the next slice
    let more = this.#sweeping.size > 0 || this.#ready.size > 0 || tables.dirty > 0
    for (const family of FAMILIES) {
      exports[family].flush()
      more = exports[family].work(budget) || more
    }
    more = fib.work(budget, now, at => this.#complete(at)) || more
    this.#retire()
    return more
  }

  /** Takes the paths of dead sessions out. */
  #sweep(budget: number): void {
    let left = budget
    for (const peer of this.#sweeping) {
      for (const [family, from] of peer.sweeping) {
        const locRib = this.#parts.tables.locRibs[family]
        const adj = locRib.adjRibIn(peer.id)
        let row = adj.next(from)
        for (; row >= 0 && left > 0; row = adj.next(row), left--)
          locRib.put(peer.id, row as PrefixId, NO_SET)
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
      this.#parts.output.resume(link.connection)
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
    this.#parts.neighbours.reset(peer, reset.notification, reset.why, now)
    return false
  }

  #noteFault(peer: Peer, remedy: string, why: string): void {
    this.#parts.output.note({ code: 'UPDATE_FAULT', peer: peer.config.name, remedy, why })
  }

  #full(why: string): void {
    this.#parts.output.note({ code: 'TABLE_FULL', limit: prefixTableRowsMax, why })
  }

  /** Decides dirty rows, and hands on what that changed. */
  #decide(budget: number): void {
    let left = budget
    for (const family of FAMILIES) {
      const locRib = this.#parts.tables.locRibs[family]
      const exports = this.#parts.exports[family]
      for (; left > 0; left--) {
        const row = locRib.takeDirty()
        if (row < 0) break
        const changes = locRib.decide(row, this.#parts.fib)
        if ((changes & CHANGES.BEST) !== 0) exports.consider(row)
        if ((changes & CHANGES.GROUP) !== 0) this.#parts.fib.consider(family, row)
        locRib.settle(row)
      }
    }
  }

  /** Numbers of removed peers are free once no table can refer to them. */
  #retire(): void {
    if (this.#leaving.size === 0 || this.#parts.tables.dirty > 0) return
    for (const peer of this.#leaving)
      if (peer.sweeping.size === 0) {
        this.#leaving.delete(peer)
        this.#parts.neighbours.forget(peer)
      }
  }

  /**
   * True when the first tables are complete, so that the FIB may be swept: every peer has said all
   * it has, or has been waited for long enough. Once true it stays true.
   */
  #complete(now: Millis): boolean {
    if (this.#configuredAt === NEVER || this.#parts.tables.dirty > 0) return false
    if (this.#settled) return true
    const end = this.#configuredAt + this.#parts.fibDeferral
    let wait = 0
    if (now < end)
      for (const peer of this.#parts.neighbours.all)
        wait = Math.max(wait, this.#awaited(peer, now, end))
    this.settleAt = wait > now ? millis(Math.min(wait, end)) : NEVER
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
