/** The tables of routes, and the decision. Layer 3. */
export {
  Acceptance,
  Acceptances,
  type Acceptor,
  AS_RECEIVED,
  EVERY_SET,
  REFUSED_FIRST,
} from './acceptance.ts'
export { AdjRibIn, newWalk, PathColumn, type PathWalk } from './adj-rib-in.ts'
export {
  attributeContext,
  CODES,
  EXTENDED_LENGTH,
  FACTS,
  LOCAL_PREF_DEFAULT,
  LOOPS,
  type Self,
} from './attribute-facts.ts'
export {
  ALIAS_OCTETS_MAX,
  ALIASES_MAX,
  type AttributeColumns,
  AttributeTable,
  RECORD_OCTETS_MAX,
  writeNextHop,
} from './attribute-table.ts'
export {
  Candidates,
  compare,
  type DecisionColumns,
  decide,
  isMultipath,
  lossOf,
  MULTIPATH_LIMIT_MAX,
  REASONS,
  TIE_RULE,
} from './decide.ts'
export { type FullTable, fullSets } from './full-table.ts'
export { CHANGES, type Decided, LocRib, type Shared } from './loc-rib.ts'
export {
  NEXT_HOPS_MAX,
  NextHops,
  NO_GROUP,
  nextHopOctets,
  type Resolution,
  scopedText,
  type TrackListener,
} from './next-hops.ts'
export { AdjRibOut } from './out/adj-rib-out.ts'
export type { CeilingOf } from './out/ceiling.ts'
export { Feed } from './out/feed.ts'
export { type Exporter, Forms } from './out/forms.ts'
export type { GroupForm, GroupTables } from './out/group-form.ts'
export { type MessageForm, PACK_ROWS_MAX, Packer } from './out/packer.ts'
export { Plane } from './out/plane.ts'
export { SEND_PATHS_MAX, Selection, type SendPaths } from './out/selection.ts'
export { type Member, type RefreshMarks, Stream } from './out/stream.ts'
export { UpdateGroup } from './out/update-group.ts'
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
