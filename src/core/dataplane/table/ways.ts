import type { Address } from '../../net/index.ts'
import type { TargetHop } from '../../rtnl/index.ts'

/**
 * Through which gateways and links the kernel reaches next hops: it takes a route only through a
 * gateway that is on a link, and makes an object of it only where the link is named. Some hundred
 * plain objects.
 */
export class Ways {
  readonly #ways = new Map<Address, { readonly hops: readonly TargetHop[]; readonly key: string }>()
  #version = 0

  /** Changes whenever a way does: what was resolved by these ways holds for one version only. */
  get version(): number {
    return this.#version
  }

  /** The gateways to `address`, each with its link: none, it is dead; undefined: nobody knows. */
  of(address: Address): readonly TargetHop[] | undefined {
    return this.#ways.get(address)?.hops
  }

  /** Takes the way to `address`; undefined: not known any more. True when that is news. */
  set(address: Address, hops: readonly TargetHop[] | undefined): boolean {
    const key = hops?.map(({ gateway, link, weight }) => `${gateway} ${link} ${weight}`).join(', ')
    if (key === this.#ways.get(address)?.key) return false
    if (hops === undefined || key === undefined) this.#ways.delete(address)
    else this.#ways.set(address, { hops, key })
    this.#version++
    return true
  }
}
