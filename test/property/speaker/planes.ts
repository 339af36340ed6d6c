import { Prng } from '../../../src/core/base/index.ts'
import {
  type Address,
  address,
  type Family,
  type Prefix,
  type PrefixId,
  prefix,
  prefixParts,
} from '../../../src/core/net/index.ts'
import { ACCEPT_ALL, Programs } from '../../../src/core/policy/index.ts'
import {
  type AttributeSetId,
  NO_SET,
  PEER_KINDS,
  type PeerId,
  type SendPaths,
} from '../../../src/core/rib/index.ts'
import { Exports } from '../../../src/core/speaker/export/groups.ts'
import type { ExportRules } from '../../../src/core/speaker/export/rules.ts'
import { Tables } from '../../../src/core/speaker/tables.ts'
import {
  encodeRouteRefresh,
  FAMILY_SPECS,
  HEADER_OCTETS,
  MESSAGE_TYPES,
} from '../../../src/core/wire/index.ts'
import { type SlowPath, slowDecision, slowPaths } from '../../../src/sim/index.ts'
import { messagesIn, type Told, toldBy } from '../../unit/speaker/bench.ts'

/**
 * Tables and update groups without sessions, members that remember what they were told, and a naive model of what
 * they should have been.
 */

const NO_EXPORT = 0xffffff01
const OWN = { ipv4: address('192.0.2.254'), ipv6: address('2001:db8::fe') } as const
/** the one that all senders name in a `TIE` */
const SHARED = { ipv4: address('192.0.2.99'), ipv6: address('2001:db8::99') } as const

/** Which attributes a path has, by its number; paths of `TIE` differ in their source alone. */
export const VARIANTS = 6
const TIE = 4
const NOT_EXPORTED = 5

/** Which paths a member takes; without path identifiers, the best alone. */
export interface Mode {
  readonly addPath: boolean
  readonly sendPaths?: SendPaths
}

const programs = new Programs()

function rulesOf(family: Family, messageMax: number, mode: Mode): ExportRules {
  return {
    family,
    kind: PEER_KINDS.EXTERNAL,
    routerId: 1,
    clusterId: 1,
    fourOctetAs: true,
    messageMax,
    ...mode,
    nextHop: { keeps: false, own: OWN[family], extended: false, shared: undefined },
    path: { front: [65000], own: 65000 },
    onlyToCustomer: { by: undefined, stops: false },
    takesStale: true,
    program: programs.compile(ACCEPT_ALL),
  }
}

/** What all paths of `TIE` are known by. */
export const TIED = 1

/** What a path is known by: a community that stays on it. */
const known = (peer: number, identifier: number, variant: number): number =>
  variant === TIE ? TIED : 100_000 + 1000 * peer + 10 * identifier + variant

/** A receiver: what it holds, as the messages that it got say. */
export class Receiver {
  readonly peer: PeerId
  mode: Mode
  readonly #family: Family
  readonly #messageMax: number
  /** by prefix and path identifier: what the path is known by */
  held = new Map<string, number>()
  /** what it holds of an earlier life, while all is said again between marks */
  #stale: Set<string> | undefined
  endOfRibs = 0
  readonly marks: number[] = []
  /** a refresh with marks was asked for */
  asked = false
  messages: Uint8Array[] = []
  /** in order; by whoever wants to know */
  told: Told[] = []
  congested = false
  readonly wrong: string[] = []

  constructor(peer: PeerId, family: Family, mode: Mode, messageMax: number) {
    this.peer = peer
    this.mode = mode
    this.#family = family
    this.#messageMax = messageMax
  }

  /** Takes whole messages, one behind the other. */
  send(messages: Uint8Array): void {
    if (this.congested) this.wrong.push('a full socket is sent something')
    for (const message of messagesIn(messages)) this.#take(message)
  }

  #take(message: Uint8Array): void {
    if (message.length > this.#messageMax) this.wrong.push(`${message.length} octets`)
    this.messages.push(message)
    const body = message.subarray(HEADER_OCTETS)
    if (message[18] === MESSAGE_TYPES.ROUTE_REFRESH) {
      this.#mark(body[2] ?? 0)
      return
    }
    const { addPath } = this.mode
    for (const each of toldBy(body, { ebgp: true, fourOctetAs: true, addPath })) this.#hear(each)
  }

  /** What the paths that it holds are known by: for each prefix, in the order of numbers. */
  byPrefix(): Map<string, number[]> {
    const paths = new Map<string, number[]>()
    for (const [key, value] of [...this.held].sort()) {
      const [prefix = ''] = key.split(' ')
      paths.set(prefix, [...(paths.get(prefix) ?? []), value].sort())
    }
    return paths
  }

  /** What it asks for again it has lost. */
  lose(): void {
    this.held.clear()
  }

  #hear(each: Told): void {
    this.told.push(each)
    if ('refresh' in each) return
    if ('endOfRib' in each) {
      if (each.endOfRib !== this.#family) this.wrong.push('End-of-RIB of another family')
      this.endOfRibs++
      return
    }
    const { path = 0 } = each
    if (path > 0 !== this.mode.addPath) this.wrong.push('an identifier too many or too few')
    const named = 'announced' in each ? each.announced : each.withdrawn
    const key = `${named} ${path}`
    this.#stale?.delete(key)
    if ('withdrawn' in each) this.held.delete(key)
    else this.held.set(key, each.attributes.communities?.[0] ?? 0)
  }

  /** RFC 7313 §4 */
  #mark(subtype: number): void {
    this.marks.push(subtype)
    if (this.endOfRibs === 0) this.wrong.push('a refresh begins before End-of-RIB')
    if (subtype === 1) this.#stale = new Set(this.held.keys())
    else for (const key of this.#stale ?? []) this.held.delete(key)
  }
}

/** Tables, groups, senders and receivers of one family. */
export class Stage {
  readonly family: Family
  readonly messageMax: number
  readonly tables = new Tables(new Prng(7))
  readonly exports: Exports
  readonly receivers = new Map<PeerId, Receiver>()
  readonly senders: readonly PeerId[]
  /** nobody sends as these do */
  readonly listeners: readonly PeerId[]
  #held = false

  constructor(family: Family, messageMax: number) {
    this.family = family
    this.messageMax = messageMax
    this.exports = new Exports(family, this.tables)
    const peers = Array.from({ length: 6 }, (_, at) => this.#peer(at + 1))
    this.senders = peers.slice(0, 3)
    this.listeners = peers.slice(3)
    this.locRib.multipath.max = 4
  }

  get locRib() {
    return this.tables.locRibs[this.family]
  }

  #peer(rank: number): PeerId {
    const { peers } = this.tables
    const peer = peers.take()
    if (peer === undefined) throw new Error('there is room for a few peers')
    peers.describe(peer, PEER_KINDS.EXTERNAL, rank)
    peers.order(peer, rank)
    this.locRib.adjRibIn(peer).live = true
    return peer
  }

  prefix(at: number): Prefix {
    return prefix(this.family === 'ipv4' ? `10.0.${at}.0/24` : `2001:db8:${at}::/48`)
  }

  /** A sender's path of a prefix; no variant: it is withdrawn. */
  put(sender: number, identifier: number, at: number, variant: number | undefined): void {
    const peer = this.senders[sender % this.senders.length]!
    const { bytes, length } = prefixParts(this.prefix(at))
    const set = variant === undefined ? NO_SET : this.#set(peer, identifier, variant)
    const row =
      set === NO_SET
        ? this.locRib.prefixes.find(bytes, 0, length)
        : this.locRib.add(bytes, 0, length)
    if (row >= 0) this.locRib.putIdentified(peer, row as PrefixId, identifier, set)
    if (set !== NO_SET) this.tables.sets.release(set)
  }

  /** The first sender announces so many prefixes. */
  fill(count: number): void {
    for (let at = 0; at < count; at++) this.put(0, 1, at, 0)
  }

  /** Every sender withdraws all that it may have announced. */
  clear(prefixes: number, identifiers: number): void {
    for (let at = 0; at < prefixes; at++)
      for (let identifier = 1; identifier <= identifiers; identifier++)
        for (const sender of this.senders.keys()) this.put(sender, identifier, at, undefined)
    this.settle()
  }

  #set(peer: PeerId, identifier: number, variant: number): AttributeSetId {
    const asn = variant === TIE ? 65100 : 65100 + (variant % 2)
    const own: Address = address(this.family === 'ipv4' ? `192.0.2.${peer}` : `2001:db8::${peer}`)
    return this.tables.sets.intern({
      origin: 0,
      asPath: [{ type: 'sequence', asns: variant === 3 ? [asn, 1, 2] : [asn, 1] }],
      nextHop: variant === TIE ? SHARED[this.family] : own,
      ...(variant < 3 && { med: variant }),
      communities: [
        known(peer, identifier, variant),
        ...(variant === NOT_EXPORTED ? [NO_EXPORT] : []),
      ],
    })
  }

  join(peer: PeerId, mode: Mode): void {
    if (this.receivers.has(peer)) return
    const receiver = new Receiver(peer, this.family, mode, this.messageMax)
    this.receivers.set(peer, receiver)
    const listener = {
      doesNotFit: () => receiver.wrong.push('something does not fit'),
      nextHopMissing: () => receiver.wrong.push('a next hop is missing'),
      tableFull: () => receiver.wrong.push('a table is full'),
    }
    this.exports.join(receiver, rulesOf(this.family, this.messageMax, mode), listener)
  }

  leave(peer: PeerId): void {
    this.receivers.delete(peer)
    this.exports.leave(peer)
  }

  /** What was agreed on stays; which paths are sent changes. */
  move(peer: PeerId, { sendPaths }: Mode): void {
    const receiver = this.receivers.get(peer)
    if (receiver === undefined || !receiver.mode.addPath) return
    receiver.mode = { addPath: true, ...(sendPaths && { sendPaths }) }
    this.exports.move(peer, rulesOf(this.family, this.messageMax, receiver.mode))
  }

  congest(peer: PeerId, congested: boolean): void {
    const receiver = this.receivers.get(peer)
    if (receiver === undefined) return
    receiver.congested = congested
    this.exports.congest(peer, congested)
  }

  refresh(peer: PeerId, marked: boolean): void {
    const receiver = this.receivers.get(peer)
    if (receiver === undefined) return
    if (!marked) {
      receiver.lose()
      this.exports.refresh(peer)
      return
    }
    receiver.asked = true
    const mark = (subtype: number): Uint8Array =>
      encodeRouteRefresh({ type: 'ROUTE-REFRESH', ...FAMILY_SPECS[this.family], subtype })
    this.exports.refresh(peer, { begins: mark(1), ends: mark(2) })
  }

  /** While `held`, nobody is told that all was said. */
  holdEndOfRib(held: boolean): void {
    this.#held = held
  }

  /** One slice. True when more waits. */
  work(budget: number): boolean {
    const { locRib, exports } = this
    const decided = locRib.decideDirty(budget)
    exports.consider(decided)
    locRib.dropAll(decided)
    exports.flush()
    exports.holdEndOfRib(this.#held)
    return exports.work(budget) || locRib.dirty > 0
  }

  /** Everybody reads, and all is said. */
  settle(): void {
    this.#held = false
    for (const peer of this.receivers.keys()) this.congest(peer, false)
    for (let slices = 0; this.work(1000); slices++)
      if (slices > 10_000) throw new Error('the groups never come to rest')
  }

  /** The paths that a member is to hold: for each prefix, what they are known by. */
  selected({ peer, mode }: Receiver): Map<string, number[]> {
    const { prefixes } = this.locRib
    const paths: [string, number[]][] = []
    for (let at = 0; at < prefixes.rows; at++) {
      if (!prefixes.has(at)) continue
      const row = at as PrefixId
      const chosen = this.#chosen(row, mode)
        .filter(path => this.tables.peers.owner[path.peer] !== peer)
        .map(path => this.#communities(path)[0]!)
      if (chosen.length > 0) paths.push([prefixes.text(row), chosen.sort()])
    }
    return new Map(paths.sort())
  }

  #chosen(row: PrefixId, { sendPaths }: Mode): SlowPath[] {
    const left = slowPaths(this.tables, this.locRib, row)
    const order: SlowPath[] = []
    for (let best = slowDecision(left); best !== undefined; best = slowDecision(left)) {
      order.push(best)
      left.splice(left.indexOf(best), 1)
    }
    const sent = (path: SlowPath): boolean => !this.#communities(path).includes(NO_EXPORT)
    if (sendPaths === undefined) return order.slice(0, 1).filter(sent)
    const { which, most } = sendPaths
    const wanted =
      which === 'multipath' ? order.filter(path => this.#isBeside(row, order[0]!, path)) : order
    return wanted.filter(sent).slice(0, most)
  }

  #isBeside(row: PrefixId, best: SlowPath, path: SlowPath): boolean {
    const candidates = this.locRib.candidates(row)
    const sources = candidates.peers.slice(0, candidates.count)
    return this.locRib.multipath.allows(
      candidates,
      sources.indexOf(best.peer),
      sources.indexOf(path.peer),
    )
  }

  #communities({ set }: SlowPath): readonly number[] {
    return this.tables.sets.attributes(set).communities ?? []
  }
}
