import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { NodeConfiguration } from '../shell/config/index.ts'
import { socketPaths } from '../shell/link/index.ts'
import type { Log } from '../shell/log/index.ts'
import {
  Child,
  type ChildName,
  GrantedPorts,
  type Identities,
  type Identity,
  makePrivateDirectory,
  makeSocketDirectories,
  ownPrivileges,
  planIdentities,
  question,
  thisMachine,
} from '../shell/process/index.ts'
import { explain, listenHere } from '../shell/tcp/index.ts'
import type { Running } from './process.ts'
import { RECORD_VARIABLE, settingsOf } from './settings.ts'

/**
 * The supervisor: starts the three processes with the least that each works with, starts again what
 * ends, and opens the ports below 1024 that the speaker listens on, which it may not itself: 179,
 * and any other that the store names as this node's, by the controller's word. It holds no state
 * but that word, which each controller gives again.
 */

/** What the supervisor is started with. */
export interface SupervisorOptions {
  readonly configuration: NodeConfiguration
  /** of the file that `configuration` came from, where one was named */
  readonly configPath: string | undefined
  readonly log: Log
}

/** In this order they end: the speaker says goodbye while the dataplane still listens. */
const CHILDREN: readonly ChildName[] = ['speaker', 'controller', 'dataplane']

/**
 * Its tables are in columns, and what it allocates beside them is short-lived: the usual space for
 * that costs 40 MB more while a full table comes in, and saves no time.
 */
const SPEAKER_HEAP: readonly string[] = ['--max-semi-space-size=2']

/** Variables that the speaker and the dataplane get: none that could hold a credential. */
const HARMLESS = [
  ...['PATH', 'LANG', 'TZ', 'TERM', 'NO_COLOR', 'NODE_OPTIONS', 'NODE_COMPILE_CACHE'],
  RECORD_VARIABLE,
]

/** Starts the agent. Rejects when the run directory cannot be made. */
export async function startSupervisor(options: SupervisorOptions): Promise<Running> {
  const { configuration, log } = options
  const identities = planIdentities(thisMachine(ownPrivileges()), filesOf(configuration))
  for (const shortfall of identities.shortfalls) log.warn('PRIVILEGES_SHARED', shortfall)
  makeSocketDirectories(directoriesOf(configuration.runDirectory, identities))
  const { stateDirectory, birdSocket } = configuration
  makeOwned(stateDirectory, identities.of.controller, log)
  // a directory that is there is Calico's, and stays whose it is
  if (birdSocket !== undefined && !existsSync(dirname(birdSocket)))
    makeOwned(dirname(birdSocket), identities.of.controller, log)
  const ports = new GrantedPorts({ log, listen: listenHere, explain })
  const children = CHILDREN.map(name => startChild(name, options, identities, ports))
  return {
    close: async () => {
      for (const child of children) await child.stop()
    },
  }
}

/** Without them the agent works, but for what they are for: the controller says so then. */
function makeOwned(directory: string, owner: Identity, log: Log): void {
  try {
    makePrivateDirectory(directory, owner)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    log.debug('DIRECTORY', `${directory} cannot be made: ${why}`)
  }
}

function startChild(
  name: ChildName,
  options: SupervisorOptions,
  identities: Identities,
  ports: GrantedPorts,
): Child {
  const { configuration, configPath, log } = options
  const { uid } = identities.of[name]
  const child = log.child({ child: name })
  child.debug('CHILD_IDENTITY', `the ${name} runs as user ${uid}`, { uid })
  return new Child({
    name,
    log,
    command: [
      ...identities.prefix(name),
      process.execPath,
      ...process.execArgv,
      ...(name === 'speaker' ? SPEAKER_HEAP : []),
      mainModule(),
      name,
      ...(name === 'controller' && configPath !== undefined ? ['--config', configPath] : []),
    ],
    environment: name === 'controller' ? process.env : harmless(process.env),
    message: (message, send) => {
      const asked = question(message)
      if (asked?.ask === 'settings') send({ settings: settingsOf(configuration) })
      else if (asked?.ask === 'listen' && name === 'speaker') void ports.open(asked, asked.id, send)
      else if (asked?.ask === 'allow' && name === 'controller') ports.allow(asked.ports)
      else child.warn('QUESTION', `the ${name} asked for what it is not given`)
    },
  })
}

/** What the controller has to be able to use, the store first. */
const filesOf = ({ store, source }: NodeConfiguration): string[] => [
  ...(store.kind === 'directory' ? [store.path] : []),
  source,
]

function directoriesOf(runDirectory: string, { of }: Identities) {
  const paths = socketPaths(runDirectory)
  return [
    { path: paths.routes, listener: of.dataplane, connectorGid: of.speaker.gid },
    { path: paths.dataplane, listener: of.dataplane, connectorGid: of.controller.gid },
    { path: paths.speaker, listener: of.speaker, connectorGid: of.controller.gid },
    { path: paths.api, listener: of.controller, connectorGid: process.getgid?.() ?? 0 },
  ]
}

function harmless(environment: NodeJS.ProcessEnv): Record<string, string | undefined> {
  return Object.fromEntries(HARMLESS.map(name => [name, environment[name]]))
}

/** The program itself: beside this folder, written or built. */
function mainModule(): string {
  const written = join(import.meta.dirname, '..', 'main.ts')
  return existsSync(written) ? written : join(import.meta.dirname, '..', 'main.js')
}
