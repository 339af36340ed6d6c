import { invariant } from '../base/index.ts'
import type { FibNextHop, GroupId, NextHopGroup, NextHopName } from '../fib/index.ts'
import {
  type Address,
  addressBytes,
  compareAddresses,
  familyOf,
  formatAddress,
  isLinkLocal,
  isUnicast,
} from '../net/index.ts'
import { Links } from './links.ts'
import { type NextHopId, NONE } from './rows.ts'

/**
 * Next hops, and the groups of them that routes are installed through. Hundreds, so plain objects.
 */

/** Most next hops at a time: a peer may name another one with each route. */
export const NEXT_HOPS_MAX = 65_536

/** An IPv4 next hop as a number, others as text: what is looked up once a set is mostly IPv4. */
type Key = number | string

/** A next hop that some attribute set names. */
interface NextHop {
  readonly address: Address
  /** what the kernel is to use: a link-local address where we know its link. RFC 2545 §3 */
  readonly way: FibNextHop
  readonly key: Key
  /** absent where no kernel needs to be asked: it is no host's address, or nobody knows its link */
  readonly tracked: Tracked | undefined
  references: number
}

/** A way that next hops share, and what is known of it. */
interface Tracked {
  readonly hop: NextHopName
  readonly rows: Set<NextHopId>
  resolution: Resolution | undefined
}

/** Next hops and a metric that routes share. */
interface Group {
  readonly id: GroupId
  readonly hops: NextHopGroup
  readonly metric: number
  readonly key: string
  references: number
}

/** What is known of how an address is reached. RFC 4271 §9.1.2.1 */
export interface Resolution {
  readonly eligible: boolean
  /** of the way there, lower is nearer; an unsigned word */
  readonly metric: number
  /** why not eligible: a phrase for people */
  readonly why: string
  /** the link that it is reached by */
  readonly link?: string
}

/** Is told which next hops are in use: of each before its first use, and after its last. */
export interface TrackListener {
  track(hop: NextHopName): void
  untrack(hop: NextHopName): void
}

const NOBODY: TrackListener = { track: () => {}, untrack: () => {} }

/** No row: there is no room for another next hop. */
const NO_ROOM = NONE as NextHopId

/** No group: the destination is not installed. */
export const NO_GROUP = -1 as GroupId

const groupId = (id: number): GroupId => id as GroupId

/**
 * The next hops, counted by the attribute sets that name them, and the groups, counted by the
 * routes that use them. An address of our own is not eligible. RFC 4271 §5.1.3: "A BGP speaker
 * SHALL NOT install a route with itself as the next hop." Every other one is, at metric 0, until
 * `resolve` is told better: whoever listens is told which ones are in use, and answers when it can.
 */
export class NextHops {
  readonly #rows: (NextHop | undefined)[] = []
  readonly #free: NextHopId[] = []
  readonly #byKey = new Map<Key, NextHopId>()
  readonly #groups: (Group | undefined)[] = []
  readonly #freeGroups: GroupId[] = []
  readonly #groupByKey = new Map<string, Group>()
  /** by row: the last group of that next hop alone; of one peer mostly the only */
  readonly #single: (Group | undefined)[] = []
  readonly #idle = new Set<Group>()
  #own: ReadonlySet<string> = new Set()
  readonly #links = new Links()
  /** by `scopedText` */
  readonly #tracked = new Map<string, Tracked>()
  #listener: TrackListener = NOBODY
  #ways = 0

  /** 1 where a path through the next hop may be used. Read by the decision. */
  readonly eligible: number[] = []

  /** By row: the metric of the way to the next hop, 0 where nobody knows. Read by the decision. */
  readonly metric: number[] = []

  /** How many next hops are in use. */
  get size(): number {
    return this.#byKey.size
  }

  /** There is no room for another one. */
  get full(): boolean {
    return this.#byKey.size >= NEXT_HOPS_MAX
  }

  /** Who is to be told which next hops are in use, from now on. */
  listen(listener: TrackListener): void {
    this.#listener = listener
  }

  /** How many groups have routes. */
  get groups(): number {
    return this.#groupByKey.size - this.#idle.size
  }

  /** The number of the link that has this name; 0 where there is no room for another. */
  link(name: string): number {
    return this.#links.number(name)
  }

  /**
   * The row of the next hop at `bytes[at]`, with one more reference: 4, 16 or 32 octets, or 2 more
   * with the number of a link. NONE where it would be one more than `NEXT_HOPS_MAX`.
   */
  hold(bytes: Uint8Array, at: number, octets: number): NextHopId {
    const key = keyOf(bytes, at, octets)
    const found = this.#byKey.get(key)
    if (found !== undefined) {
      this.#row(found).references++
      return found
    }
    if (this.full) return NO_ROOM
    const id = this.#free.pop() ?? (this.#rows.length as NextHopId)
    const address = formatAddress(bytes.subarray(at, at + Math.min(octets, 16)))
    const way = this.#wayOf(address, bytes.subarray(at, at + octets))
    const tracked = isLost(way) || !isUnicast(address) ? undefined : this.#track(way)
    tracked?.rows.add(id)
    this.#rows[id] = { address, way, key, tracked, references: 1 }
    this.#byKey.set(key, id)
    this.#judge(id, this.#row(id))
    return id
  }

  /** One reference less. */
  release(id: NextHopId): void {
    const row = this.#row(id)
    if (--row.references > 0) return
    this.#rows[id] = undefined
    this.#byKey.delete(row.key)
    this.#free.push(id)
    row.tracked?.rows.delete(id)
    if (row.tracked?.rows.size === 0) this.#untrack(row.tracked.hop)
    // a row that is used again must not find the group of the address that it had
    this.#single[id] = undefined
  }

  /** The address of a next hop. */
  address(id: NextHopId): Address {
    return this.#row(id).address
  }

  /**
   * Addresses of this node, as `scopedText` has them: what goes through them is not eligible.
   * Returns the rows whose paths must be decided again. O(next hops) where the addresses changed.
   */
  own(addresses: ReadonlySet<string>): readonly NextHopId[] {
    const same =
      addresses.size === this.#own.size && [...addresses].every(each => this.#own.has(each))
    this.#own = addresses
    if (same) return []
    return [...this.#byKey.values()].filter(id => this.#judge(id, this.#row(id)))
  }

  /**
   * What is known of a next hop in use; of another it is not remembered. Returns the rows whose
   * paths must be decided again: none where it says what was known. O(1), and a row each.
   */
  resolve(hop: NextHopName, resolution: Resolution): readonly NextHopId[] {
    const tracked = this.#tracked.get(scopedText(hop.address, hop.interface))
    if (tracked === undefined) return []
    if (tracked.resolution?.link !== resolution.link) this.#ways++
    tracked.resolution = resolution
    return [...tracked.rows].filter(id => this.#judge(id, this.#row(id)))
  }

  /** Changes whenever a next hop is reached by another link than before, or that gets known. */
  get ways(): number {
    return this.#ways
  }

  /** The name of the link that a next hop is reached by; undefined: nobody has said. */
  linkOf(id: NextHopId): string | undefined {
    return this.#row(id).tracked?.resolution?.link
  }

  /** Why paths through a next hop are not eligible; for people. */
  whyNot(id: NextHopId): string {
    const { address, way, tracked } = this.#row(id)
    if (isLost(way)) return `nobody says which link the next hop ${address} is on`
    if (!isUnicast(address)) return `no host has the next hop ${address}`
    if (this.#isOwn(this.#row(id))) return 'the next hop is this node'
    return tracked?.resolution?.why ?? 'it is not resolved'
  }

  /**
   * The group of the first `count` of some next hops and a metric, with one more reference. Order
   * and repetition do not matter.
   *
   * @param metric  of the routes in the kernel, see `FibWriter`
   */
  holdGroup(hops: readonly NextHopId[], count: number, metric: number): GroupId {
    const group =
      count === 1
        ? this.#singleGroup(hops[0]!, metric)
        : this.#manyGroup(hops.slice(0, count), metric)
    if (group.references++ === 0) this.#idle.delete(group)
    return group.id
  }

  /** One more reference to a group in use. */
  holdGroupAgain(id: GroupId): void {
    this.#group(id).references++
  }

  /**
   * One reference less. A group without routes stays until `sweep`: routes often come back to it.
   */
  releaseGroup(id: GroupId): void {
    const group = this.#group(id)
    invariant(group.references > 0, 'a reference to a group is released once')
    if (--group.references === 0) this.#idle.add(group)
  }

  /** Drops the groups that no route uses. */
  sweep(): void {
    for (const group of this.#idle) {
      this.#groups[group.id] = undefined
      this.#groupByKey.delete(group.key)
      this.#freeGroups.push(group.id)
    }
    this.#idle.clear()
  }

  /** Says every next hop that is in use, as an epoch begins. */
  repeat(listener: TrackListener): void {
    for (const { hop } of this.#tracked.values()) listener.track(hop)
  }

  /** The next hops of a group. */
  hopsOf(id: GroupId): NextHopGroup {
    return this.#group(id).hops
  }

  /** The metric of a group's routes. */
  metricOf(id: GroupId): number {
    return this.#group(id).metric
  }

  /** True when the next hop of row `hop` is in a group. For people: compares addresses. */
  isIn(group: number, hop: number): boolean {
    const row = this.#rows[hop]
    return (
      row !== undefined && (this.#groups[group]?.hops.some(way => isSame(way, row.way)) ?? false)
    )
  }

  #track({ address, interface: link }: FibNextHop): Tracked {
    const text = scopedText(address, link)
    const known = this.#tracked.get(text)
    if (known !== undefined) return known
    const hop = { address, ...(link !== undefined && { interface: link }) }
    const tracked: Tracked = { hop, rows: new Set(), resolution: undefined }
    this.#tracked.set(text, tracked)
    this.#listener.track(hop)
    return tracked
  }

  #untrack(hop: NextHopName): void {
    this.#tracked.delete(scopedText(hop.address, hop.interface))
    this.#listener.untrack(hop)
  }

  /** A link-local address counts only where its link is known: RFC 4291 §2.5.6. */
  #wayOf(address: Address, octets: Uint8Array): FibNextHop {
    const name =
      octets.length % 16 === 2 ? this.#links.name(word16(octets, octets.length - 2)) : undefined
    if (name === undefined) return { address, weight: 1 }
    const last = octets.subarray(octets.length - 18, octets.length - 2)
    return { address: formatAddress(last), interface: name, weight: 1 }
  }

  #singleGroup(id: NextHopId, metric: number): Group {
    const known = this.#single[id]
    // swept meanwhile, where the address has had two rows
    if (known?.metric === metric && this.#groups[known.id] === known) return known
    const group = this.#manyGroup([id], metric)
    this.#single[id] = group
    return group
  }

  #manyGroup(ids: readonly NextHopId[], metric: number): Group {
    const rows = ids.map(id => this.#row(id))
    const ways = rows.map(({ way }) => way).sort(compareWays)
    const hops = ways.filter((way, at) => at === 0 || !isSame(way, ways[at - 1]!))
    const key = [metric, ...hops.map(hop => `${hop.address} ${hop.interface ?? ''}`)].join(' ')
    const known = this.#groupByKey.get(key)
    if (known !== undefined) return known
    const id = this.#freeGroups.pop() ?? groupId(this.#groups.length)
    const group: Group = { id, hops, metric, key, references: 0 }
    this.#groups[id] = group
    this.#groupByKey.set(key, group)
    return group
  }

  /** RFC 4271 §6.3: "syntactically correct" and a host's; not one of ours. */
  #isUsable(row: NextHop): boolean {
    if (isLost(row.way) || this.#isOwn(row)) return false
    return isUnicast(row.address) && (row.tracked?.resolution?.eligible ?? true)
  }

  #isOwn({ address, way }: NextHop): boolean {
    return this.#own.has(address) || this.#own.has(scopedText(way.address, way.interface))
  }

  /** Writes down what the decision reads of a next hop. True when that is something else now. */
  #judge(id: number, row: NextHop): boolean {
    const eligible = this.#isUsable(row) ? 1 : 0
    const metric = row.tracked?.resolution?.metric ?? 0
    const changed = this.eligible[id] !== eligible || this.metric[id] !== metric
    this.eligible[id] = eligible
    this.metric[id] = metric
    return changed
  }

  #row(id: NextHopId): NextHop {
    const row = this.#rows[id]
    invariant(row !== undefined, 'the row of a next hop is in use')
    return row
  }

  #group(id: GroupId): Group {
    const group = this.#groups[id]
    invariant(group !== undefined, 'a group in use is known')
    return group
  }
}

/**
 * An address as text that names one place: a link-local one is another on each link. RFC 4291
 * §2.5.6
 */
export const scopedText = (address: Address, link: string | undefined): string =>
  link !== undefined && isLinkLocal(address) ? `${address}%${link}` : address

/** A next hop as its octets, 4, 16 or 32. */
export function nextHopOctets(address: Address, linkLocal?: Address): Uint8Array {
  const octets = addressBytes(address)
  if (familyOf(address) === 'ipv4' || linkLocal === undefined) return octets
  const both = new Uint8Array(32)
  both.set(octets)
  both.set(addressBytes(linkLocal), 16)
  return both
}

function keyOf(bytes: Uint8Array, at: number, octets: number): Key {
  if (octets !== 4) {
    let key = ''
    for (let each = at; each < at + octets; each += 2)
      key += String.fromCharCode(word16(bytes, each))
    return key
  }
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
}

function word16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!
}

/** A link-local address, on nobody knows which link. */
const isLost = (way: FibNextHop): boolean => way.interface === undefined && isLinkLocal(way.address)

const isSame = (left: FibNextHop, right: FibNextHop): boolean =>
  left.address === right.address && left.interface === right.interface

function compareWays(left: FibNextHop, right: FibNextHop): number {
  const [one = '', other = ''] = [left.interface, right.interface]
  return compareAddresses(left.address, right.address) || (one < other ? -1 : one > other ? 1 : 0)
}
