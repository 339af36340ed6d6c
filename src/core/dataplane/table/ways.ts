import type { Address } from '../../net/index.ts'
import type { TargetHop } from '../../rtnl/index.ts'

/**
 * Next hops that are not on a link of ours, and through which gateways the kernel reaches them: it
 * takes a route only through a gateway that is on a link. Some hundred plain objects.
 */
export class Ways {
  readonly #ways = new Map<Address, { readonly hops: readonly TargetHop[]; readonly key: string }>()
  #version = 0

  /** Changes whenever a way does: what was resolved by these ways holds for one version only. */
  get version(): number {
    return this.#version
  }

  /** The gateways to `address`, each with its link; undefined where it is its own. */
  of(address: Address): readonly TargetHop[] | undefined {
    return this.#ways.get(address)?.hops
  }

  /** Takes the way to `address`; undefined: it is its own gateway. True when that is news. */
  set(address: Address, hops: readonly TargetHop[] | undefined): boolean {
    const key = hops?.map(({ gateway, link, weight }) => `${gateway} ${link} ${weight}`).join(', ')
    if (key === this.#ways.get(address)?.key) return false
    if (hops === undefined || key === undefined) this.#ways.delete(address)
    else this.#ways.set(address, { hops, key })
    this.#version++
    return true
  }
}
