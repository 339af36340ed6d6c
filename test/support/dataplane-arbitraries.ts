/** Anything that the controller and the dataplane may say to one another, as in link-arbitraries.ts. */
import fc, { type Arbitrary } from 'fast-check'
import type {
  DataplaneIntent,
  DataplaneSnapshot,
  Intervention,
  KernelRouteSnapshot,
  LinkAddress,
  NodeRoute,
  NodeRouteOut,
  Tunnel,
  TunnelEnd,
  TunnelSnapshot,
  WorkloadLink,
} from '../../src/core/dataplane/index.ts'
import {
  address,
  count,
  few,
  port,
  prefix,
  record,
  small,
  some,
  text,
  time,
  word32,
} from './arbitraries.ts'

const nodeRouteOut: Arbitrary<NodeRouteOut> = fc.oneof(
  fc.constant({ kind: 'blackhole' as const }),
  record<Extract<NodeRouteOut, { kind: 'via' }>>(
    {
      kind: fc.constant('via'),
      gateway: address,
      interface: text,
      onlink: fc.constant(true),
    },
    ['interface', 'onlink'],
  ),
  record<Extract<NodeRouteOut, { kind: 'device' }>>(
    { kind: fc.constant('device'), interface: text, source: address },
    ['source'],
  ),
)

const mac = fc
  .uint8Array({ minLength: 6, maxLength: 6 })
  .map(octets => [...octets].map(octet => octet.toString(16).padStart(2, '0')).join(':'))

const tunnel = record<Tunnel>(
  {
    kind: fc.constantFrom('vxlan', 'ipip'),
    name: text,
    local: address,
    address,
    mtu: small,
    vxlan: record<NonNullable<Tunnel['vxlan']>>({ mac, vni: small, port }),
    ends: few(record<TunnelEnd>({ address, mac, node: address })),
  },
  ['mtu', 'vxlan'],
)

/** What a controller may want in the kernel. */
export const dataplaneIntent = record<DataplaneIntent>(
  {
    routes: few(record<NodeRoute>({ prefix, metric: word32, out: nodeRouteOut }, ['metric'])),
    watched: few(prefix),
    watchedMax: small,
    tunnels: few(tunnel),
    workloads: some(
      record<WorkloadLink>(
        {
          interface: text,
          neighbours: few(record<WorkloadLink['neighbours'][number]>({ address, mac })),
          addresses: some(record<LinkAddress>({ address, present: fc.boolean() })),
        },
        ['addresses'],
      ),
    ),
  },
  ['tunnels', 'workloads'],
)

const intervention = record<Intervention>(
  {
    prefix,
    what: fc.constantFrom('removed', 'changed'),
    action: fc.constantFrom('restore', 'yield', 'alert'),
    by: word32,
    who: text,
    at: time,
  },
  ['who'],
)

/** Where a route may stand in a kernel. */
export const kernelRoute = record<KernelRouteSnapshot>(
  {
    prefix,
    state: fc.constantFrom('installed', 'pending', 'rejected', 'foreign', 'held', 'stale'),
    error: text,
    owner: fc.constantFrom('speaker', 'node'),
    leads: text,
  },
  ['error', 'owner', 'leads'],
)

/** What a dataplane may hold. */
export const dataplaneSnapshot = record<DataplaneSnapshot>(
  {
    version: count,
    at: time,
    table: small,
    protocol: fc.nat(255),
    metric: small,
    speaker: fc.constantFrom('up', 'down'),
    inSync: fc.boolean(),
    wanted: small,
    installed: small,
    pending: small,
    failed: small,
    rejected: small,
    foreign: small,
    held: small,
    stale: small,
    repaired: count,
    yielded: count,
    alerted: count,
    failures: count,
    lastSync: time,
    lastFailure: record({ prefix, error: text, at: time }),
    lastIntervention: intervention,
    alerts: few(intervention),
    hazards: few(text),
    tunnels: some(
      record<TunnelSnapshot>(
        {
          name: text,
          state: fc.constantFrom('up', 'pending', 'failed'),
          error: text,
          ends: small,
        },
        ['error'],
      ),
    ),
    routes: few(kernelRoute),
  },
  ['lastSync', 'lastFailure', 'lastIntervention', 'tunnels'],
)
