import { invariant } from './invariant.ts'

/**
 * A binary heap: the least of what it holds comes out first. O(log n) a change.
 *
 * Equal elements come out in no particular order; whoever wants one puts a sequence into the
 * comparison.
 */
export class Heap<Item> {
  readonly #items: Item[] = []
  readonly #compare: (left: Item, right: Item) => number

  constructor(compare: (left: Item, right: Item) => number) {
    this.#compare = compare
  }

  get size(): number {
    return this.#items.length
  }

  /** The least, which stays; undefined when empty. */
  peek(): Item | undefined {
    return this.#items[0]
  }

  push(item: Item): void {
    const items = this.#items
    let at = items.length
    items.push(item)
    while (at > 0) {
      const parent = (at - 1) >>> 1
      if (this.#compare(items[parent]!, item) <= 0) break
      items[at] = items[parent]!
      at = parent
    }
    items[at] = item
  }

  /** Takes the least out; undefined when empty. */
  pop(): Item | undefined {
    const items = this.#items
    const least = items[0]
    const last = items.pop()
    if (items.length === 0 || last === undefined) return least
    invariant(least !== undefined, 'a heap that is not empty has a least element')
    this.#sink(last)
    return least
  }

  /** Forgets all but those for which `holds` is true. O(n log n). */
  retain(holds: (item: Item) => boolean): void {
    const kept = this.#items.filter(holds)
    this.#items.length = 0
    for (const item of kept) this.push(item)
  }

  #sink(item: Item): void {
    const items = this.#items
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= items.length) break
      if (child + 1 < items.length && this.#compare(items[child + 1]!, items[child]!) < 0) child++
      if (this.#compare(item, items[child]!) <= 0) break
      items[at] = items[child]!
      at = child
    }
    items[at] = item
  }
}
