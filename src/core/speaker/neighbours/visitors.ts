import { after, type Millis, NEVER, seconds } from '../../base/index.ts'
import type { Address } from '../../net/index.ts'
import { byAddress } from '../configure.ts'
import type { Peer } from '../peer.ts'
import type { PeerConfig, SpeakerConfig } from '../types.ts'
import { peerIn, Ranges } from './ranges.ts'

/** How long one from a range may take to have a session. */
const PATIENCE = seconds(30)

/** How long one from a range may be without the session that it had. */
const ABSENCE = seconds(60)

/** Whoever has the peers. */
export interface Host {
  add(config: PeerConfig, now: Millis, why: string): Peer | undefined
  /** for good: with its session, and its routes */
  dismiss(peer: Peer, why: string, now: Millis): void
}

/**
 * Peers that come from a range, and go: each is there while it has a session, and for a while after
 * it. A connection alone makes one, so there are at most as many of a range as it allows, one that
 * says nothing is not kept for long, and one that has nothing to lose makes room for the next.
 */
export class Visitors {
  readonly #host: Host
  readonly #ranges = new Ranges()
  readonly #here = new Set<Peer>()

  constructor(host: Host) {
    this.#host = host
  }

  /** Those who are here, by address. */
  get all(): readonly Peer[] {
    return [...this.#here].sort((a, b) => byAddress(a.config, b.config))
  }

  /** False where nobody may come. */
  get mayCome(): boolean {
    return this.#ranges.any
  }

  /** Who may come from where, from now on. */
  configure({ ranges = [] }: Pick<SpeakerConfig, 'ranges'>): void {
    this.#ranges.set(ranges)
  }

  /** Somebody connects who has no configuration: a peer, or why it is none. */
  come(remote: Address, now: Millis): Peer | string {
    const range = this.#ranges.find(remote)
    if (range === undefined) return 'no peer is configured with this address'
    const idle = this.#ranges.isFull(range) ? this.#ranges.idle(range) : undefined
    if (idle !== undefined) this.#host.dismiss(idle, 'makes room for another of its range', now)
    if (this.#ranges.isFull(range))
      return `the range ${range.name} has as many peers as it may have: ${range.peersMax}`
    const why = `came from the range ${range.name}`
    const peer = this.#host.add(peerIn(range, remote), now, why)
    if (peer === undefined) return 'there are as many peers as there can be'
    peer.range = range.name
    peer.leavesAt = after(now, PATIENCE)
    this.#here.add(peer)
    this.#ranges.came(peer, range.name)
    return peer
  }

  /** Its session is up, or down. */
  moved(peer: Peer, isUp: boolean, now: Millis): void {
    if (peer.range !== undefined) peer.leavesAt = isUp ? NEVER : after(now, ABSENCE)
  }

  /** A peer is removed. */
  forget(peer: Peer): void {
    if (peer.range !== undefined) this.#ranges.left(peer, peer.range)
    this.#here.delete(peer)
  }

  /** True when the time of a peer was over, and it is gone; its routes, or its penance, keep it. */
  leaves(peer: Peer, now: Millis): boolean {
    if (peer.leavesAt > now) return false
    if (peer.staleUntil === NEVER && peer.suspended === undefined) {
      this.#host.dismiss(peer, 'its session did not come back', now)
      return true
    }
    peer.leavesAt = after(now, ABSENCE)
    return false
  }
}
