/** The same world, seeded: what the core's ports are in a simulation. */

export {
  checkDecisions,
  checkEmpty,
  checkFib,
  checkPair,
  checkReferences,
  checkSilence,
  type Pair,
  type SlowPath,
  slowDecision,
} from './checks.ts'
export {
  type KernelFaults,
  type KernelStream,
  type RouteAct,
  SimulatedKernel,
  type SimulatedRoute,
  SimulatedSocket,
  type SimulatedSocketOptions,
} from './kernel.ts'
export { Network, type NetworkOptions, QUIET_NETWORK } from './network.ts'
export { FibRecord, Node } from './node.ts'
export { SimulatedEtcd, SimulatedStore, type StoreClock, type StoreOptions } from './store.ts'
export { World } from './world.ts'
