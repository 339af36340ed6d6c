import {
  AFFINITIES_ROOT,
  BLOCKS_ROOT,
  KINDS,
  parseBlockKey,
  parseResourceKey,
  RESOURCES_ROOT,
  workloadEndpointPrefix,
} from '../../../core/calico/index.ts'
import {
  type Entry,
  KUBERNETES_ROOT,
  POD_CIDRS_ROOT,
  SECRETS_ROOT,
} from '../../../core/intent/index.ts'
import type { NodeConfiguration } from '../configuration.ts'
import type { ReadKind } from '../schemas/index.ts'

/** What of a store a node looks at. */

/** Kinds that a snapshot has a list of. */
const SNAPSHOT_KINDS: ReadonlySet<string> = new Set<ReadKind>([
  'Node',
  'BGPConfiguration',
  'BGPPeer',
  'BGPFilter',
  'IPPool',
  'IPReservation',
  'ClusterInformation',
  'FelixConfiguration',
  'CalicoNodeStatus',
  'WorkloadEndpoint',
])

/**
 * What a controller watches: the kinds that are read, IPAM's blocks and whose they are, and which
 * pod CIDRs nodes have by their own configuration. Not the rest of nodes' state, which changes
 * every second, and not RESOURCES_ROOT as a whole: a cluster's policies are there too, thousands of
 * them. Of what there are thousands of under these roots, `concerns` leaves out what is others'.
 */
export const WATCHED_ROOTS: readonly string[] = [
  AFFINITIES_ROOT,
  BLOCKS_ROOT,
  POD_CIDRS_ROOT,
  ...KINDS.filter(({ kind }) => SNAPSHOT_KINDS.has(kind)).map(
    ({ plural }) => `${RESOURCES_ROOT}${plural}/`,
  ),
]

/** The same, with passwords and services where the node is to have them from its store. */
export const watchedRoots = ({
  secrets,
  store,
  kubernetes,
}: Pick<NodeConfiguration, 'secrets' | 'store' | 'kubernetes'>): readonly string[] => [
  ...WATCHED_ROOTS,
  ...(secrets !== undefined && 'store' in secrets ? [SECRETS_ROOT] : []),
  ...(store.kind === 'directory' && kubernetes === undefined ? [KUBERNETES_ROOT] : []),
]

/**
 * False for what cannot mean anything to `node`: workload endpoints and statuses of other nodes,
 * and blocks in which neither it nor a guest of another node has an address. Looks for names in
 * the text and decodes nothing, so that an endless stream of other nodes' pods costs a search each;
 * what it lets through may still be another's. O(length).
 */
export function concerns({ key, value }: Entry, node: string): boolean {
  if (parseBlockKey(key) !== undefined)
    return value.includes(`:${node}"`) || value.includes(JSON.stringify(node)) || hasGuests(value)
  const name = parseResourceKey(key)
  if (name?.kind.kind === 'WorkloadEndpoint')
    return name.name.startsWith(workloadEndpointPrefix(node))
  return name?.kind.kind !== 'CalicoNodeStatus' || value.includes(JSON.stringify(node))
}

/** True where an address of a block is of a node that the block is not: packets to it go there. */
function hasGuests(value: string): boolean {
  const [, owner] = /"affinity":\s*"host:([^"]*)"/.exec(value) ?? []
  for (const [, node] of value.matchAll(/"node":\s*"([^"]*)"/g)) if (node !== owner) return true
  return false
}
