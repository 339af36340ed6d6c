/** The BGP half, behind one door. Layer 4. */
export { PASSWORD_OCTETS_MAX, RESETS, TRANSPORT_DEFAULT } from './configure.ts'
export { LONG_LIVED_MAX } from './inbound/long-lived.ts'
export { RESTART_MAX, STALE_MAX } from './inbound/retention.ts'
export { INBOUND_OCTETS_MAX } from './peer.ts'
export { FIB_DEFERRAL, Speaker, type SpeakerOptions } from './speaker.ts'
export type * from './types.ts'
