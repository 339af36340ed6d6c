import { join } from 'node:path'
import type { Millis } from '../../core/base/index.ts'
import {
  ACCEPT_EMPTY_KEY,
  type Entry,
  HoldBack,
  type Instant,
  instant,
  type Judgement,
  NO_SECRETS,
  type Problem,
  type Secrets,
  type Snapshot,
  type Store,
  storedSecrets,
  type WatchEvent,
} from '../../core/intent/index.ts'
import { now } from '../../shell/clock/index.ts'
import { concerns, type NodeConfiguration, SnapshotReader } from '../../shell/config/index.ts'
import type { Log } from '../../shell/log/index.ts'
import { type Kept, LastGood } from '../../shell/store/index.ts'

/**
 * What the node goes by: what its store says, but for a store that does not answer, that suddenly
 * holds nothing, or that says not to be acted on. Then it is what the store said last, before the
 * last start too.
 *
 * Nothing is in force before the store's first complete snapshot, or a memory of one.
 */

/** Several changes of the store that come together are one. */
const GATHER_MS = 20

/** Between two writes of the memory: a crash of the machine costs as much of it. */
const KEEP_MS = 2000

/** What answers of nodes there are is written all the time, and means nothing to routes. */
const NOT_KEPT = '/calico/resources/v3/projectcalico.org/caliconodestatuses/'

/** What there is to say of it. */
export interface Standing {
  /** why the store does not answer; absent: it does */
  readonly lost?: string
  /** of that */
  readonly since: Millis
  /** why what it says is not followed */
  readonly held?: { readonly what: 'hold' | 'pause'; readonly since: Millis; readonly why: string }
  /** of the store, when it said what is in force */
  readonly revision?: number
  /** what is in force was kept on disk then, by an earlier controller */
  readonly savedAt?: Instant
}

/** Follows a store's events. To others it is a store that says only what is to be followed. */
export class InForce implements Pick<Store, 'watch'> {
  readonly #log: Log
  readonly #changed: (change: 'standing' | 'snapshot') => void
  readonly #entries = new Map<string, Entry>()
  readonly #watches = new Set<{
    readonly prefixes: readonly string[]
    readonly listener: (event: WatchEvent) => void
  }>()
  readonly #lastGood: LastGood
  readonly #owner: Pick<Kept, 'node' | 'store'>
  readonly #epochOffset: number
  readonly #reader: SnapshotReader
  readonly #holdBack: HoldBack
  #memory: Kept | undefined
  #snapshot: Snapshot | undefined
  #secrets = NO_SECRETS
  #problems: readonly Problem[] = []
  #standing: Standing = { lost: 'no answer yet', since: now() }
  #revision = 0
  #listed = false
  #timer: { readonly at: number; readonly handle: NodeJS.Timeout } | undefined
  #keeping: NodeJS.Timeout | undefined
  #notKept = false

  /** @param changed  is called when there is something new to ask for */
  constructor(
    configuration: NodeConfiguration,
    log: Log,
    epochOffset: number,
    changed: (change: 'standing' | 'snapshot') => void,
  ) {
    const { node, stateDirectory, store } = configuration
    this.#log = log
    this.#changed = changed
    this.#epochOffset = epochOffset
    this.#owner = {
      node,
      store: store.kind === 'etcd' ? store.endpoints.toSorted().join(' ') : store.path,
    }
    this.#lastGood = new LastGood(join(stateDirectory, 'last-good.json'))
    const kept = this.#lastGood.load()
    if (kept?.node === node && kept.store === this.#owner.store) this.#memory = kept
    const { entries = [], earlier = [] } = this.#memory ?? {}
    // of one key the later counts: an earlier content that is still in force
    this.#reader = new SnapshotReader([...entries, ...earlier], node)
    this.#holdBack = new HoldBack(node, entries)
  }

  /** What is in force; undefined before anything is. */
  get snapshot(): Snapshot | undefined {
    return this.#snapshot
  }

  /** The secrets that the store holds, as of the same revision; none where they are not watched. */
  get secrets(): Secrets {
    return this.#secrets
  }

  /** What the store itself could not read when it said that. */
  get problems(): readonly Problem[] {
    return this.#problems
  }

  get standing(): Standing {
    return this.#standing
  }

  /** All that the store holds, as it was last heard, where that is in force; else undefined. */
  get entries(): ReadonlyMap<string, Entry> | undefined {
    const { lost, held } = this.#standing
    const isFollowed = this.#snapshot !== undefined && lost === undefined && held === undefined
    return isFollowed ? this.#entries : undefined
  }

  /** Tells all that is in force under `prefixes` whenever that is anew, each time as a snapshot. */
  watch(prefixes: readonly string[], listener: (event: WatchEvent) => void): { close(): void } {
    const watch = { prefixes, listener }
    this.#watches.add(watch)
    return { close: () => void this.#watches.delete(watch) }
  }

  /** Takes what a watch of the store delivers. */
  heard(event: WatchEvent): void {
    const problems = event.type === 'lost' ? [] : (event.problems ?? [])
    let concerned = event.type === 'snapshot' || problems.length + this.#problems.length > 0
    switch (event.type) {
      case 'lost':
        this.#log.warn('STORE_LOST', `the store does not answer: ${event.why}`)
        this.#stand({ lost: event.why })
        this.#remember()
        return
      case 'snapshot':
        this.#entries.clear()
        for (const entry of event.entries) this.#take(entry)
        this.#listed = true
        break
      case 'changes':
        for (const entry of event.puts) concerned = this.#take(entry) || concerned
        for (const key of event.deletes) concerned = this.#entries.delete(key) || concerned
        this.#listed ||= event.listed === true
        break
      default:
        event satisfies never
    }
    if (this.#standing.lost !== undefined) this.#log.info('STORE_FRESH', 'the store answers')
    this.#stand({ lost: undefined })
    this.#problems = problems
    this.#revision = event.revision
    if (concerned) this.#judgeIn(GATHER_MS)
  }

  /** Remembers what concerns this node, and nothing else. False where nothing of it is changed. */
  #take(entry: Entry): boolean {
    if (!concerns(entry, this.#owner.node)) return this.#entries.delete(entry.key)
    this.#entries.set(entry.key, entry)
    return true
  }

  /** Writes what is to be kept, and ends all timers. */
  close(): void {
    clearTimeout(this.#timer?.handle)
    if (this.#keeping === undefined) return
    clearTimeout(this.#keeping)
    this.#keep()
  }

  /** Judges in `delayMs`, or earlier where that was said already. */
  #judgeIn(delayMs: number): void {
    const at = now() + delayMs
    if (this.#timer !== undefined && this.#timer.at <= at) return
    clearTimeout(this.#timer?.handle)
    this.#timer = { at, handle: setTimeout(() => this.#judge(), delayMs) }
  }

  #judge(): void {
    this.#timer = undefined
    const accepted = this.#entries.get(ACCEPT_EMPTY_KEY)?.revision
    const judgement = this.#holdBack.judge(
      {
        entries: this.#entries,
        revision: this.#revision,
        listed: this.#listed,
        unreadable: new Set(this.#problems.map(({ object }) => object.replace(/:\d+$/, ''))),
        ...(accepted !== undefined && { accepted }),
      },
      now(),
    )
    this.#listed = false
    if (judgement.what === 'follow') this.#follow()
    else this.#wait(judgement)
  }

  #follow(): void {
    const { held } = this.#standing
    if (held !== undefined)
      this.#log.info('STORE_FOLLOWED', 'what the store says is followed again')
    this.#snapshot = this.#reader.read(this.#entries.values(), this.#problems)
    this.#secrets = storedSecrets(this.#entries.values())
    this.#memory = undefined
    this.#stand({ held: undefined, revision: this.#revision, savedAt: undefined })
    this.#keeping ??= setTimeout(() => this.#keep(), KEEP_MS)
    this.#tell([...this.#entries.values()], this.#revision)
    this.#changed('snapshot')
  }

  #wait(judgement: Exclude<Judgement, { what: 'follow' }>): void {
    if (judgement.what !== 'pause' && judgement.until !== undefined)
      this.#judgeIn(Math.max(0, judgement.until - now()))
    if (judgement.what === 'wait') return
    const { what, why } = judgement
    if (this.#standing.held?.what !== what)
      this.#log.warn(
        what === 'hold' ? 'STORE_HELD_BACK' : 'STORE_PAUSED',
        what === 'hold'
          ? `${why}; sessions and routes stay as they were until it is back, or until ` +
              '"martlet accept-empty" says that this is meant'
          : `${why}: the store is not acted on until it is true again`,
      )
    const since = this.#standing.held?.what === what ? this.#standing.held.since : now()
    this.#stand({ held: { what, since, why } })
    this.#remember()
  }

  /** Goes by what an earlier controller kept, where nothing else is in force. */
  #remember(): void {
    const memory = this.#memory
    if (memory === undefined || this.#snapshot !== undefined) return
    this.#log.warn(
      'STORE_REMEMBERED',
      `going by what the store said at ${memory.at}, revision ${memory.revision}`,
      { revision: memory.revision },
    )
    this.#snapshot = this.#reader.read(memory.entries)
    this.#secrets = storedSecrets(memory.entries)
    this.#stand({ revision: memory.revision, savedAt: memory.at })
    this.#tell(memory.entries, memory.revision)
    this.#changed('snapshot')
  }

  #tell(all: readonly Entry[], revision: number): void {
    for (const { prefixes, listener } of this.#watches) {
      const entries = all.filter(({ key }) => prefixes.some(prefix => key.startsWith(prefix)))
      listener({ type: 'snapshot', entries, revision })
    }
  }

  #stand(change: { [Field in keyof Standing]?: Standing[Field] | undefined }): void {
    const { lost, since, held, revision, savedAt } = { ...this.#standing, ...change }
    const turned = (this.#standing.lost === undefined) !== (lost === undefined)
    this.#standing = {
      since: turned || since === undefined ? now() : since,
      ...(lost !== undefined && { lost }),
      ...(held !== undefined && { held }),
      ...(revision !== undefined && { revision }),
      ...(savedAt !== undefined && { savedAt }),
    }
    this.#changed('standing')
  }

  #keep(): void {
    this.#keeping = undefined
    const { held, revision = 0 } = this.#standing
    // the entries are what is not followed
    if (held !== undefined) return
    const entries = [...this.#entries.values()].filter(({ key }) => !key.startsWith(NOT_KEPT))
    const present = new Set(entries)
    try {
      this.#lastGood.save({
        ...this.#owner,
        at: instant(now(), this.#epochOffset),
        revision,
        entries,
        earlier: this.#reader.valid.filter(entry => !present.has(entry)),
      })
      this.#notKept = false
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      if (!this.#notKept)
        this.#log.warn('LAST_GOOD_NOT_KEPT', `what the store says is not kept: ${why}`)
      this.#notKept = true
    }
  }
}
