import { join } from 'node:path'
import {
  type Entry,
  instant,
  NO_SERVICE_OBJECTS,
  type Problem,
  type ServiceEvent,
  type ServiceObjects,
  type ServiceSource,
  type Store,
  serviceObjectKey,
} from '../../core/intent/index.ts'
import { now } from '../../shell/clock/index.ts'
import type { NodeConfiguration } from '../../shell/config/index.ts'
import { KubernetesServices, readServices, StoredServices } from '../../shell/kubernetes/index.ts'
import type { Log } from '../../shell/log/index.ts'
import { type Kept, LastGood } from '../../shell/store/index.ts'

/**
 * Services and their endpoints, as their source said last: before the last start too, so that
 * nothing is withdrawn because it does not answer.
 */

/** How long a start waits for the source: sessions are worth more than services. */
const READY_MS = 3_000

/** Between two writes of the memory: a crash of the machine costs as much of it. */
const KEEP_MS = 2_000

/** What it is made with. */
export interface ServicesOptions {
  /** undefined: there is none, and so no services */
  readonly source: ServiceSource | undefined
  /** its name, for a memory of what it said; undefined: it remembers by itself */
  readonly name: string | undefined
  readonly configuration: Pick<NodeConfiguration, 'node' | 'stateDirectory'>
  readonly log: Log
  readonly epochOffset: number
  /** is called when there is something else to be desired */
  changed(): void
}

/**
 * Where the services of a node come from.
 *
 * @param followed  what of the store is in force: files that vanish with all others are held back
 *   like them
 */
export function serviceSourceOf(
  { kubernetes, store }: NodeConfiguration,
  followed: Pick<Store, 'watch'>,
): Pick<ServicesOptions, 'source' | 'name'> {
  if (kubernetes !== undefined) {
    const { kubeconfig = 'pod', context = '' } = kubernetes
    const source = new KubernetesServices(kubernetes)
    return { source, name: `kubernetes ${kubeconfig} ${context}`.trim() }
  }
  const source = store.kind === 'directory' ? new StoredServices(followed) : undefined
  return { source, name: undefined }
}

/** Follows a source. */
export class Services {
  readonly #options: ServicesOptions
  readonly #watch: { close(): void } | undefined
  readonly #memory:
    | { readonly file: LastGood; readonly owner: Pick<Kept, 'node' | 'store'> }
    | undefined
  #objects: ServiceObjects | undefined
  #lost: string | undefined
  #ready: NodeJS.Timeout | undefined
  #keeping: NodeJS.Timeout | undefined
  #isReady = false
  #notKept = false

  constructor(options: ServicesOptions) {
    this.#options = options
    const { source, name, configuration } = options
    if (name !== undefined) {
      const { node, stateDirectory } = configuration
      const file = new LastGood(join(stateDirectory, 'last-services.json'))
      this.#memory = { file, owner: { node, store: name } }
    }
    if (source === undefined) {
      this.#isReady = true
      return
    }
    this.#ready = setTimeout(() => this.#begin(), READY_MS)
    this.#watch = source.watch(event => this.#heard(event))
  }

  /** False before the source has said anything, for a while: nothing is decided without. */
  get isReady(): boolean {
    return this.#isReady
  }

  /** What there is to go by. */
  get objects(): ServiceObjects {
    const known = this.#objects ?? NO_SERVICE_OBJECTS
    if (this.#lost === undefined) return known
    const what = this.#objects === undefined ? 'none is known' : 'they stay as they were'
    const problem: Problem = {
      object: 'kubernetes',
      field: '',
      reason: `tells nothing of services (${this.#lost}); ${what} until it does`,
    }
    return { ...known, problems: [...known.problems, problem] }
  }

  /** Writes what is to be kept, and ends all timers. */
  close(): void {
    this.#watch?.close()
    clearTimeout(this.#ready)
    if (this.#keeping === undefined) return
    clearTimeout(this.#keeping)
    this.#keep()
  }

  #heard(event: ServiceEvent): void {
    switch (event.type) {
      case 'objects':
        this.#objects = event.objects
        this.#lost = undefined
        if (this.#memory !== undefined) this.#keeping ??= setTimeout(() => this.#keep(), KEEP_MS)
        break
      case 'lost':
        this.#lost = event.why
        break
      default:
        event satisfies never
    }
    this.#begin()
  }

  /** What is known now is gone by; before the source has said anything, what it said last time. */
  #begin(): void {
    clearTimeout(this.#ready)
    this.#isReady = true
    this.#objects ??= this.#remembered()
    this.#options.changed()
  }

  #remembered(): ServiceObjects | undefined {
    const { file, owner } = this.#memory ?? {}
    const kept = file?.load()
    if (kept === undefined || kept.node !== owner?.node || kept.store !== owner.store)
      return undefined
    return readServices(kept.entries)
  }

  #keep(): void {
    this.#keeping = undefined
    const { services, slices } = this.#objects ?? NO_SERVICE_OBJECTS
    const entries = [...services, ...slices].map(
      (object): Entry => ({
        key: serviceObjectKey(object),
        value: JSON.stringify(object),
        revision: 0,
      }),
    )
    const at = instant(now(), this.#options.epochOffset)
    try {
      this.#memory?.file.save({ ...this.#memory.owner, at, revision: 0, entries, earlier: [] })
      this.#notKept = false
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      if (!this.#notKept)
        this.#options.log.warn('SERVICES_NOT_KEPT', `what is known of services is not kept: ${why}`)
      this.#notKept = true
    }
  }
}
