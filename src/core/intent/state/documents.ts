import type { KernelState } from '../../dataplane/index.ts'
import type { Instant } from './instant.ts'
import type { SessionErrorDocument } from './session-document.ts'

/**
 * What an operator reads: the objects under `/martlet/v1/` in the store, the answers of the agent's
 * API, and what the command line prints are these types, as JSON. Not the resources that an
 * operator writes.
 *
 *   /martlet/v1/nodes/<node>/agent                       AgentDocument
 *   /martlet/v1/nodes/<node>/sessions/<name>             SessionDocument
 *   /martlet/v1/nodes/<node>/routes/<family>/<prefix>    RouteDocument, `-` for the prefix's `/`
 *   /martlet/v1/nodes/<node>/routes-summary              RoutesSummaryDocument
 *   /martlet/v1/nodes/<node>/kernel                      KernelDocument
 *   /martlet/v1/last/<node>                              LastDocument
 *   /martlet/v1/pod-cidrs/<node>                         PodCidrsDocument
 *   /martlet/v1/accept/empty                             AcceptDocument
 *   /martlet/v1/secrets/<name>/<key>                     a password, which an operator puts there
 *
 * What is under `nodes` is under a lease and goes with the node; the rest stays. Nodes read each
 * other's pod CIDRs, what an operator accepts and secrets, and nothing else of this.
 *
 * Times are ISO 8601 in UTC with milliseconds; durations are text with their unit (`90s`); what
 * does not apply is absent, never null. A field is added freely; one that changes its meaning makes
 * a `v2`.
 */

/** Under which all state of Martlet lies. */
export const STATE_ROOT = '/martlet/v1/'

/** Under which nodes say what they do. No secrets are there: who reads status reads no password. */
export const NODES_ROOTS: readonly string[] = [`${STATE_ROOT}nodes/`, `${STATE_ROOT}last/`]

/** Under which passwords are, where nodes are configured to take them from the store. */
export const SECRETS_ROOT = `${STATE_ROOT}secrets/`

/** Under which each node says the pod CIDRs of its own configuration. */
export const POD_CIDRS_ROOT = `${STATE_ROOT}pod-cidrs/`

/** Under which an operator says what agents would not believe. */
export const ACCEPT_ROOT = `${STATE_ROOT}accept/`

/** That a store which suddenly holds nothing is meant so. Its revision says of which store. */
export const ACCEPT_EMPTY_KEY = `${ACCEPT_ROOT}empty`

/** What an operator accepts: written by `martlet accept-empty`, for people to read. */
export interface AcceptDocument {
  readonly at: Instant
}

/**
 * Most routes of one node that have an object of their own; `routes-summary` counts all of them.
 */
export const ROUTES_STATUS_MAX = 1000

/**
 * Pod CIDRs that a node's own configuration names, for the other nodes, who do not see that file.
 * They count while the node has a Node object; not leased, so that the death of an agent does not
 * give its pods' addresses away.
 */
export interface PodCidrsDocument {
  readonly node: string
  /** sorted, at least one: a node without any writes no such document */
  readonly podCIDRs: readonly string[]
}

/**
 * What the agent does now.
 *
 * - `starting`: no complete answer of the store yet, so nothing is configured and nothing is
 *   withdrawn
 * - `idle`: the store answered, and this node is not to speak BGP; `problems` says why
 * - `running`: sessions and routes are as the store wants them
 * - `stale`: the store does not answer; sessions and routes are as it last wanted them
 * - `held`: the store suddenly holds nothing; the same, until that is accepted or mended
 * - `paused`: the store says that it is not to be acted on (`datastoreReady: false`); the same
 */
export type AgentMode = 'starting' | 'idle' | 'running' | 'stale' | 'held' | 'paused'

/** The agent of one node as a whole. */
export interface AgentDocument {
  readonly node: string
  readonly version: string
  readonly mode: AgentMode
  readonly startedAt: Instant
  /** as a dotted quad; absent where the node does not speak BGP */
  readonly routerId?: string
  readonly asNumber?: number
  /** whether the controller has a link to the other two processes */
  readonly processes: { readonly speaker: 'up' | 'down'; readonly dataplane: 'up' | 'down' }
  readonly store: {
    readonly kind: 'etcd' | 'directory'
    readonly state: 'fresh' | 'lost'
    /** of this state */
    readonly since: Instant
    /** why it is lost */
    readonly why?: string
    /** of the store, when it said what is in force; absent before anything is */
    readonly revision?: number
    /**
     * What is in force was kept on disk then: the store has said nothing since this agent started,
     * or nothing that it believes.
     */
    readonly savedAt?: Instant
  }
  /** while `held` or `paused`: why what the store says is not followed */
  readonly held?: { readonly since: Instant; readonly why: string }
  /** where peers are to connect to */
  readonly listen: readonly ListenDocument[]
  /** prefixes that this node announces as its own */
  readonly originated: readonly string[]
  readonly sessions: { readonly total: number; readonly established: number }
  readonly problems: readonly ProblemDocument[]
}

/** A port that peers are to connect to. */
export interface ListenDocument {
  readonly family: 'ipv4' | 'ipv6'
  readonly port: number
  /** `refused`: it cannot be had; `unknown` while the BGP half has not said */
  readonly state: 'open' | 'refused' | 'unknown'
  /** why it cannot be had */
  readonly error?: string
}

/** Something in the store or in a file that cannot be meant. */
export interface ProblemDocument {
  /** the key or the file */
  readonly object: string
  /** the path of the field; empty for the whole object */
  readonly field: string
  readonly reason: string
}

/** One destination: its best path, and where it stands in the kernel. */
export interface RouteDocument {
  readonly node: string
  readonly prefix: string
  readonly family: 'ipv4' | 'ipv6'
  /**
   * the session of the best path; `local`: this node announces it; `node`: it is in the kernel for
   * this node alone, a workload or a tunnel; in answers of the API also `kernel`: left from before
   */
  readonly from: string
  /** of all paths in use; empty for what this node originates */
  readonly nextHops: readonly string[]
  /**
   * `blackhole` is our own pod CIDR, `absent` a route that the kernel half does not know; `unknown`
   * while that does not answer
   */
  readonly kernel: KernelState | 'blackhole' | 'absent' | 'unknown'
  /** why it is not in the kernel as wanted, or not known */
  readonly kernelError?: string
  /** where ours in the kernel leads: in answers that name one prefix, and of the node's own */
  readonly kernelLeads?: string
  /** who wants it there, or did last: the BGP half, or the node itself; where `kernelLeads` is */
  readonly kernelOwner?: 'speaker' | 'node'
  /** in answers of the API that name one prefix it may be a path that is not used, the first one */
  readonly best: PathDocument
  /** how many paths there are, the best included; 0: BGP knows none, `best` says nothing */
  readonly pathsTotal: number
  /** all of them, the best first; only in answers of the API that name one prefix */
  readonly paths?: readonly PathDocument[]
}

/** One path of a destination, with the attributes that it counts by. */
export interface PathDocument extends AttributesDocument {
  readonly from: string
  /** by which the peer names it, where it sends several paths of a prefix. RFC 7911 */
  readonly pathId?: number
  readonly best: boolean
  /** used beside the best one */
  readonly multipath: boolean
  /** why it is not the best */
  readonly reason?: string
  /** import rules do not let it be a candidate; the reason is theirs */
  readonly refused?: true
  /** what the peer said, where import rules have changed it */
  readonly received?: AttributesDocument
}

/** Attributes of a path. */
export interface AttributesDocument {
  readonly nextHop?: string
  readonly asPath: string
  readonly origin: string
  readonly localPref?: number
  readonly med?: number
  readonly communities: readonly string[]
}

/** How many routes there are, beside those that have an object of their own. */
export interface RoutesSummaryDocument {
  readonly node: string
  /** best routes inside the cluster's pools */
  readonly total: number
  /** those that have an object */
  readonly listed: number
  /** the most that may have one */
  readonly limit: number
  /** the whole tables, routes outside the pools included */
  readonly tables: readonly {
    readonly family: string
    readonly destinations: number
    readonly paths: number
  }[]
}

/** The kernel half. */
export interface KernelDocument {
  readonly node: string
  /** whether the BGP half is connected to it */
  readonly speaker: 'up' | 'down'
  /** the BGP half has said everything that it wants */
  readonly inSync: boolean
  readonly table: number
  readonly protocol: number
  readonly metric: number
  readonly routes: {
    readonly wanted: number
    readonly installed: number
    readonly pending: number
    /** wanted, and not to be had now: the sum of the next three */
    readonly failed: number
    /** the kernel refuses them, or this node's configuration does */
    readonly rejected: number
    /** somebody else has their destination and metric, or is left to have his way */
    readonly foreign: number
    /** their next hop cannot be reached now */
    readonly held: number
    readonly stale: number
  }
  /** routes that somebody else removed or changed, put back */
  readonly repaired: number
  /** those that were left so, by `kernel.audit` */
  readonly yielded: number
  readonly alerted: number
  /** what another hand did to a route of ours last */
  readonly lastIntervention?: InterventionDocument
  /** requests that the kernel refused, ever */
  readonly failures: number
  /** this node's ends of tunnels, in order of name; absent: there are none */
  readonly tunnels?: readonly {
    readonly name: string
    readonly state: 'up' | 'pending' | 'failed'
    readonly error?: string
    /** of other nodes' ends, how many it has */
    readonly ends: number
  }[]
  /** of the last full dump that was applied */
  readonly lastSync?: Instant
  readonly lastFailure?: { readonly prefix: string; readonly error: string; readonly at: Instant }
}

/** What another hand did to a route of ours. */
export interface InterventionDocument {
  readonly prefix: string
  readonly what: 'removed' | 'changed'
  /** what was done about it */
  readonly action: 'restore' | 'yield' | 'alert'
  /** the process, where it was found */
  readonly who?: string
  readonly at: Instant
}

/** What a node last said of itself; not leased, so that a dead node leaves it behind. */
export interface LastDocument {
  readonly node: string
  /** when it was written; everything below was true then */
  readonly at: Instant
  readonly agent: AgentDocument
  readonly sessions: readonly {
    readonly name: string
    readonly peerAddress: string
    readonly state: string
    readonly since: Instant
    readonly lastError?: SessionErrorDocument
  }[]
  readonly routes: { readonly total: number; readonly installed: number; readonly failed: number }
}
