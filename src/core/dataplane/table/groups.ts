import type { Millis } from '../../base/index.ts'
import { type FibNextHop, type NextHopGroup, NO_METRIC } from '../../fib/index.ts'
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
  /** of its routes */
  readonly metric: number
  hops: readonly GroupHop[]
  /** of packets of this node's own */
  readonly source: Address | undefined
  /** for people */
  text: string
  hold: Hold | undefined
  /** what it is in the kernel's terms, as of `version`; 0: a link is missing */
  resolved: number
  /** the configuration does not allow any of its links, as of `version` */
  forbidden: boolean
  version: number
  /** the kernel's object that stands for it, as of `version` */
  object: GroupObject | undefined
  /** a target that was compared lately and is the same, as of `version` */
  match: number
}

/** What groups are resolved by. */
export interface GroupsOptions {
  readonly links: Links
  readonly ways: Ways
  /** the kernel's targets, shared with what is seen, so that equal ones have one id */
  readonly targets: Counted<RouteTarget>
  readonly objects: Objects
  /** of routes of which nobody says another */
  readonly metric: number
}

/**
 * Groups by id: those of the speaker, one for each name that it gives, and the node's own by what
 * they say.
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
  readonly #metric: number
  /** groups that were told to lead elsewhere, and of how many `refresh` knows */
  #moves = 0
  #seen = 0
  #named = 0

  constructor({ links, ways, targets, objects, metric }: GroupsOptions) {
    this.#links = links
    this.#ways = ways
    this.#targets = targets
    this.#objects = objects
    this.#metric = metric
  }

  /** How many there are. */
  get size(): number {
    return this.#groups.size
  }

  /**
   * The id of a new group through `hops` (at least one) at `metric`, used once. It may be told to
   * lead elsewhere, with its routes and no others: so it is nobody else's, whatever others say, and
   * routes that lead where it does already are as wanted.
   */
  take(hops: NextHopGroup, metric: number): number {
    const canonical = canonicalHops(hops)
    const priority = metric === NO_METRIC ? this.#metric : metric
    return this.#groups.take(`named ${++this.#named}`, () =>
      makeGroup('unicast', priority, canonical, textOf(canonical)),
    )
  }

  /** All routes of a group go through `hops` from now on. */
  move(id: number, hops: NextHopGroup): void {
    const group = this.#groups.get(id)
    const canonical = canonicalHops(hops)
    const text = textOf(canonical)
    if (text === group.text) return
    group.hops = canonical
    group.text = text
    this.release(id)
    this.#moves++
  }

  /** The id of the group of a route that the node itself wants; used once more. */
  takeOwn(out: NodeRouteOut, metric: number = this.#metric): number {
    const source = out.kind === 'device' ? out.source : undefined
    const hops = out.kind === 'blackhole' ? [] : [ownHop(out)]
    const text = out.kind === 'blackhole' ? out.kind : textOf(hops)
    const key = `own ${metric} ${text}${source === undefined ? '' : ` src ${source}`}`
    const kind = out.kind === 'blackhole' ? 'blackhole' : 'unicast'
    const id = this.#groups.take(key, () => makeGroup(kind, metric, hops, text, source))
    const group = this.#groups.get(id)
    if (kind === 'blackhole' && group.resolved === NONE)
      group.resolved = this.#targets.take(BLACKHOLE.key, () => BLACKHOLE)
    return id
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
    const way = this.#permitted(group, this.#resolve(group))
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

  /** True when group `id` leads through links alone that the configuration does not allow. */
  isForbidden(id: number): boolean {
    if (!this.#links.guarded) return false
    this.resolve(id)
    return this.#groups.get(id).forbidden
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
   * when something has: routes of other groups that share an object may have to leave it, and those
   * of a group without one lead elsewhere now.
   */
  refresh(): boolean {
    if (this.#refreshed === this.#version) return false
    const before = this.#objects.version
    for (const id of this.#objects.owners()) this.resolve(id)
    const moved = this.#moves !== this.#seen
    this.#seen = this.#moves
    this.#refreshed = this.#version
    return moved || this.#objects.version !== before
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
    return this.#links.version + this.#ways.version + this.#objects.version + this.#moves
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

  /** Without the hops through links that are not allowed, or that nobody knows. */
  #permitted(group: Group, way: RouteTarget | undefined): RouteTarget | undefined {
    group.forbidden = false
    if (way === undefined || !this.#links.guarded) return way
    const hops = way.hops.filter(({ link }) => this.#links.allows(link))
    if (hops.length === way.hops.length) return way
    if (hops.length > 0) return unicastTarget(hops)
    group.forbidden = way.hops.some(({ link }) => link !== 0)
    return undefined
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

const textOf = (hops: readonly GroupHop[]): string => hops.map(hopText).join(', ')

function makeGroup(
  kind: Group['kind'],
  metric: number,
  hops: readonly GroupHop[],
  text: string,
  source?: Address,
): Group {
  return {
    ...{ kind, metric, hops, source, text, hold: undefined },
    ...{ resolved: NONE, forbidden: false, version: -1, object: undefined, match: NONE },
  }
}
