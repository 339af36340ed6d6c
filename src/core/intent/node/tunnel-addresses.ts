import {
  type AllocationBlock,
  type NodeResource,
  ordinalOf,
  parseSelector,
  TUNNELS,
  type TunnelKind,
  tunnelHandle,
  vtepMac,
} from '../../calico/index.ts'
import { type Address, containsAddress, type Prefix, parsePrefix } from '../../net/index.ts'
import { tunnelOf } from '../routes/cluster-routes.ts'
import { tunnelAddress } from '../routes/tunnels.ts'
import type { NodeFacts, Snapshot } from '../types.ts'

/**
 * The addresses of a node's ends of tunnels: which it is to have of IPAM, which to give back, and
 * how its Node says them. Pure; who asks IPAM and writes is app/controller.
 */

/** What a node is to have, or not to have any more. */
export interface TunnelAddressChange {
  readonly kind: TunnelKind
  readonly handleId: string
  /** what is written beside the address in IPAM */
  readonly secondary: Readonly<Record<string, string>>
  /** the pools that it may be from; empty: it is to be given back */
  readonly pools: Snapshot['ipPools']
}

/**
 * What differs. A node needs an address for each kind of tunnel that a pool for it asks for; one
 * that IPAM does not know as this node's is no address. Beside a Felix it is Calico's business.
 * O(pools + own blocks).
 */
export function tunnelAddressChanges(snapshot: Snapshot, facts: NodeFacts): TunnelAddressChange[] {
  const { node } = facts
  const own = snapshot.nodes.find(({ metadata }) => metadata.name === node)
  if (facts.felixBeside === true || own === undefined) return []
  return (['ipip', 'vxlan', 'vxlan-v6'] as const).flatMap(kind => {
    const pools = poolsFor(kind, snapshot, own)
    const handleId = tunnelHandle(kind, node)
    const secondary = { node, type: TUNNELS[kind].attribute }
    const address = tunnelAddress(kind, own)
    const held = snapshot.blocks.some(block => has(block, handleId))
    const isGood =
      pools.length === 0
        ? address === undefined && !held
        : address !== undefined &&
          snapshot.blocks.some(block => has(block, handleId, address)) &&
          pools.some(({ spec }) => isIn(spec.cidr, address))
    return isGood ? [] : { kind, handleId, secondary, pools }
  })
}

/** The ranges of a node's blocks without those in which its ends of tunnels have an address. */
export function withoutTunnels(
  { nodes }: Pick<Snapshot, 'nodes'>,
  node: string,
  ranges: readonly Prefix[],
): Prefix[] {
  const own = nodes.find(({ metadata }) => metadata.name === node)
  const kinds = ['ipip', 'vxlan', 'vxlan-v6'] as const
  const addresses = own === undefined ? [] : kinds.flatMap(kind => tunnelAddress(kind, own) ?? [])
  return ranges.filter(range => !addresses.some(address => containsAddress(range, address)))
}

function poolsFor(
  kind: TunnelKind,
  { ipPools }: Snapshot,
  { metadata }: NodeResource,
): Snapshot['ipPools'] {
  return ipPools.filter(({ spec }) => {
    const cidr = parsePrefix(spec.cidr)
    if (cidr === undefined || spec.disabled === true || tunnelOf(cidr, spec) !== kind) return false
    if (spec.allowedUses !== undefined && !spec.allowedUses.includes('Tunnel')) return false
    const selector = parseSelector(spec.nodeSelector ?? '')
    return 'reason' in selector ? false : selector.matches(metadata.labels ?? {})
  })
}

/** True where an owner has addresses of a block, or this one. */
function has(block: AllocationBlock, handleId: string, address?: Address): boolean {
  const index = block.attributes.findIndex(attribute => attribute.handleId === handleId)
  if (index < 0) return false
  if (address === undefined) return block.allocations.includes(index)
  const cidr = parsePrefix(block.cidr)
  const ordinal = cidr === undefined ? undefined : ordinalOf(cidr, address)
  return ordinal !== undefined && block.allocations[ordinal] === index
}

function isIn(cidr: string, address: Address): boolean {
  const prefix = parsePrefix(cidr)
  return prefix !== undefined && containsAddress(prefix, address)
}

const MACS = { vxlan: 'vxlanTunnelMACAddr', 'vxlan-v6': 'vxlanTunnelMACAddrV6' } as const
const ADDRESSES = { vxlan: 'ipv4VXLANTunnelAddr', 'vxlan-v6': 'ipv6VXLANTunnelAddr' } as const

/**
 * The Node as stored with these addresses; undefined is none. A link address that somebody wrote
 * stays. Every other field stays as it is; undefined: what is stored is no object.
 */
export function nodeWithTunnels(
  stored: string,
  node: string,
  addresses: ReadonlyMap<TunnelKind, Address | undefined>,
): string | undefined {
  const object = mappingOf(parse(stored))
  const spec: Record<string, unknown> = { ...mappingOf(object?.spec) }
  if (object === undefined) return undefined
  for (const [kind, address] of addresses) {
    if (kind === 'ipip') {
      const bgp = { ...mappingOf(spec.bgp), ipv4IPIPTunnelAddr: address }
      // Calico refuses a "bgp" with nothing in it, and JSON leaves out what is undefined
      spec.bgp = Object.values(bgp).some(value => value !== undefined) ? bgp : undefined
      continue
    }
    const mac = vtepMac(kind, node)
    const written = spec[MACS[kind]] === '' ? undefined : (spec[MACS[kind]] ?? undefined)
    spec[ADDRESSES[kind]] = address
    if (address !== undefined) spec[MACS[kind]] = written ?? mac
    else if (written === mac) spec[MACS[kind]] = undefined
  }
  return JSON.stringify({ ...object, spec })
}

type Mapping = Readonly<Record<string, unknown>>

const mappingOf = (value: unknown): Mapping | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
