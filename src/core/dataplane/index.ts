/** The kernel half, behind one door. Layer 4. */

export { Dataplane, type DataplaneOptions } from './dataplane.ts'
export type {
  DataplaneEvent,
  DataplaneNote,
  KernelEvent,
  KernelOutput,
  KernelRoute,
  ObjectChange,
  Refusal,
  RouteChange,
  ServedLink,
} from './ports.ts'
export type * from './tunnels/types.ts'
export type * from './types.ts'
export { BATCH_MAX } from './writing/batch.ts'
export { Flush, type FlushOptions, type FlushResult } from './writing/flush.ts'
