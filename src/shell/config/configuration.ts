import type { DataplaneConfig } from '../../core/dataplane/index.ts'
import type { CniFacts, NodeFacts } from '../../core/intent/index.ts'
import type { RegistrationConfiguration } from './schemas/participation.ts'

/**
 * What the configuration of a node is, after it was read: the type inside. How it is written is
 * schema.ts.
 */

/** All that one node is told by its own file and environment; defaults applied, paths absolute. */
export interface NodeConfiguration {
  /** the file it came from, or `environment` */
  readonly source: string
  readonly node: string
  readonly store: StoreConfiguration
  /** where the passwords of sessions are; absent: there are none */
  readonly secrets?: { readonly directory: string } | { readonly store: true }
  /** whose services are announced; absent: those of files, in a store that is made of them */
  readonly kubernetes?: KubernetesConfiguration
  /** where the processes' sockets are */
  readonly runDirectory: string
  /** where the controller keeps what outlives it */
  readonly stateDirectory: string
  /** the socket that answers as BIRD's does, for IPv4; absent: there is none */
  readonly birdSocket?: string
  /** what this node's own Node object is to be; absent: that is somebody else's business */
  readonly registration?: RegistrationConfiguration
  /** whether a block of each family is claimed where the node has none */
  readonly claimsBlocks?: boolean
  /** the file that the container runtime reads; absent: none is written */
  readonly cni?: CniFacts & { readonly path: string }
  /** what intent needs to know */
  readonly facts: NodeFacts
  readonly kernel: DataplaneConfig
  readonly log: { readonly level: LogLevel }
  readonly state: {
    /** how long the state of a dead node stays in the store */
    readonly leaseSeconds: number
  }
}

/** Where the resources are, and the state goes. */
export type StoreConfiguration = DirectoryConfiguration | EtcdConfiguration

/** A directory of YAML files. */
export interface DirectoryConfiguration {
  readonly kind: 'directory'
  readonly path: string
}

/** An etcd cluster. Files are read when the store is opened. */
export interface EtcdConfiguration {
  readonly kind: 'etcd'
  /** `http://` or `https://`, at least one */
  readonly endpoints: readonly string[]
  readonly username?: string
  /** never logged */
  readonly password?: string
  readonly passwordFile?: string
  /** PEM files */
  readonly ca?: string
  readonly certificate?: string
  readonly key?: string
}

/** Where Kubernetes' API is, and who we are to it. */
export interface KubernetesConfiguration {
  /** a file as kubectl has it; absent: the service account of the pod that this runs in */
  readonly kubeconfig?: string
  /** of that file; absent: its current one */
  readonly context?: string
}

/** As pino names them. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'
