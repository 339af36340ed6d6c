import {
  AFFINITIES_ROOT,
  BLOCKS_ROOT,
  decodeBlock,
  decodeHandle,
  encodeBlock,
  encodeHandle,
  escapeName,
  handleKey,
  type Kind,
  kindNamed,
  parseAffinityKey,
  withReleased,
} from '../../../core/calico/index.ts'
import type { Store } from '../../../core/intent/index.ts'
import { contains, type Prefix, parsePrefix } from '../../../core/net/index.ts'
import { CommandFailure, EXIT } from '../failure.ts'
import type { Surroundings } from '../surroundings.ts'
import { valueAt } from './kinds.ts'
import {
  list,
  type ResourceObject,
  type ResourceReference,
  read,
  remove,
  write,
} from './objects.ts'

/**
 * What goes with a resource that is deleted, as Calico's client has it: a node's endpoints,
 * addresses, blocks and settings; a pool's blocks.
 */

/** How long allocators are given to learn that a pool is disabled before its blocks go. */
const POOL_GRACE_MS = 500

/** Times that one write is tried again when somebody else was faster. */
const WRITE_ATTEMPTS_MAX = 100

/**
 * Deletes a resource and what is its own, of the revision that is given where one is. False where
 * there is none.
 */
export async function removeWithItsOwn(
  surroundings: Surroundings,
  store: Store,
  reference: ResourceReference,
  revision: string | undefined,
): Promise<boolean> {
  const object = await read(store, reference).catch((thrown: unknown) => {
    // what is no resource can be deleted all the same
    if (thrown instanceof CommandFailure) return undefined
    throw thrown
  })
  switch (reference.kind.kind) {
    case 'Node':
      if (object !== undefined) await removeOfNode(surroundings, store, reference.name)
      break
    case 'IPPool':
      if (object !== undefined) await emptyPool(surroundings, store, object)
      // it has been written meanwhile, by us
      return remove(store, reference, undefined)
    default:
  }
  return remove(store, reference, revision)
}

/** All that is there for one node alone. Ends where it began: what is repeated harms nothing. */
async function removeOfNode(surroundings: Surroundings, store: Store, node: string): Promise<void> {
  for (const kind of ['WorkloadEndpoint', 'HostEndpoint', 'BGPPeer'])
    await removeAll(store, kindNamed(kind)!, one => valueAt(one, ['spec', 'node']) === node)
  for (const kind of ['FelixConfiguration', 'BGPConfiguration'])
    await remove(store, { kind: kindNamed(kind)!, name: `node.${node}` }, undefined)
  await freeAddresses(store, node)
  const { entries } = await store.list(`${AFFINITIES_ROOT}${escapeName(node)}/`)
  const blocks = entries.flatMap(({ key }) => parseAffinityKey(key)?.block ?? [])
  await releaseBlocks(surroundings, store, new Map([[node, blocks]]))
  await store.delete(`${AFFINITIES_ROOT}${escapeName(node)}`)
}

async function removeAll(
  store: Store,
  kind: Kind,
  isMeant: (object: ResourceObject) => boolean,
): Promise<void> {
  for (const object of (await list(store, kind)).items)
    if (isMeant(object)) await remove(store, { kind, ...object.metadata }, undefined)
}

/** Gives back every address that anything on the node has, tunnels' own among them. */
async function freeAddresses(store: Store, node: string): Promise<void> {
  for (const { key } of (await store.list(BLOCKS_ROOT)).entries) {
    const before = await changed(store, key, value => {
      const block = decodeBlock(value)
      const owners = (block?.attributes ?? []).filter(({ secondary }) => secondary?.node === node)
      if (block === undefined || owners.length === 0) return undefined
      const handles = owners.flatMap(({ handleId }) => handleId ?? [])
      return encodeBlock(handles.reduce(withReleased, block))
    })
    if (before !== undefined) await forgetHandles(store, before, node)
  }
}

/** Counts down the handles of the addresses that the node had in a block. */
async function forgetHandles(store: Store, value: string, node: string): Promise<void> {
  const block = decodeBlock(value)
  if (block === undefined) return
  for (const { handleId, secondary } of block.attributes)
    if (handleId !== undefined && secondary?.node === node)
      await changed(store, handleKey(handleId), text => {
        const handle = decodeHandle(text)
        if (handle === undefined) return undefined
        const { [block.cidr]: _, ...others } = handle.block
        return Object.keys(others).length === 0 ? '' : encodeHandle({ ...handle, block: others })
      })
}

/** No address is taken from the pool any more, and no node has blocks of it. */
async function emptyPool(
  surroundings: Surroundings,
  store: Store,
  pool: ResourceObject,
): Promise<void> {
  const cidr = parsePrefix(String(valueAt(pool, ['spec', 'cidr'])))
  if (cidr === undefined) return
  if (valueAt(pool, ['spec', 'disabled']) !== true) {
    await write(store, { ...pool, spec: { ...pool.spec, disabled: true } })
    await surroundings.pause(POOL_GRACE_MS)
  }
  const blocks = new Map<string, Prefix[]>()
  for (const { key } of (await store.list(AFFINITIES_ROOT)).entries) {
    const affinity = parseAffinityKey(key)
    if (affinity === undefined || !contains(cidr, affinity.block)) continue
    blocks.set(affinity.node, [...(blocks.get(affinity.node) ?? []), affinity.block])
  }
  await releaseBlocks(surroundings, store, blocks)
}

/** Blocks that still hold somebody's addresses stay, and are nobody's. */
async function releaseBlocks(
  { now }: Surroundings,
  store: Store,
  blocks: ReadonlyMap<string, readonly Prefix[]>,
): Promise<void> {
  if ([...blocks.values()].every(({ length }) => length === 0)) return
  const { BlockClient } = await import('../../../shell/store/index.ts')
  for (const [node, own] of blocks) {
    const client = new BlockClient(store, node, () => now().getTime())
    for (const block of own) await client.release({ block, force: true })
  }
}

/**
 * Reads, changes and writes one key until nobody else was faster: undefined changes nothing, the
 * empty text deletes. What was there before; undefined where nothing is changed.
 */
async function changed(
  store: Store,
  key: string,
  change: (value: string) => string | undefined,
): Promise<string | undefined> {
  for (let attempt = 1; attempt <= WRITE_ATTEMPTS_MAX; attempt++) {
    const entry = await store.get(key)
    const next = entry && change(entry.value)
    if (entry === undefined || next === undefined) return undefined
    const precondition = { revision: entry.revision }
    const result =
      next === '' ? await store.delete(key, precondition) : await store.put(key, next, precondition)
    if (result.done) return entry.value
  }
  throw new CommandFailure(EXIT.conflict, `${key} changes faster than it can be written`)
}
