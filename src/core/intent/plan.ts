import type { BgpFilterResource } from '../calico/index.ts'
import type { NodeRoute, NodeRouteOut, Tunnel } from '../dataplane/index.ts'
import {
  type Address,
  type Asn,
  address,
  type Family,
  familyOf,
  formatQuad,
  type Prefix,
} from '../net/index.ts'
import { ACCEPT_ALL, canonicalText, ORIGINATED_ONLY, type Policy } from '../policy/index.ts'
import type { PeerConfig, SpeakerConfig } from '../speaker/index.ts'
import type { Neighbour } from './peers/neighbour.ts'
import { rulesOf } from './policies/text.ts'
import type { Desired, NodeFacts, Problem, Snapshot } from './types.ts'

/**
 * What a node would do, for people and for programs to read before it does it: `martlet plan`
 * prints it. Lists are in canonical order, and what does not apply is null, so that every plan has
 * every key. A key is added freely; none changes its meaning.
 */

/** All of it. */
export interface Plan {
  readonly node: string
  /** of the store; null where it has none */
  readonly revision: number | null
  /** a dotted quad; null where the node has no router id, and so no sessions */
  readonly routerId: string | null
  readonly asNumber: number | null
  /** a dotted quad, where the node reflects routes */
  readonly clusterId: string | null
  readonly listen: readonly PlannedListen[]
  /** by name */
  readonly sessions: readonly PlannedSession[]
  /** neighbours that are known by where they come from, of the node's configuration; by name */
  readonly ranges: readonly { readonly name: string; readonly prefix: Prefix }[]
  /** in order of prefix */
  readonly originated: readonly Originated[]
  /** in order of text, as Calico has them */
  readonly pools: readonly PlannedPool[]
  /** in the order in which they are applied */
  readonly communities: readonly PrefixCommunities[]
  /** what peers are told; in order of the first name of each */
  readonly exports: readonly PlannedProgram[]
  /** what is taken from peers; in order of the first name of each */
  readonly imports: readonly PlannedProgram[]
  /** which of the best routes are the kernel's: sentences, as in a program */
  readonly kernel: readonly string[]
  /** what the kernel gets beside what is learned; in order of prefix */
  readonly routes: readonly PlannedRoute[]
  /** this node's ends of tunnels; in order of name */
  readonly tunnels: readonly PlannedTunnel[]
  readonly problems: readonly Problem[]
}

/**
 * What is done to the routes of some sessions. Sentences for people, in order: the first that
 * accepts or rejects a route counts. Their words may change.
 */
export interface PlannedProgram {
  /** names of sessions, then of ranges: all that have this program; each in order */
  readonly sessions: readonly string[]
  /** `in 10.244.0.0/16: accept`; the last says what becomes of all else */
  readonly rules: readonly string[]
}

/**
 * A route of the node itself: of its own blocks, its workloads, to other nodes' blocks through
 * tunnels, to peers behind a gateway.
 */
export interface PlannedRoute {
  readonly prefix: Prefix
  readonly kind: NodeRouteOut['kind']
  readonly gateway: Address | null
  /** null: that of the gateway */
  readonly interface: string | null
  /** null: as the node's configuration says */
  readonly metric: number | null
}

/** This node's end of all tunnels of one kind. */
export interface PlannedTunnel {
  /** of the link */
  readonly name: string
  readonly kind: Tunnel['kind']
  /** of the tunnel itself */
  readonly address: Address
  /** whither packets go for which other node's end; of IPIP the routes say it */
  readonly ends: readonly { readonly address: Address; readonly node: Address }[]
}

/** Where peers are to connect to; `0.0.0.0` and `::` are any address of the node. */
export interface PlannedListen {
  readonly family: Family
  readonly address: Address
  readonly port: number
}

/** One session. */
export interface PlannedSession {
  /** Calico's: `Mesh_…`, `Global_…`, `Node_…`, `Local_Workload_…` */
  readonly name: string
  /** of the addresses that it is between */
  readonly family: Family
  readonly peerAddress: Address
  readonly peerPort: number
  readonly peerAs: Asn
  readonly localAs: Asn
  /** null: the kernel chooses */
  readonly sourceAddress: Address | null
  /** the peer is to connect */
  readonly passive: boolean
  readonly ebgp: boolean
  /** most hops to the peer; null: any number, which is `multihop` */
  readonly ttlSecurityHops: number | null
  /** `missing`: it is asked for, and not to be had; there is no session until it is */
  readonly password: 'none' | 'set' | 'missing'
  /**
   * for how long the peer is asked to keep our routes, 0: not at all; null: nobody said, and it is
   * 120
   */
  readonly restartTimeSeconds: number | null
  /** null: a third of the hold time */
  readonly keepaliveSeconds: number | null
  /** how often our own AS may be in an AS path */
  readonly allowLocalAs: number
  readonly nextHop: 'auto' | 'self' | 'keep'
  readonly routeReflectorClient: boolean
  /** a dotted quad, where the peer is a client */
  readonly clusterId: string | null
  /** names of BGPFilters with rules of that direction and family, in order */
  readonly importFilters: readonly string[]
  readonly exportFilters: readonly string[]
  /** the gateway of a host route to the peer */
  readonly reachableBy: Address | null
  /** the key of the resource that it is of; null: the mesh */
  readonly resource: string | null
  /** that resource names this node as the peer of another */
  readonly reverse: boolean
  /** why there is no session for now; null: there is one */
  readonly withheld: string | null
}

/** A prefix that this node announces as its own. */
export interface Originated {
  readonly prefix: Prefix
  /** of its pods; addresses of services; of its configuration */
  readonly kind: 'block' | 'service' | 'static'
  /** what is in it and nowhere on the node is dropped, not sent on */
  readonly blackhole: boolean
}

/** How the routes of a pool are treated. */
export interface PlannedPool {
  readonly cidr: Prefix
  /** whether peers are told of them */
  readonly bgpExport: boolean
  /** what becomes of those that are learned */
  readonly kernel: 'accept' | 'reject' | 'tunnel'
}

/** Which communities routes inside a prefix carry when they leave. */
export interface PrefixCommunities {
  readonly prefix: Prefix
  /** values, `aa:nn` or `aa:nn:mm` */
  readonly communities: readonly string[]
}

const ANY_IPV4 = address('0.0.0.0')
const ANY_IPV6 = address('::')

/** What is wanted of a node, as a plan. O(sessions · filters). */
export function planOf(
  desired: Desired,
  facts: Pick<NodeFacts, 'node'>,
  { bgpFilters }: Pick<Snapshot, 'bgpFilters'>,
  revision?: number,
): Plan {
  const { speaker } = desired
  const filters = new Map(bgpFilters.map(filter => [filter.metadata.name, filter]))
  return {
    node: facts.node,
    revision: revision ?? null,
    routerId: speaker === undefined ? null : formatQuad(speaker.routerId),
    asNumber: speaker?.localAs ?? null,
    clusterId: speaker === undefined ? null : clusterIdOf(speaker),
    listen: desired.listen.map(({ family, port, address: at }) => ({
      family,
      address: at ?? (family === 'ipv4' ? ANY_IPV4 : ANY_IPV6),
      port,
    })),
    sessions: desired.sessions.map(neighbour => plannedSession(neighbour, speaker, filters)),
    ranges: speaker?.ranges?.map(({ name, prefix }) => ({ name, prefix })) ?? [],
    originated: desired.originated,
    pools: desired.pools,
    communities: desired.communities,
    exports: programsOf(desired, ({ export: policy }) => policyOf(policy)),
    imports: programsOf(desired, ({ importRules }) => importRules?.policy ?? ACCEPT_ALL),
    kernel: speaker === undefined ? [] : rulesOf(speaker.fibPolicy ?? ACCEPT_ALL),
    routes: desired.dataplane.routes.map(plannedRoute),
    tunnels: desired.dataplane.tunnels?.map(plannedTunnel) ?? [],
    problems: desired.problems,
  }
}

/** What a session and a range have alike. */
type Session = Pick<PeerConfig, 'export' | 'importRules'>

function policyOf(policy: PeerConfig['export']): Policy {
  if (typeof policy !== 'string') return policy
  return policy === 'all' ? ACCEPT_ALL : ORIGINATED_ONLY
}

/** Sessions that have the same policy, which is said once. */
function programsOf(
  { sessions, speaker }: Desired,
  policyFor: (session: Session) => Policy,
): PlannedProgram[] {
  const programs = new Map<string, { readonly policy: Policy; readonly sessions: string[] }>()
  const add = (name: string, session: Session): void => {
    const policy = policyFor(session)
    const text = canonicalText(policy)
    const known = programs.get(text) ?? { policy, sessions: [] }
    known.sessions.push(name)
    programs.set(text, known)
  }
  for (const { config } of sessions) add(config.name, config)
  for (const { name, template } of speaker?.ranges ?? []) add(name, template)
  return [...programs.values()].map(({ policy, sessions }) => ({
    sessions,
    rules: rulesOf(policy),
  }))
}

function plannedSession(
  neighbour: Neighbour,
  speaker: SpeakerConfig | undefined,
  filters: ReadonlyMap<string, BgpFilterResource>,
): PlannedSession {
  const { config, restartTime } = neighbour
  const family = familyOf(config.address)
  const client = config.routeReflectorClient
  // one that is not there is shown: what becomes of the session is in the problems
  const having = (field: keyof BgpFilterResource['spec']): string[] =>
    neighbour.filters.filter(name => {
      const filter = filters.get(name)
      return filter === undefined || (filter.spec[field] ?? []).length > 0
    })
  return {
    name: config.name,
    family,
    peerAddress: config.address,
    peerPort: config.port,
    peerAs: config.peerAs,
    localAs: config.localAs,
    sourceAddress: config.localAddress ?? null,
    passive: config.passive,
    ebgp: config.peerAs !== config.localAs,
    ttlSecurityHops: config.transport?.ttlSecurity ?? null,
    password: neighbour.password,
    restartTimeSeconds: restartTime === undefined ? null : restartTime / 1000,
    keepaliveSeconds: config.keepalive === undefined ? null : config.keepalive / 1000,
    allowLocalAs: config.importRules?.allowOwnAs ?? 0,
    nextHop: config.nextHop,
    routeReflectorClient: client,
    clusterId: client && speaker !== undefined ? clusterIdOf(speaker) : null,
    importFilters: having(family === 'ipv4' ? 'importV4' : 'importV6'),
    exportFilters: having(family === 'ipv4' ? 'exportV4' : 'exportV6'),
    reachableBy: neighbour.reachableBy ?? null,
    resource: neighbour.resource ?? null,
    reverse: neighbour.reverse,
    withheld: neighbour.withheld ?? null,
  }
}

const plannedRoute = ({ prefix, metric, out }: NodeRoute): PlannedRoute => ({
  prefix,
  kind: out.kind,
  gateway: out.kind === 'via' ? out.gateway : null,
  interface: out.kind === 'blackhole' ? null : (out.interface ?? null),
  metric: metric ?? null,
})

const plannedTunnel = ({ name, kind, address: own, ends }: Tunnel): PlannedTunnel => ({
  name,
  kind,
  address: own,
  ends: ends.map(({ address: end, node }) => ({ address: end, node })),
})

const clusterIdOf = ({ clusterId }: SpeakerConfig): string | null =>
  clusterId === undefined ? null : formatQuad(clusterId)
