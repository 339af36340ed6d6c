/** The same world, seeded: what the core's ports are in a simulation. */

export {
  checkAccepted,
  checkDecisions,
  checkEmpty,
  checkFib,
  checkPair,
  checkReferences,
  checkSilence,
  type Pair,
  type SlowPath,
  slowDecision,
  slowPaths,
} from './checks.ts'
export {
  type KernelFaults,
  type RouteAct,
  SimulatedKernel,
  type SimulatedRoute,
} from './kernel.ts'
export {
  type KernelStream,
  SimulatedSocket,
  type SimulatedSocketOptions,
} from './kernel-socket.ts'
export { Network, type NetworkOptions, QUIET_NETWORK } from './network.ts'
export { FibRecord, Node } from './node.ts'
export { SimulatedEtcd, SimulatedStore, type StoreClock, type StoreOptions } from './store.ts'
export { World } from './world.ts'
