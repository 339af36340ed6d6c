import { Reader } from '../base/index.ts'
import type { DecodedAttributes } from './attributes/decode.ts'
import { MP_REACH_NLRI } from './attributes/mp-reach.ts'
import { MP_UNREACH_NLRI } from './attributes/mp-unreach.ts'
import type { AttributeKey, AttributeSpec, Reach, Unreach } from './attributes/spec.ts'
import { updateFault } from './fault.ts'
import { FLAG, UPDATE_ERROR } from './iana.ts'
import type { Fault, Remedy, Update } from './message.ts'

/**
 * UPDATE, without decoding what is in it: sections, and where the routes of other families lie.
 *
 *   octets 0..1  length of the withdrawn routes
 *   octets 2…    withdrawn routes
 *   2 octets     length of the path attributes
 *   octets …     path attributes
 *   octets …     NLRI, up to the end of the message
 *
 * A table keeps each distinct string of attributes once. MP_REACH_NLRI and MP_UNREACH_NLRI are
 * different in every message, so they are cut out before strings are compared.
 */

/**
 * The sections of an UPDATE's body; views, nothing is copied. Where the lengths do not add up
 * nothing can be trusted: RFC 4271 §6.3, RFC 7606 §3 (b). O(1).
 */
export function splitUpdate(body: Uint8Array): Update | Fault {
  const from = new Reader(body)
  const withdrawn = from.view(from.u16())
  const attributes = from.view(from.u16())
  if (from.overrun)
    return updateFault(
      'session-reset',
      UPDATE_ERROR.MALFORMED_ATTRIBUTE_LIST,
      'the sections of an UPDATE are longer than the message',
    )
  return { type: 'UPDATE', withdrawn, attributes, nlri: from.rest() }
}

/**
 * Where two attributes lie in a Path Attributes field, as octets from its start; -1 where absent.
 */
export interface ReachLocation {
  /** first octet of MP_REACH_NLRI, its flags */
  reachStart: number
  /** the octet after it */
  reachEnd: number
  unreachStart: number
  unreachEnd: number
  /**
   * false: headers do not add up, or one of the two is there twice; `decodeAttributes` says what
   */
  sound: boolean
}

const located: ReachLocation = {
  reachStart: -1,
  reachEnd: -1,
  unreachStart: -1,
  unreachEnd: -1,
  sound: true,
}

/**
 * Finds MP_REACH_NLRI and MP_UNREACH_NLRI by walking headers. O(attributes), allocates nothing.
 *
 * @returns one object for all calls: valid until the next one
 */
export function locateReach(raw: Uint8Array): Readonly<ReachLocation> {
  located.reachStart = -1
  located.reachEnd = -1
  located.unreachStart = -1
  located.unreachEnd = -1
  located.sound = true
  let at = 0
  while (at < raw.length) {
    const start = at
    const extended = (raw[at]! & FLAG.EXTENDED_LENGTH) !== 0
    at += extended ? 4 : 3
    if (at > raw.length) return unsound()
    at += extended ? (raw[at - 2]! << 8) | raw[at - 1]! : raw[at - 1]!
    if (at > raw.length) return unsound()
    const code = raw[start + 1]!
    if (code === MP_REACH_NLRI.code) {
      if (located.reachStart >= 0) return unsound()
      located.reachStart = start
      located.reachEnd = at
    } else if (code === MP_UNREACH_NLRI.code) {
      if (located.unreachStart >= 0) return unsound()
      located.unreachStart = start
      located.unreachEnd = at
    }
  }
  return located
}

function unsound(): Readonly<ReachLocation> {
  located.sound = false
  return located
}

/**
 * MP_REACH_NLRI as `locateReach` found it. On a fault, `decodeAttributes` of the whole field says
 * what is to be done. The parts are views of `raw`.
 */
export function reachAt(raw: Uint8Array, start: number, end: number): Reach | Fault {
  return attributeAt(MP_REACH_NLRI, raw, start, end)
}

/** MP_UNREACH_NLRI as `locateReach` found it; faults as with `reachAt`. */
export function unreachAt(raw: Uint8Array, start: number, end: number): Unreach | Fault {
  return attributeAt(MP_UNREACH_NLRI, raw, start, end)
}

function attributeAt<Key extends AttributeKey & ('reach' | 'unreach')>(
  spec: AttributeSpec<Key>,
  raw: Uint8Array,
  start: number,
  end: number,
): NonNullable<ReturnType<typeof spec.decode>> | Fault {
  const flags = raw[start]!
  const from = new Reader(raw, start + ((flags & FLAG.EXTENDED_LENGTH) === 0 ? 3 : 4), end)
  const fits = (flags & (FLAG.OPTIONAL | FLAG.TRANSITIVE)) === spec.flags
  const value = fits ? spec.decode(from, NO_CONTEXT) : undefined
  if (value !== undefined && !from.overrun) return value
  return updateFault(
    'session-reset',
    spec.subcode,
    `${spec.name} is malformed`,
    raw.subarray(start, end),
  )
}

/** The two attributes read the same on every session. */
const NO_CONTEXT = { fourOctetAs: true, ebgp: false }

/**
 * What is to be done with an UPDATE, all things considered.
 *
 * RFC 7606 §5.2: an UPDATE that has attributes but announces nothing must be without faults, or we
 * "cannot be confident that the NLRI have been successfully parsed", and the session is reset.
 */
export function remedyOf(decoded: DecodedAttributes, update: Update): Remedy | undefined {
  const { remedy, reach } = decoded
  if (remedy !== 'treat-as-withdraw') return remedy
  const announces = update.nlri.length > 0 || (reach !== undefined && reach.nlri.length > 0)
  return announces ? remedy : 'session-reset'
}
