import { type Family, familyOf } from '../core/net/index.ts'
import {
  EEXIST,
  EINVAL,
  ENOENT,
  type NextHopObject,
  type ObjectMember,
  type RouteVerb,
  type TargetHop,
} from '../core/rtnl/index.ts'

/** The nexthop objects of a simulated kernel, with the traps of the real ones. */

/** An object of the simulated kernel. */
export interface SimulatedObject {
  readonly id: number
  readonly protocol: number
  readonly object: NextHopObject
}

/** What objects need of the kernel around them. */
export interface ObjectsAround {
  /** Why nothing goes through a hop, 0 where something does. */
  readonly reach: (hop: TargetHop) => number
  /** Tells of an object that somebody changed; the kernel itself tells nobody. */
  readonly tell: (object: SimulatedObject, present: boolean, by: number) => void
  /** Takes the routes out that used an object. */
  readonly gone: (id: number, by: number) => void
}

/**
 * Objects by id. Whoever takes one out shrinks the groups that it is in; a group without members
 * goes, and what goes takes its routes along.
 */
export class SimulatedObjects {
  readonly #around: ObjectsAround
  readonly #objects = new Map<number, SimulatedObject>()

  constructor(around: ObjectsAround) {
    this.#around = around
  }

  /** All objects, by id, as a dump tells them. */
  all(): SimulatedObject[] {
    return [...this.#objects.values()].sort((left, right) => left.id - right.id)
  }

  /** Does what somebody would by `ip nexthop`. Answers the errno. */
  change(verb: RouteVerb, made: SimulatedObject, by: number): number {
    const { id, object } = made
    const known = this.#objects.get(id)
    if (verb === 'delete') {
      if (known === undefined) return ENOENT
      this.#remove(known, by)
      return 0
    }
    if (verb === 'add' && known !== undefined) return EEXIST
    if (verb === 'replace' && known === undefined) return ENOENT
    if (known !== undefined && known.object.kind !== object.kind) return EINVAL
    const errno = this.#refuses(object)
    if (errno !== 0) return errno
    this.#objects.set(id, made)
    this.#around.tell(made, true, by)
    return 0
  }

  /** The ways out of an object; undefined where there is none. */
  hopsOf(id: number): readonly TargetHop[] | undefined {
    const known = this.#objects.get(id)?.object
    if (known === undefined || known.kind === 'other') return undefined
    if (known.kind === 'hop') return [known.hop]
    return known.members.flatMap(({ id: member, weight }) =>
      (this.hopsOf(member) ?? []).map(hop => ({ ...hop, weight })),
    )
  }

  /** True when routes of `family` may use object `id`: IPv6 has no way through IPv4. */
  serves(family: Family, id: number): boolean {
    const hops = this.hopsOf(id)
    const four = (hop: TargetHop): boolean =>
      hop.gateway !== undefined && familyOf(hop.gateway) === 'ipv4'
    return hops !== undefined && !(family === 'ipv6' && hops.some(four))
  }

  /** A link went down: its objects go, and nobody is told. */
  flush(link: number): void {
    for (const known of this.all())
      if (known.object.kind === 'hop' && known.object.hop.link === link) this.#remove(known, 0)
  }

  #refuses(object: NextHopObject): number {
    if (object.kind === 'hop') return this.#around.reach(object.hop)
    if (object.kind === 'other' || object.members.length === 0) return EINVAL
    const ids = new Set(object.members.map(({ id }) => id))
    const single = (id: number): boolean => this.#objects.get(id)?.object.kind === 'hop'
    return ids.size === object.members.length && [...ids].every(single) ? 0 : EINVAL
  }

  #remove(known: SimulatedObject, by: number): void {
    const { id } = known
    this.#objects.delete(id)
    this.#around.tell(known, false, by)
    for (const group of this.all()) {
      if (group.object.kind !== 'group') continue
      const left = group.object.members.filter((member: ObjectMember) => member.id !== id)
      if (left.length === group.object.members.length) continue
      if (left.length === 0) {
        this.#remove(group, by)
        continue
      }
      const shrunk: SimulatedObject = { ...group, object: { kind: 'group', members: left } }
      this.#objects.set(group.id, shrunk)
      this.#around.tell(shrunk, true, by)
    }
    this.#around.gone(id, by)
  }
}
