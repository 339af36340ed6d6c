import type { KernelEvent } from '../core/dataplane/index.ts'
import {
  type Address,
  containsAddress,
  type Family,
  familyOf,
  isLinkLocal,
  type Prefix,
  prefixParts,
} from '../core/net/index.ts'
import {
  BLACKHOLE,
  EEXIST,
  EHOSTUNREACH,
  EINVAL,
  ENETDOWN,
  ENETUNREACH,
  ENODEV,
  ENOENT,
  ESRCH,
  type Found,
  notFound,
  type RouteTarget,
  type RouteVerb,
  type TargetHop,
  unicastTarget,
} from '../core/rtnl/index.ts'
import {
  BY_KERNEL,
  connectedBy,
  MAIN,
  SimulatedDevices,
  type SimulatedLink,
} from './kernel-devices.ts'
import { type SimulatedObject, SimulatedObjects } from './kernel-objects.ts'
import {
  foundIn,
  routeEvent,
  SimulatedSocket,
  type SimulatedSocketOptions,
} from './kernel-socket.ts'

/**
 * A kernel that routes nothing: tables, links and addresses that answer as Linux does, as far as
 * the dataplane can tell. test/compliance/kernel runs one suite on this and on the real one.
 */

/** A route of the simulated kernel. */
export interface SimulatedRoute {
  readonly table: number
  readonly prefix: Prefix
  readonly metric: number
  readonly protocol: number
  readonly target: RouteTarget
}

/** What a hand of the world does to a route, as `ip route VERB`. */
export type RouteAct = RouteVerb | 'append'

/** What goes wrong, on demand. */
export interface KernelFaults {
  /** so many notifications are lost, as when the socket's buffer is full; then `Lost` is told */
  loseNotifications: number
  /** so many dumps are interrupted */
  interruptDumps: number
  /** a kernel before 5.3 */
  noObjects: boolean
  /** an errno for a change that would have worked, 0 for none */
  refuse: (prefix: Prefix, verb: RouteVerb) => number
}

/** One network namespace. */
export class SimulatedKernel {
  readonly faults: KernelFaults = {
    loseNotifications: 0,
    interruptDumps: 0,
    noObjects: false,
    refuse: () => 0,
  }
  readonly objects = new SimulatedObjects({
    reach: hop => {
      const family = hop.gateway === undefined ? 'ipv4' : familyOf(hop.gateway)
      const link = this.#reach(family, hop)
      return typeof link === 'number' ? link : 0
    },
    tell: (object, present, by) => this.#tellObject(object, present, by),
    gone: (id, by) => this.#flushObject(id, by),
  })
  readonly devices = new SimulatedDevices(this)
  /** by family, table, prefix and metric: aliases in the kernel's order */
  readonly #routes = new Map<string, SimulatedRoute[]>()
  readonly #links = new Map<string, SimulatedLink>()
  readonly #sockets = new Set<SimulatedSocket>()
  #nextIndex = 1
  #nextPort = 1

  /** All routes of `table`. */
  routes(table: number): SimulatedRoute[] {
    return [...this.#routes.values()].flat().filter(route => route.table === table)
  }

  /** A route as its packets go: through an object, as the object is now. */
  expand(route: SimulatedRoute): SimulatedRoute {
    const { id } = route.target
    if (id === undefined) return route
    return { ...route, target: unicastTarget(this.objects.hopsOf(id) ?? []) }
  }

  /** Opens the dataplane's side. */
  open(options: SimulatedSocketOptions): SimulatedSocket {
    const socket = new SimulatedSocket(this, this.#nextPort++, options, () =>
      this.#sockets.delete(socket),
    )
    this.#sockets.add(socket)
    return socket
  }

  // The world's hand.

  /** Makes a link, under an index that was never used. */
  addLink(name: string, up = true): void {
    const link = { index: this.#nextIndex++, name, up, addresses: new Map() }
    this.#links.set(name, link)
    this.#tellLink(link, true)
  }

  /** Takes a link away, with its addresses and routes. */
  deleteLink(name: string): void {
    const link = this.#link(name)
    this.setLink(name, false)
    this.#links.delete(name)
    this.#tellLink(link, false)
    this.devices.gone(link.index)
  }

  /** Says of a link what is known: something that is no route's business has changed. */
  touchLink(name: string): void {
    this.#tellLink(this.#link(name), true)
  }

  /** Says that a link's neighbours are others now. */
  tellNeighbour(link: number): void {
    this.#tell({ type: 'Neighbour', link })
  }

  /**
   * Sets a link up or down. Down: its routes go, the IPv4 ones without a word; so do its IPv6
   * addresses.
   */
  setLink(name: string, up: boolean): void {
    const link = this.#link(name)
    if (link.up === up) return
    link.up = up
    if (!up) {
      for (const address of link.addresses.keys())
        if (familyOf(address) === 'ipv6') this.#dropAddress(link, address)
      this.#flush(link)
      this.devices.down(link.index)
    }
    this.#tellLink(link, true)
    if (up) this.#tellConnected(link, true)
  }

  /**
   * Gives a link an address, `10.0.0.1/24`, whose network is reachable through it while it is up.
   */
  addAddress(name: string, address: Address, network: Prefix): void {
    const link = this.#link(name)
    link.addresses.set(address, network)
    this.#tell({ type: 'Address', present: true, link: link.index, address })
    if (link.up) this.#tellConnected(link, true)
  }

  /** Takes an address from a link, and its network. */
  deleteAddress(name: string, address: Address): void {
    const link = this.#link(name)
    if (link.up) this.#tellConnected(link, false)
    this.#dropAddress(link, address)
    if (link.up) this.#tellConnected(link, true)
  }

  /** Does what somebody would by `ip route`. Answers the errno. */
  act(act: RouteAct, route: SimulatedRoute): number {
    return this.change(act, route, 0x7000_0000)
  }

  /** The index of a link, 0 where there is none. */
  indexOf(name: string): number {
    return this.#links.get(name)?.index ?? 0
  }

  // For sockets.

  /** Changes a route for the socket with `port`; all others hear of it. Answers the errno. */
  change(act: RouteAct, route: SimulatedRoute, port: number): number {
    const key = keyOf(route)
    const aliases = this.#routes.get(key) ?? []
    if (act === 'delete') {
      const { protocol, target } = route
      const at = aliases.findIndex(
        alias =>
          alias.protocol === protocol && (target.id === undefined || alias.target.id === target.id),
      )
      const gone = aliases[at]
      if (gone === undefined) return ESRCH
      this.#set(key, aliases.toSpliced(at, 1))
      this.#tellRoute(gone, { present: false, replaced: false, by: port })
      return 0
    }
    const target = this.#resolve(prefixParts(route.prefix).family, route.target)
    if (typeof target === 'number') return target
    if (act === 'add' && aliases.length > 0) return EEXIST
    if (act === 'replace' && aliases.length === 0) return ENOENT
    const made = { ...route, target }
    this.#set(key, act === 'replace' ? aliases.with(0, made) : [...aliases, made])
    this.#tellRoute(made, { present: true, replaced: act === 'replace', by: port })
    return 0
  }

  /** The links as they are now. */
  *links(): Generator<{ index: number; name: string; up: boolean }> {
    yield* this.#links.values()
  }

  /** The addresses of links, with the lengths of their networks. */
  *addresses(): Generator<{ index: number; address: Address; length: number }> {
    for (const { index, addresses } of this.#links.values())
      for (const [address, network] of addresses)
        yield { index, address, length: prefixParts(network).length }
  }

  /** The networks of links that are up, where `table` is the main one. */
  *connected(table: number): Generator<SimulatedRoute> {
    if (table !== MAIN) return
    for (const link of this.#links.values()) if (link.up) yield* connectedBy(link)
  }

  /** Where a packet would go: local, then the longest prefix, then the lowest metric. */
  lookUp(address: Address): Found {
    const links = [...this.#links.values()]
    if (links.some(link => link.up && link.addresses.has(address)))
      return { errno: 0, local: true, protocol: BY_KERNEL, metric: 0, hops: [] }
    const routes = [...this.connected(MAIN), ...this.routes(MAIN)]
      .filter(({ prefix }) => containsAddress(prefix, address))
      .map(route => ({ route, length: prefixParts(route.prefix).length }))
    // a sort is stable: of aliases the first
    routes.sort((a, b) => b.length - a.length || a.route.metric - b.route.metric)
    const [best] = routes
    if (best === undefined) return notFound(ENETUNREACH)
    // a route that is left has its dead hops still, as in the kernel
    return foundIn(this.expand(best.route))
  }

  /** Keys of all routes of a table, as a dump walks them. */
  keys(table: number): string[] {
    return [...this.#routes].filter(([, [first]]) => first?.table === table).map(([key]) => key)
  }

  /** The routes at one key now. */
  at(key: string): readonly SimulatedRoute[] {
    return this.#routes.get(key) ?? []
  }

  #link(name: string): SimulatedLink {
    const link = this.#links.get(name)
    if (link === undefined) throw new RangeError(`there is no link ${name}`)
    return link
  }

  #set(key: string, aliases: SimulatedRoute[]): void {
    if (aliases.length === 0) this.#routes.delete(key)
    else this.#routes.set(key, aliases)
  }

  /** The target as the kernel keeps it, every hop with its link; or the errno. */
  #resolve(family: Family, target: RouteTarget): RouteTarget | number {
    if (target.kind === 'blackhole') return BLACKHOLE
    if (target.id !== undefined) return this.objects.serves(family, target.id) ? target : EINVAL
    const hops: TargetHop[] = []
    for (const hop of target.hops) {
      const link = this.#reach(family, hop)
      if (typeof link === 'number') return link
      hops.push({ ...hop, link: link.index })
    }
    const { source } = target
    const isOurs = source === undefined || [...this.addresses()].some(own => own.address === source)
    return isOurs ? unicastTarget(hops, source) : EINVAL
  }

  #reach(family: Family, hop: TargetHop): SimulatedLink | number {
    const links = [...this.#links.values()]
    const named = links.find(link => link.index === hop.link)
    if (hop.link !== 0 && named === undefined) return ENODEV
    if (named?.up === false) return ENETDOWN
    const { gateway, onlink } = hop
    const isNear = onlink || gateway === undefined || isLinkLocal(gateway)
    if (named !== undefined && isNear) return named
    const near = links.find(
      link =>
        link.up &&
        (hop.link === 0 || link === named) &&
        gateway !== undefined &&
        [...link.addresses.values()].some(network => containsAddress(network, gateway)),
    )
    return near ?? (family === 'ipv4' ? ENETUNREACH : EHOSTUNREACH)
  }

  #dropAddress(link: SimulatedLink, address: Address): void {
    link.addresses.delete(address)
    this.#tell({ type: 'Address', present: false, link: link.index, address })
  }

  /** The routes through an object that has gone: IPv4 ones without a word. */
  #flushObject(id: number, by: number): void {
    for (const [key, aliases] of this.#routes) {
      const left = aliases.filter(({ target }) => target.id !== id)
      if (left.length === aliases.length) continue
      this.#set(key, left)
      for (const route of aliases)
        if (route.target.id === id && prefixParts(route.prefix).family === 'ipv6')
          this.#tellRoute(route, { present: false, replaced: false, by })
    }
  }

  /** The routes through a link that went down. */
  #flush(link: SimulatedLink): void {
    this.objects.flush(link.index)
    for (const [key, aliases] of this.#routes) {
      const left: SimulatedRoute[] = []
      for (const route of aliases) {
        const kept = this.#flushOne(route, link)
        if (kept !== undefined) left.push(kept)
      }
      this.#set(key, left)
    }
  }

  #flushOne(route: SimulatedRoute, link: SimulatedLink): SimulatedRoute | undefined {
    const { hops, source } = route.target
    const live = hops.filter(hop => hop.link !== link.index)
    if (live.length === hops.length) return route
    if (prefixParts(route.prefix).family === 'ipv4')
      // IPv4: dead hops stay in the route until none lives, and nobody is told
      return hops.some(hop => this.#isUp(hop.link)) ? route : undefined
    for (const hop of hops.filter(hop => hop.link === link.index)) {
      const gone = { ...route, target: unicastTarget([hop], source) }
      this.#tellRoute(gone, { present: false, replaced: false, by: 0 })
    }
    return live.length === 0 ? undefined : { ...route, target: unicastTarget(live, source) }
  }

  #isUp(index: number): boolean {
    return [...this.#links.values()].some(link => link.index === index && link.up)
  }

  #tellConnected(link: SimulatedLink, present: boolean): void {
    for (const route of connectedBy(link))
      this.#tellRoute(route, { present, replaced: false, by: 0 })
  }

  #tellLink(link: SimulatedLink, present: boolean): void {
    const { index, name, up } = link
    this.#tell({ type: 'Link', dump: 0, link: { present, index, name, up, carrier: up } })
  }

  #tellRoute(
    route: SimulatedRoute,
    how: { readonly present: boolean; readonly replaced: boolean; readonly by: number },
  ): void {
    for (const socket of this.#sockets) {
      // IPv4 deletions because of a link are never told; our own changes are filtered out
      if (socket.table !== route.table || socket.port === how.by) continue
      this.#tellTo(socket, routeEvent(route, { ...how, dump: 0 }))
    }
  }

  /** What becomes of objects because of a link is not told. */
  #tellObject({ id, protocol, object }: SimulatedObject, present: boolean, by: number): void {
    if (by === 0) return
    const message = { present, id, protocol, object }
    for (const socket of this.#sockets)
      if (socket.port !== by) this.#tellTo(socket, { type: 'Object', dump: 0, by, message })
  }

  #tell(event: KernelEvent): void {
    for (const socket of this.#sockets) this.#tellTo(socket, event)
  }

  #tellTo(socket: SimulatedSocket, event: KernelEvent): void {
    if (this.faults.loseNotifications > 0) {
      this.faults.loseNotifications--
      socket.lose()
    } else socket.tell(event)
  }
}

function keyOf(route: SimulatedRoute): string {
  return `${route.table} ${route.prefix} ${route.metric}`
}
