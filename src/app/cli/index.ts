import { Command } from 'commander'
import { checkCommand } from './check.ts'
import { describeFailure, EXIT, EXIT_CODES_HELP } from './failure.ts'
import { ipamCommand } from './ipam/commands.ts'
import { labCommand } from './lab.ts'
import { planCommand } from './plan.ts'
import { processCommands } from './processes.ts'
import { resourceCommands } from './resources/commands.ts'
import { stateCommands } from './state/commands.ts'
import { type Surroundings, surroundings } from './surroundings.ts'

/** The command line: which commands there are, and what becomes of what they throw. */

/**
 * The whole command line. `parseAsync` of it throws; `execute` prints and answers with an exit
 * code.
 */
export function program(world: Surroundings = surroundings()): Command {
  const martlet = new Command('martlet')
    .description('Martlet distributes the routes of a cluster by BGP, and puts them in the kernel.')
    .version(world.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    // so that `lab exec NODE sh -c …` leaves what follows to the command in the lab
    .enablePositionalOptions()
    .addHelpText(
      'after',
      `\n${EXIT_CODES_HELP}\n\nMore: martlet help COMMAND, and docs/operations.md.`,
    )
    .exitOverride()
  martlet.configureOutput({
    writeOut: text => world.terminal.print(text),
    writeErr: text => world.terminal.remark(text),
    outputError: (text, write) => write(text.replace(/^error: /, 'martlet: ')),
    getOutHelpWidth: () => Math.min(world.terminal.columns, 100),
    getErrHelpWidth: () => Math.min(world.terminal.columns, 100),
  })
  martlet.showSuggestionAfterError(true)
  add(martlet, 'The agent:', [...processCommands(world), checkCommand(world), planCommand(world)])
  add(martlet, 'To try it:', [labCommand(world)])
  add(martlet, 'Resources:', [...resourceCommands(world), ipamCommand(world)])
  add(martlet, 'What nodes do:', stateCommands(world))
  return martlet
}

/** Adds commands under a heading; settings of the program hold for them and theirs. */
function add(martlet: Command, heading: string, commands: readonly Command[]): void {
  martlet.commandsGroup(heading)
  for (const command of commands) {
    inherit(command, martlet)
    martlet.addCommand(command)
  }
}

function inherit(command: Command, parent: Command): void {
  command.copyInheritedSettings(parent)
  for (const child of command.commands) inherit(child, command)
}

/** Runs one command line, without the name of the program. Never throws. */
export async function execute(
  words: readonly string[],
  world: Surroundings = surroundings(),
): Promise<number> {
  try {
    await program(world).parseAsync(words, { from: 'user' })
    return EXIT.ok
  } catch (thrown) {
    const { code, text } = describeFailure(thrown)
    if (text !== '') world.terminal.remark(text)
    return code
  }
}
