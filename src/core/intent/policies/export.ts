import { type Family, type Prefix, prefixParts } from '../../net/index.ts'
import type { Term } from '../../policy/index.ts'
import type { ServiceRoutes } from '../originated/services.ts'
import type { PlannedPool, PrefixCommunities } from '../plan.ts'
import { communityTerms, inside } from './communities.ts'
import { preferredTo } from './priority.ts'

/** What a peer is told that its filters leave open: Calico's `calico_export_to_bgp_peers`. */

/** All that it depends on. */
export interface ExportFacts {
  readonly pools: readonly PlannedPool[]
  readonly communities: readonly PrefixCommunities[]
  /** this node's blocks */
  readonly blocks: readonly Prefix[]
  /** ranges that this node announces, and where else it has addresses of services */
  readonly services: Pick<ServiceRoutes, 'passed' | 'own'>
  /** of a reflector: ranges of services whose routes it passes on */
  readonly reflected: readonly Prefix[]
  /** metric of routes of no special kind */
  readonly normal: Readonly<Record<Family, number>>
  /** whatever else is known leaves too: a router, not a leaf */
  readonly transit: boolean
}

/**
 * The terms, in Calico's order; the first that judges counts. Its rules about the interfaces of
 * tunnels and of eBPF are about routes that BIRD reads from the kernel, of which there are none
 * here.
 */
export function exportTerms(facts: ExportFacts): Term[] {
  const { pools, communities, blocks, services, reflected } = facts
  return [
    ...within(
      pools.filter(({ bgpExport }) => !bgpExport).map(({ cidr }) => cidr),
      'reject',
    ),
    ...communityTerms(communities),
    ...blocks.flatMap(block => aggregate(block, facts)),
    ...within(services.passed, 'accept'),
    ...within(services.own, 'accept', 'originated'),
    ...within(reflected, 'accept'),
    ...within(
      pools.filter(({ bgpExport }) => bgpExport).map(({ cidr }) => cidr),
      'accept',
    ),
    ...(facts.transit ? [{ match: {}, actions: [], verdict: 'accept' as const }] : []),
  ]
}

/**
 * A block of our own leaves whole; of what is in it, only a workload that is moving, whose node
 * prefers it to the block's.
 */
function aggregate(block: Prefix, { normal }: ExportFacts): Term[] {
  const { family, length } = prefixParts(block)
  const whole = { prefix: block, lengthMin: length, lengthMax: length }
  const within = { prefixes: [inside(block)] }
  return [
    { match: { prefixes: [whole] }, actions: [], verdict: 'accept' },
    {
      match: { ...within, source: 'learned', localPref: preferredTo(normal[family]) },
      actions: [],
      verdict: 'accept',
    },
    { match: within, actions: [], verdict: 'reject' },
  ]
}

/** One term for all of them: a probe for each length that they have, not for each of them. */
const within = (
  prefixes: readonly Prefix[],
  verdict: Term['verdict'],
  source?: 'originated',
): Term[] => {
  if (prefixes.length === 0) return []
  const match = { prefixes: prefixes.map(inside), ...(source && { source }) }
  return [{ match, actions: [], verdict }]
}
