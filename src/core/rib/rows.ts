import {
  type Brand,
  grownLength,
  grownUint8,
  grownUint16,
  grownUint32,
  invariant,
} from '../base/index.ts'

/** The row numbers of the tables, and what the decision needs to know of a peer's row. */

/** A row of `PeerColumns`: a peer, or a slot of one. 0 is this node itself. */
export type PeerId = Brand<number, 'PeerId'>

/** A row of an `AttributeTable`. Equal sets have equal numbers. */
export type AttributeSetId = Brand<number, 'AttributeSetId'>

/** A row of `NextHops`. */
export type NextHopId = Brand<number, 'NextHopId'>

/** Attributes as one update group sends them: a row of `OutSets`. */
export type OutSetId = Brand<number, 'OutSetId'>

/** No row, of any table: -1 in every column of ids. */
export const NONE = -1

/** No attribute set: the peer has no path, or the destination no best one. */
export const NO_SET = NONE as AttributeSetId

/** Nothing is sent. */
export const NO_OUT_SET = NONE as OutSetId

/** The peer that stands for what this node originates. */
export const LOCAL_PEER = 0 as PeerId

/** `id` as the number of a peer; for the one who numbers them. */
export const peerId = (id: number): PeerId => id as PeerId

/** Most sources, this node included. A source fits two octets in every table. */
export const PEERS_MAX = 16_384

/**
 * Most paths of one prefix from one peer: further ones are not taken. RFC 7911 sets no limit.
 */
export const PATHS_PER_PEER_MAX = 32

/** Most slots of all peers together, so that they never leave a peer without a row. */
export const SLOTS_MAX = 8_192

/** Rows of the smallest table. */
const ROWS_MIN = 16

/** Who a path comes from: this node, an external peer, an internal one, or a reflector's client. */
export const PEER_KINDS = { LOCAL: 0, EXTERNAL: 1, INTERNAL: 2, CLIENT: 3 } as const

/** A value of `PEER_KINDS`. */
export type PeerKind = (typeof PEER_KINDS)[keyof typeof PEER_KINDS]

/**
 * The sources of paths as rows; row 0 is this node.
 *
 *   row   kind       PeerKind                                        1 byte
 *         routerId   BGP Identifier                                  4 bytes
 *         rank       place in the order of peer addresses            4 bytes
 *         owner      the peer: itself, or of a slot whose slot it is 2 bytes
 *
 * A peer has a row. One that sends several paths of a prefix (RFC 7911) has slots beside it, rows
 * that differ from its own in nothing but their number: a prefix's first path is in the peer's row,
 * each further one in a slot. Slots are made when they are first needed, and go with the peer.
 * Whatever is counted or asked by peer goes by `owner`.
 *
 * Ranks are given anew whenever peers come or go. That never changes the order of two that stay, so
 * no decision becomes stale by it.
 */
export class PeerColumns {
  kind = new Uint8Array(ROWS_MIN)
  routerId = new Uint32Array(ROWS_MIN)
  rank = new Uint32Array(ROWS_MIN)
  owner = new Uint16Array(ROWS_MIN)
  readonly #free: number[] = []
  /** by peer: its own row, then its slots */
  readonly #sources: PeerId[][] = [[LOCAL_PEER]]
  #rows = 1
  #slots = 0

  /** Every number of a source is below this. */
  get rows(): number {
    return this.#rows
  }

  /** A number for a new peer; undefined when there are `PEERS_MAX` sources. */
  take(): PeerId | undefined {
    const peer = this.#take()
    if (peer === undefined) return undefined
    this.owner[peer] = peer
    this.#sources[peer] = [peer]
    return peer
  }

  /**
   * One more slot of a peer; undefined when it has `PATHS_PER_PEER_MAX` sources, or all peers
   * together have too many.
   */
  takeSlot(peer: PeerId): PeerId | undefined {
    const sources = this.#sources[peer]!
    if (sources.length === PATHS_PER_PEER_MAX || this.#slots === SLOTS_MAX) return undefined
    const slot = this.#take()
    if (slot === undefined) return undefined
    this.#slots++
    this.owner[slot] = peer
    this.kind[slot] = this.kind[peer]!
    this.routerId[slot] = this.routerId[peer]!
    this.rank[slot] = this.rank[peer]!
    sources.push(slot)
    return slot
  }

  /** The sources of a peer: its own row, then its slots. */
  sourcesOf(peer: PeerId): readonly PeerId[] {
    return this.#sources[peer]!
  }

  /** What a peer is, and its slots with it. */
  describe(peer: PeerId, kind: PeerKind, routerId: number): void {
    for (const source of this.#sources[peer]!) {
      this.kind[source] = kind
      this.routerId[source] = routerId
    }
  }

  /** Where a peer stands in the order of addresses, and its slots with it. */
  order(peer: PeerId, rank: number): void {
    for (const source of this.#sources[peer]!) this.rank[source] = rank
  }

  /** The numbers of a peer and of its slots may be used again. Nothing may hold them any more. */
  free(peer: PeerId): void {
    invariant(peer !== LOCAL_PEER, 'this node keeps its number')
    const sources = this.#sources[peer]!
    this.#sources[peer] = []
    this.#slots -= sources.length - 1
    this.#free.push(...sources.toReversed())
  }

  #take(): PeerId | undefined {
    const free = this.#free.pop()
    if (free !== undefined) return peerId(free)
    if (this.#rows === PEERS_MAX) return undefined
    if (this.#rows === this.kind.length) {
      const length = grownLength(this.#rows, this.#rows)
      this.kind = grownUint8(this.kind, length)
      this.routerId = grownUint32(this.routerId, length)
      this.rank = grownUint32(this.rank, length)
      this.owner = grownUint16(this.owner, length)
    }
    return peerId(this.#rows++)
  }
}
