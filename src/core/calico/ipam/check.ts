import {
  type Address,
  contains,
  containsAddress,
  type Prefix,
  parsePrefix,
} from '../../net/index.ts'
import { addressAt, affinityOf, ordinalOf } from './blocks.ts'
import type { AllocationBlock, BlockAffinity, IpamHandle } from './values.ts'

/** All of IPAM at one time: who has which address, and what in it contradicts itself. */

/** What IPAM holds, decoded. */
export interface IpamState {
  readonly affinities: readonly BlockAffinity[]
  /** by CIDR; undefined: it cannot be read */
  readonly blocks: ReadonlyMap<Prefix, AllocationBlock | undefined>
  /** by id; undefined: it cannot be read */
  readonly handles: ReadonlyMap<string, IpamHandle | undefined>
  readonly pools: readonly Prefix[]
  /** names of the nodes that there are */
  readonly nodes: ReadonlySet<string>
}

/** One address that is somebody's. */
export interface AssignedAddress {
  readonly address: Address
  readonly block: Prefix
  /** who has the block; absent: nobody */
  readonly owner?: string
  /** of the node that has the address, as far as it says */
  readonly node?: string
  readonly handleId?: string
  readonly attributes: Readonly<Record<string, string>>
}

/** The assigned addresses of a block, in order. O(addresses). */
export function assignedIn(cidr: Prefix, block: AllocationBlock): AssignedAddress[] {
  return block.allocations.flatMap((slot, ordinal) => {
    if (slot === null) return []
    const { handleId, secondary } = block.attributes[slot] ?? {}
    return {
      address: addressAt(cidr, ordinal),
      block: cidr,
      ...(block.affinity !== undefined && { owner: block.affinity.replace(/^host:/, '') }),
      ...(secondary?.node !== undefined && { node: secondary.node }),
      ...(handleId !== undefined && { handleId }),
      attributes: secondary ?? {},
    }
  })
}

/** Who has `address`; undefined: nobody. */
export function assignmentOf(
  address: Address,
  { blocks }: Pick<IpamState, 'blocks'>,
): AssignedAddress | undefined {
  for (const [cidr, block] of blocks)
    if (block !== undefined && containsAddress(cidr, address)) {
      const ordinal = ordinalOf(cidr, address)
      const found = assignedIn(cidr, block).find(each => ordinalOf(cidr, each.address) === ordinal)
      if (found !== undefined) return found
    }
  return undefined
}

/** Addresses that nodes have out of blocks that are not theirs: each needs a route of its own. */
export const borrowedIn = (assigned: readonly AssignedAddress[]): AssignedAddress[] =>
  assigned.filter(({ owner, node }) => node !== undefined && owner !== node)

/** What contradicts itself, one sentence each, in order. O(blocks · (pools + addresses)). */
export function ipamFindings(state: IpamState): string[] {
  const findings: string[] = []
  const held = new Set(state.affinities.map(({ node, cidr }) => `${node} ${cidr}`))
  for (const affinity of state.affinities) findings.push(...affinityFindings(affinity, state))
  const counted = new Map<string, Map<string, number>>()
  let before: Prefix | undefined
  for (const [cidr, block] of state.blocks) {
    // in order, a block follows what holds it
    if (before !== undefined && contains(before, cidr))
      findings.push(`block ${cidr} is inside block ${before}`)
    else before = cidr
    if (!state.pools.some(pool => contains(pool, cidr)))
      findings.push(`block ${cidr} is in no IPPool`)
    if (block === undefined) {
      findings.push(`block ${cidr} cannot be read`)
      continue
    }
    const node = block.affinity?.startsWith('host:') ? block.affinity.slice(5) : undefined
    if (node !== undefined && !held.has(`${node} ${cidr}`))
      findings.push(`block ${cidr} is ${node}'s, which has no affinity to it`)
    findings.push(...slotFindings(cidr, block))
    for (const { handleId } of assignedIn(cidr, block)) {
      if (handleId === undefined) continue
      const counts = counted.get(handleId) ?? new Map<string, number>()
      counted.set(handleId, counts.set(cidr, (counts.get(cidr) ?? 0) + 1))
    }
  }
  return [...findings, ...handleFindings(state, counted)]
}

function affinityFindings({ node, cidr, state: word }: BlockAffinity, state: IpamState): string[] {
  const findings: string[] = []
  const prefix = parsePrefix(cidr)
  const block = prefix && state.blocks.get(prefix)
  if (!state.nodes.has(node)) findings.push(`${node} has an affinity to ${cidr}, and no Node`)
  if (word === 'pending' || word === 'pendingDeletion')
    findings.push(
      `the affinity of ${node} to ${cidr} is ${word}: somebody has not ended what it began`,
    )
  else if (prefix === undefined || !state.blocks.has(prefix))
    findings.push(`${node} has an affinity to ${cidr}, which is no block`)
  else if (block !== undefined && block.affinity !== affinityOf(node))
    findings.push(`${node} has an affinity to ${cidr}, which is ${block.affinity ?? 'nobody'}'s`)
  return findings
}

function slotFindings(cidr: Prefix, block: AllocationBlock): string[] {
  const findings: string[] = []
  const free = new Set(block.unallocated)
  for (const [ordinal, slot] of block.allocations.entries()) {
    const address = addressAt(cidr, ordinal)
    if (slot !== null && block.attributes[slot] === undefined)
      findings.push(`${address} is in use, and nothing says by whom`)
    if ((slot === null) !== free.has(ordinal))
      findings.push(
        `${address} is ${slot === null ? 'neither free nor in use' : 'free and in use'}`,
      )
  }
  return findings
}

function handleFindings(
  { handles }: IpamState,
  counted: ReadonlyMap<string, ReadonlyMap<string, number>>,
): string[] {
  const findings: string[] = []
  for (const [id, handle] of handles) {
    if (handle === undefined) findings.push(`handle ${id} cannot be read`)
    for (const [cidr, count] of Object.entries(handle?.block ?? {})) {
      const found = counted.get(id)?.get(cidr) ?? 0
      if (found !== count)
        findings.push(`handle ${id} counts ${count} addresses of ${cidr}, which has ${found} of it`)
    }
  }
  for (const [id, counts] of counted)
    for (const [cidr, count] of counts)
      if (handles.get(id)?.block[cidr] === undefined)
        findings.push(
          `${count} addresses of ${cidr} are of handle ${id}, which knows nothing of them`,
        )
  return findings
}
