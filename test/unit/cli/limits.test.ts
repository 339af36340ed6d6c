import test from 'ava'
import type { LimitDocument } from '../../../src/core/intent/index.ts'
import { agentDocument, agentOf, run, sessionDocument } from './world.ts'

/** What operators see of limits, of ranges, and of ports that cannot be had. */

const limit: LimitDocument = {
  which: 'received',
  family: 'ipv4',
  count: 3,
  most: 3,
  action: 'block',
  standing: 'passed',
  left: 12,
}

test('where a session stands with its limits is a table', async t => {
  const agent = agentOf({
    agent: agentDocument(),
    sessions: [sessionDocument({ limits: [limit] })],
  })
  const { printed } = await run(['peers', '10.240.0.1'], { agent })
  t.regex(printed, /^ +LIMIT +COUNT +MOST +BEYOND +LEFT OUT +STANDING/m)
  t.regex(printed, /^ +ipv4 received +3 +3 +block +12 +passed/m)
  const none = agentOf({ agent: agentDocument(), sessions: [sessionDocument()] })
  t.notRegex(
    (await run(['peers', '10.240.0.1'], { agent: none })).printed,
    /Limits|Range|Suspended/,
  )
})

test('a session that a limit keeps from beginning says so, and until when', async t => {
  const { negotiated: _negotiated, ...rest } = sessionDocument()
  const why = 'more than 3 ipv4 prefixes received'
  const shown = async (until?: string) => {
    const suspended = { why, ...(until !== undefined && { until }) }
    const session = { ...rest, state: 'Idle', suspended, range: 'leaves' }
    const agent = agentOf({ agent: agentDocument(), sessions: [session] })
    const { printed: status } = await run(['status', '-o', 'json'], { agent })
    return { status, peer: (await run(['peers', '10.240.0.1'], { agent })).printed }
  }
  const restarts = await shown('2026-11-20T10:20:00.000Z')
  t.regex(restarts.peer, /Suspended +more than 3 ipv4 prefixes received, until 2026-11-20 10:20:00/)
  t.regex(restarts.peer, /Range +leaves$/m)
  t.true(restarts.status.includes('no session until 2026-11-20T10:20:00.000Z'))
  const disabled = await shown()
  t.regex(
    disabled.peer,
    /Suspended +more than 3 ipv4 prefixes received, until the limit is changed$/m,
  )
  t.true(disabled.status.includes(`Idle: ${why}; no session until the limit is changed`))
})

test('a port that cannot be had is trouble, and is not said to be listened on', async t => {
  const agent = agentOf({
    agent: agentDocument({
      listen: [
        { family: 'ipv4', port: 179, state: 'refused', error: 'another program has it' },
        { family: 'ipv6', port: 179, state: 'open' },
      ],
    }),
    sessions: [sessionDocument()],
  })
  const { code, printed } = await run(['status'], { agent })
  t.is(code, 1)
  t.regex(printed, /listening on ipv6 port 179$/m)
  t.regex(printed, /peers cannot connect to ipv4 port 179: another program has it$/m)
})
