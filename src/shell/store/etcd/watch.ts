import { Etcd3, type IOptions, type IWatchResponse, type Watcher } from 'etcd3'
import type { Entry, WatchEvent } from '../../../core/intent/index.ts'
import { changesBetween, isEmpty } from '../changes.ts'
import { Pause, sentenceOf } from '../errors.ts'
import { entryOf, within } from './client.ts'
import { listAll } from './list.ts'

/**
 * Follows prefixes of an etcd. One attempt is: a client of its own to one member, a list, a watch
 * from its revision, and a question every two seconds whether the member still answers. Whatever
 * ends an attempt (a restart, a compaction, a member that hangs or has no leader), the next one
 * begins with a list and tells the difference, so that nothing is missed and nothing is told twice.
 *
 * etcd3 would reconnect by itself, but it dies on a compaction, does not notice a hung member, and
 * waits up to half a minute.
 */

/** How long a member may take to answer. */
const ANSWER_MS = 2000
/**
 * Between two questions whether it still does; linearizable, so that a member without a leader
 * fails.
 */
const PROBE_MS = 2000
/** Between two attempts. */
const RETRY_MS = 250
/** Read to hear whether the store answers; there is nothing at it. */
const PROBE_KEY = '/martlet/v1/probe'

/** One watch of some prefixes. */
export class EtcdWatch {
  readonly #prefixes: readonly string[]
  readonly #options: IOptions
  readonly #hosts: readonly string[]
  readonly #listener: (event: WatchEvent) => void
  readonly #pause = new Pause()
  #closed = false
  #entries: Map<string, Entry> | undefined
  #lost = false
  /** ends the attempt that runs */
  #break: (why: Error) => void = () => undefined

  constructor(
    prefixes: readonly string[],
    options: IOptions,
    listener: (event: WatchEvent) => void,
  ) {
    this.#prefixes = prefixes.toSorted()
    this.#options = options
    this.#hosts = [options.hosts].flat()
    this.#listener = listener
    void this.#run()
  }

  /** Nothing is told after this. */
  close(): void {
    this.#closed = true
    this.#break(new Error('closed'))
    this.#pause.wake()
  }

  async #run(): Promise<void> {
    for (let attempt = 0; !this.#closed; attempt++) {
      const client = new Etcd3({
        ...this.#options,
        hosts: [this.#hosts[attempt % this.#hosts.length]!],
      })
      const watchers: Watcher[] = []
      let listed = false
      try {
        const { entries, revision } = await listAll(client, this.#prefixes, ANSWER_MS)
        listed = true
        this.#tellAll(entries, revision)
        await this.#follow(client, revision, watchers)
      } catch (error) {
        // one that had answered is asked again before anybody is told that it does not
        if (!listed && (attempt + 1) % this.#hosts.length === 0) this.#tellLost(sentenceOf(error))
      } finally {
        abandon(client, watchers)
      }
      if (!this.#closed) await this.#pause.wait(RETRY_MS)
    }
  }

  /** Ends, by throwing, when the member no longer answers or the watch is no more. */
  async #follow(client: Etcd3, revision: number, watchers: Watcher[]): Promise<void> {
    const broken = new Promise<never>((_, reject) => {
      this.#break = reject
    })
    // a rejection may come while nobody waits for it yet
    broken.catch(() => undefined)
    const attached = this.#prefixes.map(prefix => this.#attach(client, prefix, revision, watchers))
    await Promise.race([within(ANSWER_MS, Promise.all(attached)), broken])
    while (!this.#closed) {
      await Promise.race([this.#pause.wait(PROBE_MS), broken])
      await Promise.race([within(ANSWER_MS, client.get(PROBE_KEY).exec()), broken])
    }
  }

  #attach(client: Etcd3, prefix: string, revision: number, watchers: Watcher[]): Promise<void> {
    const watcher = client
      .watch()
      .prefix(prefix)
      .startRevision(String(revision + 1))
      .watcher()
    watchers.push(watcher)
    watcher.on('data', response => this.#tellChanges(response))
    watcher.on('error', error => this.#break(error))
    watcher.on('disconnected', error => this.#break(error))
    return new Promise(resolve => watcher.on('connected', () => resolve()))
  }

  #tellAll(entries: Map<string, Entry>, revision: number): void {
    if (this.#closed) return
    const last = this.#entries
    this.#entries = entries
    if (last === undefined || this.#lost) {
      this.#lost = false
      this.#listener({ type: 'snapshot', entries: [...entries.values()], revision })
      return
    }
    const changes = changesBetween(last, entries)
    if (!isEmpty(changes)) this.#listener({ type: 'changes', ...changes, revision, listed: true })
  }

  #tellChanges({ events, header }: IWatchResponse): void {
    const entries = this.#entries
    if (this.#closed || entries === undefined || events.length === 0) return
    const last = new Map<string, Entry>()
    const next = new Map<string, Entry>()
    for (const { type, kv } of events) {
      const entry = entryOf(kv)
      const known = entries.get(entry.key)
      if (known !== undefined && !last.has(entry.key)) last.set(entry.key, known)
      next.delete(entry.key)
      // etcd3's type says "Delete", its decoder "DELETE"
      if (type.toUpperCase() === 'DELETE') entries.delete(entry.key)
      else {
        entries.set(entry.key, entry)
        next.set(entry.key, entry)
      }
    }
    const changes = changesBetween(last, next)
    if (!isEmpty(changes))
      this.#listener({ type: 'changes', ...changes, revision: Number(header.revision) })
  }

  #tellLost(why: string): void {
    if (this.#closed || this.#lost) return
    this.#lost = true
    this.#listener({ type: 'lost', why })
  }
}

/** etcd3 keeps reconnecting as long as it has watchers, so they go before the client does. */
function abandon(client: Etcd3, watchers: readonly Watcher[]): void {
  for (const watcher of watchers) {
    watcher.removeAllListeners('error')
    watcher.removeAllListeners('disconnected')
    watcher.on('error', () => undefined)
    watcher.cancel().catch(() => undefined)
  }
  client.close()
}
