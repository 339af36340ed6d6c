import { randomUUID } from 'node:crypto'
import type { RouteDocument, SessionDocument, Store } from '../../core/intent/index.ts'
import { type Environment, loadConfig, type NodeConfiguration } from '../../shell/config/index.ts'
import { processTerminal, type Terminal } from '../../shell/terminal/index.ts'
import type { ProcessName } from './processes.ts'
import type { NodeState } from './state/source.ts'

/**
 * What commands touch: one object, so that a test gives them another. Rooms that load much (etcd, the API, the
 * kernel) are loaded when a command asks for them.
 */

/** The world of a command. */
export interface Surroundings {
  readonly terminal: Terminal
  readonly version: string
  /** variables, read for what a configuration leaves out */
  readonly environment: Environment
  readonly now: () => Date
  readonly uniqueId: () => string
  /** @throws ConfigurationError */
  loadConfig(path: string | undefined): NodeConfiguration
  openStore(configuration: NodeConfiguration): Promise<Store>
  /** The agent of this node; undefined where none answers. */
  openAgent(configuration: NodeConfiguration): Promise<Agent | undefined>
  /** Starts a process of the agent; resolves when it has ended. */
  start(name: ProcessName, configPath: string | undefined): Promise<void>
}

/** What the API of a living agent answers. */
export interface Agent {
  state(): Promise<NodeState>
  sessions(): Promise<readonly SessionDocument[]>
  /** Best routes; of one prefix or address, each with all its paths. */
  routes(asked: string | undefined): Promise<readonly RouteDocument[]>
  close(): Promise<void>
}

/** The real world. */
export function surroundings(): Surroundings {
  return {
    terminal: processTerminal(),
    version: '0.1.0',
    environment: process.env,
    now: () => new Date(),
    uniqueId: randomUUID,
    loadConfig,
    openStore: async () => {
      throw new Error('not yet')
    },
    openAgent: async () => undefined,
    start: async () => {
      throw new Error('not yet')
    },
  }
}
