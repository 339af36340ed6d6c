import type { BgpPeerResource } from '../../calico/index.ts'
import type { Address } from '../../net/index.ts'
import type { PeerConfig, PeerRange } from '../../speaker/index.ts'
import { type Cluster, type ClusterNode, keyOf } from '../cluster.ts'
import type { NodeFacts, Problem, Snapshot } from '../types.ts'
import { type Asked, askedBack, askedBy, isGlobal, nameOf, problem } from './asked.ts'
import { ANNOTATION_FIELD, Annotations, type Context } from './common.ts'
import { neighbourOf } from './make.ts'
import { meshNeighbours } from './mesh.ts'
import type { Neighbour } from './neighbour.ts'
import { rangesOf } from './ranges.ts'
import type { Secrets } from './secrets.ts'

/**
 * Who peers with whom: the node-to-node mesh and BGPPeers, as Calico's confd makes sessions of
 * them.
 */

/** The neighbours of one node. */
export interface Peers {
  /** sorted by name */
  readonly neighbours: readonly Neighbour[]
  /** sorted by name */
  readonly ranges: readonly PeerRange[]
  readonly problems: readonly Problem[]
}

/**
 * The neighbours of `own`. A BGPPeer for all nodes is before one for some, that before one whose
 * peer this node is, and all are before the mesh: of two for the same address and port, the first
 * wins; of two alike, the one whose name is lower.
 *
 * O(peers · nodes).
 */
export function peersOf(
  cluster: Cluster,
  own: ClusterNode,
  snapshot: Pick<Snapshot, 'bgpPeers' | 'settings' | 'workloadEndpoints'>,
  { facts, secrets }: { readonly facts: NodeFacts; readonly secrets: Secrets },
): Peers {
  const byAddress = new Map<Address, ClusterNode>()
  for (const node of cluster.nodes.values())
    for (const address of Object.values(node.addresses))
      if (!byAddress.has(address)) byAddress.set(address, node)
  const context: Context = {
    cluster,
    own,
    facts,
    secrets,
    byAddress,
    workloads: snapshot.workloadEndpoints.filter(({ spec }) => spec.node === own.name),
    settings: new Annotations(snapshot.settings),
    problems: [],
    selectors: new Map(),
  }
  const why = context.settings.withheld()
  if (why !== undefined) {
    const object = keyOf('BGPConfiguration', 'default')
    const reason = { object, field: ANNOTATION_FIELD, reason: why }
    return { neighbours: [], ranges: [], problems: [reason] }
  }
  const explicit = explicitNeighbours(snapshot.bgpPeers, context)
  const taken = new Set(explicit.map(({ config }) => config.address))
  const mesh = meshNeighbours(context).filter(({ config }) => !taken.has(config.address))
  const neighbours = [...explicit, ...mesh].toSorted((a, b) =>
    a.config.name < b.config.name ? -1 : 1,
  )
  return { neighbours, ranges: rangesOf(context), problems: context.problems }
}

interface Made {
  readonly neighbour: Neighbour
  readonly asked: Asked
}

function explicitNeighbours(resources: readonly BgpPeerResource[], context: Context): Neighbour[] {
  // the same order at both ends, so that of two resources for one session both take the same
  const inOrder = resources.toSorted(
    (a, b) =>
      Number(isGlobal(b)) - Number(isGlobal(a)) || (a.metadata.name < b.metadata.name ? -1 : 1),
  )
  const asked = [
    ...inOrder.flatMap(resource => askedBy(resource, context)),
    ...inOrder.flatMap(resource => askedBack(resource, context)),
  ]
  const made = new Map<string, Made>()
  const atAddress = new Map<Address, Made>()
  for (const one of asked) {
    const neighbour = neighbourOf(one, context)
    if (neighbour === undefined) continue
    const candidate = { neighbour, asked: one }
    const { address, port } = neighbour.config
    const first = made.get(`${address} ${port}`)
    const other = atAddress.get(address)
    if (first !== undefined) tellDuplicate(candidate, first, context)
    else if (other !== undefined && !alikeSecured(neighbour, other.neighbour))
      tellInsecure(candidate, other, context)
    else {
      made.set(`${address} ${port}`, candidate)
      if (other === undefined) atAddress.set(address, candidate)
    }
  }
  return [...made.values()].map(({ neighbour }) => neighbour)
}

/** The kernel checks what an address sends, whatever its port. */
const alikeSecured = (a: Neighbour, b: Neighbour): boolean =>
  a.password === b.password && a.config.password === b.config.password

function tellInsecure({ asked: { resource, by } }: Made, first: Made, context: Context): void {
  if (by === 'reverse') return
  const whose = nameOf(first.asked.resource)
  if (first.neighbour.withheld === undefined)
    problem(
      context,
      resource,
      'password',
      `differs from that of ${whose}, which has the same address and stays`,
    )
  else problem(context, resource, 'peerIP', `is a peer whose session is withheld for ${whose}`)
}

/**
 * Two that differ are a mistake. A peer for one node that repeats one for all is Calico's
 * documented way, and what is only the other end of a resource gives way in silence.
 */
function tellDuplicate({ neighbour, asked }: Made, first: Made, context: Context): void {
  const { resource } = asked
  if (asked.by === 'reverse' || resource === first.asked.resource) return
  const alike = isGlobal(resource) === isGlobal(first.asked.resource)
  const { config } = first.neighbour
  if (alike ? sameSession(neighbour, first.neighbour) : samePeer(neighbour.config, config)) return
  const field = resource.spec.peerIP ? 'peerIP' : 'peerSelector'
  problem(
    context,
    resource,
    field,
    `${config.address} port ${config.port} is the peer of ${nameOf(first.asked.resource)} ` +
      'already, which stays',
  )
}

const samePeer = (a: PeerConfig, b: PeerConfig): boolean =>
  a.peerAs === b.peerAs && a.localAs === b.localAs

/** Equal but for its name and the resource's. */
function sameSession(a: Neighbour, b: Neighbour): boolean {
  const bare = ({ config: { name, ...config }, resource, ...neighbour }: Neighbour): string =>
    JSON.stringify({ ...neighbour, config })
  return bare(a) === bare(b)
}
