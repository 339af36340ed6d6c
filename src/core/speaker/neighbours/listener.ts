import type { Millis } from '../../base/index.ts'
import type { RestartStanding } from '../../session/index.ts'
import type { RouteRefresh } from '../../wire/index.ts'
import type { Link, Peer } from '../peer.ts'

/** What the sessions tell the speaker. */
export interface NeighbourListener {
  up(peer: Peer, now: Millis): void
  /** `kept`: it may be restarting. RFC 4724 §4.2 */
  down(peer: Peer, last: Link, kept: boolean, now: Millis): void
  /** what it announced before counts no more, whatever was kept of it */
  forget(peer: Peer): void
  /** `peer.staleUntil` is over */
  expired(peer: Peer, now: Millis): void
  /** what our OPEN to it says of our own restart */
  standing(peer: Peer): RestartStanding
  /** one that came from a range is gone */
  left(peer: Peer): void
  /** `peer.inbound` has something */
  queued(peer: Peer): void
  refresh(peer: Peer, message: RouteRefresh): void
}
