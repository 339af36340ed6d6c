import { createConnection } from 'node:net'
import { type Message, toJson } from '@bufbuild/protobuf'
import type { GenMessage } from '@bufbuild/protobuf/codegenv2'
import { Code, ConnectError, createClient } from '@connectrpc/connect'
import { createConnectTransport } from '@connectrpc/connect-node'
import type { SessionDocument } from '../../core/intent/index.ts'
import { type AgentAnswers, type AgentState, ApiError } from './agent.ts'
import {
  Agent,
  GetStatusResponseSchema,
  ListPeersResponseSchema,
  ListRoutesResponseSchema,
} from './generated/api_pb.ts'

/** Asks the agent of this node, for the command line and for programs in this language. */

/** How long an answer may take. */
const ANSWER_MS = 5_000

/** An agent that answers. */
export interface AgentClient extends AgentAnswers {
  close(): Promise<void>
}

/**
 * The agent that listens at `socketPath`; undefined where none does, or this user may not ask it.
 */
export async function connectApi(socketPath: string): Promise<AgentClient | undefined> {
  if (!(await listens(socketPath))) return undefined
  const transport = createConnectTransport({
    // the name of the host is not looked at: the socket's path says whom
    baseUrl: 'http://agent',
    httpVersion: '1.1',
    nodeOptions: { socketPath },
    defaultTimeoutMs: ANSWER_MS,
  })
  const client = createClient(Agent, transport)
  return {
    state: () =>
      ask(async () => document(GetStatusResponseSchema, await client.getStatus({}), isState)),
    sessions: () =>
      ask(async () => {
        const answer = await client.listPeers({})
        return document(ListPeersResponseSchema, answer, hasSessions).sessions
      }),
    routes: prefix =>
      ask(async () => {
        const answer = await client.listRoutes(prefix === undefined ? {} : { prefix })
        const { routes } = document(ListRoutesResponseSchema, answer, hasRoutes)
        return prefix === undefined ? routes.map(({ paths: _, ...route }) => route) : routes
      }),
    refresh: peer => ask(async () => (await client.refreshPeer({ peer })).peers),
    close: async () => {},
  }
}

async function ask<Answer>(question: () => Promise<Answer>): Promise<Answer> {
  try {
    return await question()
  } catch (cause) {
    const error = ConnectError.from(cause)
    const code = error.code === Code.InvalidArgument ? 'API_INVALID' : 'API_FAILED'
    throw new ApiError(code, error.rawMessage, { cause })
  }
}

/** A message as the document of the same shape. */
function document<Answer extends Message, Document>(
  schema: GenMessage<Answer>,
  message: Answer,
  is: (json: unknown) => json is Document,
): Document {
  const json: unknown = toJson(schema, message, { alwaysEmitImplicit: true })
  if (is(json)) return json
  throw new ApiError('API_FAILED', 'the agent is of another version: its answer lacks a part')
}

// The schema has checked names and types; what is asked here is whether the parts are there.
const has = (json: unknown, ...names: readonly string[]): boolean =>
  typeof json === 'object' && json !== null && names.every(name => name in json)

const isState = (json: unknown): json is AgentState => has(json, 'node', 'agent', 'sessions')

const hasSessions = (json: unknown): json is { sessions: SessionDocument[] } =>
  has(json, 'sessions')

const hasRoutes = (
  json: unknown,
): json is { routes: Awaited<ReturnType<AgentAnswers['routes']>> } => has(json, 'routes')

function listens(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = createConnection(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
