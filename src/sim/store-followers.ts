import type { Entry, LeasedKeys, WatchEvent } from '../core/intent/index.ts'
import type { Change, SimulatedEtcd } from './store.ts'

/** What a client of a simulated etcd leaves behind: its watches and its leased keys. */

/** Reads the history from where it was; lists where that is gone. */
export class SimulatedWatch {
  readonly #etcd: SimulatedEtcd
  readonly #prefixes: readonly string[]
  readonly #listener: (event: WatchEvent) => void
  readonly #unhear: () => void
  #known: Map<string, Entry> | undefined
  #revision = 0
  #lost = false
  #pending: (() => void) | undefined

  constructor(
    etcd: SimulatedEtcd,
    prefixes: readonly string[],
    listener: (event: WatchEvent) => void,
  ) {
    this.#etcd = etcd
    this.#prefixes = prefixes
    this.#listener = listener
    this.#unhear = etcd.hear(() => this.#soon())
    this.#soon()
  }

  /** Nothing is told after this. */
  close(): void {
    this.#unhear()
    this.#pending?.()
  }

  #soon(): void {
    this.#pending ??= this.#etcd.clock.after(this.#etcd.options.watchDelayMs, () => {
      this.#pending = undefined
      this.#look()
    })
  }

  #look(): void {
    const { why, revision } = this.#etcd
    if (why !== undefined) {
      if (!this.#lost) this.#listener({ type: 'lost', why })
      this.#lost = true
      return
    }
    const changes = this.#lost ? undefined : this.#etcd.since(this.#revision)
    if (this.#known === undefined || changes === undefined) this.#relist()
    else for (const change of changes) this.#tell(change)
    this.#revision = revision
  }

  #relist(): void {
    const entries = this.#etcd.list(this.#prefixes)
    const { revision } = this.#etcd
    const last = this.#known
    this.#known = new Map(entries.map(entry => [entry.key, entry]))
    if (last === undefined || this.#lost) {
      this.#lost = false
      this.#listener({ type: 'snapshot', entries, revision })
      return
    }
    const puts = entries.filter(({ key, revision }) => last.get(key)?.revision !== revision)
    const deletes = [...last.keys()].filter(key => this.#known?.has(key) === false)
    if (puts.length + deletes.length > 0)
      this.#listener({ type: 'changes', puts, deletes, revision })
  }

  #tell(change: Change): void {
    const mine = (key: string): boolean => this.#prefixes.some(prefix => key.startsWith(prefix))
    const puts = change.puts.filter(({ key }) => mine(key))
    const deletes = change.deletes.filter(mine)
    for (const entry of puts) this.#known?.set(entry.key, entry)
    for (const key of deletes) this.#known?.delete(key)
    if (puts.length + deletes.length > 0)
      this.#listener({ type: 'changes', puts, deletes, revision: change.revision })
  }
}

/** Leased keys: says what should be there, a step at a time, until it is. */
export class SimulatedLease implements LeasedKeys {
  readonly #etcd: SimulatedEtcd
  readonly #ttlMs: number
  readonly #wanted = new Map<string, string>()
  readonly #written = new Map<string, string>()
  #waiting: { resolve(): void; reject(error: Error): void }[] = []
  #id: number | undefined
  #closed = false
  #writeAt = 0
  #pending: (() => void) | undefined
  #dueAt = Number.POSITIVE_INFINITY

  constructor(etcd: SimulatedEtcd, ttlMs: number) {
    this.#etcd = etcd
    this.#ttlMs = ttlMs
    this.#stepIn(0)
  }

  /** @inheritDoc */
  set(key: string, value: string): void {
    this.#wanted.set(key, value)
    this.#stepIn(0)
  }

  /** @inheritDoc */
  unset(key: string): void {
    this.#wanted.delete(key)
    this.#stepIn(0)
  }

  /** @inheritDoc */
  settled(): Promise<void> {
    this.#stepIn(0)
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  /** @inheritDoc */
  close(): Promise<void> {
    this.#closed = true
    this.#pending?.()
    for (const { reject } of this.#waiting) reject(new Error('the lease was ended by its owner'))
    this.#waiting = []
    if (this.#id === undefined) return Promise.resolve()
    if (this.#etcd.why !== undefined) return Promise.reject(new Error(this.#etcd.why))
    this.#etcd.revoke(this.#id)
    return Promise.resolve()
  }

  #stepIn(delayMs: number): void {
    const dueAt = this.#etcd.clock.now() + delayMs
    if (this.#closed || dueAt >= this.#dueAt) return
    this.#pending?.()
    this.#dueAt = dueAt
    this.#pending = this.#etcd.clock.after(delayMs, () => {
      this.#dueAt = Number.POSITIVE_INFINITY
      this.#step()
    })
  }

  #step(): void {
    const { options, clock, why } = this.#etcd
    if (why !== undefined) {
      this.#stepIn(options.retryMs)
      return
    }
    if (this.#id === undefined || !this.#etcd.renew(this.#id)) {
      this.#id = this.#etcd.grant(this.#ttlMs)
      this.#written.clear()
    }
    const changed = [...this.#wanted].filter(([key, value]) => this.#written.get(key) !== value)
    const gone = [...this.#written.keys()].filter(key => !this.#wanted.has(key))
    const early = this.#writeAt - clock.now()
    if (changed.length + gone.length > 0) {
      if (early > 0) {
        this.#stepIn(early)
        return
      }
      this.#writeAt = clock.now() + options.leasedIntervalMs
      this.#etcd.write(new Map(changed), gone, this.#id)
      for (const [key, value] of changed) this.#written.set(key, value)
      for (const key of gone) this.#written.delete(key)
    }
    for (const { resolve } of this.#waiting.splice(0)) resolve()
    this.#stepIn(this.#ttlMs / 3)
  }
}
