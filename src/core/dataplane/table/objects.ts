import {
  EEXIST,
  EINVAL,
  ENOENT,
  isShared,
  type NextHopObject,
  type ObjectMember,
  type ObjectMessage,
  objectTarget,
  type RouteTarget,
  type TargetHop,
  unicastTarget,
} from '../../rtnl/index.ts'
import type { ObjectChange, Refusal } from '../ports.ts'
import { NONE } from './counted.ts'
import {
  contentOf,
  type GroupObject,
  type HopObject,
  type Ids,
  isObjectable,
  keyOf,
  makeIds,
  type ObjectBatch,
} from './object-ids.ts'

/** The kernel's nexthop objects of ours: what each is to be, and what it is. */

/**
 * Each wanted group has one group object while the link of every hop is known. When the group's
 * hops change, one replacement moves all routes.
 *
 * - Ours is what has an id of our range and our protocol; ids in it that others have are not used.
 * - An id is not given again while a route might still name it: the kernel takes routes out with
 *   their object, mostly without a word.
 * - What an earlier life left is found by content and used on.
 *
 * Hundreds of plain objects. Limits: `MEMBERS_MAX`, `OBJECTS_MAX` (docs/LIMITS.md).
 */
export class Objects {
  /** groups are objects from now on: the kernel has them, and the configuration wants them */
  enabled = false
  readonly #protocol: number
  readonly #dump: () => number
  readonly #taken: (id: number) => void
  readonly #hops = new Map<string, HopObject>()
  readonly #hopIds: Ids<HopObject>
  readonly #groups: Ids<GroupObject>
  readonly #byOwner = new Map<number, GroupObject>()
  readonly #changed = new Set<GroupObject>()
  #version = 0
  #litter = false

  /**
   * @param dump  number of the dump that runs, or of the last one
   * @param taken  is told of ids of our range that somebody else has
   */
  constructor(protocol: number, dump: () => number, taken: (id: number) => void) {
    this.#protocol = protocol
    this.#dump = dump
    this.#taken = taken
    const { hops, groups } = makeIds<HopObject, GroupObject>()
    this.#hopIds = hops
    this.#groups = groups
  }

  /** Changes whenever what a group is in the kernel may be another object, or another content. */
  get version(): number {
    return this.#version
  }

  /** Groups that wait to be written. */
  get waiting(): number {
    return this.#changed.size
  }

  /** How many there are, hops and groups. */
  get size(): number {
    return this.#hopIds.size + this.#groups.size
  }

  /** Wanted groups that have one. */
  owners(): number[] {
    return [...this.#byOwner.keys()]
  }

  enable(): void {
    this.enabled = true
    this.#version++
  }

  // ---- what is wanted

  /** The object that stands for the wanted group `owner`, which leads to `target`; if any. */
  of(owner: number, target: RouteTarget): GroupObject | undefined {
    if (!this.enabled || !isObjectable(target)) {
      this.release(owner)
      return undefined
    }
    const known = this.#byOwner.get(owner)
    if (known === undefined) return this.#found(owner, target)
    if (known.key === target.key) return known
    this.#rewrite(known, target.hops, target.key)
    this.#compare(known)
    return known
  }

  /** Nobody wants the group `owner` any more: its object stays for the routes that name it. */
  release(owner: number): void {
    const object = this.#byOwner.get(owner)
    if (object === undefined) return
    this.#byOwner.delete(owner)
    object.owner = NONE
    this.#litter = true
    const { hops, key } = contentOf(object.members, this.#hopIds)
    // what was asked of it last may not have been written: it is what the kernel has
    if (this.#changed.delete(object)) this.#rewrite(object, hops, key)
    if (object.state === 'new') {
      this.#end(object)
      return
    }
    // who wants the same and has nothing in the kernel yet takes it over, with its routes
    for (const other of this.#byOwner.values())
      if (other.state === 'new' && other.key === object.key) {
        const heir = other.owner
        this.#end(other)
        this.#own(object, heir)
        return
      }
  }

  /** True when `id` is one of ours, whoever has it. */
  covers(id: number): boolean {
    return this.#hopIds.has(id) || this.#groups.has(id)
  }

  /** Where routes that name object `id` go, as far as is known. */
  hopsOf(id: number): readonly TargetHop[] {
    return this.#groups.get(id)?.hops ?? []
  }

  /** True when routes that name object `id` go where those of `object` do. */
  isSame(id: number, object: GroupObject): boolean {
    const other = this.#groups.get(id)
    return other?.state === 'there' && other.error === undefined && other.key === object.key
  }

  /** Why object `id` is not as wanted, in a way that all its routes share. */
  errorOf(id: number | undefined): Omit<Refusal, 'at'> | undefined {
    return id === undefined ? undefined : this.#groups.get(id)?.error
  }

  // ---- to the kernel

  /** Writes the groups that have changed, as many as fit. */
  flush(batch: ObjectBatch): void {
    for (const object of this.#changed) {
      if (object.hops.length >= batch.room) return
      this.#write(object, batch)
    }
  }

  /** Sees to it that an object is in the kernel before a route that names it. */
  prepare(object: GroupObject, batch: ObjectBatch): void {
    if (object.state === 'new' || object.error !== undefined) this.#write(object, batch)
  }

  /** The kernel's answer to a change. True when only a dump can tell what is. */
  answered({ verb, id, object }: ObjectChange, refusal: Refusal | undefined): boolean {
    if (refusal === undefined || verb === 'delete') return false
    const { errno, text } = refusal
    const taken = verb === 'add' && errno === EEXIST
    const hop = this.#hopIds.get(id)
    // what has its id is most likely what we made, and thought lost: the next dump tells
    if (hop !== undefined && !taken) {
      hop.there = false
      hop.refusal = { errno, ...(text !== undefined && { text }) }
    }
    const group = this.#groups.get(id)
    if (group !== undefined) {
      const members = object.kind === 'group' ? object.members : []
      const why = members.map(member => this.#hopIds.get(member.id)?.refusal).find(Boolean)
      const own = { errno: isShared(errno) ? errno : EINVAL, ...(text !== undefined && { text }) }
      group.error = why !== undefined && isShared(why.errno) ? why : own
      // never made, and nobody's any more: there is nothing to wait for
      const idle = verb === 'add' && group.owner === NONE
      if (taken || idle || errno === ENOENT) this.#end(group)
      else if (verb === 'add') group.state = 'new'
      if (taken) this.#groups.avoid(id)
      this.#version++
      return why === undefined
    }
    return taken
  }

  /** Deletes what neither a group nor a route needs, as much as fits. */
  collect(batch: ObjectBatch, inUse: (key: string) => boolean): void {
    if (!this.#litter || this.#changed.size > 0) return
    this.#groups.reclaim(id => !inUse(objectTarget(id).key))
    const needed = new Set<string>()
    const members = new Set<number>()
    let left = this.#groups.kept > 0
    for (const object of this.#groups.values()) {
      // what the kernel has of a group that it refused to change is not known: nothing goes
      if (object.error !== undefined) return
      if (object.owner === NONE && !inUse(object.target.key) && batch.room > 0) {
        batch.addObject({ verb: 'delete', id: object.id, object: { kind: 'other' } })
        this.#end(object)
        continue
      }
      if (object.owner === NONE) left = true
      for (const hop of object.hops) needed.add(keyOf(hop))
      for (const { id } of object.members) members.add(id)
    }
    for (const hop of this.#hopIds.values()) {
      const used = needed.has(hop.key) && this.#hops.get(hop.key) === hop
      if (used || members.has(hop.id)) continue
      if (hop.there && batch.room === 0) left = true
      else {
        if (hop.there) batch.addObject({ verb: 'delete', id: hop.id, object: { kind: 'other' } })
        this.#forget(hop)
      }
    }
    this.#litter = left
  }

  // ---- what the kernel says

  /** Takes one object of dump number `dump`, or a change by somebody else where that is 0. */
  learn(message: ObjectMessage, dump: number): void {
    const { id, object, present, protocol } = message
    const isHop = this.#hopIds.has(id)
    if (!isHop && !this.#groups.has(id)) return
    const ours = present && protocol === this.#protocol
    const ids = isHop ? this.#hopIds : this.#groups
    if (present && !ours && ids.avoid(id)) this.#taken(id)
    if (!present) ids.allow(id)
    if (isHop) this.#learnHop(id, ours ? object : undefined, dump)
    else this.#learnGroup(id, ours ? object : undefined, dump)
  }

  /** Dump number `dump` is complete: what it did not name is not there. */
  settle(dump: number): void {
    for (const hop of this.#hopIds.values()) if (hop.heard < dump) hop.there = false
    for (const object of [...this.#groups.values()])
      if (object.state === 'there' && object.heard < dump) this.#end(object)
    this.#litter = true
  }

  /** A link went down: the kernel took its objects out, of groups too, and told nobody. */
  lose(link: number): void {
    for (const hop of this.#hopIds.values()) if (hop.hop.link === link) hop.there = false
    for (const object of [...this.#groups.values()]) {
      const left = object.hops.filter(hop => hop.link !== link)
      if (object.state !== 'there' || left.length === object.hops.length) continue
      object.members = object.members.filter(({ id }) => this.#hopIds.get(id)?.hop.link !== link)
      if (left.length === 0) this.#end(object)
      else if (object.owner === NONE) this.#rewrite(object, left)
      else this.#compare(object)
    }
  }

  #learnHop(id: number, object: NextHopObject | undefined, dump: number): void {
    const known = this.#hopIds.get(id)
    if (known !== undefined && dump !== 0 && known.heard === dump) return
    if (object?.kind !== 'hop') {
      if (known !== undefined) this.#forget(known)
      return
    }
    const { hop } = object
    const key = keyOf(hop)
    if (known !== undefined && known.key !== key) this.#forget(known)
    const kept = known?.key === key ? known : this.#keepHop(id, hop)
    kept.there = true
    kept.heard = this.#dump()
  }

  #learnGroup(id: number, object: NextHopObject | undefined, dump: number): void {
    const known = this.#groups.get(id)
    if (known !== undefined && dump !== 0 && known.heard === dump) return
    if (object?.kind !== 'group') {
      if (known !== undefined) this.#end(known)
      return
    }
    const { members } = object
    const { hops, key } = contentOf(members, this.#hopIds)
    if (known === undefined) {
      const made = { id, target: objectTarget(id), members, hops, key, owner: NONE }
      const heard = this.#dump()
      this.#groups.set(id, { ...made, state: 'there', heard, error: undefined })
      this.#litter = true
      return
    }
    known.heard = this.#dump()
    known.members = members
    if (known.key === key) return
    if (known.owner === NONE) this.#rewrite(known, hops, key)
    else this.#changed.add(known)
  }

  // ---- within

  #found(owner: number, target: RouteTarget): GroupObject | undefined {
    for (const object of this.#groups.values())
      if (object.owner === NONE && object.state === 'there' && object.key === target.key)
        if (object.error === undefined) return this.#own(object, owner)
    const id = this.#groups.next()
    if (id === undefined) return undefined
    const { hops, key } = target
    const made = { id, target: objectTarget(id), members: [], hops, key, owner, heard: 0 }
    const object: GroupObject = { ...made, state: 'new', error: undefined }
    this.#groups.set(id, object)
    return this.#own(object, owner)
  }

  #own(object: GroupObject, owner: number): GroupObject {
    object.owner = owner
    this.#byOwner.set(owner, object)
    this.#version++
    return object
  }

  /** Has a group written where the kernel has another: it tells listeners of all its routes. */
  #compare(object: GroupObject): void {
    const { state, error, members, key } = object
    const same = error === undefined && contentOf(members, this.#hopIds).key === key
    if (state === 'there' && !same) this.#changed.add(object)
    else this.#changed.delete(object)
  }

  #rewrite(object: GroupObject, hops: readonly TargetHop[], key = unicastTarget(hops).key): void {
    object.hops = hops
    object.key = key
    this.#version++
  }

  #write(object: GroupObject, batch: ObjectBatch): void {
    const members: ObjectMember[] = []
    for (const hop of object.hops) {
      const made = this.#hops.get(keyOf(hop)) ?? this.#makeHop(hop)
      if (made === undefined) continue
      if (!made.there) {
        const single = { kind: 'hop', hop: made.hop } as const
        batch.addObject({ verb: 'add', id: made.id, object: single })
        made.there = true
        made.heard = this.#dump()
        made.refusal = undefined
      }
      members.push({ id: made.id, weight: hop.weight })
    }
    const verb = object.state === 'there' ? 'replace' : 'add'
    batch.addObject({ verb, id: object.id, object: { kind: 'group', members } })
    object.state = 'there'
    object.members = members
    object.heard = this.#dump()
    object.error = undefined
    this.#changed.delete(object)
  }

  #makeHop(hop: TargetHop): HopObject | undefined {
    const id = this.#hopIds.next()
    return id === undefined ? undefined : this.#keepHop(id, { ...hop, weight: 1 })
  }

  #keepHop(id: number, hop: TargetHop): HopObject {
    const key = keyOf(hop)
    const made: HopObject = { id, key, hop, there: false, heard: 0, refusal: undefined }
    this.#hopIds.set(id, made)
    // two of one content: the second is not used, and goes
    if (!this.#hops.has(key)) this.#hops.set(key, made)
    else this.#litter = true
    return made
  }

  /** A hop has gone, or is another's: groups that need it are to be written again. */
  #forget(hop: HopObject): void {
    for (const object of this.#byOwner.values())
      if (object.state === 'there' && object.members.some(({ id }) => id === hop.id))
        this.#changed.add(object)
    this.#hopIds.delete(hop.id)
    if (this.#hops.get(hop.key) === hop) this.#hops.delete(hop.key)
  }

  /** An object has gone; its owner gets another one. */
  #end(object: GroupObject): void {
    object.state = 'gone'
    this.#changed.delete(object)
    this.#groups.delete(object.id)
    this.#groups.keep(object.id)
    if (object.owner !== NONE) this.#byOwner.delete(object.owner)
    this.#litter = true
    this.#version++
  }
}
