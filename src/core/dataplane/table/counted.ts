import { invariant } from '../../base/index.ts'

/**
 * Values that many rows share: equal keys have one id, and an id lives as long as something uses
 * it.
 */

interface Slot<Value> {
  readonly key: string
  readonly value: Value
  uses: number
}

/** No value: the id that a column holds where there is nothing. */
export const NONE = 0

/**
 * Interns values by key and counts their uses. Ids start at 1 and are used again when free.
 *
 * Some hundred plain objects: a table of a million routes has few ways out.
 */
export class Counted<Value> {
  readonly #byKey = new Map<string, number>()
  readonly #slots: (Slot<Value> | undefined)[] = [undefined]
  readonly #free: number[] = []

  /** How many there are. */
  get size(): number {
    return this.#byKey.size
  }

  /** True when the value with `key` is in use. O(1). */
  has(key: string): boolean {
    return this.#byKey.has(key)
  }

  /** The id of the value with `key`, made by `make` where there is none; used once more. O(1). */
  take(key: string, make: () => Value): number {
    const found = this.#byKey.get(key)
    if (found !== undefined) {
      this.#slots[found]!.uses++
      return found
    }
    const id = this.#free.pop() ?? this.#slots.length
    this.#slots[id] = { key, value: make(), uses: 1 }
    this.#byKey.set(key, id)
    return id
  }

  /** One more use of `id`. */
  keep(id: number): void {
    if (id !== NONE) this.#slot(id).uses++
  }

  /** One use of `id` less; answers the value when that was the last. */
  drop(id: number): Value | undefined {
    if (id === NONE) return undefined
    const slot = this.#slot(id)
    if (--slot.uses > 0) return undefined
    this.#byKey.delete(slot.key)
    this.#slots[id] = undefined
    this.#free.push(id)
    return slot.value
  }

  /** The value of `id`. O(1). */
  get(id: number): Value {
    return this.#slot(id).value
  }

  #slot(id: number): Slot<Value> {
    const slot = this.#slots[id]
    invariant(slot !== undefined, 'an id that a column holds is in use')
    return slot
  }
}
