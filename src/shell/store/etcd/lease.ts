import { type Etcd3, EtcdLeaseInvalidError, type Lease } from 'etcd3'
import { LeaseLostError } from '../errors.ts'
import type { LeaseMedium } from '../leased.ts'
import type { EtcdClient } from './client.ts'

/**
 * A lease of etcd, kept alive by us: etcd3 gives one up after an outage that the server forgave.
 */
export class EtcdLease implements LeaseMedium {
  readonly #client: EtcdClient
  readonly #ttlSeconds: number
  #id: string | undefined

  constructor(client: EtcdClient, ttlSeconds: number) {
    this.#client = client
    this.#ttlSeconds = ttlSeconds
  }

  /** @inheritDoc */
  async grant(): Promise<void> {
    // repeated after no answer, it leaves a lease behind that nobody renews and that has no keys
    this.#id = await this.#client.call(client => this.#lease(client).grant())
  }

  /** @inheritDoc */
  async write(puts: ReadonlyMap<string, string>, deletes: readonly string[]): Promise<void> {
    const id = this.#granted()
    await this.#asking(client =>
      client
        // a transaction wants a condition; this one always holds
        .if(CONDITION_KEY, 'Version', '>', -1)
        .then(
          ...[...puts].map(([key, value]) => client.put(key).value(value).lease(id)),
          ...deletes.map(key => client.delete().key(key)),
        )
        .commit(),
    )
  }

  /** @inheritDoc */
  async renew(): Promise<void> {
    const id = this.#granted()
    const { TTL } = await this.#asking(async client => {
      const stream = await client.leaseClient.leaseKeepAlive()
      return await new Promise<{ readonly TTL: string }>((resolve, reject) => {
        stream.on('data', resolve)
        stream.on('error', reject)
        stream.on('end', () => reject(new Error('the stream ended')))
        stream.write({ ID: id })
      }).finally(() => stream.end())
    })
    if (Number(TTL) <= 0) throw new LeaseLostError('the lease has expired')
  }

  /** @inheritDoc */
  async revoke(): Promise<void> {
    const id = this.#granted()
    try {
      await this.#asking(client => client.leaseClient.leaseRevoke({ ID: id }))
    } catch (error) {
      if (!(error instanceof LeaseLostError)) throw error
    }
  }

  #lease(client: Etcd3): Lease {
    return client.lease(this.#ttlSeconds, { autoKeepAlive: false })
  }

  #granted(): string {
    if (this.#id === undefined) throw new LeaseLostError('there is no lease yet')
    return this.#id
  }

  async #asking<Result>(call: (client: Etcd3) => Promise<Result>): Promise<Result> {
    try {
      return await this.#client.call(call, isGone)
    } catch (error) {
      if (isGone(error)) throw new LeaseLostError('the lease has expired', { cause: error })
      throw error
    }
  }
}

const CONDITION_KEY = '/martlet/v1/probe'

const isGone = (error: unknown): boolean => error instanceof EtcdLeaseInvalidError
