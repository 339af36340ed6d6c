import type { MessageInitShape } from '@bufbuild/protobuf'
import type {
  DataplaneIntent,
  DataplaneSnapshot,
  Intervention,
  KernelRouteSnapshot,
  KernelState,
  NodeRouteOut,
  WorkloadLink,
} from '../../../core/dataplane/index.ts'
import type {
  DataplaneSnapshotSchema,
  Intent,
  IntentSchema,
  Intervention as InterventionMessage,
  KernelRoute,
  KernelRouteSchema,
  NodeRoute as NodeRouteMessage,
  NodeRouteSchema,
  DataplaneSnapshot as SnapshotMessage,
  WorkloadLink as WorkloadMessage,
} from '../generated/link_pb.ts'
import { LinkError } from '../transport/error.ts'
import { fromTunnel, fromTunnelState, toTunnel } from './tunnels.ts'
import { address, mac, optional, prefix, same, time, word } from './words.ts'

/** What the controller tells the dataplane, and what the dataplane is and holds. */

const STATES: readonly KernelState[] = [
  ...(['installed', 'pending', 'rejected', 'foreign', 'held', 'stale'] as const),
]

/** As the controller writes it. */
export function toIntent(intent: DataplaneIntent): MessageInitShape<typeof IntentSchema> {
  return {
    routes: intent.routes.map(({ prefix: to, metric, out }) => ({
      prefix: to,
      ...optional('metric', metric, same),
      out: toOut(out),
    })),
    watched: [...intent.watched],
    watchedMax: intent.watchedMax,
    ...optional('tunnels', intent.tunnels, tunnels => ({ tunnels: tunnels.map(toTunnel) })),
    workloads: (intent.workloads ?? []).map(({ interface: link, neighbours, addresses = [] }) => ({
      interface: link,
      neighbours: neighbours.map(neighbour => ({ ...neighbour })),
      addresses: addresses.map(own => ({ ...own })),
    })),
  }
}

/** As the dataplane reads it. Throws a `LinkError` for what is no prefix. */
export function fromIntent(message: Intent): DataplaneIntent {
  return {
    routes: message.routes.map(route => ({
      prefix: prefix(route.prefix),
      ...optional('metric', route.metric, same),
      out: fromOut(route.out),
    })),
    watched: message.watched.map(prefix),
    watchedMax: message.watchedMax,
    ...optional('tunnels', message.tunnels, ({ tunnels }) => tunnels.map(fromTunnel)),
    ...(message.workloads.length > 0 && { workloads: message.workloads.map(fromWorkload) }),
  }
}

const fromWorkload = ({
  interface: link,
  neighbours,
  addresses,
}: WorkloadMessage): WorkloadLink => ({
  interface: link,
  neighbours: neighbours.map(neighbour => ({
    address: address(neighbour.address),
    mac: mac(neighbour.mac),
  })),
  ...(addresses.length > 0 && {
    addresses: addresses.map(({ address: own, present }) => ({ address: address(own), present })),
  }),
})

function toOut(out: NodeRouteOut): NonNullable<MessageInitShape<typeof NodeRouteSchema>['out']> {
  switch (out.kind) {
    case 'blackhole':
      return { case: 'blackhole', value: {} }
    case 'via':
      return { case: 'via', value: out }
    case 'device':
      return { case: 'device', value: out }
    default:
      return out satisfies never
  }
}

function fromOut(out: NodeRouteMessage['out']): NodeRouteOut {
  switch (out.case) {
    case 'blackhole':
      return { kind: 'blackhole' }
    case 'via':
      return {
        ...{ kind: 'via', gateway: address(out.value.gateway) },
        ...optional('interface', out.value.interface, same),
        ...(out.value.onlink && { onlink: true }),
      }
    case 'device':
      return {
        ...{ kind: 'device', interface: out.value.interface },
        ...optional('source', out.value.source, address),
      }
    case undefined:
      throw new LinkError('LINK_MESSAGE', 'a route that leads nowhere')
    default:
      return out satisfies never
  }
}

/** As the dataplane writes it. O(routes listed). */
export function toDataplaneSnapshot(
  snapshot: DataplaneSnapshot,
): MessageInitShape<typeof DataplaneSnapshotSchema> {
  const { lastSync, lastFailure, lastIntervention, alerts, hazards, ...others } = snapshot
  const { tunnels = [], routes, ...plain } = others
  return {
    ...plain,
    ...optional('lastSync', lastSync, same),
    ...optional('lastFailure', lastFailure, failure => ({ ...failure })),
    ...optional('lastIntervention', lastIntervention, one => ({ ...one })),
    alerts: alerts.map(one => ({ ...one })),
    hazards: [...hazards],
    tunnels: tunnels.map(tunnel => ({ ...tunnel })),
    routes: toKernelRoutes(routes),
  }
}

/** As the controller reads it. Throws a `LinkError` for what is none. */
export function fromDataplaneSnapshot(message: SnapshotMessage): DataplaneSnapshot {
  return {
    version: message.version,
    at: time(message.at),
    table: message.table,
    protocol: message.protocol,
    metric: message.metric,
    speaker: word(['up', 'down'], message.speaker),
    inSync: message.inSync,
    wanted: message.wanted,
    installed: message.installed,
    pending: message.pending,
    failed: message.failed,
    rejected: message.rejected,
    foreign: message.foreign,
    held: message.held,
    stale: message.stale,
    repaired: message.repaired,
    yielded: message.yielded,
    alerted: message.alerted,
    failures: message.failures,
    ...optional('lastSync', message.lastSync, time),
    ...optional('lastFailure', message.lastFailure, failure => ({
      prefix: prefix(failure.prefix),
      error: failure.error,
      at: time(failure.at),
    })),
    ...optional('lastIntervention', message.lastIntervention, fromIntervention),
    alerts: message.alerts.map(fromIntervention),
    hazards: [...message.hazards],
    ...(message.tunnels.length > 0 && { tunnels: message.tunnels.map(fromTunnelState) }),
    routes: fromKernelRoutes(message.routes),
  }
}

/** Routes of a snapshot or an answer, as the dataplane writes them. */
export const toKernelRoutes = (
  routes: readonly KernelRouteSnapshot[],
): MessageInitShape<typeof KernelRouteSchema>[] => routes.map(route => ({ ...route }))

/** The same as the controller reads them. Throws a `LinkError` for what is none. */
export const fromKernelRoutes = (routes: readonly KernelRoute[]): KernelRouteSnapshot[] =>
  routes.map(route => ({
    prefix: prefix(route.prefix),
    state: word(STATES, route.state),
    ...optional('error', route.error, same),
    ...optional('owner', route.owner, owner => word(['speaker', 'node'], owner)),
    ...optional('leads', route.leads, same),
  }))

const fromIntervention = (message: InterventionMessage): Intervention => ({
  prefix: prefix(message.prefix),
  what: word(['removed', 'changed'], message.what),
  action: word(['restore', 'yield', 'alert'], message.action),
  by: message.by,
  ...optional('who', message.who, same),
  at: time(message.at),
})
