import {
  type Address,
  addressBytes,
  containsAddress,
  type Family,
  familyOf,
  isLinkLocalAt,
  type Prefix,
  prefixParts,
} from '../../net/index.ts'
import { nextHopOctets, type PeerId } from '../../rib/index.ts'
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
  /** the subnet that we share with external peers: "third party" next hops in it stay */
  readonly shared: SharedSubnet | undefined
}

/** A subnet that we share with an external peer. */
export interface SharedSubnet {
  readonly subnet: Prefix
  /** the peer's address in it: no rule of its group */
  readonly peer: Address
  /** it is in no group with others of the subnet: see `ThirdParties` */
  readonly alone: boolean
}

/** A choice as it is compared: peers that differ in their address alone are alike. */
export function comparable(choice: Omit<NextHopChoice, 'family'>): object {
  const { shared, ...rest } = choice
  return { ...rest, shared: shared?.alone ? shared : shared?.subnet }
}

/** Third-party next hops that a group remembers. */
export const PASSED_ON_MAX = 4_096

/**
 * Third-party next hops as one group sees them. Such a next hop may be right for all peers of a
 * subnet but for one, itself: RFC 4271 §5.1.3 forbids to tell a peer its own address.
 *
 * So what goes through a peer and is not from it is announced with our own next hop. Where a peer
 * comes that others have been told is a next hop, it goes into a group of its own.
 */
export class ThirdParties {
  readonly #subnet: Prefix
  readonly #peerAt: (address: Address) => PeerId | undefined
  readonly #passedOn = new Set<Address>()
  // sets that come one after the other mostly have one next hop
  #last: Address | undefined
  #lastIsInside = false

  constructor(subnet: Prefix, peerAt: (address: Address) => PeerId | undefined) {
    this.#subnet = subnet
    this.#peerAt = peerAt
  }

  /** True where `nextHop` is in the shared subnet. */
  contains(nextHop: Address): boolean {
    if (nextHop !== this.#last) {
      this.#last = nextHop
      this.#lastIsInside = containsAddress(this.#subnet, nextHop)
    }
    return this.#lastIsInside
  }

  /** True where `nextHop` is a peer, and not the one that the path is from. O(1) */
  isAnother(nextHop: Address, from: PeerId): boolean {
    const peer = this.#peerAt(nextHop)
    return peer !== undefined && peer !== from
  }

  /** The group is told of `nextHop`; false where it must not be, as it could not be remembered. */
  passOn(nextHop: Address): boolean {
    // it is the peer that the path is from, and is not told of it
    if (this.#peerAt(nextHop) !== undefined || this.#passedOn.has(nextHop)) return true
    if (this.#passedOn.size >= PASSED_ON_MAX) return false
    this.#passedOn.add(nextHop)
    return true
  }

  /** False where a peer at `address` would be told of itself. */
  mayTell(address: Address): boolean {
    return !this.#passedOn.has(address)
  }
}

/** A subnet as octets. */
interface Shared {
  readonly network: Uint8Array
  readonly length: number
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
    this.#shared = { network: bytes, length }
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

/** RFC 4271 §5.1.3, 2: an address that we and the peer share a subnet with. */
function isThirdParty(
  { network, length }: Shared,
  bytes: Uint8Array,
  at: number,
  octets: number,
): boolean {
  if (network.length !== octets) return false
  for (let each = 0; 8 * each < length; each++) {
    const bits = Math.min(8, length - 8 * each)
    if (((bytes[at + each]! ^ network[each]!) & (0xff00 >>> bits) & 0xff) !== 0) return false
  }
  return true
}
