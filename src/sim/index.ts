/** The same world, seeded: what the core's ports are in a simulation. */
export { SimulatedEtcd, SimulatedStore, type StoreClock, type StoreOptions } from './store.ts'
