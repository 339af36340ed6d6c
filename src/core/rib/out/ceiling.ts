import { Bitset } from '../../base/index.ts'
import type { PrefixId } from '../../net/index.ts'
import type { PeerId } from '../rows.ts'
import type { AdjRibOut } from './adj-rib-out.ts'

/** How many paths a peer may be sent. It has an update group of its own then. */
export interface CeilingOf {
  readonly peer: PeerId
  readonly most: number
}

/**
 * The ceiling of a group: what would go beyond it is left out, and looked for once there is room.
 * Which paths those are depends on what came first. 1 bit a prefix.
 */
export class Ceiling {
  readonly #of: CeilingOf
  readonly #held: () => number
  readonly #left = new Bitset()

  /** @param held  how many paths the member holds */
  constructor(of: CeilingOf, held: () => number) {
    this.#of = of
    this.#held = held
  }

  /** How many prefixes have a path that is left out. */
  get left(): number {
    return this.#left.size
  }

  /** True where a path from `owner` is one too many: the row is remembered. */
  refuses(adj: AdjRibOut, row: PrefixId, owner: PeerId): boolean {
    const { peer, most } = this.#of
    if (owner === peer || adj.holds(row, peer) || this.#held() < most) return false
    this.#left.add(row)
    return true
  }

  /** The row is looked at anew. */
  forget(row: PrefixId): void {
    this.#left.delete(row)
  }

  /** Gives rows that were left out to `consider`, while there is room. True when more may go. */
  admit(budget: number, consider: (row: PrefixId) => void): boolean {
    for (let spent = 0; this.#left.size > 0 && this.#held() < this.#of.most; spent++) {
      if (spent === budget) return true
      consider(this.#left.take() as PrefixId)
    }
    return false
  }
}
