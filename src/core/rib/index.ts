/** The tables of routes, and the decision. Layer 3. */
export { AdjRibIn } from './adj-rib-in.ts'
export {
  CODES,
  EXTENDED_LENGTH,
  FACTS,
  LOCAL_PREF_DEFAULT,
  LOOPS,
  type Self,
} from './attribute-facts.ts'
export {
  ALIASES_MAX,
  type AttributeColumns,
  AttributeTable,
  attributeContext,
  RECORD_OCTETS_MAX,
} from './attribute-table.ts'
export {
  Candidates,
  compare,
  type DecisionColumns,
  decide,
  isMultipath,
  lossOf,
  REASONS,
  TIE_RULE,
} from './decide.ts'
export { CHANGES, LocRib, MULTIPATH_LIMIT_MAX, type Shared } from './loc-rib.ts'
export { type GroupListener, NextHops, NO_GROUP, nextHopOctets } from './next-hops.ts'
export { AdjRibOut, type Exporter } from './out/adj-rib-out.ts'
export { Feed, type Member } from './out/feed.ts'
export { PACK_ROWS_MAX, Packer } from './out/packer.ts'
export { type GroupTables, UpdateGroup } from './out/update-group.ts'
export {
  type AttributeSetId,
  LOCAL_PEER,
  type NextHopId,
  NO_OUT_SET,
  NO_SET,
  NONE,
  type OutSetId,
  PATHS_PER_PEER_MAX,
  PEER_KINDS,
  PEERS_MAX,
  PeerColumns,
  type PeerId,
  type PeerKind,
  peerId,
} from './rows.ts'
