import {
  type Address,
  containsAddress,
  hostPrefix,
  type Prefix,
  prefixParts,
} from '../../core/net/index.ts'

/** What the TCP of a session is to be, beside its addresses. */
export interface Transport {
  /** RFC 2385: both ends sign every segment with it; 1 to 80 octets in UTF-8 */
  readonly password?: string
  /**
   * the peer is at most so many hops away, 1 to 254: what comes from farther is dropped, what we
   * send has a TTL of 255. RFC 5082
   */
  readonly ttlSecurity?: number
  /** TTL or hop limit of what we send without `ttlSecurity`, 1 to 255 */
  readonly ttl: number
  /** the link to leave by; a link-local address needs one */
  readonly interface?: string
  /** the octet that is TOS in IPv4 and Traffic Class in IPv6 */
  readonly trafficClass: number
}

/**
 * Any number of hops, as Calico's sessions all have it, and RFC 2474's class selector 6, in which
 * routers send what routes depend on.
 */
export const TRANSPORT_DEFAULT: Transport = { ttl: 64, trafficClass: 0xc0 }

/** A peer, or all that may come from a range of addresses. */
export interface AllowedPeer {
  /** a host's prefix, or a range */
  readonly remote: Prefix
  readonly transport: Transport
}

/**
 * Who may connect, and how. The longest prefix that an address is in counts, as in the kernel. Of
 * two peers with one prefix the first counts: the kernel has one key for it.
 */
export class AllowedPeers {
  readonly #hosts = new Map<Prefix, Transport>()
  /** longest first */
  readonly #ranges: readonly AllowedPeer[]

  constructor(peers: readonly AllowedPeer[] = []) {
    const ranges = new Map<Prefix, AllowedPeer>()
    for (const peer of peers) {
      const { family, length } = prefixParts(peer.remote)
      const isHost = length === (family === 'ipv4' ? 32 : 128)
      if (isHost && !this.#hosts.has(peer.remote)) this.#hosts.set(peer.remote, peer.transport)
      if (!isHost && !ranges.has(peer.remote)) ranges.set(peer.remote, peer)
    }
    this.#ranges = [...ranges.values()].sort(
      (a, b) => prefixParts(b.remote).length - prefixParts(a.remote).length,
    )
  }

  /** What a connection with `remote` is to be; undefined where nobody is expected. */
  of(remote: Address): Transport | undefined {
    return (
      this.#hosts.get(hostPrefix(remote)) ??
      this.#ranges.find(range => containsAddress(range.remote, remote))?.transport
    )
  }

  /** The passwords by prefix: the keys of a listening socket. */
  keys(): ReadonlyMap<Prefix, string> {
    const keys = new Map<Prefix, string>()
    for (const { remote, transport } of this.#ranges)
      if (transport.password !== undefined) keys.set(remote, transport.password)
    for (const [remote, { password }] of this.#hosts)
      if (password !== undefined) keys.set(remote, password)
    return keys
  }
}
