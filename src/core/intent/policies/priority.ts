import type { BgpConfigurationSpec } from '../../calico/index.ts'
import type { Family } from '../../net/index.ts'

/**
 * Calico's metric of a route, which is LOCAL_PREF turned round: the lower the one, the higher the
 * other. All nodes of an AS have to agree, those that run BIRD too.
 */

/** LOCAL_PREF and metric together. */
const WHOLE = 2_147_483_647

/** Of a route of no special kind, where BGPConfiguration says nothing. */
const NORMAL_DEFAULT = 1024

/** The LOCAL_PREF of routes with a metric. */
export const localPrefOf = (metric: number): number => WHOLE - metric

/** The metric, which BGPFilter calls priority, of routes with a LOCAL_PREF. */
export const priorityOf = (localPref: number): number => WHOLE - localPref

/** The metric of routes of no special kind. */
export function normalMetrics(global: BgpConfigurationSpec): Readonly<Record<Family, number>> {
  const { ipv4NormalRoutePriority, ipv6NormalRoutePriority } = global
  return {
    ipv4: ipv4NormalRoutePriority ?? NORMAL_DEFAULT,
    ipv6: ipv6NormalRoutePriority ?? NORMAL_DEFAULT,
  }
}

/** Of routes that are to be preferred to those with `metric`: a workload that is moving. */
export const preferredTo = (metric: number): readonly [number, number] => [
  localPrefOf(metric) + 1,
  WHOLE,
]
