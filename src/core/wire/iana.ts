/**
 * Numbers that IANA keeps for BGP: message types, error codes with their subcodes, attribute flags.
 *
 * Names are the registry's. Only what this program says or explains is here; a number without a
 * name is printed as a number.
 */

/** Message types. RFC 4271 §4.1, RFC 2918 §3 */
export const MESSAGE_TYPES = {
  OPEN: 1,
  UPDATE: 2,
  NOTIFICATION: 3,
  KEEPALIVE: 4,
  ROUTE_REFRESH: 5,
} as const

/** Error codes of a NOTIFICATION. RFC 4271 §4.5, RFC 7313 §5, RFC 9687 §5 */
export const ERROR_CODES = {
  MESSAGE_HEADER: 1,
  OPEN_MESSAGE: 2,
  UPDATE_MESSAGE: 3,
  HOLD_TIMER_EXPIRED: 4,
  FINITE_STATE_MACHINE: 5,
  CEASE: 6,
  ROUTE_REFRESH_MESSAGE: 7,
  SEND_HOLD_TIMER_EXPIRED: 8,
} as const

/** Subcodes of Message Header Error. RFC 4271 §6.1 */
export const HEADER_ERROR = {
  CONNECTION_NOT_SYNCHRONIZED: 1,
  BAD_MESSAGE_LENGTH: 2,
  BAD_MESSAGE_TYPE: 3,
} as const

/** Subcodes of OPEN Message Error. RFC 4271 §6.2, RFC 5492 §5, RFC 9234 §4.2 */
export const OPEN_ERROR = {
  UNSPECIFIC: 0,
  UNSUPPORTED_VERSION_NUMBER: 1,
  BAD_PEER_AS: 2,
  BAD_BGP_IDENTIFIER: 3,
  UNSUPPORTED_OPTIONAL_PARAMETER: 4,
  UNACCEPTABLE_HOLD_TIME: 6,
  UNSUPPORTED_CAPABILITY: 7,
  ROLE_MISMATCH: 11,
} as const

/** Subcodes of UPDATE Message Error. RFC 4271 §6.3 */
export const UPDATE_ERROR = {
  MALFORMED_ATTRIBUTE_LIST: 1,
  UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE: 2,
  MISSING_WELL_KNOWN_ATTRIBUTE: 3,
  ATTRIBUTE_FLAGS_ERROR: 4,
  ATTRIBUTE_LENGTH_ERROR: 5,
  INVALID_ORIGIN_ATTRIBUTE: 6,
  INVALID_NEXT_HOP_ATTRIBUTE: 8,
  OPTIONAL_ATTRIBUTE_ERROR: 9,
  INVALID_NETWORK_FIELD: 10,
  MALFORMED_AS_PATH: 11,
} as const

/** Subcodes of Finite State Machine Error: a message that its state does not expect. RFC 6608 §3 */
export const FSM_ERROR = {
  UNSPECIFIED: 0,
  UNEXPECTED_IN_OPEN_SENT: 1,
  UNEXPECTED_IN_OPEN_CONFIRM: 2,
  UNEXPECTED_IN_ESTABLISHED: 3,
} as const

/** Subcodes of ROUTE-REFRESH Message Error. RFC 7313 §5 */
export const REFRESH_ERROR = { INVALID_MESSAGE_LENGTH: 1 } as const

/** What a ROUTE-REFRESH says: its third octet. RFC 7313 §3.2 */
export const REFRESH_SUBTYPE = { REQUEST: 0, BEGINS: 1, ENDS: 2 } as const

/** Subcodes of Cease. RFC 4486 §4, RFC 8538 §3.1, RFC 9384 §3 */
export const CEASE = {
  MAXIMUM_NUMBER_OF_PREFIXES_REACHED: 1,
  ADMINISTRATIVE_SHUTDOWN: 2,
  PEER_DECONFIGURED: 3,
  ADMINISTRATIVE_RESET: 4,
  CONNECTION_REJECTED: 5,
  OTHER_CONFIGURATION_CHANGE: 6,
  CONNECTION_COLLISION_RESOLUTION: 7,
  OUT_OF_RESOURCES: 8,
  HARD_RESET: 9,
  BFD_DOWN: 10,
} as const

/** Capability codes. RFC 5492 §4 and the documents that define them */
export const CAPABILITY_CODES = {
  MULTIPROTOCOL: 1,
  ROUTE_REFRESH: 2,
  EXTENDED_NEXT_HOP: 5,
  EXTENDED_MESSAGE: 6,
  ROLE: 9,
  GRACEFUL_RESTART: 64,
  FOUR_OCTET_AS: 65,
  ADD_PATH: 69,
  ENHANCED_ROUTE_REFRESH: 70,
  LONG_LIVED_GRACEFUL_RESTART: 71,
} as const

/** The high bits of an attribute's flags octet. RFC 4271 §4.3 */
export const FLAG = {
  OPTIONAL: 0x80,
  TRANSITIVE: 0x40,
  PARTIAL: 0x20,
  EXTENDED_LENGTH: 0x10,
} as const

/** What an operator reads for an error code, and for each of its subcodes. */
export const ERROR_NAMES: Readonly<
  Record<number, { readonly name: string; readonly subcodes: Readonly<Record<number, string>> }>
> = {
  1: {
    name: 'Message Header Error',
    subcodes: {
      1: 'Connection Not Synchronized',
      2: 'Bad Message Length',
      3: 'Bad Message Type',
    },
  },
  2: {
    name: 'OPEN Message Error',
    subcodes: {
      1: 'Unsupported Version Number',
      2: 'Bad Peer AS',
      3: 'Bad BGP Identifier',
      4: 'Unsupported Optional Parameter',
      5: 'Authentication Failure (deprecated)',
      6: 'Unacceptable Hold Time',
      7: 'Unsupported Capability',
      11: 'Role Mismatch',
    },
  },
  3: {
    name: 'UPDATE Message Error',
    subcodes: {
      1: 'Malformed Attribute List',
      2: 'Unrecognized Well-known Attribute',
      3: 'Missing Well-known Attribute',
      4: 'Attribute Flags Error',
      5: 'Attribute Length Error',
      6: 'Invalid ORIGIN Attribute',
      7: 'AS Routing Loop (deprecated)',
      8: 'Invalid NEXT_HOP Attribute',
      9: 'Optional Attribute Error',
      10: 'Invalid Network Field',
      11: 'Malformed AS_PATH',
    },
  },
  4: { name: 'Hold Timer Expired', subcodes: {} },
  5: {
    name: 'Finite State Machine Error',
    subcodes: {
      1: 'Unexpected Message in OpenSent',
      2: 'Unexpected Message in OpenConfirm',
      3: 'Unexpected Message in Established',
    },
  },
  6: {
    name: 'Cease',
    subcodes: {
      1: 'Maximum Number of Prefixes Reached',
      2: 'Administrative Shutdown',
      3: 'Peer De-configured',
      4: 'Administrative Reset',
      5: 'Connection Rejected',
      6: 'Other Configuration Change',
      7: 'Connection Collision Resolution',
      8: 'Out of Resources',
      9: 'Hard Reset',
      10: 'BFD Down',
    },
  },
  7: { name: 'ROUTE-REFRESH Message Error', subcodes: { 1: 'Invalid Message Length' } },
  8: { name: 'Send Hold Timer Expired', subcodes: {} },
}

/**
 * Communities that mean the same everywhere: RFC 1997, RFC 7999 §5, RFC 8326 §5, RFC 9494 §3.2 and
 * §3.3.
 */
export const COMMUNITIES = {
  GRACEFUL_SHUTDOWN: 0xffff0000,
  LLGR_STALE: 0xffff0006,
  NO_LLGR: 0xffff0007,
  BLACKHOLE: 0xffff029a,
  NO_EXPORT: 0xffffff01,
  NO_ADVERTISE: 0xffffff02,
  NO_EXPORT_SUBCONFED: 0xffffff03,
} as const
