import { seconds } from '../../base/index.ts'
import { type AttributeSetId, type AttributeTable, FACTS, NO_SET } from '../../rib/index.ts'

/** What routes look like that are kept long after their speaker went away. RFC 9494 */

/** The community 65535:6. RFC 9494 §3.2 */
const LLGR_STALE = 0xffff0006

/**
 * Routes of a peer that is away are kept no longer beyond its restart time, whatever it asks and we
 * offer: what it said a month ago is nobody's last resort. RFC 9494 §4.2
 */
export const LONG_LIVED_MAX = seconds(2_592_000)

/**
 * Sets of attributes with LLGR_STALE, each made once.
 *
 * A peer's routes share few sets, so one pass over them asks for the same ones again and again.
 * Both the set and what it becomes are held from `of` to `clear`: their numbers stay theirs.
 */
export class LongLivedSets {
  readonly #sets: AttributeTable
  readonly #marked = new Map<AttributeSetId, AttributeSetId>()

  constructor(sets: AttributeTable) {
    this.#sets = sets
  }

  /**
   * What a set becomes: `NO_SET` where it is not to be kept, has no room for one community more, or
   * the table is full. The reference stays here.
   */
  of(set: AttributeSetId): AttributeSetId {
    const facts = this.#sets.facts[set]!
    if ((facts & FACTS.NO_LLGR) !== 0) return NO_SET
    if ((facts & FACTS.LLGR_STALE) !== 0) return set
    const known = this.#marked.get(set)
    if (known !== undefined) return known
    const { communities = [], ...rest } = this.#sets.attributes(set)
    const marked = this.#sets.intern({ ...rest, communities: [...communities, LLGR_STALE] })
    this.#sets.hold(set)
    this.#marked.set(set, marked)
    return marked
  }

  /** Nobody asks for now. */
  clear(): void {
    for (const [set, marked] of this.#marked) {
      this.#sets.release(set)
      if (marked !== NO_SET) this.#sets.release(marked)
    }
    this.#marked.clear()
  }
}
