import type {
  KernelEvent,
  KernelOutput,
  KernelRoute,
  ObjectChange,
  Refusal,
} from '../../src/core/dataplane/index.ts'
import { address, prefix, prefixParts } from '../../src/core/net/index.ts'
import {
  BLACKHOLE,
  type Found,
  type RouteTarget,
  type RouteVerb,
} from '../../src/core/rtnl/index.ts'
import type { Rig } from './kernel-rig.ts'
import { until } from './until.ts'

/** The dataplane's side of a kernel, by hand: what a test of the port writes and hears. */

/** What a client's routes have. */
export const OURS = 80
export const METRIC = 1024
export const TABLE = 254

/** The dataplane's side of a rig, with what it heard. */
export class Client {
  readonly routes: KernelRoute[] = []
  readonly links: Extract<KernelEvent, { type: 'Link' }>[] = []
  readonly ends: Extract<KernelEvent, { type: 'Dumped' }>[] = []
  readonly answers: Extract<KernelEvent, { type: 'Written' }>[] = []
  readonly objects: Extract<KernelEvent, { type: 'Object' }>[] = []
  readonly found: Extract<KernelEvent, { type: 'Found' }>[] = []
  readonly devices: Extract<KernelEvent, { type: 'Inspected' | 'Configured' | 'Served' }>[] = []
  /** sees each route while it is valid */
  onRoute: (route: Readonly<KernelRoute>) => void = () => {}
  losses = 0
  readonly #output: KernelOutput & { close(): void }
  #batch = 0
  #dump = 0

  constructor(rig: Rig, table = TABLE) {
    this.#output = rig.open({ table, protocol: OURS, deliver: event => this.#hear(event) })
  }

  /** Does changes in one batch; resolves with what was refused. */
  async write(
    ...changes: readonly [RouteVerb, string, RouteTarget?][]
  ): Promise<readonly Refusal[]> {
    for (const [verb, text, target = BLACKHOLE] of changes) {
      const { family, bytes, length } = prefixParts(prefix(text))
      this.#output.change({ verb, family, bytes, offset: 0, length, metric: METRIC, target })
    }
    return await this.#commit()
  }

  /** Does changes of nexthop objects, then of routes, in one batch. */
  async writeObjects(
    objects: readonly ObjectChange[],
    ...changes: readonly [RouteVerb, string, RouteTarget?][]
  ): Promise<readonly Refusal[]> {
    for (const change of objects) this.#output.object(change)
    return await this.write(...changes)
  }

  async #commit(): Promise<readonly Refusal[]> {
    const batch = ++this.#batch
    this.#output.commit(batch)
    const answer = await until(
      () => this.answers.find(one => one.batch === batch),
      'the batch is answered',
    )
    return answer.refusals
  }

  /** Dumps; resolves with the routes that it told, by prefix. */
  async dump(): Promise<Map<string, KernelRoute>> {
    const dump = ++this.#dump
    this.#output.dump(dump)
    const end = await until(() => this.ends.find(one => one.dump === dump), 'the dump ends')
    if (!end.complete) throw new Error(`the dump is not complete: ${end.why}`)
    const told = this.routes.filter(route => route.dump === dump)
    return new Map(told.map(route => [textOf(route), route]))
  }

  /** Asks where packets would go; resolves with the answers, in order. */
  async lookUp(...texts: readonly string[]): Promise<readonly Found[]> {
    this.found.length = 0
    this.#output.lookUp(texts.map(address))
    await until(() => this.found.length === texts.length, 'every address is answered')
    if (this.found.some((one, at) => one.address !== texts[at])) throw new Error('another order')
    return this.found.map(({ found }) => found)
  }

  close(): void {
    this.#output.close()
  }

  #hear(event: KernelEvent): void {
    switch (event.type) {
      case 'Route':
        this.onRoute(event.route)
        this.routes.push({ ...event.route, bytes: event.route.bytes.slice() })
        return
      case 'Link':
        this.links.push(event)
        return
      case 'Object':
        this.objects.push(event)
        return
      case 'Dumped':
        this.ends.push(event)
        return
      case 'Written':
        this.answers.push(event)
        return
      case 'Found':
        this.found.push(event)
        return
      case 'Lost':
        this.losses++
        return
      case 'Address':
      case 'Neighbour':
        return
      case 'Inspected':
      case 'Configured':
      case 'Served':
        this.devices.push(event)
        return
      default:
        event satisfies never
    }
  }
}

/** The prefix of a route: octets and length. */
export function textOf({ family, bytes, offset, length }: KernelRoute): string {
  const octets = [...bytes.subarray(offset, offset + ((length + 7) >> 3))]
  const hex = octets.map(octet => octet.toString(16).padStart(2, '0')).join('')
  return `${family} ${hex}/${length}`
}
