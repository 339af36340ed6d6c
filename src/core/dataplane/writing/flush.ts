import type { Family } from '../../net/index.ts'
import { ENODEV, ENOENT, ESRCH, errnoText, type RouteTarget } from '../../rtnl/index.ts'
import type { KernelEvent, KernelOutput, KernelRoute } from '../ports.ts'
import { isObjectId } from '../table/object-ids.ts'
import { planTunnels, type TunnelPlan } from '../tunnels/plan.ts'
import { BATCH_MAX } from './batch.ts'

/** Takes all that is ours out of the kernel, when an operator asks for it. */

/** What there was, or is: of a dry run all of it. */
export interface FlushResult {
  readonly routes: number
  readonly objects: number
  readonly tunnels: number
  /** what is still there after it, of any of these; 0 in a dry run */
  readonly left: number
  /** why; the first refusal */
  readonly error?: string
}

/** What a flush is made with. */
export interface FlushOptions {
  readonly output: KernelOutput
  readonly protocol: number
  /** count only */
  readonly dry: boolean
  readonly done: (result: FlushResult) => void
}

/** A route of ours as the kernel told it. */
interface Found {
  readonly family: Family
  readonly bytes: Uint8Array
  readonly length: number
  readonly metric: number
  readonly target: RouteTarget
}

/** What refusals of a deletion are that it is not there any more. */
const GONE: ReadonlySet<number> = new Set([ESRCH, ENOENT, ENODEV])

/** Somebody puts back what is taken out, or the table changes while it is read. */
const ROUNDS_MAX = 5

/**
 * Dump, delete, look again; until nothing of ours is left:
 *
 *   dump -> Dumped -> routes, groups, hops -> Written -> inspect -> Inspected -> configure
 *     ^                                                                             |
 *     +------------------------------ Configured -----------------------------------+
 *
 * Ours is what the dataplane takes for its own: routes of our protocol in our table, at whatever
 * metric; nexthop objects of our protocol with an id of our range; tunnels that bear our alias.
 */
export class Flush {
  readonly #o: FlushOptions
  #routes: Found[] = []
  #objects: number[] = []
  #dump = 0
  #batch = 0
  #first: Omit<FlushResult, 'left' | 'error'> | undefined
  #changes: TunnelPlan['changes'] = []
  #error: string | undefined

  constructor(options: FlushOptions) {
    this.#o = options
  }

  /** Begins; `done` is called once, after some events. */
  start(): void {
    this.#routes = []
    this.#objects = []
    this.#o.output.dump(++this.#dump)
  }

  /** Takes what the kernel says. What others do meanwhile is not heard: the next dump tells. */
  handle(event: KernelEvent): void {
    switch (event.type) {
      case 'Route':
        if (event.route.dump === this.#dump) this.#found(event.route)
        return
      case 'Object': {
        const { id, present, protocol } = event.message
        const ours = present && protocol === this.#o.protocol && isObjectId(id)
        if (event.dump === this.#dump && ours) this.#objects.push(id)
        return
      }
      case 'Dumped':
        if (event.dump !== this.#dump) return
        if (event.complete) this.#o.output.inspect(this.#dump)
        else if (this.#dump < ROUNDS_MAX) this.start()
        else this.#end(event.why ?? 'the kernel was not read')
        return
      case 'Inspected':
        this.#inspected(event)
        return
      case 'Written':
      case 'Configured': {
        const bad = event.refusals.find(({ errno }) => !GONE.has(errno))
        if (bad !== undefined) this.#error ??= bad.text ?? errnoText(bad.errno)
        if (event.type === 'Configured') this.start()
        else this.#next()
        return
      }
      default:
      // links, addresses, answers: nothing of ours
    }
  }

  #found(route: Readonly<KernelRoute>): void {
    // with a type of service it is not what we write
    if (route.protocol !== this.#o.protocol || route.tos !== 0) return
    const { family, bytes, offset, length, metric, target } = route
    const own = bytes.slice(offset, offset + ((length + 7) >> 3))
    this.#routes.push({ family, bytes: own, length, metric, target })
  }

  #inspected(event: Extract<KernelEvent, { readonly type: 'Inspected' }>): void {
    if (event.number !== this.#dump) return
    const changes = event.seen === undefined ? [] : planTunnels([], event.seen).changes
    const tunnels = changes.filter(({ type }) => type === 'remove').length
    const found = { routes: this.#routes.length, objects: this.#objects.length, tunnels }
    const left = found.routes + found.objects + tunnels
    this.#first ??= found
    this.#changes = changes
    // groups have the higher ids, and go before their members
    this.#objects.sort((one, other) => other - one)
    if (this.#o.dry || left === 0) this.#end(undefined)
    else if (this.#dump > ROUNDS_MAX) this.#end(this.#error ?? 'somebody puts it back', left)
    else this.#next()
  }

  /** The next batch: routes first, then groups, then hops; then the links of tunnels. */
  #next(): void {
    const { output } = this.#o
    if (this.#routes.length === 0 && this.#objects.length === 0) {
      output.configure(this.#dump, this.#changes)
      return
    }
    for (const route of this.#routes.splice(0, BATCH_MAX))
      output.change({ verb: 'delete', offset: 0, ...route })
    if (this.#routes.length === 0)
      for (const id of this.#objects.splice(0, BATCH_MAX))
        output.object({ verb: 'delete', id, object: { kind: 'other' } })
    output.commit(++this.#batch)
  }

  #end(error: string | undefined, left = 0): void {
    const first = this.#first ?? { routes: 0, objects: 0, tunnels: 0 }
    this.#o.done({ ...first, left, ...(error !== undefined && { error }) })
  }
}
