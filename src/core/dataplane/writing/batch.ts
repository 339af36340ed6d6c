import type { PrefixId } from '../../net/index.ts'
import { BLACKHOLE, type RouteVerb } from '../../rtnl/index.ts'
import type { KernelOutput, ObjectChange, RouteChange } from '../ports.ts'
import { NONE } from '../table/counted.ts'
import { IN_FLIGHT, type RouteTable, type Shared } from '../table/route-table.ts'

/** The changes that are on their way to the kernel. */

/**
 * Changes in one batch, beside nexthop objects. Above a hundred the kernel's speed does not depend
 * on it.
 */
export const BATCH_MAX = 1_000

/** Room beside the routes: the nexthop objects that one route needs are in its batch, before it. */
const ROOM = 2 * BATCH_MAX

/** In the place of a row: a nexthop object. */
const OBJECT = 0xffffffff

/** What is known of one change when its answer comes. */
export interface Sent {
  readonly code: number
  readonly verb: RouteVerb
  readonly metric: number
  /** the group that was wanted, NONE in a deletion; in use until `forget` */
  readonly want: number
  /** the target that was written, NONE in a deletion; in use until `forget` */
  readonly target: number
}

/**
 * One batch, filled and then in flight.
 *
 *   place   codes     row and family       4 bytes
 *           wants     group that was wanted  4
 *           targets   target that was sent   4
 *           metrics   metric of the route    4
 *           verbs     what was asked         8
 *
 * Limit: `BATCH_MAX` changes (docs/LIMITS.md).
 */
export class Batch {
  /** how many of the changes add a route */
  adds = 0
  inFlight = false
  readonly #shared: Shared
  readonly #output: KernelOutput
  readonly #codes = new Uint32Array(ROOM)
  readonly #wants = new Uint32Array(ROOM)
  readonly #targets = new Uint32Array(ROOM)
  readonly #metrics = new Uint32Array(ROOM)
  readonly #verbs: RouteVerb[] = new Array<RouteVerb>(ROOM).fill('add')
  /** nexthop objects by their place */
  readonly #objects = new Map<number, ObjectChange>()
  readonly #scratch = new Uint8Array(16)
  readonly #change: RouteChange
  #number = 0
  #size = 0

  constructor(shared: Shared, output: KernelOutput) {
    this.#shared = shared
    this.#output = output
    this.#change = {
      verb: 'add',
      family: 'ipv4',
      bytes: this.#scratch,
      offset: 0,
      length: 0,
      metric: 0,
      target: BLACKHOLE,
    }
  }

  /** The number of the batch in flight, or of the last one. */
  get number(): number {
    return this.#number
  }

  get size(): number {
    return this.#size
  }

  get full(): boolean {
    return this.#size >= BATCH_MAX
  }

  /** How many nexthop objects it takes. */
  get room(): number {
    return ROOM - this.#size
  }

  /** Adds what is to be done about a row at one metric; it is in flight from here on. */
  add(table: RouteTable, row: PrefixId, verb: RouteVerb, metric: number): void {
    const { groups, targets } = this.#shared
    const at = this.#size++
    const want = verb === 'delete' ? NONE : table.wantOf(row)
    const target = verb === 'delete' ? NONE : groups.resolve(want)
    groups.keep(want)
    targets.keep(target)
    this.#codes[at] = codeOf(table, row)
    this.#verbs[at] = verb
    this.#wants[at] = want
    this.#targets[at] = target
    this.#metrics[at] = metric
    table.flags[row]! |= IN_FLIGHT
    if (verb === 'add') this.adds++
    const change = this.#change
    change.verb = verb
    change.family = table.family
    change.length = table.prefixes.length(row)
    change.metric = metric
    change.bytes = this.#scratch
    const leads = verb === 'delete' ? table.seen[row]! : target
    // where another one of ours leads is not known
    const known = verb !== 'delete' || (leads !== NONE && metric === table.metric[row])
    change.target = known ? targets.get(leads) : BLACKHOLE
    table.prefixes.write(row, this.#scratch, 0)
    this.#output.change(change)
  }

  /** Adds a change of a nexthop object. */
  addObject(change: ObjectChange): void {
    this.#objects.set(this.#size, change)
    this.#codes[this.#size++] = OBJECT
    this.#output.object(change)
  }

  /** Hands it to the kernel. */
  commit(): void {
    this.inFlight = true
    this.#output.commit(++this.#number)
  }

  /** The change of a nexthop object at place `at`, if it is one. */
  objectAt(at: number): ObjectChange | undefined {
    return this.#codes[at] === OBJECT ? this.#objects.get(at) : undefined
  }

  /** The route at place `at`; undefined for a nexthop object. */
  sent(at: number): Sent | undefined {
    const code = this.#codes[at]!
    if (code === OBJECT) return undefined
    return {
      code,
      verb: this.#verbs[at]!,
      metric: this.#metrics[at]!,
      want: this.#wants[at]!,
      target: this.#targets[at]!,
    }
  }

  /** The answer was taken: its group and target are not in use by it any more. */
  forget(sent: Sent): void {
    this.#shared.groups.drop(sent.want)
    this.#shared.targets.drop(sent.target)
  }

  /** All answers were taken: the next batch can be made. */
  clear(): void {
    this.inFlight = false
    this.#size = 0
    this.adds = 0
    this.#objects.clear()
  }
}

/** A row of either table as one number: what queues and batches hold. */
export function codeOf(table: RouteTable, row: number): number {
  return row * 2 + (table.family === 'ipv4' ? 0 : 1)
}
