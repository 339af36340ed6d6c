import { parsePrefix } from '../../net/index.ts'
import type { AllocationAttribute, AllocationBlock, IpamConfig, IpamHandle } from './values.ts'

/**
 * IPAM's values as they are stored, both ways: JSON with numbers beyond 2^53, which JSON.parse
 * would round. What is not known is kept, so that a block of another release can be written back.
 */

/** What the IPAM library goes by where nobody has configured anything. */
export const IPAM_CONFIG_DEFAULT: IpamConfig = {
  strictAffinity: false,
  autoAllocateBlocks: true,
  maxBlocksPerHost: 0,
}

/** Reads a block; undefined where the text is none. O(length). */
export function decodeBlock(text: string): AllocationBlock | undefined {
  const value = mappingOf(parse(text))
  if (value === undefined) return undefined
  const {
    cidr: cidrText,
    affinity,
    hostAffinity,
    affinity_claim_time: claimTime,
    allocations: slots,
    unallocated: free,
    attributes: owners,
    sequenceNumber,
    sequenceNumberForAllocation,
    deleted,
    ...others
  } = value
  const cidr = typeof cidrText === 'string' ? parsePrefix(cidrText) : undefined
  const allocations = listOf(slots, isSlot)
  const unallocated = listOf(free, isOrdinal)
  const attributes = listOf(owners ?? [], isMapping)?.map(attributeOf)
  if (cidr === undefined || !allocations || !unallocated || !attributes) return undefined
  const numbers = Object.entries(mappingOf(sequenceNumberForAllocation) ?? {})
  return {
    cidr,
    // older Calicos wrote the host alone
    ...(typeof affinity === 'string'
      ? { affinity }
      : typeof hostAffinity === 'string' && { affinity: `host:${hostAffinity}` }),
    ...(typeof claimTime === 'string' && { affinityClaimTime: claimTime }),
    allocations,
    unallocated,
    attributes,
    sequenceNumber: bigOf(sequenceNumber),
    ...(numbers.length > 0 && {
      sequenceNumberForAllocation: Object.fromEntries(
        numbers.map(([ordinal, number]) => [ordinal, bigOf(number)]),
      ),
    }),
    deleted: deleted === true,
    ...(Object.keys(others).length > 0 && { others }),
  }
}

/** A block as libcalico-go writes it. O(length). */
export function encodeBlock(block: AllocationBlock): string {
  return textOf({
    cidr: block.cidr,
    affinity: block.affinity ?? null,
    affinity_claim_time: block.affinityClaimTime,
    allocations: block.allocations,
    unallocated: block.unallocated,
    attributes: block.attributes.map(({ handleId, secondary, others }) => ({
      handle_id: handleId,
      secondary,
      ...others,
    })),
    sequenceNumber: block.sequenceNumber,
    sequenceNumberForAllocation: block.sequenceNumberForAllocation ?? {},
    deleted: block.deleted,
    ...block.others,
  })
}

/** Reads a handle; undefined where the text is none. */
export function decodeHandle(text: string): IpamHandle | undefined {
  const value = mappingOf(parse(text))
  if (value === undefined) return undefined
  const counts = Object.entries(mappingOf(value.block) ?? {})
  const block = counts.flatMap(([cidr, count]) => (isOrdinal(count) ? [[cidr, count]] : []))
  if (block.length < counts.length) return undefined
  return { block: Object.fromEntries(block), deleted: value.deleted === true }
}

/** A handle as libcalico-go writes it. */
export const encodeHandle = ({ block, deleted }: IpamHandle): string => textOf({ block, deleted })

/** Reads IPAM's configuration, defaults applied; undefined where the text is none. */
export function decodeIpamConfig(text: string): IpamConfig | undefined {
  const value = mappingOf(parse(text))
  if (value === undefined) return undefined
  const most = value.maxBlocksPerHost
  return {
    // libcalico-go leaves out what is false
    strictAffinity: value.strict_affinity === true,
    autoAllocateBlocks: value.auto_allocate_blocks === true,
    maxBlocksPerHost: isOrdinal(most) ? most : 0,
  }
}

/** IPAM's configuration as libcalico-go writes it: what is false or 0 is left out. */
export const encodeIpamConfig = (config: IpamConfig): string =>
  textOf({
    strict_affinity: config.strictAffinity || undefined,
    auto_allocate_blocks: config.autoAllocateBlocks || undefined,
    maxBlocksPerHost: config.maxBlocksPerHost || undefined,
  })

function attributeOf(value: Mapping): AllocationAttribute {
  const { handle_id: handleId, secondary: pairs, ...others } = value
  const secondary = Object.entries(mappingOf(pairs) ?? {}).filter(
    (pair): pair is [string, string] => typeof pair[1] === 'string',
  )
  return {
    ...(typeof handleId === 'string' && { handleId }),
    ...(secondary.length > 0 && { secondary: Object.fromEntries(secondary) }),
    ...(Object.keys(others).length > 0 && { others }),
  }
}

type Mapping = Readonly<Record<string, unknown>>

const isOrdinal = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0

const bigOf = (value: unknown): bigint =>
  typeof value === 'bigint' ? value : isOrdinal(value) ? BigInt(value) : 0n

const isSlot = (value: unknown): value is number | null => value === null || isOrdinal(value)

const isMapping = (value: unknown): value is Mapping =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const mappingOf = (value: unknown): Mapping | undefined => (isMapping(value) ? value : undefined)

const listOf = <Item>(
  value: unknown,
  is: (item: unknown) => item is Item,
): readonly Item[] | undefined => (Array.isArray(value) && value.every(is) ? value : undefined)

/** Before a whole number that is too long to be a number here; no text of a store begins so. */
const LONG = '\u0000n'

/** JSON with whole numbers of 16 digits and more as bigint; undefined where it is no JSON. */
function parse(text: string): unknown {
  // a string as a whole, so that digits inside it stay; or a long whole number by itself
  const marked = text.replace(/"(?:[^"\\]|\\.)*"|(?<![\d.eE+-])-?\d{16,}(?![\d.eE])/g, found =>
    found.startsWith('"') ? found : `"\\u0000n${found}"`,
  )
  try {
    return JSON.parse(marked, (_, value: unknown) =>
      typeof value === 'string' && value.startsWith(LONG) ? BigInt(value.slice(2)) : value,
    )
  } catch {
    return undefined
  }
}

function textOf(value: unknown): string {
  if (typeof value === 'bigint') return value.toString()
  if (Array.isArray(value)) return `[${value.map(textOf).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const fields = Object.entries(value).filter(([, field]) => field !== undefined)
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${textOf(field)}`).join(',')}}`
}
