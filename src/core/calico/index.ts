/**
 * Calico's resources: kinds, keys, values, and what their writers obey. No I/O, and no meaning for
 * a node: that is core/intent's. Layer 2.
 */

export {
  type AssignRules,
  type AssignStep,
  assignStep,
  ordinalsOf,
  withAssigned,
} from './ipam/assign.ts'
export {
  addressAt,
  addressesIn,
  affinityOf,
  type BlockClaim,
  type BlockUsage,
  CANDIDATES_MAX,
  candidateBlocks,
  newBlock,
  ordinalOf,
  usageOf,
  usedIn,
  withAllReserved,
  withoutAffinity,
  withReleased,
} from './ipam/blocks.ts'
export {
  type AssignedAddress,
  assignedIn,
  assignmentOf,
  borrowedIn,
  type IpamState,
  ipamFindings,
} from './ipam/check.ts'
export {
  type AffinityState,
  type BlockView,
  type ClaimRules,
  type ClaimStep,
  claimStep,
  type ReleaseRules,
  type ReleaseStep,
  releaseStep,
  usablePools,
} from './ipam/claim.ts'
export {
  decodeBlock,
  decodeHandle,
  decodeIpamConfig,
  encodeBlock,
  encodeHandle,
  encodeIpamConfig,
  IPAM_CONFIG_DEFAULT,
} from './ipam/codec.ts'
export {
  type AllocationAttribute,
  type AllocationBlock,
  type BlockAffinity,
  type IpamConfig,
  type IpamHandle,
  isConfirmed,
} from './ipam/values.ts'
export {
  AFFINITIES_ROOT,
  affinityKey,
  BLOCKS_ROOT,
  blockKey,
  escapeName,
  HANDLES_ROOT,
  handleKey,
  IPAM_CONFIG_KEY,
  isResourceName,
  KINDS,
  type Kind,
  kindNamed,
  parseAffinityKey,
  parseBlockKey,
  parseResourceKey,
  RESOURCES_ROOT,
  type ResourceName,
  resourceKey,
  unescapeName,
  workloadEndpointPrefix,
} from './keys.ts'
export * from './kinds/index.ts'
export {
  type Labels,
  parseSelector,
  SELECTOR_DEPTH_MAX,
  type Selector,
  type SelectorFault,
} from './selector.ts'
export { TUNNELS, type TunnelFacts, type TunnelKind, tunnelHandle, vtepMac } from './tunnel.ts'
export {
  asNumberOf,
  isCommunity,
  type PeerEndpoint,
  parseDuration,
  parseNodeAddress,
  parsePeerEndpoint,
} from './values.ts'
export { withDefaults } from './writing/defaults.ts'
export { labelFaults, type WriteFault, writeFaults } from './writing/faults.ts'
export { DATASTORE_KEY, newDatastore } from './writing/new-datastore.ts'
export { filterFaults, type PoolSurroundings, poolFaultsAmong } from './writing/others.ts'
