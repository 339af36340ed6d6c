import {
  grownInt32,
  grownUint8,
  grownUint16,
  grownUint32,
  Interner,
  invariant,
  Writer,
} from '../base/index.ts'
import { formatAddress, isLinkLocalAt } from '../net/index.ts'
import { decodeAttributes, encodeAttributes, type PathAttributes } from '../wire/index.ts'
import { CONTEXTS, FACTS, Facts, isPlain, LOOPS, readFacts, type Self } from './attribute-facts.ts'
import { type FullTable, fullSets } from './full-table.ts'
import { NEXT_HOPS_MAX, type NextHops, nextHopOctets } from './next-hops.ts'
import { type AttributeSetId, type NextHopId, NO_SET, NONE } from './rows.ts'

/**
 * The sets of attributes that the tables hold, each once.
 */

/**
 * Longest record: a message of RFC 8654 is 65,535 octets, its next hop 32, the link of that 2, its
 * length and context 2.
 */
export const RECORD_OCTETS_MAX = 65_535 + 36

/** Most strings that the table remembers in another form than the canonical one. */
export const ALIASES_MAX = 1 << 18

/** Most octets of those strings. */
export const ALIAS_OCTETS_MAX = 1 << 26

/** What the decision reads, by set. Valid until the next set is added. */
export interface AttributeColumns {
  readonly localPref: Uint32Array
  readonly asPathLength: Uint16Array
  readonly origin: Uint8Array
  readonly med: Uint32Array
  readonly neighbourAs: Uint32Array
  readonly originatorId: Uint32Array
  readonly clusterListLength: Uint16Array
  /** bits of `FACTS` */
  readonly facts: Uint16Array
  /** row of `NextHops`; NONE of what this node originates */
  readonly nextHop: Int32Array
}

/** Of `clean`: the set is none that was received. The contexts have the low bits. */
const ACCEPTED = 0x80

/**
 * What the record of an accepted form ends in. No peer's record does: attributes do not end one
 * octet after they have ended.
 */
const ACCEPTED_MARK = 0xff

/**
 * Attribute sets, interned by their octets; equal sets have equal numbers.
 *
 *   record  | n, 1 octet | next hop, n octets: 0 (it is in NEXT_HOP), 16 or 32; 18 or 34 with the
 *             number of the link that a link-local address is on | attributes, without MP_* |
 *
 *   row     localPref originatorId med neighbourAs nextHop alias   4 bytes each
 *           asPathLength clusterListLength facts                   2 bytes each
 *           origin clean                                           1 byte each
 *
 * 32 bytes a set, 25 in the interner, and its record. The record is canonical: what the codec
 * writes with AS numbers of four octets. `clean` has a bit for each context in which a peer's
 * octets that equal the record are known to mean this set; other forms are aliases, octets with
 * their context, which go with their set. So each distinct string is decoded once, and most, being
 * plain, never.
 *
 * What import rules make of a set is a set too, with a mark behind its record: it is never one
 * that a peer has said, even where the attributes are the same. Loops are looked for in what was
 * said, so an accepted form has none.
 *
 * References are held by Adj-RIB-In rows, Loc-RIB rows, memos of accepted forms (acceptance.ts) and
 * whoever is working with a set; a set goes with the last. Limits: `INTERNER_ROWS_MAX`,
 * `INTERNER_OCTETS_MAX`, `NEXT_HOPS_MAX`, `ALIASES_MAX`, `ALIAS_OCTETS_MAX` (docs/LIMITS.md).
 */
export class AttributeTable implements AttributeColumns {
  localPref = new Uint32Array(0)
  asPathLength = new Uint16Array(0)
  origin = new Uint8Array(0)
  med = new Uint32Array(0)
  neighbourAs = new Uint32Array(0)
  originatorId = new Uint32Array(0)
  clusterListLength = new Uint16Array(0)
  facts = new Uint16Array(0)
  nextHop = new Int32Array(0)
  /** where a record is written before it is looked for; what is done with it may write another */
  readonly draft: Writer
  #clean = new Uint8Array(0)
  /** first alias of a set */
  #alias = new Int32Array(0)
  readonly #sets: Interner
  readonly #aliases: Interner
  /** of an alias: its set, and the next alias of that set */
  #target = new Int32Array(0)
  #nextAlias = new Int32Array(0)
  readonly #nextHops: NextHops
  readonly #freed: (set: AttributeSetId) => void
  readonly #facts = new Facts()
  #self: Self = { asns: [], routerId: 0, clusterId: 0 }

  /** @param freed  called with a set that has just gone; may release others, and nothing else */
  constructor(options: {
    readonly seed: number
    readonly nextHops: NextHops
    readonly freed: (set: AttributeSetId) => void
    /** octets of all records; absent: `INTERNER_OCTETS_MAX` */
    readonly octetsMax?: number | undefined
  }) {
    this.#sets = new Interner(options.seed, options.octetsMax)
    this.draft = new Writer(this.#sets.space, RECORD_OCTETS_MAX)
    this.#aliases = new Interner(~options.seed, ALIAS_OCTETS_MAX)
    this.#nextHops = options.nextHops
    this.#freed = options.freed
  }

  /** How many sets there are. */
  get size(): number {
    return this.#sets.size
  }

  /** Why there was no room for a set. */
  get full(): FullTable {
    return this.#nextHops.full ? { limit: NEXT_HOPS_MAX, of: 'next hops' } : fullSets(this.#sets)
  }

  /** How many other forms of sets are remembered. */
  get aliases(): number {
    return this.#aliases.size
  }

  /** Every set number is below this. */
  get rows(): number {
    return this.#sets.rows
  }

  /**
   * Rows that are allocated: a column of this length has place for every set until the next `add`.
   */
  get capacity(): number {
    return this.#sets.capacity
  }

  /** Bytes that columns and records take. */
  get bytes(): number {
    return (
      this.#sets.bytes + this.#aliases.bytes + 32 * this.#clean.length + 8 * this.#target.length
    )
  }

  /** Tells who we are: loops are found by it. True when that is news. O(sets) then. */
  identify(self: Self): boolean {
    const { asns, routerId, clusterId } = this.#self
    const same = asns.length === self.asns.length && asns.every((asn, at) => asn === self.asns[at])
    if (same && routerId === self.routerId && clusterId === self.clusterId) return false
    this.#self = self
    for (let set = 0; set < this.#sets.rows; set++)
      if (this.#sets.count(set) > 0) this.#readFacts(set as AttributeSetId)
    return true
  }

  /**
   * The set that a peer's octets mean, with one more reference; `NO_SET` where the codec must be
   * asked.
   *
   * @param record  next hop and attributes as above, but as received; one octet more must fit
   * behind
   */
  find(record: Uint8Array, length: number, context: number): AttributeSetId {
    const set = this.#sets.find(record, 0, length)
    if (set >= 0 && (this.#clean[set]! & (1 << context)) !== 0) {
      this.#sets.hold(set)
      return set as AttributeSetId
    }
    if (isPlain(record, length, CONTEXTS[context]!)) {
      const added = this.#take(record, length)
      if (added >= 0) this.#clean[added]! |= 1 << context
      return added
    }
    record[length] = context
    const alias = this.#aliases.size === 0 ? NONE : this.#aliases.find(record, 0, length + 1)
    if (alias < 0) return NO_SET
    const target = this.#target[alias]!
    this.#sets.hold(target)
    return target as AttributeSetId
  }

  /** The set of these attributes, with one more reference; `NO_SET` when the table is full. */
  intern(attributes: PathAttributes): AttributeSetId {
    const canonical = this.#encode(attributes)
    return canonical.overflow ? NO_SET : this.#add(canonical)
  }

  /**
   * What import rules have made of `received`, with one more reference: a set that no peer has
   * said. `received` itself, without one, where it is no loop and its attributes are these;
   * `NO_SET` when the table is full, or no message could hold them.
   */
  accepted(received: AttributeSetId, attributes: PathAttributes): AttributeSetId {
    const canonical = this.#encode(attributes)
    const same = this.#sets.find(canonical.buffer, 0, canonical.length) === received
    if (same && (this.facts[received]! & LOOPS) === 0) return received
    canonical.u8(ACCEPTED_MARK)
    return canonical.overflow ? NO_SET : this.#add(canonical, ACCEPTED)
  }

  #encode(attributes: PathAttributes): Writer {
    const canonical = this.draft
    canonical.reset()
    const { nextHop, linkLocalNextHop, nextHopLink = 0 } = attributes
    const inReach = nextHop?.includes(':')
      ? nextHopOctets(nextHop, linkLocalNextHop)
      : new Uint8Array(0)
    writeNextHop(inReach, 0, inReach.length, nextHopLink, canonical)
    encodeAttributes(attributes, { fourOctetAs: true }, canonical)
    return canonical
  }

  /** Remembers that a peer's octets mean `set`. They were decoded in `context` without a fault. */
  remember(record: Uint8Array, length: number, context: number, set: AttributeSetId): void {
    if (this.#sets.find(record, 0, length) === set) {
      this.#clean[set]! |= 1 << context
      return
    }
    if (this.#aliases.size >= ALIASES_MAX) return
    record[length] = context
    const alias = this.#aliases.add(record, 0, length + 1)
    if (alias < 0) return
    if (this.#aliases.count(alias) > 1) {
      this.#aliases.release(alias)
      return
    }
    if (alias >= this.#target.length) this.#growAliases()
    this.#target[alias] = set
    this.#nextAlias[alias] = this.#alias[set]!
    this.#alias[set] = alias
  }

  /** One more reference. */
  hold(set: AttributeSetId): void {
    this.#sets.hold(set)
  }

  /** One reference less; the set goes with the last. */
  release(set: AttributeSetId): void {
    if (this.#sets.count(set) > 1) {
      this.#sets.release(set)
      return
    }
    if (this.nextHop[set] !== NONE) this.#nextHops.release(this.nextHop[set] as NextHopId)
    let alias = this.#alias[set]!
    while (alias >= 0) {
      const next = this.#nextAlias[alias]!
      this.#aliases.release(alias)
      alias = next
    }
    this.#sets.release(set)
    this.#freed(set)
    if (this.#sets.size === 0) this.#resize(0)
  }

  /** References to a set. */
  references(set: AttributeSetId): number {
    return this.#sets.count(set)
  }

  /** The record of a set, not copied; valid until a set is added or released. */
  record(set: AttributeSetId): Uint8Array {
    const record = this.#sets.view(set)
    return this.#isAccepted(set) ? record.subarray(0, record.length - 1) : record
  }

  /** A set, decoded. Allocates: once per set and policy, and for people. */
  attributes(set: AttributeSetId): PathAttributes {
    const record = this.record(set)
    const octets = record[0]!
    const context = { fourOctetAs: true, ebgp: false }
    const { attributes, remedy } = decodeAttributes(record.subarray(1 + octets), context)
    invariant(remedy === undefined, 'canonical attributes decode without a fault')
    if (octets === 0) return attributes
    const wide = octets >= 32
    return {
      ...attributes,
      nextHop: formatAddress(record.subarray(1, 17)),
      ...(wide && { linkLocalNextHop: formatAddress(record.subarray(17, 33)) }),
      ...(octets % 16 !== 0 && { nextHopLink: (record[octets - 1]! << 8) | record[octets]! }),
    }
  }

  /** Why a set is a loop, for people; empty where it is none. */
  loopText(set: AttributeSetId): string {
    const facts = this.facts[set]!
    if ((facts & FACTS.ORIGINATOR_LOOP) !== 0) return 'ORIGINATOR_ID is this node'
    if ((facts & FACTS.CLUSTER_LOOP) !== 0) return 'our cluster is in CLUSTER_LIST'
    return (facts & FACTS.AS_LOOP) !== 0 ? 'our AS is in AS_PATH' : ''
  }

  #isAccepted(set: number): boolean {
    return (this.#clean[set]! & ACCEPTED) !== 0
  }

  #add({ buffer, length }: Writer, clean = 0): AttributeSetId {
    this.#sets.find(buffer, 0, length)
    return this.#take(buffer, length, clean)
  }

  /**
   * The set of the record that was looked for just now.
   *
   * @param clean  `ACCEPTED` for a record with a mark, else 0
   */
  #take(record: Uint8Array, length: number, clean = 0): AttributeSetId {
    const row = this.#sets.take()
    if (row < 0) return NO_SET
    const set = row as AttributeSetId
    if (this.#sets.count(row) > 1) return set
    if (row >= this.#clean.length) this.#resize(this.#sets.capacity)
    this.#clean[row] = clean
    this.#alias[row] = NONE
    const octets = record[0]!
    this.#readFactsFrom(set, record, clean === 0 ? length : length - 1)
    const at = octets === 0 ? this.#facts.nextHopAt : 1
    this.nextHop[row] = at < 0 ? NONE : this.#nextHops.hold(record, at, octets === 0 ? 4 : octets)
    if (at < 0 || this.nextHop[row] !== NONE) return set
    this.#sets.release(row)
    return NO_SET
  }

  #readFacts(set: AttributeSetId): void {
    const record = this.record(set)
    this.#readFactsFrom(set, record, record.length)
  }

  #readFactsFrom(set: AttributeSetId, record: Uint8Array, length: number): void {
    const facts = this.#facts
    readFacts(record, 1 + record[0]!, length, this.#self, facts)
    this.localPref[set] = facts.localPref
    this.asPathLength[set] = facts.asPathLength
    this.origin[set] = facts.origin
    this.med[set] = facts.med
    this.neighbourAs[set] = facts.neighbourAs
    this.originatorId[set] = facts.originatorId
    this.clusterListLength[set] = facts.clusterListLength
    this.facts[set] = this.#isAccepted(set) ? facts.bits & ~LOOPS : facts.bits
  }

  #resize(rows: number): void {
    this.localPref = grownUint32(this.localPref, rows)
    this.asPathLength = grownUint16(this.asPathLength, rows)
    this.origin = grownUint8(this.origin, rows)
    this.med = grownUint32(this.med, rows)
    this.neighbourAs = grownUint32(this.neighbourAs, rows)
    this.originatorId = grownUint32(this.originatorId, rows)
    this.clusterListLength = grownUint16(this.clusterListLength, rows)
    this.facts = grownUint16(this.facts, rows)
    this.nextHop = grownInt32(this.nextHop, rows)
    this.#clean = grownUint8(this.#clean, rows)
    this.#alias = grownInt32(this.#alias, rows)
  }

  #growAliases(): void {
    this.#target = grownInt32(this.#target, this.#aliases.capacity)
    this.#nextAlias = grownInt32(this.#nextAlias, this.#aliases.capacity)
  }
}

/**
 * Writes the head of a record: octets `start` to `end` of `bytes`, which are what MP_REACH_NLRI has
 * as next hop, 0, 4, 16 or 32, and the number of the link that it is on, 0 for none, where a
 * link-local address is among it.
 */
export function writeNextHop(
  bytes: Uint8Array,
  start: number,
  end: number,
  link: number,
  to: Writer,
): void {
  const octets = end - start
  const local = octets === 32 || (octets === 16 && isLinkLocalAt(bytes, start))
  const linked = local && link !== 0
  to.u8(octets + (linked ? 2 : 0))
  to.copy(bytes, start, end)
  if (linked) to.u16(link)
}
