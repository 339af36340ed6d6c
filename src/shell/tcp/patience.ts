import { type Millis, millis } from '../../core/base/index.ts'
import { now } from '../clock/index.ts'

/**
 * When what is to be sent leaves: at once where little happens; where much does, as when hundreds
 * of peers come at a time, not in a packet of its own for each of the others.
 */

/** How long it may wait for more while things go on happening. */
const PATIENCE_MS = 10

/** Those who have something to send, until a turn of the runtime in which nothing happens. */
export class Patience<Waiting> {
  readonly #release: (waiting: Waiting) => void
  readonly #clock: () => Millis
  readonly #waiting = new Set<Waiting>()
  #since = millis(0)
  #happened = false
  #turns = false

  /** @param release  called for each of those that waited; never from inside a call */
  constructor(release: (waiting: Waiting) => void, clock: () => Millis = now) {
    this.#release = release
    this.#clock = clock
  }

  /** Something came in: there may be more to send soon. */
  happened(): void {
    this.#happened = true
  }

  /** One has something, or something more, to send. */
  wait(one: Waiting): void {
    this.#happened = true
    if (this.#waiting.size === 0) this.#since = this.#clock()
    this.#waiting.add(one)
    if (this.#turns) return
    this.#turns = true
    setImmediate(this.#turn)
  }

  /** One waits no more. */
  leave(one: Waiting): void {
    this.#waiting.delete(one)
  }

  readonly #turn = (): void => {
    if (this.#happened && this.#clock() - this.#since < PATIENCE_MS) {
      this.#happened = false
      setImmediate(this.#turn)
      return
    }
    this.#turns = false
    for (const one of [...this.#waiting]) {
      this.#waiting.delete(one)
      this.#release(one)
    }
  }
}
