import { Reader } from '../base/index.ts'
import type { Family } from '../net/index.ts'
import type { DecodedAttributes } from './attributes/decode.ts'
import { MP_REACH_NLRI } from './attributes/mp-reach.ts'
import { MP_UNREACH_NLRI } from './attributes/mp-unreach.ts'
import { FAMILY_SPECS, familyOfAfiSafi } from './families.ts'
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

/** MP_REACH_NLRI or MP_UNREACH_NLRI, as octets of an UPDATE's body. */
export interface RoutesLocation {
  /** first octet of the attribute, its flags; -1 where there is none */
  start: number
  /** the octet after it, and after its routes */
  end: number
  /** of its routes; undefined where it is not known here, or the attribute is malformed */
  family: Family | undefined
  /** first octet of its routes */
  nlri: number
}

/** Where everything in an UPDATE's body lies: octets from its start. */
export interface UpdateLocation {
  /** false: the sections are longer than the message */
  fits: boolean
  /** the octet after the withdrawn routes, which begin at octet 2 */
  withdrawnEnd: number
  attributes: number
  /** the octet after the attributes, where the NLRI begins; it goes on to the end of the message */
  nlri: number
  readonly reach: RoutesLocation & { nextHop: number; nextHopEnd: number }
  readonly unreach: RoutesLocation
  /**
   * false: headers of attributes do not add up, or one of those two is broken or there twice;
   * `decodeAttributes` says what
   */
  sound: boolean
}

const absent = (): RoutesLocation => ({ start: -1, end: -1, family: undefined, nlri: -1 })

const located: UpdateLocation = {
  fits: false,
  withdrawnEnd: 0,
  attributes: 0,
  nlri: 0,
  reach: { ...absent(), nextHop: -1, nextHopEnd: -1 },
  unreach: absent(),
  sound: false,
}

/**
 * Finds what is in an UPDATE by walking headers. O(attributes), allocates nothing.
 *
 * @returns one object for all calls: valid until the next one
 */
export function locateUpdate(body: Uint8Array): Readonly<UpdateLocation> {
  const { reach, unreach } = located
  reach.start = -1
  reach.family = undefined
  unreach.start = -1
  unreach.family = undefined
  located.fits = false
  located.sound = false
  if (body.length < 4) return located
  located.withdrawnEnd = 2 + word16(body, 0)
  located.attributes = located.withdrawnEnd + 2
  if (located.attributes > body.length) return located
  located.nlri = located.attributes + word16(body, located.withdrawnEnd)
  if (located.nlri > body.length) return located
  located.fits = true
  located.sound = findRoutes(body, located.attributes, located.nlri)
  return located
}

/** False where attributes are not sound. */
function findRoutes(body: Uint8Array, from: number, to: number): boolean {
  const { reach, unreach } = located
  let sound = true
  for (let at = from; at < to; ) {
    const start = at
    const extended = (body[at]! & FLAG.EXTENDED_LENGTH) !== 0
    const value = at + (extended ? 4 : 3)
    if (value > to) return false
    at = value + (extended ? word16(body, value - 2) : body[value - 1]!)
    if (at > to) return false
    const code = body[start + 1]!
    if (code === MP_REACH_NLRI.code) {
      if (reach.start >= 0) return false
      sound = readReach(body, start, value, at) && sound
    } else if (code === MP_UNREACH_NLRI.code) {
      if (unreach.start >= 0) return false
      sound = readUnreach(body, start, value, at) && sound
    }
  }
  return sound
}

function readReach(body: Uint8Array, start: number, value: number, end: number): boolean {
  const { reach } = located
  reach.start = start
  reach.end = end
  reach.family = undefined
  if (!hasFlags(body[start]!, MP_REACH_NLRI.flags) || end - value < 5) return false
  const family = familyOfAfiSafi(word16(body, value), body[value + 2]!)
  const octets = body[value + 3]!
  reach.nextHop = value + 4
  reach.nextHopEnd = value + 4 + octets
  // behind an octet that is reserved
  reach.nlri = value + 5 + octets
  if (reach.nlri > end) return false
  if (family === undefined) return true
  if (!FAMILY_SPECS[family].nextHopOctets.includes(octets)) return false
  reach.family = family
  return true
}

function readUnreach(body: Uint8Array, start: number, value: number, end: number): boolean {
  const { unreach } = located
  unreach.start = start
  unreach.end = end
  unreach.family = undefined
  if (!hasFlags(body[start]!, MP_UNREACH_NLRI.flags) || end - value < 3) return false
  unreach.family = familyOfAfiSafi(word16(body, value), body[value + 2]!)
  unreach.nlri = value + 3
  return true
}

const hasFlags = (flags: number, wanted: number): boolean =>
  (flags & (FLAG.OPTIONAL | FLAG.TRANSITIVE)) === wanted

const word16 = (bytes: Uint8Array, at: number): number => (bytes[at]! << 8) | bytes[at + 1]!

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
