import type { Millis } from '../../base/index.ts'
import type { NextHopAnswer, NextHopName } from '../../fib/index.ts'
import {
  type Address,
  addressBytes,
  type Family,
  familyOf,
  formatAddress,
  maxLength,
  prefixParts,
} from '../../net/index.ts'
import {
  EACCES,
  EHOSTUNREACH,
  EINVAL,
  ENETUNREACH,
  type Found,
  notFound,
  type TargetHop,
} from '../../rtnl/index.ts'
import type { KernelOutput, KernelRoute } from '../ports.ts'
import type { Links } from '../table/links.ts'
import type { Ways } from '../table/ways.ts'
import type { NodeRoute, NodeRouteOut } from '../types.ts'
import { AddressIndex } from './address-index.ts'

/** How the next hops that the speaker names are reached. RFC 4271 §9.1.2.1 */

/** Next hops that are tracked; of those beyond nothing is said, and they count as reachable. */
const NEXT_HOPS_MAX = 4_096

/** Addresses that the kernel is asked for at a time. */
const LOOKUPS_MAX = 256

/** What the tracker is made with. */
export interface TrackerOptions {
  readonly output: KernelOutput
  readonly links: Links
  readonly ways: Ways
  /** of our own routes */
  readonly protocol: number
  /** Takes what has changed, for the speaker. */
  readonly tell: (answers: readonly NextHopAnswer[]) => void
  /** Only a dump can tell what is under a route of ours. */
  readonly askDump: (now: Millis) => void
  /** Routes may lead another way now: look at all of them. */
  readonly moved: (now: Millis) => void
}

/** One next hop. */
interface Entry {
  readonly hop: NextHopName
  readonly bytes: Uint8Array
  readonly family: Family
  /** the epoch in which the speaker named it last */
  generation: number
  /** the kernel has not answered yet, not even that it cannot */
  waits: boolean
  /** where a packet would go if none of our routes were there; undefined: nobody knows yet */
  found: Found | undefined
  /** `found` is what a route of ours says, until a dump tells what is under it */
  provisional: boolean
  /** the kernel's answer is a route of ours, since before this dump; 0: it is not */
  hiddenSince: number
  /** the longest stranger's route around it in the dump that runs */
  cover: { readonly length: number; readonly found: Found } | undefined
  told: NextHopAnswer | undefined
}

/**
 * Asks the kernel where a packet to each next hop would go, and tells the speaker what changes.
 *
 *   Track, links, addresses, routes --> asked --lookUp--> Found --> judged --> tell, `Ways`
 *
 * - The kernel's word counts as it is: its rules, its tables, the default route too, by which nodes
 *   of a cluster reach one another; BIRD's "gateway recursive" does the same.
 * - Routes of the speaker never count. A route that goes through a next hop may cover that next
 *   hop, and would then keep itself alive, or come and go for ever. Without them the answer depends
 *   on nothing that the answer changes. So where the kernel's answer is one of them, the next dump
 *   says which of the others is the longest around it. Routes to one address that the node's intent
 *   wants depend on no next hop: they count.
 * - Level-triggered: a route of somebody else, a link or an address makes those be asked again that
 *   it may concern, every dump all of them. A link that goes down is judged at once, without the
 *   kernel.
 *
 * Hundreds of plain objects. Limit: `NEXT_HOPS_MAX` (docs/LIMITS.md).
 */
export class Tracker {
  readonly #o: TrackerOptions
  readonly #entries = new Map<string, Entry>()
  readonly #byAddress = {
    ipv4: new AddressIndex<Entry>(),
    ipv6: new AddressIndex<Entry>(),
  } as const
  readonly #asked = new Set<Entry>()
  readonly #doubtful = new Set<Entry>()
  readonly #hidden = new Set<Entry>()
  /** where the node's own routes to single addresses lead; undefined: it wanted one until now */
  #hosts: ReadonlyMap<Address, NodeRouteOut | undefined> = new Map()
  #generation = 0
  #dump = 0
  #unanswered = 0

  constructor(options: TrackerOptions) {
    this.#o = options
  }

  /** How many next hops are tracked. */
  get size(): number {
    return this.#entries.size
  }

  /** True while a next hop has no answer yet: its routes would be written the wrong way. */
  get waits(): boolean {
    return this.#unanswered > 0
  }

  // ---- what the speaker says

  /** A new epoch: all that is tracked is said again, and answered again. */
  begin(): void {
    this.#generation++
  }

  /** All has been said in this epoch: what was not is not tracked any more. */
  complete(): void {
    for (const entry of this.#entries.values())
      if (entry.generation !== this.#generation) this.untrack(entry.hop)
  }

  track(hop: NextHopName): void {
    const known = this.#entries.get(nameOf(hop))
    if (known !== undefined) {
      known.generation = this.#generation
      known.told = undefined
      this.#doubtful.add(known)
      return
    }
    if (this.#entries.size === NEXT_HOPS_MAX) return
    const entry: Entry = {
      hop,
      bytes: addressBytes(hop.address),
      family: familyOf(hop.address),
      generation: this.#generation,
      waits: hop.interface === undefined,
      found: undefined,
      provisional: false,
      hiddenSince: 0,
      cover: undefined,
      told: undefined,
    }
    this.#entries.set(nameOf(hop), entry)
    if (hop.interface !== undefined) this.#doubtful.add(entry)
    else {
      this.#unanswered++
      this.#byAddress[entry.family].add(entry)
      this.#asked.add(entry)
    }
  }

  untrack(hop: NextHopName): void {
    const entry = this.#entries.get(nameOf(hop))
    if (entry === undefined) return
    this.#entries.delete(nameOf(hop))
    for (const set of [this.#asked, this.#doubtful, this.#hidden]) set.delete(entry)
    if (hop.interface !== undefined) return
    if (entry.waits) this.#unanswered--
    this.#byAddress[entry.family].delete(entry)
    this.#o.ways.set(hop.address, undefined)
  }

  /** The node's intent has these routes now. O(routes). */
  intend(routes: readonly NodeRoute[]): void {
    const hosts = new Map<Address, NodeRouteOut | undefined>()
    for (const address of this.#hosts.keys()) hosts.set(address, undefined)
    for (const { prefix, out } of routes) {
      const { family, bytes, length } = prefixParts(prefix)
      if (length === maxLength(family)) hosts.set(formatAddress(bytes), out)
    }
    this.#hosts = hosts
    this.written()
  }

  /** The kernel has taken a batch of ours: perhaps host routes, which nobody tells us of. */
  written(): void {
    for (const address of this.#hosts.keys()) {
      const entry = this.#entries.get(address)
      if (entry !== undefined) this.#asked.add(entry)
    }
  }

  // ---- what the kernel says

  /** The answer for an address that was asked for. */
  found(address: Address, found: Found, now: Millis): void {
    const entry = this.#entries.get(address)
    if (entry === undefined) return
    if (entry.waits) this.#unanswered--
    entry.waits = false
    // the kernel could not be asked: what was known stands
    if (!WORDS.has(found.errno)) return
    if (this.#isOurs(address, found)) this.#hide(entry, found, now)
    else {
      this.#reveal(entry)
      entry.found = found
      entry.provisional = false
    }
    this.#doubtful.add(entry)
  }

  /** A route of a dump, or a change: whoever may be reached by it is asked for again. */
  learn(route: Readonly<KernelRoute>, now: Millis): void {
    if (this.#entries.size === 0 || route.protocol === this.#o.protocol || route.tos !== 0) return
    if (route.dump !== 0 && this.#hidden.size === 0) return
    const { family, bytes, offset, length } = route
    this.#byAddress[family].within(bytes, offset, length, entry => {
      if (route.dump !== 0) cover(entry, route)
      else {
        this.#asked.add(entry)
        if (entry.hiddenSince !== 0) this.#o.askDump(now)
      }
    })
  }

  /** A link has changed, or an address: no `link` says of which link. */
  changed(link: number): void {
    for (const entry of this.#entries.values()) {
      this.#doubtful.add(entry)
      const { found, hop } = entry
      if (hop.interface !== undefined) continue
      const through = found?.hops.some(way => way.link === link) ?? false
      if (through || found === undefined || found.errno !== 0 || found.local) this.#asked.add(entry)
    }
  }

  /** A dump starts. */
  dumping(dump: number): void {
    this.#dump = dump
    for (const entry of this.#hidden) entry.cover = undefined
  }

  /** It is complete: what lies under our routes is known, and all is asked for again. */
  dumped(): void {
    for (const entry of this.#hidden) {
      // hidden since it began: perhaps the dump had passed by then
      if (entry.hiddenSince > this.#dump) continue
      entry.found = entry.cover?.found ?? notFound(ENETUNREACH)
      entry.provisional = false
    }
    for (const entry of this.#entries.values()) {
      this.#doubtful.add(entry)
      if (entry.hop.interface === undefined) this.#asked.add(entry)
    }
  }

  /** Asks what is to be asked, and tells what has changed. */
  work(now: Millis): void {
    if (this.#asked.size > 0) this.#ask()
    if (this.#doubtful.size > 0) this.#judgeAll(now)
  }

  /** True when there are more to ask for. */
  get busy(): boolean {
    return this.#asked.size > 0
  }

  #ask(): void {
    const addresses: Address[] = []
    for (const entry of this.#asked) {
      if (addresses.length === LOOKUPS_MAX) break
      this.#asked.delete(entry)
      addresses.push(entry.hop.address)
    }
    this.#o.output.lookUp(addresses)
  }

  #isOurs(address: Address, { errno, local, protocol, hops }: Found): boolean {
    if (errno !== 0 || local || protocol !== this.#o.protocol) return false
    const out = this.#hosts.get(address)
    if (out === undefined || out.kind === 'blackhole') return true
    if (out.kind === 'via') return hops.some(({ gateway }) => gateway !== out.gateway)
    return hops.some(({ link }) => this.#o.links.nameOf(link) !== out.interface)
  }

  #hide(entry: Entry, found: Found, now: Millis): void {
    if (entry.found === undefined || entry.provisional) {
      entry.found = found
      entry.provisional = true
    }
    if (entry.hiddenSince !== 0) return
    entry.hiddenSince = this.#dump + 1
    this.#hidden.add(entry)
    this.#o.askDump(now)
  }

  #reveal(entry: Entry): void {
    entry.hiddenSince = 0
    entry.cover = undefined
    this.#hidden.delete(entry)
  }

  #judgeAll(now: Millis): void {
    const answers: NextHopAnswer[] = []
    let moved = false
    for (const entry of this.#doubtful) {
      const { hop, found } = entry
      const alive = found?.hops.filter(way => this.#isAlive(way)) ?? []
      if (hop.interface === undefined && this.#o.ways.set(hop.address, gateways(entry, alive)))
        moved = true
      const answer = this.#judge(entry, alive)
      if (answer === undefined || isSame(answer, entry.told)) continue
      entry.told = answer
      answers.push(answer)
    }
    this.#doubtful.clear()
    if (answers.length > 0) this.#o.tell(answers)
    if (moved) this.#o.moved(now)
  }

  #judge(
    { hop, found, provisional }: Entry,
    alive: readonly TargetHop[],
  ): NextHopAnswer | undefined {
    const { links } = this.#o
    const no = (why: string): NextHopAnswer => ({ ...hop, eligible: false, metric: 0, why })
    if (hop.interface !== undefined) {
      const why = links.whyNot(links.indexOf(hop.interface))
      if (why !== undefined) return no(why === '' ? `there is no link ${hop.interface}` : why)
      if (!links.allows(links.indexOf(hop.interface))) return no(NOT_ALLOWED)
      return { ...hop, eligible: true, metric: 0, why: '', link: hop.interface }
    }
    if (found === undefined || provisional) return undefined
    const { address } = hop
    if (found.errno !== 0) return no(`${WORDS.get(found.errno)} to ${address}`)
    if (found.local) return no(`${address} is an address of this node`)
    if (alive.length === 0) {
      const [first] = found.hops
      return no(links.whyNot(first?.link ?? 0) || `no route to ${address}`)
    }
    // the speaker does better with another path than with a route that is refused
    if (!alive.some(way => links.allows(way.link))) return no(NOT_ALLOWED)
    // on a link of ours: nothing is nearer, not even a gateway whose route has metric 0
    const near = alive.some(({ gateway }) => gateway === undefined)
    const link = links.nameOf(alive[0]?.link ?? 0)
    return {
      ...hop,
      eligible: true,
      metric: near ? 0 : Math.max(1, found.metric),
      why: '',
      ...(link !== undefined && { link }),
    }
  }

  /** A link that nobody has told of yet is not known to be down. */
  #isAlive({ link }: TargetHop): boolean {
    return !this.#o.links.whyNot(link)
  }
}

const NOT_ALLOWED = 'kernel.allow.interfaces of this node does not have its link'

/** What the kernel says where there is no way, and where there is one. */
const WORDS: ReadonlyMap<number, string> = new Map([
  [0, ''],
  [ENETUNREACH, 'no route'],
  [EHOSTUNREACH, 'a route of type unreachable'],
  [EACCES, 'a route of type prohibit'],
  [EINVAL, 'a blackhole'],
])

/** The kernel takes the longest prefix, of those the lowest metric, of those the first. */
function cover(entry: Entry, route: Readonly<KernelRoute>): void {
  if (entry.hiddenSince === 0) return
  const { cover: best } = entry
  if (best !== undefined && best.length > route.length) return
  if (best?.length === route.length && best.found.metric <= route.metric) return
  entry.cover = { length: route.length, found: route.leads() }
}

/** The gateways to a next hop, which is its own where it is on a link; none where it is dead. */
function gateways(
  { hop: { address }, found }: Entry,
  alive: readonly TargetHop[],
): readonly TargetHop[] | undefined {
  if (found === undefined || found.local) return undefined
  return alive.map(way => ({ ...way, gateway: way.gateway ?? address }))
}

const isSame = (one: NextHopAnswer, other: NextHopAnswer | undefined): boolean =>
  other !== undefined &&
  one.eligible === other.eligible &&
  one.metric === other.metric &&
  one.why === other.why &&
  one.link === other.link

const nameOf = ({ address, interface: link }: NextHopName): string =>
  link === undefined ? address : `${address}%${link}`
