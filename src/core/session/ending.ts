import type { Millis } from '../base/index.ts'
import {
  type Capability,
  CEASE,
  ERROR_CODES,
  FSM_ERROR,
  hardReset,
  insideHardReset,
  MESSAGE_TYPES,
  type Negotiated,
  type Notification,
  notification,
} from '../wire/index.ts'
import type { SessionError, State } from './types.ts'

/** How a connection ends, and what that says about the next one. */

/** Active is a state of waiting, and waiting is the peer's. */
export type ConnectionState = Exclude<State, 'Active'>

/**
 * Why a connection ended, as far as it matters for the next one. `unanswered`: it was never opened,
 * in time; `lost`: network or peer went away; `disagreed`: it would end the same way again;
 * `collision`: another connection is kept.
 */
export type EndCause = 'unanswered' | 'lost' | 'disagreed' | 'collision'

/** A step from one state of a connection to the next. */
export type Move =
  | { readonly to: 'Connect' | 'OpenSent'; readonly why: string }
  | {
      readonly to: 'OpenConfirm'
      readonly why: string
      readonly negotiated: Negotiated
      readonly theirs: readonly Capability[]
    }
  | { readonly to: 'Established'; readonly why: string; readonly negotiated: Negotiated }
  | { readonly to: 'Idle'; readonly cause: EndCause; readonly error: SessionError }

/** How a connection ended. */
export interface Ending {
  readonly cause: EndCause
  readonly error: SessionError
  readonly from: ConnectionState
  /** time in `from` */
  readonly lasted: Millis
}

/** Ceases after which trying again at once would end in the same way. */
const LASTING: readonly number[] = [
  CEASE.MAXIMUM_NUMBER_OF_PREFIXES_REACHED,
  CEASE.OUT_OF_RESOURCES,
]

/** What a NOTIFICATION, sent or received, says about the next attempt. */
export function causeOf(farewell: Notification): EndCause {
  const { code, subcode } = insideHardReset(farewell) ?? farewell
  if (code === ERROR_CODES.HOLD_TIMER_EXPIRED) return 'lost'
  if (code === ERROR_CODES.SEND_HOLD_TIMER_EXPIRED) return 'lost'
  if (code !== ERROR_CODES.CEASE) return 'disagreed'
  if (subcode === CEASE.CONNECTION_COLLISION_RESOLUTION) return 'collision'
  return LASTING.includes(subcode) ? 'disagreed' : 'lost'
}

/** Ceases after which routes are not to be kept: we do not mean to come back soon. RFC 8538 §5.1 */
const FOR_GOOD: readonly number[] = [
  CEASE.MAXIMUM_NUMBER_OF_PREFIXES_REACHED,
  CEASE.ADMINISTRATIVE_SHUTDOWN,
  CEASE.PEER_DECONFIGURED,
]

/**
 * What is said for `farewell` where both sides keep routes through a NOTIFICATION: a stop has to
 * say that it is none of those that are waited for. RFC 8538 §3.1
 */
export function worded(farewell: Notification, negotiated: Negotiated | undefined): Notification {
  const { code, subcode } = farewell
  const keeps = negotiated?.gracefulRestart?.notification === true
  const final = code === ERROR_CODES.CEASE && FOR_GOOD.includes(subcode)
  return keeps && final ? hardReset(farewell) : farewell
}

/**
 * Whether the peer's routes are to be kept after an Established session ended so: it was lost
 * without a word (RFC 4724 §4.2), or by a NOTIFICATION that is no Hard Reset and both sides keep
 * routes through those. Departs from RFC 8538 §4 for our own hold timer: a peer that was silent for
 * all of it has most likely lost its link or its power, and its routes would go on drawing traffic.
 */
export function keepsRoutes(
  { cause, error }: Pick<Ending, 'cause' | 'error'>,
  negotiated: Negotiated | undefined,
): boolean {
  const restart = negotiated?.gracefulRestart
  if (restart === undefined) return false
  if (error.direction === 'local') return cause === 'lost'
  const hard = error.code === ERROR_CODES.CEASE && error.subcode === CEASE.HARD_RESET
  const silent = error.direction === 'sent' && error.code === ERROR_CODES.HOLD_TIMER_EXPIRED
  return restart.notification && !hard && !silent
}

/** A message that not every state expects. */
export type MessageName = keyof typeof TYPE_OCTETS

const TYPE_OCTETS = {
  OPEN: MESSAGE_TYPES.OPEN,
  UPDATE: MESSAGE_TYPES.UPDATE,
  KEEPALIVE: MESSAGE_TYPES.KEEPALIVE,
  'ROUTE-REFRESH': MESSAGE_TYPES.ROUTE_REFRESH,
} as const

const UNEXPECTED: Readonly<Record<ConnectionState, number>> = {
  Idle: FSM_ERROR.UNSPECIFIED,
  Connect: FSM_ERROR.UNSPECIFIED,
  OpenSent: FSM_ERROR.UNEXPECTED_IN_OPEN_SENT,
  OpenConfirm: FSM_ERROR.UNEXPECTED_IN_OPEN_CONFIRM,
  Established: FSM_ERROR.UNEXPECTED_IN_ESTABLISHED,
}

/** What answers a message that `state` does not expect: its type is the data. RFC 6608 §4 */
export function unexpected(name: MessageName, state: ConnectionState): Notification {
  const data = Uint8Array.of(TYPE_OCTETS[name])
  return notification(ERROR_CODES.FINITE_STATE_MACHINE, UNEXPECTED[state], data)
}
