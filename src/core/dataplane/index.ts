/** The kernel half, behind one door. Layer 4. */
export type * from './types.ts'
