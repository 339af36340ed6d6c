import type { FelixConfigurationSpec } from '../../calico/index.ts'
import type { Snapshot } from '../types.ts'

/**
 * What FelixConfigurations say for a node: `node.<name>` field by field before `default`, as Felix
 * has it. O(configurations).
 */
export function felixOf(snapshot: Snapshot, node: string): FelixConfigurationSpec {
  const of = (wanted: string): FelixConfigurationSpec | undefined =>
    snapshot.felixConfigurations.find(({ metadata }) => metadata.name === wanted)?.spec
  return { ...of('default'), ...of(`node.${node}`) }
}
