import {
  assignedIn,
  borrowedIn,
  type EncapsulationMode,
  type FelixConfigurationSpec,
  type IpPoolResource,
  TUNNELS,
  type TunnelKind,
} from '../../calico/index.ts'
import {
  contains,
  type Family,
  hostPrefix,
  type Prefix,
  parsePrefix,
  prefixParts,
} from '../../net/index.ts'
import type { PodCidrs } from '../originated/pod-cidrs.ts'
import type { NodeFacts, Snapshot } from '../types.ts'
import { felixOf } from './felix.ts'

/**
 * Which routes between nodes this agent writes of its own accord, by IPAM's blocks, and which it
 * leaves to BGP or to a Felix beside it.
 */

/** How packets travel to the blocks of a pool. */
export interface ClusterPool {
  readonly cidr: Prefix
  /** absent: without a tunnel */
  readonly tunnel?: TunnelKind
  /** without it where the node is in our own subnet */
  readonly crossSubnet: boolean
}

/** Whose part it is. */
export interface Ownership {
  /** the links of tunnels, with their addresses; undefined: they are Felix's */
  readonly links: boolean
  /** pools whose blocks get routes by IPAM, in order of text */
  readonly pools: readonly ClusterPool[]
}

/** What `programClusterRoutes` gives to who has it, in Calico's words. */
const IPIP: ReadonlySet<string> = new Set(['Enabled', 'EnabledIPIPOnly'])
const NO_ENCAP: ReadonlySet<string> = new Set(['Enabled', 'EnabledNoEncapOnly'])

/**
 * Calico's matrix of who writes routes between nodes. Without a Felix its part is ours: VXLAN
 * always, of IPIP what either configuration asks for, and without tunnels what Felix's asks for and
 * BGP's does not. Beside a Felix ours is BIRD's part: of IPIP what BGP's configuration asks for,
 * through Felix's link. O(pools).
 */
export function ownershipOf(snapshot: Snapshot, facts: NodeFacts): Ownership {
  const felix = felixOf(snapshot, facts.node)
  const global = snapshot.bgpConfigurations.find(({ metadata }) => metadata.name === 'default')
  const bird = global?.spec.programClusterRoutes ?? 'EnabledNoEncapOnly'
  const theirs = felix.programClusterRoutes ?? 'EnabledIPIPOnly'
  const absent = facts.felixBeside !== true
  const isOurs = ({ tunnel }: ClusterPool): boolean => {
    if (tunnel === undefined) return absent && NO_ENCAP.has(theirs) && !NO_ENCAP.has(bird)
    if (tunnel === 'ipip') return IPIP.has(bird) || (absent && IPIP.has(theirs))
    return absent
  }
  const pools = poolsFor(snapshot.ipPools, felix)
  return { links: absent, pools: felix.routeSyncDisabled === true ? [] : pools.filter(isOurs) }
}

/** The pools as routes see them; what is switched off for all of them has no tunnel. */
function poolsFor(
  resources: readonly IpPoolResource[],
  { vxlanEnabled, ipipEnabled }: FelixConfigurationSpec,
): ClusterPool[] {
  const pools = resources.flatMap(({ spec }): ClusterPool[] => {
    const cidr = parsePrefix(spec.cidr)
    if (cidr === undefined) return []
    const vxlan = isEncapsulated(spec.vxlanMode)
    const kind = tunnelOf(cidr, spec)
    if (kind === undefined) return [{ cidr, crossSubnet: false }]
    // a tunnel that is forbidden is no reason to send packets without one
    if ((vxlan ? vxlanEnabled : ipipEnabled) === false) return []
    const mode = vxlan ? spec.vxlanMode : spec.ipipMode
    return [{ cidr, tunnel: kind, crossSubnet: mode === 'CrossSubnet' }]
  })
  return pools.toSorted((a, b) => (a.cidr < b.cidr ? -1 : 1))
}

/** The tunnel of a pool; undefined: it has none. IPIP is for IPv4. */
export function tunnelOf(
  cidr: Prefix,
  { vxlanMode, ipipMode }: Pick<IpPoolResource['spec'], 'vxlanMode' | 'ipipMode'>,
): TunnelKind | undefined {
  const { family } = prefixParts(cidr)
  if (isEncapsulated(vxlanMode)) return family === 'ipv4' ? 'vxlan' : 'vxlan-v6'
  return isEncapsulated(ipipMode) && family === 'ipv4' ? 'ipip' : undefined
}

const isEncapsulated = (mode: EncapsulationMode | undefined): boolean =>
  mode === 'Always' || mode === 'CrossSubnet'

/** A block of another node, or an address that it has in somebody else's, and how to get there. */
export interface RemoteBlock {
  readonly prefix: Prefix
  readonly family: Family
  readonly node: string
  readonly pool: ClusterPool
  /** it is the address of that node's end of the tunnel */
  readonly isEnd: boolean
}

/**
 * The blocks of other nodes in `pools`, and single addresses that other nodes have in blocks that
 * are not theirs. O((blocks + addresses of those with guests) · pools).
 *
 * @param others  whose blocks are where, as the nodes claim them
 */
export function remoteBlocks(
  others: PodCidrs['others'],
  { blocks }: Pick<Snapshot, 'blocks'>,
  { facts, pools }: { readonly facts: NodeFacts; readonly pools: readonly ClusterPool[] },
): RemoteBlock[] {
  if (pools.length === 0) return []
  const remote = (node: string, prefix: Prefix, type?: string): RemoteBlock[] => {
    const pool = pools.find(({ cidr }) => contains(cidr, prefix))
    if (pool === undefined) return []
    const isEnd = pool.tunnel !== undefined && TUNNELS[pool.tunnel].attribute === type
    return [{ prefix, family: prefixParts(prefix).family, node, pool, isEnd }]
  }
  return [
    ...others.flatMap(({ node, prefix }) => remote(node, prefix)),
    ...blocks.flatMap(block => {
      const cidr = parsePrefix(block.cidr)
      return cidr === undefined
        ? []
        : borrowedIn(assignedIn(cidr, block)).flatMap(({ address, node, attributes }) =>
            node === undefined || node === facts.node
              ? []
              : remote(node, hostPrefix(address), attributes.type),
          )
    }),
  ]
}
