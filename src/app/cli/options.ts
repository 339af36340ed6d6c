import { Command, Option } from 'commander'
import { EXIT_CODES_HELP } from './failure.ts'

/**
 * How every command is made, so that all read alike: its options in common, and examples in its
 * help.
 */

/** What every command that reads the configuration takes. */
export interface ConfigOption {
  readonly config?: string
}

/** A command with a summary, and a help text that ends with examples and the exit codes. */
export function describedCommand(
  usage: string,
  summary: string,
  about: { readonly text?: string; readonly examples: readonly (readonly [string, string])[] },
): Command {
  const command = new Command(usage).summary(summary)
  command.description(about.text === undefined ? `${summary}.` : `${summary}.\n\n${about.text}`)
  return command.addHelpText('after', `\n${examplesHelp(about.examples)}\n\n${EXIT_CODES_HELP}`)
}

/** Adds `-c`, as every command that reads the configuration of this node has it. */
export function withConfig(command: Command): Command {
  return command.addOption(
    new Option(
      '-c, --config <file>',
      'configuration of this node (default: MARTLET_CONFIG, else /etc/martlet/martlet.yaml)',
    ),
  )
}

const examplesHelp = (examples: readonly (readonly [string, string])[]): string =>
  ['Examples:', ...examples.flatMap(([what, line]) => [`  # ${what}`, `  ${line}`])].join('\n')
