/** The tables of routes, and the decision. Layer 3. */
export { AdjRibIn } from './adj-rib-in.ts'
export { AdjRibOut, type Exporter } from './adj-rib-out.ts'
export {
  CODES,
  EXTENDED_LENGTH,
  FACTS,
  LOCAL_PREF_DEFAULT,
  LOOPS,
  type Self,
} from './attribute-facts.ts'
export {
  type AttributeColumns,
  AttributeTable,
  aliasesMax,
  attributeContext,
  recordOctetsMax,
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
export { Feed, type Member } from './feed.ts'
export { CHANGES, LocRib, multipathLimitMax, type Shared } from './loc-rib.ts'
export { type GroupListener, NextHops, NO_GROUP, nextHopOctets } from './next-hops.ts'
export { Packer, packRowsMax } from './packer.ts'
export {
  type AttributeSetId,
  LOCAL_PEER,
  type NextHopId,
  NO_OUT_SET,
  NO_SET,
  NONE,
  type OutSetId,
  PEER_KINDS,
  PeerColumns,
  type PeerId,
  type PeerKind,
  peerId,
  peersMax,
} from './rows.ts'
export { type GroupTables, UpdateGroup } from './update-group.ts'
