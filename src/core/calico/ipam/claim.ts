import { type Family, overlaps, type Prefix, parsePrefix, prefixParts } from '../../net/index.ts'
import type { IpPoolResource } from '../kinds/index.ts'
import { type Labels, parseSelector } from '../selector.ts'
import { affinityOf, candidateBlocks, isReserved, usedIn } from './blocks.ts'
import type { AllocationBlock, IpamConfig } from './values.ts'

/**
 * How a node comes to a block, and gives it up: Calico's protocol, one write at a time.
 *
 *   claim    affinity "pending" -> block created -> affinity "confirmed"
 *   release  affinity "pendingDeletion" -> block deleted, or given up -> affinity deleted
 *
 * Each function says which write comes next, by what the store holds now. So whoever crashed
 * between two writes goes on where it stopped, and of two that race for a block the one that
 * creates it has it: every write is refused where what it was decided by is no longer so.
 */

/** What the store holds of blocks, as one node sees it. */
export interface BlockView {
  readonly node: string
  /** of this node, with the state in each: absent ones are not in it */
  readonly affinities: ReadonlyMap<Prefix, AffinityState>
  /** all blocks; undefined: one that cannot be read, which is not ours */
  readonly blocks: ReadonlyMap<Prefix, AllocationBlock | undefined>
}

/** Where an affinity is on its way. `confirmed` is also what older Calicos wrote as nothing. */
export type AffinityState = 'pending' | 'confirmed' | 'pendingDeletion'

/** Where a node may take its block from. */
export interface ClaimRules {
  readonly family: Family
  /** in the order in which they are tried */
  readonly pools: readonly IpPoolResource[]
  /** of the node, for the pools' selectors */
  readonly labels: Labels
  /** of IPReservations */
  readonly reserved: readonly Prefix[]
  /** `strictAffinity` and `maxBlocksPerHost` forbid nothing here: one block, and no borrowing */
  readonly config: IpamConfig
  /** what the pools have to be for; absent: workloads */
  readonly use?: 'Workload' | 'Tunnel'
  /** whose the addresses of the block are to be, which another IPAM hands out; absent: nobody's */
  readonly handleId?: string
}

/** The next write of a claim, or its end. */
export type ClaimStep =
  | {
      readonly type: 'pend' | 'create' | 'confirm' | 'reserve' | 'abandon'
      readonly block: Prefix
    }
  | { readonly type: 'held'; readonly block: Prefix }
  | { readonly type: 'none'; readonly why: string }

/**
 * What a node without a block is to do next. What it began is ended first; then it takes the first
 * free block of the first pool that it may use. O(own affinities + blocks looked at).
 */
export function claimStep(view: BlockView, rules: ClaimRules): ClaimStep {
  const own = [...view.affinities].filter(([block]) => familyIs(block, rules.family))
  const held = own.find(([block, state]) => state === 'confirmed' && isKept(view, block, rules))
  if (held !== undefined) {
    const [block] = held
    const free = isOurs(view, block) ? (view.blocks.get(block)?.unallocated.length ?? 0) : 0
    return { type: rules.handleId !== undefined && free > 0 ? 'reserve' : 'held', block }
  }
  for (const [block, state] of own) {
    if (isOurs(view, block)) return { type: state === 'pending' ? 'confirm' : 'pend', block }
    // somebody else's, or nobody's: an affinity without a block behind it says nothing
    if (view.blocks.has(block) || !mayClaim(block, rules)) return { type: 'abandon', block }
    return { type: state === 'pending' ? 'create' : 'pend', block }
  }
  return firstFree(view, rules)
}

/**
 * A confirmed affinity that says the truth, or one that nobody but its writer can judge: its block
 * cannot be read, or there is none, and no pool that it could be of.
 */
function isKept(view: BlockView, block: Prefix, rules: ClaimRules): boolean {
  if (view.blocks.has(block)) return isOurs(view, block) || view.blocks.get(block) === undefined
  return !mayClaim(block, rules)
}

function firstFree(view: BlockView, rules: ClaimRules): ClaimStep {
  if (!rules.config.autoAllocateBlocks)
    return { type: 'none', why: 'IPAM is configured not to assign blocks (auto_allocate_blocks)' }
  const pools = usablePools(rules)
  if (pools.length === 0)
    return { type: 'none', why: `no IPPool of ${rules.family} is for workloads of this node` }
  for (const { cidr, length } of pools)
    for (const block of candidateBlocks(cidr, length, view.node))
      if (
        !view.blocks.has(block) &&
        isFree(block, view, length) &&
        !isReserved(block, rules.reserved)
      )
        return { type: 'pend', block }
  return { type: 'none', why: `the IPPools of ${rules.family} have no free block` }
}

/** Blocks of another size may be left of a pool that was there before. */
function isFree(block: Prefix, view: BlockView, length: number): boolean {
  for (const other of view.blocks.keys())
    if (!other.endsWith(`/${length}`) && overlaps(block, other)) return false
  return true
}

/** The pools that a node may take blocks from by itself, with the length of their blocks. */
export function usablePools(
  rules: Pick<ClaimRules, 'family' | 'labels' | 'pools' | 'use'>,
): { readonly cidr: Prefix; readonly length: number }[] {
  return rules.pools.flatMap(({ spec }) => {
    const cidr = parsePrefix(spec.cidr)
    if (cidr === undefined || !familyIs(cidr, rules.family)) return []
    const uses = spec.allowedUses ?? ['Workload', 'Tunnel']
    const selector = parseSelector(spec.nodeSelector ?? '')
    const isFor = 'reason' in selector ? false : selector.matches(rules.labels)
    if (spec.disabled === true || spec.assignmentMode === 'Manual' || !isFor) return []
    if (!uses.includes(rules.use ?? 'Workload')) return []
    const length = spec.blockSize ?? (rules.family === 'ipv4' ? 26 : 122)
    return length < prefixParts(cidr).length ? [] : [{ cidr, length }]
  })
}

/** A claim that was begun is gone on with while the block may still be had. */
function mayClaim(block: Prefix, rules: ClaimRules): boolean {
  const { length } = prefixParts(block)
  return (
    rules.config.autoAllocateBlocks &&
    !isReserved(block, rules.reserved) &&
    usablePools(rules).some(pool => pool.length === length && overlaps(pool.cidr, block))
  )
}

/** How a block is given up. */
export interface ReleaseRules {
  readonly block: Prefix
  /** also where addresses of it are in use: they stay, and the block is nobody's */
  readonly force: boolean
  /** whose addresses are given back with the block; absent: nobody's */
  readonly handleId?: string
}

/** The next write of a release, or its end. */
export type ReleaseStep =
  | { readonly type: 'mark' | 'free' | 'delete' | 'orphan' | 'forget' }
  | { readonly type: 'released' }
  | { readonly type: 'refused'; readonly used: number }

/** What is to be done next for the node not to have the block. O(addresses of the block). */
export function releaseStep(view: BlockView, rules: ReleaseRules): ReleaseStep {
  const { block: cidr, handleId } = rules
  const state = view.affinities.get(cidr)
  const block = view.blocks.get(cidr)
  const ours = block !== undefined && isOurs(view, cidr)
  if (!ours) return { type: state === undefined ? 'released' : 'forget' }
  const used = usedIn(block, handleId)
  if (used > 0 && !rules.force) return { type: 'refused', used }
  if (state !== undefined && state !== 'pendingDeletion') return { type: 'mark' }
  if (usedIn(block) > used) return { type: 'free' }
  return { type: used === 0 ? 'delete' : 'orphan' }
}

const isOurs = (view: BlockView, block: Prefix): boolean =>
  view.blocks.get(block)?.affinity === affinityOf(view.node)

const familyIs = (block: Prefix, family: Family): boolean =>
  block.includes(':') === (family === 'ipv6')
