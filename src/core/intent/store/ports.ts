import type { Problem } from '../types.ts'

/**
 * The store as the controller and the command line see it: an ordered set of keys with revisions,
 * in etcd's words, because the datastore's shape is Calico's. Two implementations
 * (shell/store/etcd, shell/store/file) and a simulated one pass one suite: test/compliance/store.
 */

/** One object as stored. */
export interface Entry {
  readonly key: string
  readonly value: string
  /** of the last change of this key, above 0 */
  readonly revision: number
  /** where a person finds it, `file:line`, where the store is not made of keys */
  readonly source?: string
}

/**
 * What a watch delivers. Changes under one prefix come in the order of their revisions, those under
 * two prefixes in any order. After `lost` the next thing is a complete `snapshot`: nothing is
 * missed silently. Changes that are `listed` are the difference to a new list, because the watch
 * broke for a moment: nobody knows in which order they came, or how far apart. `problems` is all
 * that the store itself cannot read just now, such as a file that is not YAML; absent: nothing.
 */
export type WatchEvent =
  | {
      readonly type: 'snapshot'
      readonly entries: readonly Entry[]
      readonly revision: number
      readonly problems?: readonly Problem[]
    }
  | {
      readonly type: 'changes'
      readonly puts: readonly Entry[]
      readonly deletes: readonly string[]
      readonly revision: number
      readonly listed?: true
      readonly problems?: readonly Problem[]
    }
  /** the store does not answer; what was told stays true as far as anyone knows */
  | { readonly type: 'lost'; readonly why: string }

/** All that a store held under some prefixes at one revision. */
export interface Listing {
  readonly entries: readonly Entry[]
  readonly revision: number
  /** what the store itself cannot read; absent: nothing */
  readonly problems?: readonly Problem[]
}

/** The precondition of a write: the key does not exist, has this revision, or anything. */
export type Precondition = { readonly absent: true } | { readonly revision: number }

/** Where a store says that a write's precondition did not hold. */
export type WriteResult =
  | { readonly done: true; readonly revision: number }
  | { readonly done: false; readonly current: Entry | undefined }

/**
 * Every promise settles within the deadline that the store was made with: a hung store is a
 * rejected promise (a `StoreError` of shell/store, cause kept), never a silence.
 */
export interface Store {
  get(key: string): Promise<Entry | undefined>
  /**
   * All entries under `prefix` (which ends in `/`), or under each of them, by key, of one revision:
   * `at`, else the last. Rejects where the store keeps no such revision.
   */
  list(prefix: string | readonly string[], at?: number): Promise<Listing>
  put(key: string, value: string, precondition?: Precondition): Promise<WriteResult>
  /** Not done where the key is not there. */
  delete(key: string, precondition?: Precondition): Promise<WriteResult>
  /**
   * Follows all keys under `prefixes` until `close`; retries for ever, telling `lost` once an
   * outage.
   */
  watch(prefixes: readonly string[], listener: (event: WatchEvent) => void): { close(): void }
  /** Keys that live as long as their writer, plus `ttlSeconds`. */
  leased(ttlSeconds: number): LeasedKeys
  close(): Promise<void>
}

/**
 * A set of keys under one lease. Level-triggered: `set` says what should be there, the store makes
 * it so, at most once a second a key, and again from nothing after an outage in which the lease was
 * lost.
 */
export interface LeasedKeys {
  set(key: string, value: string): void
  unset(key: string): void
  /** Resolves when all that was set is there. */
  settled(): Promise<void>
  /** Revokes the lease: the keys go. */
  close(): Promise<void>
}
