import { type CalicoNodeStatusResource, kindNamed, resourceKey } from '../../core/calico/index.ts'
import {
  type BirdSurroundings,
  type Entry,
  nodeStatusOf,
  type StatusFacts,
  type Store,
} from '../../core/intent/index.ts'
import type { Log } from '../../shell/log/index.ts'

/**
 * Answers CalicoNodeStatus resources: each that asks for this node gets a `status` every
 * `updatePeriodSeconds`, written over the revision that was read; nothing else of it is changed.
 */

/** The questions to one node. */
export class NodeStatuses {
  readonly #store: Store
  readonly #log: Log
  /** when each was last answered, by key */
  readonly #answeredAt = new Map<string, number>()
  readonly #writing = new Set<string>()
  #failed = false

  constructor(store: Store, log: Log) {
    this.#store = store
    this.#log = log
  }

  /**
   * Writes the answers that are due.
   *
   * @param asked  those that ask this node
   * @param entries  the store as it was last seen
   */
  answer(
    asked: readonly CalicoNodeStatusResource[],
    entries: ReadonlyMap<string, Entry>,
    facts: StatusFacts,
    surroundings: BirdSurroundings,
  ): void {
    const keys = new Set<string>()
    for (const { metadata, spec } of asked) {
      const key = resourceKey({ kind: KIND, name: metadata.name })
      const entry = entries.get(key)
      const periodMs = (spec.updatePeriodSeconds ?? 0) * 1000
      if (periodMs === 0 || entry === undefined) continue
      keys.add(key)
      const answeredAt = this.#answeredAt.get(key) ?? Number.NEGATIVE_INFINITY
      if (this.#writing.has(key) || surroundings.now < answeredAt + periodMs) continue
      const value: unknown = JSON.parse(entry.value)
      if (typeof value !== 'object' || value === null) continue
      const status = nodeStatusOf(spec, facts, surroundings)
      this.#write(entry, JSON.stringify({ ...value, status }), surroundings.now)
    }
    for (const key of this.#answeredAt.keys()) if (!keys.has(key)) this.#answeredAt.delete(key)
  }

  /** Where somebody else was faster, the watch tells of it, and the next round tries that one. */
  #write({ key, revision }: Entry, value: string, time: number): void {
    this.#writing.add(key)
    this.#store.put(key, value, { revision }).then(
      ({ done }) => {
        this.#writing.delete(key)
        if (done) this.#answeredAt.set(key, time)
        this.#failed = false
      },
      (error: unknown) => {
        this.#writing.delete(key)
        // not again at once: the store may be ill, or the value too large for it
        this.#answeredAt.set(key, time)
        const why = error instanceof Error ? error.message : String(error)
        if (!this.#failed)
          this.#log.warn('NODE_STATUS_NOT_WRITTEN', `${key} is not answered: ${why}`)
        this.#failed = true
      },
    )
  }
}

const KIND = kindNamed('CalicoNodeStatus')!
