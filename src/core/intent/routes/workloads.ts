import {
  type FelixConfigurationSpec,
  kindNamed,
  resourceKey,
  type WorkloadEndpointResource,
} from '../../calico/index.ts'
import type { NodeRoute, WorkloadLink } from '../../dataplane/index.ts'
import {
  type Address,
  comparePrefixes,
  type Family,
  familyOf,
  formatAddress,
  hostPrefix,
  maxLength,
  type Prefix,
  parseAddress,
  parsePrefix,
  prefixParts,
} from '../../net/index.ts'
import { parseMac } from '../../rtnl/index.ts'
import { type ClusterNode, keyOf } from '../cluster.ts'
import { normalMetrics } from '../policies/priority.ts'
import type { NodeFacts, Problem, Snapshot } from '../types.ts'
import { felixOf } from './felix.ts'
import { either, peeringOf } from './peering.ts'

/** What this node's workloads need of its kernel: what Felix writes for each WorkloadEndpoint. */

/** Interfaces of workloads, where no FelixConfiguration says otherwise. */
const INTERFACE_PREFIX = 'cali'

/** A link's name has at most so many octets. */
const INTERFACE_NAME = /^[\x21-\x2e\x30-\x7e]{1,15}$/

/** What workloads need. */
export interface Workloads {
  /** to each of their addresses, in order of prefix */
  readonly routes: readonly NodeRoute[]
  /** in order of name */
  readonly links: readonly WorkloadLink[]
  readonly problems: readonly Problem[]
}

/** Nothing: it is Felix's. */
const NONE: Workloads = { routes: [], links: [], problems: [] }

/**
 * A route to each address of a workload of this node, on its interface, and what the interface
 * needs so that the workload reaches its gateway. Of two workloads with one address the first name
 * has it. O(endpoints).
 */
export function workloadsOf(
  snapshot: Snapshot,
  facts: NodeFacts,
  own: ClusterNode | undefined,
): Workloads {
  if (facts.felixBeside) return NONE
  const felix = felixOf(snapshot, facts.node)
  const global = snapshot.bgpConfigurations.find(({ metadata }) => metadata.name === 'default')
  const metrics = normalMetrics({ ...global?.spec, ...prioritiesOf(felix) })
  const peering = peeringOf(snapshot, own)
  const { sources, problems } = sourcesOf(felix, snapshot, facts.node)
  problems.push(...peering.problems)
  const routes = new Map<Prefix, NodeRoute>()
  const links = new Map<string, WorkloadLink>()
  for (const endpoint of endpointsOf(snapshot, facts)) {
    const { interfaceName = '' } = endpoint.spec
    // its network is not made yet
    if (interfaceName === '' || endpoint.spec.ipNetworks === undefined) continue
    const fault = faultOf(endpoint, felix)
    if (fault !== undefined) {
      problems.push({ object: objectOf(endpoint), ...fault })
      continue
    }
    const prefixes = addressesOf(endpoint).filter(prefix => {
      const other = routes.get(prefix)
      if (other === undefined) return true
      const reason = `${prefix} is another workload’s too, which has it now`
      problems.push({ object: objectOf(endpoint), field: 'spec.ipNetworks', reason })
      return false
    })
    for (const prefix of prefixes) {
      const { family } = prefixParts(prefix)
      const source = sources[family]
      routes.set(prefix, {
        prefix,
        metric: metrics[family],
        out: {
          ...{ kind: 'device', interface: interfaceName },
          ...(source !== undefined && { source }),
        },
      })
    }
    const { neighbours = [], addresses = [] } = links.get(interfaceName) ?? {}
    const all = either(addresses, peering.on(endpoint))
    links.set(interfaceName, {
      interface: interfaceName,
      neighbours: [...neighbours, ...neighboursOf(endpoint, prefixes)],
      ...(all.length > 0 && { addresses: all }),
    })
  }
  return {
    routes: [...routes.values()].toSorted((a, b) => comparePrefixes(a.prefix, b.prefix)),
    links: [...links.values()].toSorted((a, b) => (a.interface < b.interface ? -1 : 1)),
    problems,
  }
}

/**
 * The addresses of this node's workloads, in order, whoever writes their routes. O(endpoints log
 * endpoints).
 */
export const workloadPrefixes = (snapshot: Snapshot, facts: NodeFacts): Prefix[] =>
  [...new Set(endpointsOf(snapshot, facts).flatMap(addressesOf))].toSorted(comparePrefixes)

/** Those of this node, in order of namespace and name. */
const endpointsOf = (
  { workloadEndpoints }: Snapshot,
  { node }: NodeFacts,
): WorkloadEndpointResource[] => workloadEndpoints.filter(({ spec }) => spec.node === node)

function addressesOf({ spec: { ipNetworks = [] } }: WorkloadEndpointResource): Prefix[] {
  return ipNetworks.flatMap(text => {
    const address = parseAddress(text)
    const prefix = address === undefined ? parsePrefix(text) : hostPrefix(address)
    if (prefix === undefined) return []
    const { family, length } = prefixParts(prefix)
    return length === maxLength(family) ? prefix : []
  })
}

/** What makes a workload's interface one that is not touched. */
function faultOf(
  { spec: { interfaceName = '', ipNetworks = [] } }: WorkloadEndpointResource,
  { interfacePrefix = INTERFACE_PREFIX }: FelixConfigurationSpec,
): Omit<Problem, 'object'> | undefined {
  const field = 'spec.interfaceName'
  if (!INTERFACE_NAME.test(interfaceName) || interfaceName === '.' || interfaceName === '..')
    return { field, reason: `${JSON.stringify(interfaceName)} cannot be the name of an interface` }
  const prefixes = interfacePrefix.split(',').map(prefix => prefix.trim())
  if (!prefixes.some(prefix => prefix !== '' && interfaceName.startsWith(prefix)))
    return {
      field,
      reason:
        `${interfaceName} does not begin as interfaces of workloads do (${interfacePrefix}) ` +
        'and is left alone; write FelixConfiguration’s spec.interfacePrefix',
    }
  const wide = ipNetworks.find(text => {
    const prefix = parsePrefix(text)
    return (
      prefix !== undefined && prefixParts(prefix).length < maxLength(prefixParts(prefix).family)
    )
  })
  if (wide === undefined) return undefined
  return { field: 'spec.ipNetworks', reason: `${wide} is more than one address` }
}

/** As Felix has it: of IPv4 alone, where the workload's own link address is known. */
function neighboursOf(
  { spec: { mac: text = '' } }: WorkloadEndpointResource,
  prefixes: readonly Prefix[],
): WorkloadLink['neighbours'] {
  const mac = parseMac(text)
  if (mac === undefined) return []
  return prefixes.flatMap(prefix => {
    const { family, bytes } = prefixParts(prefix)
    return family === 'ipv4' ? { address: formatAddress(bytes), mac } : []
  })
}

/** The address that packets of this node's own have on their way to a workload. */
function sourcesOf(
  felix: FelixConfigurationSpec,
  { felixConfigurations }: Snapshot,
  node: string,
): {
  readonly sources: Readonly<Partial<Record<Family, Address>>>
  readonly problems: Problem[]
} {
  const problems: Problem[] = []
  const sources: Partial<Record<Family, Address>> = {}
  const fields = [
    ['ipv4', 'deviceRouteSourceAddress'],
    ['ipv6', 'deviceRouteSourceAddressIPv6'],
  ] as const
  for (const [family, field] of fields) {
    const text = felix[field]
    if (text === undefined) continue
    const address = parseAddress(text)
    if (address !== undefined && familyOf(address) === family) sources[family] = address
    else {
      const own = felixConfigurations.some(
        ({ metadata, spec }) => metadata.name === `node.${node}` && spec[field] !== undefined,
      )
      const object = keyOf('FelixConfiguration', own ? `node.${node}` : 'default')
      const wants = family === 'ipv4' ? 'an IPv4 address' : 'an IPv6 address'
      problems.push({ object, field: `spec.${field}`, reason: `${text} is not ${wants}` })
    }
  }
  return { sources, problems }
}

/** Those that are given: BGPConfiguration's count where none is. */
function prioritiesOf({
  ipv4NormalRoutePriority: four,
  ipv6NormalRoutePriority: six,
}: FelixConfigurationSpec): Pick<
  FelixConfigurationSpec,
  'ipv4NormalRoutePriority' | 'ipv6NormalRoutePriority'
> {
  return {
    ...(four !== undefined && { ipv4NormalRoutePriority: four }),
    ...(six !== undefined && { ipv6NormalRoutePriority: six }),
  }
}

const objectOf = ({ metadata: { namespace = '', name } }: WorkloadEndpointResource): string =>
  resourceKey({ kind: kindNamed('WorkloadEndpoint')!, name, namespace })
