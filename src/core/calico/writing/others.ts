import { overlaps, type Prefix, parsePrefix } from '../../net/index.ts'
import type { BgpPeerResource, IpPoolResource } from '../kinds/index.ts'
import type { WriteFault } from './faults.ts'

/** What a writer must obey with regard to what is stored already. */

/** A filter that a peer names must exist: without it a peer would be told what it must not know. */
export function filterFaults(
  { spec }: BgpPeerResource,
  existing: ReadonlySet<string>,
): readonly WriteFault[] {
  return (spec.filters ?? []).flatMap((name, index) =>
    existing.has(name)
      ? []
      : [{ path: ['spec', 'filters', index], reason: `there is no BGPFilter "${name}"` }],
  )
}

/** What a pool is compared with. */
export interface PoolSurroundings {
  /** as it was before; absent: the pool is new */
  readonly previous?: IpPoolResource
  /** all that are stored, the pool itself may be among them */
  readonly pools: readonly IpPoolResource[]
  /** all of IPAM's */
  readonly blocks: readonly Prefix[]
}

/** Pools must not overlap, and neither a pool's addresses nor its blocks may change. */
export function poolFaultsAmong(
  { metadata, spec }: IpPoolResource,
  { previous, pools, blocks }: PoolSurroundings,
): readonly WriteFault[] {
  const cidr = parsePrefix(spec.cidr)
  if (cidr === undefined) return []
  const size = sizeOf(spec)
  const found: WriteFault[] = []
  if (previous !== undefined && previous.spec.cidr !== spec.cidr)
    found.push({
      path: ['spec', 'cidr'],
      reason: `was ${previous.spec.cidr}, and cannot be changed; make another pool`,
    })
  if (previous !== undefined && sizeOf(previous.spec) !== size)
    found.push({
      path: ['spec', 'blockSize'],
      reason: `was ${sizeOf(previous.spec)}, and cannot be changed; make another pool`,
    })
  if (found.length > 0) return found
  for (const other of pools) {
    const theirs = parsePrefix(other.spec.cidr)
    if (other.metadata.name === metadata.name || theirs === undefined) continue
    if (overlaps(theirs, cidr))
      found.push({
        path: ['spec', 'cidr'],
        reason: `overlaps ${theirs} of the pool "${other.metadata.name}"`,
      })
  }
  const misfit = blocks.find(block => overlaps(block, cidr) && !block.endsWith(`/${size}`))
  if (misfit !== undefined && previous === undefined)
    found.push({
      path: ['spec', 'blockSize'],
      reason: `is ${size}, but IPAM has the block ${misfit} in it`,
    })
  return found
}

const sizeOf = ({ blockSize, cidr }: IpPoolResource['spec']): number =>
  blockSize ?? (cidr.includes(':') ? 122 : 26)
