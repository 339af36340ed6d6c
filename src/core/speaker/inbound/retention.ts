import { after, type Millis, millis, NEVER, seconds } from '../../base/index.ts'
import { FAMILIES, type Family } from '../../net/index.ts'
import type { Negotiated } from '../../wire/index.ts'
import type { Link, Peer } from '../peer.ts'
import type { Tables } from '../tables.ts'
import type { SpeakerNote } from '../types.ts'
import { LONG_LIVED_MAX } from './long-lived.ts'
import { Sweeper } from './sweeper.ts'

/**
 * Why routes stay that a peer has not said again, and until when: it is away, it has come back and
 * says them all again, or it was asked to. RFC 4724, RFC 9494, RFC 7313
 */

/** Routes of a peer that went away are kept at most for so long, whatever it asks. RFC 4724 §4.2 */
export const RESTART_MAX = seconds(600)

/**
 * A peer that came back, or has begun a refresh, has so long to say all again; then what it did not
 * say goes. RFC 4724 §4.2, RFC 7313 §4
 */
export const STALE_MAX = seconds(360)

/**
 * What is kept of one family of a peer.
 *
 *   restart      the peer is away, and may be restarting
 *   long-lived   it has been away for longer: its routes are marked, and the last resort
 *   return       it is back, and says all again
 *   refresh      it was there all the time, and says all again
 */
export interface Kept {
  readonly phase: 'restart' | 'long-lived' | 'return' | 'refresh'
  /** when that ends */
  readonly until: Millis
  /** for how long routes stay after `restart`; 0: not at all */
  readonly longLived: Millis
  /**
   * when routes go whatever happens; NEVER while none is marked. RFC 9494 §4.2: "MUST NOT be
   * updated […] until the peer has established and synchronized a new session"
   */
  readonly longLivedUntil: Millis
}

/** What a `Retention` works with. */
export interface RetentionParts {
  readonly tables: Tables
  readonly note: (note: SpeakerNote) => void
}

/** Decides what is kept of peers, and has the `Sweeper` do it. Every event is O(families). */
export class Retention {
  readonly #note: (note: SpeakerNote) => void
  readonly #tables: Tables
  readonly #sweeper: Sweeper

  constructor({ tables, note }: RetentionParts) {
    this.#tables = tables
    this.#note = note
    this.#sweeper = new Sweeper(tables)
  }

  /** True while paths wait to be seen to. */
  get busy(): boolean {
    return this.#sweeper.busy
  }

  /** Sees to at most `budget` paths. */
  work(budget: number): void {
    this.#sweeper.work(budget)
  }

  /** Nothing of a peer counts any more. */
  forget(peer: Peer): void {
    for (const family of FAMILIES) this.#drop(peer, family)
    settle(peer)
  }

  /** A session is over. `returns`: the peer may be restarting, and its routes are to be kept. */
  down(peer: Peer, { negotiated }: Link, returns: boolean, now: Millis): void {
    let routes = 0
    for (const family of FAMILIES) {
      const last = peer.kept.get(family)
      const { restart, longLived } = promised(peer, negotiated, family)
      const since = last?.longLivedUntil ?? NEVER
      if (!returns || (restart === 0 && longLived === 0 && since === NEVER)) {
        this.#drop(peer, family)
        continue
      }
      // RFC 9494 §4.2: what was marked in an earlier restart stays until its time is over, and so
      // does what the peer had no time to repeat in a refresh
      if (since !== NEVER || last?.phase === 'refresh') this.#sweeper.age(peer, family)
      else this.#sweeper.keep(peer, family)
      const stale = this.#sweeper.stale(peer, family)
      if (stale === 0) this.#drop(peer, family)
      else if (restart > 0) {
        const until = millis(Math.min(after(now, restart), since))
        peer.kept.set(family, { phase: 'restart', until, longLived, longLivedUntil: since })
      } else this.#endure(peer, family, { longLived, longLivedUntil: since }, now)
      routes += stale
    }
    settle(peer)
    const keep = millis(peer.staleUntil - now)
    if (peer.kept.size > 0)
      this.#note({ code: 'ROUTES_KEPT', peer: peer.config.name, routes, keep })
  }

  /**
   * A session is up. Stale paths wait for the peer to repeat them where it went on forwarding, all
   * others go at once: RFC 4724 §4.2, RFC 9494 §4.2.
   *
   * @param same  the peer has the BGP Identifier that it had: under another it is another router
   */
  up(peer: Peer, { negotiated }: Link, same: boolean, now: Millis): void {
    for (const family of FAMILIES) {
      const adj = this.#tables.locRibs[family].adjRibIn(peer.id)
      const last = peer.kept.get(family)
      // an identifier more, or none any more: what is repeated would be another path
      const named = adj.identified === negotiated.addPathReceive.includes(family)
      if (last !== undefined && same && named && forwards(negotiated, family, last)) {
        const until = millis(Math.min(after(now, STALE_MAX), last.longLivedUntil))
        peer.kept.set(family, { ...last, phase: 'return', until })
      } else this.#drop(peer, family)
      if (peer.sweeping.get(family)?.what !== 'all') adj.live = true
    }
    settle(peer)
  }

  /** RFC 4724 §4.2: what the peer has not said again by its End-of-RIB is stale for good. */
  endOfRib(peer: Peer, link: Link, family: Family): void {
    link.complete.add(family)
    const last = peer.kept.get(family)
    // one in the middle of a refresh says nothing: the refresh has an end of its own
    if (last?.phase === 'refresh') return
    const swept = this.#sweeper.stale(peer, family)
    this.#sweeper.finish(peer, family)
    if (last === undefined) return
    this.#release(peer, family)
    this.#note({ code: 'PEER_RESTARTED', peer: peer.config.name, family, swept })
  }

  /**
   * RFC 7313 §4, BoRR: all routes of the family are stale until the peer has said them again. "MUST
   * ignore any BoRRs […] before the speaker receives the EoR": what a restart left waits for that.
   */
  refreshBegins(peer: Peer, { negotiated, complete }: Link, family: Family, now: Millis): void {
    if (negotiated.gracefulRestart !== undefined && !complete.has(family)) {
      const why = 'a refresh cannot begin before End-of-RIB'
      this.#note({ code: 'REFRESH_IGNORED', peer: peer.config.name, family, why })
      return
    }
    this.#sweeper.age(peer, family)
    const until = after(now, STALE_MAX)
    peer.kept.set(family, { phase: 'refresh', until, longLived: NOT_AT_ALL, longLivedUntil: NEVER })
    settle(peer)
  }

  /** RFC 7313 §4, EoRR: what the peer has not said again by now goes. */
  refreshEnds(peer: Peer, family: Family): void {
    if (peer.kept.get(family)?.phase !== 'refresh') {
      const why = 'a refresh ends that has not begun, or took too long'
      this.#note({ code: 'REFRESH_IGNORED', peer: peer.config.name, family, why })
      return
    }
    const swept = this.#sweeper.stale(peer, family)
    this.#sweeper.finish(peer, family)
    this.#release(peer, family)
    this.#note({ code: 'PEER_REFRESHED', peer: peer.config.name, family, swept })
  }

  /** `peer.staleUntil` is over. */
  expired(peer: Peer, now: Millis): void {
    let routes = 0
    for (const [family, last] of peer.kept) {
      if (last.until > now) continue
      if (last.phase === 'restart' && last.longLived > 0 && last.longLivedUntil > now) {
        this.#endure(peer, family, last, now)
        continue
      }
      routes += this.#sweeper.stale(peer, family)
      if (peer.link === undefined) this.#sweeper.drop(peer, family)
      else this.#sweeper.finish(peer, family)
      peer.kept.delete(family)
    }
    settle(peer)
    if (routes > 0) this.#note({ code: 'STALE_ROUTES_EXPIRED', peer: peer.config.name, routes })
  }

  /** RFC 9494 §4.2: the peer has been away for longer than it takes to restart. */
  #endure(
    peer: Peer,
    family: Family,
    { longLived, longLivedUntil: since }: Pick<Kept, 'longLived' | 'longLivedUntil'>,
    now: Millis,
  ): void {
    const routes = this.#sweeper.stale(peer, family)
    const until = since === NEVER ? after(now, longLived) : since
    this.#sweeper.mark(peer, family)
    peer.kept.set(family, { phase: 'long-lived', until, longLived, longLivedUntil: until })
    const keep = millis(until - now)
    this.#note({ code: 'ROUTES_LONG_LIVED', peer: peer.config.name, family, routes, keep })
  }

  #drop(peer: Peer, family: Family): void {
    this.#sweeper.drop(peer, family)
    peer.kept.delete(family)
  }

  #release(peer: Peer, family: Family): void {
    peer.kept.delete(family)
    settle(peer)
  }
}

const NOT_AT_ALL = millis(0)

/** The first thing that is due. */
function settle(peer: Peer): void {
  peer.staleUntil = NEVER
  for (const { until } of peer.kept.values())
    peer.staleUntil = millis(Math.min(peer.staleUntil, until))
}

/** For how long routes of a family are kept: what the peer asked, as far as we grant it. */
function promised(
  { config }: Peer,
  { gracefulRestart, longLived }: Negotiated,
  family: Family,
): { readonly restart: Millis; readonly longLived: Millis } {
  const asked = gracefulRestart?.families.includes(family) ? gracefulRestart.restartSeconds : 0
  const stale = longLived.find(each => each.family === family)?.staleSeconds ?? 0
  const granted = Math.min(config.options?.longLived ?? 0, LONG_LIVED_MAX)
  return {
    restart: millis(Math.min(seconds(asked), RESTART_MAX)),
    longLived: millis(Math.min(seconds(stale), granted)),
  }
}

/** Whether the peer went on forwarding while it was away, by the capability that counts. */
function forwards(
  { gracefulRestart, longLived }: Negotiated,
  family: Family,
  { longLivedUntil }: Kept,
): boolean {
  if (longLivedUntil === NEVER) return gracefulRestart?.forwarding.includes(family) === true
  return longLived.some(each => each.family === family && each.forwarding)
}
