/** Calico's resources: kinds, keys, values. No I/O, no meaning across resources. Layer 2. */

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
  escapeName,
  isResourceName,
  KINDS,
  type Kind,
  kindNamed,
  parseAffinityKey,
  parseResourceKey,
  RESOURCES_ROOT,
  type ResourceName,
  resourceKey,
  unescapeName,
} from './keys.ts'
export * from './kinds/index.ts'
export {
  type Labels,
  parseSelector,
  SELECTOR_DEPTH_MAX,
  type Selector,
  type SelectorFault,
} from './selector.ts'
export {
  asNumberOf,
  type PeerEndpoint,
  parseDuration,
  parseNodeAddress,
  parsePeerEndpoint,
} from './values.ts'
