/** Running other programs to their end. */
import { spawn } from 'node:child_process'
import { LabError } from '../error.ts'

/** How a program ended, and what it said. */
export interface Result {
  /** 128 plus the signal's number is not used: a signal is null here */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** What may be said about one run. */
export interface RunOptions {
  readonly input?: string
  /** the program is killed after this, and the result has code null; no limit where absent */
  readonly timeoutMs?: number
  readonly environment?: Readonly<Record<string, string | undefined>>
}

/** A program's output is kept up to this many characters; the rest is dropped. */
const OUTPUT_MAX = 64 * 1024 * 1024

/** Runs a program and waits for its end. Rejects only when it cannot be started. */
export function run(command: readonly string[], options: RunOptions = {}): Promise<Result> {
  const [program = '', ...rest] = command
  const child = spawn(program, rest, {
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.environment ? { env: options.environment } : {}),
    ...(options.timeoutMs ? { timeout: options.timeoutMs, killSignal: 'SIGKILL' } : {}),
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    if (stdout.length < OUTPUT_MAX) stdout += chunk
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    if (stderr.length < OUTPUT_MAX) stderr += chunk
  })
  // a program that does not read its input is no fault
  child.stdin.on('error', () => {})
  child.stdin.end(options.input ?? '')
  return new Promise((resolve, reject) => {
    child.on('error', cause => {
      reject(new LabError('LAB_MISSING', `${program} cannot be run: ${cause.message}`, { cause }))
    })
    child.on('close', code => resolve({ code, stdout, stderr }))
  })
}

/** As `run`; rejects with what the program said when it does not end with 0. */
export async function must(
  what: string,
  command: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const result = await run(command, options)
  if (result.code === 0) return result.stdout
  const said = (result.stderr.trim() || result.stdout.trim() || `ended with ${result.code}`).slice(
    -2000,
  )
  throw new LabError('LAB_FAILED', `${what}: ${said}`)
}
