import { type Address, containsAddress, prefixParts } from '../../net/index.ts'
import type { Peer } from '../peer.ts'
import type { PeerConfig, PeerRange, SpeakerConfig } from '../types.ts'

/** Neighbours that are known by where they come from: who may come, and as what. */

/**
 * The ranges of a configuration, and who of each is here. The longest prefix that an address is in
 * counts, as for the passwords in the kernel.
 */
export class Ranges {
  /** longest first */
  #ranges: readonly PeerRange[] = []
  readonly #here = new Map<string, Set<Peer>>()

  /** False where nobody may come. */
  get any(): boolean {
    return this.#ranges.length > 0
  }

  /** These ranges are configured from now on. */
  set(ranges: readonly PeerRange[] = []): void {
    this.#ranges = longestFirst(ranges)
  }

  /** The range that `address` is in. O(ranges) */
  find(address: Address): PeerRange | undefined {
    return rangeOf(this.#ranges, address)
  }

  /** One that is here from now on. */
  came(peer: Peer, range: string): void {
    const here = this.#here.get(range) ?? new Set()
    this.#here.set(range, here.add(peer))
  }

  /** One that is here no more. */
  left(peer: Peer, range: string): void {
    const here = this.#here.get(range)
    here?.delete(peer)
    if (here?.size === 0) this.#here.delete(range)
  }

  /** True when no further one of the range may come. */
  isFull({ name, peersMax }: PeerRange): boolean {
    return (this.#here.get(name)?.size ?? 0) >= peersMax
  }

  /** One of the range that has nothing to lose: no connection, no routes, no penance. O(peers) */
  idle({ name }: PeerRange): Peer | undefined {
    for (const peer of this.#here.get(name) ?? [])
      if (!peer.met && peer.suspended === undefined && peer.session.state === 'Active') return peer
    return undefined
  }
}

/** The neighbour that somebody at `address` is. It waits for the peer, and never connects. */
export const peerIn = ({ name, template }: PeerRange, address: Address): PeerConfig => ({
  ...template,
  name: `${name}_${address.replace(/[.:]/g, '_')}`,
  address,
  // its own end of the connection may be any: this is where nobody connects to
  port: 179,
  passive: true,
})

/**
 * `config` with those of its ranges who are here: whoever a range still stands for, as it describes
 * them now. One that has a configuration of its own is not a range's any more.
 */
export function withThoseHere(config: SpeakerConfig, here: readonly Peer[]): SpeakerConfig {
  if (here.length === 0) return config
  const ranges = longestFirst(config.ranges ?? [])
  const taken = new Set(config.peers.map(({ address }) => address))
  const peers = here.flatMap(peer => {
    const { address } = peer.config
    const range = taken.has(address) ? undefined : rangeOf(ranges, address)
    return range === undefined || range.name !== peer.range ? [] : [peerIn(range, address)]
  })
  return { ...config, peers: [...config.peers, ...peers] }
}

const longestFirst = (ranges: readonly PeerRange[]): readonly PeerRange[] =>
  ranges.toSorted((a, b) => prefixParts(b.prefix).length - prefixParts(a.prefix).length)

const rangeOf = (ranges: readonly PeerRange[], address: Address): PeerRange | undefined =>
  ranges.find(({ prefix }) => containsAddress(prefix, address))
