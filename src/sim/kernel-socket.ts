import type {
  DataplaneNote,
  KernelEvent,
  KernelOutput,
  KernelRoute,
  ObjectChange,
  Refusal,
  RouteChange,
  ServedLink,
} from '../core/dataplane/index.ts'
import { type Address, formatPrefix, prefixParts } from '../core/net/index.ts'
import { type DeviceChange, EINVAL, type Found, notFound } from '../core/rtnl/index.ts'
import type { SimulatedKernel, SimulatedRoute } from './kernel.ts'

/**
 * The dataplane's side of a simulated kernel: what it asks, and what it hears, when the world says
 * so.
 */

/** The ways by which a kernel speaks: in order within each, in any order between them. */
export type KernelStream = 'answers' | 'dump' | 'notifications'

/** Who hears of what happens in a simulated kernel. */
export interface SimulatedSocketOptions {
  readonly table: number
  readonly protocol: number
  readonly deliver: (event: KernelEvent) => void
  readonly note?: (note: DataplaneNote) => void
  /** Does `act` later: the streams are in order, time between them is the world's. */
  readonly later: (stream: KernelStream, act: () => void) => void
}

/** Routes that one step of a dump tells: changes fall between two steps. */
const ROUTES_PER_STEP = 7

/** The dataplane's side of a simulated kernel. */
export class SimulatedSocket implements KernelOutput {
  readonly port: number
  /** how often links to workloads were asked for */
  servings = 0
  /** changes that were asked for, ever: an adopted table asks for none */
  changes = 0
  readonly #kernel: SimulatedKernel
  readonly #options: SimulatedSocketOptions
  readonly #leave: () => void
  #batch: (() => number)[] = []
  #closed = false
  #lost = false

  constructor(
    kernel: SimulatedKernel,
    port: number,
    options: SimulatedSocketOptions,
    leave: () => void,
  ) {
    this.#kernel = kernel
    this.port = port
    this.#options = options
    this.#leave = leave
  }

  get table(): number {
    return this.#options.table
  }

  change(change: RouteChange): void {
    const { family, bytes, offset, length, metric, target, verb } = change
    const address = new Uint8Array(family === 'ipv4' ? 4 : 16)
    address.set(bytes.subarray(offset, offset + ((length + 7) >> 3)))
    const prefix = formatPrefix(address, length)
    const { table, protocol } = this.#options
    const route = { table, prefix, metric, protocol, target }
    this.#batch.push(
      () => this.#kernel.faults.refuse(prefix, verb) || this.#kernel.change(verb, route, this.port),
    )
    this.changes++
  }

  object({ verb, id, object }: ObjectChange): void {
    const made = { id, protocol: this.#options.protocol, object }
    this.#batch.push(() => this.#kernel.objects.change(verb, made, this.port))
    this.changes++
  }

  commit(batch: number): void {
    const changes = this.#batch
    this.#batch = []
    // killed between two messages: what was sent is done, nobody hears of it
    this.#options.later('answers', () => {
      const refusals: Refusal[] = []
      for (const [at, change] of changes.entries()) {
        const errno = change()
        if (errno !== 0) refusals.push({ at, errno })
      }
      this.#later('answers', { type: 'Written', batch, refusals })
    })
  }

  dump(dump: number): void {
    this.#options.later('dump', () => {
      for (const { index, name, up } of this.#kernel.links())
        this.#now({ type: 'Link', dump, link: { present: true, index, name, up, carrier: up } })
      const { faults, objects } = this.#kernel
      for (const { id, protocol, object } of faults.noObjects ? [] : objects.all()) {
        const message = { present: true, id, protocol, object }
        this.#now({ type: 'Object', dump, by: 0, message })
      }
      for (const route of this.#kernel.connected(this.table))
        this.#now(routeEvent(route, { present: true, replaced: false, by: 0, dump }))
      this.#dumpFrom(this.#kernel.keys(this.table), 0, dump)
    })
  }

  lookUp(addresses: readonly Address[]): void {
    this.#options.later('answers', () => {
      for (const address of addresses)
        this.#now({ type: 'Found', address, found: this.#kernel.lookUp(address) })
    })
  }

  inspect(number: number): void {
    this.#options.later('answers', () =>
      this.#now({ type: 'Inspected', number, seen: this.#kernel.devices.seen() }),
    )
  }

  configure(number: number, changes: readonly DeviceChange[]): void {
    this.#options.later('answers', () => {
      const refusals: Refusal[] = []
      for (const [at, change] of changes.entries()) {
        const errno = this.#kernel.devices.change(change)
        if (errno !== 0) refusals.push({ at, errno })
      }
      this.#later('answers', { type: 'Configured', number, refusals })
    })
  }

  serve(links: readonly ServedLink[]): void {
    this.servings++
    this.#options.later('answers', () => {
      for (const link of links) this.#kernel.devices.serve(link)
      this.#later('answers', { type: 'Served', links: links.map(({ name }) => ({ name })) })
    })
  }

  note(note: DataplaneNote): void {
    this.#options.note?.(note)
  }

  /** What was committed is done; nothing is heard any more. */
  close(): void {
    this.#closed = true
    this.#leave()
  }

  /**
   * For the kernel: tells something, later. Nothing between a loss and the hearing of it, when the
   * real socket is opened anew.
   */
  tell(event: KernelEvent): void {
    if (!this.#lost) this.#later('notifications', event)
  }

  /** For the kernel: something could not be told. */
  lose(): void {
    if (this.#lost) return
    this.#lost = true
    this.#options.later('notifications', () => {
      this.#lost = false
      this.#now({ type: 'Lost' })
    })
  }

  /** Reads a part now and tells it later: what others do meanwhile is told before or after it. */
  #dumpFrom(keys: readonly string[], from: number, dump: number): void {
    const next = from + ROUTES_PER_STEP
    const part = keys.slice(from, next).flatMap(key => this.#kernel.at(key))
    this.#options.later('dump', () => {
      for (const route of part)
        this.#now(routeEvent(route, { present: true, replaced: false, by: 0, dump }))
      if (next < keys.length) this.#dumpFrom(keys, next, dump)
      else {
        const objects = !this.#kernel.faults.noObjects
        this.#later('dump', { type: 'Dumped', dump, complete: this.#uninterrupted(), objects })
      }
    })
  }

  #uninterrupted(): boolean {
    const { faults } = this.#kernel
    if (faults.interruptDumps === 0) return true
    faults.interruptDumps--
    return false
  }

  #later(stream: KernelStream, event: KernelEvent): void {
    this.#options.later(stream, () => this.#now(event))
  }

  #now(event: KernelEvent): void {
    if (!this.#closed) this.#options.deliver(event)
  }
}

/** How the dataplane hears of a route. */
export function routeEvent(
  route: SimulatedRoute,
  how: Pick<KernelRoute, 'present' | 'replaced' | 'by' | 'dump'>,
): KernelEvent {
  const { family, bytes, length } = prefixParts(route.prefix)
  const { protocol, metric, target } = route
  return {
    type: 'Route',
    route: {
      ...{ ...how, family, bytes, offset: 0, length, protocol, metric, tos: 0, target },
      leads: () => foundIn(route),
    },
  }
}

/** What a packet finds that takes `route`. */
export function foundIn({ protocol, metric, target }: SimulatedRoute): Found {
  if (target.kind === 'blackhole') return { ...notFound(EINVAL), protocol, metric }
  return { errno: 0, local: false, protocol, metric, hops: target.hops }
}
