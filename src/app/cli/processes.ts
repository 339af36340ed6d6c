import { type Command, Option } from 'commander'
import { CommandFailure, EXIT } from './failure.ts'
import { type ConfigOption, describedCommand, withConfig } from './options.ts'
import { count } from './output.ts'
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
    if (name === 'dataplane') command.addCommand(flushCommand(surroundings))
    return withConfig(command).action((options: ConfigOption & { readonly record?: string }) =>
      surroundings.start(name, options.config, options.record),
    )
  })
}

/** `martlet dataplane flush`: on request alone, for who takes Martlet from a node. */
function flushCommand(world: Surroundings): Command {
  const summary = 'Take all that is Martlet’s out of this node’s kernel'
  const command = describedCommand('flush', summary, {
    text:
      'Deletes the routes of its protocol number in its table, the nexthop objects of its range, ' +
      'and the tunnels that it made. Nothing else is touched. Stop the agent first: while its ' +
      'dataplane runs, this refuses, for all would come back.',
    examples: [
      ['What would go', 'martlet dataplane flush --dry-run'],
      ['All of it', 'martlet dataplane flush'],
    ],
  })
    .addOption(new Option('--dry-run', 'count, and delete nothing'))
    .addOption(new Option('--force', 'though a dataplane runs'))
  return withConfig(command).action(async (_: FlushOptions, self: Command) => {
    // -c may stand before the word too
    const { config, dryRun = false, force = false } = self.optsWithGlobals<FlushOptions>()
    const answer = await world.flush({ configPath: config, dry: dryRun, force })
    if (answer.kind === 'running')
      throw new CommandFailure(EXIT.conflict, `a dataplane answers at ${answer.socket}`, {
        remedy: 'stop the agent, or say --force',
      })
    const { routes, objects, tunnels, table, protocol, left, error } = answer
    const found = [
      count(routes, 'route'),
      count(objects, 'nexthop object'),
      count(tunnels, 'tunnel'),
    ]
    const where = `of protocol ${protocol} in table ${table}`
    if (error !== undefined)
      throw new CommandFailure(
        EXIT.failed,
        `${left} of ${found.join(', ')} ${where} left: ${error}`,
      )
    world.terminal.print(`${found.join(', ')} ${where} ${dryRun ? 'would go' : 'have gone'}\n`)
  })
}

interface FlushOptions extends ConfigOption {
  readonly dryRun?: boolean
  readonly force?: boolean
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
