import type { LeasedKeys } from '../../core/intent/index.ts'
import { now } from '../clock/index.ts'
import { LeaseLostError, Pause, StoreError } from './errors.ts'

/**
 * Keys that live as long as their writer, on any medium that has leases. Level-triggered: callers
 * say what should be there, one loop makes it so, and after a lost lease it begins again from
 * nothing.
 */

/** What a store must do for leased keys. Each call settles within the store's deadline. */
export interface LeaseMedium {
  /** Makes a new lease with nothing under it. */
  grant(): Promise<void>
  /** @throws LeaseLostError where the lease is no more */
  write(puts: ReadonlyMap<string, string>, deletes: readonly string[]): Promise<void>
  /** @throws LeaseLostError where the lease is no more */
  renew(): Promise<void>
  /** Ends the lease; its keys go. */
  revoke(): Promise<void>
}

/**
 * The shortest time between two writes: a key that changes a thousand times a second is written
 * once.
 */
const WRITE_INTERVAL_MS = 1000
/** Keys in one write; etcd takes 128 operations in a transaction by default. */
const WRITE_KEYS_MAX = 100
/** Between two attempts while the store does not answer. */
const RETRY_MS = 500

/** Stands for the value of a key that a failed write may have changed; equal to nobody's. */
const UNKNOWN = '\u0000unknown'

const ended = (): StoreError => new StoreError('STORE_CLOSED', 'the lease was ended by its owner')

/** The keys of one writer, under one lease. */
export class LeasedSet implements LeasedKeys {
  readonly #medium: LeaseMedium
  readonly #renewMs: number
  readonly #wanted = new Map<string, string>()
  /** what the medium has under the lease, as far as we know */
  readonly #written = new Map<string, string>()
  /** keys whose wanted and written values may differ */
  readonly #dirty = new Set<string>()
  readonly #pause = new Pause()
  readonly #waiting: { resolve(): void; reject(error: Error): void }[] = []
  readonly #done: Promise<void>
  #granted = false
  #closed = false

  constructor(medium: LeaseMedium, ttlSeconds: number) {
    this.#medium = medium
    this.#renewMs = (ttlSeconds * 1000) / 3
    this.#done = this.#run()
  }

  /** @inheritDoc */
  set(key: string, value: string): void {
    if (this.#wanted.get(key) === value) return
    this.#wanted.set(key, value)
    this.#dirty.add(key)
    this.#pause.wake()
  }

  /** @inheritDoc */
  unset(key: string): void {
    if (!this.#wanted.delete(key)) return
    this.#dirty.add(key)
    this.#pause.wake()
  }

  /** @inheritDoc */
  settled(): Promise<void> {
    if (this.#closed) return Promise.reject(ended())
    const settled = new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }))
    this.#pause.wake()
    return settled
  }

  /** @inheritDoc */
  async close(): Promise<void> {
    if (this.#closed) return this.#done
    this.#closed = true
    this.#pause.wake()
    await this.#done
    for (const one of this.#waiting.splice(0)) one.reject(ended())
    if (this.#granted) await this.#medium.revoke()
  }

  async #run(): Promise<void> {
    let writeAt = 0
    let renewAt = 0
    while (!this.#closed) {
      try {
        if (!this.#granted) {
          await this.#grant()
          renewAt = now() + this.#renewMs
        }
        if (now() >= renewAt) {
          await this.#medium.renew()
          renewAt = now() + this.#renewMs
        }
        if (this.#dirty.size > 0 && now() >= writeAt) {
          writeAt = now() + WRITE_INTERVAL_MS
          await this.#write()
        }
        if (this.#dirty.size === 0) for (const one of this.#waiting.splice(0)) one.resolve()
        const next = this.#dirty.size > 0 ? Math.min(writeAt, renewAt) : renewAt
        if (next > now() && !this.#closed) await this.#pause.wait(next - now())
      } catch (error) {
        if (error instanceof LeaseLostError) this.#granted = false
        // whether the lease still lives is the first thing to ask
        renewAt = 0
        if (!this.#closed) await this.#pause.wait(RETRY_MS)
      }
    }
  }

  async #grant(): Promise<void> {
    await this.#medium.grant()
    this.#granted = true
    this.#written.clear()
    for (const key of this.#wanted.keys()) this.#dirty.add(key)
  }

  /** Writes what is dirty now; what becomes dirty meanwhile waits for the next time. */
  async #write(): Promise<void> {
    const keys = [...this.#dirty]
    for (let at = 0; at < keys.length && !this.#closed; at += WRITE_KEYS_MAX) {
      const puts = new Map<string, string>()
      const deletes: string[] = []
      for (const key of keys.slice(at, at + WRITE_KEYS_MAX)) {
        this.#dirty.delete(key)
        const wanted = this.#wanted.get(key)
        if (wanted === this.#written.get(key)) continue
        if (wanted === undefined) deletes.push(key)
        else puts.set(key, wanted)
      }
      if (puts.size + deletes.length > 0) await this.#writeSome(puts, deletes)
    }
  }

  async #writeSome(puts: ReadonlyMap<string, string>, deletes: readonly string[]): Promise<void> {
    try {
      await this.#medium.write(puts, deletes)
    } catch (error) {
      // nobody knows what was written: all of it is to be written again
      for (const key of [...puts.keys(), ...deletes]) {
        this.#written.set(key, UNKNOWN)
        this.#dirty.add(key)
      }
      throw error
    }
    for (const [key, value] of puts) this.#written.set(key, value)
    for (const key of deletes) this.#written.delete(key)
  }
}
