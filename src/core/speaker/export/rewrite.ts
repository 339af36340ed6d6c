import type { Writer } from '../../base/index.ts'
import { CODES, EXTENDED_LENGTH, LOCAL_PREF_DEFAULT } from '../../rib/index.ts'

/**
 * The export rules on octets: what rules.ts says of decoded attributes, done to the canonical ones
 * that the table has, without decoding them.
 *
 * A full table has a set for every five prefixes, so that what is done once a set is nearly done
 * once a route. Whatever is out of the ordinary is refused here, and left to the codec.
 */

/** What is to be done, for routes that were learned. */
export interface Rewriting {
  /** our AS number in front; undefined for internal peers */
  readonly prepend: number | undefined
  /** octets of NEXT_HOP; undefined: it stays, or there is none */
  readonly nextHop: Uint8Array | undefined
  /** put in where there is none: RFC 4456 §8 */
  readonly originatorId: number | undefined
  /** put in front: RFC 4456 §8 */
  readonly clusterId: number | undefined
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
  const external = rules.prepend !== undefined
  switch (code) {
    case CODES.AS_PATH:
      if (rules.prepend !== undefined) return prepend(record, value, end, rules.prepend, to)
      break
    case CODES.NEXT_HOP:
      if (rules.nextHop === undefined) break
      header(0x40, CODES.NEXT_HOP, rules.nextHop.length, to)
      to.put(rules.nextHop)
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
      copy(record, value, end, to)
      return true
  }
  copy(record, at, end, to)
  return true
}

/** Puts in what is missing between two codes: LOCAL_PREF, ORIGINATOR_ID, CLUSTER_LIST. */
function insertBetween(last: number, next: number, rules: Rewriting, to: Writer): void {
  if (rules.prepend !== undefined) return
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

/** Puts a number in front of a path that is empty, or one sequence with room. */
function prepend(record: Uint8Array, value: number, end: number, asn: number, to: Writer): boolean {
  if (value === end) {
    header(0x40, CODES.AS_PATH, 6, to)
    to.u8(SEQUENCE)
    to.u8(1)
    to.u32(asn)
    return true
  }
  const count = record[value + 1]!
  const simple = record[value] === SEQUENCE && value + 2 + 4 * count === end
  if (!simple || count === 255) return false
  header(0x40, CODES.AS_PATH, 4 + end - value, to)
  to.u8(SEQUENCE)
  to.u8(count + 1)
  to.u32(asn)
  copy(record, value + 2, end, to)
  return true
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

function copy(from: Uint8Array, start: number, end: number, to: Writer): void {
  for (let at = start; at < end; at++) to.u8(from[at]!)
}
