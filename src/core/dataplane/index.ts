/** The kernel half, behind one door. Layer 4. */
export { Dataplane, type DataplaneOptions } from './dataplane.ts'
export type {
  DataplaneEvent,
  DataplaneNote,
  KernelEvent,
  KernelOutput,
  KernelRoute,
  Refusal,
  RouteChange,
} from './ports.ts'
export { BATCH_MAX } from './reconciler.ts'
export type * from './types.ts'
