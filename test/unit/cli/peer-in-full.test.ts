import test from 'ava'
import { agentDocument, agentOf, run, sessionDocument } from './world.ts'

/** `martlet peers ADDRESS`: what both sides offered and agreed, and what went wrong. */

/** What is printed of the session of 10.240.0.1 with `changes`. */
async function shown(changes: Parameters<typeof sessionDocument>[0]): Promise<string> {
  const agent = agentOf({ agent: agentDocument(), sessions: [sessionDocument(changes)] })
  return (await run(['peers', '10.240.0.1'], { agent })).printed
}

const { negotiated } = sessionDocument()

test('what was negotiated is told in words', async t => {
  const printed = await shown({
    negotiated: {
      ...negotiated!,
      routeRefresh: true,
      enhancedRefresh: true,
      messageMax: 65_535,
      addPathReceive: ['ipv4', 'ipv6'],
      addPathSend: ['ipv4'],
      extendedNextHop: true,
      longLived: [{ family: 'ipv6', staleTime: '7200s', forwarding: false }],
      peerRole: 'route-server',
    },
  })
  t.regex(printed, /Route refresh +yes, its beginning and end are marked$/m)
  t.regex(printed, /Longest message +65535 octets$/m)
  t.regex(printed, /Several paths +from it: ipv4, ipv6; to it: ipv4$/m)
  t.regex(printed, /IPv6 next hops +yes$/m)
  t.regex(printed, /It is to us +route-server$/m)
  t.regex(printed, /Long-lived +ipv6 for 7200s$/m)
})

test('without any of it there is a plain no', async t => {
  const printed = await shown({})
  t.regex(printed, /Route refresh +no$/m)
  t.regex(printed, /Longest message +4096 octets$/m)
  t.regex(printed, /Several paths +no$/m)
  t.regex(printed, /Long-lived +no$/m)
  t.notRegex(printed, /It is to us/)
})

test('the capabilities of both OPENs stand one below the other', async t => {
  const offered = ['multiprotocol: ipv4', 'route-refresh']
  const printed = await shown({ capabilities: { offered, received: ['role: peer'] } })
  t.true(printed.includes('Capabilities of our OPEN\n  multiprotocol: ipv4\n  route-refresh\n'))
  t.true(printed.includes('Capabilities of its OPEN\n  role: peer\n'))
})

test('faults are counted, and the last ones shown with their octets, the newest first', async t => {
  const fault = { remedy: 'attribute-discard', octets: '40060100', octetsTotal: 4 }
  const printed = await shown({
    updateFaults: {
      attributeDiscard: 20,
      treatAsWithdraw: 1,
      sessionReset: 0,
      recent: [
        {
          ...fault,
          at: '2026-11-20T10:15:03.000Z',
          why: 'ATOMIC_AGGREGATE cannot be 1 octets long',
        },
        {
          at: '2026-11-20T10:15:23.000Z',
          remedy: 'treat-as-withdraw',
          why: 'ORIGIN is malformed',
          octets: '00'.repeat(128),
          octetsTotal: 400,
        },
      ],
    },
  })
  t.regex(printed, /attribute discarded +20$/m)
  const lines = printed.slice(printed.indexOf('Faults')).split('\n').slice(-4)
  t.deepEqual(lines, [
    '  2026-11-20 10:15:23 UTC (10s ago): treat-as-withdraw: ORIGIN is malformed',
    `    ${'00'.repeat(128)}... of 400 octets`,
    '  2026-11-20 10:15:03 UTC (30s ago): attribute-discard: ATOMIC_AGGREGATE cannot be 1 octets long',
    '    40060100',
  ])
})

test('what the peer said stays in sight, with why it cannot be reached since', async t => {
  const lastError = {
    direction: 'received',
    code: 6,
    subcode: 2,
    text: 'Cease, Administrative Shutdown: maintenance',
    at: '2026-11-20T10:14:33.000Z',
    later: { text: 'connection refused', at: '2026-11-20T10:15:30.000Z' },
  } as const
  const printed = await shown({ state: 'Active', lastError })
  t.regex(printed, /Last error +Cease, Administrative Shutdown: maintenance$/m)
  t.regex(printed, /Told by +the peer, NOTIFICATION 6\/2, .*\(1m00s ago\)$/m)
  t.regex(printed, /Since then +connection refused, .*\(3s ago\)$/m)
  const agent = agentOf({
    agent: agentDocument(),
    sessions: [sessionDocument({ state: 'Active', lastError })],
  })
  const { printed: all } = await run(['status', '-o', 'json'], { agent })
  t.regex(JSON.parse(all).troubles[0], /maintenance; since then connection refused$/)
})
