import type { Writer } from '../../base/index.ts'
import { familyOf } from '../../net/index.ts'
import { FLAG } from '../iana.ts'
import type { PathAttributes, UnknownAttribute } from '../message.ts'
import { splitFourOctet } from './four-octet.ts'
import type { Draft, EncodeContext } from './spec.ts'
import { ATTRIBUTES, type AttributeRow } from './table.ts'

/**
 * The loop that writes a Path Attributes field by the table: ascending codes, canonical flags, the
 * shortest length field. Equal attributes give equal bytes.
 */

/**
 * Writes all attributes but MP_REACH_NLRI and MP_UNREACH_NLRI, which belong to the prefixes sent
 * with them. NEXT_HOP is written where the next hop is IPv4. Attributes that are not known are
 * written where they are optional and transitive, with the Partial bit (RFC 4271 §5). To a
 * two-octet session AS_TRANS stands for large numbers, with AS4_PATH and AS4_AGGREGATOR beside.
 *
 * @param to  `overflow` afterwards: the attributes do not fit it, or cannot be written at all
 */
export function encodeAttributes(
  attributes: PathAttributes,
  context: EncodeContext,
  to: Writer,
): void {
  const from: Readonly<Draft> = context.fourOctetAs ? attributes : splitFourOctet(attributes)
  const unknown = passedOn(attributes.unknown)
  let next = 0
  for (const row of ATTRIBUTES) {
    for (; next < unknown.length && unknown[next]!.code < row.rules.code; next++)
      writeUnknown(unknown[next]!, to)
    if (row.rules.code === NEXT_HOP_CODE && !hasIpv4NextHop(attributes)) continue
    if (row.present(from)) writeKnown(row, from, context, to)
  }
  for (; next < unknown.length; next++) writeUnknown(unknown[next]!, to)
}

const NEXT_HOP_CODE = 3

function hasIpv4NextHop({ nextHop }: PathAttributes): boolean {
  return nextHop !== undefined && familyOf(nextHop) === 'ipv4'
}

function passedOn(unknown: readonly UnknownAttribute[] = []): readonly UnknownAttribute[] {
  const both = FLAG.OPTIONAL | FLAG.TRANSITIVE
  return unknown
    .filter(({ flags }) => (flags & both) === both)
    .sort((left, right) => left.code - right.code)
}

function writeKnown(
  row: AttributeRow,
  from: Readonly<Draft>,
  context: EncodeContext,
  to: Writer,
): void {
  const { flags, code } = row.rules
  // RFC 4271 §5: where it was set by another AS "it MUST NOT be set back to 0 by the current AS"
  const partial = from.partial?.includes(code) ? FLAG.PARTIAL : 0
  writeAttribute(flags | partial, code, to, () => row.write(from, to, context))
}

function writeUnknown({ code, value }: UnknownAttribute, to: Writer): void {
  writeAttribute(FLAG.OPTIONAL | FLAG.TRANSITIVE | FLAG.PARTIAL, code, to, () => to.put(value))
}

/**
 * Writes the header, runs `body`, and widens the length field where the value turns out to need it.
 */
export function writeAttribute(flags: number, code: number, to: Writer, body: () => void): void {
  const start = to.length
  to.u8(flags)
  to.u8(code)
  to.u8(0)
  body()
  const octets = to.length - start - 3
  if (octets > 0xff) {
    to.u8(0)
    if (to.overflow) return
    to.buffer.copyWithin(start + 4, start + 3, start + 3 + octets)
    to.buffer[start] = flags | FLAG.EXTENDED_LENGTH
    to.buffer[start + 2] = octets >>> 8
    to.buffer[start + 3] = octets
  } else if (!to.overflow) to.buffer[start + 2] = octets
}
