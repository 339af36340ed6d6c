import {
  agentDocument,
  isBlackhole,
  kernelDocument,
  pathDocument,
  type RouteDocument,
  routeDocument,
  routeDocuments,
  routesSummary,
  type StatusFacts,
  sessionDocuments,
} from '../../core/intent/index.ts'
import { parseAddress, parsePrefix } from '../../core/net/index.ts'
import type { RouteSnapshot } from '../../core/speaker/index.ts'
import { type AgentAnswers, ApiError } from '../../shell/api/index.ts'
import type { DataplaneLink, SpeakerLink } from '../../shell/link/index.ts'

/**
 * What operators are answered: the documents of the last round, and live answers about one prefix.
 */

/** Why the kernel's side of a route is not known while the dataplane answers. */
const NOT_FOLLOWED = 'outside the cluster’s pools, whose routes alone are followed: see ip route'

/** What answers are made of. */
export interface Knowledge {
  /** as of the last round */
  readonly facts: StatusFacts
  readonly speaker: SpeakerLink
  readonly dataplane: DataplaneLink
}

/** Answers from what `agent` knows. */
export function answersOf(agent: Knowledge): AgentAnswers {
  const sessions = async () => sessionDocuments(agent.facts)
  return {
    sessions,
    state: async () => {
      const { facts } = agent
      const kernel = kernelDocument(facts)
      const summary = routesSummary(facts)
      return {
        node: facts.node,
        agent: agentDocument(facts),
        sessions: await sessions(),
        ...(kernel !== undefined && { kernel }),
        ...(summary !== undefined && { summary }),
      }
    },
    routes: async asked =>
      asked === undefined ? routeDocuments(agent.facts) : await lookup(agent, asked),
    refresh: peer => refresh(agent, peer),
  }
}

/** As of the last round; a session that has gone since then says so itself. */
async function refresh({ facts, speaker }: Knowledge, asked: string): Promise<readonly string[]> {
  const address = parseAddress(asked)
  const names = (facts.speaker?.sessions ?? [])
    .filter(session => session.name === asked || session.address === address)
    .map(({ name }) => name)
  if (names.length === 0) throw new ApiError('API_INVALID', `there is no peer ${asked}`)
  for (const name of names) {
    const why = await speaker.refresh(name)
    if (why !== undefined) throw new ApiError('API_INVALID', `${name} cannot be asked: ${why}`)
  }
  return names
}

async function lookup(agent: Knowledge, asked: string): Promise<RouteDocument[]> {
  const target = parseAddress(asked) ?? parsePrefix(asked)
  if (target === undefined)
    throw new ApiError('API_INVALID', `"${asked}" is neither an address nor a prefix`)
  const [routes, dataplane] = await Promise.all([
    agent.speaker.lookup(target),
    // without an answer the kernel's side of it is unknown, and said to be
    agent.dataplane.snapshot().catch(() => undefined),
  ])
  const { dataplane: _, ...facts } = agent.facts
  return routes.flatMap(route => documentOf(route, { ...facts, ...(dataplane && { dataplane }) }))
}

function documentOf(route: RouteSnapshot, facts: StatusFacts): RouteDocument[] {
  const document = routeDocument(route, { node: facts.node, ...kernelOf(route, facts) })
  return document === undefined ? [] : [{ ...document, paths: route.paths.map(pathDocument) }]
}

/**
 * Where the route stands in the kernel, as far as the dataplane lists it: routes of the cluster's
 * pools.
 */
function kernelOf(
  route: RouteSnapshot,
  { dataplane, desired }: StatusFacts,
): Pick<RouteDocument, 'kernel' | 'kernelError'> {
  if (dataplane === undefined)
    return { kernel: 'unknown', kernelError: 'the dataplane does not answer' }
  const isLocal = route.paths.some(path => path.best && path.from === 'local')
  if (isLocal && isBlackhole(desired?.dataplane.routes ?? [], route.prefix))
    return { kernel: 'blackhole' }
  const known = dataplane.routes.find(({ prefix }) => prefix === route.prefix)
  if (known === undefined && isLocal) return { kernel: 'absent' }
  if (known === undefined) return { kernel: 'unknown', kernelError: NOT_FOLLOWED }
  return { kernel: known.state, ...(known.error !== undefined && { kernelError: known.error }) }
}
