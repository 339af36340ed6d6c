import {
  type Address,
  containsAddress,
  type Family,
  familyOf,
  isLinkLocal,
  isUnicast,
  type Prefix,
  parsePrefix,
} from '../../net/index.ts'

/** Which of a machine's addresses is its node's: the methods of Calico's startup. */

/** One interface that is up. */
export interface HostInterface {
  readonly name: string
  readonly addresses: readonly HostAddress[]
}

/** An address of an interface, with the length of its network. */
export interface HostAddress {
  readonly address: Address
  readonly length: number
}

/** How an address is chosen. */
export type DetectionMethod =
  /** of the first interface that is not a bridge, tunnel or pod's */
  | { readonly type: 'first-found' }
  /** the one that packets to a host leave with */
  | { readonly type: 'can-reach'; readonly destination: string }
  /** of interfaces whose names match one of the expressions, in their order */
  | { readonly type: 'interface'; readonly patterns: readonly RegExp[] }
  /** as first-found, without those whose names match */
  | { readonly type: 'skip-interface'; readonly patterns: readonly RegExp[] }
  /** in one of the networks */
  | { readonly type: 'cidr'; readonly cidrs: readonly Prefix[] }
  /** the one that the Node object has as its InternalIP */
  | { readonly type: 'kubernetes-internal-ip' }

/** Interfaces that first-found and skip-interface pass over. */
const PASSED_OVER: readonly RegExp[] = [
  'docker.*',
  'cbr.*',
  'dummy.*',
  'podman.*',
  'virbr.*',
  'lxcbr.*',
  'veth.*',
  'lo',
  'br-.*',
  'cali.*',
  'tunl.*',
  'flannel.*',
  'kube-ipvs.*',
  'cni.*',
  'vxlan\\.calico.*',
  'vxlan-v6\\.calico.*',
  'wireguard\\.cali.*',
  'wg-v6\\.cali.*',
  'nodelocaldns.*',
].map(pattern => new RegExp(`^${pattern}`))

/** Reads a method as Calico's users write it; undefined for anything else. */
export function parseDetectionMethod(text: string): DetectionMethod | undefined {
  const equals = text.indexOf('=')
  const type = equals < 0 ? text : text.slice(0, equals)
  const items = text
    .slice(type.length + 1)
    .split(',')
    .map(item => item.trim())
  if (type === 'first-found' || type === 'kubernetes-internal-ip')
    return equals < 0 ? { type } : undefined
  if (equals < 0 || items.includes('')) return undefined
  switch (type) {
    case 'can-reach':
      return items.length === 1 ? { type, destination: items[0]! } : undefined
    case 'interface':
    case 'skip-interface': {
      const patterns = items.map(expressionOf)
      return patterns.includes(undefined)
        ? undefined
        : { type, patterns: patterns.filter(pattern => pattern !== undefined) }
    }
    case 'cidr': {
      const cidrs = items.flatMap(item => parsePrefix(item) ?? [])
      return cidrs.length < items.length ? undefined : { type, cidrs }
    }
    default:
      return undefined
  }
}

/** What a method needs of the world beside interfaces. */
export interface Surroundings {
  /** in the kernel's order */
  readonly interfaces: readonly HostInterface[]
  /** of can-reach: the address that packets would leave with */
  readonly reached?: Address
  /** of kubernetes-internal-ip */
  readonly internal?: Address
}

/**
 * The address of a family that `method` chooses, with the length of its network; undefined where it
 * finds none. Link-local ones are never a node's. O(interfaces · patterns).
 */
export function detectAddress(
  family: Family,
  method: DetectionMethod,
  { interfaces, reached, internal }: Surroundings,
): HostAddress | undefined {
  const all = interfaces.flatMap(({ name, addresses }) =>
    addresses.filter(({ address }) => mayBeNode(address, family)).map(each => ({ name, ...each })),
  )
  const usual = all.filter(({ name }) => !PASSED_OVER.some(pattern => pattern.test(name)))
  const plain = (found: HostAddress | undefined): HostAddress | undefined =>
    found && { address: found.address, length: found.length }
  switch (method.type) {
    case 'first-found':
      return plain(usual[0])
    case 'skip-interface':
      return plain(usual.find(({ name }) => !method.patterns.some(each => each.test(name))))
    case 'interface':
      return plain(
        method.patterns.flatMap(pattern => all.filter(({ name }) => pattern.test(name)))[0],
      )
    case 'cidr':
      return plain(
        all.find(({ address }) => method.cidrs.some(cidr => containsAddress(cidr, address))),
      )
    case 'can-reach':
      return plain(all.find(({ address }) => address === reached))
    case 'kubernetes-internal-ip':
      return plain(all.find(({ address }) => address === internal))
    default:
      return method satisfies never
  }
}

const mayBeNode = (address: Address, family: Family): boolean =>
  familyOf(address) === family &&
  isUnicast(address) &&
  !isLinkLocal(address) &&
  !address.startsWith('169.254.')

function expressionOf(text: string): RegExp | undefined {
  try {
    return new RegExp(text)
  } catch {
    return undefined
  }
}
