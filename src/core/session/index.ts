/** The FSM of one connection, and of two of them colliding. Layer 3. */
export type * from './types.ts'
