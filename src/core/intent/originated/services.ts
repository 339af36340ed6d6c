import type { BgpConfigurationSpec, ServiceRange } from '../../calico/index.ts'
import {
  containsParts,
  hostPrefix,
  inPrefixOrder,
  maxLength,
  type Prefix,
  parseAddress,
  parseNetwork,
  prefixParts,
} from '../../net/index.ts'
import { keyOf } from '../cluster.ts'
import type { NodeFacts, Problem, Snapshot } from '../types.ts'
import type { EndpointSlice, Service, ServiceObjects } from './kubernetes.ts'

/**
 * Addresses of services that a node announces: Calico's ranges, for which BGPConfiguration is
 * enough, and single addresses, for which one must know the services and their endpoints.
 *
 * Pure: an address is announced while any service asks for it, so that there is nothing to count
 * when two have the same.
 */

/** Services as one node sees them. */
export interface ServiceRoutes {
  /** ranges and addresses that this node announces, in order */
  readonly announced: readonly Prefix[]
  /** ranges in which peers are told whatever is known; no address inside is named for itself */
  readonly passed: readonly Prefix[]
  /** where, beyond those, they are told of what this node announces */
  readonly own: readonly Prefix[]
  /** ranges whose routes are never the kernel's */
  readonly rejected: readonly Prefix[]
  /** ranges of load balancers and of external addresses: reflectors pass them on */
  readonly reflected: readonly Prefix[]
}

/** Nobody knows of services. */
export const NO_SERVICES: ServiceRoutes = {
  announced: [],
  passed: [],
  own: [],
  rejected: [],
  reflected: [],
}

/** With this label set to `true`, a node announces no service. */
const EXCLUSION = 'node.kubernetes.io/exclude-from-external-load-balancers'
/** Whose endpoints a slice has. */
const SERVICE_NAME = 'kubernetes.io/service-name'
/** Types of services that have addresses; ExternalName has none. */
const TYPES: readonly (string | undefined)[] = ['ClusterIP', 'NodePort', 'LoadBalancer']

/**
 * What of services `facts.node` announces, and what it keeps from the kernel.
 *
 * O(services · ranges + endpoints).
 */
export function servicesOf(
  { nodes, bgpConfigurations }: Pick<Snapshot, 'nodes' | 'bgpConfigurations'>,
  facts: NodeFacts,
  objects: ServiceObjects,
): { readonly routes: ServiceRoutes; readonly problems: readonly Problem[] } {
  const global = bgpConfigurations.find(({ metadata }) => metadata.name === 'default')?.spec ?? {}
  const ranges = rangesOf(global, facts)
  const node = nodes.find(({ metadata }) => metadata.name === facts.node)
  const aggregates = [
    ...ranges.cluster,
    ...ranges.external.filter(isRange),
    ...(ranges.aggregated ? ranges.loadBalancer.filter(isRange) : []),
  ]
  const excluded = node?.metadata.labels?.[EXCLUSION] === 'true'
  const name = facts.kubernetesNode ?? orchestrated(node?.spec.orchRefs) ?? facts.node
  const addresses = excluded ? [] : addressesOf(objects, ranges, name)
  const passed = excluded ? [] : inOrder(aggregates)
  const reflected = inOrder([...ranges.loadBalancer, ...ranges.external])
  const routes = {
    announced: inOrder([...passed, ...addresses]),
    passed,
    own: excluded ? [] : ownOf(passed, reflected, addresses),
    rejected: inOrder(aggregates),
    reflected,
  }
  return { routes, problems: [...ranges.problems, ...objects.problems] }
}

/** The name of a node in Kubernetes, where its Node object says it. */
const orchestrated = (
  references: readonly { nodeName?: string | undefined; orchestrator: string }[] = [],
): string | undefined => references.find(({ orchestrator }) => orchestrator === 'k8s')?.nodeName

interface Ranges {
  readonly cluster: readonly Prefix[]
  readonly external: readonly Prefix[]
  readonly loadBalancer: readonly Prefix[]
  /** ranges of load balancers are announced as such */
  readonly aggregated: boolean
  readonly problems: readonly Problem[]
}

function rangesOf(spec: BgpConfigurationSpec, { clusterIps }: NodeFacts): Ranges {
  const problems: Problem[] = []
  const read = (field: RangeField): Prefix[] =>
    (spec[field] ?? []).flatMap((range, at) => {
      const found = rangeOf(range)
      if (found === 'nothing') return []
      if (found === 'invalid')
        problems.push({
          object: keyOf('BGPConfiguration', 'default'),
          field: `spec.${field}[${at}].cidr`,
          reason: `"${range.cidr}" is not a prefix, and is left out; write 10.96.0.0/12`,
        })
      return found === 'invalid' ? [] : [found]
    })
  return {
    cluster: clusterIps === undefined ? read('serviceClusterIPs') : [clusterIps],
    external: read('serviceExternalIPs'),
    loadBalancer: read('serviceLoadBalancerIPs'),
    aggregated: spec.serviceLoadBalancerAggregation !== 'Disabled',
    problems,
  }
}

type RangeField = 'serviceClusterIPs' | 'serviceExternalIPs' | 'serviceLoadBalancerIPs'

/** As Calico reads it: host bits count for nothing. */
function rangeOf({ cidr = '' }: ServiceRange): Prefix | 'nothing' | 'invalid' {
  if (cidr.trim() === '') return 'nothing'
  return parseNetwork(cidr)?.prefix ?? 'invalid'
}

/** False for a single address. */
function isRange(range: Prefix): boolean {
  const { family, length } = prefixParts(range)
  return length < maxLength(family)
}

/** Addresses of services that are announced one by one. */
function addressesOf(
  { services, slices }: ServiceObjects,
  ranges: Ranges,
  node: string,
): readonly Prefix[] {
  const endpoints = endpointsOf(slices, node)
  const announcedBy = announcer(ranges)
  const found = new Set<Prefix>()
  for (const service of services) {
    if (!isAnnounced(service, ranges, endpoints)) continue
    for (const address of announcedBy(service)) found.add(address)
  }
  return [...found]
}

/** Families in which a service has ready endpoints: anywhere, and on one node. */
interface Endpoints {
  readonly anywhere: Set<string>
  readonly here: Set<string>
}

/** By namespace and name of the service. */
function endpointsOf(slices: readonly EndpointSlice[], node: string): Map<string, Endpoints> {
  const found = new Map<string, Endpoints>()
  for (const { metadata, addressType, endpoints } of slices) {
    const service = metadata.labels?.[SERVICE_NAME]
    if (service === undefined || service === '') continue
    const ready = endpoints.filter(({ conditions }) => conditions?.ready !== false)
    if (ready.length === 0) continue
    const key = `${metadata.namespace}/${service}`
    const known = found.get(key) ?? { anywhere: new Set(), here: new Set() }
    found.set(key, known)
    known.anywhere.add(addressType)
    if (ready.some(({ nodeName }) => nodeName === node)) known.here.add(addressType)
  }
  return found
}

/**
 * Whether the addresses of a service are announced by themselves: where packets from outside must
 * come to a node with an endpoint, where a range is of one address, or where there are no ranges.
 */
function isAnnounced(
  { metadata, spec, status }: Service,
  ranges: Ranges,
  all: ReadonlyMap<string, Endpoints>,
): boolean {
  const { type, clusterIP = '', externalTrafficPolicy, ipFamilies = [] } = spec
  if (!TYPES.includes(type) || clusterIP === '' || clusterIP === 'None') return false
  const endpoints = all.get(`${metadata.namespace}/${metadata.name}`)
  if (externalTrafficPolicy === 'Local')
    return ipFamilies.some(family => endpoints?.here.has(family))
  const balanced = [spec.loadBalancerIP, ...ingressOf(status)]
  if (
    externalTrafficPolicy === 'Cluster' &&
    ((type === 'LoadBalancer' && balanced.some(ip => isSingle(ip, ranges.loadBalancer))) ||
      (spec.externalIPs ?? []).some(ip => isSingle(ip, ranges.external)))
  )
    return true
  return !ranges.aggregated && ipFamilies.some(family => endpoints?.anywhere.has(family))
}

const ingressOf = (status: Service['status']): readonly (string | undefined)[] =>
  (status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip)

/** True for an address that is a range by itself. */
function isSingle(text: string | undefined, ranges: readonly Prefix[]): boolean {
  const address = parseAddress(text ?? '')
  return address !== undefined && ranges.includes(hostPrefix(address))
}

/** Which addresses of a service are, once it is: those of the cluster wherever they are. */
function announcer(ranges: Ranges): (service: Service) => readonly Prefix[] {
  const isExternal = within(ranges.external)
  const isBalanced = within(ranges.loadBalancer)
  return ({ spec, status }) => {
    const { clusterIP, clusterIPs = [clusterIP], externalIPs = [] } = spec
    return [
      ...(ranges.cluster.length === 0 ? [] : addressesIn(clusterIPs)),
      ...addressesIn(externalIPs, isExternal),
      ...addressesIn(ingressOf(status), isBalanced),
    ]
  }
}

function addressesIn(
  texts: readonly (string | undefined)[],
  isWithin?: (address: Prefix) => boolean,
): readonly Prefix[] {
  return texts.flatMap(text => {
    const address = parseAddress(text ?? '')
    if (address === undefined) return []
    const host = hostPrefix(address)
    return isWithin === undefined || isWithin(host) ? [host] : []
  })
}

/** Whether any of `ranges` holds a prefix; they are taken apart once. */
function within(ranges: readonly Prefix[]): (one: Prefix) => boolean {
  const all = ranges.map(prefixParts)
  return one => {
    const parts = prefixParts(one)
    return all.some(range => containsParts(range, parts))
  }
}

/**
 * Prefixes that hold every announced address outside of `passed`. The ranges of all services are
 * named whole: an endpoint that moves is no new policy, for which all routes would be asked again.
 */
function ownOf(
  passed: readonly Prefix[],
  ranges: readonly Prefix[],
  addresses: readonly Prefix[],
): readonly Prefix[] {
  const isPassed = within(passed)
  const own = ranges.filter(range => !isPassed(range))
  const isHeld = within([...passed, ...own])
  return inOrder([...own, ...addresses.filter(one => !isHeld(one))])
}

/** Each once. */
const inOrder = (prefixes: readonly Prefix[]): readonly Prefix[] =>
  inPrefixOrder([...new Set(prefixes)], prefix => prefix)
