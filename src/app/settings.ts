import type { DataplaneConfig } from '../core/dataplane/index.ts'
import type { LogLevel, NodeConfiguration } from '../shell/config/index.ts'

/**
 * What the speaker and the dataplane are told of the node's configuration. Under a supervisor they
 * get no more than this: the file may hold the store's password, and they are not to read it.
 */
export interface Settings {
  readonly runDirectory: string
  readonly logLevel: LogLevel
  readonly kernel: DataplaneConfig
}

/** Names the file that a speaker writes a transcript of its life to. Absent or empty: none. */
export const RECORD_VARIABLE = 'MARTLET_RECORD'

/** The part of `configuration` that every process may know. */
export const settingsOf = (configuration: NodeConfiguration): Settings => ({
  runDirectory: configuration.runDirectory,
  logLevel: configuration.log.level,
  kernel: configuration.kernel,
})

/**
 * Settings as the supervisor of the same release sent them. Throws when they are something else.
 */
export function readSettings(message: unknown): Settings {
  if (isSettings(message)) return message
  throw new Error('the supervisor sent no settings: it is of another release')
}

function isSettings(message: unknown): message is Settings {
  return (
    typeof message === 'object' &&
    message !== null &&
    'runDirectory' in message &&
    typeof message.runDirectory === 'string' &&
    'logLevel' in message &&
    'kernel' in message
  )
}
