import { invariant } from '../base/index.ts'
import type { Family } from '../net/index.ts'
import { FAMILY_SPECS, familyOfAfiSafi } from './families.ts'
import { MESSAGE_MAX, notification, resetFault } from './fault.ts'
import { HEADER_OCTETS, newMessage } from './framer.ts'
import { CEASE, ERROR_CODES, ERROR_NAMES, HEADER_ERROR, MESSAGE_TYPES } from './iana.ts'
import type { Fault, Notification } from './message.ts'

/**
 * NOTIFICATION: why a session ends. RFC 4271 §4.5; its text for people is RFC 9003.
 *
 *   octet 0    error code
 *   octet 1    error subcode
 *   octets 2…  data, as the code defines
 */

/** Octets of UTF-8 in a shutdown text: its length field is one octet. RFC 9003 §2 */
export const SHUTDOWN_TEXT_MAX = 255

/** Reads a NOTIFICATION's body. `data` is copied. */
export function decodeNotification(body: Uint8Array): Notification | Fault {
  const [code, subcode] = body
  if (code === undefined || subcode === undefined)
    return resetFault(
      ERROR_CODES.MESSAGE_HEADER,
      HEADER_ERROR.BAD_MESSAGE_LENGTH,
      'a NOTIFICATION has at least two octets',
    )
  return { type: 'NOTIFICATION', code, subcode, data: body.slice(2) }
}

/** The whole message. Its data must fit 4,096 octets: the limit of every session. */
export function encodeNotification(from: Notification): Uint8Array {
  const octets = HEADER_OCTETS + 2 + from.data.length
  invariant(octets <= MESSAGE_MAX, 'the data of our own NOTIFICATION fits a message')
  const message = newMessage(MESSAGE_TYPES.NOTIFICATION, octets)
  message[HEADER_OCTETS] = from.code
  message[HEADER_OCTETS + 1] = from.subcode
  message.set(from.data, HEADER_OCTETS + 2)
  return message
}

/**
 * A Cease with `subcode`. `text` is sent where the subcode may carry one (Administrative Shutdown
 * and Reset, RFC 9003 §2), cut at a character so that it has at most 255 octets. Departs from its
 * §3 where a peer may know of 128 alone: it does not say so, and takes the Cease all the same.
 */
export function cease(subcode: number, text = ''): Notification {
  if (text === '' || !carriesText(subcode)) return notification(ERROR_CODES.CEASE, subcode)
  const utf8 = new Uint8Array(SHUTDOWN_TEXT_MAX)
  const { written } = new TextEncoder().encodeInto(text, utf8)
  const data = new Uint8Array(1 + written)
  data[0] = written
  data.set(utf8.subarray(0, written), 1)
  return notification(ERROR_CODES.CEASE, subcode, data)
}

/**
 * The Cease of a peer that has said, or would be sent, more than `most` prefixes of a family.
 * RFC 4486 §4: AFI, SAFI and that number are its data.
 */
export function tooManyPrefixes(family: Family, most: number): Notification {
  const { afi, safi } = FAMILY_SPECS[family]
  const data = new Uint8Array(LIMIT_OCTETS)
  new DataView(data.buffer).setUint16(0, afi)
  data[2] = safi
  new DataView(data.buffer).setUint32(3, most)
  return notification(ERROR_CODES.CEASE, CEASE.MAXIMUM_NUMBER_OF_PREFIXES_REACHED, data)
}

/** What a Cease of too many prefixes says beside that: RFC 4486 §4. */
const LIMIT_OCTETS = 7

/**
 * `reason` as a Hard Reset: the peer is not to keep our routes. RFC 8538 §3.1: code, subcode and
 * data of the reason are the data. Cut where they do not fit.
 */
export function hardReset(reason: Notification): Notification {
  const data = Uint8Array.of(reason.code, reason.subcode, ...reason.data)
  return notification(ERROR_CODES.CEASE, CEASE.HARD_RESET, data)
}

/** The reason inside a Hard Reset; undefined where it gives none, and for all that is not one. */
export function insideHardReset({ code, subcode, data }: Notification): Notification | undefined {
  if (code !== ERROR_CODES.CEASE || subcode !== CEASE.HARD_RESET) return undefined
  const [innerCode, innerSubcode] = data
  if (innerCode === undefined || innerSubcode === undefined) return undefined
  return { type: 'NOTIFICATION', code: innerCode, subcode: innerSubcode, data: data.slice(2) }
}

/** One line for an operator: `Cease, Administrative Shutdown: maintenance`. Safe to print. */
export function describeNotification(from: Notification): string {
  const known = ERROR_NAMES[from.code]
  if (known === undefined) return `error code ${from.code}, subcode ${from.subcode}`
  if (from.subcode === 0) return known.name
  const line = `${known.name}, ${known.subcodes[from.subcode] ?? `subcode ${from.subcode}`}`
  const reason = insideHardReset(from)
  const hard = reason !== undefined && insideHardReset(reason) === undefined
  const text = hard ? describeNotification(reason) : shutdownText(from) || limitText(from)
  return text === '' ? line : `${line}: ${text}`
}

/**
 * The text of an Administrative Shutdown or Reset; empty where there is none or its length is
 * wrong.
 *
 * It is the peer's: what could steer a terminal, or turn the direction of writing, is replaced.
 */
export function shutdownText(from: Notification): string {
  const length = from.data[0]
  if (from.code !== ERROR_CODES.CEASE || !carriesText(from.subcode)) return ''
  if (length === undefined || length === 0 || length > from.data.length - 1) return ''
  const text = new TextDecoder().decode(from.data.subarray(1, 1 + length))
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]+/gu, ' ').trim()
}

/** `at most 1000 of ipv4`, from a Cease of too many prefixes; empty where it does not say. */
function limitText({ code, subcode, data }: Notification): string {
  if (code !== ERROR_CODES.CEASE || subcode !== CEASE.MAXIMUM_NUMBER_OF_PREFIXES_REACHED) return ''
  if (data.length !== LIMIT_OCTETS) return ''
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  const family = familyOfAfiSafi(view.getUint16(0), view.getUint8(2))
  return family === undefined ? '' : `at most ${view.getUint32(3)} of ${family}`
}

function carriesText(subcode: number): boolean {
  return subcode === CEASE.ADMINISTRATIVE_SHUTDOWN || subcode === CEASE.ADMINISTRATIVE_RESET
}
