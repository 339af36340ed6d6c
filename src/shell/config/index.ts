/**
 * How things are written: a node's configuration, Calico's resources. zod and YAML stay in this
 * room.
 */
export { annotationOf } from './annotation.ts'
export type {
  DirectoryConfiguration,
  EtcdConfiguration,
  KubernetesConfiguration,
  LogLevel,
  NodeConfiguration,
  StoreConfiguration,
} from './configuration.ts'
export { configurationJsonSchema } from './json-schema.ts'
export {
  CONFIG_PATH_DEFAULT,
  ConfigurationError,
  type Environment,
  formatProblem,
  hashedRouterId,
  loadConfig,
  parseConfig,
} from './load.ts'
export {
  decodeResource,
  type LocatedResource,
  type LocatedService,
  parseResources,
} from './resources.ts'
export {
  type DecodedService,
  decodeService,
  isServiceKind,
  SERVICE_KINDS,
} from './schemas/kubernetes.ts'
export { byKind, SnapshotReader } from './snapshot/reader.ts'
export { concerns, WATCHED_ROOTS, watchedRoots } from './snapshot/watched.ts'
export { readYaml, type YamlDocument } from './yaml.ts'
