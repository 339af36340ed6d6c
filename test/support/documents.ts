import type {
  AgentDocument,
  KernelDocument,
  RouteDocument,
  RoutesSummaryDocument,
  SessionDocument,
} from '../../src/core/intent/index.ts'

/** One document of each kind with every field that it can have, so that none is lost unnoticed. */

const agent: Required<AgentDocument> = {
  node: 'worker-0',
  version: '0.1.0',
  mode: 'running',
  startedAt: '2026-11-20T10:20:30.123Z',
  routerId: '10.240.0.20',
  asNumber: 64512,
  processes: { speaker: 'up', dataplane: 'down' },
  store: {
    kind: 'etcd',
    state: 'lost',
    since: '2026-11-20T10:21:00.000Z',
    why: 'no answer',
    revision: 4711,
    savedAt: '2026-11-20T10:19:00.000Z',
  },
  held: { since: '2026-11-20T10:22:00.000Z', why: 'the store holds nothing any more' },
  listen: [{ family: 'ipv4', port: 179, state: 'refused', error: 'the address is in use' }],
  originated: ['10.200.0.0/24'],
  sessions: { total: 1, established: 1 },
  problems: [{ object: 'bgppeers/tor', field: 'spec.peerIP', reason: 'is not an address' }],
}

const session: Required<SessionDocument> = {
  node: 'worker-0',
  name: 'Mesh_10_240_0_21',
  peerAddress: '10.240.0.21',
  peerPort: 179,
  peerAsNumber: 4200000000,
  localAsNumber: 64512,
  type: 'eBGP',
  authentication: 'TCP MD5',
  ttlSecurity: 2,
  state: 'Established',
  since: '2026-11-20T10:20:31.000Z',
  negotiated: {
    routerId: '10.240.0.21',
    holdTime: '90s',
    keepaliveTime: '30s',
    families: ['ipv4', 'ipv6'],
    fourOctetAs: true,
    routeRefresh: false,
    enhancedRefresh: true,
    messageMax: 65535,
    addPathReceive: ['ipv4'],
    addPathSend: ['ipv6'],
    extendedNextHop: true,
    longLived: [{ family: 'ipv4', staleTime: '3600s', forwarding: true }],
    peerRole: 'customer',
    gracefulRestart: {
      restartTime: '120s',
      families: ['ipv4'],
      forwarding: ['ipv4'],
      restarting: true,
      notification: false,
    },
  },
  range: 'leaves',
  limits: [
    {
      which: 'received',
      family: 'ipv4',
      count: 2,
      most: 2,
      action: 'block',
      standing: 'passed',
      left: 9007199254740991,
    },
  ],
  suspended: { why: 'more than 2 ipv4 prefixes received', until: '2026-11-20T10:26:31.000Z' },
  capabilities: { offered: ['multiprotocol: ipv4'], received: ['role: customer'] },
  staleUntil: '2026-11-20T10:26:31.000Z',
  prefixes: [
    { family: 'ipv4', received: 2, accepted: 2, stale: 1, endOfRib: true, best: 1, advertised: 0 },
  ],
  counters: {
    established: 1,
    messagesReceived: 12,
    messagesSent: 11,
    updatesReceived: 2,
    updatesSent: 0,
    notificationsReceived: 0,
    notificationsSent: 1,
    octetsReceived: 9007199254740991,
    octetsSent: 300,
  },
  updateFaults: {
    attributeDiscard: 1,
    treatAsWithdraw: 0,
    sessionReset: 2,
    recent: [
      {
        at: '2026-11-20T10:18:00.000Z',
        remedy: 'attribute-discard',
        why: 'ATOMIC_AGGREGATE cannot be 1 octets long',
        octets: '40060100',
        octetsTotal: 4,
      },
    ],
  },
  lastError: {
    direction: 'received',
    code: 6,
    subcode: 0,
    text: 'Cease',
    at: '2026-11-20T10:19:00.000Z',
    later: { text: 'connection refused', at: '2026-11-20T10:20:00.000Z' },
  },
  hint: 'the kernel dropped TCP segments without a signature',
}

const route: Required<Omit<RouteDocument, 'paths'>> = {
  node: 'worker-0',
  prefix: '10.200.1.0/24',
  family: 'ipv4',
  from: 'Mesh_10_240_0_21',
  nextHops: ['10.240.0.21'],
  kernel: 'held',
  kernelError: 'ENETUNREACH',
  kernelLeads: 'via 10.240.0.9 dev eth0',
  kernelOwner: 'speaker',
  best: {
    from: 'Mesh_10_240_0_21',
    best: true,
    multipath: false,
    reason: 'lower MED',
    nextHop: '10.240.0.21',
    asPath: '',
    origin: 'IGP',
    localPref: 100,
    med: 0,
    communities: ['64512:1'],
  },
  pathsTotal: 2,
}

const summary: Required<RoutesSummaryDocument> = {
  node: 'worker-0',
  total: 3,
  listed: 3,
  limit: 1000,
  tables: [{ family: 'ipv4', destinations: 3, paths: 0 }],
}

const kernel: Required<KernelDocument> = {
  node: 'worker-0',
  speaker: 'up',
  inSync: false,
  table: 254,
  protocol: 77,
  metric: 1024,
  routes: {
    ...{ wanted: 3, installed: 2, pending: 0, failed: 1, stale: 0 },
    ...{ rejected: 0, foreign: 0, held: 1 },
  },
  repaired: 5,
  yielded: 2,
  alerted: 1,
  tunnels: [{ name: 'vxlan.calico', state: 'failed', error: 'no link has 10.0.0.1', ends: 2 }],
  lastIntervention: {
    prefix: '10.200.1.0/24',
    what: 'removed',
    action: 'restore',
    who: 'ip (pid 4711, of bash)',
    at: '2026-11-20T10:20:31.000Z',
  },
  failures: 1,
  lastSync: '2026-11-20T10:20:31.000Z',
  lastFailure: { prefix: '10.200.1.0/24', error: 'ENETUNREACH', at: '2026-11-20T10:20:31.000Z' },
}

/** Of one node. */
export const documents = { agent, session, route, summary, kernel }
