import { Interner, type Prng } from '../base/index.ts'
import {
  FAMILIES,
  type Family,
  PREFIX_TABLE_ROWS_MAX,
  type Prefix,
  prefixParts,
} from '../net/index.ts'
import type { Subject } from '../policy/index.ts'
import {
  type AttributeSetId,
  AttributeTable,
  type FullTable,
  LOCAL_PEER,
  LocRib,
  type NextHopId,
  NextHops,
  NO_SET,
  NONE,
  Packer,
  PeerColumns,
} from '../rib/index.ts'
import type { ConfigDifference } from './configure.ts'
import type { SpeakerConfig } from './types.ts'

/** There is no room for another prefix of a family. */
export const FULL_PREFIXES: FullTable = { limit: PREFIX_TABLE_ROWS_MAX, of: 'prefixes' }

/** A prefix that this node cannot originate, and why. */
export interface Unoriginated {
  readonly prefix: Prefix
  readonly full: FullTable
}

/** All tables of a speaker, and which of them is told what. */
export class Tables {
  readonly nextHops = new NextHops()
  readonly peers = new PeerColumns()
  readonly sets: AttributeTable
  /** attributes as update groups send them: next hop's length, next hop, attributes */
  readonly outSets: Interner
  readonly packer: Packer
  readonly locRibs: Readonly<Record<Family, LocRib>>
  readonly #forgetters: ((set: AttributeSetId) => void)[] = []

  /**
   * @param chance  seeds the hashes, so that peers cannot choose collisions
   * @param octetsMax  of all attributes received, and of all that are sent; absent:
   *   `INTERNER_OCTETS_MAX`
   */
  constructor(chance: Prng, octetsMax?: number) {
    const seed = (): number => chance.below(0x100000000)
    this.sets = new AttributeTable({
      seed: seed(),
      nextHops: this.nextHops,
      octetsMax,
      freed: set => {
        for (const forget of this.#forgetters) forget(set)
      },
    })
    this.outSets = new Interner(seed(), octetsMax)
    this.packer = new Packer(this.outSets)
    const shared = { sets: this.sets, peers: this.peers, nextHops: this.nextHops }
    this.locRibs = {
      ipv4: new LocRib('ipv4', shared, seed()),
      ipv6: new LocRib('ipv6', shared, seed()),
    }
  }

  /** Rows that wait for a decision, of both families. */
  get dirty(): number {
    return FAMILIES.reduce((sum, family) => sum + this.locRibs[family].dirty, 0)
  }

  /** Bytes of all tables, adj-ribs-out excluded. */
  get bytes(): number {
    const ribs = FAMILIES.reduce((sum, family) => sum + this.locRibs[family].bytes, 0)
    return ribs + this.sets.bytes + this.outSets.bytes
  }

  /**
   * Goes by a configuration from now on. Returns the prefixes that it originates, and that there is
   * no room for. O(prefixes that changed); O(rows) where paths go together otherwise than before.
   */
  configure(config: SpeakerConfig, changes: ConfigDifference): Unoriginated[] {
    for (const family of FAMILIES) {
      const locRib = this.locRibs[family]
      locRib.multipath.max = config.multipathMax
      locRib.multipath.acrossAses = config.multipathAcrossAses ?? true
      if (changes.multipath) locRib.touchAll()
    }
    for (const prefix of changes.withdrawn) this.originate(prefix, false)
    return changes.originated.flatMap(prefix => {
      const { family } = prefixParts(prefix)
      const full = this.originate(prefix, true, config.originatedLocalPref?.[family])
      return full === undefined ? [] : [{ prefix, full }]
    })
  }

  /**
   * This node announces a prefix of its own, or no more: a path like any other, from peer 0.
   * Returns the table that is full, where one is. RFC 4271 §9.4
   */
  originate(prefix: Prefix, originates: boolean, localPref?: number): FullTable | undefined {
    const { family, bytes, length } = prefixParts(prefix)
    const locRib = this.locRibs[family]
    if (!originates) {
      const row = locRib.prefixes.find(bytes, 0, length)
      if (row >= 0) locRib.put(LOCAL_PEER, row, NO_SET)
      return undefined
    }
    const set = this.sets.intern({
      origin: 0,
      asPath: [],
      ...(localPref !== undefined && { localPref }),
    })
    if (set === NO_SET) return this.sets.full
    const row = locRib.add(bytes, 0, length)
    if (row >= 0) locRib.put(LOCAL_PEER, row, set)
    this.sets.release(set)
    return row >= 0 ? undefined : FULL_PREFIXES
  }

  /** What a policy may ask of a set. Allocates: once a set and program. */
  subject(set: AttributeSetId): Subject {
    const hop = this.sets.nextHop[set] as NextHopId
    const link = hop === NONE ? undefined : this.nextHops.linkOf(hop)
    return { attributes: this.sets.attributes(set), ...(link !== undefined && { link }) }
  }

  /** `forget` is called with each attribute set that goes. */
  onFreed(forget: (set: AttributeSetId) => void): void {
    this.#forgetters.push(forget)
  }
}
