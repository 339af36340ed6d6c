import { LOCAL_PEER, type PeerId } from '../rows.ts'
import type { Member } from './stream.ts'

/**
 * What a pass has to say, on its way to many members.
 */

/** Pieces `from` to `to`, not included, which lie one behind the other in one buffer. */
type Take = (from: number, to: number) => void

/**
 * Messages that all members of a group are sent, each but those of which it is the origin.
 *
 * Pieces come from one packer, so those in one buffer follow one another there: what a member is
 * sent is a few views of such buffers, however many messages and origins there are. O(pieces +
 * members), where a loop over both would cost their product: a reflector has one piece for each of
 * its clients.
 */
export class Broadcast {
  readonly #pieces: Uint8Array[] = []
  /** by origin: which pieces it is not sent */
  readonly #ofOrigin = new Map<PeerId, number[]>()
  /** pieces that begin another buffer than the one before, and the end of all */
  readonly #breaks: number[] = []
  #last: Uint8Array | undefined
  #lastFrom = 0
  #lastTo = 0

  /** Adds messages for all but `origin`; LOCAL_PEER: for all. Kept until `send`. */
  add(messages: Uint8Array, origin: PeerId): void {
    const at = this.#pieces.length
    const last = this.#pieces[at - 1]
    if (last !== undefined && last.buffer !== messages.buffer) this.#breaks.push(at)
    this.#pieces.push(messages)
    if (origin === LOCAL_PEER) return
    const known = this.#ofOrigin.get(origin)
    if (known === undefined) this.#ofOrigin.set(origin, [at])
    else known.push(at)
  }

  /** Sends all that was added, and forgets it. */
  send(to: Iterable<Member>): void {
    const count = this.#pieces.length
    if (count === 0) return
    this.#breaks.push(count)
    for (const member of to) {
      const take: Take = (from, end) => member.send(this.#joined(from, end))
      let from = 0
      for (const own of this.#ofOrigin.get(member.peer) ?? NONE) {
        this.#between(from, own, take)
        from = own + 1
      }
      this.#between(from, count, take)
    }
    this.#last = undefined
    this.#pieces.length = 0
    this.#breaks.length = 0
    this.#ofOrigin.clear()
  }

  /** Hands out the pieces of a range, buffer by buffer. */
  #between(from: number, to: number, take: Take): void {
    let start = from
    for (const at of this.#breaks) {
      if (at <= start) continue
      if (start >= to) return
      take(start, Math.min(at, to))
      start = at
    }
  }

  /** One view, and mostly the one that the member before was given. */
  #joined(from: number, to: number): Uint8Array {
    if (this.#last !== undefined && from === this.#lastFrom && to === this.#lastTo)
      return this.#last
    const first = this.#pieces[from]!
    const last = this.#pieces[to - 1]!
    const end = last.byteOffset + last.length
    this.#lastFrom = from
    this.#lastTo = to
    this.#last = new Uint8Array(first.buffer, first.byteOffset, end - first.byteOffset)
    return this.#last
  }
}

const NONE: readonly number[] = []
