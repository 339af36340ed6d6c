import { pino } from 'pino'
import { now } from '../clock/index.ts'

/**
 * The log: one JSON object a line, pretty on a terminal.
 *
 * A line has a stable `code`, one sentence, and fields with units in their names. A code that
 * repeats is limited and what was left out is counted, so that a flapping peer cannot fill a disk.
 * Lines leave without waiting: a reader that stalls costs lines, never a keepalive.
 */

/** What a line carries beside its sentence. */
export type Fields = Readonly<Record<string, unknown>>

/** The levels that lines have, as pino names them. */
export type LineLevel = 'debug' | 'info' | 'warn' | 'error' | 'fatal'

/** Where a process writes what happened. Never throws. */
export interface Log {
  debug(code: string, text: string, fields?: Fields): void
  info(code: string, text: string, fields?: Fields): void
  warn(code: string, text: string, fields?: Fields): void
  error(code: string, text: string, fields?: Fields): void
  fatal(code: string, text: string, fields?: Fields): void
  /** The same log, with `fields` on each of its lines. */
  child(fields: Fields): Log
  /** Writes what is buffered; for the end of a process. */
  flush(): void
}

/** How a log is opened. */
export interface LogOptions {
  readonly level?: 'trace' | LineLevel
  /** for people instead of programs; where absent, when `stream` is a terminal */
  readonly pretty?: boolean
  /** on each line: `{ process: 'speaker' }` */
  readonly fields?: Fields
  /** where lines go instead of standard output */
  readonly write?: (line: string) => void
  /** monotonic milliseconds; for the rate limit */
  readonly now?: () => number
}

/** Lines of one code (and peer) in one window; the rest of the window is counted only. */
export const LINES_PER_CODE_MAX = 30

/** The same for one code and all peers: there may be any number of those that come and go. */
export const LINES_OF_ALL_PEERS_MAX = 300

/** The window of the rate limit. */
const WINDOW_MS = 10_000

/** Octets that may wait for a slow reader of the log; beyond it lines are dropped. */
const BUFFERED_MAX = 1 << 20

/** Fields that are never written out, at the top and one level down. */
const SECRETS = ['password', 'secret', 'token', 'key', 'authorization']

/** Opens the log of this process. */
export async function openLog(options: LogOptions = {}): Promise<Log> {
  const out = await openStream(options)
  const sink = pino(
    {
      level: options.level ?? 'info',
      base: options.fields ?? {},
      timestamp: pino.stdTimeFunctions.isoTime,
      messageKey: 'text',
      formatters: { level: label => ({ level: label }) },
      redact: { paths: SECRETS.flatMap(name => [name, `*.${name}`]), censor: '[redacted]' },
    },
    out.stream,
  )
  return new PinoLog(sink, new Limiter(options.now ?? now), out.flush)
}

/** A log that keeps nothing. */
export const SILENT: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  fatal() {},
  child: () => SILENT,
  flush() {},
}

interface Out {
  readonly stream: { write(line: string): void }
  flush(): void
}

async function openStream(options: LogOptions): Promise<Out> {
  const { write } = options
  const pretty = options.pretty ?? (write === undefined && process.stdout.isTTY)
  if (pretty) {
    const { prettyFactory } = await import('pino-pretty')
    const format = prettyFactory({
      colorize: process.stdout.isTTY && process.env.NO_COLOR === undefined,
      messageKey: 'text',
      ignore: 'process',
      messageFormat: '{process}: {text}',
      translateTime: 'SYS:HH:MM:ss.l',
      singleLine: true,
    })
    const print = write ?? ((line: string) => process.stdout.write(line))
    return { stream: { write: line => print(format(line)) }, flush() {} }
  }
  if (write !== undefined) return { stream: { write }, flush() {} }
  const stream = pino.destination({ fd: 1, sync: false, maxLength: BUFFERED_MAX })
  // whoever read our output has gone: there is nobody to tell
  stream.on('error', () => {})
  return { stream, flush: () => stream.flushSync() }
}

class PinoLog implements Log {
  readonly #sink: pino.Logger
  readonly #limiter: Limiter
  readonly #flush: () => void

  constructor(sink: pino.Logger, limiter: Limiter, flush: () => void) {
    this.#sink = sink
    this.#limiter = limiter
    this.#flush = flush
  }

  debug(code: string, text: string, fields: Fields = {}): void {
    this.#line('debug', code, text, fields)
  }

  info(code: string, text: string, fields: Fields = {}): void {
    this.#line('info', code, text, fields)
  }

  warn(code: string, text: string, fields: Fields = {}): void {
    this.#line('warn', code, text, fields)
  }

  error(code: string, text: string, fields: Fields = {}): void {
    this.#line('error', code, text, fields)
  }

  fatal(code: string, text: string, fields: Fields = {}): void {
    this.#line('fatal', code, text, fields)
  }

  child(fields: Fields): Log {
    return new PinoLog(this.#sink.child(fields), this.#limiter, this.#flush)
  }

  flush(): void {
    try {
      this.#flush()
    } catch {
      // the stream was not open yet, or is gone: nobody to tell
    }
  }

  #line(level: LineLevel, code: string, text: string, fields: Fields): void {
    if (!this.#sink.isLevelEnabled(level)) return
    const suppressed = this.#limiter.take(code, fields.peer)
    if (suppressed === undefined) return
    this.#sink[level]({ code, ...fields, ...(suppressed > 0 && { suppressed }) }, text)
  }
}

/** Counts lines by code, and by code and peer, in windows. Forgets those of before. */
class Limiter {
  readonly #now: () => number
  readonly #windows = new Map<string, Window>()

  constructor(clock: () => number) {
    this.#now = clock
  }

  /** Undefined: this line is one too many. Else how many were left out before it. */
  take(code: string, peer: unknown): number | undefined {
    const time = this.#now()
    if (peer === undefined) return this.#take(code, LINES_PER_CODE_MAX, time)
    const all = this.#windows.get(code)
    // a peer that is beyond what all may say takes no memory
    const full = all !== undefined && isOpen(all, time) && all.count >= LINES_OF_ALL_PEERS_MAX
    const own = full ? 0 : this.#take(`${code} ${peer}`, LINES_PER_CODE_MAX, time)
    // what a peer may not say is not counted against the others
    if (own === undefined) return undefined
    const ofAll = this.#take(code, LINES_OF_ALL_PEERS_MAX, time)
    return ofAll === undefined ? undefined : ofAll + own
  }

  #take(key: string, most: number, time: number): number | undefined {
    const window = this.#windows.get(key)
    if (window !== undefined && isOpen(window, time)) return ++window.count > most ? undefined : 0
    if (this.#windows.size > 1000) this.#forget(time)
    this.#windows.set(key, { start: time, count: 1 })
    return Math.max(0, (window?.count ?? 0) - most)
  }

  #forget(time: number): void {
    for (const [key, window] of this.#windows) if (!isOpen(window, time)) this.#windows.delete(key)
  }
}

/** Lines of one key since `start`. */
interface Window {
  readonly start: number
  count: number
}

const isOpen = ({ start }: Window, time: number): boolean => time - start < WINDOW_MS
