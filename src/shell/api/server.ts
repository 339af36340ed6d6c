import { createServer as createHttp1 } from 'node:http'
import { createServer as createHttp2 } from 'node:http2'
import type { Socket } from 'node:net'
import { fromJson, type JsonValue, type Message } from '@bufbuild/protobuf'
import type { GenMessage } from '@bufbuild/protobuf/codegenv2'
import { Code, ConnectError, type ConnectRouter } from '@connectrpc/connect'
import { connectNodeAdapter } from '@connectrpc/connect-node'
import { type AgentAnswers, ApiError } from './agent.ts'
import {
  Agent,
  GetStatusResponseSchema,
  ListPeersResponseSchema,
  ListRoutesResponseSchema,
  RefreshPeerResponseSchema,
} from './generated/api_pb.ts'

/**
 * Serves proto/api.proto: Connect and gRPC-Web over HTTP/1, gRPC over HTTP/2, on the connections
 * that it is given. Both versions come to one socket; the first octets of a connection say which it
 * is.
 */

/** What an HTTP/2 client says first. RFC 9113 §3.4: "PRI * HTTP/2.0" */
const PREFACE = 'PRI '

/** How long a request may take to arrive. */
const REQUEST_MS = 10_000

/** Takes connections and answers them until it is closed. */
export interface ApiServer {
  accept(socket: Socket): void
  close(): void
}

/** A server that answers by `answers`. */
export function makeApi(answers: AgentAnswers): ApiServer {
  const handler = connectNodeAdapter({ routes: router => addRoutes(router, answers) })
  const http1 = createHttp1({ requestTimeout: REQUEST_MS }, handler)
  const http2 = createHttp2(handler)
  const sockets = new Set<Socket>()
  return {
    accept(socket) {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
      socket.on('error', () => socket.destroy())
      socket.setTimeout(REQUEST_MS, () => socket.destroy())
      socket.once('readable', () => {
        const first: Buffer | null = socket.read()
        if (first === null) return
        socket.setTimeout(0)
        socket.unshift(first)
        const speaksHttp2 = first.toString('latin1', 0, PREFACE.length) === PREFACE
        ;(speaksHttp2 ? http2 : http1).emit('connection', socket)
      })
    },
    close() {
      for (const socket of sockets) socket.destroy()
    },
  }
}

function addRoutes(router: ConnectRouter, answers: AgentAnswers): void {
  router.service(Agent, {
    getStatus: () => answer(GetStatusResponseSchema, () => answers.state()),
    listPeers: () =>
      answer(ListPeersResponseSchema, async () => ({ sessions: await answers.sessions() })),
    listRoutes: request =>
      answer(ListRoutesResponseSchema, async () => ({
        routes: await answers.routes(request.prefix),
      })),
    refreshPeer: request =>
      answer(RefreshPeerResponseSchema, async () => ({
        peers: await answers.refresh(request.peer),
      })),
  })
}

/**
 * A document as the message of the same shape: the field names of its JSON are those of the schema.
 */
async function answer<Answer extends Message>(
  schema: GenMessage<Answer>,
  ask: () => Promise<object>,
): Promise<Answer> {
  try {
    const json: JsonValue = JSON.parse(JSON.stringify(await ask()))
    return fromJson(schema, json)
  } catch (error) {
    if (error instanceof ApiError && error.code === 'API_INVALID')
      throw new ConnectError(error.message, Code.InvalidArgument)
    throw ConnectError.from(error, Code.Unavailable)
  }
}
