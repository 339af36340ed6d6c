/** What operators read: documents from snapshots, and where they lie. */
import test from 'ava'
import fc from 'fast-check'
import { millis } from '../../../src/core/base/index.ts'
import type { DataplaneSnapshot, KernelState } from '../../../src/core/dataplane/index.ts'
import {
  agentDocument,
  desired,
  documentText,
  instant,
  lastDocument,
  lastKey,
  leftRouteDocuments,
  ROUTES_STATUS_MAX,
  type RouteDocument,
  routeDocument,
  routeDocuments,
  routeKey,
  type StatusFacts,
  sessionDocument,
  sessionDocuments,
  stateDocuments,
} from '../../../src/core/intent/index.ts'
import { address, parseQuad, prefix } from '../../../src/core/net/index.ts'
import type {
  RouteSnapshot,
  SessionSnapshot,
  SpeakerSnapshot,
} from '../../../src/core/speaker/index.ts'
import { facts, node, snapshot } from '../../support/cluster.ts'

/** 2026-11-20T10:00:00.000Z is monotonic 1,000,000 ms. */
const epochOffset = 1_795_168_800_000 - 1_000_000

test('an instant is what the wall clock would have shown', t => {
  t.is(instant(millis(1_000_000), epochOffset), '2026-11-20T10:00:00.000Z')
  t.is(instant(millis(0.6), 0), '1970-01-01T00:00:00.001Z')
})

test('every instant of four centuries is as the runtime writes it', t => {
  const time = fc.integer({ min: Date.UTC(1800, 0), max: Date.UTC(2200, 0) })
  fc.assert(
    fc.property(time, at => t.is(instant(millis(at), 0), new Date(at).toISOString())),
    { numRuns: 2000 },
  )
  for (const date of ['2000-02-29', '2100-03-01', '2024-12-31', '1900-02-28'])
    t.is(instant(millis(Date.parse(date)), 0), `${date}T00:00:00.000Z`)
})

const counters = {
  messagesIn: 1,
  messagesOut: 2,
  updatesIn: 3,
  updatesOut: 4,
  notificationsIn: 5,
  notificationsOut: 6,
  octetsIn: 7,
  octetsOut: 8,
  established: 9,
}

const session: SessionSnapshot = {
  name: 'Mesh_10_240_0_21',
  address: address('10.240.0.21'),
  port: 179,
  peerAs: 64512 as never,
  localAs: 64512 as never,
  state: 'Established',
  since: millis(1_001_000),
  negotiated: {
    routerId: parseQuad('10.240.0.21')!,
    holdSeconds: 90,
    families: ['ipv4'],
    fourOctetAs: true,
    routeRefresh: false,
    enhancedRefresh: true,
    messageMax: 65_535,
    longLived: [{ family: 'ipv4', staleSeconds: 3600, forwarding: true }],
    takesStale: true,
    addPathReceive: ['ipv4'],
    addPathSend: [],
    extendedNextHop: true,
    peerRole: 'customer',
  },
  counters,
  prefixes: [
    { family: 'ipv4', received: 1, accepted: 1, stale: 0, endOfRib: true, best: 1, advertised: 2 },
  ],
  limits: [],
  capabilities: { offered: ['role: provider'], received: ['role: customer'] },
  faults: {
    discarded: 1,
    withdrawn: 2,
    reset: 3,
    recent: [
      {
        at: millis(998_000),
        remedy: 'treat-as-withdraw',
        why: 'ORIGIN is malformed',
        octets: Uint8Array.of(0x40, 1, 1, 9),
        octetsTotal: 4,
      },
    ],
  },
  lastError: {
    direction: 'received',
    code: 6,
    subcode: 2,
    text: 'Cease, Administrative Shutdown: "maintenance"',
    at: millis(999_000),
    later: { text: 'connection refused', at: millis(1_000_000) },
  },
}

test('what a peer offers for its restart, and until when its routes stay, is shown', t => {
  const negotiated = session.negotiated!
  const document = sessionDocument(
    {
      ...session,
      negotiated: {
        ...negotiated,
        gracefulRestart: {
          restartSeconds: 90,
          restarting: true,
          notification: false,
          families: ['ipv4'],
          forwarding: [],
        },
      },
      staleUntil: millis(1_061_000),
    },
    'worker-0',
    0,
  )
  t.deepEqual(document.negotiated?.gracefulRestart, {
    restartTime: '90s',
    restarting: true,
    notification: false,
    families: ['ipv4'],
    forwarding: [],
  })
  t.is(document.staleUntil, '1970-01-01T00:17:41.000Z')
  const plain = sessionDocument(session, 'worker-0', 0)
  t.false('staleUntil' in plain || 'gracefulRestart' in (plain.negotiated ?? {}))
})

const path = {
  from: 'Mesh_10_240_0_21',
  best: true,
  multipath: false,
  nextHop: address('10.240.0.21'),
  asPath: '65001 65002',
  origin: 'IGP',
  communities: [],
} as const

const route = (at: number): RouteSnapshot => ({
  prefix: prefix(`10.${at >> 8}.${at & 255}.0/24`),
  paths: [
    path,
    { ...path, best: false, multipath: true, nextHop: address('10.240.0.22') },
    { ...path, best: false, reason: 'longer AS path', nextHop: address('10.240.0.23') },
  ],
})

const speaker = (routes: readonly RouteSnapshot[]): SpeakerSnapshot => ({
  version: 1,
  at: millis(1_002_000),
  routerId: 1,
  localAs: 64512 as never,
  listening: [],
  sessions: [session],
  tables: [{ family: 'ipv4', destinations: 5000, paths: 9000 }],
  routes,
  routesTotal: 4321,
})

const dataplane: DataplaneSnapshot = {
  version: 1,
  at: millis(1_002_000),
  table: 254,
  protocol: 77,
  metric: 1024,
  speaker: 'up',
  inSync: true,
  wanted: 5,
  installed: 3,
  pending: 1,
  failed: 1,
  rejected: 0,
  foreign: 0,
  held: 1,
  stale: 0,
  repaired: 2,
  yielded: 0,
  alerted: 0,
  alerts: [],
  hazards: [],
  failures: 7,
  lastSync: millis(1_000_500),
  lastFailure: { prefix: prefix('10.0.2.0/24'), error: 'ENETUNREACH', at: millis(1_000_600) },
  routes: [
    { prefix: prefix('10.0.1.0/24'), state: 'installed' },
    { prefix: prefix('10.0.2.0/24'), state: 'held', error: 'ENETUNREACH' },
  ],
}

const status = (more: Partial<StatusFacts> = {}): StatusFacts => ({
  node: 'worker-0',
  version: '0.1.0',
  mode: 'running',
  startedAt: millis(1_000_000),
  processes: { speaker: 'up', dataplane: 'up' },
  store: { kind: 'etcd', state: 'fresh', since: millis(1_000_100) },
  desired: desired(
    snapshot({ nodes: [node('worker-0', '10.240.0.20', ['10.200.0.0/24'])] }),
    facts('worker-0'),
  ),
  speaker: speaker([route(1), route(2), route(3)]),
  dataplane,
  epochOffset,
  ...more,
})

const ROOT = '/martlet/v1/nodes/worker-0/'

test('each thing has a key of its own', t => {
  t.deepEqual(
    [...stateDocuments(status()).keys()].toSorted(),
    [
      `${ROOT}agent`,
      `${ROOT}kernel`,
      `${ROOT}routes-summary`,
      `${ROOT}routes/ipv4/10.0.1.0-24`,
      `${ROOT}routes/ipv4/10.0.2.0-24`,
      `${ROOT}routes/ipv4/10.0.3.0-24`,
      `${ROOT}sessions/Mesh_10_240_0_21`,
    ].toSorted(),
  )
  t.is(routeKey('a', 'fd00::/64'), '/martlet/v1/nodes/a/routes/ipv6/fd00::-64')
  t.is(lastKey('a'), '/martlet/v1/last/a')
})

test('the agent says who it is and how it is', t => {
  t.deepEqual(stateDocuments(status()).get(`${ROOT}agent`) as object, {
    node: 'worker-0',
    version: '0.1.0',
    mode: 'running',
    startedAt: '2026-11-20T10:00:00.000Z',
    routerId: '10.240.0.20',
    asNumber: 64512,
    processes: { speaker: 'up', dataplane: 'up' },
    store: { kind: 'etcd', state: 'fresh', since: '2026-11-20T10:00:00.100Z' },
    listen: [{ family: 'ipv4', port: 179, state: 'unknown' }],
    originated: ['10.200.0.0/24'],
    sessions: { total: 1, established: 1 },
    problems: [],
  })
})

test('a port that peers are to connect to says whether it can be had', t => {
  const listenOf = (...listening: SpeakerSnapshot['listening']) => {
    const { speaker, ...rest } = status()
    return agentDocument({ ...rest, speaker: { ...speaker!, listening } }).listen
  }
  const port = { family: 'ipv4', port: 179 } as const
  t.deepEqual(listenOf(port), [{ ...port, state: 'open' }])
  const error = 'the address is in use'
  t.deepEqual(listenOf({ ...port, error }), [{ ...port, state: 'refused', error }])
  t.deepEqual(listenOf({ ...port, port: 180 }), [{ ...port, state: 'unknown' }])
})

test('limits, and what they have done to a session, are told', t => {
  const limit = {
    which: 'received',
    family: 'ipv4',
    count: 3,
    most: 3,
    action: 'block',
    standing: 'passed',
    left: 4,
  } as const
  const { speaker, ...rest } = status()
  const [session] = speaker?.sessions ?? []
  const told = (changes: Partial<SessionSnapshot>) =>
    sessionDocuments({
      ...rest,
      speaker: { ...speaker!, sessions: [{ ...session!, ...changes }] },
    })[0]
  t.deepEqual(told({ limits: [limit] })?.limits, [limit])
  t.is(told({})?.suspended, undefined)
  t.deepEqual(told({ suspended: { why: 'too much' } })?.suspended, { why: 'too much' })
  t.deepEqual(told({ suspended: { why: 'too much', until: session!.since } })?.suspended, {
    why: 'too much',
    until: '2026-11-20T10:00:01.000Z',
  })
})

test('KEEPALIVEs go as often as is configured, and at least every third of the hold time', t => {
  const { speaker, desired: wanted, ...rest } = status()
  const [session] = speaker?.sessions ?? []
  const [peer] = wanted?.speaker?.peers ?? []
  const told = (keepalive: number | undefined) => {
    const more = keepalive !== undefined && { keepalive: millis(keepalive) }
    const peers = [{ ...peer!, name: session!.name, ...more }]
    const desired = { ...wanted!, speaker: { ...wanted!.speaker!, peers } }
    return sessionDocuments({ ...rest, desired, speaker: speaker! })[0]?.negotiated
  }
  t.is(told(undefined)?.keepaliveTime, '30s')
  t.is(told(7000)?.keepaliveTime, '7s')
  t.is(told(60_000)?.keepaliveTime, '30s')
})

test('one from a range is secured as the range is', t => {
  const { speaker, desired: wanted, ...rest } = status()
  const [session] = speaker?.sessions ?? []
  const [peer] = wanted?.speaker?.peers ?? []
  const template = {
    ...peer!,
    password: 'secret',
    transport: { ttl: 64, ttlSecurity: 1, trafficClass: 0 },
  }
  const ranges = [{ name: 'leaves', prefix: prefix('10.0.0.0/8'), peersMax: 1, template }]
  const [document] = sessionDocuments({
    ...rest,
    desired: { ...wanted!, speaker: { ...wanted!.speaker!, ranges } },
    speaker: { ...speaker!, sessions: [{ ...session!, name: 'leaves_10_0_0_1', range: 'leaves' }] },
  })
  t.like(document, { range: 'leaves', authentication: 'TCP MD5', ttlSecurity: 1 })
})

test('a session says what was negotiated, what it carried and how it last ended', t => {
  t.deepEqual(stateDocuments(status()).get(`${ROOT}sessions/Mesh_10_240_0_21`) as object, {
    node: 'worker-0',
    name: 'Mesh_10_240_0_21',
    peerAddress: '10.240.0.21',
    peerPort: 179,
    peerAsNumber: 64512,
    localAsNumber: 64512,
    type: 'iBGP',
    state: 'Established',
    since: '2026-11-20T10:00:01.000Z',
    negotiated: {
      routerId: '10.240.0.21',
      holdTime: '90s',
      keepaliveTime: '30s',
      families: ['ipv4'],
      fourOctetAs: true,
      routeRefresh: false,
      enhancedRefresh: true,
      messageMax: 65_535,
      longLived: [{ family: 'ipv4', staleTime: '3600s', forwarding: true }],
      addPathReceive: ['ipv4'],
      addPathSend: [],
      extendedNextHop: true,
      peerRole: 'customer',
    },
    limits: [],
    prefixes: [
      {
        family: 'ipv4',
        received: 1,
        accepted: 1,
        stale: 0,
        endOfRib: true,
        best: 1,
        advertised: 2,
      },
    ],
    counters: {
      established: 9,
      messagesReceived: 1,
      messagesSent: 2,
      updatesReceived: 3,
      updatesSent: 4,
      notificationsReceived: 5,
      notificationsSent: 6,
      octetsReceived: 7,
      octetsSent: 8,
    },
    capabilities: { offered: ['role: provider'], received: ['role: customer'] },
    updateFaults: {
      attributeDiscard: 1,
      treatAsWithdraw: 2,
      sessionReset: 3,
      recent: [
        {
          at: '2026-11-20T09:59:58.000Z',
          remedy: 'treat-as-withdraw',
          why: 'ORIGIN is malformed',
          octets: '40010109',
          octetsTotal: 4,
        },
      ],
    },
    lastError: {
      direction: 'received',
      code: 6,
      subcode: 2,
      text: 'Cease, Administrative Shutdown: "maintenance"',
      at: '2026-11-20T09:59:59.000Z',
      later: { text: 'connection refused', at: '2026-11-20T10:00:00.000Z' },
    },
  })
})

test('a route says its next hops in use, and where it stands in the kernel', t => {
  const documents = stateDocuments(status())
  const find = (name: string): RouteDocument =>
    documents.get(`${ROOT}routes/ipv4/${name}`) as RouteDocument
  t.deepEqual(find('10.0.1.0-24').nextHops, ['10.240.0.21', '10.240.0.22'])
  t.is(find('10.0.1.0-24').kernel, 'installed')
  t.is(find('10.0.1.0-24').from, 'Mesh_10_240_0_21')
  t.is(find('10.0.1.0-24').pathsTotal, 3)
  t.is(find('10.0.2.0-24').kernel, 'held')
  t.is(find('10.0.2.0-24').kernelError, 'ENETUNREACH')
  t.is(find('10.0.3.0-24').kernel, 'absent')
})

test('an own pod CIDR is a blackhole once it is one, and nothing is known without the kernel half', t => {
  const local = {
    prefix: prefix('10.200.0.0/24'),
    paths: [{ ...path, from: 'local', asPath: '' }],
  }
  const kernelOf = (more: Partial<StatusFacts>): string | undefined => {
    const documents = stateDocuments(status({ speaker: speaker([local]), ...more }))
    return (documents.get(routeKey('worker-0', local.prefix)) as RouteDocument | undefined)?.kernel
  }
  const held = (state: KernelState): Partial<StatusFacts> => ({
    dataplane: {
      ...dataplane,
      routes: [{ prefix: local.prefix, state, owner: 'node', leads: 'blackhole' }],
    },
  })
  t.is(kernelOf(held('installed')), 'blackhole')
  t.is(kernelOf(held('foreign')), 'foreign')
  t.is(kernelOf({}), 'absent')
  const { dataplane: _, ...without } = status({ speaker: speaker([local]) })
  const document = stateDocuments(without).get(routeKey('worker-0', local.prefix))
  t.is((document as RouteDocument).kernel, 'unknown')
})

test('a route that the node wants for itself is listed, one that nobody wants for who asks alone', t => {
  const routes = [
    { prefix: prefix('10.200.0.7/32'), state: 'installed', owner: 'node' },
    { prefix: prefix('10.200.0.8/32'), state: 'stale', owner: 'speaker' },
  ] as const
  const documents = stateDocuments(status({ dataplane: { ...dataplane, routes } }))
  const document = documents.get(`${ROOT}routes/ipv4/10.200.0.7-32`) as RouteDocument
  t.like(document, { from: 'node', kernel: 'installed', pathsTotal: 0 })
  t.false(documents.has(`${ROOT}routes/ipv4/10.200.0.8-32`))
  const left = leftRouteDocuments(status({ dataplane: { ...dataplane, routes } }))
  t.deepEqual(
    left.map(({ prefix: text, from, kernel }) => [text, from, kernel]),
    [['10.200.0.8/32', 'kernel', 'stale']],
  )
})

test('what is beyond the kernel half’s list is unknown, not absent', t => {
  const routes = Array.from({ length: ROUTES_STATUS_MAX }, (_, at) => ({
    prefix: prefix(`20.${at >> 8}.${at & 255}.0/24`),
    state: 'installed' as const,
    owner: 'speaker' as const,
  }))
  const [document] = routeDocuments(status({ dataplane: { ...dataplane, routes } }))
  t.is(document?.kernel, 'unknown')
  t.regex(document?.kernelError ?? '', /martlet routes PREFIX/)
})

test('hazards and changes that were left alone are problems of the node', t => {
  const alert = { what: 'removed', action: 'alert', by: 7, at: millis(1_000_700) } as const
  const alerts = [
    { ...alert, prefix: prefix('10.0.1.0/24'), who: 'ip (pid 7)' },
    { ...alert, prefix: prefix('10.0.2.0/24') },
  ]
  const { problems } = agentDocument(
    status({ dataplane: { ...dataplane, hazards: ['beware'], alerts } }),
  )
  t.deepEqual(
    problems.map(({ object, field, reason }) => `${object} ${field} ${reason}`),
    [
      'kernel  beware',
      'kernel 10.0.1.0/24 ip (pid 7) removed this route, and kernel.audit leaves it so',
      'kernel 10.0.2.0/24 somebody removed this route, and kernel.audit leaves it so',
    ],
  )
})

test('beyond the limit routes are counted, not listed', t => {
  const routes = Array.from({ length: ROUTES_STATUS_MAX + 500 }, (_, at) => route(at))
  const documents = stateDocuments(status({ speaker: speaker(routes) }))
  const listed = [...documents.keys()].filter(key => key.includes('/routes/'))
  t.is(listed.length, ROUTES_STATUS_MAX)
  t.deepEqual(documents.get(`${ROOT}routes-summary`) as object, {
    node: 'worker-0',
    total: 4321,
    listed: ROUTES_STATUS_MAX,
    limit: ROUTES_STATUS_MAX,
    tables: [{ family: 'ipv4', destinations: 5000, paths: 9000 }],
  })
})

test('before anything is known there is the agent alone', t => {
  const { desired: _, speaker: __, dataplane: ___, ...bare } = status({ mode: 'starting' })
  t.deepEqual([...stateDocuments(bare).keys()], [`${ROOT}agent`])
  const agent = stateDocuments(bare).get(`${ROOT}agent`) as object
  t.false('routerId' in agent)
})

test('nothing changed means the same text, so that nothing is written', t => {
  const texts = (): string[] => [...stateDocuments(status()).values()].map(documentText)
  t.deepEqual(texts(), texts())
  t.true(texts().every(text => text.endsWith('}\n') && !text.includes('null')))
})

test('the last-known copy has its time, the sessions and the counts', t => {
  const last = lastDocument(status(), millis(1_003_000))
  t.is(last.at, '2026-11-20T10:00:03.000Z')
  t.deepEqual(last.routes, { total: 4321, installed: 3, failed: 1 })
  t.is(last.sessions[0]?.state, 'Established')
  t.is(last.sessions[0]?.lastError?.direction, 'received')
  t.is(last.agent.mode, 'running')
})

test('a route whose paths are all refused has no state of its own, but a name that answers', t => {
  const attributes = { asPath: '65001', origin: 'IGP', communities: [] } as const
  const refused = {
    ...path,
    best: false,
    refused: true,
    reason: 'import policy refuses it',
  } as const
  const given = { prefix: prefix('10.9.0.0/24'), paths: [{ ...refused, received: attributes }] }
  const answer = routeDocument(given, { node: 'worker-0', kernel: 'absent' })
  t.like(answer, { from: 'Mesh_10_240_0_21', nextHops: [], pathsTotal: 1 })
  t.like(answer?.best, { best: false, refused: true, received: attributes })
  t.deepEqual(routeDocuments(status({ speaker: speaker([given]) })), [])
  t.is(routeDocument({ ...given, paths: [] }, { node: 'worker-0', kernel: 'absent' }), undefined)
})
