import type { KernelRouteSnapshot } from '../../core/dataplane/index.ts'
import {
  agentDocument,
  type KernelPlace,
  kernelDocument,
  kernelPlace,
  kernelRouteDocument,
  leftRouteDocuments,
  pathDocument,
  type RouteDocument,
  routeDocument,
  routeDocuments,
  routesSummary,
  type StatusFacts,
  sessionDocuments,
} from '../../core/intent/index.ts'
import { hostPrefix, parseAddress, parsePrefix } from '../../core/net/index.ts'
import { type AgentAnswers, ApiError } from '../../shell/api/index.ts'
import type { DataplaneLink, SpeakerLink } from '../../shell/link/index.ts'

/**
 * What operators are answered: the documents of the last round, and live answers about one prefix.
 */

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
      asked === undefined
        ? [...routeDocuments(agent.facts), ...leftRouteDocuments(agent.facts)]
        : await lookup(agent, asked),
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
  const target = parseAddress(asked)
  const exact = target === undefined ? parsePrefix(asked) : hostPrefix(target)
  if (exact === undefined)
    throw new ApiError('API_INVALID', `"${asked}" is neither an address nor a prefix`)
  const { node } = agent.facts
  const routes = await agent.speaker.lookup(target ?? exact)
  const prefixes = [...new Set([...routes.map(({ prefix }) => prefix), exact])]
  // without an answer the kernel's side of it is unknown, and said to be
  const found = await agent.dataplane.lookup(prefixes).catch(() => undefined)
  const kernel = new Map(found?.map(route => [route.prefix, route]))
  const documents = routes.flatMap(route => {
    const known = kernel.get(route.prefix)
    const place = known === undefined ? absent(found) : kernelPlace(known)
    const document = routeDocument(route, { node, ...place })
    return document === undefined ? [] : [{ ...document, paths: route.paths.map(pathDocument) }]
  })
  const own = kernel.get(exact)
  if (own === undefined || routes.some(({ prefix }) => prefix === exact)) return documents
  return [...documents, kernelRouteDocument(node, own)]
}

/** Of a prefix of which the dataplane knows nothing. */
const absent = (found: readonly KernelRouteSnapshot[] | undefined): KernelPlace =>
  found === undefined
    ? { kernel: 'unknown', kernelError: 'the dataplane does not answer' }
    : { kernel: 'absent' }
