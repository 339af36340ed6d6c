/** The same world, seeded: what the core's ports are in a simulation. */

export {
  type KernelFaults,
  type KernelStream,
  type RouteAct,
  SimulatedKernel,
  type SimulatedRoute,
  SimulatedSocket,
  type SimulatedSocketOptions,
} from './kernel.ts'
export { SimulatedEtcd, SimulatedStore, type StoreClock, type StoreOptions } from './store.ts'
