/** BGP-4: bytes to messages and back, stateless. Layer 2. */
export type * from './message.ts'
