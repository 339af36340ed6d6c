import type { BgpFilterResource } from '../../calico/index.ts'
import {
  contains,
  type Family,
  hostPrefix,
  inPrefixOrder,
  maxLength,
  type Prefix,
  prefixParts,
} from '../../net/index.ts'
import { ACCEPT_ALL, ORIGINATED_ONLY, type Policy, type Term } from '../../policy/index.ts'
import type { PeerConfig, PeerRange } from '../../speaker/index.ts'
import type { ClusterNode } from '../cluster.ts'
import type { ServiceRoutes } from '../originated/services.ts'
import type { Neighbour } from '../peers/neighbour.ts'
import type { Originated, PlannedPool, PrefixCommunities } from '../plan.ts'
import { workloadPrefixes } from '../routes/workloads.ts'
import type { NodeFacts, Problem, Snapshot } from '../types.ts'
import { borrowedBy } from './borrowed.ts'
import { communitiesOf, communityTerms } from './communities.ts'
import { exportTerms } from './export.ts'
import { filterTerms } from './filters.ts'
import { kernelPolicy, poolsOf } from './pools.ts'
import { localPrefOf, normalMetrics } from './priority.ts'

/**
 * What is taken from peers, what they are told, what the kernel gets: what Calico writes into
 * BIRD's filters.
 *
 * Where there is any IPPool, its policy is Calico's. Where there is none, pools can say nothing: a
 * node announces what it originates, and a reflector or a router (`transit`) what it learned too.
 */

/** What the policies of a node are made of, beside the resources. */
export interface PolicyFacts {
  readonly facts: NodeFacts
  /** undefined: the node does not speak BGP */
  readonly own: ClusterNode | undefined
  /** all that do, by name */
  readonly nodes: ReadonlyMap<string, ClusterNode>
  /** its pod CIDRs, sorted */
  readonly blocks: readonly Prefix[]
  readonly services: ServiceRoutes
}

/** What resources say beyond sessions. */
export interface Policies {
  /** in order of text */
  readonly pools: readonly PlannedPool[]
  /** in the order in which they are applied */
  readonly communities: readonly PrefixCommunities[]
  /** in order of prefix */
  readonly originated: readonly Originated[]
  /** of what is originated */
  readonly localPref: Readonly<Record<Family, number>>
  /** which best routes are the kernel's; absent: all */
  readonly kernel?: Policy
  /** the policies of each session */
  readonly sessions: SessionPolicies
  readonly problems: readonly Problem[]
}

/** Reads them. O(configurations + pools + blocks) */
export function policiesOf(
  snapshot: Snapshot,
  { facts, own, nodes, blocks, services }: PolicyFacts,
): Policies {
  const configurations = new Map(
    snapshot.bgpConfigurations.map(({ metadata: { name }, spec }) => [name, { name, spec }]),
  )
  const global = configurations.get('default')
  const normal = normalMetrics(global?.spec ?? {})
  const { pools, problems } = poolsOf(snapshot.ipPools, global?.spec ?? {})
  const node = configurations.get(`node.${facts.node}`)
  const { communities, problems: unnamed } = communitiesOf(global, node)
  const reflected = own?.clusterId === undefined ? [] : services.reflected
  const { transit } = facts
  const calico =
    pools.length === 0
      ? undefined
      : exportTerms({ pools, communities, blocks, services, reflected, normal, transit })
  const borrowed = calico && [
    ...borrowedBy(facts.node, snapshot.blocks, blocks),
    ...workloadPrefixes(snapshot, facts).filter(
      address =>
        !blocks.some(block => contains(block, address)) &&
        pools.some(({ cidr }) => contains(cidr, address)),
    ),
  ]
  const kernel = kernelPolicy(pools, {
    services: services.rejected,
    encrypted: own === undefined ? [] : encryptedFor(own, nodes),
  })
  return {
    pools,
    communities,
    originated: originatedOf({ blocks, borrowed: borrowed ?? [], services: services.announced }),
    localPref: { ipv4: localPrefOf(normal.ipv4), ipv6: localPrefOf(normal.ipv6) },
    ...(kernel && { kernel }),
    sessions: new SessionPolicies(snapshot.bgpFilters, communityTerms(communities), calico),
    problems: [...problems, ...unnamed, ...unencrypted(facts, own)],
  }
}

/**
 * The addresses of nodes that this one sends packets to by WireGuard: those that have it, where
 * this one has it too, family by family.
 */
function encryptedFor(own: ClusterNode, nodes: ReadonlyMap<string, ClusterNode>): Prefix[] {
  const others = [...nodes.values()].filter(({ name }) => name !== own.name)
  return own.wireguard.flatMap(family =>
    others.flatMap(({ wireguard, addresses: { [family]: address } }) =>
      address !== undefined && wireguard.includes(family) ? hostPrefix(address) : [],
    ),
  )
}

/** That nobody is here to encrypt: no packet is sent in the clear that was to be encrypted. */
function unencrypted({ felixBeside }: NodeFacts, own: ClusterNode | undefined): Problem[] {
  if (own === undefined || own.wireguard.length === 0 || felixBeside) return []
  const reason =
    'says that this node has WireGuard, which is Felix’s, and no Felix runs beside: routes to ' +
    'other nodes that have it are not installed; write "calico: {felix: beside}", or take it out'
  return [{ object: own.key, field: 'spec.wireguard', reason }]
}

/** A block of one address leads to its workload, if there is one: nothing is dropped. */
function originatedOf(prefixes: {
  readonly blocks: readonly Prefix[]
  readonly borrowed: readonly Prefix[]
  readonly services: readonly Prefix[]
}): Originated[] {
  const all = new Map<Prefix, Originated>()
  for (const prefix of prefixes.services)
    all.set(prefix, { prefix, kind: 'service', blackhole: false })
  for (const prefix of prefixes.borrowed)
    all.set(prefix, { prefix, kind: 'block', blackhole: false })
  for (const prefix of prefixes.blocks) {
    const { family, length } = prefixParts(prefix)
    all.set(prefix, { prefix, kind: 'block', blackhole: length < maxLength(family) })
  }
  return inPrefixOrder([...all.values()], ({ prefix }) => prefix)
}

type Export = PeerConfig['export']

/** The policies of sessions; those of sessions that are alike are one object. */
export class SessionPolicies {
  readonly #filters: ReadonlyMap<string, BgpFilterResource>
  readonly #communities: readonly Term[]
  /** undefined: there are no pools, and what a session may announce is up to its node */
  readonly #calico: readonly Term[] | undefined
  readonly #exports = new Map<string, Export>()

  constructor(
    filters: readonly BgpFilterResource[],
    communities: readonly Term[],
    calico: readonly Term[] | undefined,
  ) {
    this.#filters = new Map(filters.map(filter => [filter.metadata.name, filter]))
    this.#communities = communities
    this.#calico = calico
  }

  /** A neighbour with the policies of its session. */
  applied(neighbour: Neighbour): Neighbour {
    const { config, filters } = neighbour
    const { peerAs, localAs, importRules } = config
    const internal = peerAs === localAs
    const policy = this.#import(filters, internal)
    return {
      ...neighbour,
      config: {
        ...config,
        export: this.#export(filters, internal, config.export),
        ...(policy && { importRules: { ...importRules, policy } }),
      },
    }
  }

  /** The same for neighbours that are known by where they come from: they have no filters. */
  appliedTo(range: PeerRange): PeerRange {
    const { peerAs, localAs, export: mode } = range.template
    const policy = this.#export([], peerAs === localAs, mode)
    return { ...range, template: { ...range.template, export: policy } }
  }

  /** Names of filters that are not there. */
  missing(filters: readonly string[]): readonly string[] {
    return filters.filter(name => !this.#filters.has(name))
  }

  /** In order; what no filter ends is accepted. Undefined: nothing is asked. */
  #import(filters: readonly string[], internal: boolean): Policy | undefined {
    const terms = filters.flatMap(name =>
      filterTerms(this.#filters.get(name), { direction: 'import', internal }),
    )
    return terms.length === 0 ? undefined : { terms, otherwise: 'accept' }
  }

  /** What a filter accepts leaves without a further question, as in Calico. */
  #export(filters: readonly string[], internal: boolean, mode: Export): Export {
    const key = JSON.stringify([filters, internal, mode])
    const known = this.#exports.get(key)
    if (known !== undefined) return known
    const terms = filters.flatMap(name =>
      filterTerms(this.#filters.get(name), { direction: 'export', internal }),
    )
    const made = this.#exportOf(terms, mode)
    this.#exports.set(key, made)
    return made
  }

  #exportOf(filters: readonly Term[], mode: Export): Export {
    if (this.#calico !== undefined)
      return { terms: [...filters, ...this.#calico], otherwise: 'reject' }
    const first = [...filters, ...this.#communities]
    if (first.length === 0 || typeof mode !== 'string') return mode
    const { terms, otherwise } = mode === 'all' ? ACCEPT_ALL : ORIGINATED_ONLY
    return { terms: [...first, ...terms], otherwise }
  }
}
