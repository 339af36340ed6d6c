/** What a watch has told so far, as the keys and values that its listener would hold. */
import type { Problem, Store, WatchEvent } from '../../src/core/intent/index.ts'

/** A watch of some prefixes, followed. */
export class Watched {
  readonly events: WatchEvent[] = []
  readonly values = new Map<string, string>()
  problems: readonly Problem[] = []
  readonly #watch: { close(): void }

  constructor(store: Store, prefixes: readonly string[]) {
    this.#watch = store.watch(prefixes, event => this.#hear(event))
  }

  /** How many events of this type there were. */
  count(type: WatchEvent['type']): number {
    return this.events.filter(event => event.type === type).length
  }

  close(): void {
    this.#watch.close()
  }

  #hear(event: WatchEvent): void {
    this.events.push(event)
    if (event.type === 'lost') return
    this.problems = event.problems ?? []
    if (event.type === 'snapshot') {
      this.values.clear()
      for (const { key, value } of event.entries) this.values.set(key, value)
      return
    }
    for (const { key, value } of event.puts) this.values.set(key, value)
    for (const key of event.deletes) this.values.delete(key)
  }
}
