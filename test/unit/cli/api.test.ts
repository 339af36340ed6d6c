/**
 * The command line asking a real socket: what the agent's documents are after their way through
 * the API.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { connectApi, makeApi } from '../../../src/shell/api/index.ts'
import { agentDocument, kernelDocument, routeDocument, run, sessionDocument } from './world.ts'

test('what the API answers prints as what the agent holds', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'martlet-api-'))
  const path = join(folder, 'api.sock')
  const { negotiated: _, ...idle } = sessionDocument({ state: 'Idle', prefixes: [] })
  const state = {
    node: 'worker-0',
    agent: agentDocument({ problems: [{ object: 'a', field: '', reason: 'is wrong' }] }),
    sessions: [sessionDocument(), { ...idle, name: 'Mesh_fd00__1', peerAddress: 'fd00::1' }],
    kernel: kernelDocument(),
  }
  const routes = [routeDocument({ paths: [routeDocument().best] })]
  const api = makeApi({
    state: async () => state,
    sessions: async () => state.sessions,
    routes: async () => routes,
    refresh: async peer => [peer],
  })
  const server = createServer(socket => api.accept(socket))
  await new Promise<void>(resolve => server.listen(path, resolve))
  t.teardown(() => {
    api.close()
    server.close()
    rmSync(folder, { recursive: true })
  })
  const client = await connectApi(path)
  if (client === undefined) return t.fail('nobody answers')
  const asked = async (...words: string[]) => (await run(words, { agent: client })).printed
  const status = JSON.parse(await asked('status', '-o', 'json'))
  t.like(status, { node: 'worker-0', agent: state.agent, kernel: state.kernel })
  t.deepEqual(JSON.parse(await asked('peers', '-o', 'json')), state.sessions)
  t.deepEqual(JSON.parse(await asked('routes', '10.200.1.0/24', '-o', 'json')), routes)
  t.regex(await asked('peers', 'fd00::1'), /nothing: the session is not Established/)
  t.is(await connectApi(join(folder, 'nobody.sock')), undefined)
})
