import type { Writer } from '../../base/index.ts'
import { CODES, EXTENDED_LENGTH, LOCAL_PREF_DEFAULT } from '../../rib/index.ts'
import { SEGMENT_ASNS_MAX } from '../../wire/index.ts'
import { GONE, judgeAsn, judgesPath, type PathRules } from './as-path.ts'
import type { NextHopRule } from './next-hop.ts'

/**
 * The export rules on octets: what rules.ts says of decoded attributes, done to the canonical ones
 * that the table has, without decoding them.
 *
 * A full table has a set for every five prefixes, so that what is done once a set is nearly done
 * once a route. Whatever is out of the ordinary is refused here, and left to the codec.
 */

/** What is to be done, for routes that were learned. */
export interface Rewriting {
  /** what becomes of AS_PATH; undefined for internal peers */
  readonly path: PathRules | undefined
  /** what becomes of NEXT_HOP; undefined where the next hop is not there */
  readonly nextHop: NextHopRule | undefined
  /** put in where there is none: RFC 4456 §8 */
  readonly originatorId: number | undefined
  /** put in front: RFC 4456 §8 */
  readonly clusterId: number | undefined
  /** put in where there is none: RFC 9234 §5 */
  readonly onlyToCustomer: number | undefined
}

/**
 * Writes the attributes of `record` from `start` on as `rules` have them, in ascending order.
 *
 * @returns false where the codec must be asked; what was written is of no use then
 */
export function rewrite(record: Uint8Array, start: number, rules: Rewriting, to: Writer): boolean {
  let at = start
  let last = 0
  while (at < record.length) {
    const code = record[at + 1]!
    const wide = (record[at]! & EXTENDED_LENGTH) !== 0
    const value = at + (wide ? 4 : 3)
    const end = value + (wide ? (record[at + 2]! << 8) | record[at + 3]! : record[at + 2]!)
    insertBetween(last, code, rules, to)
    if (!rewriteOne(record, code, { at, value, end }, rules, to)) return false
    last = code
    at = end
  }
  insertBetween(last, 256, rules, to)
  return true
}

interface Place {
  readonly at: number
  readonly value: number
  readonly end: number
}

function rewriteOne(
  record: Uint8Array,
  code: number,
  { at, value, end }: Place,
  rules: Rewriting,
  to: Writer,
): boolean {
  const external = rules.path !== undefined
  switch (code) {
    case CODES.AS_PATH:
      if (rules.path !== undefined) return rewritePath(record, value, end, rules.path, to)
      break
    case CODES.NEXT_HOP:
      if (rules.nextHop?.own === undefined || rules.nextHop.stays(record, value, 4)) break
      header(0x40, CODES.NEXT_HOP, 4, to)
      to.put(rules.nextHop.own)
      return true
    case CODES.MED:
    case CODES.LOCAL_PREF:
    case CODES.ORIGINATOR_ID:
      if (external) return true
      break
    case CODES.CLUSTER_LIST:
      if (external) return true
      if (rules.clusterId === undefined) break
      header(0x80, CODES.CLUSTER_LIST, 4 + end - value, to)
      to.u32(rules.clusterId)
      to.copy(record, value, end)
      return true
  }
  to.copy(record, at, end)
  return true
}

/** Puts in what is missing between two codes: LOCAL_PREF, ORIGINATOR_ID, CLUSTER_LIST, OTC. */
function insertBetween(last: number, next: number, rules: Rewriting, to: Writer): void {
  if (rules.path !== undefined) {
    if (rules.onlyToCustomer === undefined) return
    if (last >= CODES.ONLY_TO_CUSTOMER || next <= CODES.ONLY_TO_CUSTOMER) return
    header(0xc0, CODES.ONLY_TO_CUSTOMER, 4, to)
    to.u32(rules.onlyToCustomer)
    return
  }
  if (last < CODES.LOCAL_PREF && next > CODES.LOCAL_PREF) {
    header(0x40, CODES.LOCAL_PREF, 4, to)
    to.u32(LOCAL_PREF_DEFAULT)
  }
  if (rules.originatorId === undefined || rules.clusterId === undefined) return
  if (last < CODES.ORIGINATOR_ID && next > CODES.ORIGINATOR_ID) {
    header(0x80, CODES.ORIGINATOR_ID, 4, to)
    to.u32(rules.originatorId)
  }
  if (last < CODES.CLUSTER_LIST && next > CODES.CLUSTER_LIST) {
    header(0x80, CODES.CLUSTER_LIST, 4, to)
    to.u32(rules.clusterId)
  }
}

const SEQUENCE = 2

/** Puts our numbers in front of a path that is empty, or one sequence with room; judges others. */
function rewritePath(
  record: Uint8Array,
  value: number,
  end: number,
  rules: PathRules,
  to: Writer,
): boolean {
  const { front } = rules
  const count = value === end ? 0 : record[value + 1]!
  const first = value + 2
  if (value !== end && (record[value] !== SEQUENCE || first + 4 * count !== end)) return false
  if (count + front.length > SEGMENT_ASNS_MAX) return false
  const judges = judgesPath(rules)
  const kept = judges ? countKept(record, first, end, rules) : count
  header(0x40, CODES.AS_PATH, 2 + 4 * (front.length + kept), to)
  to.u8(SEQUENCE)
  to.u8(front.length + kept)
  for (const asn of front) to.u32(asn)
  if (!judges) {
    if (count > 0) to.copy(record, first, end)
    return true
  }
  for (let at = first; at < end; at += 4) {
    const asn = judgeAsn(rules, word32(record, at))
    if (asn !== GONE) to.u32(asn)
  }
  return true
}

function countKept(record: Uint8Array, first: number, end: number, rules: PathRules): number {
  let kept = 0
  for (let at = first; at < end; at += 4) if (judgeAsn(rules, word32(record, at)) !== GONE) kept++
  return kept
}

function word32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
  )
}

function header(flags: number, code: number, octets: number, to: Writer): void {
  if (octets > 255) {
    to.u8(flags | EXTENDED_LENGTH)
    to.u8(code)
    to.u16(octets)
  } else {
    to.u8(flags)
    to.u8(code)
    to.u8(octets)
  }
}
