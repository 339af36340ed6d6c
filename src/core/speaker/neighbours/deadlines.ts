import { Heap, type Millis, millis, NEVER } from '../../base/index.ts'
import type { Peer } from '../peer.ts'

/** With fewer entries than this nobody looks for those that are not valid. */
const ENTRIES_MIN = 64

interface Entry {
  readonly at: Millis
  readonly peer: Peer
}

/**
 * Whose timer is due next.
 *
 * A deadline is in the heap as it was when it was put there. One that has moved later is found too
 * early and put back; one that has moved earlier is put in again. So a message that restarts a hold
 * timer costs nothing here. What is not valid any more is at most about half of the heap: peers of
 * ranges may come and go faster than their deadlines.
 */
export class Deadlines {
  readonly #heap = new Heap<Entry>((a, b) => a.at - b.at)
  #most = ENTRIES_MIN

  /** How many entries there are, valid or not: for checks. */
  get size(): number {
    return this.#heap.size
  }

  /** When the next one is due; NEVER without any. */
  get next(): Millis {
    return this.#heap.peek()?.at ?? NEVER
  }

  /** A deadline of a peer may be earlier than it was. O(log peers) if it is. */
  schedule(peer: Peer): void {
    const { session, staleUntil, leavesAt, suspended } = peer
    const due = Math.min(session.deadline(), staleUntil, leavesAt, suspended?.until ?? NEVER)
    const at = millis(due)
    if (at >= peer.scheduled) return
    peer.scheduled = at
    this.#heap.push({ at, peer })
    if (this.#heap.size < this.#most) return
    this.#heap.retain(isValid)
    this.#most = Math.max(ENTRIES_MIN, 2 * this.#heap.size)
  }

  /** A peer that may have something due; it is to be scheduled again. Undefined when none has. */
  take(now: Millis): Peer | undefined {
    for (;;) {
      const next = this.#heap.peek()
      if (next === undefined || next.at > now) return undefined
      this.#heap.pop()
      const { peer } = next
      // else another entry of the same peer is the valid one, or none
      if (!isValid(next)) continue
      peer.scheduled = NEVER
      return peer
    }
  }
}

const isValid = ({ at, peer }: Entry): boolean => !peer.removed && peer.scheduled === at
