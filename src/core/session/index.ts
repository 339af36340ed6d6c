/** The FSM of one connection, and of two of them colliding. Layer 3. */
export { CONNECTIONS_MAX, PeerSession, type PeerSessionOptions } from './peer-session.ts'
export type * from './types.ts'
