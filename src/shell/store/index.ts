import type { Store } from '../../core/intent/index.ts'
import type { StoreConfiguration } from '../config/index.ts'
import { EtcdStore } from './etcd/store.ts'
import { FileStore } from './file/store.ts'

export { StoreError, type StoreErrorCode } from './errors.ts'
/**
 * The datastore: resources in, state out. Two implementations of the port `Store` of core/intent.
 */
export { BlockClient, IPAM_WRITES_MAX } from './ipam.ts'
export { type Kept, LastGood } from './last-good.ts'

/** By when a call has an answer, or is rejected. */
const DEADLINE_MS = 5000

/**
 * Opens the store that the configuration names. Does not wait for it: a store that is not there yet
 * rejects calls, and a watch tells `lost` until it comes.
 *
 * @param options  `onlyRead`: reading leaves no trace, where a directory else keeps the number of
 *   each change that was made by hand
 * @throws StoreError where a certificate or password file cannot be read
 */
export function openStore(
  configuration: StoreConfiguration,
  options: { readonly deadlineMs?: number; readonly onlyRead?: boolean } = {},
): Store {
  const { deadlineMs = DEADLINE_MS, onlyRead = false } = options
  switch (configuration.kind) {
    case 'directory':
      return new FileStore(configuration.path, { deadlineMs, onlyRead })
    case 'etcd':
      return new EtcdStore(configuration, deadlineMs)
    default:
      return configuration satisfies never
  }
}
