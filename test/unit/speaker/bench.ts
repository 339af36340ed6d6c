import { type Millis, millis, Prng, seconds, Writer } from '../../../src/core/base/index.ts'
import {
  type Address,
  type Asn,
  address,
  addressBytes,
  type Family,
  formatPrefix,
  type Prefix,
  prefixParts,
  toAsn,
} from '../../../src/core/net/index.ts'
import type { ConnectionId } from '../../../src/core/session/index.ts'
import {
  type Endpoint,
  type PeerConfig,
  Speaker,
  type SpeakerConfig,
  type SpeakerNote,
  type SpeakerOutput,
} from '../../../src/core/speaker/index.ts'
import {
  type AttributeContext,
  type Capability,
  checkNlri,
  decodeAttributes,
  decodeOpen,
  EXTENDED_MESSAGE_MAX,
  encodeAttributes,
  encodeKeepalive,
  encodeOpen,
  encodeRouteRefresh,
  endOfRib,
  FAMILY_SPECS,
  familyOfAfiSafi,
  type GracefulRestartCapability,
  HEADER_OCTETS,
  MESSAGE_TYPES,
  type Open,
  type PathAttributes,
  splitUpdate,
  UpdateBuilder,
} from '../../../src/core/wire/index.ts'
import { FibRecord } from '../../../src/sim/index.ts'

/** A speaker on a bench: peers are scripted on the wire, everything that it does is recorded. */

export const LOCAL_AS = asn(65000)
export const LOCAL = address('192.0.2.254')

/** An AS number that is known to be one. */
export function asn(value: number): Asn {
  const parsed = toAsn(value)
  if (parsed === undefined) throw new Error(`${value} is not an AS number`)
  return parsed
}

/** What a peer was told, in order. */
export type Told =
  | { readonly announced: Prefix; readonly path?: number; readonly attributes: PathAttributes }
  | { readonly withdrawn: Prefix; readonly path?: number }
  | { readonly endOfRib: Family }
  | { readonly refresh: Family; readonly subtype: number }

/** What a scripted peer says of itself in its OPEN. */
export interface Offer {
  readonly fourOctetAs?: boolean
  /** instead of its own */
  readonly routerId?: number
  /** beside what every peer here offers */
  readonly capabilities?: readonly Capability[]
  /** our end of the connection, instead of `LOCAL` */
  readonly local?: Address
  /** graceful restart, for all its families; absent: not offered */
  readonly restart?: {
    readonly restarting?: boolean
    readonly notification?: boolean
    readonly restartSeconds?: number
    /** families with the F bit */
    readonly forwarding?: readonly Family[]
    /** instead of all */
    readonly families?: GracefulRestartCapability['families']
  }
  /** several paths of a prefix, of all its families: what it takes, and what it sends. RFC 7911 */
  readonly addPath?: { readonly receive?: boolean; readonly send?: boolean }
  /** for how long its routes may be kept beyond that, and of which families they were forwarded */
  readonly longLived?: { readonly staleSeconds: number; readonly forwarding?: readonly Family[] }
}

/** A peer that does what the test says. */
export class Scripted {
  readonly config: PeerConfig
  readonly routerId: number
  connection = 0 as ConnectionId
  readonly #bench: Bench
  #fourOctetAs = true
  /** prefixes that it is told have path identifiers, and those that it sends */
  #hearsPaths = false
  #sendsPaths = false
  /** since `tell` was last asked */
  told: Told[] = []
  notifications: (readonly [number, number])[] = []
  /** the last OPEN that it was sent */
  opened: Open | undefined
  /** UPDATE messages as they were sent: shared ones are one object for all peers */
  updates: Uint8Array[] = []
  closed = false

  constructor(bench: Bench, config: PeerConfig, routerId: number) {
    this.#bench = bench
    this.config = config
    this.routerId = routerId
  }

  /** Connects, and exchanges OPEN and KEEPALIVE. */
  up(offer: Offer = {}): this {
    const { fourOctetAs = true, restart, addPath, longLived } = offer
    const { routerId = this.routerId, local = LOCAL } = offer
    this.connection = this.#bench.nextConnection()
    this.closed = false
    this.#fourOctetAs = fourOctetAs
    const ours = this.config.options?.addPath
    this.#hearsPaths = addPath?.receive === true && ours?.send === true
    this.#sendsPaths = addPath?.send === true && ours?.receive === true
    this.#bench.deliver({
      type: 'Accepted',
      connection: this.connection,
      remote: this.config.address,
      local,
    })
    const families = this.config.families.map(family => FAMILY_SPECS[family])
    this.send(
      encodeOpen({
        type: 'OPEN',
        version: 4,
        asn: this.config.peerAs > 65535 ? 23456 : this.config.peerAs,
        holdSeconds: 90,
        routerId,
        capabilities: [
          ...families.map(({ afi, safi }) => ({ type: 'multiprotocol' as const, afi, safi })),
          { type: 'route-refresh' },
          ...(restart === undefined ? [] : [this.#restart(restart)]),
          ...(longLived === undefined ? [] : [this.#longLived(longLived)]),
          ...(addPath === undefined ? [] : [this.#addPath(addPath)]),
          ...(fourOctetAs ? [{ type: 'four-octet-as' as const, asn: this.config.peerAs }] : []),
          ...(offer.capabilities ?? []),
        ],
      }),
    )
    this.send(encodeKeepalive())
    this.#bench.settle()
    return this
  }

  #restart({ forwarding = [], ...flags }: NonNullable<Offer['restart']>): Capability {
    const families = this.config.families.map(family => {
      const { afi, safi } = FAMILY_SPECS[family]
      return { afi, safi, forwarding: forwarding.includes(family) }
    })
    return {
      type: 'graceful-restart',
      restarting: false,
      notification: false,
      restartSeconds: 120,
      families,
      ...flags,
    }
  }

  #longLived({ staleSeconds, forwarding = [] }: NonNullable<Offer['longLived']>): Capability {
    const families = this.config.families.map(family => {
      const { afi, safi } = FAMILY_SPECS[family]
      return { afi, safi, staleSeconds, forwarding: forwarding.includes(family) }
    })
    return { type: 'long-lived-graceful-restart', families }
  }

  #addPath({ receive = false, send = false }: NonNullable<Offer['addPath']>): Capability {
    const families = this.config.families.map(family => {
      const { afi, safi } = FAMILY_SPECS[family]
      return { afi, safi, receive, send }
    })
    return { type: 'add-path', families }
  }

  down(why = 'connection reset'): void {
    this.#bench.deliver({ type: 'Closed', connection: this.connection, why })
    this.#bench.settle()
  }

  /** Sends octets, and lets the speaker do its work. */
  send(bytes: Uint8Array): void {
    this.#bench.deliver({ type: 'Received', connection: this.connection, bytes })
  }

  announce(attributes: Partial<PathAttributes>, ...prefixes: Prefix[]): void {
    this.announcePath(0, attributes, ...prefixes)
  }

  withdraw(...prefixes: Prefix[]): void {
    this.withdrawPath(0, ...prefixes)
  }

  /** Announces prefixes under a path identifier, where the session has them. */
  announcePath(path: number, attributes: Partial<PathAttributes>, ...prefixes: Prefix[]): void {
    const sent = this.attributes(attributes)
    this.send(updateOf(sent, prefixes, this.#sendsPaths ? path : undefined))
    this.#bench.settle()
  }

  withdrawPath(path: number, ...prefixes: Prefix[]): void {
    this.send(updateOf(undefined, prefixes, this.#sendsPaths ? path : undefined))
    this.#bench.settle()
  }

  endOfRib(family: Family = 'ipv4'): void {
    this.send(endOfRib(family))
    this.#bench.settle()
  }

  /** Asks for a family again, or says that it begins (1) or ends (2) to say it again itself. */
  refresh(subtype = 0, family: Family = 'ipv4'): void {
    const { afi, safi } = FAMILY_SPECS[family]
    this.send(encodeRouteRefresh({ type: 'ROUTE-REFRESH', afi, subtype, safi }))
    this.#bench.settle()
  }

  /** Attributes as this peer would send them, with changes. */
  attributes(changes: Partial<PathAttributes> = {}): PathAttributes {
    const external = this.config.peerAs !== LOCAL_AS
    const path = external ? [{ type: 'sequence' as const, asns: [Number(this.config.peerAs)] }] : []
    return {
      origin: 0,
      asPath: path,
      nextHop: this.config.address,
      ...(!external && { localPref: 100 }),
      ...changes,
    }
  }

  /** What it was told since the last time. */
  news(): Told[] {
    return this.told.splice(0)
  }

  /**
   * Short forms of what it was told: `+10.0.0.0/8`, `-10.0.0.0/8`, `ipv4 complete`, `ipv4 refresh
   * 0`; `+10.0.0.0/8 path 1` where prefixes have path identifiers.
   */
  brief(): string[] {
    return this.news().map(each => {
      if ('refresh' in each) return `${each.refresh} refresh ${each.subtype}`
      if ('endOfRib' in each) return `${each.endOfRib} complete`
      const path = each.path === undefined ? '' : ` path ${each.path}`
      return 'announced' in each ? `+${each.announced}${path}` : `-${each.withdrawn}${path}`
    })
  }

  /** Takes whole messages, one behind the other. */
  hears(bytes: Uint8Array): void {
    for (const message of messagesIn(bytes)) this.#hear(message)
  }

  #hear(bytes: Uint8Array): void {
    const body = bytes.subarray(HEADER_OCTETS)
    if (bytes[18] === MESSAGE_TYPES.NOTIFICATION)
      this.notifications.push([body[0] ?? 0, body[1] ?? 0])
    if (bytes[18] === MESSAGE_TYPES.OPEN) this.opened = openIn(body)
    if (bytes[18] === MESSAGE_TYPES.ROUTE_REFRESH) this.told.push(refreshIn(body))
    if (bytes[18] !== MESSAGE_TYPES.UPDATE) return
    this.updates.push(bytes)
    this.told.push(
      ...toldBy(body, {
        ebgp: this.config.peerAs !== LOCAL_AS,
        fourOctetAs: this.#fourOctetAs,
        extendedNextHop: true,
        addPath: this.#hearsPaths,
      }),
    )
  }
}

/** Octets that are sent are whole messages, one behind the other. */
export function* messagesIn(bytes: Uint8Array): Generator<Uint8Array> {
  let at = 0
  while (at + HEADER_OCTETS <= bytes.length) {
    const end = at + ((bytes[at + 16]! << 8) | bytes[at + 17]!)
    // one that came alone is still the same object: who is sent the same is sent the same octets
    yield at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end)
    at = end
  }
  if (at !== bytes.length) throw new Error('a piece of a message was sent')
}

/** The speaker, its peers and what it did. */
export class Bench implements SpeakerOutput {
  readonly speaker: Speaker
  readonly fib = new FibRecord()
  readonly notes: SpeakerNote[] = []
  readonly peers: Scripted[] = []
  readonly paused: ConnectionId[] = []
  readonly resumed: ConnectionId[] = []
  readonly closed: ConnectionId[] = []
  readonly connects: ConnectionId[] = []
  readonly endpoints: Endpoint[] = []
  now = millis(1000)
  /** rows a slice */
  budget = 1000
  #connection = -1

  constructor(fibDeferral: Millis = seconds(120), fibPatience: Millis = millis(0)) {
    this.speaker = new Speaker(this, { chance: new Prng(1), fibDeferral, fibPatience })
  }

  nextConnection(): ConnectionId {
    this.#connection += 2
    return this.#connection as ConnectionId
  }

  deliver(event: Parameters<Speaker['handle']>[0]): void {
    this.speaker.handle(event, this.now)
  }

  /** Work until there is none. */
  settle(): void {
    for (let slices = 0; this.speaker.work(this.budget, this.now); slices++)
      if (slices > 100_000) throw new Error('the speaker never comes to rest')
  }

  pass(duration: Millis): void {
    this.now = millis(this.now + duration)
    this.deliver({ type: 'Tick' })
    this.settle()
  }

  /** A scripted peer; it is configured by the next `configure`. */
  peer(name: string, peerAs: number, changes: Partial<PeerConfig> = {}): Scripted {
    const at = this.peers.length + 1
    const config: PeerConfig = {
      name,
      address: address(`192.0.2.${at}`),
      port: 179,
      peerAs: asn(peerAs),
      localAs: LOCAL_AS,
      passive: true,
      hold: seconds(90),
      connectRetry: seconds(5),
      restart: seconds(120),
      families: ['ipv4'],
      routeReflectorClient: false,
      nextHop: 'auto',
      export: 'all',
      ...changes,
    }
    const peer = new Scripted(this, config, 0x0a000000 + at)
    this.peers.push(peer)
    return peer
  }

  configure(changes: Partial<SpeakerConfig> = {}): void {
    this.deliver({
      type: 'Configure',
      config: {
        routerId: 0x0afffffe,
        localAs: LOCAL_AS,
        clusterId: 0x63000001,
        multipathMax: 4,
        peers: this.peers.map(({ config }) => config),
        originated: [],
        watched: [],
        watchedMax: 100,
        ...changes,
      },
    })
    this.settle()
  }

  connect(connection: ConnectionId, endpoint: Endpoint): void {
    this.connects.push(connection)
    this.endpoints.push(endpoint)
  }

  send(connection: ConnectionId, bytes: Uint8Array): void {
    this.peers.find(peer => peer.connection === connection)?.hears(bytes)
  }

  close(connection: ConnectionId): void {
    this.closed.push(connection)
    const peer = this.peers.find(each => each.connection === connection)
    if (peer !== undefined) peer.closed = true
  }

  pause(connection: ConnectionId): void {
    this.paused.push(connection)
  }

  resume(connection: ConnectionId): void {
    this.resumed.push(connection)
  }

  note(note: SpeakerNote): void {
    this.notes.push(note)
  }
}

/** Two external peers, up, who have said and heard all. */
export function pair(bench = new Bench()) {
  const a = bench.peer('a', 65001)
  const b = bench.peer('b', 65002)
  bench.configure()
  a.up()
  b.up()
  for (const peer of [a, b]) peer.news()
  return { bench, a, b }
}

/**
 * One UPDATE: announcements with attributes, withdrawals without. All of one family, all in one
 * message; under the path identifier `path`, where there is one.
 */
export function updateOf(
  attributes: PathAttributes | undefined,
  prefixes: readonly Prefix[],
  path?: number,
): Uint8Array {
  const builder = new UpdateBuilder(EXTENDED_MESSAGE_MAX, path !== undefined)
  const family = prefixParts(prefixes[0]!).family
  if (attributes === undefined) builder.withdraw(family)
  else {
    const writer = new Writer(EXTENDED_MESSAGE_MAX)
    encodeAttributes(attributes, { fourOctetAs: true }, writer)
    builder.announce(family, writer.bytes(), nextHopInReach(attributes))
  }
  for (const each of prefixes) {
    const { bytes, length } = prefixParts(each)
    if (!builder.add(bytes, 0, length, path)) throw new Error('an UPDATE of a test fits a message')
  }
  return builder.finish()
}

/** The next hop as MP_REACH_NLRI has it: nothing for an IPv4 one, which is in NEXT_HOP. */
function nextHopInReach({ nextHop, linkLocalNextHop }: PathAttributes): Uint8Array {
  if (nextHop === undefined || !nextHop.includes(':')) return new Uint8Array(0)
  const second = linkLocalNextHop === undefined ? [] : addressBytes(linkLocalNextHop)
  return Uint8Array.of(...addressBytes(nextHop), ...second)
}

function openIn(body: Uint8Array): Open {
  const open = decodeOpen(body)
  if ('remedy' in open) throw new Error(open.why)
  return open
}

function refreshIn(body: Uint8Array): Told {
  const family = familyOfAfiSafi(((body[0] ?? 0) << 8) | (body[1] ?? 0), body[3] ?? 0)
  if (family === undefined) throw new Error('a ROUTE-REFRESH names a family')
  return { refresh: family, subtype: body[2] ?? 0 }
}

/** What an UPDATE says to a peer whose session has agreed on this. */
export function toldBy(
  body: Uint8Array,
  { addPath, ...context }: AttributeContext & { addPath: boolean },
): Told[] {
  const update = splitUpdate(body)
  if ('remedy' in update) throw new Error(update.why)
  const decoded = decodeAttributes(update.attributes, context)
  const { attributes, reach, unreach, faults } = decoded
  if (faults.length > 0) throw new Error(faults[0]!.why)
  const empty = update.attributes.length === 0 && body.length === 4
  if (empty) return [{ endOfRib: 'ipv4' }]
  if (unreach !== undefined && unreach.nlri.length === 0) return [{ endOfRib: 'ipv6' }]
  const gone = [...nlriOf(update.withdrawn, 'ipv4', addPath), ...multiprotocol(unreach, addPath)]
  const come = [...nlriOf(update.nlri, 'ipv4', addPath), ...multiprotocol(reach, addPath)]
  return [
    ...gone.map(({ prefix, ...path }) => ({ withdrawn: prefix, ...path })),
    ...come.map(({ prefix, ...path }) => ({ announced: prefix, ...path, attributes })),
  ]
}

interface Named {
  readonly prefix: Prefix
  readonly path?: number
}

function multiprotocol(
  part: { readonly afi: number; readonly safi: number; readonly nlri: Uint8Array } | undefined,
  addPath: boolean,
): Named[] {
  if (part === undefined) return []
  return nlriOf(part.nlri, familyOfAfiSafi(part.afi, part.safi) ?? 'ipv6', addPath)
}

function nlriOf(nlri: Uint8Array, family: Family, addPath: boolean): Named[] {
  if (typeof checkNlri(nlri, family, addPath) !== 'number') throw new Error('NLRI does not parse')
  const view = new DataView(nlri.buffer, nlri.byteOffset, nlri.byteLength)
  const named: Named[] = []
  for (let at = 0; at < nlri.length; ) {
    const path = addPath ? { path: view.getUint32(at) } : {}
    if (addPath) at += 4
    const length = nlri[at]!
    const octets = (length + 7) >> 3
    const bytes = new Uint8Array(family === 'ipv4' ? 4 : 16)
    bytes.set(nlri.subarray(at + 1, at + 1 + octets))
    named.push({ prefix: formatPrefix(bytes, length), ...path })
    at += 1 + octets
  }
  return named
}
