/** Calico's resources: kinds, keys, values. No I/O, no meaning across resources. Layer 2. */
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
export {
  API_VERSION,
  type BgpConfigurationResource,
  type BgpConfigurationSpec,
  type BgpPeerResource,
  type BgpPeerSpec,
  type BlockAffinity,
  isConfirmed,
  type Metadata,
  type NodeBgp,
  type NodeResource,
  type NodeSpec,
  type NodeStatus,
  type PasswordSource,
  type Resource,
} from './kinds.ts'
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
