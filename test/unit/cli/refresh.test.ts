/** `refresh`: whom it asks, and how it ends where it cannot. */
import test from 'ava'
import { agentDocument, agentOf, run, sessionDocument } from './world.ts'

const negotiated = { ...sessionDocument().negotiated!, routeRefresh: true }
const established = sessionDocument({ negotiated })
const { negotiated: _, ...idle } = sessionDocument({
  name: 'Node_fd00__1',
  peerAddress: 'fd00::1',
  state: 'Idle',
})
const old = sessionDocument({
  name: 'Node_fd00__2',
  peerAddress: 'fd00::2',
  negotiated: { ...negotiated, routeRefresh: false },
})

/** An agent with a session of each kind, and whom it was told to ask. */
function asking() {
  const asked: string[] = []
  const agent = {
    ...agentOf({ agent: agentDocument(), sessions: [established, idle, old] }),
    refresh: async (peer: string) => {
      asked.push(peer)
      return [peer]
    },
  }
  return { asked, agent }
}

test('a neighbour is asked by its address, or by the name of its session', async t => {
  const { asked, agent } = asking()
  for (const word of [established.peerAddress, established.name]) {
    const { code, printed } = await run(['refresh', word], { agent })
    t.is(code, 0)
    t.is(printed.trim(), `${established.name} was asked for ipv4`)
  }
  t.deepEqual(asked, [established.name, established.name])
})

const fails = test.macro((t, word: string, expected: number, says: RegExp) => {
  const { asked, agent } = asking()
  return run(['refresh', word], { agent }).then(({ code, remarks }) => {
    t.is(code, expected)
    t.regex(remarks, says)
    t.deepEqual(asked, [])
  })
})
test(
  'one that is not there is not found',
  fails,
  '192.0.2.9',
  3,
  /no peer 192\.0\.2\.9 at this node/,
)
test('one without a session cannot be asked', fails, 'fd00:0::1', 1, /cannot be asked: it is Idle/)
test('nor one without the capability', fails, 'fd00::2', 1, /does not offer route refresh/)

test('without an agent nobody can ask', async t => {
  const { code, remarks } = await run(['refresh', 'fd00::1'], {})
  t.is(code, 5)
  t.regex(remarks, /no agent answers/)
})
