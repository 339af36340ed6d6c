import { readFileSync } from 'node:fs'
import { rootCertificates } from 'node:tls'
import { noop } from 'cockatiel'
import {
  Etcd3,
  EtcdAuthenticationFailedError,
  EtcdPermissionDeniedError,
  GRPCInvalidArgumentError,
  type IOptions,
} from 'etcd3'
import type { Entry } from '../../../core/intent/index.ts'
import { now } from '../../clock/index.ts'
import type { EtcdConfiguration } from '../../config/index.ts'
import { StoreError, sentenceOf } from '../errors.ts'

/**
 * etcd3 with its habits corrected: every call has a deadline, retries are ours and know which calls
 * may be repeated, and a reconnection is not put off for half a minute.
 */

/** One attempt of a call; a hung member must leave time for another one. */
const ATTEMPT_MS = 2000
/** Between two attempts. */
const RETRY_MS = 100

/** gRPC's own waiting before it connects again; its defaults are 1 s, growing to 120 s. */
const CHANNEL = {
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 500,
  // a pool of connections of one client only, so that closing it ends them
  'grpc.use_local_subchannel_pool': 1,
  // pings find a dead connection below; etcd refuses more than one in 5 s by default
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 3000,
  'grpc.max_receive_message_length': -1,
} as const satisfies IOptions['grpcOptions']

/** How to connect, files read once. */
export function clientOptions(configuration: EtcdConfiguration): IOptions {
  const { ca, certificate, key, username } = configuration
  const password =
    configuration.passwordFile === undefined
      ? configuration.password
      : read(configuration.passwordFile).toString('utf8').trimEnd()
  const tls =
    ca === undefined && certificate === undefined
      ? undefined
      : {
          // gRPC takes the system's authorities where none are given, but etcd3's type wants a
          // value
          rootCertificate: ca === undefined ? Buffer.from(rootCertificates.join('\n')) : read(ca),
          ...(certificate === undefined || key === undefined
            ? {}
            : { certChain: read(certificate), privateKey: read(key) }),
        }
  return {
    hosts: [...configuration.endpoints],
    grpcOptions: CHANNEL,
    dialTimeout: ATTEMPT_MS,
    defaultCallOptions: context => (context.isStream ? {} : { deadline: Date.now() + ATTEMPT_MS }),
    faultHandling: { host: () => noop, global: noop },
    ...(tls === undefined ? {} : { credentials: tls }),
    ...(username === undefined ? {} : { auth: { username, password: password ?? '' } }),
  }
}

function read(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw new StoreError('STORE_REFUSED', `${path} cannot be read: ${sentenceOf(error)}`, {
      cause: error,
    })
  }
}

/** One client, replaced when it seems to hang, and calls on it with a deadline. */
export class EtcdClient {
  readonly #options: IOptions
  readonly #deadlineMs: number
  #client: Etcd3
  #closed = false

  constructor(options: IOptions, deadlineMs: number) {
    this.#options = options
    this.#deadlineMs = deadlineMs
    this.#client = new Etcd3(options)
  }

  /**
   * Runs `call` until it succeeds, fails for good, or the deadline passes. `call` may run more than
   * once: it must be safe to repeat.
   *
   * @throws StoreError, or what `isFinal` says is an answer
   */
  async call<Result>(
    call: (client: Etcd3) => Promise<Result>,
    isFinal: (error: unknown) => boolean = () => false,
  ): Promise<Result> {
    const until = now() + this.#deadlineMs
    for (;;) {
      if (this.#closed) throw new StoreError('STORE_CLOSED', 'the store was closed')
      const client = this.#client
      try {
        // a busy machine may wake us after the deadline: there is no time then, not less than none
        const left = Math.max(0, until - now())
        return await within(Math.min(ATTEMPT_MS, left), call(client))
      } catch (error) {
        if (isFinal(error)) throw error
        if (isRefusal(error))
          throw new StoreError('STORE_REFUSED', `etcd refuses: ${sentenceOf(error)}`, {
            cause: error,
          })
        if (now() + RETRY_MS >= until) throw unavailable(this.#options, this.#deadlineMs, error)
        this.#replace(client)
        await new Promise(resolve => setTimeout(resolve, RETRY_MS))
      }
    }
  }

  /** Ends all connections. */
  close(): void {
    this.#closed = true
    this.#client.close()
  }

  /** A new client has new connections: the old ones may be to a member that hangs. */
  #replace(failed: Etcd3): void {
    if (this.#closed || this.#client !== failed) return
    this.#client = new Etcd3(this.#options)
    failed.close()
  }
}

/** Rejects where `work` takes longer: deadlines of gRPC do not cover all of etcd3's promises. */
export async function within<Result>(ms: number, work: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${Math.round(ms)} ms`)), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** What another attempt would not change. */
const isRefusal = (error: unknown): boolean =>
  error instanceof EtcdPermissionDeniedError ||
  error instanceof EtcdAuthenticationFailedError ||
  error instanceof GRPCInvalidArgumentError

function unavailable(options: IOptions, deadlineMs: number, cause: unknown): StoreError {
  const hosts = [options.hosts].flat().join(', ')
  const why = sentenceOf(cause)
  // it is there, and one of us does not trust the other: waiting does not mend that
  if (/certificate|\b(?:ssl|tls)/i.test(why))
    return new StoreError('STORE_REFUSED', `etcd at ${hosts}: TLS fails: ${why}`, { cause })
  const sentence = `etcd at ${hosts} does not answer within ${deadlineMs} ms: ${why}`
  return new StoreError('STORE_UNAVAILABLE', sentence, { cause })
}

/** An entry as etcd3 gives it. */
export function entryOf(kv: {
  readonly key: Buffer
  readonly value: Buffer
  readonly mod_revision: string
}): Entry {
  return {
    key: kv.key.toString('utf8'),
    value: kv.value.toString('utf8'),
    revision: Number(kv.mod_revision),
  }
}
