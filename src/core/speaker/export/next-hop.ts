import {
  type Address,
  addressBytes,
  type Family,
  familyOf,
  isLinkLocalAt,
  type Prefix,
  prefixParts,
} from '../../net/index.ts'
import { nextHopOctets } from '../../rib/index.ts'
import type { PathAttributes } from '../../wire/index.ts'

/** Which next hop a route is announced with. RFC 4271 §5.1.3, RFC 8950. */

/** What decides it, for the members of an update group. */
export interface NextHopChoice {
  /** of the routes */
  readonly family: Family
  /** what was received stays as it is */
  readonly keeps: boolean
  /** our own; undefined where we have none that the peer takes */
  readonly own: Address | undefined
  /** IPv4 routes may have IPv6 next hops. RFC 8950 §4 */
  readonly extended: boolean
  /**
   * The subnet that we share with an external peer, and the peer's address in it: "third party"
   * next hops stay. The address makes each such peer a group of its own, because a next hop may be
   * right for all peers of a subnet but one: itself.
   */
  readonly shared: { readonly subnet: Prefix; readonly peer: Address } | undefined
}

/** A subnet as octets, and the one address in it that does not stay. */
interface Shared {
  readonly network: Uint8Array
  readonly length: number
  readonly peer: Uint8Array
}

/** The choice, made for octets and for decoded attributes. */
export class NextHopRule {
  /** our own next hop, 4 or 16 octets */
  readonly own: Uint8Array | undefined
  readonly #choice: NextHopChoice
  readonly #shared: Shared | undefined

  constructor(choice: NextHopChoice) {
    const { own, shared } = choice
    this.own = own && nextHopOctets(own)
    this.#choice = choice
    if (shared === undefined) return
    const { bytes, length } = prefixParts(shared.subnet)
    this.#shared = { network: bytes, length, peer: addressBytes(shared.peer) }
  }

  /** True where a next hop of 4 octets is replaced by none but another of 4, or stays. */
  get staysClassic(): boolean {
    const { family, keeps } = this.#choice
    return family === 'ipv4' && (keeps || this.own?.length === 4)
  }

  /**
   * True where the received next hop at `bytes[at]`, 4 or 16 octets, is announced as it is. A
   * link-local one never is: it means nothing elsewhere. Allocates nothing.
   */
  stays(bytes: Uint8Array, at: number, octets: number): boolean {
    const { family, extended, keeps } = this.#choice
    if (octets === 4 ? family !== 'ipv4' : family === 'ipv4' && !extended) return false
    if (octets === 16 && isLinkLocalAt(bytes, at)) return false
    return keeps || (this.#shared !== undefined && isThirdParty(this.#shared, bytes, at, octets))
  }

  /** What a route is announced with; undefined where there is nothing that the peer would take. */
  choose({ nextHop }: PathAttributes, learned: boolean): Address | undefined {
    if (!learned || nextHop === undefined) return this.#choice.own
    const octets = familyOf(nextHop) === 'ipv4' ? 4 : 16
    return this.stays(addressBytes(nextHop), 0, octets) ? nextHop : this.#choice.own
  }
}

/**
 * RFC 4271 §5.1.3, 2: an address that we and the peer share a subnet with, but not the peer's own.
 */
function isThirdParty(
  { network, length, peer }: Shared,
  bytes: Uint8Array,
  at: number,
  octets: number,
): boolean {
  if (network.length !== octets) return false
  let isPeer = true
  for (let each = 0; each < octets; each++) {
    const octet = bytes[at + each]!
    if (octet !== peer[each]) isPeer = false
    const bits = Math.min(8, Math.max(0, length - 8 * each))
    if (((octet ^ network[each]!) & (0xff00 >>> bits) & 0xff) !== 0) return false
  }
  return !isPeer
}
