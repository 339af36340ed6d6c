import { Interner, type Prng } from '../base/index.ts'
import { FAMILIES, type Family } from '../net/index.ts'
import {
  type AttributeSetId,
  AttributeTable,
  LocRib,
  NextHops,
  Packer,
  PeerColumns,
} from '../rib/index.ts'

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

  /** @param chance  seeds the hashes, so that peers cannot choose collisions */
  constructor(chance: Prng) {
    const seed = (): number => chance.below(0x100000000)
    this.sets = new AttributeTable({
      seed: seed(),
      nextHops: this.nextHops,
      freed: set => {
        for (const forget of this.#forgetters) forget(set)
      },
    })
    this.outSets = new Interner(seed())
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

  /** `forget` is called with each attribute set that goes. */
  onFreed(forget: (set: AttributeSetId) => void): void {
    this.#forgetters.push(forget)
  }
}
