/** The BGP half, behind one door. Layer 4. */
export type * from './types.ts'
