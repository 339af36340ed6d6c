import type { AllocationBlock } from '../../calico/index.ts'
import {
  comparePrefixes,
  contains,
  formatPrefix,
  maxLength,
  type Prefix,
  parsePrefix,
  prefixParts,
} from '../../net/index.ts'

/**
 * Addresses that this node's workloads have in blocks of other nodes, where IPAM is not strict: the
 * block leads to its node, so each of them is announced by itself. Sorted.
 *
 * Calico reads them from the kernel's routes, we from the blocks: the same while an address has a
 * workload. Addresses of tunnels are no workload's.
 *
 * O(allocations).
 *
 * @param own  this node's blocks
 */
export function borrowedBy(
  node: string,
  blocks: readonly AllocationBlock[],
  own: readonly Prefix[],
): Prefix[] {
  const borrowed: Prefix[] = []
  for (const { cidr, affinity, allocations, attributes, deleted } of blocks) {
    const block = parsePrefix(cidr)
    if (block === undefined || deleted || affinity === `host:${node}`) continue
    const ours = new Set(
      attributes.flatMap(({ secondary = {} }, at) =>
        secondary.node === node && secondary.type === undefined ? at : [],
      ),
    )
    if (ours.size === 0) continue
    for (const [ordinal, attribute] of allocations.entries())
      if (attribute !== null && ours.has(attribute)) borrowed.push(addressAt(block, ordinal))
  }
  return borrowed
    .filter(address => !own.some(block => contains(block, address)))
    .toSorted(comparePrefixes)
}

function addressAt(block: Prefix, ordinal: number): Prefix {
  const { family, bytes } = prefixParts(block)
  const address = Uint8Array.from(bytes)
  let carry = ordinal
  for (let at = address.length - 1; carry > 0 && at >= 0; at--) {
    carry += address[at]!
    address[at] = carry & 0xff
    carry >>>= 8
  }
  return formatPrefix(address, maxLength(family))
}
