import type { DataplaneIntent } from '../dataplane/index.ts'
import { compareAddresses, FAMILIES, parseQuad } from '../net/index.ts'
import type { PeerConfig, SpeakerConfig } from '../speaker/index.ts'
import { type Cluster, type ClusterNode, clusterOf, keyOf } from './cluster.ts'
import { NO_SERVICE_OBJECTS, type ServiceObjects } from './originated/kubernetes.ts'
import { podCidrsOf } from './originated/pod-cidrs.ts'
import { servicesOf } from './originated/services.ts'
import type { Neighbour } from './peers/neighbour.ts'
import { peersOf } from './peers/peers.ts'
import { NO_SECRETS, type Secrets } from './peers/secrets.ts'
import { policiesOf, type SessionPolicies } from './policies/policies.ts'
import { intentOf } from './routes/routes.ts'
import { type TunnelSurroundings, tunnelsOf } from './routes/tunnels.ts'
import { workloadsOf } from './routes/workloads.ts'
import { ROUTES_STATUS_MAX } from './state/documents.ts'
import type { Desired, NodeFacts, Problem, Snapshot } from './types.ts'

/**
 * What the resources mean for one node. Pure, and the same for the same snapshot in whatever order
 * its objects came: lists are in canonical order, so that two answers are equal exactly when
 * nothing is to be done.
 *
 * O(nodes + peers + block affinities + services + endpoints).
 *
 * @param objects  services and endpoints; absent: nobody knows of any
 * @param links  the names of this machine's links that have the node's addresses
 */
export function desired(
  snapshot: Snapshot,
  facts: NodeFacts,
  secrets: Secrets = NO_SECRETS,
  objects: ServiceObjects = NO_SERVICE_OBJECTS,
  links: TunnelSurroundings['links'] = {},
): Desired {
  const cluster = clusterOf(snapshot)
  const cidrs = podCidrsOf(snapshot, facts)
  const own = cluster.nodes.get(facts.node)
  const watched = { watched: cidrs.all, watchedMax: ROUTES_STATUS_MAX }
  const services = servicesOf(snapshot, facts, objects)
  const policies = policiesOf(snapshot, {
    ...{ facts, own, nodes: cluster.nodes, blocks: cidrs.own, services: services.routes },
  })
  const { originated, pools, communities } = policies
  const workloads = workloadsOf(snapshot, facts, own)
  const between = tunnelsOf(snapshot, {
    ...{ facts, own, nodes: cluster.nodes, others: cidrs.others, links },
  })
  const inKernel = (neighbours: readonly Neighbour[]): DataplaneIntent => ({
    ...intentOf({ originated, workloads, between, neighbours }),
    ...watched,
  })
  const parts = [snapshot, cidrs, services, policies, workloads, between]
  const problems = parts.flatMap(part => part.problems)
  const routerId = facts.routerId ?? parseQuad(own?.addresses.ipv4 ?? '')
  if (own === undefined || routerId === undefined)
    return {
      listen: [],
      dataplane: inKernel([]),
      sessions: [],
      ...{ originated, pools, communities },
      problems: inOrder([...problems, silence(snapshot, facts, own)]),
    }
  const peers = peersOf(cluster, own, snapshot, { facts, secrets })
  const neighbours = peers.neighbours.map(neighbour => policies.sessions.applied(neighbour))
  const ranges = peers.ranges.map(range => policies.sessions.appliedTo(range))
  const speaker: SpeakerConfig = {
    routerId,
    localAs: own.asNumber,
    ...(own.clusterId === undefined ? {} : { clusterId: own.clusterId }),
    multipathMax: facts.multipathMax,
    peers: neighbours
      .filter(({ withheld }) => withheld === undefined)
      .map(({ config }) => config)
      .toSorted(comparePeers),
    ...(ranges.length > 0 && { ranges }),
    originated: originated.map(({ prefix }) => prefix),
    originatedLocalPref: policies.localPref,
    ...(policies.kernel !== undefined && { fibPolicy: policies.kernel }),
    ...watched,
  }
  return {
    speaker,
    listen: listenOf(cluster, own),
    dataplane: inKernel(neighbours),
    sessions: neighbours,
    ...{ originated, pools, communities },
    problems: inOrder([
      ...problems,
      ...peers.problems,
      ...neighbours.flatMap(neighbour => missingFilters(neighbour, policies.sessions)),
      ...routerIdClash(cluster, own, routerId),
    ]),
  }
}

/** A filter that is not there lets nothing pass: see `filterTerms`. */
const missingFilters = ({ resource, filters }: Neighbour, sessions: SessionPolicies): Problem[] =>
  sessions.missing(filters).map(name => ({
    object: resource ?? '',
    field: 'spec.filters',
    reason: `BGPFilter ${name} is not there; until it is, no route passes it, in or out`,
  }))

/** Where to listen: at every family that the node has an address of. */
const listenOf = ({ bindToNode }: Cluster, own: ClusterNode): Desired['listen'] =>
  FAMILIES.flatMap(family => {
    const address = own.addresses[family]
    if (address === undefined) return []
    return { family, port: own.listenPort, ...(bindToNode && { address }) }
  })

/** Why this node is not to speak BGP. */
function silence(snapshot: Snapshot, facts: NodeFacts, own: ClusterNode | undefined): Problem {
  const object = keyOf('Node', facts.node)
  if (own !== undefined)
    return {
      object,
      field: 'spec.bgp.ipv4Address',
      reason:
        'is missing, and with it the router id; ' +
        'write "bgp: {routerId: hash}" into the configuration of this node',
    }
  const node = snapshot.nodes.find(({ metadata }) => metadata.name === facts.node)
  if (node === undefined)
    return {
      object,
      field: '',
      reason: `is not there, so that ${facts.node} has no sessions; apply a Node of that name`,
    }
  return {
    object,
    field: 'spec.bgp',
    reason: `has no address, so that ${facts.node} has no sessions; write spec.bgp.ipv4Address`,
  }
}

/**
 * RFC 6286 §2.1: identifiers are unique in an AS; a reflected route with our own is taken for a
 * loop.
 */
function routerIdClash(cluster: Cluster, own: ClusterNode, routerId: number): Problem[] {
  return [...cluster.nodes.values()]
    .filter(node => node.name !== own.name && node.asNumber === own.asNumber)
    .filter(node => parseQuad(node.addresses.ipv4 ?? '') === routerId)
    .map(node => ({
      object: own.key,
      field: 'spec.bgp.ipv4Address',
      reason: `gives the router id of ${node.name} too; sessions between them cannot open`,
    }))
}

const comparePeers = (a: PeerConfig, b: PeerConfig): number =>
  compareAddresses(a.address, b.address) || a.port - b.port

/** By object, field and reason, each once. */
function inOrder(problems: readonly Problem[]): Problem[] {
  const texts = new Map(problems.map(problem => [JSON.stringify(problem), problem]))
  return [...texts].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, problem]) => problem)
}
