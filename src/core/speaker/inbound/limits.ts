import { after, type Millis, millis, NEVER, seconds } from '../../base/index.ts'
import type { Family } from '../../net/index.ts'
import { type Notification, tooManyPrefixes } from '../../wire/index.ts'
import type { Exports } from '../export/groups.ts'
import type { SpeakerNote } from '../notes.ts'
import type { Peer } from '../peer.ts'
import type { Tables } from '../tables.ts'
import type { PrefixLimit, PrefixLimits } from '../types.ts'
import type { Bound } from './bounded.ts'
import { askForRefresh } from './refresh.ts'

/**
 * How many prefixes a peer may say, have accepted, or be sent: RFC 4271 §6.7, RFC 4486 §4. Where it
 * sends several paths of a prefix (RFC 7911), each of them counts.
 *
 * Counted are routes that are there, so a peer that says a route twice has said it once. How many
 * there are is looked at after each UPDATE and after each slice of work, in O(1).
 */

/** Which of the limits of a peer. */
export type LimitName = keyof PrefixLimits

/** Where a peer stands with one of its limits, in one family. */
export interface Standing {
  readonly which: LimitName
  readonly family: Family
  readonly limit: PrefixLimit
  /** a note was made that the limit is near, and that it is passed: not again before it is far */
  near: boolean
  passed: boolean
}

/** Why there is no session with a peer. */
export interface Suspension {
  /** when one begins again; NEVER: when its configuration changes */
  readonly until: Millis
  readonly why: string
}

/** Between two requests to say a family again. */
const REQUEST_PAUSE = seconds(30)

/** A limit is far again, and a note may be made anew, below this share of where one was made. */
const FAR = 0.9

/** What limits look at, and what they do. */
export interface LimitParts {
  readonly tables: Tables
  readonly exports: Readonly<Record<Family, Exports>>
  note(note: SpeakerNote): void
  /** ends the session of a peer, whose routes go; none begins before the suspension is over */
  suspend(peer: Peer, farewell: Notification, suspension: Suspension, now: Millis): void
}

/** The limits of all peers. */
export class Limits {
  readonly #parts: LimitParts
  /** peers with a session and a limit */
  readonly #limited = new Set<Peer>()
  /** when a peer with routes left out may be asked for them again */
  readonly #asksAt = new Map<Peer, Millis>()

  constructor(parts: LimitParts) {
    this.#parts = parts
  }

  /** When `look` is due, whatever else happens. */
  get deadline(): Millis {
    let earliest: number = NEVER
    for (const peer of this.#limited)
      if (this.#wants(peer)) earliest = Math.min(earliest, this.#asksAt.get(peer) ?? NEVER)
    return millis(earliest)
  }

  /** The session of a peer is up, or its configuration has changed. */
  begin(peer: Peer): void {
    const { link, config } = peer
    const { standings: before } = peer
    const left = new Map([...peer.bounds].map(([family, bound]) => [family, bound.left]))
    this.end(peer)
    if (link === undefined) return
    const { limits = {} } = config
    for (const family of link.negotiated.families) {
      for (const which of ['received', 'accepted', 'announced'] as const) {
        const limit = limits[which]
        if (limit !== undefined) peer.standings.push(standing({ which, family, limit }, before))
      }
      const received = blocking(limits.received)
      const accepted = blocking(limits.accepted)
      const leftOut = left.get(family) ?? 0
      if (Math.min(received, accepted) < Number.POSITIVE_INFINITY)
        peer.bounds.set(family, { received, accepted, left: leftOut })
      // there is room for all of it now
      else if (leftOut > 0) askForRefresh(peer, family)
    }
    if (peer.standings.length > 0) this.#limited.add(peer)
  }

  /** Its session is down. */
  end(peer: Peer): void {
    peer.standings = []
    peer.bounds.clear()
    this.#limited.delete(peer)
    this.#asksAt.delete(peer)
  }

  /** An UPDATE of a peer was taken in. False when that has cost it its session. */
  check(peer: Peer, now: Millis): boolean {
    for (const standing of peer.standings)
      if (standing.which !== 'announced' && !this.#judge(peer, standing, now)) return false
    return true
  }

  /** After a slice of work: what was sent is counted, and what was left out is asked for. */
  look(now: Millis): void {
    for (const peer of this.#limited) {
      for (const standing of peer.standings)
        if (peer.link !== undefined) this.#judge(peer, standing, now)
      if (peer.link !== undefined) this.#request(peer, now)
    }
  }

  /** How many prefixes a limit counts now. */
  count(peer: Peer, which: LimitName, family: Family): number {
    const locRib = this.#parts.tables.locRibs[family]
    switch (which) {
      case 'received':
        return locRib.adjRibIn(peer.id).size
      case 'accepted':
        return locRib.acceptances.accepted(peer.id)
      case 'announced':
        return this.#parts.exports[family].advertised(peer.id)
      default:
        return which satisfies never
    }
  }

  /** How many routes a limit that blocks has left out. */
  left(peer: Peer, which: LimitName, family: Family): number {
    if (which === 'announced') return this.#parts.exports[family].leftOut(peer.id)
    return peer.bounds.get(family)?.left ?? 0
  }

  /** False when the session is gone. */
  #judge(peer: Peer, standing: Standing, now: Millis): boolean {
    const { which, family, limit } = standing
    const count = this.count(peer, which, family)
    const { most, action } = limit
    const near = Math.ceil((most * limit.warnPercent) / 100)
    const blocks = action === 'block' && count === most
    const passed = count > most || (blocks && this.left(peer, which, family) > 0)
    if (count < FAR * near) standing.near = false
    if (count < FAR * most) standing.passed = false
    const facts = { peer: peer.config.name, which, family, count, most, action } as const
    if (passed && !standing.passed) {
      standing.passed = true
      standing.near = true
      this.#parts.note({ code: 'PREFIX_LIMIT_PASSED', ...facts })
    } else if (count >= near && !standing.near) {
      standing.near = true
      this.#parts.note({ code: 'PREFIX_LIMIT_NEAR', ...facts })
    }
    if (count <= most || (action !== 'restart' && action !== 'disable')) return true
    const until = action === 'disable' ? NEVER : after(now, limit.restartAfter)
    const why = `more than ${most} ${family} prefixes ${which}`
    this.#parts.suspend(peer, tooManyPrefixes(family, most), { until, why }, now)
    return false
  }

  /** Asks for what was left out, once there is room for it, and not all the time. RFC 2918 */
  #request(peer: Peer, now: Millis): void {
    if (!this.#wants(peer)) return
    const at = this.#asksAt.get(peer)
    if (at !== undefined && now < at) return
    this.#asksAt.set(peer, after(now, REQUEST_PAUSE))
    for (const [family, bound] of peer.bounds)
      if (this.#hasRoom(peer, family, bound)) {
        bound.left = 0
        askForRefresh(peer, family)
      }
  }

  /** Something was left out for which there is room now. */
  #wants(peer: Peer): boolean {
    for (const [family, bound] of peer.bounds)
      if (this.#hasRoom(peer, family, bound)) return peer.link?.negotiated.routeRefresh === true
    return false
  }

  #hasRoom(peer: Peer, family: Family, { received, accepted, left }: Bound): boolean {
    return (
      left > 0 &&
      this.count(peer, 'received', family) < received &&
      this.count(peer, 'accepted', family) < accepted
    )
  }
}

/** One that begins, with the notes that were made of it before where it is as it was. */
function standing(
  begins: Pick<Standing, 'which' | 'family' | 'limit'>,
  before: readonly Standing[],
): Standing {
  const { which, family, limit } = begins
  const known = before.find(each => each.which === which && each.family === family)
  const same = known !== undefined && known.limit.most === limit.most
  return { ...begins, near: same && known.near, passed: same && known.passed }
}

/** How many may be taken where a limit blocks. */
const blocking = (limit: PrefixLimit | undefined): number =>
  limit?.action === 'block' ? limit.most : Number.POSITIVE_INFINITY
