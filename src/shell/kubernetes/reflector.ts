import type { ServiceObject } from '../../core/intent/index.ts'
import { decodeService, SERVICE_KINDS } from '../config/index.ts'
import { fieldOf, jsonOf, type KubernetesClient, linesOf, messageOf } from './client.ts'
import { KubernetesError, refusalOf, sentenceOf } from './error.ts'
import type { Read } from './gathered.ts'

/**
 * All objects of one kind, as Kubernetes' API has them: listed once, then watched from there, and
 * listed again only where the API does not remember that far back.
 */

/** How patient it is; shorter in tests. */
export interface ApiTimes {
  /** by when a page of a list is there, or a watch begins */
  readonly answerMs: number
  /** how long the API is asked to keep a watch open; it is asked again after it */
  readonly watchSeconds: number
  /** before the second attempt; the pause doubles with every other */
  readonly pauseMs: number
  readonly pauseMaxMs: number
}

/** Objects of one page of a list. */
const PAGE = 500
/** A watch that lived that long was no failure, however it ended. */
const LIVED_MS = 5_000
/** How long after its time a watch is taken for dead. */
const OVERDUE_MS = 30_000

const PATHS: Readonly<Record<ServiceObject['kind'], string>> = {
  Service: '/api/v1/services',
  EndpointSlice: '/apis/discovery.k8s.io/v1/endpointslices',
}

/** What it is made with. */
export interface ReflectorOptions {
  readonly kind: ServiceObject['kind']
  readonly client: KubernetesClient
  readonly times: ApiTimes
  /** is called after each change of `objects` or of `lost` */
  changed(): void
}

/** Follows one kind until `close`. */
export class Reflector {
  readonly #options: ReflectorOptions
  readonly #closing = new AbortController()
  #objects = new Map<string, Read>()
  #complete = false
  #lost: string | undefined
  /** up to where we know; undefined: nothing yet */
  #version: string | undefined
  #failures = 0

  constructor(options: ReflectorOptions) {
    this.#options = options
    void this.#run()
  }

  /** By namespace and name; undefined before the first complete list. */
  get objects(): ReadonlyMap<string, Read> | undefined {
    return this.#complete ? this.#objects : undefined
  }

  /** Why the API does not answer; undefined: it does. */
  get lost(): string | undefined {
    return this.#lost
  }

  close(): void {
    this.#closing.abort()
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      try {
        this.#version ??= await this.#list()
        await this.#watch(this.#version)
      } catch (error) {
        if (signal.aborted) return
        this.#failed(error)
      }
      if (this.#failures > 0) await this.#pause()
    }
  }

  /** A watch that broke is begun again in silence; what fails twice is an outage. */
  #failed(error: unknown): void {
    this.#failures += 1
    if (error instanceof KubernetesError && error.code === 'KUBERNETES_GONE') {
      this.#version = undefined
      return
    }
    // it may be that we are somebody else now
    this.#options.client.forget()
    if (this.#failures < 2 || this.#lost !== undefined) return
    this.#lost = sentenceOf(error)
    this.#options.changed()
  }

  #answered(): void {
    if (this.#lost === undefined) return
    this.#lost = undefined
    this.#options.changed()
  }

  /** The version of the list. */
  async #list(): Promise<string> {
    const { kind } = this.#options
    const found = new Map<string, Read>()
    const query = new URLSearchParams({ limit: String(PAGE) })
    for (;;) {
      const page = await this.#page(query)
      const items = fieldOf(page, 'items')
      for (const item of Array.isArray(items) ? items : []) {
        const read = readObject(kind, item)
        if (read !== undefined) found.set(read.name, read)
      }
      const metadata = fieldOf(page, 'metadata')
      const next = fieldOf(metadata, 'continue')
      if (typeof next === 'string' && next !== '') {
        query.set('continue', next)
        continue
      }
      this.#objects = found
      this.#complete = true
      this.#lost = undefined
      this.#options.changed()
      const version = fieldOf(metadata, 'resourceVersion')
      return typeof version === 'string' ? version : '0'
    }
  }

  async #page(query: URLSearchParams): Promise<unknown> {
    const { client, kind, times } = this.#options
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(times.answerMs)])
    return await jsonOf(await client.open(PATHS[kind], query, signal))
  }

  /** Follows from `version` on, until the API ends it. */
  async #watch(version: string): Promise<void> {
    const { client, kind, times } = this.#options
    const query = new URLSearchParams({
      watch: '1',
      allowWatchBookmarks: 'true',
      resourceVersion: version,
      timeoutSeconds: String(times.watchSeconds),
    })
    const began = performance.now()
    const silence = new AbortController()
    const signal = AbortSignal.any([this.#closing.signal, silence.signal])
    const late = (): void => silence.abort(new Error('not in time'))
    let timer = setTimeout(late, times.answerMs)
    try {
      const answer = await client.open(PATHS[kind], query, signal)
      clearTimeout(timer)
      timer = setTimeout(late, times.watchSeconds * 1000 + OVERDUE_MS)
      this.#answered()
      for await (const line of linesOf(answer)) {
        this.#take(line)
        this.#failures = 0
      }
    } finally {
      clearTimeout(timer)
    }
    const lived = performance.now() - began >= LIVED_MS
    this.#failures = lived ? 0 : this.#failures + 1
  }

  #take(line: unknown): void {
    const type = fieldOf(line, 'type')
    const object = fieldOf(line, 'object')
    if (type === 'ERROR')
      throw refusalOf(Number(fieldOf(object, 'code')), messageOf(object) ?? 'the watch ended')
    const version = fieldOf(fieldOf(object, 'metadata'), 'resourceVersion')
    if (typeof version === 'string') this.#version = version
    if (type === 'BOOKMARK') return
    const read = readObject(this.#options.kind, object)
    if (read === undefined) return
    if (type === 'DELETED') this.#objects.delete(read.name)
    else this.#objects.set(read.name, read)
    this.#options.changed()
  }

  async #pause(): Promise<void> {
    const { pauseMs, pauseMaxMs } = this.#options.times
    const most = Math.min(pauseMaxMs, pauseMs * 2 ** (this.#failures - 1))
    const { signal } = this.#closing
    // all nodes of a cluster lose its API at the same moment
    const wait = most * (0.5 + Math.random() / 2)
    await new Promise<void>(resolve => {
      const timer = setTimeout(done, wait)
      function done(): void {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        resolve()
      }
      signal.addEventListener('abort', done)
    })
  }
}

/** Items of a list do not say of which kind they are. Undefined for what has no name. */
function readObject(
  kind: ServiceObject['kind'],
  item: unknown,
): (Read & { readonly name: string }) | undefined {
  if (typeof item !== 'object' || item === null) return undefined
  const metadata = fieldOf(item, 'metadata')
  const [namespace, own] = [fieldOf(metadata, 'namespace'), fieldOf(metadata, 'name')]
  if (typeof namespace !== 'string' || typeof own !== 'string') return undefined
  const name = `${namespace}/${own}`
  const read = decodeService(kind, { ...item, kind, apiVersion: SERVICE_KINDS[kind] })
  if ('object' in read) return { name, object: read.object, problems: [] }
  return {
    name,
    problems: read.faults.map(fault => ({ object: `${kind} ${name}`, ...fault })),
  }
}
