/**
 * What IPAM keeps under its own keys, which are not v3 resources: libcalico-go's lib/backend/model.
 */

/** That a block of addresses is a node's: IPAM's own key, not the v3 resource of the same name. */
export interface BlockAffinity {
  readonly node: string
  /** as in the key, `192.168.221.192/26` */
  readonly cidr: string
  /** absent in values of older Calicos, where it means confirmed */
  readonly state?: string | undefined
  readonly deleted?: boolean | undefined
}

/**
 * True for an affinity to route for; `pending`, `pendingDeletion` and `deleted` are as if absent.
 */
export const isConfirmed = (affinity: BlockAffinity): boolean =>
  (affinity.state === undefined || affinity.state === '' || affinity.state === 'confirmed') &&
  affinity.deleted !== true

/** A block: who has it, and which of its addresses are whose. Ordinals count from the first. */
export interface AllocationBlock {
  readonly cidr: string
  /** `host:<node>` or `virtual:<name>`; absent: nobody has it */
  readonly affinity?: string | undefined
  /** RFC 3339; absent in blocks of older Calicos */
  readonly affinityClaimTime?: string | undefined
  /** for each ordinal the index of its attributes; null: it is free */
  readonly allocations: readonly (number | null)[]
  /** free ordinals, the next one to be assigned first */
  readonly unallocated: readonly number[]
  readonly attributes: readonly AllocationAttribute[]
  /** beyond 2^53: it begins with nanoseconds since 1970 */
  readonly sequenceNumber: bigint
  /** of each ordinal, as text: the block's number when it was assigned */
  readonly sequenceNumberForAllocation?: Readonly<Record<string, bigint>> | undefined
  readonly deleted: boolean
  /** fields of other releases, to be written back as they were */
  readonly others?: Readonly<Record<string, unknown>> | undefined
}

/** Of one or more addresses of a block that have the same owner. */
export interface AllocationAttribute {
  readonly handleId?: string | undefined
  /** `node`, `namespace`, `pod`, `type`, `timestamp` */
  readonly secondary?: Readonly<Record<string, string>> | undefined
  /** fields of other releases, to be written back as they were */
  readonly others?: Readonly<Record<string, unknown>> | undefined
}

/** How many addresses of which blocks one owner has. */
export interface IpamHandle {
  readonly block: Readonly<Record<string, number>>
  readonly deleted: boolean
}

/** How blocks are handed out: what the IPAM library reads, Calico's defaults applied. */
export interface IpamConfig {
  /** no address of another node's block */
  readonly strictAffinity: boolean
  readonly autoAllocateBlocks: boolean
  /** 0: as many as there are */
  readonly maxBlocksPerHost: number
}
