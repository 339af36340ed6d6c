import { after, type Millis, millis, NEVER, type Prng } from '../../base/index.ts'
import { EEXIST, ENODEV, ENOENT, ESRCH, errnoText } from '../../rtnl/index.ts'
import type { KernelEvent, KernelOutput, Refusal } from '../ports.ts'
import { backOff } from '../writing/holds.ts'
import { planTunnels, type TunnelPlan } from './plan.ts'
import type { DevicesSeen, Tunnel, TunnelSnapshot } from './types.ts'

/** The links of tunnels, kept as the node's intent wants them. */

/** What somebody does to a link comes in several notifications: one look after them is enough. */
const SETTLES = millis(20)

/** A kernel that never becomes what it was made: each look finds something to do. */
const ROUNDS_MAX = 16

/** What the tunnels are made with. */
export interface TunnelsOptions {
  readonly output: KernelOutput
  readonly chance: Prng
  /** between two looks that nothing asked for, before jitter */
  readonly resync: Millis
  /** A snapshot would say something else. */
  readonly changed: () => void
}

/** What answers may say that is what was wanted, or soon will be. */
const HARMLESS: ReadonlySet<number> = new Set([EEXIST, ENODEV, ENOENT, ESRCH])

/**
 * Looks at all links, addresses and neighbours, and does what makes them what is wanted, until a
 * look finds nothing to do:
 *
 *   intent, notification, resync --> look --inspect--> Inspected --plan--> configure --> Configured
 *                                     ^                                                     |
 *                                     +-----------------------------------------------------+
 *
 * Nothing is remembered of what was done: a link that somebody deletes, renames or changes is seen
 * at the next look, which its notification asks for. A kernel that refuses is asked again, less and
 * less often. Without an intent nothing is touched: who has no say in tunnels leaves them as they
 * are.
 */
export class Tunnels {
  readonly #o: TunnelsOptions
  #heard = false
  #wanted: readonly Tunnel[] | undefined
  #names: ReadonlySet<string> = new Set()
  /** of links whose changes matter, as of the last look */
  #links: ReadonlySet<number> = new Set()
  #dueAt: Millis = NEVER
  /** of the question that waits for its answer; 0: none does */
  #asked = 0
  #number = 0
  #plan: TunnelPlan | undefined
  #seen: DevicesSeen | undefined
  #errors: ReadonlyMap<string, string> = new Map()
  #attempts = 0
  #rounds = 0
  /** something changed while the kernel was asked */
  #again = false

  constructor(options: TunnelsOptions) {
    this.#o = options
  }

  /** When it is to look; NEVER while an answer is awaited. */
  get next(): Millis {
    return this.#asked === 0 ? this.#dueAt : NEVER
  }

  /** True while the kernel is asked. */
  get busy(): boolean {
    return this.#asked !== 0
  }

  /** Takes what the node wants, whole; undefined: it has no say in tunnels. O(ends). */
  intend(tunnels: readonly Tunnel[] | undefined, now: Millis): void {
    if (this.#heard && JSON.stringify(tunnels) === JSON.stringify(this.#wanted)) return
    this.#heard = true
    this.#wanted = tunnels
    this.#names = new Set(tunnels?.map(({ name }) => name))
    this.#attempts = 0
    this.#look(now, millis(0))
  }

  /** Takes what the kernel says. What is about no tunnel, nor the link under one, is not heard. */
  hear(event: KernelEvent, now: Millis): void {
    switch (event.type) {
      case 'Link':
        if (
          event.dump === 0 &&
          (this.#links.has(event.link.index) || this.#names.has(event.link.name))
        )
          this.#look(now, SETTLES)
        return
      case 'Address': {
        const local = this.#wanted?.some(tunnel => tunnel.local === event.address)
        if (this.#links.has(event.link) || local) this.#look(now, SETTLES)
        return
      }
      case 'Neighbour':
        if (this.#links.has(event.link)) this.#look(now, SETTLES)
        return
      case 'Lost':
        this.#look(now, millis(0))
        return
      case 'Inspected':
        if (event.number === this.#asked) this.#inspected(event.seen, event.why, now)
        return
      case 'Configured':
        if (event.number === this.#asked) this.#configured(event.refusals, now)
        return
      default:
    }
  }

  /** Looks, where it is time. */
  work(now: Millis): void {
    if (now < this.next) return
    this.#asked = ++this.#number
    this.#again = false
    this.#o.output.inspect(this.#asked)
  }

  /** How each tunnel stands, in order of name. O(tunnels + neighbours). */
  snapshot(): TunnelSnapshot[] {
    const plan = this.#plan
    return (this.#wanted ?? []).map(({ name }) => {
      const link = this.#seen?.links.find(other => other.name === name)
      const ends = this.#seen?.neighbours.filter(
        neighbour => neighbour.link === link?.index && neighbour.table === 'forwarding',
      ).length
      const error = plan?.faults.get(name) ?? this.#errors.get(name)
      const isDone = plan !== undefined && !plan.unfinished.has(name)
      return {
        name,
        state: error !== undefined ? 'failed' : isDone ? 'up' : 'pending',
        ...(error !== undefined && { error }),
        ends: ends ?? 0,
      }
    })
  }

  #look(now: Millis, delay: Millis): void {
    if (this.#wanted === undefined) return
    this.#again ||= this.#asked !== 0
    this.#dueAt = millis(Math.min(this.#dueAt, after(now, delay)))
  }

  #inspected(seen: DevicesSeen | undefined, why: string | undefined, now: Millis): void {
    this.#asked = 0
    const wanted = this.#wanted
    if (wanted === undefined) {
      this.#dueAt = NEVER
      return
    }
    if (seen === undefined) {
      this.#fail(new Map(wanted.map(({ name }) => [name, why ?? 'the kernel was not read'])), now)
      return
    }
    const plan = planTunnels(wanted, seen)
    this.#plan = plan
    this.#seen = seen
    this.#links = plan.links
    this.#o.changed()
    if (plan.changes.length > 0 && this.#rounds < ROUNDS_MAX) {
      this.#rounds++
      this.#asked = ++this.#number
      this.#o.output.configure(this.#asked, plan.changes)
      return
    }
    this.#rounds = 0
    if (plan.changes.length === 0 && plan.faults.size === 0) this.#attempts = 0
    if (plan.changes.length === 0) this.#say(new Map())
    this.#rest(now)
  }

  #configured(refusals: readonly Refusal[], now: Millis): void {
    this.#asked = 0
    const errors = new Map<string, string>()
    for (const { at, errno, text } of refusals) {
      const name = this.#nameOf(at)
      if (!HARMLESS.has(errno) || this.#rounds > 2)
        errors.set(name, errors.get(name) ?? text ?? errnoText(errno))
    }
    if (errors.size > 0) this.#fail(errors, now)
    // what was done is looked at: a link that was made has an index now
    else this.#dueAt = now
  }

  /** The name of the link that a change of the plan was about. */
  #nameOf(at: number): string {
    const change = this.#plan?.changes[at]
    if (change === undefined) return ''
    if (change.type === 'create') return change.name
    const index = change.type === 'neighbour' ? change.neighbour.link : change.link
    return this.#seen?.links.find(link => link.index === index)?.name ?? ''
  }

  #fail(errors: ReadonlyMap<string, string>, now: Millis): void {
    this.#say(errors)
    this.#rounds = 0
    this.#attempts++
    this.#dueAt = after(now, backOff(this.#attempts, this.#o.chance))
  }

  /** Each error is told once, and when it is over. */
  #say(errors: ReadonlyMap<string, string>): void {
    for (const [name, error] of errors)
      if (this.#errors.get(name) !== error)
        this.#o.output.note({ code: 'TUNNEL_REFUSED', name, error })
    for (const name of this.#errors.keys())
      if (!errors.has(name)) this.#o.output.note({ code: 'TUNNEL_BACK', name })
    this.#errors = errors
    this.#o.changed()
  }

  /** Nothing is to be done: until somebody says something, or it is time for a look. */
  #rest(now: Millis): void {
    const pause = this.#o.resync * (0.9 + this.#o.chance.next() / 5)
    if (this.#again) this.#dueAt = after(now, SETTLES)
    else this.#dueAt = this.#wanted?.length === 0 ? NEVER : after(now, millis(pause))
  }
}
