import { millis, seconds } from '../../src/core/base/index.ts'
import { type Address, type Asn, address, type Prefix, toAsn } from '../../src/core/net/index.ts'
import type { PeerConfig, SpeakerConfig } from '../../src/core/speaker/index.ts'
import {
  checkAccepted,
  checkDecisions,
  checkFib,
  checkPair,
  checkReferences,
  Network,
  type NetworkOptions,
  Node,
  World,
} from '../../src/sim/index.ts'

/** Topologies of simulated nodes, and what must be true of each when it rests. */

/** A node of a topology. */
export interface Place {
  readonly name: string
  readonly asn: number
  readonly originated: readonly Prefix[]
}

/**
 * Two nodes that are peers; `client` says that the right one is the left one's reflector client.
 */
export interface Edge {
  readonly left: string
  readonly right: string
  readonly client?: true
}

/** What a scenario may change of peers and nodes. */
export interface Tuning {
  readonly peer?: (peer: PeerConfig, node: string) => PeerConfig
  readonly speaker?: (config: SpeakerConfig, node: string) => SpeakerConfig
  readonly network?: NetworkOptions
}

/** An AS number that is known to be one. */
export function asn(value: number): Asn {
  const parsed = toAsn(value)
  if (parsed === undefined) throw new Error(`${value} is not an AS number`)
  return parsed
}

/** Nodes, peers and a world. */
export class Topology {
  readonly world: World
  readonly network: Network
  readonly nodes = new Map<string, Node>()
  readonly places: readonly Place[]
  readonly edges: Edge[]
  readonly #tuning: Tuning

  constructor(
    seed: number,
    { places, edges }: { places: readonly Place[]; edges: readonly Edge[] },
    tuning: Tuning = {},
  ) {
    this.world = new World(seed)
    this.network = new Network(this.world, tuning.network)
    this.places = places
    this.edges = [...edges]
    this.#tuning = tuning
    for (const [at, { name }] of places.entries())
      this.nodes.set(name, new Node(this.world, this.network, this.address(at)))
  }

  address(at: number): Address {
    return address(`10.0.${at >> 8}.${(at & 255) + 1}`)
  }

  node(name: string): Node {
    const node = this.nodes.get(name)
    if (node === undefined) throw new Error(`there is no node ${name}`)
    return node
  }

  addressOf(name: string): Address {
    return this.address(this.places.findIndex(place => place.name === name))
  }

  /** The configuration of a node as places and edges are now. */
  config(name: string, originated?: readonly Prefix[]): SpeakerConfig {
    const at = this.places.findIndex(place => place.name === name)
    const place = this.places[at]
    if (place === undefined) throw new Error(`there is no place ${name}`)
    const config: SpeakerConfig = {
      routerId: 0x0a000001 + at,
      localAs: asn(place.asn),
      multipathMax: 4,
      peers: this.edges.flatMap(edge => this.#peer(place, edge)),
      originated: originated ?? place.originated,
      watched: [],
      watchedMax: 100,
    }
    return this.#tuning.speaker?.(config, name) ?? config
  }

  /** Configures all nodes and attaches their FIBs. */
  start(): void {
    for (const [name, node] of this.nodes) {
      node.configure(this.config(name))
      node.attachFib()
    }
  }

  configure(name: string, originated?: readonly Prefix[]): void {
    this.node(name).configure(this.config(name, originated))
  }

  /** True when every edge is an Established session on both sides. */
  get established(): boolean {
    return this.edges.every(({ left, right }) => this.#up(left, right) && this.#up(right, left))
  }

  /** All that is wrong with the topology at rest. */
  wrong(): string[] {
    const found: string[] = []
    for (const { left, right } of this.edges)
      found.push(
        ...checkPair({
          left: this.node(left),
          right: this.node(right),
          rightName: right,
          leftName: left,
        }),
      )
    for (const [name, node] of this.nodes)
      for (const each of [
        ...checkDecisions(node),
        ...checkFib(node),
        ...checkReferences(node),
        ...checkAccepted(node),
        ...(node.speaker.tables.dirty > 0 ? ['rows are dirty'] : []),
      ])
        found.push(`${name}: ${each}`)
    return found
  }

  #up(name: string, peer: string): boolean {
    return this.node(name).speaker.peer(peer)?.link !== undefined
  }

  #peer(place: Place, { left, right, client }: Edge): PeerConfig[] {
    if (place.name !== left && place.name !== right) return []
    const other = place.name === left ? right : left
    const peer: PeerConfig = {
      name: other,
      address: this.addressOf(other),
      port: 179,
      peerAs: asn(this.places.find(({ name }) => name === other)?.asn ?? 0),
      localAs: asn(place.asn),
      passive: false,
      hold: seconds(90),
      connectRetry: seconds(5),
      restart: seconds(120),
      families: ['ipv4'],
      routeReflectorClient: client === true && place.name === left,
      nextHop: 'auto',
      export: 'all',
    }
    return [this.#tuning.peer?.(peer, place.name) ?? peer]
  }
}

/** A full mesh of edges. */
export function mesh(names: readonly string[]): Edge[] {
  return names.flatMap((left, at) => names.slice(at + 1).map(right => ({ left, right })))
}

/** Time enough for sessions to come back after their longest back-off. */
export const PATIENCE = millis(200_000)
