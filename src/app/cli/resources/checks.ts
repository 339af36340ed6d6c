import {
  BLOCKS_ROOT,
  DATASTORE_KEY,
  filterFaults,
  type IpPoolResource,
  kindNamed,
  newDatastore,
  parseBlockKey,
  poolFaultsAmong,
  type Resource,
  type WriteFault,
} from '../../../core/calico/index.ts'
import type { Store } from '../../../core/intent/index.ts'
import { decodeResource } from '../../../shell/config/index.ts'
import { CommandFailure, EXIT } from '../failure.ts'
import { label, list, type ResourceObject, timestamp, type Writer } from './objects.ts'

/** What a write has to do with what is stored already: libcalico-go's clientv3. */

/** @throws CommandFailure where `object` may not take the place of `previous`, or of nothing */
export async function checkAmongOthers(
  store: Store,
  object: ResourceObject,
  previous: ResourceObject | undefined,
): Promise<void> {
  const { resource } = decodeResource(object)
  if (resource === undefined) return
  const faults = await faultsOf(store, resource, previous)
  if (faults.length === 0) return
  const [{ path, reason }] = [faults[0]!]
  throw new CommandFailure(
    EXIT.failed,
    `${label(object)}: ${path.filter(part => typeof part === 'string').join('.')}: ${reason}`,
  )
}

async function faultsOf(
  store: Store,
  resource: Resource,
  previous: ResourceObject | undefined,
): Promise<readonly WriteFault[]> {
  if (resource.kind === 'BGPPeer' && (resource.spec.filters ?? []).length > 0) {
    const { items } = await list(store, kindNamed('BGPFilter')!)
    return filterFaults(resource, new Set(items.map(item => item.metadata.name)))
  }
  if (resource.kind !== 'IPPool') return []
  const [pools, blocks] = await Promise.all([
    list(store, kindNamed('IPPool')!),
    store.list(BLOCKS_ROOT),
  ])
  const before = previous && poolOf(previous)
  return poolFaultsAmong(resource, {
    pools: pools.items.flatMap(item => poolOf(item) ?? []),
    blocks: blocks.entries.flatMap(({ key }) => parseBlockKey(key) ?? []),
    ...(before !== undefined && { previous: before }),
  })
}

/** Undefined for a pool that means nothing. */
function poolOf(object: ResourceObject): IpPoolResource | undefined {
  const { resource } = decodeResource(object)
  return resource?.kind === 'IPPool' ? resource : undefined
}

/** Makes an etcd a Calico datastore where it is none yet. */
export async function ensureInitialized({ store, now, uniqueId }: Writer): Promise<void> {
  if ((await store.get(DATASTORE_KEY)) !== undefined) return
  const made = newDatastore({ uniqueId, creationTimestamp: timestamp(now()) })
  // somebody else may have been faster: then it is theirs
  for (const { key, value } of made) await store.put(key, value, { absent: true })
}
