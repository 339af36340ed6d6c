import type { Millis } from '../../base/index.ts'
import type { FibNextHop, NextHopGroup } from '../../fib/index.ts'
import type { Address } from '../../net/index.ts'
import { BLACKHOLE, type RouteTarget, type TargetHop, unicastTarget } from '../../rtnl/index.ts'
import type { NodeRouteOut } from '../types.ts'
import { Counted, NONE } from './counted.ts'
import type { Links } from './links.ts'
import type { GroupObject, ObjectBatch } from './object-ids.ts'
import type { Objects } from './objects.ts'
import type { Ways } from './ways.ts'

/**
 * Wanted groups of next hops, and what each is in the kernel's terms.
 *
 * The group is the unit in which a next hop fails: when the kernel refuses one route because of it,
 * the others wait for one probe instead of asking a hundred thousand times.
 */

/** The kernel refuses routes through a group. */
export interface Hold {
  readonly errno: number
  readonly text: string
  readonly attempts: number
  /** when the next probe may go, or when the one that was let through is given up */
  until: Millis
  /** the route that tries for all: the queue's name for it */
  readonly probe: number
  /** closed: all wait; open: the next one may try; probing: one is on its way */
  state: 'closed' | 'open' | 'probing'
}

/** A way out: as the speaker says it, or as the node itself wants it. */
export interface GroupHop extends Omit<FibNextHop, 'address'> {
  /** absent: the destination is on the link itself */
  readonly address?: Address
  readonly onlink?: boolean
}

/** Where many prefixes go. */
export interface Group {
  readonly kind: 'unicast' | 'blackhole'
  readonly hops: readonly GroupHop[]
  /** of packets of this node's own */
  readonly source: Address | undefined
  /** for people */
  readonly text: string
  hold: Hold | undefined
  /** what it is in the kernel's terms, as of `version`; 0: a link is missing */
  resolved: number
  version: number
  /** the kernel's object that stands for it, as of `version` */
  object: GroupObject | undefined
  /** a target that was compared lately and is the same, as of `version` */
  match: number
}

/** The id of the group that drops packets; it is always there. */
export const BLACKHOLE_GROUP = 1

/**
 * Groups by id and by what they say: a new epoch that says the same again uses the same group.
 *
 * Some hundred plain objects; `held` names those that the kernel refuses.
 */
export class Groups {
  readonly held = new Set<number>()
  #refreshed = -1
  readonly #groups = new Counted<Group>()
  readonly #links: Links
  readonly #ways: Ways
  readonly #targets: Counted<RouteTarget>
  readonly #objects: Objects

  /**
   * @param targets  the kernel's targets, shared with what is seen, so that equal ones have one id
   */
  constructor(links: Links, ways: Ways, targets: Counted<RouteTarget>, objects: Objects) {
    this.#links = links
    this.#ways = ways
    this.#targets = targets
    this.#objects = objects
    const make = (): Group => makeGroup('blackhole', [], 'blackhole')
    const id = this.#groups.take('blackhole', make)
    this.#groups.get(id).resolved = targets.take(BLACKHOLE.key, () => BLACKHOLE)
  }

  /** How many there are, the blackhole included. */
  get size(): number {
    return this.#groups.size
  }

  /** The id of the group through `hops` (at least one); used once more. */
  take(hops: NextHopGroup): number {
    const canonical = canonicalHops(hops)
    const key = canonical.map(hopText).join(', ')
    return this.#groups.take(key, () => makeGroup('unicast', canonical, key))
  }

  /** The id of the group of a route that the node itself wants; used once more. */
  takeOwn(out: NodeRouteOut): number {
    if (out.kind === 'blackhole') {
      this.#groups.keep(BLACKHOLE_GROUP)
      return BLACKHOLE_GROUP
    }
    const hop = ownHop(out)
    const source = out.kind === 'device' ? out.source : undefined
    const key = `${hopText(hop)}${source === undefined ? '' : ` src ${source}`}`
    return this.#groups.take(key, () => makeGroup('unicast', [hop], key, source))
  }

  keep(id: number): void {
    this.#groups.keep(id)
  }

  drop(id: number): void {
    const last = this.#groups.drop(id)
    if (last === undefined) return
    this.#objects.release(id)
    this.#targets.drop(last.resolved)
    this.held.delete(id)
  }

  get(id: number): Group {
    return this.#groups.get(id)
  }

  /**
   * The id of what group `id` is in the kernel; `NONE` while one of its links is missing. O(1)
   * mostly.
   */
  resolve(id: number): number {
    const group = this.#groups.get(id)
    const version = this.#version
    if (group.kind === 'blackhole' || group.version === version) return group.resolved
    const way = this.#resolve(group)
    // what is on a link by decree is the node's own, one group a tunnel: nothing fails over
    const decreed = group.hops.some(({ onlink }) => onlink)
    group.object = way && !decreed ? this.#objects.of(id, way) : undefined
    if (way === undefined || decreed) this.#objects.release(id)
    const target = group.object?.target ?? way
    const last = group.resolved
    group.resolved = target === undefined ? NONE : this.#targets.take(target.key, () => target)
    this.#targets.drop(last)
    group.version = version
    group.match = group.resolved
    return group.resolved
  }

  /** True when a route that leads to `target` is what group `id` wants. O(1) mostly. */
  covers(id: number, target: number): boolean {
    const resolved = this.resolve(id)
    const group = this.#groups.get(id)
    if (target === resolved) return target !== NONE && group.object?.error === undefined
    if (target === group.match) return true
    if (group.kind === 'blackhole' || resolved === NONE) return false
    const object = this.#targets.get(target).id
    if (group.object !== undefined || object !== undefined)
      return this.#sharesWith(group.object, object)
    if (!isSame(this.#targets.get(resolved), this.#targets.get(target))) return false
    group.match = target
    return true
  }

  /**
   * Finds what every group that is an object is now: what has changed waits to be written. True
   * when something has: routes of other groups that share an object may have to leave it.
   */
  refresh(): boolean {
    if (this.#refreshed === this.#version) return false
    const before = this.#objects.version
    for (const id of this.#objects.owners()) this.resolve(id)
    this.#refreshed = this.#version
    return this.#objects.version !== before
  }

  /** Sees to it that what a route of group `id` leads to is in the kernel before the route. */
  prepare(id: number, batch: ObjectBatch): void {
    const { object } = this.#groups.get(id)
    if (object !== undefined) this.#objects.prepare(object, batch)
  }

  /** True when target `id` is a nexthop object. */
  isObject(id: number): boolean {
    return id !== NONE && this.#targets.get(id).id !== undefined
  }

  hold(id: number, hold: Hold): void {
    this.#groups.get(id).hold = hold
    this.held.add(id)
  }

  release(id: number): void {
    this.#groups.get(id).hold = undefined
    this.held.delete(id)
  }

  /** These only grow: no two states of them have one sum. */
  get #version(): number {
    return this.#links.version + this.#ways.version + this.#objects.version
  }

  /** Routes through one object that lead where those of another do may stay. */
  #sharesWith(object: GroupObject | undefined, id: number | undefined): boolean {
    return object !== undefined && id !== undefined && this.#objects.isSame(id, object)
  }

  /**
   * Where a group leads: by those of its hops that are known to be dead only while there is no
   * other, so that routes leave a hop at once, before the speaker has said so of each.
   */
  #resolve(group: Group): RouteTarget | undefined {
    const live = group.hops.filter(hop => !this.#isDead(hop))
    const hops: TargetHop[] = []
    for (const hop of live.length === 0 ? group.hops : live) {
      const link = hop.interface === undefined ? 0 : this.#links.indexOf(hop.interface)
      if (hop.interface !== undefined && link === 0) return undefined
      const { address, weight, onlink = false } = hop
      const way = link === 0 && address !== undefined ? (this.#ways.of(address) ?? []) : []
      const [only] = way
      if (only === undefined)
        hops.push({ ...(address !== undefined && { gateway: address }), link, weight, onlink })
      else if (way.length === 1) hops.push({ ...only, weight: hop.weight })
      else hops.push(...way)
    }
    return unicastTarget(distinct(hops), group.source)
  }

  #isDead({ address, interface: link }: GroupHop): boolean {
    if (link === undefined) return address !== undefined && this.#ways.of(address)?.length === 0
    return this.#links.whyNot(this.#links.indexOf(link)) !== undefined
  }
}

/**
 * Next hops behind one gateway are one way out; IPv6 refuses it twice. The weight of an only hop
 * means nothing to the kernel.
 */
function distinct(hops: readonly TargetHop[]): readonly TargetHop[] {
  const byWay = new Map<string, TargetHop>()
  for (const hop of hops) {
    const key = `${hop.gateway} ${hop.link}`
    if (!byWay.has(key)) byWay.set(key, hop)
  }
  const unique = [...byWay.values()]
  const [only] = unique
  return unique.length === 1 && only !== undefined ? [{ ...only, weight: 1 }] : unique
}

/** True when `seen` has the hops that are wanted; a wanted hop without a link takes any. */
function isSame(wanted: RouteTarget, seen: RouteTarget): boolean {
  if (seen.kind !== 'unicast' || seen.hops.length !== wanted.hops.length) return false
  if (seen.source !== wanted.source) return false
  const left = [...seen.hops]
  return wanted.hops.every(hop => {
    const at = left.findIndex(
      other =>
        other.gateway === hop.gateway &&
        other.weight === hop.weight &&
        other.onlink === hop.onlink &&
        (hop.link === 0 || other.link === hop.link),
    )
    if (at >= 0) left.splice(at, 1)
    return at >= 0
  })
}

/**
 * The same hop twice is one (IPv6 refuses it); the weight of an only hop means nothing to the
 * kernel.
 */
function canonicalHops(hops: NextHopGroup): FibNextHop[] {
  const byWay = new Map<string, FibNextHop>()
  for (const hop of hops) byWay.set(`${hop.address} ${hop.interface ?? ''}`, hop)
  const unique = [...byWay.values()]
  const [only] = unique
  return unique.length === 1 && only !== undefined ? [{ ...only, weight: 1 }] : unique
}

/** The way out of a route of the node itself that does not drop. */
function ownHop(out: Exclude<NodeRouteOut, { readonly kind: 'blackhole' }>): GroupHop {
  if (out.kind === 'device') return { interface: out.interface, weight: 1 }
  const { gateway: address, interface: link, onlink = false } = out
  return {
    ...{ address, weight: 1 },
    ...(link !== undefined && { interface: link }),
    ...(onlink && { onlink }),
  }
}

function hopText({ address, interface: link, weight, onlink = false }: GroupHop): string {
  const via = address === undefined ? [] : [`via ${address}`]
  const dev = link === undefined ? [] : [`dev ${link}`]
  const more = [...(weight === 1 ? [] : [`weight ${weight}`]), ...(onlink ? ['onlink'] : [])]
  return [...via, ...dev, ...more].join(' ')
}

function makeGroup(
  kind: Group['kind'],
  hops: readonly GroupHop[],
  text: string,
  source?: Address,
): Group {
  return {
    ...{ kind, hops, source, text, hold: undefined },
    ...{ resolved: NONE, version: -1, object: undefined, match: NONE },
  }
}
