import {
  type BgpPeerResource,
  type BgpPeerSpec,
  type Labels,
  type PeerEndpoint,
  parsePeerEndpoint,
  parseSelector,
  type Selector,
  type WorkloadEndpointResource,
} from '../../calico/index.ts'
import {
  type Address,
  type Asn,
  FAMILIES,
  type Family,
  familyOf,
  isUnicast,
  parseNetwork,
  toAsn,
} from '../../net/index.ts'
import { type ClusterNode, keyOf } from '../cluster.ts'
import { addressesOf, type Context, type Scope } from './common.ts'

/**
 * What a BGPPeer asks of this node: sessions with whom, and which of the resource's fields count
 * for them. Calico's confd, updatePeersV1.
 */

/** What reading a resource needs and adds to. */
type Reading = Pick<Context, 'selectors' | 'problems'>

/** One session that a BGPPeer asks of this node. */
export interface Asked {
  readonly resource: BgpPeerResource
  readonly scope: Exclude<Scope, 'Mesh'>
  /** how the peer was found: fields mean something with some of these only */
  readonly by: 'address' | 'selector' | 'reverse' | 'workload'
  readonly address: Address
  /** absent: nobody wrote one, and it is 179 */
  readonly port?: number
  readonly peerAs: Asn
  readonly localAs: Asn
  /** the node that the peer is */
  readonly node?: ClusterNode
}

/** The sessions that a BGPPeer asks of the nodes that it is for, this one being of them. */
export function askedBy(resource: BgpPeerResource, context: Context): Asked[] {
  const { spec } = resource
  const { own, cluster } = context
  if (!isFor(resource, own, context)) return []
  const scope = isGlobal(resource) ? 'Global' : 'Node'
  if (given(spec.localWorkloadSelector)) return workloadsOf(resource, context)
  if (!given(spec.peerSelector)) return [peerAt(resource, scope, context)].flatMap(one => one ?? [])
  tellUseless(resource, ['localASNumber', 'numAllowedLocalASNumbers'], 'peerSelector', context)
  const selected = selectorOf(resource, 'peerSelector', context)
  if (selected === undefined) return []
  return [...cluster.nodes.values()]
    .filter(node => node.name !== own.name && selected.matches(node.labels))
    .flatMap(node =>
      addressesOf(node, context).map(address => ({
        resource,
        scope,
        by: 'selector' as const,
        ...nodeAt(node, address),
        localAs: own.asNumber,
      })),
    )
}

/**
 * The sessions back: of a BGPPeer whose peer this node is, with each node that the BGPPeer is for,
 * so that what is written for one end is there at both.
 */
export function askedBack(resource: BgpPeerResource, context: Context): Asked[] {
  const { spec } = resource
  const { own, cluster } = context
  if (spec.reversePeering === 'Manual') return []
  const families = familiesBack(resource, context)
  if (families.length === 0) return []
  const back = given(spec.peerSelector) ? undefined : asnOf(spec.localASNumber)
  return [...cluster.nodes.values()]
    .filter(node => node.name !== own.name && isFor(resource, node, context))
    .flatMap(node =>
      addressesOf(node, context)
        .filter(address => families.includes(familyOf(address)))
        .map(address => {
          const at = nodeAt(node, address)
          // whom it calls itself there
          const peerAs = back ?? at.peerAs
          const localAs = own.asNumber
          return { resource, scope: 'Node', by: 'reverse', ...at, peerAs, localAs } as const
        }),
    )
}

/** No nodes are named: it is for all of them. */
export const isGlobal = ({ spec }: BgpPeerResource): boolean =>
  !given(spec.node) && !given(spec.nodeSelector)

/** Go writes what is not set as its zero value; neither means anything. */
export const given = (value: unknown): boolean =>
  value !== undefined &&
  value !== '' &&
  value !== 0 &&
  !(Array.isArray(value) && value.length === 0)

/** To name a BGPPeer in a problem. */
export const nameOf = (resource: BgpPeerResource): string =>
  keyOf('BGPPeer', resource.metadata.name)

/** Says what is wrong with a field. */
export function problem(
  context: Reading,
  resource: BgpPeerResource,
  field: keyof BgpPeerSpec,
  reason: string,
): undefined {
  context.problems.push({ object: nameOf(resource), field: `spec.${field}`, reason })
}

/** Calico leaves such fields alone without a word. */
function tellUseless(
  resource: BgpPeerResource,
  fields: readonly (keyof BgpPeerSpec)[],
  beside: string,
  context: Context,
): void {
  for (const field of fields)
    if (given(resource.spec[field]))
      problem(context, resource, field, `means nothing beside ${beside}, as in Calico`)
}

/** Whether `node` is one of the nodes at this end of the resource. */
function isFor(resource: BgpPeerResource, node: ClusterNode, context: Reading): boolean {
  const { spec } = resource
  if (given(spec.nodeSelector))
    return selectorOf(resource, 'nodeSelector', context)?.matches(node.labels) ?? false
  return !given(spec.node) || spec.node === node.name
}

/** Undefined, and a problem, where it is none: then it selects nothing. */
function selectorOf(
  resource: BgpPeerResource,
  field: 'nodeSelector' | 'peerSelector' | 'localWorkloadSelector',
  context: Reading,
): Selector | undefined {
  const text = resource.spec[field] ?? ''
  const found = context.selectors.get(text) ?? parseSelector(text)
  context.selectors.set(text, found)
  if ('matches' in found) return found
  return problem(context, resource, field, `${found.reason}; it selects nothing`)
}

/** The families in which `peerIP` or `peerSelector` mean this node: none where they do not. */
function familiesBack(resource: BgpPeerResource, context: Context): readonly Family[] {
  const { spec } = resource
  const { own, cluster } = context
  if (given(spec.peerSelector)) {
    const selected = selectorOf(resource, 'peerSelector', context)
    return selected?.matches(own.labels) ? FAMILIES : []
  }
  const endpoint = parsePeerEndpoint(spec.peerIP ?? '')
  if (endpoint === undefined) return []
  const peerAs = asnOf(spec.asNumber) ?? cluster.asNumber
  return isNode(own, endpoint, peerAs) ? [familyOf(endpoint.address)] : []
}

/** An endpoint without a port is any; a node whose port nobody wrote is taken at any, too. */
const isNode = (node: ClusterNode, { address, port }: PeerEndpoint, as: Asn): boolean =>
  Object.values(node.addresses).includes(address) &&
  node.asNumber === as &&
  (port === undefined || !node.listenPortGiven || port === node.listenPort)

const nodeAt = (node: ClusterNode, address: Address) => ({
  address,
  ...(node.listenPortGiven && { port: node.listenPort }),
  peerAs: node.asNumber,
  node,
})

/** The one peer of a `peerIP`; undefined, and a problem, where there cannot be a session. */
function peerAt(
  resource: BgpPeerResource,
  scope: 'Global' | 'Node',
  context: Context,
): Asked | undefined {
  const { spec } = resource
  const { own, cluster, byAddress } = context
  const say = (reason: string): undefined => problem(context, resource, 'peerIP', reason)
  const endpoint = parsePeerEndpoint(spec.peerIP ?? '')
  if (endpoint === undefined) return undefined
  const { address } = endpoint
  if (Object.values(own.addresses).includes(address))
    // of several nodes, one may be the peer of the others: only the one that is named is a mistake
    return spec.node === own.name
      ? say(`${address} is the address of ${own.name} itself; no node peers with itself`)
      : undefined
  if (!isUnicast(address)) return say(`${address} is not an address that a router can have`)
  const family = familyOf(address)
  if (own.addresses[family] === undefined)
    return say(
      `${address} is ${family}, and ${own.name} has no such address; ` +
        `add spec.bgp.${family}Address to ${own.key}`,
    )
  const node = byAddress.get(address)
  const peerAs = asnOf(spec.asNumber) ?? cluster.asNumber
  const ofNode =
    node?.listenPortGiven && isNode(node, endpoint, peerAs) ? node.listenPort : undefined
  const port = endpoint.port ?? ofNode
  return {
    resource,
    scope,
    by: 'address',
    address,
    ...(port !== undefined && { port }),
    peerAs,
    localAs: asnOf(spec.localASNumber) ?? own.asNumber,
    ...(node !== undefined && { node }),
  }
}

/**
 * The workloads of this node that `localWorkloadSelector` selects, at the first address that they
 * have of each family.
 */
function workloadsOf(resource: BgpPeerResource, context: Context): Asked[] {
  const { spec } = resource
  const { own, cluster } = context
  const useless = ['password', 'ttlSecurity', 'maxRestartTime', 'keepaliveTime'] as const
  tellUseless(resource, useless, 'localWorkloadSelector', context)
  return selectedWorkloads(resource, own, context)
    .flatMap(({ spec: { ipNetworks = [] } }) => {
      const addresses = ipNetworks.flatMap(text => parseNetwork(text)?.address ?? [])
      return FAMILIES.flatMap(family => addresses.find(each => familyOf(each) === family) ?? [])
    })
    .filter(address => isUnicast(address) && own.addresses[familyOf(address)] !== undefined)
    .map(address => ({
      resource,
      scope: 'Local_Workload',
      by: 'workload',
      address,
      peerAs: asnOf(spec.asNumber) ?? cluster.asNumber,
      localAs: asnOf(spec.localASNumber) ?? own.asNumber,
    }))
}

/** Those of `workloads` that a BGPPeer selects, where it is for their node, `own`. */
export function selectedWorkloads(
  resource: BgpPeerResource,
  own: ClusterNode,
  context: Reading & Pick<Context, 'workloads'>,
): WorkloadEndpointResource[] {
  if (!isFor(resource, own, context)) return []
  const selected = selectorOf(resource, 'localWorkloadSelector', context)
  if (selected === undefined) return []
  return context.workloads.filter(({ metadata }) => selected.matches(labelsOf(metadata)))
}

const labelsOf = ({ labels = {} }: { readonly labels?: Labels | undefined }): Labels => labels

const asnOf = (value: number | undefined): Asn | undefined =>
  value === undefined || value === 0 ? undefined : toAsn(value)
