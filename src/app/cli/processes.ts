import { type Command, Option } from 'commander'
import { type ConfigOption, describedCommand, withConfig } from './options.ts'
import type { Surroundings } from './surroundings.ts'

/**
 * `martlet run | controller | speaker | dataplane`: the agent itself, whole or in its three
 * processes.
 */

/** The processes of an agent, `run` being the one that starts the others. */
export type ProcessName = 'run' | 'controller' | 'speaker' | 'dataplane'

/** The four commands. */
export function processCommands(surroundings: Surroundings): readonly Command[] {
  return PROCESSES.map(({ name, summary, text, example }) => {
    const examples = [
      [example, `martlet ${name}`],
      ['With a configuration elsewhere', `martlet ${name} -c ./martlet.yaml`],
    ] as const
    const command = describedCommand(name, summary, { text, examples })
    if (name === 'speaker') command.addOption(new Option('--record <file>', RECORD_HELP))
    return withConfig(command).action((options: ConfigOption & { readonly record?: string }) =>
      surroundings.start(name, options.config, options.record),
    )
  })
}

const RECORD_HELP =
  'write all that it is told and does to this file, to be replayed; also MARTLET_RECORD'

const PROCESSES: readonly {
  readonly name: ProcessName
  readonly summary: string
  readonly text: string
  readonly example: string
}[] = [
  {
    name: 'run',
    summary: 'Run the agent of this node: all three processes',
    text:
      'Starts the controller, the speaker and the dataplane, each with the least privileges ' +
      'that it works with, and starts again what ends. Stays in the foreground; SIGTERM ends ' +
      'the sessions and leaves the routes in the kernel for the next start to take over.',
    example: 'As root, or with CAP_NET_ADMIN and CAP_NET_BIND_SERVICE',
  },
  {
    name: 'controller',
    summary: 'Run the process that reads and writes the store',
    text: 'Needs the store’s credentials and no capability. Tells the other two what to do.',
    example: 'As a service of its own',
  },
  {
    name: 'speaker',
    summary: 'Run the process that speaks BGP',
    text:
      'Needs no capability where it is given port 179 by martlet run, else ' +
      'CAP_NET_BIND_SERVICE. Reads no credentials, and asks the dataplane to install routes.',
    example: 'As a service of its own',
  },
  {
    name: 'dataplane',
    summary: 'Run the process that installs routes',
    text: 'Needs CAP_NET_ADMIN and nothing else. Opens no connection but the two unix sockets.',
    example: 'As a service of its own',
  },
]
