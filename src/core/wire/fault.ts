import { ERROR_CODES } from './iana.ts'
import type { Fault, Notification, Remedy } from './message.ts'

/**
 * Faults of a peer as values, and which of two remedies is the stronger.
 *
 * Every fault carries the NOTIFICATION that RFC 4271 §6 would answer with, also where RFC 7606 asks
 * for something milder: whoever cannot apply the milder one falls back to it.
 */

/** No message is longer without RFC 8654, header included. RFC 4271 §4.1 */
export const MESSAGE_MAX = 4096

/**
 * No message is longer with RFC 8654: sent to a peer that has offered it, taken from any where we
 * have. OPEN and KEEPALIVE do not grow.
 */
export const EXTENDED_MESSAGE_MAX = 65_535

/**
 * Octets of data in a NOTIFICATION, so that it fits any session: 4,096 less the header, code and
 * subcode.
 *
 * Departs from RFC 4271 §6.3 for a faulty attribute that is longer: its first octets are sent.
 */
export const NOTIFICATION_DATA_MAX = MESSAGE_MAX - 21

const NO_DATA = new Uint8Array(0)

/** A NOTIFICATION. `data` is copied, and cut at `NOTIFICATION_DATA_MAX`. */
export function notification(
  code: number,
  subcode: number,
  data: Uint8Array = NO_DATA,
): Notification {
  return { type: 'NOTIFICATION', code, subcode, data: data.slice(0, NOTIFICATION_DATA_MAX) }
}

/** A fault that only a session reset answers. */
export function resetFault(
  code: number,
  subcode: number,
  why: string,
  data: Uint8Array = NO_DATA,
): Fault {
  return { remedy: 'session-reset', notification: notification(code, subcode, data), why }
}

/** A fault in an UPDATE, with the remedy that RFC 7606 gives it. */
export function updateFault(
  remedy: Remedy,
  subcode: number,
  why: string,
  data: Uint8Array = NO_DATA,
): Fault {
  return { remedy, notification: notification(ERROR_CODES.UPDATE_MESSAGE, subcode, data), why }
}

const SEVERITY: Readonly<Record<Remedy, number>> = {
  'attribute-discard': 1,
  'treat-as-withdraw': 2,
  'session-reset': 3,
}

/** The stronger of two remedies. RFC 7606 §3 (h): "the strongest action MUST be used" */
export function severest(left: Remedy | undefined, right: Remedy): Remedy {
  return left !== undefined && SEVERITY[left] >= SEVERITY[right] ? left : right
}
