import { unescapeName } from '../../../core/calico/index.ts'
import type {
  AgentDocument,
  Entry,
  KernelDocument,
  LastDocument,
  RouteDocument,
  RoutesSummaryDocument,
  SessionDocument,
} from '../../../core/intent/index.ts'
import { STATE_ROOT } from '../../../core/intent/index.ts'
import {
  type Address,
  comparePrefixes,
  containsAddress,
  type Prefix,
  parseAddress,
  parsePrefix,
} from '../../../core/net/index.ts'

/**
 * What is known of nodes, read from the objects under `/martlet/v1/`. The agent's API answers
 * the same documents (open.ts asks it), so that printing does not care where they came from.
 */

/** One node as far as it is known. */
export interface NodeState {
  readonly node: string
  /** absent: no agent is alive there, as far as the store knows */
  readonly agent?: AgentDocument
  /** in the order of the store */
  readonly sessions: readonly SessionDocument[]
  readonly kernel?: KernelDocument
  readonly summary?: RoutesSummaryDocument
  /** what the node last said; it outlives the agent */
  readonly last?: LastDocument
}

/** Where documents come from. Every method rejects with a `CommandFailure` when nobody answers. */
export interface StateSource {
  /** for people: `the agent at /run/martlet/api.sock`, `etcd at …` */
  readonly where: string
  readonly kind: 'api' | 'store'
  /** One node, or all of them in the order of their names; none where nothing is known. */
  nodes(node: string | 'all'): Promise<readonly NodeState[]>
  /** Best routes; of `asked` all that is known about one prefix, or what an address would take. */
  routes(node: string | 'all', asked?: Prefix | Address): Promise<readonly RouteDocument[]>
  close(): Promise<void>
}

/** What a folder of state holds. */
export interface Assembled {
  /** by name */
  readonly nodes: readonly NodeState[]
  readonly routes: readonly RouteDocument[]
  /**
   * keys whose value is not what this version writes there: of something else, or of a version
   * to come
   */
  readonly unreadable: readonly string[]
}

type Draft = { -readonly [Field in keyof NodeState]: NodeState[Field] } & {
  sessions: SessionDocument[]
}

/**
 * Puts the objects of the store together, by node. Keys of kinds not known here are passed over.
 */
export function assemble(entries: readonly Entry[]): Assembled {
  const drafts = new Map<string, Draft>()
  const routes: RouteDocument[] = []
  const unreadable: string[] = []
  for (const { key, value } of entries) {
    const place = parseStateKey(key)
    if (place === undefined) continue
    const draft = drafts.get(place.node) ?? { node: place.node, sessions: [] }
    if (put(draft, routes, place.kind, parseJson(value))) drafts.set(place.node, draft)
    else unreadable.push(key)
  }
  const nodes = [...drafts.values()].sort((a, b) => (a.node < b.node ? -1 : 1))
  return { nodes, routes, unreadable }
}

/** The node and the kind of document that a key of the state has; undefined for any other key. */
export function parseStateKey(key: string): { node: string; kind: string } | undefined {
  const match = /^(?:nodes\/([^/]+)\/([^/]+)|last\/([^/]+)$)/.exec(key.slice(STATE_ROOT.length))
  if (!key.startsWith(STATE_ROOT) || match === null) return undefined
  const [node, kind, last] = match.slice(1).map(part => part && unescapeName(part))
  if (last !== undefined) return { node: last, kind: 'last' }
  return node === undefined || kind === undefined ? undefined : { node, kind }
}

/**
 * False where `document` is not one of its kind; a kind that is not known is true, and left
 * alone.
 */
function put(draft: Draft, routes: RouteDocument[], kind: string, document: unknown): boolean {
  switch (kind) {
    case 'agent':
      if (!has<AgentDocument>(document, AGENT)) return false
      draft.agent = document
      return true
    case 'sessions':
      if (!has<SessionDocument>(document, SESSION)) return false
      draft.sessions.push(document)
      return true
    case 'routes':
      if (!has<RouteDocument>(document, ROUTE)) return false
      routes.push(document)
      return true
    case 'routes-summary':
      if (!has<RoutesSummaryDocument>(document, SUMMARY)) return false
      draft.summary = document
      return true
    case 'kernel':
      if (!has<KernelDocument>(document, KERNEL)) return false
      draft.kernel = document
      return true
    case 'last':
      if (!has<LastDocument>(document, LAST)) return false
      draft.last = document
      return true
    default:
      return true
  }
}

// The fields that printing reads without asking: the rest of a document is its writer's word.
const AGENT = ['node', 'mode', 'startedAt', 'processes', 'store', 'sessions', 'problems'] as const
const SESSION = ['node', 'name', 'peerAddress', 'state', 'since', 'prefixes', 'counters'] as const
const ROUTE = ['node', 'prefix', 'family', 'from', 'nextHops', 'kernel', 'best'] as const
const SUMMARY = ['node', 'total', 'listed', 'limit', 'tables'] as const
const KERNEL = ['node', 'speaker', 'inSync', 'routes'] as const
const LAST = ['node', 'at', 'agent', 'sessions', 'routes'] as const

function has<Document>(
  value: unknown,
  fields: readonly (keyof Document & string)[],
): value is Document {
  return typeof value === 'object' && value !== null && fields.every(field => field in value)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/**
 * Of `routes`, the one whose prefix is `asked`; for an address, the longest that holds it, at
 * each node. Without `asked`, all of them in order.
 */
export function select(
  routes: readonly RouteDocument[],
  asked: Prefix | Address | undefined,
): RouteDocument[] {
  const inOrder = routes
    .flatMap(route => {
      const prefix = parsePrefix(route.prefix)
      return prefix === undefined ? [] : [{ route, prefix }]
    })
    .sort((a, b) => comparePrefixes(a.prefix, b.prefix) || (a.route.node < b.route.node ? -1 : 1))
  if (asked === undefined) return inOrder.map(({ route }) => route)
  const address = parseAddress(asked)
  if (address === undefined)
    return inOrder.filter(({ prefix }) => prefix === asked).map(({ route }) => route)
  const longest = new Map<string, RouteDocument>()
  // shorter ones come first, so that the last one that holds the address is the longest
  for (const { route, prefix } of inOrder)
    if (containsAddress(prefix, address)) longest.set(route.node, route)
  return [...longest.values()]
}
