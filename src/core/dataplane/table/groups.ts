import type { Millis } from '../../base/index.ts'
import type { FibNextHop, NextHopGroup } from '../../fib/index.ts'
import { BLACKHOLE, type RouteTarget, type TargetHop, unicastTarget } from '../../rtnl/index.ts'
import { Counted, NONE } from './counted.ts'
import type { Links } from './links.ts'
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

/** Where many prefixes go. */
export interface Group {
  readonly kind: 'unicast' | 'blackhole'
  readonly hops: readonly FibNextHop[]
  /** for people */
  readonly text: string
  hold: Hold | undefined
  /** what it is in the kernel's terms, as of `version`; 0: a link is missing */
  resolved: number
  version: number
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
  readonly #groups = new Counted<Group>()
  readonly #links: Links
  readonly #ways: Ways
  readonly #targets: Counted<RouteTarget>

  /**
   * @param targets  the kernel's targets, shared with what is seen, so that equal ones have one id
   */
  constructor(links: Links, ways: Ways, targets: Counted<RouteTarget>) {
    this.#links = links
    this.#ways = ways
    this.#targets = targets
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

  keep(id: number): void {
    this.#groups.keep(id)
  }

  drop(id: number): void {
    const last = this.#groups.drop(id)
    if (last === undefined) return
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
    // both only grow: no two states of them have one sum
    const version = this.#links.version + this.#ways.version
    if (group.kind === 'blackhole' || group.version === version) return group.resolved
    const target = this.#resolve(group)
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
    if (target === resolved) return target !== NONE
    const group = this.#groups.get(id)
    if (target === group.match) return true
    if (group.kind === 'blackhole' || resolved === NONE) return false
    if (!sameHops(this.#targets.get(resolved).hops, this.#targets.get(target))) return false
    group.match = target
    return true
  }

  hold(id: number, hold: Hold): void {
    this.#groups.get(id).hold = hold
    this.held.add(id)
  }

  release(id: number): void {
    this.#groups.get(id).hold = undefined
    this.held.delete(id)
  }

  #resolve(group: Group): RouteTarget | undefined {
    const hops: TargetHop[] = []
    for (const hop of group.hops) {
      const link = hop.interface === undefined ? 0 : this.#links.indexOf(hop.interface)
      if (hop.interface !== undefined && link === 0) return undefined
      const way = link === 0 ? this.#ways.of(hop.address) : undefined
      if (way === undefined)
        hops.push({ gateway: hop.address, link, weight: hop.weight, onlink: false })
      else hops.push(...way)
    }
    return unicastTarget(distinct(hops))
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
function sameHops(wanted: readonly TargetHop[], seen: RouteTarget): boolean {
  if (seen.kind !== 'unicast' || seen.hops.length !== wanted.length) return false
  const left = [...seen.hops]
  return wanted.every(hop => {
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

function hopText(hop: FibNextHop): string {
  const link = hop.interface === undefined ? '' : ` dev ${hop.interface}`
  return `via ${hop.address}${link}${hop.weight === 1 ? '' : ` weight ${hop.weight}`}`
}

function makeGroup(kind: Group['kind'], hops: readonly FibNextHop[], text: string): Group {
  return { kind, hops, text, hold: undefined, resolved: NONE, version: -1, match: NONE }
}
