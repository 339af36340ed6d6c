import { type Brand, grownLength, grownUint8, grownUint32, invariant } from '../base/index.ts'

/** The row numbers of the tables, and what the decision needs to know of a peer's row. */

/** A row of the peers. 0 is this node itself. */
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

/** Most peers, this node included. A source fits two octets in every table. */
export const PEERS_MAX = 16_384

/** Rows of the smallest table. */
const ROWS_MIN = 16

/** Who a path comes from: this node, an external peer, an internal one, or a reflector's client. */
export const PEER_KINDS = { LOCAL: 0, EXTERNAL: 1, INTERNAL: 2, CLIENT: 3 } as const

/** A value of `PEER_KINDS`. */
export type PeerKind = (typeof PEER_KINDS)[keyof typeof PEER_KINDS]

/**
 * The peers as rows; row 0 is this node.
 *
 *   row   kind       PeerKind                              1 byte
 *         routerId   BGP Identifier                        4 bytes
 *         rank       place in the order of peer addresses  4 bytes
 *
 * Ranks are given anew whenever peers come or go. That never changes the order of two that stay, so
 * no decision becomes stale by it.
 */
export class PeerColumns {
  kind = new Uint8Array(ROWS_MIN)
  routerId = new Uint32Array(ROWS_MIN)
  rank = new Uint32Array(ROWS_MIN)
  readonly #free: number[] = []
  #rows = 1

  /** Every peer number is below this. */
  get rows(): number {
    return this.#rows
  }

  /** A number for a new peer; undefined when there are `PEERS_MAX`. */
  take(): PeerId | undefined {
    const free = this.#free.pop()
    if (free !== undefined) return peerId(free)
    if (this.#rows === PEERS_MAX) return undefined
    if (this.#rows === this.kind.length) {
      const length = grownLength(this.#rows, this.#rows)
      this.kind = grownUint8(this.kind, length)
      this.routerId = grownUint32(this.routerId, length)
      this.rank = grownUint32(this.rank, length)
    }
    return peerId(this.#rows++)
  }

  /** The number may be used again. Nothing may hold it any more. */
  free(peer: PeerId): void {
    invariant(peer !== LOCAL_PEER, 'this node keeps its number')
    this.#free.push(peer)
  }
}
