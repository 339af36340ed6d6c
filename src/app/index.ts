import { NEEDED, type Parent, parent } from '../shell/process/index.ts'
import { live } from './process.ts'
import { RECORD_VARIABLE, readSettings, type Settings, settingsOf } from './settings.ts'

/**
 * The processes of the agent, as the command line and the supervisor start them. Each function
 * resolves when its process is to end, and throws `ConfigurationError` for a configuration that
 * cannot be used.
 *
 * Each loads what it needs and nothing else: the speaker carries no store client and no schema
 * library.
 */

/** `martlet run`: the supervisor and, by it, the other three. */
export async function runSupervisor(configPath: string | undefined): Promise<void> {
  const [{ loadConfig }, { startSupervisor }] = await Promise.all([
    import('../shell/config/index.ts'),
    import('./run.ts'),
  ])
  const configuration = loadConfig(configPath)
  await live({
    name: 'supervisor',
    level: configuration.log.level,
    start: log => startSupervisor({ configuration, configPath, log }),
  })
}

/** `martlet controller`: the store, the intent, the state, the API. */
export async function runController(configPath: string | undefined): Promise<void> {
  const [{ loadConfig }, { startController }, { VERSION }] = await Promise.all([
    import('../shell/config/index.ts'),
    import('./controller.ts'),
    import('./version.ts'),
  ])
  const configuration = loadConfig(configPath)
  const supervisor = parent()
  await live({
    name: 'controller',
    level: configuration.log.level,
    supervisor,
    allowed: NEEDED.controller,
    start: log =>
      startController({
        configuration,
        version: VERSION,
        log,
        allowPorts: ports => supervisor?.allow(ports),
      }),
  })
}

/** `martlet speaker`: BGP. `record` names a file for its transcript. */
export async function runSpeaker(
  configPath: string | undefined,
  record = process.env[RECORD_VARIABLE] || undefined,
): Promise<void> {
  const supervisor = parent()
  const settings = await settingsFrom(supervisor, configPath)
  const [{ startSpeaker }, { listenHere }] = await Promise.all([
    import('./speaker.ts'),
    import('../shell/tcp/index.ts'),
  ])
  await live({
    name: 'speaker',
    level: settings.logLevel,
    supervisor,
    // alone it opens its ports by itself
    allowed: supervisor === undefined ? ['NET_BIND_SERVICE'] : NEEDED.speaker,
    start: log =>
      startSpeaker({
        runDirectory: settings.runDirectory,
        log,
        bind: at => supervisor?.listen(at) ?? listenHere(at),
        record,
      }),
  })
}

/** `martlet dataplane`: routes in the kernel. */
export async function runDataplane(configPath: string | undefined): Promise<void> {
  const supervisor = parent()
  const settings = await settingsFrom(supervisor, configPath)
  const { startDataplane } = await import('./dataplane/process.ts')
  await live({
    name: 'dataplane',
    level: settings.logLevel,
    supervisor,
    allowed: NEEDED.dataplane,
    needed: NEEDED.dataplane,
    start: log =>
      startDataplane({ runDirectory: settings.runDirectory, config: settings.kernel, log }),
  })
}

/** Any of them, by the name of its command. */
export function runProcess(
  name: 'run' | 'controller' | 'speaker' | 'dataplane',
  configPath: string | undefined,
  record?: string,
): Promise<void> {
  switch (name) {
    case 'run':
      return runSupervisor(configPath)
    case 'controller':
      return runController(configPath)
    case 'speaker':
      return runSpeaker(configPath, record)
    case 'dataplane':
      return runDataplane(configPath)
    default:
      return name satisfies never
  }
}

/** From the supervisor, which read the file that this process may not; else from the file. */
async function settingsFrom(
  supervisor: Parent | undefined,
  configPath: string | undefined,
): Promise<Settings> {
  if (supervisor !== undefined) return readSettings(await supervisor.settings())
  const { loadConfig } = await import('../shell/config/index.ts')
  return settingsOf(loadConfig(configPath))
}
