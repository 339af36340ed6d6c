import { type Prefix, parsePrefix } from '../net/index.ts'

/** Calico's keys in etcd, both ways: libcalico-go's lib/backend/model. */

/** Under which every v3 resource lies. */
export const RESOURCES_ROOT = '/calico/resources/v3/projectcalico.org/'

/** Under which IPAM says which block is whose. */
export const AFFINITIES_ROOT = '/calico/ipam/v2/host/'

/** Under which IPAM keeps its blocks. */
export const BLOCKS_ROOT = '/calico/ipam/v2/assignment/'

/** Under which IPAM keeps how many addresses of which blocks an owner has. */
export const HANDLES_ROOT = '/calico/ipam/v2/handle/'

/** Where IPAM keeps how it is to hand out blocks: not the v3 resource. */
export const IPAM_CONFIG_KEY = '/calico/ipam/v2/config'

/** One kind of v3 resource: its names. */
export interface Kind {
  readonly kind: string
  /** in keys, in file paths and on the command line */
  readonly plural: string
  readonly namespaced: boolean
}

/** Every kind that Calico keeps at RESOURCES_ROOT, also those that nobody here reads yet. */
export const KINDS: readonly Kind[] = [
  cluster('BGPConfiguration'),
  cluster('BGPFilter'),
  cluster('BGPPeer'),
  cluster('BlockAffinity', 'blockaffinities'),
  cluster('CalicoNodeStatus', 'caliconodestatuses'),
  cluster('ClusterInformation'),
  cluster('FelixConfiguration'),
  cluster('GlobalNetworkPolicy', 'globalnetworkpolicies'),
  cluster('GlobalNetworkSet'),
  cluster('HostEndpoint'),
  cluster('IPAMConfiguration'),
  cluster('IPPool'),
  cluster('IPReservation'),
  cluster('KubeControllersConfiguration'),
  namespaced('LiveMigration'),
  namespaced('NetworkPolicy', 'networkpolicies'),
  namespaced('NetworkSet'),
  cluster('Node'),
  cluster('Profile'),
  cluster('StagedGlobalNetworkPolicy', 'stagedglobalnetworkpolicies'),
  namespaced('StagedKubernetesNetworkPolicy', 'stagedkubernetesnetworkpolicies'),
  namespaced('StagedNetworkPolicy', 'stagednetworkpolicies'),
  cluster('Tier'),
  namespaced('WorkloadEndpoint'),
]

function cluster(kind: string, plural = `${kind.toLowerCase()}s`): Kind {
  return { kind, plural, namespaced: false }
}

function namespaced(kind: string, plural = `${kind.toLowerCase()}s`): Kind {
  return { kind, plural, namespaced: true }
}

const BY_KIND = new Map(KINDS.map(kind => [kind.kind, kind]))
const BY_PLURAL = new Map(KINDS.map(kind => [kind.plural, kind]))

/** The kind of that name, exactly as `kind:` spells it. */
export const kindNamed = (kind: string): Kind | undefined => BY_KIND.get(kind)

/** What a resource is called: enough to make its key. */
export interface ResourceName {
  readonly kind: Kind
  readonly name: string
  /** of namespaced kinds only */
  readonly namespace?: string
}

/** Names that a resource may have: a DNS-1123 subdomain, at most 253 characters. */
export const isResourceName = (name: string): boolean =>
  name.length <= 253 &&
  /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/.test(name)

/** Where a resource is stored. Names are not escaped: a valid one has nothing to escape. */
export function resourceKey({ kind, name, namespace }: ResourceName): string {
  const path = kind.namespaced ? `${namespace ?? 'default'}/${name}` : name
  return `${RESOURCES_ROOT}${kind.plural}/${path}`
}

/** What a key stores; undefined where it is not a v3 resource of a kind that we know. */
export function parseResourceKey(key: string): ResourceName | undefined {
  if (!key.startsWith(RESOURCES_ROOT)) return undefined
  const [plural, ...path] = key.slice(RESOURCES_ROOT.length).split('/')
  const kind = BY_PLURAL.get(plural ?? '')
  if (kind === undefined || path.length !== (kind.namespaced ? 2 : 1) || path.includes(''))
    return undefined
  const name = unescapeName(path.at(-1) ?? '')
  return kind.namespaced ? { kind, name, namespace: path[0]! } : { kind, name }
}

/** Where IPAM stores that `block` is `node`'s. */
export function affinityKey(node: string, block: Prefix): string {
  const family = block.includes(':') ? 'ipv6' : 'ipv4'
  return `${AFFINITIES_ROOT}${escapeName(node)}/${family}/block/${block.replace('/', '-')}`
}

/** Where IPAM stores a block. */
export const blockKey = (block: Prefix): string =>
  `${BLOCKS_ROOT}${block.includes(':') ? 'ipv6' : 'ipv4'}/block/${block.replace('/', '-')}`

/** Which block a key is of; undefined for other keys. */
export function parseBlockKey(key: string): Prefix | undefined {
  const dashed = /^\/calico\/ipam\/v2\/assignment\/ipv[46]\/block\/([^/]+)-(\d+)$/.exec(key)
  const block = dashed === null ? undefined : parsePrefix(`${dashed[1]}/${dashed[2]}`)
  return block !== undefined && blockKey(block) === key ? block : undefined
}

/** Where IPAM stores an owner's handle. */
export const handleKey = (handleId: string): string => `${HANDLES_ROOT}${escapeName(handleId)}`

/** Whose block a key speaks of; undefined for other keys, a node's root among them. */
export function parseAffinityKey(key: string): { node: string; block: Prefix } | undefined {
  if (!key.startsWith(AFFINITIES_ROOT)) return undefined
  const [node, family, kind, cidr, ...rest] = key.slice(AFFINITIES_ROOT.length).split('/')
  if (node === undefined || node === '' || kind !== 'block' || rest.length > 0) return undefined
  const dash = cidr?.lastIndexOf('-') ?? -1
  if (cidr === undefined || dash < 0) return undefined
  const block = parsePrefix(`${cidr.slice(0, dash)}/${cidr.slice(dash + 1)}`)
  if (block === undefined || family !== (block.includes(':') ? 'ipv6' : 'ipv4')) return undefined
  return { node: unescapeName(node), block }
}

/** A name as one element of a v1-style key: `%` before `/`, so that it can be undone. */
export const escapeName = (name: string): string =>
  name.replaceAll('%', '%25').replaceAll('/', '%2f')

/** Undoes `escapeName`: the slash first. */
export const unescapeName = (text: string): string =>
  text.replaceAll('%2f', '/').replaceAll('%25', '%')

/**
 * What the names of a node's workload endpoints begin with: `kube--node--1-` of `kube-node-1`. A
 * dash inside a part of the name is written twice.
 */
export const workloadEndpointPrefix = (node: string): string => `${node.replaceAll('-', '--')}-`
