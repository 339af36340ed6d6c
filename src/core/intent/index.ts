/** What should be, against what is: the one place where Calico's semantics live. Layer 5. */
export type * from './documents.ts'
export { ROUTES_STATUS_MAX, STATE_ROOT } from './documents.ts'
export type * from './ports.ts'
export type * from './types.ts'
