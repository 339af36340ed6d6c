import { type Address, containsAddress, type Prefix } from '../../net/index.ts'
import { addressAt, affinityOf } from './blocks.ts'
import { type BlockView, type ClaimRules, type ClaimStep, claimStep, usablePools } from './claim.ts'
import type { AllocationBlock } from './values.ts'

/**
 * How a node comes to one address of its own, for the end of a tunnel: the next write, by what the
 * store holds now, as in claim.ts.
 *
 *   assign   handle counts it -> block has it
 *   release  block is without it -> handle forgets it
 */

/** Where an address may be from, and whose it is to be. */
export interface AssignRules extends Omit<ClaimRules, 'handleId' | 'use'> {
  readonly handleId: string
  /** what is written beside it: `node`, `type` */
  readonly secondary: Readonly<Record<string, string>>
  /** of blocks in which this owner has addresses none is taken; absent: of any */
  readonly avoid?: string
}

/** The next write of an assignment, or its end. */
export type AssignStep =
  | { readonly type: 'held'; readonly address: Address }
  | { readonly type: 'assign'; readonly block: Prefix; readonly ordinal: number }
  /** an address of a pool that it may not be from any more */
  | { readonly type: 'release'; readonly block: Prefix }
  | {
      readonly type: 'claim'
      readonly step: Exclude<ClaimStep, { readonly type: 'held' | 'none' }>
    }
  | { readonly type: 'none'; readonly why: string }

/**
 * What is to be done next for the owner to have one address: the one that it has, else the first
 * free one of this node's blocks, else one of a block that is claimed for it. O(blocks).
 */
export function assignStep(view: BlockView, rules: AssignRules): AssignStep {
  const { family, labels, pools, handleId } = rules
  const usable = usablePools({ family, labels, pools, use: 'Tunnel' })
  for (const [cidr, block] of view.blocks) {
    const ordinal = block === undefined ? undefined : ordinalsOf(block, handleId)[0]
    if (ordinal === undefined) continue
    const address = addressAt(cidr, ordinal)
    const isUsable = usable.some(pool => containsAddress(pool.cidr, address))
    return isUsable ? { type: 'held', address } : { type: 'release', block: cidr }
  }
  for (const [cidr, state] of view.affinities) {
    const block = view.blocks.get(cidr)
    if (state !== 'confirmed' || block?.affinity !== affinityOf(view.node)) continue
    if (rules.avoid !== undefined && ordinalsOf(block, rules.avoid).length > 0) continue
    const ordinal = block.unallocated.find(free => {
      const address = addressAt(cidr, free)
      const isReserved = rules.reserved.some(prefix => containsAddress(prefix, address))
      return !isReserved && usable.some(pool => containsAddress(pool.cidr, address))
    })
    if (ordinal !== undefined) return { type: 'assign', block: cidr, ordinal }
  }
  return claimFor(view, rules)
}

/** A block more: those that the node has hold nothing that could be taken. */
function claimFor(view: BlockView, rules: AssignRules): AssignStep {
  if (usablePools({ ...rules, use: 'Tunnel' }).length === 0)
    return { type: 'none', why: `no IPPool of ${rules.family} is for tunnels of this node` }
  const { handleId: _handle, secondary: _secondary, avoid: _avoid, ...shared } = rules
  const confirmed = [...view.affinities].filter(([, state]) => state === 'confirmed')
  const { maxBlocksPerHost: most } = rules.config
  if (most > 0 && confirmed.length >= most)
    return { type: 'none', why: `this node has ${most} blocks, which is as many as it may have` }
  const begun = new Map([...view.affinities].filter(([, state]) => state !== 'confirmed'))
  const step = claimStep({ ...view, affinities: begun }, { ...shared, use: 'Tunnel' })
  if (step.type === 'none') return step
  // nothing is confirmed in that view
  return step.type === 'held'
    ? { type: 'none', why: 'a block is being claimed' }
    : { type: 'claim', step }
}

/** Which addresses of a block are of one owner. */
export function ordinalsOf(block: AllocationBlock, handleId: string): number[] {
  const index = block.attributes.findIndex(attribute => attribute.handleId === handleId)
  if (index < 0) return []
  return block.allocations.flatMap((slot, ordinal) => (slot === index ? [ordinal] : []))
}

/** The block with one free address more in use. */
export function withAssigned(
  block: AllocationBlock,
  ordinal: number,
  { handleId, secondary }: Pick<AssignRules, 'handleId' | 'secondary'>,
): AllocationBlock {
  const known = block.attributes.findIndex(attribute => attribute.handleId === handleId)
  return {
    ...block,
    allocations: block.allocations.with(ordinal, known < 0 ? block.attributes.length : known),
    unallocated: block.unallocated.filter(free => free !== ordinal),
    attributes: known < 0 ? [...block.attributes, { handleId, secondary }] : block.attributes,
    sequenceNumber: block.sequenceNumber + 1n,
    sequenceNumberForAllocation: {
      ...block.sequenceNumberForAllocation,
      // libcalico-go notes the number that the block has before it is written
      [ordinal]: block.sequenceNumber,
    },
  }
}
