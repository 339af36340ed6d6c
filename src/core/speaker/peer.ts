import { ByteQueue, type Millis, NEVER } from '../base/index.ts'
import { type Address, type Family, familyOf } from '../net/index.ts'
import { PEER_KINDS, type PeerId, type PeerKind, scopedText } from '../rib/index.ts'
import type { ConnectionId, PeerSession, SessionConfig } from '../session/index.ts'
import type { Negotiated } from '../wire/index.ts'
import type { Bound } from './inbound/bounded.ts'
import { FaultLog } from './inbound/faults.ts'
import type { Standing, Suspension } from './inbound/limits.ts'
import type { Kept } from './inbound/retention.ts'
import type { Sweep } from './inbound/sweeper.ts'
import type { PeerConfig, SpeakerConfig } from './types.ts'

/**
 * A neighbour as the speaker knows it: its configuration, session, queue and place in the tables.
 */

/** Above so many octets of queued UPDATEs, the peer's socket is not read. */
export const INBOUND_OCTETS_MAX = 1 << 20

/** Below so many it is read again. */
export const INBOUND_OCTETS_LOW = 1 << 18

/** A session that is up. */
export interface Link {
  readonly connection: ConnectionId
  readonly negotiated: Negotiated
  /** our end of it */
  readonly local: Address
  readonly since: Millis
  /** families whose End-of-RIB has come. RFC 4724 §2 */
  readonly complete: Set<Family>
}

/** A neighbour. Plain fields: it is counted in hundreds, and its parts meet only in the speaker. */
export class Peer {
  readonly id: PeerId
  config: PeerConfig
  session: PeerSession
  link: Link | undefined
  /** bodies of UPDATEs that wait for `work` */
  readonly inbound = new ByteQueue()
  /** its socket is not read */
  paused = false
  /** families of whose Adj-RIB-In paths are seen to: nothing new is let in meanwhile */
  readonly sweeping = new Map<Family, Sweep>()
  /** families that have stale paths, and why */
  readonly kept = new Map<Family, Kept>()
  /** when the first of `kept` is over; NEVER while there are none. RFC 4724 §4.2 */
  staleUntil: Millis = NEVER
  /** our end of its last session */
  local: Address | undefined
  /** connections to it that were tried since one was last open, from either side */
  attempts = 0
  /** a session with it has been Established in this life: what it may keep of ours is forwarded */
  met = false
  /** where it stands with its limits, while its session is up */
  standings: Standing[] = []
  /** how many routes it may have, in the families in which a limit blocks */
  readonly bounds = new Map<Family, Bound>()
  /** the range that it came from; undefined: it is configured by itself */
  range: string | undefined
  /** when one that came from a range goes, unless it has a session then */
  leavesAt: Millis = NEVER
  /** it has no session for now */
  suspended: Suspension | undefined
  readonly faults = new FaultLog()
  /** notes that are said once a session */
  readonly said = new Set<string>()
  /** not configured any more: it goes once nothing refers to it */
  removed = false
  /** the earliest entry for it in the heap of deadlines */
  scheduled: Millis = NEVER

  /** @param begin  makes the session, which needs to know whose it is */
  constructor(id: PeerId, config: PeerConfig, begin: (peer: Peer) => PeerSession) {
    this.id = id
    this.config = config
    this.session = begin(this)
  }

  get external(): boolean {
    return this.config.peerAs !== this.config.localAs
  }

  get kind(): PeerKind {
    if (this.external) return PEER_KINDS.EXTERNAL
    return this.config.routeReflectorClient ? PEER_KINDS.CLIENT : PEER_KINDS.INTERNAL
  }

  /** The next hop of our own that the peer is given for `family`; undefined where there is none. */
  ownNextHop(family: Family): Address | undefined {
    const configured = family === 'ipv4' ? this.config.nextHopIpv4 : this.config.nextHopIpv6
    const local = this.link?.local
    if (configured !== undefined) return configured
    return local !== undefined && familyOf(local) === family ? local : undefined
  }
}

/** What the session of a peer needs to know. */
export function sessionConfig(peer: PeerConfig, speaker: SpeakerConfig): SessionConfig {
  return {
    localAs: peer.localAs,
    peerAs: peer.peerAs,
    routerId: speaker.routerId,
    passive: peer.passive,
    hold: peer.hold,
    ...(peer.keepalive !== undefined && { keepalive: peer.keepalive }),
    connectRetry: peer.connectRetry,
    families: peer.families,
    ...(peer.restart !== undefined && { restart: peer.restart }),
    ...(peer.options !== undefined && { options: peer.options }),
  }
}

/** Addresses of this node, as far as its peers show them, as `scopedText` has them. O(peers) */
export function ownAddresses(peers: Iterable<Peer>): Set<string> {
  const own = new Set<string>()
  for (const { link, local, staleUntil, config } of peers) {
    const lasting = link !== undefined || staleUntil !== NEVER
    const { localAddress, nextHopIpv4, nextHopIpv6, transport } = config
    for (const address of [lasting ? local : undefined, localAddress, nextHopIpv4, nextHopIpv6])
      if (address !== undefined) own.add(scopedText(address, transport?.interface))
  }
  return own
}
