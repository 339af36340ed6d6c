/**
 * Martlet's kernel half alone, in a process of its own: the built dataplane with the real kernel, told by its parent
 * what a speaker would say, without a link between. Run in the namespace whose table it writes.
 *
 *   node half.ts DIRECTORY OF MAIN.JS
 */
import { join } from 'node:path'
import type { Engine, Millis } from '../../../../src/core/base/index.ts'
import type { DataplaneConfig, DataplaneEvent } from '../../../../src/core/dataplane/index.ts'
import type { Epoch, GroupId, NextHopGroup } from '../../../../src/core/fib/index.ts'
import { address } from '../../../../src/core/net/index.ts'
import { makeTable, type Table } from '../load/traffic.ts'
import { monotonic } from './tool.ts'

/** What the half is asked, one thing at a time. */
export type HalfOrder =
  /** a new dataplane, whose whole table is in memory before it looks at the kernel */
  | {
      readonly do: 'start'
      readonly count: number
      readonly objects: boolean
      readonly gateways: readonly string[]
    }
  /** all prefixes go through other gateways */
  | { readonly do: 'replace'; readonly gateways: readonly string[] }
  /** the group that all prefixes use has other gateways */
  | { readonly do: 'move'; readonly gateways: readonly string[] }
  | { readonly do: 'remove' }

/** What came of it: until nothing waits, and the kernel has answered all. */
export interface HalfAnswer {
  readonly ms: number
  /** when it was asked: CLOCK_MONOTONIC in ms */
  readonly from: number
  /** processor time, of all threads */
  readonly cpuMs: number
  /** batches that were written to the kernel */
  readonly batches: number
  /** routes that are as wanted */
  readonly installed: number
}

const ROUTES_PER_EVENT = 1_024
const EPOCH = 1 as Epoch
const METRIC = 1_024

const [root = ''] = process.argv.slice(2)
const { Prng }: typeof import('../../../../src/core/base/index.ts') = await import(
  join(root, 'core/base/index.js')
)
const { Dataplane }: typeof import('../../../../src/core/dataplane/index.ts') = await import(
  join(root, 'core/dataplane/index.js')
)
const { Loop }: typeof import('../../../../src/shell/clock/index.ts') = await import(
  join(root, 'shell/clock/index.js')
)
const { NetlinkKernel }: typeof import('../../../../src/shell/netlink/index.ts') = await import(
  join(root, 'shell/netlink/index.js')
)

const configured = (objects: boolean): DataplaneConfig => ({
  table: 254,
  protocol: 99,
  metric: METRIC,
  nexthopObjects: objects,
  routesMax: 4_000_000,
  stale: 3_600_000 as Millis,
  resync: 3_600_000 as Millis,
})

/** One dataplane, and what it was told. */
class Half {
  readonly #engine: InstanceType<typeof Dataplane>
  readonly #loop: InstanceType<typeof Loop<DataplaneEvent>>
  readonly #kernel: InstanceType<typeof NetlinkKernel>
  readonly #table: Table
  readonly #tracked = new Set<string>()
  #group = 1
  #batches = 0
  #rested: (() => void) | undefined

  constructor(count: number, objects: boolean) {
    const config = configured(objects)
    this.#table = makeTable(count)
    this.#kernel = new NetlinkKernel({
      config,
      deliver: event => {
        if (event.type === 'Written') this.#batches++
        this.#loop.deliver(event)
      },
      note: note => {
        if (note.code !== 'KERNEL_ADOPTED') process.stderr.write(`${JSON.stringify(note)}\n`)
      },
    })
    const engine = new Dataplane(config, this.#kernel, { chance: new Prng(1) })
    const watched: Engine<DataplaneEvent> = {
      handle: (event, now) => engine.handle(event, now),
      work: (budget, now) => {
        const more = engine.work(budget, now)
        if (!more && engine.idle) this.#rested?.()
        return more
      },
      deadline: () => engine.deadline(),
    }
    this.#engine = engine
    this.#loop = new Loop<DataplaneEvent>(watched)
  }

  begin(gateways: readonly string[]): void {
    this.#loop.deliver({ type: 'SpeakerUp' })
    this.#loop.deliver({ type: 'Begin', epoch: EPOCH })
    this.#name(gateways)
    this.#sayAll()
    this.#loop.deliver({ type: 'InSync', epoch: EPOCH })
  }

  replace(gateways: readonly string[]): void {
    const old = this.#id
    this.#group++
    this.#name(gateways)
    this.#sayAll()
    this.#loop.deliver({ type: 'DropGroup', id: old })
  }

  move(gateways: readonly string[]): void {
    this.#name(gateways)
  }

  remove(): void {
    this.#inEvents((nlri, _count) =>
      this.#loop.deliver({ type: 'Withdraws', family: 'ipv4', nlri }),
    )
  }

  /** Does `act`, and resolves when all is done that follows from it; its clock starts before or after. */
  async measured(act: () => void, inMemory: boolean): Promise<HalfAnswer> {
    const batches = this.#batches
    const asked = monotonic()
    act()
    const from = inMemory ? monotonic() : asked
    const idle = process.cpuUsage()
    // work follows after pending I/O, so it has not begun
    await new Promise<void>(resolve => {
      this.#rested = resolve
    })
    const ms = monotonic() - from
    const { user, system } = process.cpuUsage(idle)
    const cpuMs = (user + system) / 1e3
    this.#rested = undefined
    const { installed } = this.#engine.snapshot(0 as Millis)
    return { ms, from, cpuMs, batches: this.#batches - batches, installed }
  }

  get #id(): GroupId {
    return this.#group as GroupId
  }

  #name(gateways: readonly string[]): void {
    const hops: NextHopGroup = gateways.map(text => ({ address: address(text), weight: 1 }))
    for (const { address: hop } of hops)
      if (!this.#tracked.has(hop)) {
        this.#tracked.add(hop)
        this.#loop.deliver({ type: 'Track', hop: { address: hop } })
      }
    this.#loop.deliver({ type: 'Group', id: this.#id, hops, metric: METRIC })
  }

  #sayAll(): void {
    this.#inEvents((nlri, count) => {
      const groups = Array<number>(count).fill(this.#group)
      this.#loop.deliver({ type: 'Routes', family: 'ipv4', nlri, groups })
    })
  }

  /** Hands on all prefixes, as many at a time as a message of the link has. */
  #inEvents(take: (nlri: Uint8Array, count: number) => void): void {
    const { numbers, lengths } = this.#table
    for (let at = 0; at < numbers.length; at += ROUTES_PER_EVENT) {
      const count = Math.min(ROUTES_PER_EVENT, numbers.length - at)
      const nlri = new Uint8Array(4 * count)
      let end = 0
      for (let index = at; index < at + count; index++) {
        const [number = 0, length = 0] = [numbers[index], lengths[index]]
        nlri[end++] = length
        for (let octet = 0; octet < (length + 7) >> 3; octet++)
          nlri[end++] = number >>> (16 - 8 * octet)
      }
      take(nlri.subarray(0, end), count)
    }
  }
}

let half: Half | undefined

async function obey(order: HalfOrder): Promise<HalfAnswer> {
  if (order.do === 'start') {
    const started = new Half(order.count, order.objects)
    half = started
    return await started.measured(() => started.begin(order.gateways), true)
  }
  const running = half
  if (running === undefined) throw new Error('there is no dataplane yet')
  switch (order.do) {
    case 'replace':
      return await running.measured(() => running.replace(order.gateways), false)
    case 'move':
      return await running.measured(() => running.move(order.gateways), false)
    case 'remove':
      return await running.measured(() => running.remove(), false)
    default:
      return order satisfies never
  }
}

// nobody is left to ask
process.on('disconnect', () => process.exit(0))
process.on('message', (order: HalfOrder) => {
  obey(order).then(
    answer => process.send?.({ answer }),
    error => process.send?.({ error: error instanceof Error ? error.message : String(error) }),
  )
})
