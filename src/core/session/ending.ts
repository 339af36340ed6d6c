import type { Millis } from '../base/index.ts'
import {
  CEASE,
  ERROR_CODES,
  FSM_ERROR,
  MESSAGE_TYPES,
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
export function causeOf({ code, subcode }: Notification): EndCause {
  if (code === ERROR_CODES.HOLD_TIMER_EXPIRED) return 'lost'
  if (code !== ERROR_CODES.CEASE) return 'disagreed'
  if (subcode === CEASE.CONNECTION_COLLISION_RESOLUTION) return 'collision'
  return LASTING.includes(subcode) ? 'disagreed' : 'lost'
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
