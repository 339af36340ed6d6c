/** A node with sessions of every kind and routes of every kind, to be seen as BIRD would show it. */
import { millis } from '../../src/core/base/index.ts'
import {
  type BirdSurroundings,
  type BirdView,
  birdView,
  desired,
  type StatusFacts,
} from '../../src/core/intent/index.ts'
import { type Asn, address, type Family, parseQuad, prefix } from '../../src/core/net/index.ts'
import type {
  PathSnapshot,
  SessionSnapshot,
  SpeakerSnapshot,
} from '../../src/core/speaker/index.ts'
import { facts, node, snapshot } from './cluster.ts'

const AS = 64512 as Asn
/** 2026-11-20T10:00:00Z is monotonic 1,000,000 ms. */
const EPOCH_OFFSET = 1_795_168_800_000 - 1_000_000

function session(name: string, at: string, more: Partial<SessionSnapshot> = {}): SessionSnapshot {
  return {
    name,
    address: address(at),
    port: 179,
    peerAs: AS,
    localAs: AS,
    state: 'Established',
    since: millis(1_154_000),
    capabilities: { offered: [], received: [] },
    counters: {
      messagesIn: 1,
      messagesOut: 1,
      updatesIn: 0,
      updatesOut: 0,
      notificationsIn: 0,
      notificationsOut: 0,
      octetsIn: 19,
      octetsOut: 19,
      established: 1,
    },
    prefixes: [],
    limits: [],
    faults: { discarded: 0, withdrawn: 0, reset: 0, recent: [] },
    ...more,
  }
}

const SESSIONS: readonly SessionSnapshot[] = [
  session('Mesh_10_192_0_3', '10.192.0.3', {
    negotiated: { routerId: parseQuad('10.192.0.3')! } as never,
    prefixes: [
      {
        family: 'ipv4',
        received: 7,
        accepted: 6,
        stale: 0,
        endOfRib: true,
        best: 5,
        advertised: 3,
      },
    ],
  }),
  session('Global_172_19_4_87', '172.19.4.87', {
    state: 'Active',
    peerAs: 64533 as Asn,
    // yesterday
    since: millis(1_000_000 - 86_400_000),
    lastError: { direction: 'local', text: 'connection\nrefused', at: millis(1_100_000) },
  }),
  session('Node_10_192_0_4_port_1179', '10.192.0.4', { state: 'Idle' }),
  session('leaves_10_192_0_5', '10.192.0.5', { range: 'leaves', peerAs: 64999 as Asn }),
  session('Mesh_fd00__3', 'fd00::3'),
]

const path = (from: string, more: Partial<PathSnapshot> = {}): PathSnapshot => ({
  from,
  best: false,
  multipath: false,
  asPath: '',
  origin: 'IGP',
  communities: [],
  ...more,
})

const ROUTES: SpeakerSnapshot['routes'] = [
  { prefix: prefix('192.168.82.0/26'), paths: [path('local', { best: true })] },
  {
    prefix: prefix('192.168.221.0/26'),
    paths: [
      path('Mesh_10_192_0_3', {
        best: true,
        nextHop: address('10.192.0.3'),
        localPref: 2147482623,
        communities: ['64512:7', 'no-export'],
      }),
      path('leaves_10_192_0_5', {
        nextHop: address('203.0.113.9'),
        asPath: '64999 65001',
        origin: 'EGP',
        med: 5,
      }),
      path('Mesh_10_192_0_3', { nextHop: address('10.192.0.3'), refused: true }),
      path('gone', { nextHop: address('10.192.0.9') }),
    ],
  },
  {
    prefix: prefix('fd00:10::/122'),
    paths: [path('Mesh_fd00__3', { best: true, nextHop: address('fd00::3') })],
  },
]

const SURROUNDINGS: BirdSurroundings = {
  now: millis(1_200_000),
  configuredAt: millis(1_152_000),
  interfaces: [
    { name: 'wide0', network: prefix('10.0.0.0/8') },
    { name: 'eth0', network: prefix('10.192.0.0/24') },
    { name: 'eth0', network: prefix('fd00::/64') },
  ],
}

/** What the node is. */
export const birdFacts: StatusFacts = {
  node: 'a',
  version: '0.1.0',
  mode: 'running',
  startedAt: millis(1_120_000),
  processes: { speaker: 'up', dataplane: 'up' },
  store: { kind: 'etcd', state: 'fresh', since: millis(1_120_000) },
  desired: desired(
    snapshot({ nodes: [node('a', { ipv4Address: '10.192.0.2/24', ipv6Address: 'fd00::2/64' })] }),
    facts('a'),
  ),
  speaker: {
    version: 1,
    at: millis(1_200_000),
    routerId: 1,
    localAs: AS,
    listening: [],
    sessions: SESSIONS,
    tables: [],
    routes: ROUTES,
    routesTotal: ROUTES.length,
  },
  epochOffset: EPOCH_OFFSET,
}

export const birdSurroundings = SURROUNDINGS

/** It as one BIRD, with `more` facts. */
export const birdOf = (family: Family, more: Partial<StatusFacts> = {}): BirdView =>
  birdView({ ...birdFacts, ...more }, family, SURROUNDINGS)
