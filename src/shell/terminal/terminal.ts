import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Standard output, standard error, and the files that a command was given; nothing about what is
 * printed.
 *
 * Data goes to standard output and everything said about it to standard error, so that a pipe
 * carries data only.
 */

/** Characters a line where nobody knows better. */
const COLUMNS_DEFAULT = 80

/** What a command prints to and reads from. */
export interface Terminal {
  /** characters a line: of the terminal, or 80 where the output is not one */
  readonly columns: number
  /** whether colours may be used: on a terminal, and unless NO_COLOR is set (no-color.org) */
  readonly colour: boolean
  /** Writes data; a newline is added where `text` has none. */
  print(text: string): void
  /** Writes a remark or an error. */
  remark(text: string): void
  /** The text of a file, of standard input for `-`. Rejects with the error of `node:fs`. */
  readText(path: string): Promise<string>
  /**
   * The files that `path` means: itself, or for a directory its YAML and JSON files in order,
   * with those of its subdirectories where `recursive`. Rejects with the error of `node:fs`.
   */
  filesAt(path: string, recursive: boolean): Promise<readonly string[]>
}

/**
 * The terminal of this process. A reader that goes away (`martlet get nodes | head -1`) is no
 * error.
 */
export function processTerminal(): Terminal {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
  const isTerminal = process.stdout.isTTY === true
  return {
    // a terminal that was never told its size says 0
    columns: (isTerminal && process.stdout.columns) || COLUMNS_DEFAULT,
    colour: isTerminal && colourAllowed(process.env),
    print: text => void process.stdout.write(withNewline(text)),
    remark: text => void process.stderr.write(withNewline(text)),
    readText: path => (path === '-' ? readStandardInput() : readFile(path, 'utf8')),
    filesAt,
  }
}

async function filesAt(path: string, recursive: boolean): Promise<readonly string[]> {
  if (path === '-' || !(await stat(path)).isDirectory()) return [path]
  const names = await readdir(path, { recursive })
  return names
    .filter(name => /\.(ya?ml|json)$/.test(name))
    .toSorted()
    .map(name => join(path, name))
}

const colourAllowed = ({ NO_COLOR, TERM }: NodeJS.ProcessEnv): boolean =>
  (NO_COLOR ?? '') === '' && TERM !== 'dumb'

const withNewline = (text: string): string => (text.endsWith('\n') ? text : `${text}\n`)

async function readStandardInput(): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks).toString('utf8')
}
