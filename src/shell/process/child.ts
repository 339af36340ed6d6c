import { type ChildProcess, spawn } from 'node:child_process'
import type { Server } from 'node:net'
import { now } from '../clock/index.ts'
import type { Log } from '../log/index.ts'
import type { ChildName } from './identity.ts'
import { SUPERVISED } from './supervised.ts'

/** A child that is started again when it ends, for ever, until it is stopped. */

/** After a death, and how it grows while lives are short. */
const RESTART_MIN_MS = 200
const RESTART_MAX_MS = 10_000

/** A life that makes the next restart prompt again. */
const LONG_LIFE_MS = 10_000

/** After SIGTERM, before SIGKILL. */
const STOP_MS = 5_000

/** What a child is. */
export interface ChildOptions {
  readonly name: ChildName
  /** program and arguments, setpriv and its options included */
  readonly command: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly log: Log
  /** a message of the child; the answer may carry a listener */
  message(message: unknown, send: (answer: object, server?: Server) => void): void
}

/** One child process. */
export class Child {
  readonly #options: ChildOptions
  #process: ChildProcess | undefined
  #timer: NodeJS.Timeout | undefined
  #restartMs = RESTART_MIN_MS
  #startedAt = 0
  #stopping = false
  #gone: () => void = () => {}

  constructor(options: ChildOptions) {
    this.#options = options
    this.#start()
  }

  /** Of the process that runs now. */
  get pid(): number | undefined {
    return this.#process?.pid
  }

  /** Ends the child and does not start it again; with SIGKILL when it does not end by itself. */
  async stop(): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#timer)
    const child = this.#process
    if (child === undefined) return
    const gone = new Promise<void>(resolve => {
      this.#gone = resolve
    })
    child.kill('SIGTERM')
    const timer = setTimeout(() => {
      this.#options.log.error('CHILD_KILLED', `the ${this.#options.name} did not end in time`)
      child.kill('SIGKILL')
    }, STOP_MS)
    await gone
    clearTimeout(timer)
  }

  #start(): void {
    const { name, command, environment, log } = this.#options
    const [program = '', ...words] = command
    this.#startedAt = now()
    // a group of its own: Ctrl-C on the terminal is for the supervisor, which then ends its
    // children in order
    const child = spawn(program, words, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced',
      detached: true,
      env: { ...environment, [SUPERVISED]: '1' },
    })
    this.#process = child
    log.info('CHILD_STARTED', `the ${name} runs`, { child: name, childPid: child.pid })
    child.on('message', message => {
      const send = (answer: object, server?: Server): void => {
        // it may have died meanwhile, and then asks again in its next life
        if (child.connected) child.send(answer, server, () => server?.close())
        else server?.close()
      }
      this.#options.message(message, send)
    })
    let why = ''
    child.once('error', error => {
      why = `could not be started: ${error.message}`
      if (child.pid === undefined) this.#ended(why)
    })
    child.once('exit', (code, signal) => this.#ended(signal ?? `exit code ${code}`))
  }

  #ended(how: string): void {
    this.#process = undefined
    const { name, log } = this.#options
    if (this.#stopping) {
      this.#gone()
      return
    }
    if (now() - this.#startedAt > LONG_LIFE_MS) this.#restartMs = RESTART_MIN_MS
    log.error('CHILD_DIED', `the ${name} ended (${how}); it is started again`, {
      child: name,
      restartMs: this.#restartMs,
    })
    this.#timer = setTimeout(() => this.#start(), this.#restartMs)
    this.#restartMs = Math.min(2 * this.#restartMs, RESTART_MAX_MS)
  }
}
