import type { Address, Family } from '../../net/index.ts'
import type { Program } from '../../policy/index.ts'
import {
  type AttributeSetId,
  type Decided,
  type Member,
  type PeerId,
  type RefreshMarks,
  type Stream,
  UpdateGroup,
} from '../../rib/index.ts'
import type { Tables } from '../tables.ts'
import { type ExportListener, type ExportRules, RulesExporter, rulesText } from './rules.ts'

/**
 * The update groups of one family: who is in which, and whose turn it is.
 */

/** Fewest rows that a member is given in its turn, so that turns are worth taking. */
const TURN_ROWS_MIN = 64

/** A member of some group, and where it is going. */
interface Place {
  readonly member: Member
  readonly listener: ExportListener
  group: UpdateGroup
  /** its rules have changed: it goes there once that group is filled */
  next: UpdateGroup | undefined
}

/** The groups of both families. */
export const exportsOf = (
  tables: Tables,
  peerAt: (address: Address) => PeerId | undefined,
): Readonly<Record<Family, Exports>> => ({
  ipv4: new Exports('ipv4', tables, peerAt),
  ipv6: new Exports('ipv6', tables, peerAt),
})

/** All groups of one family. */
export class Exports {
  readonly #family: Family
  readonly #tables: Tables
  readonly #peerAt: (address: Address) => PeerId | undefined
  readonly #byRules = new Map<string, UpdateGroup>()
  readonly #exporters = new WeakMap<UpdateGroup, RulesExporter>()
  readonly #places = new Map<PeerId, Place>()
  readonly #moving = new Set<Place>()
  /** groups that the last member has left */
  readonly #ended = new Set<UpdateGroup>()
  #endOfRibHeld = false
  /** whose turn is next when the budget ends before the members do */
  #turn = 0

  /** @param peerAt  the peer that has an address, its session up or not */
  constructor(
    family: Family,
    tables: Tables,
    peerAt: (address: Address) => PeerId | undefined = () => undefined,
  ) {
    this.#family = family
    this.#tables = tables
    this.#peerAt = peerAt
    tables.onFreed(set => this.#forget(set))
  }

  /** How many groups there are. */
  get groups(): number {
    return this.#byRules.size
  }

  /** Bytes of the groups' columns. */
  get bytes(): number {
    return [...this.#byRules.values()].reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** A peer whose session is up is sent the table. */
  join(member: Member, rules: ExportRules, listener: ExportListener): void {
    const group = this.#groupFor(rules)
    group.join(member)
    this.#places.set(member.peer, { member, listener, group, next: undefined })
  }

  /** The rules of a member have changed: it is sent the difference. */
  move(peer: PeerId, rules: ExportRules): void {
    const place = this.#places.get(peer)
    if (place === undefined) return
    const group = this.#groupFor(rules)
    place.next = group === place.group ? undefined : group
    if (place.next === undefined) this.#moving.delete(place)
    else this.#moving.add(place)
    this.#endUnused()
  }

  /** The session of a member is down. */
  leave(peer: PeerId): void {
    const place = this.#places.get(peer)
    if (place === undefined) return
    place.group.leave(peer)
    this.#places.delete(peer)
    this.#moving.delete(place)
    this.#endUnused()
  }

  /** The member's socket is full, or has room again. */
  congest(peer: PeerId, congested: boolean): void {
    const stream = this.#stream(peer)
    if (stream !== undefined) stream.congested = congested
  }

  /** While `held`, nobody is told that all has been said. RFC 4724 §4.1 */
  holdEndOfRib(held: boolean): void {
    this.#endOfRibHeld = held
    for (const group of this.#byRules.values()) group.endOfRibHeld = held
  }

  /** The member asked for everything again. RFC 2918 §4; with marks around it: RFC 7313 §4 */
  refresh(peer: PeerId, marks?: RefreshMarks): void {
    this.#stream(peer)?.refresh(marks)
  }

  /** How many paths a peer is sent, once it has been sent all. */
  advertised(peer: PeerId): number {
    return this.#places.get(peer)?.group.sizeFor(peer) ?? 0
  }

  /** How many prefixes it is not sent because of its limit. */
  leftOut(peer: PeerId): number {
    return this.#places.get(peer)?.group.leftOut ?? 0
  }

  /** The group of a peer: for checks, which compare what it believes with what the peer has. */
  groupOf(peer: PeerId): UpdateGroup | undefined {
    return this.#places.get(peer)?.group
  }

  /** Every group, those that are being emptied included: for checks. */
  get all(): readonly UpdateGroup[] {
    return [...this.#byRules.values(), ...this.#ended]
  }

  /** The programs in use. */
  get programs(): readonly Program[] {
    return this.all.flatMap(group => this.#exporters.get(group)?.program ?? [])
  }

  /** Rows were decided. */
  consider(decided: Decided): void {
    for (const group of this.#byRules.values()) group.considerAll(decided)
  }

  /** Sends what changed since the last call to those who are in step. */
  flush(): void {
    for (const group of this.#byRules.values()) group.flush()
  }

  /**
   * Fills new groups, moves members, catches up with those behind, empties old groups. True: more
   * waits.
   */
  work(budget: number): boolean {
    let more = false
    for (const group of this.#byRules.values()) more = group.fill(budget) || more
    this.#move()
    more = this.#pump(budget) || more
    for (const group of this.#ended)
      if (group.sweep(budget)) more = true
      else this.#ended.delete(group)
    return more || this.#moving.size > 0
  }

  #pump(budget: number): boolean {
    const behind: { group: UpdateGroup; stream: Stream }[] = []
    for (const group of this.#byRules.values())
      for (const stream of group.behind()) behind.push({ group, stream })
    if (behind.length === 0) return false
    let left = budget
    const share = Math.max(TURN_ROWS_MIN, Math.floor(budget / behind.length))
    const start = this.#turn % behind.length
    for (let at = 0; at < behind.length && left > 0; at++) {
      const { group, stream } = behind[(start + at) % behind.length]!
      left -= Math.max(1, group.pump(stream, share))
      this.#turn = start + at + 1
    }
    return behind.some(({ group, stream }) => group.isBehind(stream))
  }

  #move(): void {
    for (const place of this.#moving) {
      const { member, group, next } = place
      const stream = group.stream(member.peer)
      if (next === undefined || stream === undefined || next.filling) continue
      next.adopt(member, stream)
      group.leave(member.peer)
      place.group = next
      place.next = undefined
      this.#moving.delete(place)
    }
    this.#endUnused()
  }

  #stream(peer: PeerId): Stream | undefined {
    return this.#places.get(peer)?.group.stream(peer)
  }

  /** The group of a peer with these rules: one of its own where others were told its address. */
  #groupFor(rules: ExportRules): UpdateGroup {
    const group = this.#groupOf(rules)
    const { shared } = rules.nextHop
    if (shared === undefined || this.#exporters.get(group)?.mayTell(shared.peer) !== false)
      return group
    const nextHop = { ...rules.nextHop, shared: { ...shared, alone: true } }
    return this.#groupOf({ ...rules, nextHop })
  }

  #groupOf(rules: ExportRules): UpdateGroup {
    const text = rulesText(rules)
    const known = this.#byRules.get(text)
    if (known !== undefined) return known
    const tables = {
      locRib: this.#tables.locRibs[this.#family],
      outSets: this.#tables.outSets,
      packer: this.#tables.packer,
    }
    // what a group cannot send concerns each member but the one it came from
    const each = (source: PeerId, tell: (listener: ExportListener) => void): void => {
      for (const place of this.#places.values())
        if (place.member.peer !== source && (place.next ?? place.group) === group)
          tell(place.listener)
    }
    const exporter = new RulesExporter(rules, this.#tables, {
      peerAt: this.#peerAt,
      doesNotFit: (row, source) => each(source, listener => listener.doesNotFit(row, source)),
      nextHopMissing: source => each(source, listener => listener.nextHopMissing(source)),
      tableFull: source => each(source, listener => listener.tableFull(source)),
    })
    const group: UpdateGroup = new UpdateGroup(tables, exporter, rules)
    group.endOfRibHeld = this.#endOfRibHeld
    this.#exporters.set(group, exporter)
    this.#byRules.set(text, group)
    return group
  }

  #endUnused(): void {
    const wanted = new Set<UpdateGroup>()
    for (const { next } of this.#places.values()) if (next !== undefined) wanted.add(next)
    for (const [text, group] of this.#byRules)
      if (group.size === 0 && !wanted.has(group)) {
        this.#byRules.delete(text)
        this.#ended.add(group)
      }
  }

  #forget(set: AttributeSetId): void {
    for (const group of this.#byRules.values()) group.forget(set)
    for (const group of this.#ended) group.forget(set)
  }
}
