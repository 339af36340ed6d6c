import { Writer } from '../../base/index.ts'
import { type Address, type Family, familyOf, NO_PREFIX, type PrefixId } from '../../net/index.ts'
import {
  ACCEPT_ALL,
  ORIGINATED_ONLY,
  type Policy,
  type Program,
  REJECTED,
  UNCHANGED,
} from '../../policy/index.ts'
import {
  type AttributeSetId,
  type CeilingOf,
  type Exporter,
  FACTS,
  LOCAL_PEER,
  LOCAL_PREF_DEFAULT,
  type NextHopId,
  NO_OUT_SET,
  NONE,
  nextHopOctets,
  type OutSetId,
  PEER_KINDS,
  PEERS_MAX,
  type PeerId,
  type PeerKind,
  RECORD_OCTETS_MAX,
  type SendPaths,
} from '../../rib/index.ts'
import {
  encodeAttributes,
  HEADER_OCTETS,
  PATH_IDENTIFIER_OCTETS,
  type PathAttributes,
  prepended,
} from '../../wire/index.ts'
import type { Tables } from '../tables.ts'
import type { PeerConfig } from '../types.ts'
import { outsidePath, type PathRules } from './as-path.ts'
import { Judge } from './judge.ts'
import { comparable, type NextHopChoice, NextHopRule, ThirdParties } from './next-hop.ts'
import { type Rewriting, rewrite } from './rewrite.ts'

/**
 * What is sent to whom, and how it is changed on the way: RFC 4271 §5.1 and §9.1.3, RFC 4456, RFC
 * 1997, RFC 7999, RFC 9234, RFC 9494.
 */

/** What decides the bytes that a peer is sent: peers with equal rules share an update group. */
export interface ExportRules {
  readonly family: Family
  /** the peers are external, internal, or a reflector's clients */
  readonly kind: PeerKind
  readonly routerId: number
  readonly clusterId: number
  readonly fourOctetAs: boolean
  /** octets of a message, header included */
  readonly messageMax: number
  /** prefixes have path identifiers. RFC 7911 §3 */
  readonly addPath: boolean
  /** which paths are sent; absent: the best alone */
  readonly sendPaths?: SendPaths
  /** of one peer, which shares no group then; absent: any number of paths */
  readonly ceiling?: CeilingOf
  readonly nextHop: Omit<NextHopChoice, 'family'>
  /** what becomes of AS_PATH; undefined for internal peers */
  readonly path: PathRules | undefined
  /**
   * RFC 9234 §5: the AS that says "only to customers" where nobody has said it yet, and whether
   * what is said so is not sent at all. Departs from RFC 4271 §5: what is attached on the way has
   * no Partial bit, as in every other router
   */
  readonly onlyToCustomer: { readonly by: number | undefined; readonly stops: boolean }
  /** the peers know what LLGR_STALE means. RFC 9494 §4.3 */
  readonly takesStale: boolean
  readonly program: Program
}

/** The policy that a peer's configuration names, or is. */
export function exportPolicy({ export: policy }: PeerConfig): Policy {
  if (policy === 'all') return ACCEPT_ALL
  return policy === 'originated' ? ORIGINATED_ONLY : policy
}

/** Rules as text: equal texts, equal bytes. */
export function rulesText({ program, nextHop, ...rules }: ExportRules): string {
  return `${JSON.stringify([...Object.entries(rules), comparable(nextHop)])}\n${program.text}`
}

/** What a rule could not send, for the operator. */
export interface ExportListener {
  /** `row` is the first of the routes that have these attributes */
  doesNotFit(row: PrefixId, source: PeerId): void
  nextHopMissing(source: PeerId): void
  /** there is no room for attributes that are sent */
  tableFull(source: PeerId): void
}

/** What an exporter asks and tells those who have it. */
export interface ExportSurroundings extends ExportListener {
  /** the peer that has an address, its session up or not */
  peerAt(address: Address): PeerId | undefined
}

/** Octets of an UPDATE beside attributes and NLRI: header, two lengths. */
const UPDATE_OCTETS = HEADER_OCTETS + 4

/**
 * Octets of MP_REACH_NLRI beside next hop and NLRI: header 4, AFI, SAFI, next hop's length,
 * reserved.
 */
const REACH_OCTETS = 9

/** Octets of the longest prefix with its length. */
const PREFIX_OCTETS: Readonly<Record<Family, number>> = { ipv4: 5, ipv6: 17 }

/**
 * Applies one set of rules. Outcomes of the program and sources of reflected routes are its forms.
 */
export class RulesExporter implements Exporter {
  readonly #rules: ExportRules
  readonly #tables: Tables
  readonly #surroundings: ExportSurroundings
  readonly #writer: Writer
  readonly #judge: Judge
  readonly #nextHop: NextHopRule
  /** where third-party next hops may stay: what is done where one may not */
  readonly #ownNextHop: NextHopRule
  readonly #thirdParties: ThirdParties | undefined
  /** facts that keep a route from these peers */
  readonly #stops: number
  /** the route that is being exported */
  #row = NO_PREFIX

  constructor(rules: ExportRules, tables: Tables, surroundings: ExportSurroundings) {
    this.#rules = rules
    this.#tables = tables
    this.#surroundings = surroundings
    this.#writer = new Writer(tables.outSets.space, RECORD_OCTETS_MAX)
    const { family, program } = rules
    this.#nextHop = new NextHopRule({ ...rules.nextHop, family })
    this.#ownNextHop = new NextHopRule({ ...rules.nextHop, family, shared: undefined })
    const { shared } = rules.nextHop
    const peerAt = (address: Address): PeerId | undefined => surroundings.peerAt(address)
    this.#thirdParties = shared && new ThirdParties(shared.subnet, peerAt)
    this.#stops = stops(rules)
    this.#judge = new Judge(program, family, tables)
  }

  /** What decides what is sent. */
  get program(): Program {
    return this.#rules.program
  }

  form(row: PrefixId, set: AttributeSetId, source: PeerId): number {
    this.#row = row
    const { peers, sets } = this.#tables
    const from = peers.kind[source]!
    if (!this.#mayPass(from, sets.facts[set]!)) return -1
    const outcome = this.#judge.outcome(row, set, source === LOCAL_PEER)
    if (outcome === REJECTED) return -1
    return outcome * PEERS_MAX + (this.#reflects(from) ? source : this.#isThroughPeer(set, source))
  }

  /** False where a peer at `address` would be told that it is the next hop. RFC 4271 §5.1.3 */
  mayTell(address: Address): boolean {
    return this.#thirdParties?.mayTell(address) ?? true
  }

  make(set: AttributeSetId, source: PeerId, form: number): OutSetId {
    const outcome = Math.floor(form / PEERS_MAX)
    const plain = source !== LOCAL_PEER && outcome === UNCHANGED && this.#rules.fourOctetAs
    return (
      (plain ? this.#makeFromOctets(set, source, form) : undefined) ??
      this.#makeDecoded(set, source, form)
    )
  }

  /** 1 where the next hop of a path is a peer that it is not from: a form of its own. */
  #isThroughPeer(set: AttributeSetId, source: PeerId): number {
    const { nextHops, peers, sets } = this.#tables
    const hop = sets.nextHop[set] as NextHopId
    if (this.#thirdParties === undefined || hop === NONE) return 0
    const from = peers.owner[source] as PeerId
    return this.#thirdParties.isAnother(nextHops.address(hop), from) ? 1 : 0
  }

  /** The rule for one form of a set. Remembers which third-party next hops it lets stay. */
  #ruleFor(set: AttributeSetId, form: number): NextHopRule {
    const parties = this.#thirdParties
    const { nextHops, sets } = this.#tables
    const hop = sets.nextHop[set] as NextHopId
    if (parties === undefined || hop === NONE) return this.#nextHop
    const address = nextHops.address(hop)
    if (!parties.contains(address)) return this.#nextHop
    const stays = form % PEERS_MAX === 0 && parties.passOn(address)
    return stays ? this.#nextHop : this.#ownNextHop
  }

  /** The rules on octets; undefined where they must be applied to decoded attributes. */
  #makeFromOctets(set: AttributeSetId, source: PeerId, form: number): OutSetId | undefined {
    const { sets, peers } = this.#tables
    const { clusterId, path, onlyToCustomer } = this.#rules
    const record = sets.record(set)
    const inReach = record[0]!
    const rule = this.#ruleFor(set, form)
    const writer = this.#writer
    writer.reset()
    if (inReach === 0) {
      if (!rule.staysClassic) return undefined
      writer.u8(0)
    } else {
      // the global address alone: a link-local one means nothing elsewhere
      const hop = rule.stays(record, 1, 16) ? record.subarray(1, 17) : rule.own
      if (hop?.length !== 16) return undefined
      writer.u8(hop.length)
      writer.put(hop)
    }
    const reflected = this.#reflects(peers.kind[source]!)
    const rewriting: Rewriting = {
      path,
      nextHop: inReach === 0 ? rule : undefined,
      originatorId: reflected ? peers.routerId[source]! : undefined,
      clusterId: reflected ? clusterId : undefined,
      onlyToCustomer: onlyToCustomer.by,
    }
    return rewrite(record, 1 + inReach, rewriting, writer) ? this.#intern(source) : undefined
  }

  /** The rules, and what the policy says, on decoded attributes. */
  #makeDecoded(set: AttributeSetId, source: PeerId, form: number): OutSetId {
    const outcome = Math.floor(form / PEERS_MAX)
    const { sets } = this.#tables
    const learned = source !== LOCAL_PEER
    const received = sets.attributes(set)
    const nextHop = this.#ruleFor(set, form).choose(received, learned)
    if (nextHop === undefined) {
      this.#surroundings.nextHopMissing(source)
      return NO_OUT_SET
    }
    const { path, program } = this.#rules
    const left =
      path === undefined
        ? received
        : withoutMed({ ...received, asPath: outsidePath(received.asPath ?? [], path) })
    const judged = outcome === UNCHANGED ? left : program.apply(outcome, left)
    const sent =
      path === undefined ? this.#toInternal(judged, source) : this.#toExternal(judged, path)
    this.#encode({ ...sent, nextHop })
    return this.#intern(source)
  }

  /**
   * RFC 4271 §9.2: nothing from internal peers to internal ones; RFC 4456 §6; RFC 1997
   * "Well-known"; RFC 9234 §5; RFC 9494 §4.3, whose exception for internal peers
   * (§4.6) is optional, and left out.
   */
  #mayPass(from: number, facts: number): boolean {
    if ((facts & this.#stops) !== 0) return false
    return (
      from !== PEER_KINDS.INTERNAL ||
      this.#rules.kind === PEER_KINDS.EXTERNAL ||
      this.#rules.kind === PEER_KINDS.CLIENT
    )
  }

  #reflects(from: number): boolean {
    const internal = from === PEER_KINDS.INTERNAL || from === PEER_KINDS.CLIENT
    return internal && this.#rules.kind !== PEER_KINDS.EXTERNAL
  }

  /** RFC 4271 §5.1.2, §5.1.5; RFC 4456 §8: what is internal stays inside. */
  #toExternal(attributes: PathAttributes, path: PathRules): PathAttributes {
    const {
      localPref: _localPref,
      originatorId: _originatorId,
      clusterList: _clusterList,
      linkLocalNextHop: _linkLocal,
      ...rest
    } = attributes
    const { by } = this.#rules.onlyToCustomer
    return {
      ...(by !== undefined && { onlyToCustomer: by }),
      ...rest,
      asPath: prepended(attributes.asPath ?? [], path.front),
    }
  }

  /** RFC 4271 §5.1.5; RFC 4456 §8 for what is reflected. */
  #toInternal(attributes: PathAttributes, source: PeerId): PathAttributes {
    const { linkLocalNextHop: _linkLocal, ...rest } = attributes
    const localPref = attributes.localPref ?? LOCAL_PREF_DEFAULT
    const { peers } = this.#tables
    if (!this.#reflects(peers.kind[source]!)) return { ...rest, localPref }
    const originatorId = attributes.originatorId ?? peers.routerId[source]!
    const clusterList = [this.#rules.clusterId, ...(attributes.clusterList ?? [])]
    return { ...rest, localPref, originatorId, clusterList }
  }

  #encode(attributes: PathAttributes & { nextHop: Address }): void {
    const { fourOctetAs } = this.#rules
    const writer = this.#writer
    writer.reset()
    const inReach =
      familyOf(attributes.nextHop) === 'ipv6' ? nextHopOctets(attributes.nextHop) : NOTHING
    writer.u8(inReach.length)
    writer.put(inReach)
    encodeAttributes(attributes, { fourOctetAs }, writer)
  }

  /** Interns what was written, if it leaves room for the longest prefix. */
  #intern(source: PeerId): OutSetId {
    const { family, messageMax, addPath } = this.#rules
    const writer = this.#writer
    const identifier = addPath ? PATH_IDENTIFIER_OCTETS : 0
    const reach = writer.buffer[0] === 0 ? 0 : REACH_OCTETS
    const prefix = identifier + PREFIX_OCTETS[family]
    const octets = UPDATE_OCTETS + reach + writer.length - 1 + prefix
    if (writer.overflow || octets > messageMax) {
      this.#surroundings.doesNotFit(this.#row, source)
      return NO_OUT_SET
    }
    const set = this.#tables.outSets.add(writer.buffer, 0, writer.length) as OutSetId
    if (set === NO_OUT_SET) this.#surroundings.tableFull(source)
    return set
  }
}

const NOTHING = new Uint8Array(0)

/** RFC 4271 §5.1.4: a MED that was received "MUST NOT be propagated to other neighboring ASes". */
function withoutMed(attributes: PathAttributes): PathAttributes {
  const { med: _med, ...rest } = attributes
  return rest
}

/** Facts that keep a route from peers with these rules. */
function stops({ kind, onlyToCustomer, takesStale }: ExportRules): number {
  const outside = FACTS.NO_EXPORT | FACTS.NO_EXPORT_SUBCONFED
  return (
    FACTS.NO_ADVERTISE |
    (kind === PEER_KINDS.EXTERNAL ? outside : 0) |
    (onlyToCustomer.stops ? FACTS.HAS_OTC : 0) |
    (takesStale ? 0 : FACTS.LLGR_STALE)
  )
}
