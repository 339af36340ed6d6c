import type { PrefixId } from '../../net/index.ts'
import { Candidates, decide } from '../decide.ts'
import type { LocRib } from '../loc-rib.ts'
import { type AttributeSetId, NONE, type PeerId } from '../rows.ts'
import type { Forms } from './forms.ts'

/** Which paths of a destination are sent, where several are. RFC 7911 leaves it to the sender. */

/** Most paths of one prefix that a peer is sent. */
export const SEND_PATHS_MAX = 32

/**
 * Which paths of a prefix a peer is sent: all, the best ones, or those that are used together; in
 * any case the best `most` of them.
 */
export interface SendPaths {
  readonly which: 'all' | 'best' | 'multipath'
  /** most paths of one prefix, 1 to `SEND_PATHS_MAX` */
  readonly most: number
}

/**
 * Chooses among the eligible paths of a row, the best first: the best, then the one that were the
 * best without it, and so on. Those that the group's rules refuse are passed over, and do not count
 * as sent. O(paths chosen x paths).
 */
export class Selection {
  /** as `select` left them, valid until the next call */
  readonly sources: PeerId[] = []
  readonly sets: AttributeSetId[] = []
  readonly forms: number[] = []
  count = 0
  readonly #locRib: LocRib
  readonly #forms: Forms
  readonly #which: SendPaths['which']
  readonly #most: number
  readonly #pool = new Candidates()

  constructor(locRib: LocRib, forms: Forms, { which, most }: SendPaths) {
    this.#locRib = locRib
    this.#forms = forms
    this.#which = which
    this.#most = Math.min(most, SEND_PATHS_MAX)
  }

  /** Chooses among the paths of a row as it is now. */
  select(row: PrefixId): void {
    const { columns } = this.#locRib
    const pool = this.#pool
    this.#gather(row)
    this.count = 0
    while (pool.count > 0 && this.count < this.#most) {
      const at = decide(columns, pool)
      const source = pool.peers[at]!
      const set = pool.sets[at]!
      take(pool, at)
      const form = this.#forms.form(row, set, source)
      if (form < 0) continue
      this.sources[this.count] = source
      this.sets[this.count] = set
      this.forms[this.count] = form
      this.count++
    }
  }

  #gather(row: PrefixId): void {
    const locRib = this.#locRib
    const all = locRib.candidates(row)
    const pool = this.#pool
    pool.count = 0
    const best = this.#which === 'multipath' ? decide(locRib.columns, all) : NONE
    for (let at = 0; at < all.count; at++)
      if (best === NONE || locRib.multipath.allows(all, best, at))
        pool.add(all.peers[at]!, all.sets[at]!, all.identifiers[at]!)
  }
}

/** Takes the path at `at` out: the last one takes its place. */
function take(pool: Candidates, at: number): void {
  const last = --pool.count
  pool.peers[at] = pool.peers[last]!
  pool.sets[at] = pool.sets[last]!
  pool.identifiers[at] = pool.identifiers[last]!
}
