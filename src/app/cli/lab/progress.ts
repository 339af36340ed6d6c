import type { Terminal } from '../../../shell/terminal/index.ts'

/** One line that says what is being waited for: rewritten on a terminal, a new line elsewhere. */

/** Between two lines where they cannot be rewritten. In milliseconds. */
const QUIET = 1000

/** Says how far a lab is, with the seconds since the process began. */
export class Progress {
  readonly #terminal: Terminal
  readonly #rewrites = process.stderr.isTTY === true
  #last = ''
  #said = -QUIET
  #open = false

  constructor(terminal: Terminal) {
    this.#terminal = terminal
  }

  /** Says `text` unless it was said last. */
  say(text: string): void {
    if (text === this.#last) return
    const now = performance.now()
    if (!this.#rewrites && now - this.#said < QUIET) return
    this.#said = now
    this.#last = text
    const line = `${(now / 1000).toFixed(1).padStart(5)} s  ${text}`
    if (!this.#rewrites) {
      this.#terminal.remark(line)
      return
    }
    process.stderr.write(`\r\x1b[2K${line.slice(0, this.#terminal.columns - 1)}`)
    this.#open = true
  }

  /** Says `text` on a line that stays. */
  keep(text: string): void {
    this.end()
    this.#terminal.remark(text)
  }

  /** Leaves the last line as it is. */
  end(): void {
    if (this.#open) process.stderr.write('\n')
    this.#open = false
  }
}
