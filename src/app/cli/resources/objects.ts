import {
  type Kind,
  kindNamed,
  type Metadata,
  RESOURCES_ROOT,
  resourceKey,
} from '../../../core/calico/index.ts'
import type { Entry, Store } from '../../../core/intent/index.ts'
import { CommandFailure, EXIT } from '../failure.ts'

/**
 * Reading and writing resources as libcalico-go does: create only where there is none, update
 * only what was read, metadata stays the store's. So calicoctl, other nodes and this command
 * line may write at once.
 */

/**
 * A resource as the store has it; what is in `spec` is the validation's business, not this
 * file's.
 */
export interface ResourceObject {
  readonly kind: string
  readonly apiVersion: string
  readonly metadata: Metadata
  readonly spec?: object | undefined
  readonly status?: object | undefined
}

/** Which resource is meant. */
export interface ResourceReference {
  readonly kind: Kind
  readonly name: string
  /** of namespaced kinds; absent: `default` */
  readonly namespace?: string | undefined
}

/** What writing needs of the world. */
export interface Writer {
  readonly store: Store
  now(): Date
  uniqueId(): string
  /**
   * Looks at what else is stored before `object` takes the place of `previous`, or of nothing.
   *
   * @throws CommandFailure where it must not
   */
  check(object: ResourceObject, previous: ResourceObject | undefined): Promise<void>
}

/** Times that an update is tried again when somebody else was faster. */
const UPDATE_ATTEMPTS_MAX = 5

/** What the store has under a name; undefined where there is none. */
export async function read(
  store: Store,
  reference: ResourceReference,
): Promise<ResourceObject | undefined> {
  const entry = await store.get(keyOfReference(reference))
  if (entry === undefined) return undefined
  const object = decode(entry)
  if (object !== undefined) return object
  throw new CommandFailure(EXIT.failed, `${entry.key}: is not a resource`, {
    remedy: 'apply it again, or delete it',
  })
}

/**
 * All resources of a kind by name, or those of one namespace. A value that is no resource harms
 * itself only: its key is told apart.
 */
export async function list(
  store: Store,
  kind: Kind,
  namespace?: string,
): Promise<{
  readonly items: readonly ResourceObject[]
  readonly revision: number
  readonly unreadable: readonly string[]
}> {
  const folder = kind.namespaced && namespace !== undefined ? `${namespace}/` : ''
  const { entries, revision } = await store.list(`${RESOURCES_ROOT}${kind.plural}/${folder}`)
  const items: ResourceObject[] = []
  const unreadable: string[] = []
  for (const entry of entries) {
    const object = decode(entry)
    if (object === undefined) unreadable.push(entry.key)
    else items.push(object)
  }
  return { items, revision, unreadable }
}

/**
 * Writes a resource that is not there yet. @throws CommandFailure where it is, or carries a
 * revision
 */
export async function create(writer: Writer, object: ResourceObject): Promise<void> {
  if (object.metadata.resourceVersion !== undefined)
    throw new CommandFailure(
      EXIT.failed,
      `${label(object)}: metadata.resourceVersion must not be set to create it`,
      { remedy: 'leave it out (get --export does)' },
    )
  if (!(await createOnly(writer, object)))
    throw new CommandFailure(EXIT.conflict, `resource already exists: ${label(object)}`)
}

/**
 * Writes a resource over the one that is there, keeping the store's metadata but for labels and
 * annotations. A revision in the object must be the store's; without one, it is tried again when
 * somebody else was faster.
 */
export async function replace(writer: Writer, object: ResourceObject): Promise<void> {
  if (!(await update(writer, object)))
    throw new CommandFailure(EXIT.notFound, `resource does not exist: ${label(object)}`)
}

/** Creates or replaces, whichever is possible. */
export async function apply(writer: Writer, object: ResourceObject): Promise<void> {
  const { resourceVersion: _, ...metadata } = object.metadata
  for (let attempt = 1; attempt <= UPDATE_ATTEMPTS_MAX; attempt++) {
    if (await createOnly(writer, { ...object, metadata })) return
    if (await update(writer, object)) return
    // it was deleted between the two: begin again
  }
  throw conflict(label(object))
}

/**
 * Deletes a resource, of `version` where one is given. False where there is none.
 */
export async function remove(
  store: Store,
  reference: ResourceReference,
  version: string | undefined,
): Promise<boolean> {
  const what = labelOf(reference)
  const revision = revisionOf(version, what)
  const key = keyOfReference(reference)
  // a store may call the deletion of nothing done
  if ((await store.get(key)) === undefined) return false
  const result = await store.delete(key, revision === undefined ? undefined : { revision })
  if (result.done) return true
  if (result.current === undefined) return false
  throw conflict(what)
}

/** Writes an object over the revision that was read. @throws CommandFailure where it has changed */
export async function write(store: Store, object: ResourceObject): Promise<void> {
  const revision = Number(object.metadata.resourceVersion)
  if (!(await store.put(keyOf(object), encode(object), { revision })).done)
    throw conflict(label(object))
}

/** `BGPPeer(tor)`, as libcalico-go names a resource in its errors. */
export const labelOf = ({ kind, name, namespace }: ResourceReference): string =>
  `${kind.kind}(${namespace === undefined ? name : `${namespace}/${name}`})`

/** The same of an object. */
export const label = (object: ResourceObject): string =>
  labelOf({ kind: kindOf(object), ...object.metadata })

/**
 * Changes nothing but the metadata of a resource, as `change` says; tried again when somebody else
 * was faster. @throws CommandFailure where it does not exist
 */
export async function changeMetadata(
  { store }: Writer,
  reference: ResourceReference,
  change: (metadata: Metadata) => Metadata,
): Promise<void> {
  for (let attempt = 1; attempt <= UPDATE_ATTEMPTS_MAX; attempt++) {
    const stored = await read(store, reference)
    if (stored === undefined)
      throw new CommandFailure(EXIT.notFound, `resource does not exist: ${labelOf(reference)}`)
    const revision = Number(stored.metadata.resourceVersion)
    const changed = encode({ ...stored, metadata: change(stored.metadata) })
    if ((await store.put(keyOf(stored), changed, { revision })).done) return
  }
  throw conflict(labelOf(reference))
}

/** Without what the store filled in: what another store can be given. */
export function exported(object: ResourceObject): ResourceObject {
  const {
    uid: _uid,
    creationTimestamp: _created,
    resourceVersion: _version,
    ...metadata
  } = object.metadata
  return { ...object, metadata }
}

async function createOnly(writer: Writer, object: ResourceObject): Promise<boolean> {
  const { metadata } = object
  if ((await writer.store.get(keyOf(object))) !== undefined) return false
  await writer.check(object, undefined)
  const created = {
    ...object,
    metadata: {
      ...metadata,
      uid: metadata.uid ?? writer.uniqueId(),
      creationTimestamp: metadata.creationTimestamp ?? timestamp(writer.now()),
    },
  }
  return (await writer.store.put(keyOf(object), encode(created), { absent: true })).done
}

/** False where there is nothing to update. */
async function update(writer: Writer, object: ResourceObject): Promise<boolean> {
  const key = keyOf(object)
  const wanted = revisionOf(object.metadata.resourceVersion, label(object))
  for (let attempt = 1; attempt <= UPDATE_ATTEMPTS_MAX; attempt++) {
    const entry = await writer.store.get(key)
    if (entry === undefined) return false
    const stored = decode(entry)
    await writer.check(object, stored)
    const merged = merge(writer, stored, object)
    const revision = wanted ?? entry.revision
    const result = await writer.store.put(key, encode(merged), { revision })
    if (result.done) return true
    if (wanted !== undefined) break
  }
  throw conflict(label(object))
}

/**
 * The store's metadata wins but for labels and annotations, which are the file's, absent ones
 * included. A status that the file does not speak of stays: it is its writer's.
 */
function merge(
  writer: Writer,
  stored: ResourceObject | undefined,
  wanted: ResourceObject,
): ResourceObject {
  const base = stored?.metadata ?? { name: wanted.metadata.name }
  const { labels: _labels, annotations: _annotations, ...kept } = base
  const { labels, annotations } = wanted.metadata
  const status = wanted.status ?? stored?.status
  return {
    ...wanted,
    ...(status !== undefined && { status }),
    metadata: {
      ...kept,
      // libcalico-go cannot update an object that lacks these: heal what another writer left out
      uid: kept.uid ?? writer.uniqueId(),
      creationTimestamp: kept.creationTimestamp ?? timestamp(writer.now()),
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
    },
  }
}

const conflict = (what: string): CommandFailure =>
  new CommandFailure(EXIT.conflict, `update conflict: ${what}`, {
    remedy: 'somebody else changed it meanwhile; get it again and repeat the change',
  })

function revisionOf(text: string | undefined, what: string): number | undefined {
  if (text === undefined) return undefined
  if (/^[1-9]\d{0,15}$/.test(text)) return Number(text)
  throw new CommandFailure(
    EXIT.failed,
    `${what}: metadata.resourceVersion "${text}" is not a revision`,
    { remedy: 'leave it out, or take it from get -o yaml' },
  )
}

function kindOf({ kind: name }: ResourceObject): Kind {
  const kind = kindNamed(name)
  if (kind === undefined) throw new CommandFailure(EXIT.failed, `unknown kind ${name}`)
  return kind
}

const keyOf = (object: ResourceObject): string =>
  keyOfReference({ kind: kindOf(object), ...object.metadata })

const keyOfReference = ({ kind, name, namespace }: ResourceReference): string =>
  resourceKey({ kind, name, ...(namespace !== undefined && { namespace }) })

/** RFC 3339 in UTC, whole seconds: as Calico stores it. */
export const timestamp = (now: Date): string => `${now.toISOString().slice(0, 19)}Z`

/** Kinds that are never without a status. */
const WITH_STATUS = new Set(['Node', 'CalicoNodeStatus'])

/** As stored: no revision, which the store knows better. */
function encode(object: ResourceObject): string {
  const { resourceVersion: _, ...metadata } = object.metadata
  const { kind, apiVersion, spec, status } = object
  const filled = WITH_STATUS.has(kind) ? (status ?? {}) : status
  return JSON.stringify({ kind, apiVersion, metadata, spec: spec ?? {}, status: filled })
}

/** Undefined where the value is not a resource: something else wrote it. */
function decode({ value, revision }: Entry): ResourceObject | undefined {
  const object = parse(value)
  if (!isResourceObject(object)) return undefined
  const { kind, apiVersion, metadata, spec, status } = object
  return {
    apiVersion,
    kind,
    metadata: { ...metadata, resourceVersion: String(revision) },
    ...(spec === undefined ? {} : { spec }),
    ...(status === undefined ? {} : { status }),
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isResourceObject(value: unknown): value is ResourceObject {
  if (typeof value !== 'object' || value === null) return false
  if (!('kind' in value) || typeof value.kind !== 'string') return false
  if (!('apiVersion' in value) || typeof value.apiVersion !== 'string') return false
  if (!('metadata' in value) || typeof value.metadata !== 'object') return false
  return value.metadata !== null && 'name' in value.metadata
}
