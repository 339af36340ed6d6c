import { type Millis, millis, NEVER, seconds } from '../../base/index.ts'
import { CEASE, ERROR_CODES } from '../../wire/index.ts'
import type { Peer } from '../peer.ts'
import type { Tables } from '../tables.ts'

/** Whether all has come that is to come, after a start. */

/** A peer that may send no End-of-RIB has said all when it was up for so long and is quiet. */
const QUIET = seconds(5)

/**
 * A peer that could not be connected to is waited for so long. Whoever kept routes of ours, or has
 * some for us, listens: a speaker that is started again by its supervisor is back sooner, and a
 * host that boots forwards nothing meanwhile. A peer that we wait for passively is waited for
 * longer: how often it tries is not ours to know, and two minutes are usual.
 */
const ABSENT = seconds(45)

/** So many connections, one after another, make a peer absent. */
const ABSENT_ATTEMPTS = 3

/** What a `Completion` looks at. */
export interface CompletionParts {
  readonly tables: Tables
  readonly peers: () => Iterable<Peer>
  /** peers may come that nobody can name */
  readonly strangers: () => boolean
  /** longest wait, from the first configuration on */
  readonly deferral: Millis
}

/**
 * The first tables of a speaker's life. Two things wait for them: the FIB, which may be swept once
 * they are complete, and, where the speaker has restarted, its own End-of-RIB, by which its peers
 * sweep what it did not repeat (RFC 4724 §4.1).
 *
 * A peer has said all with its End-of-RIB; one that does not know of it when it was up for QUIET;
 * one that cannot be reached is waited for during ABSENT, as are those of ranges, whoever they may
 * be, and one that refuses us not at all. None of them is waited for longer than the deferral.
 *
 * Two that restart at once would wait for each other's End-of-RIB. Departs from RFC 4724 §4.1, by
 * which one that says R is not waited for at all: we give it QUIET, in which its routes come. A
 * router whose neighbours all restart with it would else tell each of them that it has no routes of
 * the others.
 */
export class Completion {
  readonly #parts: CompletionParts
  #configuredAt = NEVER
  #forwarding = false
  #restarting = false
  #complete = false
  #restartAsksAt = NEVER
  #completeAsksAt = NEVER

  constructor(parts: CompletionParts) {
    this.#parts = parts
  }

  /** There is a configuration: from now on peers are waited for. */
  configured(now: Millis): void {
    this.#configuredAt = now
  }

  /** The dataplane went on forwarding what an earlier life of this speaker told it. */
  preserved(): void {
    this.#forwarding = true
    this.#restarting = !this.#complete
  }

  /** F: what peers keep of ours was forwarded all the time. RFC 4724 §3 */
  get forwarding(): boolean {
    return this.#forwarding
  }

  /** R: this speaker has restarted, and has not heard all yet. RFC 4724 §4.1 */
  get restarting(): boolean {
    return this.#restarting
  }

  /** When to ask again. */
  get asksAt(): Millis {
    return millis(Math.min(this.#restartAsksAt, this.#completeAsksAt))
  }

  /** Looks whether the restart is over. O(peers) while it is not. */
  look(now: Millis): void {
    this.#completeAsksAt = NEVER
    if (!this.#restarting) return
    const until = this.#until(now, { mutual: false })
    this.#restarting = until > now
    this.#restartAsksAt = this.#restarting ? until : NEVER
  }

  /**
   * True when the first tables are complete, so that the FIB may be swept. Once true it stays true.
   * O(peers) until then.
   */
  complete(now: Millis): boolean {
    if (this.#configuredAt === NEVER || this.#parts.tables.dirty > 0) return false
    if (this.#complete) return true
    const until = this.#until(now, { mutual: true })
    this.#complete = until <= now
    this.#completeAsksAt = this.#complete ? NEVER : until
    return this.#complete
  }

  /**
   * Until when a table may still be incomplete; `now` or before when it is not.
   *
   * @param mutual  also those are waited for who may be waiting for us
   */
  #until(now: Millis, { mutual }: { readonly mutual: boolean }): Millis {
    if (this.#configuredAt === NEVER || this.#parts.tables.dirty > 0) return NEVER
    const end = this.#configuredAt + this.#parts.deferral
    if (now >= end) return now
    const absent = this.#configuredAt + ABSENT
    let until = this.#parts.strangers() ? absent : 0
    for (const peer of this.#parts.peers())
      until = Math.max(until, awaited(peer, now, { end, absent, mutual }))
    return millis(Math.min(until, end))
  }
}

interface Bounds {
  /** nobody is waited for longer */
  readonly end: number
  /** nobody who cannot be reached is waited for longer */
  readonly absent: number
  readonly mutual: boolean
}

/** Until when a peer's table may still be incomplete. */
function awaited(peer: Peer, now: Millis, { end, absent, mutual }: Bounds): number {
  const { link, inbound, sweeping } = peer
  if (inbound.size > 0 || sweeping.size > 0) return end
  if (link === undefined) {
    // one that was there once may be restarting: its routes of this life are kept meanwhile
    if (peer.met) return end
    if (refuses(peer)) return now
    return peer.attempts < ABSENT_ATTEMPTS ? end : Math.min(absent, end)
  }
  const { families, gracefulRestart } = link.negotiated
  if (families.every(family => link.complete.has(family))) return now
  const willSay = gracefulRestart !== undefined && (mutual || !gracefulRestart.restarting)
  return willSay ? end : link.since + QUIET
}

/** Ceases of one that does not want this session. RFC 4486 §4 */
const UNWANTED: readonly number[] = [CEASE.ADMINISTRATIVE_SHUTDOWN, CEASE.PEER_DECONFIGURED]

/**
 * Whether a session that never was fails for a reason that only an operator can mend: an OPEN that
 * the other side does not accept, or a peer that has been told to have no session with us. It
 * cannot have come about in the life before either, so nothing in the kernel is this peer's.
 */
function refuses({ session }: Peer): boolean {
  const { lastError } = session
  if (lastError?.code === ERROR_CODES.OPEN_MESSAGE) return true
  if (lastError?.direction !== 'received' || lastError.code !== ERROR_CODES.CEASE) return false
  return UNWANTED.includes(lastError.subcode ?? 0)
}
