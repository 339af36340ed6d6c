import type { Brand } from '../base/index.ts'

/** The row numbers of the tables, and who is behind a peer's number. */

/** A row of the peers. 0 is this node itself. */
export type PeerId = Brand<number, 'PeerId'>

/** A row of an `AttributeTable`. Equal sets have equal numbers. */
export type AttributeSetId = Brand<number, 'AttributeSetId'>

/** A row of `NextHops`. */
export type NextHopId = Brand<number, 'NextHopId'>

/** Attributes as one update group sends them: a row of `OutSets`. */
export type OutSetId = Brand<number, 'OutSetId'>

/** No row, of any table: -1 in every column of ids. */
export const NONE = -1

/** No attribute set: the peer has no path, or the destination no best one. */
export const NO_SET = NONE as AttributeSetId

/** Nothing is sent. */
export const NO_OUT_SET = NONE as OutSetId

/** The peer that stands for what this node originates. */
export const LOCAL_PEER = 0 as PeerId

/** `id` as the number of a peer; for the one who numbers them. */
export const peerId = (id: number): PeerId => id as PeerId
