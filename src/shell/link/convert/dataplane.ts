import type { MessageInitShape } from '@bufbuild/protobuf'
import type {
  DataplaneIntent,
  DataplaneSnapshot,
  KernelState,
} from '../../../core/dataplane/index.ts'
import type {
  DataplaneSnapshotSchema,
  Intent,
  IntentSchema,
  DataplaneSnapshot as SnapshotMessage,
} from '../generated/link_pb.ts'
import { address, optional, prefix, same, time, word } from './words.ts'

/** What the controller tells the dataplane, and what the dataplane is and holds. */

const STATES: readonly KernelState[] = ['installed', 'pending', 'failed', 'stale']

/** As the controller writes it. */
export function toIntent(intent: DataplaneIntent): MessageInitShape<typeof IntentSchema> {
  return {
    blackholes: [...intent.blackholes],
    hostRoutes: (intent.hostRoutes ?? []).map(route => ({ ...route })),
    watched: [...intent.watched],
    watchedMax: intent.watchedMax,
  }
}

/** As the dataplane reads it. Throws a `LinkError` for what is no prefix. */
export function fromIntent(message: Intent): DataplaneIntent {
  return {
    blackholes: message.blackholes.map(prefix),
    ...(message.hostRoutes.length > 0 && {
      hostRoutes: message.hostRoutes.map(({ address: to, gateway }) => ({
        address: address(to),
        gateway: address(gateway),
      })),
    }),
    watched: message.watched.map(prefix),
    watchedMax: message.watchedMax,
  }
}

/** As the dataplane writes it. O(routes listed). */
export function toDataplaneSnapshot(
  snapshot: DataplaneSnapshot,
): MessageInitShape<typeof DataplaneSnapshotSchema> {
  return {
    version: snapshot.version,
    at: snapshot.at,
    table: snapshot.table,
    protocol: snapshot.protocol,
    metric: snapshot.metric,
    speaker: snapshot.speaker,
    inSync: snapshot.inSync,
    wanted: snapshot.wanted,
    installed: snapshot.installed,
    pending: snapshot.pending,
    failed: snapshot.failed,
    stale: snapshot.stale,
    repaired: snapshot.repaired,
    failures: snapshot.failures,
    ...optional('lastSync', snapshot.lastSync, same),
    ...optional('lastFailure', snapshot.lastFailure, failure => ({ ...failure })),
    routes: snapshot.routes.map(route => ({ ...route })),
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
    stale: message.stale,
    repaired: message.repaired,
    failures: message.failures,
    ...optional('lastSync', message.lastSync, time),
    ...optional('lastFailure', message.lastFailure, failure => ({
      prefix: prefix(failure.prefix),
      error: failure.error,
      at: time(failure.at),
    })),
    routes: message.routes.map(route => ({
      prefix: prefix(route.prefix),
      state: word(STATES, route.state),
      ...optional('error', route.error, same),
    })),
  }
}
