import type { Etcd3, IOptions } from 'etcd3'
import type {
  Entry,
  LeasedKeys,
  Listing,
  Precondition,
  Store,
  WatchEvent,
  WriteResult,
} from '../../../core/intent/index.ts'
import type { EtcdConfiguration } from '../../config/index.ts'
import { StoreError, sentenceOf } from '../errors.ts'
import { LeasedSet } from '../leased.ts'
import { clientOptions, EtcdClient, entryOf } from './client.ts'
import { EtcdLease } from './lease.ts'
import { listAll } from './list.ts'
import { EtcdWatch } from './watch.ts'

/** An etcd cluster, v3 API, as a `Store`. */
export class EtcdStore implements Store {
  readonly #options: IOptions
  readonly #client: EtcdClient
  readonly #deadlineMs: number
  readonly #watches = new Set<EtcdWatch>()
  #closed = false

  /** @throws StoreError where a file of the configuration cannot be read */
  constructor(configuration: EtcdConfiguration, deadlineMs: number) {
    this.#options = clientOptions(configuration)
    this.#client = new EtcdClient(this.#options, deadlineMs)
    this.#deadlineMs = deadlineMs
  }

  /** @inheritDoc */
  async get(key: string): Promise<Entry | undefined> {
    const { kvs } = await this.#client.call(client => client.get(key).exec())
    return kvs[0] === undefined ? undefined : entryOf(kvs[0])
  }

  /** @inheritDoc */
  async list(prefix: string | readonly string[], at?: number): Promise<Listing> {
    const prefixes = [prefix].flat()
    const answer = this.#client.call(
      client => listAll(client, prefixes, this.#deadlineMs, at),
      error => isRevisionGone(error),
    )
    const { entries, revision } = await answer.catch(cause => {
      if (at === undefined || !isRevisionGone(cause)) throw cause
      const sentence = `etcd does not hold revision ${at}: ${sentenceOf(cause)}`
      throw new StoreError('STORE_REVISION_GONE', sentence, { cause })
    })
    return { entries: [...entries.values()], revision }
  }

  /** @inheritDoc */
  async put(key: string, value: string, precondition?: Precondition): Promise<WriteResult> {
    let attempts = 0
    return await this.#client.call(async client => {
      attempts += 1
      if (precondition === undefined) {
        const { header } = await client.put(key).value(value).exec()
        return { done: true, revision: Number(header.revision) }
      }
      const result = await conditional(client, key, precondition, client.put(key).value(value))
      // the answer to an earlier attempt may have been lost, but not its effect
      const current = result.done ? undefined : result.current
      return attempts > 1 && current?.value === value
        ? { done: true, revision: current.revision }
        : result
    })
  }

  /** @inheritDoc */
  async delete(key: string, precondition?: Precondition): Promise<WriteResult> {
    let attempts = 0
    return await this.#client.call(async client => {
      attempts += 1
      const result =
        precondition === undefined
          ? await deletion(client, key)
          : await conditional(client, key, precondition, client.delete().key(key))
      if (attempts === 1 || result.done || result.current !== undefined) return result
      // the answer to an earlier attempt may have been lost, but not its effect
      const { header } = await client.get(key).exec()
      return { done: true, revision: Number(header.revision) }
    })
  }

  /** @inheritDoc */
  watch(prefixes: readonly string[], listener: (event: WatchEvent) => void): { close(): void } {
    this.#mustBeOpen()
    const watch = new EtcdWatch(prefixes, this.#options, listener)
    this.#watches.add(watch)
    return {
      close: () => {
        watch.close()
        this.#watches.delete(watch)
      },
    }
  }

  /** @inheritDoc */
  leased(ttlSeconds: number): LeasedKeys {
    this.#mustBeOpen()
    return new LeasedSet(new EtcdLease(this.#client, ttlSeconds), ttlSeconds)
  }

  /** @inheritDoc */
  async close(): Promise<void> {
    this.#closed = true
    for (const watch of this.#watches) watch.close()
    this.#watches.clear()
    this.#client.close()
  }

  #mustBeOpen(): void {
    if (this.#closed) throw new StoreError('STORE_CLOSED', 'the store was closed')
  }
}

/** Compacted, or still to come: etcd's words, since etcd3 has no class for either. */
const isRevisionGone = (error: unknown): boolean =>
  /revision has been compacted|is a future revision/.test(sentenceOf(error))

async function deletion(client: Etcd3, key: string): Promise<WriteResult> {
  const { deleted, header } = await client.delete().key(key).exec()
  return deleted === '0'
    ? { done: false, current: undefined }
    : { done: true, revision: Number(header.revision) }
}

/** Runs `write` where the precondition holds, else answers what is there. One transaction. */
async function conditional(
  client: Etcd3,
  key: string,
  precondition: Precondition,
  write: Parameters<ReturnType<Etcd3['if']>['then']>[0],
): Promise<WriteResult> {
  const condition =
    'absent' in precondition
      ? client.if(key, 'Version', '==', 0)
      : client.if(key, 'Mod', '==', precondition.revision)
  const { succeeded, header, responses } = await condition
    .then(write)
    .else(client.get(key))
    .commit()
  if (succeeded) return { done: true, revision: Number(header.revision) }
  const kv = responses[0]?.response_range?.kvs[0]
  return { done: false, current: kv === undefined ? undefined : entryOf(kv) }
}
