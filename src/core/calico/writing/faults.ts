import { overlaps, type Prefix, parsePrefix, prefix } from '../../net/index.ts'
import type {
  BgpConfigurationResource,
  BgpConfigurationSpec,
  BgpPeerResource,
  IpamConfigurationResource,
  IpPoolResource,
  Metadata,
  Resource,
} from '../kinds/index.ts'
import { parseSelector } from '../selector.ts'
import { isCommunity, parseDuration } from '../values.ts'

/**
 * What only a writer must obey, one resource at a time: libcalico-go's validator and the rules of
 * its CRDs. What is stored already is read anyway, and means what it can.
 */

/** What a writer may not write. */
export interface WriteFault {
  readonly path: readonly (string | number)[]
  /** follows the path in a sentence: what is wrong, what to write instead */
  readonly reason: string
}

/** Everything that is wrong with one resource by itself. */
export function writeFaults(resource: Resource): readonly WriteFault[] {
  return [...labelFaults(resource.metadata), ...kindFaults(resource)]
}

function kindFaults(resource: Resource): readonly WriteFault[] {
  switch (resource.kind) {
    case 'BGPConfiguration':
      return configurationFaults(resource)
    case 'BGPPeer':
      return peerFaults(resource)
    case 'IPPool':
      return poolFaults(resource)
    case 'IPAMConfiguration':
      return [...onlyDefault(resource.metadata), ...ipamFaults(resource)]
    case 'ClusterInformation':
      return onlyDefault(resource.metadata)
    case 'WorkloadEndpoint':
      return resource.metadata.namespace === undefined
        ? [{ path: ['metadata'], reason: 'has no namespace; a WorkloadEndpoint is in one' }]
        : []
    case 'CalicoNodeStatus':
      return resource.spec.updatePeriodSeconds === undefined
        ? [at('updatePeriodSeconds', 'is missing; 0 is not at all')]
        : []
    case 'Node':
    case 'BGPFilter':
    case 'IPReservation':
    case 'BlockAffinity':
    case 'FelixConfiguration':
      return []
    default:
      return resource satisfies never
  }
}

const at = (field: string, reason: string, ...more: readonly (string | number)[]): WriteFault => ({
  path: ['spec', field, ...more],
  reason,
})

/** Fields that hold for the whole cluster. */
const GLOBAL = [
  'nodeToNodeMeshEnabled',
  'asNumber',
  'serviceClusterIPs',
  'serviceExternalIPs',
  'serviceLoadBalancerIPs',
  'nodeMeshPassword',
  'nodeMeshMaxRestartTime',
] as const satisfies readonly (keyof BgpConfigurationSpec)[]

function configurationFaults({
  metadata: { name },
  spec,
}: BgpConfigurationResource): readonly WriteFault[] {
  const found: WriteFault[] = []
  if (name !== 'default') {
    const reason = 'has a meaning in the BGPConfiguration named "default" only'
    for (const field of GLOBAL) if (spec[field] !== undefined) found.push(at(field, reason))
    if (!name.startsWith('node.'))
      found.push({
        path: ['metadata', 'name'],
        reason: `"${name}" is read by nobody; name it "default" or "node.<name>"`,
      })
  }
  if (spec.nodeToNodeMeshEnabled === false)
    for (const field of ['nodeMeshPassword', 'nodeMeshMaxRestartTime'] as const)
      if (spec[field] !== undefined)
        found.push(at(field, 'has no meaning while nodeToNodeMeshEnabled is false'))
  if (!/^(Trace|Debug|Info|Warning|Error|Fatal)?$/i.test(spec.logSeverityScreen ?? ''))
    found.push(
      at('logSeverityScreen', 'is not one of Trace, Debug, Info, Warning, Error and Fatal'),
    )
  const programs = ['Enabled', 'EnabledIPIPOnly', 'EnabledNoEncapOnly', 'Disabled']
  if (!programs.includes(spec.programClusterRoutes ?? 'Enabled'))
    found.push(at('programClusterRoutes', `is not one of ${programs.join(', ')}`))
  return [...found, ...rangeFaults(spec), ...communityFaults(spec), ...interfaceFaults(spec)]
}

function rangeFaults(spec: BgpConfigurationSpec): readonly WriteFault[] {
  const fields = ['serviceClusterIPs', 'serviceExternalIPs', 'serviceLoadBalancerIPs'] as const
  return fields.flatMap(field =>
    (spec[field] ?? []).flatMap(({ cidr = '' }, index) =>
      cidr === '' || parsePrefix(cidr) !== undefined
        ? []
        : [at(field, `"${cidr}" is not a prefix; write 10.96.0.0/12`, index, 'cidr')],
    ),
  )
}

function communityFaults(spec: BgpConfigurationSpec): readonly WriteFault[] {
  const { communities = [], prefixAdvertisements = [] } = spec
  const found: WriteFault[] = []
  if (communities.length > 0 && prefixAdvertisements.length === 0)
    found.push(at('communities', 'are used by nobody; prefixAdvertisements name them'))
  for (const [index, { name, value }] of communities.entries()) {
    if (!/^[a-zA-Z0-9_.-]{1,128}$/.test(name))
      found.push(at('communities', `"${name}" is not a name`, index, 'name'))
    if (!isCommunity(value))
      found.push(
        at('communities', `"${value}" is not a community; write aa:nn or aa:nn:mm`, index, 'value'),
      )
  }
  const names = new Set(communities.map(({ name }) => name))
  for (const [index, { cidr, communities: used }] of prefixAdvertisements.entries()) {
    if (parsePrefix(cidr) === undefined)
      found.push(at('prefixAdvertisements', `"${cidr}" is not a prefix`, index, 'cidr'))
    if (used.length === 0)
      found.push(at('prefixAdvertisements', 'are missing', index, 'communities'))
    for (const [place, one] of used.entries())
      if (!names.has(one) && !isCommunity(one)) {
        const reason = `"${one}" is neither a name in "communities" nor aa:nn nor aa:nn:mm`
        found.push(at('prefixAdvertisements', reason, index, 'communities', place))
      }
  }
  return found
}

const interfaceFaults = ({ ignoredInterfaces = [] }: BgpConfigurationSpec): readonly WriteFault[] =>
  ignoredInterfaces.flatMap((name, index) => {
    if (name === '*' || !/^[a-zA-Z0-9_.*-]{1,15}$/.test(name))
      return [at('ignoredInterfaces', `"${name}" is not an interface, nor a glob of some`, index)]
    return ignoredInterfaces.indexOf(name) < index
      ? [at('ignoredInterfaces', `"${name}" is there twice`, index)]
      : []
  })

function peerFaults({ spec }: BgpPeerResource): readonly WriteFault[] {
  const found: WriteFault[] = []
  for (const field of ['nodeSelector', 'peerSelector', 'localWorkloadSelector'] as const)
    found.push(...selectorFaults(field, spec[field]))
  for (const field of ['maxRestartTime', 'keepaliveTime'] as const)
    if (spec[field] !== undefined && parseDuration(spec[field]) === undefined)
      found.push(at(field, `"${spec[field]}" is not a duration; write 90s`))
  for (const [index, name] of (spec.filters ?? []).entries())
    if ((spec.filters ?? []).indexOf(name) < index)
      found.push(at('filters', `"${name}" is there twice`, index))
  return found
}

function selectorFaults(field: string, selector = ''): readonly WriteFault[] {
  const parsed = parseSelector(selector)
  if (!('reason' in parsed)) return []
  return [at(field, `"${selector}" is not a selector: ${parsed.reason}`)]
}

/** Where addresses belong to one link. RFC 3927, RFC 4291 §2.5.6 */
const LINK_LOCAL: readonly Prefix[] = [prefix('169.254.0.0/16'), prefix('fe80::/10')]

function poolFaults({ spec }: IpPoolResource): readonly WriteFault[] {
  const found: WriteFault[] = [...selectorFaults('nodeSelector', spec.nodeSelector)]
  found.push(...selectorFaults('namespaceSelector', spec.namespaceSelector))
  const { ipipMode = 'Never', vxlanMode = 'Never', blockSize } = spec
  const [ipip, vxlan] = [ipipMode !== 'Never', vxlanMode !== 'Never']
  const cidr = parsePrefix(spec.cidr)
  if (cidr !== undefined && LINK_LOCAL.some(range => overlaps(range, cidr)))
    found.push(at('cidr', `"${spec.cidr}" overlaps the link-local addresses`))
  const length = Number(spec.cidr.slice(spec.cidr.indexOf('/') + 1))
  const own = spec.cidr.includes(':') ? 122 : 26
  if (blockSize === undefined && length > own)
    found.push(at('blockSize', `is missing; ${own}, its default, is greater than the pool`))
  if (ipip && vxlan) found.push(at('vxlanMode', 'and ipipMode exclude each other; keep one'))
  if (ipip && spec.cidr.includes(':')) found.push(at('ipipMode', 'is for IPv4 only'))
  if (spec.allowedUses?.includes('LoadBalancer') === true) {
    if (ipip) found.push(at('ipipMode', 'is not for a LoadBalancer pool'))
    if (vxlan) found.push(at('vxlanMode', 'is not for a LoadBalancer pool'))
    if (spec.disableBGPExport === true)
      found.push(at('disableBGPExport', 'is not for a LoadBalancer pool'))
    if (spec.allowedUses.length > 1)
      found.push(at('allowedUses', 'cannot hold anything beside LoadBalancer'))
  }
  return found
}

function ipamFaults({ spec }: IpamConfigurationResource): readonly WriteFault[] {
  const { strictAffinity = false, autoAllocateBlocks = true, maxBlocksPerHost = 0 } = spec
  if (strictAffinity) return []
  if (!autoAllocateBlocks)
    return [
      at('autoAllocateBlocks', 'cannot be false without strictAffinity: no node had addresses'),
    ]
  return maxBlocksPerHost > 0 ? [at('maxBlocksPerHost', 'needs strictAffinity')] : []
}

const onlyDefault = ({ name }: Metadata): readonly WriteFault[] =>
  name === 'default'
    ? []
    : [{ path: ['metadata', 'name'], reason: `"${name}" is read by nobody; name it "default"` }]

const LABEL = /^([a-zA-Z0-9]([a-zA-Z0-9_.-]{0,61}[a-zA-Z0-9])?)$/

/** As Kubernetes has it: an optional DNS name with a slash, and at most 63 characters. */
const isLabelKey = (key: string): boolean => {
  const slash = key.indexOf('/')
  const domain = key.slice(0, Math.max(slash, 0))
  return LABEL.test(key.slice(slash + 1)) && (slash < 0 || /^[a-z0-9.-]{1,253}$/.test(domain))
}

/** What a label may not be. */
export function labelFaults({ labels = {} }: Pick<Metadata, 'labels'>): readonly WriteFault[] {
  return Object.entries(labels).flatMap(([key, value]) => {
    const path = ['metadata', 'labels', key]
    if (!isLabelKey(key)) return [{ path, reason: `"${key}" is not the name of a label` }]
    if (value === '' || LABEL.test(value)) return []
    return [{ path, reason: `"${value}" is not a label; use at most 63 letters, digits, -_.` }]
  })
}
