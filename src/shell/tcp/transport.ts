import {
  type Address,
  containsAddress,
  hostPrefix,
  type Prefix,
  prefixParts,
} from '../../core/net/index.ts'
import { type Endpoint, TRANSPORT_DEFAULT, type Transport } from '../../core/speaker/index.ts'

/** How the connections of one peer are to be, whoever opens them. */
export interface SecuredTransport extends Transport {
  /** RFC 2385: both ends sign every segment with it; 1 to 80 octets in UTF-8 */
  readonly password?: string
}

/** The two fields of a configuration that say so, as one. */
export function securedTransport(of: Pick<Endpoint, 'transport' | 'password'>): SecuredTransport {
  const { transport = TRANSPORT_DEFAULT, password } = of
  return password === undefined ? transport : { ...transport, password }
}

/** A peer, or all that may come from a range of addresses. */
export interface AllowedPeer {
  /** a host's prefix, or a range */
  readonly remote: Prefix
  readonly transport: SecuredTransport
}

/**
 * Who may connect, and how. The longest prefix that an address is in counts, as in the kernel. Of
 * two peers with one prefix the first counts: the kernel has one key for it.
 */
export class AllowedPeers {
  readonly #hosts = new Map<Prefix, SecuredTransport>()
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
  of(remote: Address): SecuredTransport | undefined {
    return (
      this.#hosts.get(hostPrefix(remote)) ??
      this.#ranges.find(range => containsAddress(range.remote, remote))?.transport
    )
  }

  /** True for a peer that is configured by its address, and did not come from a range. */
  isNamed(remote: Address): boolean {
    return this.#hosts.has(hostPrefix(remote))
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
