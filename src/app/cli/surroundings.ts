import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import type { ServiceSource, Store } from '../../core/intent/index.ts'
import type { AgentClient } from '../../shell/api/index.ts'
import { type Environment, loadConfig, type NodeConfiguration } from '../../shell/config/index.ts'
import { processTerminal, type Terminal } from '../../shell/terminal/index.ts'
import type { FlushAnswer, FlushRequest } from '../dataplane/flush.ts'
import { VERSION } from '../version.ts'
import type { ProcessName } from './processes.ts'

/**
 * What commands touch: one object, so that a test gives them another. Rooms that load much
 * (etcd, the API, the kernel) are loaded when a command asks for them.
 */

/** How long a person waits for Kubernetes' API, which is asked twice. */
const ANSWER_MS = 5_000

/** The world of a command. */
export interface Surroundings {
  readonly terminal: Terminal
  readonly version: string
  /** variables, read for what a configuration leaves out */
  readonly environment: Environment
  readonly now: () => Date
  readonly uniqueId: () => string
  readonly pause: (milliseconds: number) => Promise<void>
  /** @throws ConfigurationError */
  loadConfig(path: string | undefined): NodeConfiguration
  /** @param options  `onlyRead`: reading leaves no trace */
  openStore(
    configuration: NodeConfiguration,
    options?: { readonly onlyRead: boolean },
  ): Promise<Store>
  /** Undefined where the configuration does not name Kubernetes: files of the store count then. */
  openServices(configuration: NodeConfiguration): Promise<ServiceSource | undefined>
  openAgent(configuration: NodeConfiguration): Promise<LocalAgent>
  /** Starts a process of the agent; resolves when it has ended. */
  start(name: ProcessName, configPath: string | undefined, record?: string): Promise<void>
  /** Takes what is ours out of the kernel of this node. */
  flush(request: FlushRequest): Promise<FlushAnswer>
}

/** The agent of this node, and where it is asked. */
export interface LocalAgent {
  /** the path of its socket */
  readonly socket: string
  /** absent: nobody answers there, or this user may not ask */
  readonly client?: AgentClient | undefined
}

/** The real world. */
export function surroundings(): Surroundings {
  return {
    terminal: processTerminal(),
    version: VERSION,
    environment: process.env,
    now: () => new Date(),
    uniqueId: randomUUID,
    pause: milliseconds => setTimeout(milliseconds),
    loadConfig,
    openStore: async ({ store }, options) => {
      const { openStore } = await import('../../shell/store/index.ts')
      return openStore(store, options)
    },
    openServices: async ({ kubernetes }) => {
      if (kubernetes === undefined) return undefined
      const { KubernetesServices } = await import('../../shell/kubernetes/index.ts')
      return new KubernetesServices(kubernetes, { answerMs: ANSWER_MS })
    },
    openAgent: async ({ runDirectory }) => {
      const [{ connectApi }, { socketPaths }] = await Promise.all([
        import('../../shell/api/index.ts'),
        import('../../shell/link/index.ts'),
      ])
      const socket = socketPaths(runDirectory).api
      return { socket, client: await connectApi(socket) }
    },
    start: async (name, configPath, record) => {
      const { runProcess } = await import('../index.ts')
      await runProcess(name, configPath, record)
    },
    flush: async request => {
      const { flushDataplane } = await import('../dataplane/flush.ts')
      return flushDataplane(request)
    },
  }
}
