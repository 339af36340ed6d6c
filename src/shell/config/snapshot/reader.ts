import {
  type AllocationBlock,
  type BlockAffinity,
  decodeBlock,
  parseAffinityKey,
  parseBlockKey,
  parseResourceKey,
  type Resource,
} from '../../../core/calico/index.ts'
import {
  type AnnotatedSettings,
  type Entry,
  type NodePodCidrs,
  POD_CIDRS_ROOT,
  type Problem,
  podCidrsKey,
  type Snapshot,
} from '../../../core/intent/index.ts'
import { parsePrefix } from '../../../core/net/index.ts'
import { annotationOf } from '../annotation.ts'
import { fieldOf } from '../issues.ts'
import { decodeResource } from '../resources.ts'
import { isReadKind } from '../schemas/index.ts'
import { concerns } from './watched.ts'

/**
 * From the store's entries to what intent reads, object by object, so that one change decodes one
 * object.
 */

interface Read {
  readonly value: string
  readonly source: string | undefined
  readonly resource?: Resource
  readonly settings?: AnnotatedSettings
  /** what was read: the entry itself, or an earlier one whose content is still in force */
  readonly valid?: Entry
  readonly affinity?: BlockAffinity
  readonly block?: AllocationBlock
  readonly podCidrs?: NodePodCidrs
  readonly problems: readonly Problem[]
}

/**
 * Decodes snapshots of the store, remembering each object.
 *
 * An object that is not valid is reported and treated as absent, for itself alone. A Node, a
 * BGPConfiguration, a filter or a pool shapes the sessions and routes of others, so while it is not
 * valid, its last valid content stays in force: a mistyped port must not give every node another AS
 * number, nor a mistyped length take a pool's routes from the network. The same holds for what a
 * file held that cannot be read any more.
 */
export class SnapshotReader {
  readonly #node: string | undefined
  #read = new Map<string, Read>()

  /**
   * @param known  what an earlier reader found `valid`: its last content, in force from the start
   * @param node  what does not concern it is left out; absent: nothing is
   */
  constructor(known: Iterable<Entry> = [], node?: string) {
    this.#node = node
    for (const entry of known) {
      const read = readEntry(entry, undefined)
      if (read !== undefined) this.#read.set(entry.key, read)
    }
  }

  /**
   * What the entries are, which are all that the store holds under WATCHED_ROOTS, but for what is
   * in the files that `unreadable` names. O(entries + changes).
   */
  read(entries: Iterable<Entry>, unreadable: readonly Problem[] = []): Snapshot {
    const next = new Map<string, Read>()
    for (const entry of entries) {
      if (this.#node !== undefined && !concerns(entry, this.#node)) continue
      const known = this.#read.get(entry.key)
      const same = known?.value === entry.value && known.source === entry.source
      const read = same ? known : readEntry(entry, known)
      if (read !== undefined) next.set(entry.key, read)
    }
    const files = new Set(unreadable.map(({ object }) => fileOf(object)))
    for (const [key, read] of this.#read)
      if (!next.has(key) && read.source !== undefined && files.has(fileOf(read.source)))
        next.set(key, read)
    this.#read = next
    return snapshotOf(next, this.#node)
  }

  /** The entries whose content is in force, by key: what the next reader should know. */
  get valid(): readonly Entry[] {
    return [...this.#read.values()].flatMap(({ valid }) => valid ?? [])
  }
}

/** The file of a source, `file:line`. */
const fileOf = (source: string): string => source.replace(/:\d+$/, '')

function snapshotOf(all: ReadonlyMap<string, Read>, node: string | undefined): Snapshot {
  const reads = [...all].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, read]) => read)
  const lists = byKind(reads.flatMap(read => read.resource ?? []))
  const mine = <Item extends { readonly spec: { readonly node?: string | undefined } }>(
    items: readonly Item[],
  ): readonly Item[] =>
    node === undefined ? items : items.filter(({ spec }) => spec.node === node)
  return {
    ...lists,
    calicoNodeStatuses: mine(lists.calicoNodeStatuses),
    workloadEndpoints: mine(lists.workloadEndpoints),
    blocks: reads.flatMap(read => read.block ?? []),
    blockAffinities: reads.flatMap(read => read.affinity ?? []),
    podCidrs: reads.flatMap(read => read.podCidrs ?? []),
    settings: reads.flatMap(read => read.settings ?? []),
    problems: reads.flatMap(read => read.problems),
  }
}

/** The lists of a snapshot that hold resources. */
export function byKind(resources: readonly Resource[]) {
  return {
    nodes: resources.filter(resource => resource.kind === 'Node'),
    bgpConfigurations: resources.filter(resource => resource.kind === 'BGPConfiguration'),
    bgpPeers: resources.filter(resource => resource.kind === 'BGPPeer'),
    bgpFilters: resources.filter(resource => resource.kind === 'BGPFilter'),
    ipPools: resources.filter(resource => resource.kind === 'IPPool'),
    ipReservations: resources.filter(resource => resource.kind === 'IPReservation'),
    clusterInformations: resources.filter(resource => resource.kind === 'ClusterInformation'),
    felixConfigurations: resources.filter(resource => resource.kind === 'FelixConfiguration'),
    calicoNodeStatuses: resources.filter(resource => resource.kind === 'CalicoNodeStatus'),
    workloadEndpoints: resources.filter(resource => resource.kind === 'WorkloadEndpoint'),
  }
}

/**
 * True for a resource that speaks for nobody but itself: what cannot be read of it is not there.
 * All others shape the sessions and routes of others, and stay as they were.
 */
const isAlone = ({ kind }: Resource): boolean =>
  kind === 'BGPPeer' || kind === 'WorkloadEndpoint' || kind === 'CalicoNodeStatus'

/** Undefined for keys that mean nothing here: other kinds, other parts of IPAM. */
function readEntry(entry: Entry, known: Read | undefined): Read | undefined {
  const name = parseResourceKey(entry.key)
  if (name !== undefined) return isReadKind(name.kind.kind) ? readResource(entry, known) : undefined
  if (entry.key.startsWith(POD_CIDRS_ROOT)) return readPodCidrs(entry)
  if (parseBlockKey(entry.key) !== undefined) return readBlock(entry)
  return parseAffinityKey(entry.key) === undefined ? undefined : readAffinity(entry)
}

function readResource(entry: Entry, known: Read | undefined): Read {
  const { key, value, source } = entry
  const object = source ?? key
  const json = parseJson(value)
  const decoded =
    json.fault === undefined
      ? decodeResource(json.value)
      : { findings: [{ path: [], reason: json.fault, unknownKey: false }] }
  const problems = decoded.findings.map(({ path, reason }) => ({
    object,
    field: fieldOf(path),
    reason,
  }))
  const resource = decoded.resource
  // what is there without ever having been valid does not stay
  const last = known?.valid === undefined ? undefined : known
  if (resource !== undefined) {
    const misplaced = misplacement(resource, key)
    const annotation = annotationOf(resource)
    for (const { path, reason } of annotation?.findings ?? [])
      problems.push({ object, field: fieldOf(path), reason })
    if (misplaced !== undefined)
      problems.push({ object, field: 'metadata.name', reason: misplaced })
    else {
      const settings = annotation === undefined ? {} : { settings: annotation.settings }
      // a question, asked anew and answered by us every few seconds: nothing to be remembered
      const valid = resource.kind === 'CalicoNodeStatus' ? {} : { valid: entry }
      if ((annotation?.findings ?? []).length === 0)
        return { value, source, resource, ...settings, ...valid, problems }
      // one that shapes all sessions stays as it was; there may be none to stay
      if (isAlone(resource) || last?.resource === undefined)
        return { value, source, resource, ...settings, problems }
    }
  }
  if (last?.resource === undefined || isAlone(last.resource)) return { value, source, problems }
  const since = last.valid?.revision ?? 0
  const reason = `is not valid; its last valid content (revision ${since}) stays in force`
  problems.push({ object, field: '', reason })
  return { ...last, value, source, problems }
}

function misplacement(resource: Resource, key: string): string | undefined {
  const { kind, metadata } = resource
  const place = parseResourceKey(key)
  if (place !== undefined && place.kind.kind === kind && place.name === metadata.name)
    return undefined
  return `"${metadata.name}" of a ${kind} does not belong to the key ${key}`
}

/** `""` and `{}` are what older Calicos wrote; `deleted` may be text, as in the v3 resource. */
function readAffinity(entry: Entry): Read | undefined {
  const { key, value, source } = entry
  const named = parseAffinityKey(key)
  if (named === undefined) return undefined
  const { node, block: cidr } = named
  if (value.trim() === '')
    return { value, source, affinity: { node, cidr }, valid: entry, problems: [] }
  const json = parseJson(value)
  if (typeof json.value !== 'object' || json.value === null) {
    const reason = json.fault ?? 'is not a JSON object'
    return { value, source, problems: [{ object: source ?? key, field: '', reason }] }
  }
  const state: unknown = Reflect.get(json.value, 'state')
  const deleted: unknown = Reflect.get(json.value, 'deleted')
  const affinity = {
    node,
    cidr,
    ...(typeof state === 'string' ? { state } : {}),
    deleted: deleted === true || deleted === 'true',
  }
  return { value, source, affinity, valid: entry, problems: [] }
}

/** One that is marked as deleted is about to be. */
function readBlock(entry: Entry): Read {
  const { key, value, source } = entry
  const block = decodeBlock(value)
  if (block === undefined || block.cidr !== parseBlockKey(key)) {
    const reason = 'is not the block that its key names'
    return { value, source, problems: [{ object: source ?? key, field: '', reason }] }
  }
  return { value, source, ...(!block.deleted && { block }), valid: entry, problems: [] }
}

/** Written by agents, not by people: fields of a later release are no fault. */
function readPodCidrs(entry: Entry): Read {
  const { key, value, source } = entry
  const json = parseJson(value)
  const found = typeof json.value === 'object' && json.value !== null ? json.value : {}
  const node: unknown = Reflect.get(found, 'node')
  const listed: unknown = Reflect.get(found, 'podCIDRs')
  const texts = Array.isArray(listed) ? listed : []
  const podCidrs = texts.flatMap(text => parsePrefix(String(text)) ?? [])
  if (typeof node === 'string' && podCidrsKey(node) === key && podCidrs.length === texts.length)
    return { value, source, podCidrs: { node, podCidrs }, valid: entry, problems: [] }
  const reason = json.fault ?? 'does not say pod CIDRs of the node in its name; remove it'
  return { value, source, problems: [{ object: source ?? key, field: '', reason }] }
}

function parseJson(text: string): { value?: unknown; fault?: string } {
  try {
    const value: unknown = JSON.parse(text)
    return { value }
  } catch (error) {
    return { fault: `is not JSON: ${error instanceof Error ? error.message : String(error)}` }
  }
}
