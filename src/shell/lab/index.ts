/** Labs: containerlab topologies realised with namespaces, without containers. Layer 6. */
export { LabError, type LabErrorCode } from './error.ts'
export type { HostEvent } from './host/host.ts'
export type { Result, RunOptions } from './host/run.ts'
export { AGENT_HOME, IMAGES, type Image, imageOf, missingPackages } from './images.ts'
export { Lab, LabNode, type LabOptions } from './lab.ts'
export {
  addressesOf,
  type ObservedRoute,
  type ObservedSession,
  type Roles,
  rolesOf,
  routesOf,
  sessionsOf,
} from './observe.ts'
export type { ProbeReport } from './probe.ts'
export { Probes } from './probes.ts'
export type { LabRecord, NodeRecord, RunningLab } from './record.ts'
export { loadTopology, parseTopology, type Topology } from './topology/topology.ts'
