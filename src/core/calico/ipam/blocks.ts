import {
  type Address,
  addressBytes,
  contains,
  containsAddress,
  formatAddress,
  formatPrefix,
  overlaps,
  type Prefix,
  prefixParts,
} from '../../net/index.ts'
import type { AllocationBlock } from './values.ts'

/** Blocks of addresses as numbers and as values: libcalico-go's lib/ipam, ipam_block.go. */

/** Most blocks of a pool that are looked at for a free one. */
export const CANDIDATES_MAX = 1_048_576

/** The blocks of `length` bits in `pool`, from one that depends on `node`, round to it. */
export function* candidateBlocks(pool: Prefix, length: number, node: string): Generator<Prefix> {
  const { bytes, length: poolLength } = prefixParts(pool)
  const total = 1n << BigInt(length - poolLength)
  const start = BigInt(hashOf(node)) % total
  const most = total < BigInt(CANDIDATES_MAX) ? Number(total) : CANDIDATES_MAX
  for (let nth = 0; nth < most; nth++) {
    const index = (start + BigInt(nth)) % total
    const first = numberOf(bytes) + (index << BigInt(8 * bytes.length - length))
    yield formatPrefix(bytesOf(first, bytes.length), length)
  }
}

/** How many addresses `block` has. */
export function addressesIn(block: Prefix): number {
  const { bytes, length } = prefixParts(block)
  return 2 ** (8 * bytes.length - length)
}

/** The address at `ordinal` of `block`, from 0. */
export function addressAt(block: Prefix, ordinal: number): Address {
  const { bytes } = prefixParts(block)
  return formatAddress(bytesOf(numberOf(bytes) + BigInt(ordinal), bytes.length))
}

/** Which address of `block` that is, from 0; undefined where it is none of them. */
export function ordinalOf(block: Prefix, address: Address): number | undefined {
  if (!containsAddress(block, address)) return undefined
  return Number(numberOf(addressBytes(address)) - numberOf(prefixParts(block).bytes))
}

/** Who has a block, as the block says it. */
export const affinityOf = (node: string): string => `host:${node}`

/** A block that `node` has and nobody uses. */
export function newBlock(
  cidr: Prefix,
  { node, claimTime, sequenceNumber }: BlockClaim,
): AllocationBlock {
  const total = addressesIn(cidr)
  return {
    cidr,
    affinity: affinityOf(node),
    affinityClaimTime: claimTime,
    allocations: new Array<null>(total).fill(null),
    unallocated: Array.from({ length: total }, (_, ordinal) => ordinal),
    attributes: [],
    sequenceNumber,
    sequenceNumberForAllocation: {},
    deleted: false,
  }
}

/** Who claims a block, and when. */
export interface BlockClaim {
  readonly node: string
  /** RFC 3339, UTC, whole seconds */
  readonly claimTime: string
  /**
   * Nanoseconds since 1970: of two blocks of one CIDR, one after the other, no two assignments have
   * the same number.
   */
  readonly sequenceNumber: bigint
}

/** How many of a block's addresses are somebody's; those of the owner `except` do not count. */
export function usedIn(block: AllocationBlock, except?: string): number {
  const isExcepted = (index: number): boolean =>
    except !== undefined && block.attributes[index]?.handleId === except
  return block.allocations.filter(index => index !== null && !isExcepted(index)).length
}

/** The block with every free address assigned to `handleId`, of `node`. */
export function withAllReserved(
  block: AllocationBlock,
  { handleId, node }: { readonly handleId: string; readonly node: string },
): AllocationBlock {
  const known = block.attributes.findIndex(attribute => attribute.handleId === handleId)
  const index = known < 0 ? block.attributes.length : known
  const free = new Set(block.unallocated)
  const sequenceNumber = block.sequenceNumber + 1n
  return {
    ...block,
    allocations: block.allocations.map((slot, ordinal) => (free.has(ordinal) ? index : slot)),
    unallocated: [],
    attributes:
      known < 0 ? [...block.attributes, { handleId, secondary: { node } }] : block.attributes,
    sequenceNumber,
    sequenceNumberForAllocation: {
      ...block.sequenceNumberForAllocation,
      // libcalico-go notes the number that the block has before it is written
      ...Object.fromEntries(block.unallocated.map(ordinal => [ordinal, block.sequenceNumber])),
    },
  }
}

/** The block without what `handleId` has in it: freed addresses are assigned last. */
export function withReleased(block: AllocationBlock, handleId: string): AllocationBlock {
  const index = block.attributes.findIndex(attribute => attribute.handleId === handleId)
  if (index < 0) return block
  const freed = block.allocations.flatMap((slot, ordinal) => (slot === index ? [ordinal] : []))
  const numbers = { ...block.sequenceNumberForAllocation }
  for (const ordinal of freed) delete numbers[ordinal]
  return {
    ...block,
    allocations: block.allocations.map(slot =>
      slot === null || slot === index ? null : slot > index ? slot - 1 : slot,
    ),
    unallocated: [...block.unallocated, ...freed],
    attributes: block.attributes.toSpliced(index, 1),
    sequenceNumber: block.sequenceNumber + 1n,
    sequenceNumberForAllocation: numbers,
  }
}

/** The block when nobody has it any more. */
export function withoutAffinity(block: AllocationBlock): AllocationBlock {
  const { affinity: _affinity, affinityClaimTime: _time, ...rest } = block
  return { ...rest, sequenceNumber: block.sequenceNumber + 1n }
}

/** The addresses of a block, counted. */
export interface BlockUsage {
  readonly total: number
  readonly used: number
  /** free, and not to be assigned by themselves */
  readonly reserved: number
  readonly free: number
}

/** Counts what is used, reserved and free. O(addresses · reservations that concern the block). */
export function usageOf(
  block: AllocationBlock,
  cidr: Prefix,
  reserved: readonly Prefix[],
): BlockUsage {
  const near = reserved.filter(each => overlaps(each, cidr))
  const kept =
    near.length === 0
      ? 0
      : block.unallocated.filter(ordinal => {
          const address = addressAt(cidr, ordinal)
          return near.some(each => containsAddress(each, address))
        }).length
  const total = addressesIn(cidr)
  const used = usedIn(block)
  return { total, used, reserved: kept, free: total - used - kept }
}

/** True where no address of `block` may be assigned by itself: one reservation has all of it. */
export const isReserved = (block: Prefix, reserved: readonly Prefix[]): boolean =>
  reserved.some(each => contains(each, block))

/** FNV-1, 32 bits, as libcalico-go seeds its choice by the node's name; of its UTF-16 units. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++)
    hash = Math.imul(hash, 0x01000193) ^ (text.charCodeAt(at) & 0xff)
  return hash >>> 0
}

function numberOf(bytes: Uint8Array): bigint {
  let number = 0n
  for (const octet of bytes) number = (number << 8n) | BigInt(octet)
  return number
}

function bytesOf(number: bigint, octets: number): Uint8Array {
  const bytes = new Uint8Array(octets)
  let rest = number
  for (let at = octets - 1; at >= 0; at--) {
    bytes[at] = Number(rest & 0xffn)
    rest >>= 8n
  }
  return bytes
}
