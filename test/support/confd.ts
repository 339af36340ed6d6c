import type { Labels, NodeBgp, NodeResource } from '../../src/core/calico/index.ts'
import { labelled, node } from './cluster.ts'

/**
 * The cluster of the tests that Calico's confd has for itself (confd/tests): three nodes, of which
 * kube-master is the one that is looked at.
 */

const NAMES = ['kube-master', 'kube-node-1', 'kube-node-2'] as const

/** The three nodes, with what is different from test to test. */
export function nodes(
  each: readonly (NodeBgp & { readonly labels?: Labels })[] = [],
): readonly NodeResource[] {
  return NAMES.map((name, at) => {
    const { labels = {}, ...bgp } = each[at] ?? {}
    return labelled(labels, node(name, { ipv4Address: `10.192.0.${at + 2}/16`, ...bgp }))
  })
}
