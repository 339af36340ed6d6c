import { Writer } from '../../base/index.ts'
import { type Address, type Family, familyOf, NO_PREFIX, type PrefixId } from '../../net/index.ts'
import {
  ACCEPT_ALL,
  ORIGINATED_ONLY,
  type Policy,
  type Program,
  REJECTED,
  type RouteView,
  UNCHANGED,
} from '../../policy/index.ts'
import {
  type AttributeSetId,
  type Exporter,
  FACTS,
  LOCAL_PEER,
  LOCAL_PREF_DEFAULT,
  NO_OUT_SET,
  nextHopOctets,
  type OutSetId,
  PEER_KINDS,
  PEERS_MAX,
  type PeerId,
  type PeerKind,
  RECORD_OCTETS_MAX,
} from '../../rib/index.ts'
import {
  type AsPathSegment,
  encodeAttributes,
  HEADER_OCTETS,
  type PathAttributes,
} from '../../wire/index.ts'
import type { Tables } from '../tables.ts'
import type { PeerConfig } from '../types.ts'
import { type Rewriting, rewrite } from './rewrite.ts'

/**
 * What is sent to whom, and how it is changed on the way: RFC 4271 §5.1 and §9.1.3, RFC 4456, RFC
 * 1997.
 */

/** What decides the bytes that a peer is sent: peers with equal rules share an update group. */
export interface ExportRules {
  readonly family: Family
  /** the peers are external, internal, or a reflector's clients */
  readonly kind: PeerKind
  readonly localAs: number
  readonly routerId: number
  readonly clusterId: number
  readonly fourOctetAs: boolean
  readonly messageMax: number
  readonly nextHop: 'auto' | 'self' | 'keep'
  /** our own next hop; undefined where we have none of that family */
  readonly ownNextHop: Address | undefined
  readonly program: Program
}

/** The policy that a peer's configuration names. */
export const exportPolicy = (config: PeerConfig): Policy =>
  config.export === 'all' ? ACCEPT_ALL : ORIGINATED_ONLY

/** Rules as text: equal texts, equal bytes. */
export function rulesText({ program, ...rules }: ExportRules): string {
  return `${JSON.stringify(Object.entries(rules))}\n${program.text}`
}

/** What a rule could not send, for the operator. */
export interface ExportListener {
  /** `row` is the first of the routes that have these attributes */
  doesNotFit(row: PrefixId, source: PeerId): void
  nextHopMissing(source: PeerId): void
}

/** Attributes of what this node originates. RFC 4271 §5.1.1, §5.1.2 */
const ORIGINATED: PathAttributes = { origin: 0, asPath: [] }

/** Octets of an UPDATE beside attributes and NLRI: header, two lengths. */
const UPDATE_OCTETS = HEADER_OCTETS + 4

/**
 * Octets of MP_REACH_NLRI beside next hop and NLRI: header 4, AFI, SAFI, next hop's length,
 * reserved.
 */
const REACH_OCTETS = 9

/** Octets of the longest prefix with its length. */
const PREFIX_OCTETS: Readonly<Record<Family, number>> = { ipv4: 5, ipv6: 17 }

/** AS numbers that one segment can hold. RFC 4271 §4.3 */
const SEGMENT_MAX = 255

/**
 * Applies one set of rules. Outcomes of the program and sources of reflected routes are its forms.
 */
export class RulesExporter implements Exporter {
  readonly #rules: ExportRules
  readonly #tables: Tables
  readonly #listener: ExportListener
  readonly #writer = new Writer(RECORD_OCTETS_MAX)
  readonly #view: RouteView
  readonly #ownNextHop: Uint8Array | undefined
  /** the route that is being exported */
  #row = NO_PREFIX
  /** outcome of what is learned and of what is originated, where no term looks at the prefix */
  readonly #outcomes: readonly [number, number] | undefined

  constructor(rules: ExportRules, tables: Tables, listener: ExportListener) {
    this.#rules = rules
    this.#tables = tables
    this.#listener = listener
    this.#ownNextHop = rules.ownNextHop && nextHopOctets(rules.ownNextHop)
    const { family, program } = rules
    this.#view = { originated: false, family, bytes: new Uint8Array(16), length: 0 }
    if (!program.looksAtPrefix)
      this.#outcomes = [
        program.run({ ...this.#view, originated: false }),
        program.run({ ...this.#view, originated: true }),
      ]
  }

  form(row: PrefixId, set: AttributeSetId, source: PeerId): number {
    this.#row = row
    const { peers, sets } = this.#tables
    const from = peers.kind[source]!
    if (!this.#mayPass(from, sets.facts[set]!)) return -1
    const outcome = this.#outcome(row, source === LOCAL_PEER)
    if (outcome === REJECTED) return -1
    return outcome * PEERS_MAX + (this.#reflects(from) ? source : 0)
  }

  make(set: AttributeSetId, source: PeerId, form: number): OutSetId {
    const outcome = Math.floor(form / PEERS_MAX)
    const plain = source !== LOCAL_PEER && outcome === UNCHANGED && this.#rules.fourOctetAs
    return (
      (plain ? this.#makeFromOctets(set, source) : undefined) ??
      this.#makeDecoded(set, source, outcome)
    )
  }

  /** The rules on octets; undefined where they must be applied to decoded attributes. */
  #makeFromOctets(set: AttributeSetId, source: PeerId): OutSetId | undefined {
    const { sets, peers } = this.#tables
    const { family, kind, localAs, clusterId } = this.#rules
    const record = sets.record(set)
    const inReach = record[0]!
    const keeps = this.#keepsNextHop()
    const own = this.#ownNextHop
    // a next hop of the other family, or none of ours: let the codec's way say what that means
    if ((inReach === 0) !== (family === 'ipv4') || (!keeps && own === undefined)) return undefined
    const writer = this.#writer
    writer.reset()
    if (family === 'ipv4') writer.u8(0)
    else {
      // the global address alone: a link-local one means nothing elsewhere
      const hop = keeps || own === undefined ? record.subarray(1, 17) : own
      writer.u8(hop.length)
      writer.put(hop)
    }
    const reflected = this.#reflects(peers.kind[source]!)
    const rewriting: Rewriting = {
      prepend: kind === PEER_KINDS.EXTERNAL ? localAs : undefined,
      nextHop: family === 'ipv4' && !keeps ? own : undefined,
      originatorId: reflected ? peers.routerId[source]! : undefined,
      clusterId: reflected ? clusterId : undefined,
    }
    return rewrite(record, 1 + inReach, rewriting, writer) ? this.#intern(source) : undefined
  }

  /** The rules, and what the policy says, on decoded attributes. */
  #makeDecoded(set: AttributeSetId, source: PeerId, outcome: number): OutSetId {
    const learned = source !== LOCAL_PEER
    const received = learned ? this.#tables.sets.attributes(set) : ORIGINATED
    const external = this.#rules.kind === PEER_KINDS.EXTERNAL
    const kept = external && learned ? withoutMed(received) : received
    const judged = outcome === UNCHANGED ? kept : this.#rules.program.apply(outcome, kept)
    const nextHop = this.#nextHop(received, learned)
    if (nextHop === undefined) {
      this.#listener.nextHopMissing(source)
      return NO_OUT_SET
    }
    const rewritten = external ? this.#toExternal(judged) : this.#toInternal(judged, source)
    this.#encode({ ...rewritten, nextHop })
    return this.#intern(source)
  }

  /**
   * RFC 4271 §9.2: nothing from internal peers to internal ones; RFC 4456 §6; RFC 1997
   * "Well-known".
   */
  #mayPass(from: number, facts: number): boolean {
    if ((facts & FACTS.NO_ADVERTISE) !== 0) return false
    if (this.#rules.kind === PEER_KINDS.EXTERNAL)
      return (facts & (FACTS.NO_EXPORT | FACTS.NO_EXPORT_SUBCONFED)) === 0
    return from !== PEER_KINDS.INTERNAL || this.#rules.kind === PEER_KINDS.CLIENT
  }

  #reflects(from: number): boolean {
    const internal = from === PEER_KINDS.INTERNAL || from === PEER_KINDS.CLIENT
    return internal && this.#rules.kind !== PEER_KINDS.EXTERNAL
  }

  #outcome(row: PrefixId, originated: boolean): number {
    if (this.#outcomes !== undefined) return this.#outcomes[originated ? 1 : 0]
    const { prefixes } = this.#tables.locRibs[this.#rules.family]
    const view = this.#view
    view.originated = originated
    view.length = prefixes.length(row)
    prefixes.write(row, view.bytes, 0)
    return this.#rules.program.run(view)
  }

  /** RFC 4271 §5.1.3. Departs from it: third-party next hops only where `keep` asks for them. */
  #nextHop({ nextHop }: PathAttributes, learned: boolean): Address | undefined {
    const { family, ownNextHop } = this.#rules
    const known = nextHop !== undefined && familyOf(nextHop) === family
    return learned && known && this.#keepsNextHop() ? nextHop : ownNextHop
  }

  #keepsNextHop(): boolean {
    const { kind, nextHop: rule } = this.#rules
    return rule === 'keep' || (rule === 'auto' && kind !== PEER_KINDS.EXTERNAL)
  }

  /** RFC 4271 §5.1.2, §5.1.5; RFC 4456 §8: what is internal stays inside. */
  #toExternal(attributes: PathAttributes): PathAttributes {
    const {
      localPref: _localPref,
      originatorId: _originatorId,
      clusterList: _clusterList,
      linkLocalNextHop: _linkLocal,
      ...rest
    } = attributes
    return { ...rest, asPath: prepended(attributes.asPath ?? [], this.#rules.localAs) }
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
    const { family, fourOctetAs } = this.#rules
    const writer = this.#writer
    writer.reset()
    const inReach = family === 'ipv6' ? nextHopOctets(attributes.nextHop) : NOTHING
    writer.u8(inReach.length)
    writer.put(inReach)
    encodeAttributes(attributes, { fourOctetAs }, writer)
  }

  /** Interns what was written, if it leaves room for the longest prefix. */
  #intern(source: PeerId): OutSetId {
    const { family, messageMax } = this.#rules
    const writer = this.#writer
    const reach = family === 'ipv6' ? REACH_OCTETS : 0
    const octets = UPDATE_OCTETS + reach + writer.length - 1 + PREFIX_OCTETS[family]
    if (writer.overflow || octets > messageMax) {
      this.#listener.doesNotFit(this.#row, source)
      return NO_OUT_SET
    }
    return this.#tables.outSets.add(writer.buffer, 0, writer.length) as OutSetId
  }
}

const NOTHING = new Uint8Array(0)

/** RFC 4271 §5.1.4: a MED that was received "MUST NOT be propagated to other neighboring ASes". */
function withoutMed(attributes: PathAttributes): PathAttributes {
  const { med: _med, ...rest } = attributes
  return rest
}

/**
 * RFC 4271 §5.1.2 (b): our number first, in a sequence. RFC 5065 §4: confederation segments stay
 * inside.
 */
function prepended(path: readonly AsPathSegment[], asn: number): readonly AsPathSegment[] {
  const outside = path.filter(({ type }) => type === 'set' || type === 'sequence')
  const [first, ...rest] = outside
  if (first?.type === 'sequence' && first.asns.length < SEGMENT_MAX)
    return [{ type: 'sequence', asns: [asn, ...first.asns] }, ...rest]
  return [{ type: 'sequence', asns: [asn] }, ...outside]
}
