import { invariant } from '../../base/index.ts'
import type { FibWriter, GroupId } from '../../fib/index.ts'
import { type NextHops, NO_GROUP } from '../../rib/index.ts'

/** Groups of next hops as the dataplane knows them: names, which may come to mean another group. */

/** One name. It holds a reference to its group. */
interface Name {
  readonly id: GroupId
  group: GroupId
  /** that the dataplane has under this name */
  routes: number
  /** of these, how many are known to go another way, and wait to be said */
  waiting: number
  /** where all that wait are to go; NO_GROUP: not to one group */
  target: GroupId
}

/**
 * The names under which routes were said, with how many routes each has.
 *
 * When all routes of a name go to one other group, the name is given to that group: one message,
 * whatever their number. So a group may have several names, but routes are said under one of them.
 *
 * Hundreds of plain objects. A name without routes stays until `sweep`: routes often come back.
 */
export class FibNames {
  readonly #nextHops: NextHops
  readonly #fib: FibWriter
  readonly #names: (Name | undefined)[] = []
  readonly #free: GroupId[] = []
  readonly #byGroup = new Map<GroupId, Name>()
  readonly #idle = new Set<Name>()
  readonly #moving = new Set<Name>()

  constructor(nextHops: NextHops, fib: FibWriter) {
    this.#nextHops = nextHops
    this.#fib = fib
  }

  /** The group that a name means; NO_GROUP of NO_GROUP. */
  groupOf(name: GroupId): GroupId {
    return name === NO_GROUP ? NO_GROUP : this.#name(name).group
  }

  /** The name for routes through `group`, said where it is new. A route of it must follow. */
  nameFor(group: GroupId): GroupId {
    const known = this.#byGroup.get(group)
    if (known !== undefined) return known.id
    const id = this.#free.pop() ?? nameId(this.#names.length)
    const name: Name = { id, group, routes: 0, waiting: 0, target: NO_GROUP }
    this.#names[id] = name
    this.#byGroup.set(group, name)
    this.#nextHops.holdGroupAgain(group)
    this.#say(name)
    return id
  }

  /** The dataplane has one more route under a name. */
  hold(name: GroupId): void {
    const known = this.#name(name)
    if (known.routes++ === 0) this.#idle.delete(known)
  }

  /** One route less. */
  release(name: GroupId): void {
    const known = this.#name(name)
    if (--known.routes === 0) this.#idle.add(known)
  }

  /**
   * A route of a name is to go to `group`. True where it can wait for the others: metrics are part
   * of a route's place in the kernel, so that nothing moves to another one.
   */
  gather(name: GroupId, group: GroupId): boolean {
    if (name === NO_GROUP) return false
    const known = this.#name(name)
    if (known.waiting === 0) {
      if (this.#nextHops.metricOf(known.group) !== this.#nextHops.metricOf(group)) return false
      known.target = group
    } else if (known.target !== group) {
      known.target = NO_GROUP
      return false
    }
    known.waiting++
    this.#moving.add(known)
    return true
  }

  /** A route of a name does not wait any more. */
  giveUp(name: GroupId): void {
    const known = this.#name(name)
    if (known.waiting > 0) known.waiting--
  }

  /** Moves the names of which all routes wait to go to one group. Nothing waits then. */
  move(): void {
    for (const name of this.#moving) {
      const { group, target, waiting, routes } = name
      if (waiting === 0 || waiting !== routes || target === NO_GROUP) continue
      this.#nextHops.holdGroupAgain(target)
      name.group = target
      if (this.#byGroup.get(group) === name) this.#byGroup.delete(group)
      if (!this.#byGroup.has(target)) this.#byGroup.set(target, name)
      this.#nextHops.releaseGroup(group)
      this.#say(name)
    }
    this.stay()
  }

  /** Nothing waits any more: routes are looked at again. */
  stay(): void {
    for (const name of this.#moving) name.waiting = 0
    this.#moving.clear()
  }

  /** Says every name, as an epoch begins. */
  repeat(): void {
    for (const name of this.#names) if (name !== undefined) this.#say(name)
  }

  /** Drops the names that no route has. `told`: the dataplane is to hear of it. */
  sweep(told: boolean): void {
    for (const { id, group } of this.#idle) {
      if (told) this.#fib.dropGroup(id)
      if (this.#byGroup.get(group)?.id === id) this.#byGroup.delete(group)
      this.#names[id] = undefined
      this.#free.push(id)
      this.#nextHops.releaseGroup(group)
    }
    this.#idle.clear()
  }

  #say({ id, group }: Name): void {
    this.#fib.group(id, this.#nextHops.hopsOf(group), this.#nextHops.metricOf(group))
  }

  #name(id: GroupId): Name {
    const name = this.#names[id]
    invariant(name !== undefined, 'a name that a route was told by is known')
    return name
  }
}

const nameId = (id: number): GroupId => id as GroupId
