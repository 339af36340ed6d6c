/**
 * The operators' API over a real unix socket: the answers are the documents, unchanged, by Connect
 * over HTTP/1, by JSON that any program can send, and by gRPC over HTTP/2.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@connectrpc/connect'
import { createGrpcTransport } from '@connectrpc/connect-node'
import test, { type ExecutionContext } from 'ava'
import { Agent } from '../../src/shell/api/generated/api_pb.ts'
import {
  type AgentAnswers,
  type AgentState,
  ApiError,
  connectApi,
  makeApi,
} from '../../src/shell/api/index.ts'
import { documents } from '../support/documents.ts'

const { agent, kernel, summary, session, route } = documents

const STATE: AgentState = { node: 'worker-0', agent, sessions: [session], kernel, summary }

const ANSWERS: AgentAnswers = {
  state: async () => STATE,
  sessions: async () => [session],
  routes: async asked => {
    if (asked === undefined) return [route]
    if (asked === 'nonsense') throw new ApiError('API_INVALID', '"nonsense" is neither')
    if (asked === '192.0.2.1') throw new Error('no link')
    return [{ ...route, paths: [route.best] }]
  },
  refresh: async peer => {
    if (peer === 'nobody') throw new ApiError('API_INVALID', 'there is no peer nobody')
    return [peer]
  },
}

async function serve(t: ExecutionContext, answers: AgentAnswers = ANSWERS): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'martlet-api-'))
  const path = join(directory, 'api.sock')
  const api = makeApi(answers)
  const server = createServer(socket => api.accept(socket))
  await new Promise<void>(resolve => server.listen(path, resolve))
  t.teardown(() => {
    api.close()
    server.close()
    rmSync(directory, { recursive: true })
  })
  return path
}

test('the documents cross the socket unchanged', async t => {
  const client = await connectApi(await serve(t))
  t.deepEqual(await client?.state(), STATE)
  t.deepEqual(await client?.sessions(), [session])
  t.deepEqual(await client?.routes(undefined), [route])
  t.deepEqual(await client?.routes('10.200.1.0/24'), [{ ...route, paths: [route.best] }])
})

test('a peer can be asked to say all again', async t => {
  const client = await connectApi(await serve(t))
  if (client === undefined) return t.fail('nobody answers')
  t.deepEqual(await client.refresh('10.240.0.1'), ['10.240.0.1'])
  const error = await t.throwsAsync(client.refresh('nobody'), { instanceOf: ApiError })
  t.like(error, { code: 'API_INVALID', message: 'there is no peer nobody' })
})

test('what does not apply is absent on both sides', async t => {
  const { negotiated: _1, lastError: _2, ...idle } = session
  const state = { node: 'worker-0', agent: { ...agent, problems: [] }, sessions: [idle] }
  const path = await serve(t, { ...ANSWERS, state: async () => state })
  t.deepEqual(await (await connectApi(path))?.state(), state)
})

test('a question without sense is the asker’s fault, a failure is the agent’s', async t => {
  const client = await connectApi(await serve(t))
  await t.throwsAsync(client?.routes('nonsense') ?? Promise.resolve(), { code: 'API_INVALID' })
  await t.throwsAsync(client?.routes('192.0.2.1') ?? Promise.resolve(), {
    code: 'API_FAILED',
    message: /no link/,
  })
})

test('where nobody listens there is no client', async t => {
  t.is(await connectApi('/nonexistent/api.sock'), undefined)
})

test('a program that knows HTTP and JSON is answered', async t => {
  const path = await serve(t)
  const answer = await new Promise<string>((resolve, reject) => {
    const asking = request(
      {
        socketPath: path,
        method: 'POST',
        path: '/martlet.v1.Agent/ListPeers',
        headers: { 'content-type': 'application/json' },
      },
      response => {
        let text = ''
        response.on('data', part => {
          text += String(part)
        })
        response.on('end', () => resolve(text))
      },
    )
    asking.on('error', reject)
    asking.end('{}')
  })
  t.is(JSON.parse(answer).sessions[0].peerAddress, session.peerAddress)
})

test('a gRPC client over HTTP/2 is answered on the same socket', async t => {
  const path = await serve(t)
  const { connect } = await import('node:net')
  const transport = createGrpcTransport({
    baseUrl: 'http://agent',
    nodeOptions: { createConnection: () => connect(path) },
  })
  const answer = await createClient(Agent, transport).listRoutes({})
  t.is(answer.routes[0]?.prefix, route.prefix)
})
