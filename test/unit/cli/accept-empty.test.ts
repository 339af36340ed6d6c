/** `accept-empty`, and what `status` says before it. */
import test from 'ava'
import { agentDocument, agentOf, MemoryStore, run } from './world.ts'

const KEY = '/martlet/v1/accept/empty'
const why = 'the store holds no Node worker-0 any more'
const held = agentDocument({ mode: 'held', held: { since: '2026-11-20T10:20:30.000Z', why } })

test('a node that holds back is told of, and the word is written for it', async t => {
  const store = new MemoryStore()
  store.seed('/martlet/v1/nodes/worker-0/agent', held)
  store.seed('/martlet/v1/nodes/worker-1/agent', agentDocument({ node: 'worker-1' }))
  const { code, printed } = await run(['accept-empty'], { store })
  t.is(code, 0)
  t.is(printed.trim(), `worker-0 goes on, where ${why}`)
  t.regex(store.entries.get(KEY)?.value ?? '', /"at": "\d{4}-/)
  t.true((store.entries.get(KEY)?.revision ?? 0) > 2)
})

test('where nobody holds back, nothing is written', async t => {
  const store = new MemoryStore()
  store.seed('/martlet/v1/nodes/worker-0/agent', agentDocument())
  const { code, remarks } = await run(['accept-empty'], { store })
  t.is(code, 3)
  t.regex(remarks, /no node holds anything back/)
  t.false(store.entries.has(KEY))
})

test('status says what is held back, paused or remembered, and what to do', async t => {
  const status = async (agent: Parameters<typeof agentDocument>[0]): Promise<string> =>
    (await run(['status'], { agent: agentOf({ agent: agentDocument(agent) }) })).printed
  t.regex(await status(held), /any more: nothing is changed; restore .* martlet accept-empty/)
  const paused = { since: '2026-11-20T10:20:30.000Z', why: 'datastoreReady is false' }
  t.regex(await status({ mode: 'paused', held: paused }), /not acted on: datastoreReady is false/)
  const savedAt = '2026-11-20T10:00:00.000Z'
  const { store } = agentDocument()
  t.regex(
    await status({ store: { ...store, savedAt } }),
    /as the store wanted them at 2026-11-20T10/,
  )
})
