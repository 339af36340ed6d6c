import type {
  Entry,
  LeasedKeys,
  Listing,
  Precondition,
  Store,
  WatchEvent,
  WriteResult,
} from '../core/intent/index.ts'

import { SimulatedLease, SimulatedWatch } from './store-followers.ts'

/**
 * An etcd in memory, for simulations: one `SimulatedEtcd` holds the keys, any number of clients use
 * it, and time is whoever's clock it was given. It can be lost and found, compacted under its
 * watchers, and be slow to tell.
 */

/** The clock that a simulation runs by. */
export interface StoreClock {
  /** milliseconds */
  now(): number
  /** Runs `action` once, `delayMs` from now; the function that it returns prevents that. */
  after(delayMs: number, action: () => void): () => void
}

/** What may go wrong by itself, and how slow the store is. */
export interface StoreOptions {
  /** between a change and its being told to watchers */
  readonly watchDelayMs: number
  /** between two attempts of a client while the store is lost */
  readonly retryMs: number
  /** shortest time between two writes of one set of leased keys */
  readonly leasedIntervalMs: number
}

const DEFAULTS: StoreOptions = { watchDelayMs: 1, retryMs: 250, leasedIntervalMs: 1000 }

interface Stored {
  readonly entry: Entry
  readonly lease: number | undefined
}

interface Lease {
  readonly ttlMs: number
  expiresAt: number
  /** the timer that will look at it */
  cancel: () => void
}

/** What happened in one revision. */
export interface Change {
  readonly revision: number
  readonly puts: readonly Entry[]
  readonly deletes: readonly string[]
}

/** The cluster: keys, revisions, leases, and the history that watchers read. */
export class SimulatedEtcd {
  readonly clock: StoreClock
  readonly options: StoreOptions
  readonly #stored = new Map<string, Stored>()
  #history: Change[] = []
  readonly #leases = new Map<number, Lease>()
  readonly #hearers = new Set<() => void>()
  #revision = 0
  #compacted = 0
  #nextLease = 1
  #lost: string | undefined

  constructor(clock: StoreClock, options: Partial<StoreOptions> = {}) {
    this.clock = clock
    this.options = { ...DEFAULTS, ...options }
  }

  /**
   * No client gets an answer until `restore`. Leases do not run out meanwhile, as in an etcd that
   * is down.
   */
  lose(why: string): void {
    this.#lost = why
    this.#wakeAll()
  }

  /** Clients get answers again; every lease starts anew. */
  restore(): void {
    this.#lost = undefined
    for (const lease of this.#leases.values()) lease.expiresAt = this.clock.now() + lease.ttlMs
    this.#wakeAll()
  }

  /** Forgets the history: a watcher that has not read it must list again. */
  compact(): void {
    this.#compacted = this.#revision
    this.#history = []
    this.#wakeAll()
  }

  /** Ends every lease now, as if its owner had not renewed it. */
  expireLeases(): void {
    for (const id of [...this.#leases.keys()]) this.revoke(id)
  }

  /** Why there is no answer; undefined while there is. */
  get why(): string | undefined {
    return this.#lost
  }

  /** The revision of the last change. */
  get revision(): number {
    return this.#revision
  }

  /** What is stored at `key`. */
  get(key: string): Entry | undefined {
    return this.#stored.get(key)?.entry
  }

  /** All entries under `prefixes`, by key. */
  list(prefixes: readonly string[]): Entry[] {
    const entries = [...this.#stored.values()].map(({ entry }) => entry)
    return entries
      .filter(({ key }) => prefixes.some(prefix => key.startsWith(prefix)))
      .toSorted((a, b) => (a.key < b.key ? -1 : 1))
  }

  /** Writes all of it in one revision. */
  write(puts: ReadonlyMap<string, string>, deletes: readonly string[], lease?: number): number {
    const gone = deletes.filter(key => this.#stored.delete(key))
    if (puts.size + gone.length === 0) return this.#revision
    this.#revision += 1
    const entries: Entry[] = []
    for (const [key, value] of puts) {
      const entry = { key, value, revision: this.#revision }
      entries.push(entry)
      this.#stored.set(key, { entry, lease })
    }
    this.#history.push({ revision: this.#revision, puts: entries, deletes: gone })
    this.#wakeAll()
    return this.#revision
  }

  /** A new lease with nothing under it. */
  grant(ttlMs: number): number {
    const id = this.#nextLease++
    const expiresAt = this.clock.now() + ttlMs
    this.#leases.set(id, { ttlMs, expiresAt, cancel: () => undefined })
    this.#expireLater(id, ttlMs)
    return id
  }

  /** Renews a lease; false where it is no more. */
  renew(id: number): boolean {
    const lease = this.#leases.get(id)
    if (lease === undefined) return false
    lease.expiresAt = this.clock.now() + lease.ttlMs
    return true
  }

  /** Ends a lease, and the keys that were last written under it. */
  revoke(id: number): void {
    this.#leases.get(id)?.cancel()
    if (!this.#leases.delete(id)) return
    const keys = [...this.#stored].filter(([, stored]) => stored.lease === id).map(([key]) => key)
    this.write(new Map(), keys)
  }

  /** Changes after `revision`; undefined where they were compacted away. */
  since(revision: number): readonly Change[] | undefined {
    if (revision < this.#compacted) return undefined
    return this.#history.filter(change => change.revision > revision)
  }

  /** Runs `hear` after every change of anything, until the returned function is called. */
  hear(hear: () => void): () => void {
    this.#hearers.add(hear)
    return () => this.#hearers.delete(hear)
  }

  #expireLater(id: number, delayMs: number): void {
    const lease = this.#leases.get(id)
    if (lease === undefined) return
    lease.cancel = this.clock.after(delayMs, () => {
      const left = lease.expiresAt - this.clock.now()
      if (left <= 0 && this.#lost === undefined) this.revoke(id)
      else this.#expireLater(id, Math.max(left, 1))
    })
  }

  #wakeAll(): void {
    for (const hear of [...this.#hearers]) hear()
  }
}

/** One client of a simulated etcd. */
export class SimulatedStore implements Store {
  readonly #etcd: SimulatedEtcd
  readonly #open = new Set<{ close(): void }>()
  #closed = false

  constructor(etcd: SimulatedEtcd) {
    this.#etcd = etcd
  }

  /** @inheritDoc */
  get(key: string): Promise<Entry | undefined> {
    return this.#answer(() => this.#etcd.get(key))
  }

  /** @inheritDoc */
  list(prefix: string | readonly string[], at?: number): Promise<Listing> {
    return this.#answer(() => {
      const { revision } = this.#etcd
      if (at !== undefined && at !== revision) throw new Error(`revision ${at} is not kept`)
      return { entries: this.#etcd.list([prefix].flat()), revision }
    })
  }

  /** @inheritDoc */
  put(key: string, value: string, precondition?: Precondition): Promise<WriteResult> {
    return this.#answer(() => {
      const current = this.#etcd.get(key)
      if (!holds(precondition, current)) return { done: false, current }
      return { done: true, revision: this.#etcd.write(new Map([[key, value]]), []) }
    })
  }

  /** @inheritDoc */
  delete(key: string, precondition?: Precondition): Promise<WriteResult> {
    return this.#answer(() => {
      const current = this.#etcd.get(key)
      if (current === undefined || !holds(precondition, current)) return { done: false, current }
      return { done: true, revision: this.#etcd.write(new Map(), [key]) }
    })
  }

  /** @inheritDoc */
  watch(prefixes: readonly string[], listener: (event: WatchEvent) => void): { close(): void } {
    return this.#keep(new SimulatedWatch(this.#etcd, prefixes, listener))
  }

  /** @inheritDoc */
  leased(ttlSeconds: number): LeasedKeys {
    return new SimulatedLease(this.#etcd, ttlSeconds * 1000)
  }

  /** @inheritDoc */
  close(): Promise<void> {
    this.#closed = true
    for (const one of this.#open) one.close()
    this.#open.clear()
    return Promise.resolve()
  }

  #keep<Closable extends { close(): void }>(one: Closable): Closable {
    this.#open.add(one)
    return one
  }

  async #answer<Result>(work: () => Result): Promise<Result> {
    if (this.#closed) throw new Error('the store was closed')
    if (this.#etcd.why !== undefined) throw new Error(this.#etcd.why)
    return work()
  }
}

function holds(precondition: Precondition | undefined, current: Entry | undefined): boolean {
  if (precondition === undefined) return true
  if ('absent' in precondition) return current === undefined
  return current?.revision === precondition.revision
}
