import {
  type ObjectMember,
  type RouteTarget,
  type TargetHop,
  unicastTarget,
} from '../../rtnl/index.ts'
import type { ObjectChange, Refusal } from '../ports.ts'

/** Nexthop objects as they are remembered, and their ids: which are ours, which are free. */

/**
 * The first id of ours and how many there are (docs/LIMITS.md). The lower half are single hops, the
 * upper half groups: the kernel dumps in order of ids, so members are known before their groups.
 */
const OBJECTS_FIRST = 800_000_000
const OBJECTS_MAX = 65_536

/**
 * Hops of a group that are an object; more are a route's own. One group and its hops fit a batch
 * with much room.
 */
const MEMBERS_MAX = 128

/** Takes changes for the kernel, in order. */
export interface ObjectBatch {
  /** how many more it takes */
  readonly room: number
  addObject(change: ObjectChange): void
}

/** One way out, shared by groups; its id never gets another content. */
export interface HopObject {
  readonly id: number
  readonly key: string
  readonly hop: TargetHop
  there: boolean
  /** the dump in which the kernel was last heard of it */
  heard: number
  refusal: Omit<Refusal, 'at'> | undefined
}

/** What routes name: a group of hops, of one too, so that a hop that goes takes no route along. */
export interface GroupObject {
  readonly id: number
  readonly target: RouteTarget
  /** ids that it has in the kernel, as far as is known */
  members: readonly ObjectMember[]
  /** what it is to have, in canonical order */
  hops: readonly TargetHop[]
  key: string
  /** the wanted group that it stands for; `NONE`: only routes from before use it */
  owner: number
  /** new: not in the kernel yet; gone: not in the kernel any more, and never again */
  state: 'new' | 'there' | 'gone'
  heard: number
  error: Omit<Refusal, 'at'> | undefined
}

/** Ids of one kind, and what each is. */
export class Ids<Value> {
  readonly #first: number
  readonly #count: number
  readonly #values = new Map<number, Value>()
  /** others have them */
  readonly #avoided = new Set<number>()
  /** nothing has them, but routes may name them still */
  readonly #kept = new Set<number>()
  #cursor = 0

  constructor(first: number, count: number) {
    this.#first = first
    this.#count = count
  }

  get size(): number {
    return this.#values.size
  }

  /** Ids that routes may still name. */
  get kept(): number {
    return this.#kept.size
  }

  /** True when `id` is of this kind. */
  has(id: number): boolean {
    return id >= this.#first && id < this.#first + this.#count
  }

  get(id: number): Value | undefined {
    return this.#values.get(id)
  }

  set(id: number, value: Value): void {
    this.#values.set(id, value)
  }

  delete(id: number): void {
    this.#values.delete(id)
  }

  values(): IterableIterator<Value> {
    return this.#values.values()
  }

  /** A free id, long unused; undefined when there is none. */
  next(): number | undefined {
    for (let tries = 0; tries < this.#count; tries++) {
      const id = this.#first + this.#cursor
      this.#cursor = (this.#cursor + 1) % this.#count
      if (!this.#values.has(id) && !this.#avoided.has(id) && !this.#kept.has(id)) return id
    }
    return undefined
  }

  /** Somebody else has `id`. True when that is news. */
  avoid(id: number): boolean {
    if (this.#avoided.has(id)) return false
    this.#avoided.add(id)
    return true
  }

  /** Nobody else has `id`. */
  allow(id: number): void {
    this.#avoided.delete(id)
  }

  /** Nothing has `id`, but it is not to be given again before `reclaim`. */
  keep(id: number): void {
    this.#kept.add(id)
  }

  /** Gives back what `isFree` says so of. */
  reclaim(isFree: (id: number) => boolean): void {
    for (const id of this.#kept) if (isFree(id)) this.#kept.delete(id)
  }
}

/** True for an id of the range of ours, whoever has it. */
export const isObjectId = (id: number): boolean =>
  id >= OBJECTS_FIRST && id < OBJECTS_FIRST + OBJECTS_MAX

/** The ids of both kinds. */
export function makeIds<Hop, Group>(): { readonly hops: Ids<Hop>; readonly groups: Ids<Group> } {
  const half = OBJECTS_MAX / 2
  return { hops: new Ids(OBJECTS_FIRST, half), groups: new Ids(OBJECTS_FIRST + half, half) }
}

/** What one hop is, whatever its weight in a group. */
export const keyOf = (hop: TargetHop): string => unicastTarget([{ ...hop, weight: 1 }]).key

/**
 * True when a target can be an object: the kernel wants the link of every hop, and has a weight in
 * eight bits.
 */
export function isObjectable({ kind, hops }: RouteTarget): boolean {
  if (kind !== 'unicast' || hops.length > MEMBERS_MAX) return false
  return hops.every(({ gateway, link, weight }) => gateway && link !== 0 && weight < 256)
}

/** What members are; of one that is not ours nobody knows, so that it equals nothing. */
export function contentOf(
  members: readonly ObjectMember[],
  ids: Ids<HopObject>,
): Pick<GroupObject, 'hops' | 'key'> {
  const hops: TargetHop[] = []
  for (const { id, weight } of members) {
    const member = ids.get(id)
    if (member === undefined) return { hops: [], key: `of ${id}` }
    hops.push({ ...member.hop, weight: members.length === 1 ? 1 : weight })
  }
  return unicastTarget(hops)
}
