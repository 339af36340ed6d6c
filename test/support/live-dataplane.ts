import { type Millis, millis, Prng } from '../../src/core/base/index.ts'
import {
  Dataplane,
  type DataplaneConfig,
  type DataplaneEvent,
  type DataplaneNote,
  type KernelOutput,
} from '../../src/core/dataplane/index.ts'
import type { NextHopGroup } from '../../src/core/fib/index.ts'
import { prefix } from '../../src/core/net/index.ts'
import { Loop } from '../../src/shell/clock/index.ts'
import { CONFIG, epoch, group, nlriOf } from './dataplane-world.ts'
import type { Rig } from './kernel-rig.ts'

/** A dataplane on a kernel of either kind, in the runtime's own time; it may die between two messages. */

/** How it is made, beside what all tests have. */
export interface LiveOptions extends Partial<DataplaneConfig> {
  /** it is dead after so many messages to the kernel */
  readonly messages?: number
  readonly notificationOctetsMax?: number
}

/** One life. */
export class LiveDataplane {
  readonly notes: DataplaneNote[] = []
  readonly engine: Dataplane
  /** messages that reached the kernel */
  sent = 0
  dead = false
  readonly #kernel: ReturnType<Rig['open']>
  readonly #loop: Loop<DataplaneEvent>
  readonly #messages: number
  #batch = 0
  #epoch = 0

  constructor(rig: Rig, options: LiveOptions = {}) {
    const { messages = Number.POSITIVE_INFINITY, notificationOctetsMax, ...more } = options
    const config = { ...CONFIG, stale: millis(60_000), ...more }
    this.#messages = messages
    this.#kernel = rig.open({
      ...{ table: config.table, protocol: config.protocol },
      deliver: event => {
        if (!this.dead) this.#loop.deliver(event)
      },
      ...(notificationOctetsMax !== undefined && { notificationOctetsMax }),
    })
    this.engine = new Dataplane(config, this.#mortal(this.#kernel), { chance: new Prng(1) })
    this.#loop = new Loop<DataplaneEvent>(this.engine)
    this.#loop.deliver({ type: 'Tick' })
    this.#loop.deliver({ type: 'Intent', intent: { routes: [], watched: [], watchedMax: 0 } })
  }

  /** A speaker says all that it wants: each prefix with the number of its group, from 1 on. */
  speak(groups: readonly NextHopGroup[], routes: Readonly<Record<string, number>>): void {
    const say = (event: DataplaneEvent): void => this.#loop.deliver(event)
    const number = epoch(++this.#epoch)
    say({ type: 'SpeakerUp' })
    say({ type: 'Begin', epoch: number })
    for (const [at, hops] of groups.entries()) {
      for (const { weight: _, ...hop } of hops) say({ type: 'Track', hop })
      say({ type: 'Group', id: group(at + 1), hops, metric: 0 })
    }
    for (const family of ['ipv4', 'ipv6'] as const) {
      const own = Object.keys(routes).filter(text => text.includes(':') === (family === 'ipv6'))
      const ids = own.map(text => routes[text] ?? 0)
      if (own.length > 0)
        say({ type: 'Routes', family, nlri: nlriOf(own.map(prefix)), groups: ids })
    }
    say({ type: 'InSync', epoch: number })
  }

  /** It has done all that can be done. */
  get atRest(): boolean {
    return this.engine.idle
  }

  snapshot(now: Millis = millis(0)) {
    return this.engine.snapshot(now)
  }

  close(): void {
    this.dead = true
    this.#loop.close()
    this.#kernel.close()
  }

  /** The kernel, until so many messages have gone: those that went are done, the others never were. */
  #mortal(kernel: KernelOutput): KernelOutput {
    const pass = (message: () => void): void => {
      if (this.dead) return
      if (this.sent === this.#messages) {
        this.dead = true
        kernel.commit(this.#batch + 1)
        return
      }
      this.sent++
      message()
    }
    return {
      change: change => pass(() => kernel.change(change)),
      object: change => pass(() => kernel.object(change)),
      commit: batch => {
        if (this.dead) return
        this.#batch = batch
        kernel.commit(batch)
      },
      dump: dump => this.dead || kernel.dump(dump),
      lookUp: addresses => this.dead || kernel.lookUp(addresses),
      inspect: number => this.dead || kernel.inspect(number),
      configure: (number, changes) => this.dead || kernel.configure(number, changes),
      serve: links => this.dead || kernel.serve(links),
      note: note => void this.notes.push(note),
    }
  }
}
