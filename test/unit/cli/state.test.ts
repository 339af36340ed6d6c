/** `status`, `peers` and `routes`: what they print, whom they ask, how they end. */
import { stripVTControlCharacters } from 'node:util'
import test from 'ava'
import {
  agentDocument,
  agentOf,
  kernelDocument,
  MemoryStore,
  NO_ROUTES,
  routeDocument,
  run,
  sessionDocument,
} from './world.ts'

const healthy = agentOf({
  agent: agentDocument(),
  kernel: kernelDocument(),
  sessions: [sessionDocument()],
  routes: [routeDocument()],
})

const { negotiated: _, ...refused } = sessionDocument({
  name: 'Node_fd00__1',
  peerAddress: 'fd00::1',
  peerPort: 1179,
  state: 'Active',
  since: '2026-11-18T09:00:00.000Z',
  prefixes: [],
  lastError: {
    direction: 'received',
    code: 2,
    subcode: 2,
    text: 'Bad Peer AS: peer is AS 65002, configured 65001',
    at: '2026-11-20T10:15:00.000Z',
  },
})

/** A cluster in the store: one node that is well, one that has died. */
function cluster(): MemoryStore {
  const store = new MemoryStore()
  const root = '/martlet/v1/'
  store.seed(`${root}nodes/worker-0/agent`, agentDocument())
  store.seed(`${root}nodes/worker-0/kernel`, kernelDocument())
  store.seed(`${root}nodes/worker-0/sessions/Global_10_240_0_1`, sessionDocument())
  store.seed(`${root}nodes/worker-0/routes/ipv4/10.200.1.0-24`, routeDocument())
  store.seed(
    `${root}nodes/worker-0/routes/ipv4/10.200.0.0-16`,
    routeDocument({ prefix: '10.200.0.0/16' }),
  )
  store.seed(`${root}nodes/worker-0/routes-summary`, {
    node: 'worker-0',
    total: 2,
    listed: 2,
    limit: 1000,
    tables: [{ family: 'ipv4', destinations: 2, paths: 3 }],
  })
  store.seed(`${root}last/worker-9`, {
    node: 'worker-9',
    at: '2026-11-20T08:00:00.000Z',
    agent: agentDocument({ node: 'worker-9' }),
    sessions: [],
    routes: { total: 5, installed: 4, failed: 1 },
  })
  store.seed(`${root}last/worker-0`, {
    node: 'worker-0',
    at: '2026-11-20T10:15:30.000Z',
    agent: agentDocument(),
    sessions: [],
    routes: { total: 2, installed: 2, failed: 0 },
  })
  store.seed('/calico/resources/v3/projectcalico.org/nodes/worker-0', { kind: 'Node' })
  return store
}

test('a healthy node is a page that says so, with exit code 0', async t => {
  const { code, printed, remarks } = await run(['status'], { agent: healthy })
  t.is(code, 0)
  t.is(
    printed,
    `Node worker-0

Agent       running, version 1.2.3, started 2026-11-20 10:12:20 UTC (3m13s ago)
BGP         AS 64512, router id 10.240.0.20, listening on ipv4 port 179
Announces   10.200.0.0/24
Processes   speaker up, dataplane up
Store       etcd, fresh since 2026-11-20 10:12:20 UTC (3m13s ago)
Sessions    1 of 1 established
Kernel      3 of 3 installed; table 254, compared 2026-11-20 10:15:30 UTC (3s ago)

All is well.`,
  )
  t.is(remarks, '(from the agent at /run/martlet/api/api.sock)')
})

test('each thing that is wrong is a sentence, and status ends with code 1', async t => {
  const agent = agentOf({
    agent: agentDocument({
      mode: 'stale',
      processes: { speaker: 'up', dataplane: 'down' },
      store: { kind: 'etcd', state: 'lost', since: '2026-11-20T10:15:00.000Z', why: 'refused' },
      sessions: { total: 2, established: 1 },
      problems: [{ object: '/calico/x', field: 'spec.peerIP', reason: 'is no address' }],
    }),
    sessions: [sessionDocument(), refused],
    kernel: kernelDocument({ inSync: false }),
  })
  const { code, printed } = await run(['status', '-o', 'json'], { agent })
  t.is(code, 1)
  t.deepEqual(JSON.parse(printed).troubles, [
    'the store does not answer: refused',
    'the dataplane process does not answer',
    'Node_fd00__1: Active: Bad Peer AS: peer is AS 65002, configured 65001',
    '/calico/x spec.peerIP: is no address',
  ])
})

test('routes that are not in the kernel are told with the reasons, and with the last one’s error', async t => {
  const agent = agentOf({
    agent: agentDocument(),
    kernel: kernelDocument({
      routes: { ...NO_ROUTES, wanted: 4, installed: 1, failed: 3, foreign: 2, held: 1 },
      lastFailure: { prefix: '10.9.0.0/24', error: 'EEXIST', at: '2026-11-20T10:15:00.000Z' },
    }),
  })
  const { code, printed } = await run(['status'], { agent })
  t.is(code, 1)
  t.regex(printed, /1 of 4 installed, 2 foreign, 1 held;/)
  const held = '1 route without a next hop, last 10.9.0.0/24: EEXIST'
  t.true(printed.includes(`1 problem\n  somebody else has the place of 2 routes, ${held}`), printed)
})

test('an agent of an earlier version says how many routes fail, and not why', async t => {
  const { wanted, installed, pending, stale } = { ...NO_ROUTES, wanted: 3, installed: 1 }
  const routes = { wanted, installed, pending, failed: 2, stale }
  const kernel = { ...kernelDocument(), routes: routes as typeof NO_ROUTES }
  const agent = agentOf({ agent: agentDocument(), kernel })
  const { printed } = await run(['status'], { agent })
  t.regex(printed, /1 problem\n {2}2 routes rejected/)
})

test('sessions of a dead node are not none, but unknown, and it is said', async t => {
  const { code, printed, remarks } = await run(['peers', '--node', 'worker-9'], {
    store: cluster(),
  })
  t.is(code, 0)
  t.regex(printed, /No IPv4 peers found/)
  t.regex(remarks, /^worker-9: no agent is alive, .*; last heard 2026-11-20T/)
})

test('without its speaker a node knows no sessions and no routes, and says so', async t => {
  const processes = { speaker: 'down', dataplane: 'up' } as const
  const agent = agentOf({ agent: agentDocument({ processes }) })
  for (const command of ['peers', 'routes'])
    t.regex((await run([command], { agent })).remarks, /^worker-0: its speaker does not answer now/)
})

test('every node on one line, the dead ones too, within 80 columns', async t => {
  const { code, printed } = await run(['status', '-A'], { store: cluster(), agent: healthy })
  t.is(code, 1)
  t.is(
    printed,
    `NODE       AGENT     AS      SESSIONS   ROUTES   KERNEL   PROBLEMS
worker-0   running   64512   1/1        2        3/3      -
worker-9   dead      -       -          -        -        no agent is alive; la…`,
  )
  for (const line of printed.split('\n')) t.true(line.length <= 80)
})

test('the agent is asked first, then the store, and which it was is said', async t => {
  const api = await run(['peers'], { agent: healthy, store: cluster() })
  t.is(api.remarks, '(from the agent at /run/martlet/api/api.sock)')
  const store = cluster()
  const fallback = await run(['peers'], { store })
  t.is(fallback.remarks, '(from /store)')
  t.is(fallback.printed, api.printed)
  t.is(store.closed, 1)
  const forced = await run(['peers', '--from', 'store'], { agent: healthy, store: cluster() })
  t.is(forced.remarks, '(from /store)')
  const silent = await run(['peers', '--from', 'api'], { store: cluster() })
  t.is(silent.code, 5)
  t.regex(silent.remarks, /no agent answers at \/run\/martlet\/api\/api\.sock; start it/)
  const remote = await run(['peers', '--from', 'api', '--node', 'worker-9'], { agent: healthy })
  t.is(remote.code, 2)
})

test('programs get no remark', async t => {
  const { remarks } = await run(['peers', '-o', 'json'], { agent: healthy })
  t.is(remarks, '')
})

test('a node that nobody knows is code 3', async t => {
  const { code, remarks } = await run(['status', '--node', 'worker-7'], { store: cluster() })
  t.is(code, 3)
  t.regex(remarks, /nothing of node worker-7 is known in \/store/)
  t.is((await run(['peers', '--node', 'worker-7'], { store: cluster() })).code, 3)
  t.is((await run(['routes', '--node', 'worker-7'], { store: cluster() })).code, 3)
})

test('peers are the table of calicoctl node status, by family, within 80 columns', async t => {
  const agent = agentOf({ agent: agentDocument(), sessions: [sessionDocument(), refused] })
  const { code, printed } = await run(['peers'], { agent })
  t.is(code, 0)
  t.is(
    printed,
    `IPv4 BGP status
PEER ADDRESS   PEER TYPE   STATE   SINCE      INFO
10.240.0.1     global      up      10:12:21   Established

IPv6 BGP status
PEER ADDRESS     PEER TYPE       STATE   SINCE        INFO
[fd00::1]:1179   node specific   start   2026-11-18   Active: Bad Peer AS: peer…`,
  )
  const none = await run(['peers'], { agent: agentOf({ agent: agentDocument() }) })
  t.regex(none.printed, /No IPv4 peers found\.\n\nIPv6 BGP status\nNo IPv6 peers found\./)
})

test('wide is not cut', async t => {
  const agent = agentOf({ agent: agentDocument(), sessions: [refused] })
  const { printed } = await run(['peers', '-o', 'wide'], { agent })
  t.regex(printed, /64512 +2d01h +0 +0 +Node_fd00__1 +Active: .* configured 65001$/m)
})

test('one peer in full says what becomes of its routes when it goes away', async t => {
  const shown = async (restart: object, more: object = {}): Promise<string> => {
    const { negotiated, ...rest } = sessionDocument()
    const session = {
      ...rest,
      ...more,
      negotiated: {
        ...negotiated!,
        gracefulRestart: {
          restartTime: '120s',
          families: ['ipv4'],
          forwarding: [],
          restarting: false,
          notification: true,
          ...restart,
        },
      },
    }
    const agent = agentOf({ agent: agentDocument(), sessions: [session] })
    return (await run(['peers', session.peerAddress], { agent })).printed
  }
  t.regex(
    await shown({ restarting: true }),
    /restart +its ipv4 routes are kept for 120s, through a NOTIFICATION too, it had just restarted$/m,
  )
  t.regex(await shown({ families: [] }), /restart +its routes are not kept, it keeps ours$/m)
  t.notRegex(await shown({}), /Routes kept/)
  const until = await shown({}, { staleUntil: '2026-11-20T10:20:00.000Z' })
  t.regex(until, /Routes kept +until 2026-11-20 10:20:00/)
})

test('one peer in full, by address or by name, with who ended it and why', async t => {
  const agent = agentOf({ agent: agentDocument(), sessions: [sessionDocument(), refused] })
  const { printed } = await run(['peers', 'FD00:0::1'], { agent })
  t.regex(printed, /^\[fd00::1\]:1179 at worker-0$/m)
  t.regex(printed, /Last error +Bad Peer AS: peer is AS 65002, configured 65001$/m)
  t.regex(printed, /Told by +the peer, NOTIFICATION 2\/2, 2026-11-20 10:15:00 UTC \(33s ago\)$/m)
  t.regex(printed, /Established +1 time since it was configured$/m)
  t.regex(printed, /nothing: the session is not Established/)
  const up = await run(['peers', 'Global_10_240_0_1'], { agent })
  t.regex(up.printed, /Hold time +90s, keepalive every 30s/)
  t.regex(up.printed, /Route refresh +no/)
  t.regex(up.printed, /ipv4 +2 +2 +0 +yes +2 +1/)
  t.regex(up.printed, /octets +327 +240/)
  t.regex(up.printed, /Last error +none/)
  const missing = await run(['peers', '10.9.9.9'], { agent })
  t.is(missing.code, 3)
  t.regex(missing.remarks, /no peer 10\.9\.9\.9 at worker-0; martlet peers lists them/)
})

test('how strangers are kept out is told, and what may keep a peer out', async t => {
  const hint = 'in the last minute the kernel dropped TCP segments without a signature'
  const secured = { authentication: 'TCP MD5', ttlSecurity: 1 } as const
  const agent = agentOf({
    agent: agentDocument(),
    sessions: [sessionDocument(secured), { ...refused, ...secured, ttlSecurity: 3, hint }],
  })
  const up = await run(['peers', 'Global_10_240_0_1'], { agent })
  t.regex(up.printed, /Secured by +TCP MD5, at most 1 hop$/m)
  t.notRegex(up.printed, /Hint/)
  const down = await run(['peers', 'fd00::1'], { agent })
  t.regex(down.printed, /Secured by +TCP MD5, at most 3 hops$/m)
  t.true(down.printed.includes(hint))
  const { printed } = await run(['status', '-o', 'json'], { agent })
  t.true(JSON.parse(printed).troubles[0].endsWith(`configured 65001: ${hint}`))
  const plain = agentOf({ agent: agentDocument(), sessions: [sessionDocument()] })
  const { printed: without } = await run(['peers', 'Global_10_240_0_1'], { agent: plain })
  t.notRegex(without, /Secured by/)
})

test('routes are in the order of their numbers, and say where the kernel stands', async t => {
  const agent = agentOf({
    agent: agentDocument(),
    routes: [
      routeDocument({ prefix: '10.200.10.0/24', kernel: 'foreign', kernelError: 'EEXIST' }),
      routeDocument({ prefix: '10.200.9.0/24', nextHops: ['10.0.0.1', '10.0.0.2'] }),
      routeDocument({ prefix: '10.200.0.0/24', from: 'local', nextHops: [], kernel: 'blackhole' }),
    ],
  })
  const { printed } = await run(['routes'], { agent })
  t.is(
    printed,
    `PREFIX           NEXT HOPS            FROM                KERNEL
10.200.0.0/24    -                    local               blackhole
10.200.9.0/24    10.0.0.1, 10.0.0.2   Global_10_240_0_1   installed
10.200.10.0/24   10.240.0.21          Global_10_240_0_1   foreign: EEXIST`,
  )
})

test('next hops that do not fit are counted, so that the state is not cut', async t => {
  const routes = [
    routeDocument({ nextHops: ['fd00:10:240:11::2', 'fd00:10:240:12::2', 'fd00:10:240:13::2'] }),
    routeDocument({ prefix: '10.200.2.0/24' }),
  ]
  const agent = agentOf({ agent: agentDocument(), routes })
  const { printed } = await run(['routes'], { agent })
  t.regex(printed, /^10\.200\.1\.0\/24 +fd00:10:240:11::2 \+2 +Global_10_240_0_1 +installed$/m)
  t.regex(printed, /^10\.200\.2\.0\/24 +10\.240\.0\.21 +/m)
  const wide = await run(['routes', '-o', 'wide'], { agent })
  t.regex(wide.printed, /fd00:10:240:11::2, fd00:10:240:12::2, fd00:10:240:13::2/)
})

test('one route tells the rule that each path lost by', async t => {
  const { best } = routeDocument()
  const agent = agentOf({
    agent: agentDocument(),
    routes: [
      routeDocument({
        pathsTotal: 3,
        paths: [
          best,
          { ...best, from: 'Mesh_a', best: false, multipath: true, reason: 'peer address' },
          { ...best, from: 'Mesh_b', best: false, asPath: '65001 65002', reason: 'AS_PATH length' },
        ],
      }),
    ],
  })
  const { printed } = await run(['routes', '10.200.1.0/24'], { agent })
  t.regex(printed, /^\* +10\.240\.0\.21 +Global_10_240_0_1 +- +100 +- +best$/m)
  t.regex(printed, /^= .*Mesh_a .*used beside it; peer address$/m)
  t.regex(printed, /^ .*Mesh_b +65001 65002 .*lost: AS_PATH length$/m)
})

test('what import rules refuse or change is told beside what the peer said', async t => {
  const { best } = routeDocument()
  const { asPath, origin } = best
  const paths = [
    {
      ...best,
      localPref: 50,
      communities: ['no-export'],
      received: { asPath, origin, communities: [] },
    },
    { ...best, from: 'Mesh_a', best: false, refused: true, reason: 'AS_SET in AS_PATH' } as const,
  ]
  const routes = [routeDocument({ pathsTotal: 2, paths })]
  const agent = agentOf({ agent: agentDocument(), routes })
  const { printed } = await run(['routes', '10.200.1.0/24'], { agent })
  t.regex(printed, /^\* .* 50 +- +no-export +best$/m)
  t.regex(printed, /^ .*Mesh_a .*refused: AS_SET in AS_PATH$/m)
  t.regex(printed, /^Global_10_240_0_1 said: pref -, communities -$/m)
})

test('from the store, an address takes the longest prefix that holds it', async t => {
  const taken = async (asked: string): Promise<string[]> => {
    const { printed } = await run(['routes', asked, '-o', 'json'], { store: cluster() })
    return JSON.parse(printed).map(({ prefix }: { prefix: string }) => prefix)
  }
  t.deepEqual(await taken('10.200.1.7'), ['10.200.1.0/24'])
  t.deepEqual(await taken('10.200.2.7'), ['10.200.0.0/16'])
  t.deepEqual(await taken('10.200.1.7/24'), ['10.200.1.0/24'])
  const none = await run(['routes', '192.0.2.1'], { store: cluster() })
  t.is(none.code, 3)
  t.regex(none.remarks, /the node’s own agent has all/)
  t.is((await run(['routes', 'ten'], { store: cluster() })).code, 2)
})

test('a state that this version cannot read is left out', async t => {
  const store = cluster()
  store.seed('/martlet/v1/nodes/worker-0/sessions/Mesh_x', { of: 'a later version' })
  store.seed('/martlet/v1/nodes/worker-0/sessions/Mesh_y', 'no JSON')
  store.seed('/martlet/v1/nodes/worker-0/weather', { sun: true })
  const { code, printed } = await run(['peers', '-o', 'json'], { store })
  t.is(code, 0)
  t.is(JSON.parse(printed).length, 1)
})

test('names of nodes with a slash are read as they were written', async t => {
  const store = new MemoryStore()
  store.seed('/martlet/v1/nodes/rack%2fa/agent', agentDocument({ node: 'rack/a' }))
  const { printed } = await run(['status', '-A', '-o', 'json'], { store })
  t.is(JSON.parse(printed)[0].node, 'rack/a')
})

test('colours are for terminals only, and do not move columns', async t => {
  const plain = await run(['peers'], { agent: healthy })
  const colourful = await run(['peers'], { agent: healthy, colour: true })
  t.true(colourful.printed.includes('\u001b[32mup'))
  t.false(plain.printed.includes('\u001b['))
  t.is(stripVTControlCharacters(colourful.printed), plain.printed)
})

test('of a route that the node wants for itself it is said whose it is, and BGP knows no path', async t => {
  const route = routeDocument({
    ...{ prefix: '10.200.0.7/32', from: 'node', nextHops: ['dev cali7'], pathsTotal: 0, paths: [] },
    ...{ kernel: 'installed', kernelLeads: 'dev cali7', kernelOwner: 'node' },
  })
  const agent = agentOf({ agent: agentDocument(), routes: [route] })
  const { printed } = await run(['routes', '10.200.0.7'], { agent })
  t.is(
    printed,
    `10.200.0.7/32 at worker-0
Kernel      installed
Leads       dev cali7
Wanted by   this node: its own addresses, a workload, or a tunnel
Next hops   dev cali7
Paths       0`,
  )
  const left = routeDocument({ from: 'kernel', pathsTotal: 0, paths: [], kernel: 'stale' })
  const other = agentOf({ agent: agentDocument(), routes: [left] })
  const { printed: second } = await run(['routes', '10.200.1.0/24'], { agent: other })
  t.regex(second, /Wanted by {3}nobody now: left from before/)
})
