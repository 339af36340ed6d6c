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
  /** its name: a memory of another one counts for nothing */
  readonly name: string
  /** an outage is told by nobody else */
  readonly tellsLost: boolean
  readonly configuration: Pick<NodeConfiguration, 'node' | 'stateDirectory'>
  readonly log: Log
  readonly epochOffset: number
  /** is called when there is something else to be desired */
  changed(): void
}

/** Where the services of a node come from. */
export function serviceSourceOf(
  { kubernetes, store: where }: NodeConfiguration,
  store: Store,
): Pick<ServicesOptions, 'source' | 'name' | 'tellsLost'> {
  if (kubernetes !== undefined) {
    const { kubeconfig = 'pod', context = '' } = kubernetes
    const source = new KubernetesServices(kubernetes)
    return { source, name: `kubernetes ${kubeconfig} ${context}`.trim(), tellsLost: true }
  }
  if (where.kind === 'directory')
    return { source: new StoredServices(store), name: where.path, tellsLost: false }
  return { source: undefined, name: '', tellsLost: false }
}

/** Follows a source. */
export class Services {
  readonly #options: ServicesOptions
  readonly #watch: { close(): void } | undefined
  readonly #lastGood: LastGood
  readonly #owner: Pick<Kept, 'node' | 'store'>
  #objects: ServiceObjects | undefined
  #lost: string | undefined
  #ready: NodeJS.Timeout | undefined
  #keeping: NodeJS.Timeout | undefined
  #isReady = false
  #notKept = false

  constructor(options: ServicesOptions) {
    this.#options = options
    const { source, name, configuration } = options
    this.#owner = { node: configuration.node, store: name }
    this.#lastGood = new LastGood(join(configuration.stateDirectory, 'last-services.json'))
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
    if (this.#lost === undefined || !this.#options.tellsLost) return known
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
        this.#keeping ??= setTimeout(() => this.#keep(), KEEP_MS)
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
    if (this.#objects === undefined) {
      const kept = this.#lastGood.load()
      if (kept?.node === this.#owner.node && kept.store === this.#owner.store)
        this.#objects = readServices(kept.entries)
    }
    this.#options.changed()
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
      this.#lastGood.save({ ...this.#owner, at, revision: 0, entries, earlier: [] })
      this.#notKept = false
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      if (!this.#notKept)
        this.#options.log.warn('SERVICES_NOT_KEPT', `what is known of services is not kept: ${why}`)
      this.#notKept = true
    }
  }
}
