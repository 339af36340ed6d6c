import type { BgpConfigurationSpec, EncapsulationMode, IpPoolResource } from '../../calico/index.ts'
import { type Prefix, parsePrefix } from '../../net/index.ts'
import type { Policy, Term } from '../../policy/index.ts'
import { keyOf } from '../cluster.ts'
import type { PlannedPool } from '../plan.ts'
import type { Problem } from '../types.ts'
import { inside } from './communities.ts'

/** IPPools: which routes leave, and which ones reach the kernel. */

/** What `programClusterRoutes` leaves to this half; the rest is Felix's, and says `reject`. */
const NO_ENCAP: Readonly<Record<string, PlannedPool['kernel']>> = {
  EnabledNoEncapOnly: 'accept',
  Enabled: 'accept',
  EnabledIPIPOnly: 'reject',
  Disabled: 'reject',
}

/**
 * The pools in order of text, as Calico takes them; disabled ones too: IPAM alone asks for that.
 */
export function poolsOf(
  resources: readonly IpPoolResource[],
  { programClusterRoutes }: BgpConfigurationSpec,
): { readonly pools: readonly PlannedPool[]; readonly problems: readonly Problem[] } {
  const problems: Problem[] = []
  const said = programClusterRoutes === undefined ? 'accept' : NO_ENCAP[programClusterRoutes]
  if (said === undefined)
    problems.push({
      object: keyOf('BGPConfiguration', 'default'),
      field: 'spec.programClusterRoutes',
      reason:
        `${programClusterRoutes} is none of ${Object.keys(NO_ENCAP).join(', ')}; ` +
        'EnabledNoEncapOnly is used',
    })
  const pools = resources.flatMap(({ spec }) => {
    const cidr = parsePrefix(spec.cidr)
    if (cidr === undefined) return []
    const modes = [spec.vxlanMode, spec.ipipMode].filter(isEncapsulated)
    return {
      cidr,
      bgpExport: spec.disableBGPExport !== true,
      kernel: modes.length > 0 ? ('tunnel' as const) : (said ?? 'accept'),
    }
  })
  return { pools: pools.toSorted((a, b) => (a.cidr < b.cidr ? -1 : 1)), problems }
}

/** Go writes what is not set as its zero value. */
const isEncapsulated = (mode: EncapsulationMode | undefined): mode is EncapsulationMode =>
  mode === 'Always' || mode === 'CrossSubnet'

/** What decides about routes to the kernel, beside the pools. */
export interface KernelFacts {
  /** ranges of services: what drops, or balances, their packets is not BGP's */
  readonly services: readonly Prefix[]
  /** addresses of nodes to which packets go by WireGuard, whose routes are Felix's */
  readonly encrypted: readonly Prefix[]
}

/**
 * Which best routes are the kernel's: Calico's filter between BIRD and the kernel, in its order.
 * Undefined: all of them. To the blocks of a pool with tunnels the way is known by IPAM, whether
 * or not it needs one: see routes/tunnels.ts.
 */
export function kernelPolicy(
  pools: readonly PlannedPool[],
  { services, encrypted }: KernelFacts,
): Policy | undefined {
  const terms: Term[] = []
  if (services.length > 0)
    terms.push({ match: { prefixes: services.map(inside) }, actions: [], verdict: 'reject' })
  if (encrypted.length > 0)
    terms.push({ match: { nextHops: encrypted }, actions: [], verdict: 'reject' })
  for (const { cidr, kernel } of pools)
    if (kernel !== 'accept')
      terms.push({ match: { prefixes: [inside(cidr)] }, actions: [], verdict: 'reject' })
  return terms.length === 0 ? undefined : { terms, otherwise: 'accept' }
}
