import { CommanderError } from 'commander'
import { ConfigurationError } from '../../shell/config/index.ts'

/**
 * How a command fails: an exit code that a script can tell apart, and one line that says what,
 * where, and what to do. A stack is printed for faults of ours only.
 */

/**
 * Exit codes of every command. `docs/operations.md` and `martlet --help` list them: keep them
 * equal.
 */
export const EXIT = {
  ok: 0,
  /**
   * done, and something is wrong: problems found, sessions down; or it failed for no reason
   * below
   */
  failed: 1,
  /** the command line cannot be understood */
  usage: 2,
  /** no such resource, node, peer, route or file */
  notFound: 3,
  /** it exists already, or somebody else changed it meanwhile */
  conflict: 4,
  /** the store or the agent does not answer */
  unreachable: 5,
} as const

/** One of `EXIT`. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** What the help of every command ends with. */
export const EXIT_CODES_HELP = `Exit codes:
  0  done
  1  done, and something is wrong (status, check); or failed otherwise
  2  the command line cannot be understood
  3  there is no such resource, node, peer, route or file
  4  it exists already, or was changed by somebody else meanwhile
  5  the store or the agent does not answer`

/**
 * A failure that the operator can act on. `message` is one line without a full stop, or empty
 * where what was printed says it all.
 */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure'
  /** one of `EXIT`, or that of a command which was run for the operator */
  readonly exitCode: number
  /** what to do about it; one line */
  readonly remedy: string | undefined

  /** `cause` is kept for whoever debugs; it is not printed. */
  constructor(
    exitCode: number,
    message: string,
    options: { readonly remedy?: string; readonly cause?: unknown } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.exitCode = exitCode
    this.remedy = options.remedy
  }
}

/** What is said, and the exit code, for anything that a command threw. */
export function describeFailure(thrown: unknown): { readonly code: number; readonly text: string } {
  if (thrown instanceof CommanderError) return describeUsage(thrown)
  if (thrown instanceof CommandFailure) {
    const remedy = thrown.remedy === undefined ? '' : `; ${thrown.remedy}`
    const text = thrown.message === '' ? '' : `martlet: ${thrown.message}${remedy}`
    return { code: thrown.exitCode, text }
  }
  // one line for each fault of the file, each with its place
  if (thrown instanceof ConfigurationError) return { code: EXIT.failed, text: thrown.message }
  if (isOfTheWorld(thrown)) {
    const { code, remedy } = MEANINGS.get(thrown.code) ?? { code: EXIT.failed }
    const more = remedy === undefined ? '' : `; ${remedy}`
    return { code, text: `martlet: ${oneLine(thrown.message)}${more}` }
  }
  const stack = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
  return { code: EXIT.failed, text: `martlet: this is a fault of Martlet's own:\n${stack}` }
}

interface Meaning {
  readonly code: ExitCode
  readonly remedy?: string
}

/** Errors of the shell that mean more than "failed". */
const MEANINGS: ReadonlyMap<string, Meaning> = new Map<string, Meaning>([
  [
    'STORE_UNAVAILABLE',
    { code: EXIT.unreachable, remedy: 'is it there? "store" in the configuration says where' },
  ],
  [
    'STORE_REFUSED',
    { code: EXIT.unreachable, remedy: 'look at the user and the certificates of "store"' },
  ],
  ['STORE_REVISION_GONE', { code: EXIT.notFound }],
  ['API_UNREACHABLE', { code: EXIT.unreachable }],
  ['API_FAILED', { code: EXIT.unreachable, remedy: 'the store may know: --from store' }],
  ['API_INVALID', { code: EXIT.usage }],
])

/** Commander has printed what was wrong; help that was asked for is no failure. */
const describeUsage = (error: CommanderError): { code: number; text: string } => ({
  code: error.exitCode === 0 ? EXIT.ok : EXIT.usage,
  text: '',
})

/**
 * An error that the world caused carries a code: of node (`EACCES`), or of a room
 * (`STORE_UNREACHABLE`).
 */
function isOfTheWorld(thrown: unknown): thrown is Error & { readonly code: string } {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string'
}

/** `text` on one line, whatever a library put into it. */
export const oneLine = (text: string): string => text.trim().replace(/\s*\n\s*/g, ': ')

/** Why a file could not be read, in words. */
export function fileFailure(path: string, thrown: unknown): CommandFailure {
  const code = isOfTheWorld(thrown) ? thrown.code : ''
  const options = { cause: thrown }
  switch (code) {
    case 'ENOENT':
      return new CommandFailure(EXIT.notFound, `${path}: no such file`, options)
    case 'EACCES':
      return new CommandFailure(EXIT.failed, `${path}: not allowed to read it`, {
        remedy: 'run as root or as the agent’s user',
        ...options,
      })
    case 'EISDIR':
      return new CommandFailure(EXIT.failed, `${path}: is a directory`, options)
    default:
      return new CommandFailure(EXIT.failed, `${path}: cannot be read (${code || thrown})`, options)
  }
}
