/** What a store answers when it cannot do what was asked, and the ways to wait for it. */

/** How a store failed. */
export type StoreErrorCode =
  /** no answer within the deadline, or none at all: try again */
  | 'STORE_UNAVAILABLE'
  /** it answered that we may not */
  | 'STORE_REFUSED'
  /** it does not keep what it held at the revision that is asked for */
  | 'STORE_REVISION_GONE'
  /** what was to be written cannot be stored there */
  | 'STORE_VALUE_INVALID'
  /** it was closed by us */
  | 'STORE_CLOSED'

/** The world's fault, not ours; `cause` says more. */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly code: StoreErrorCode

  constructor(code: StoreErrorCode, sentence: string, options?: { readonly cause: unknown }) {
    super(sentence, options)
    this.code = code
  }
}

/** The lease is no more: its keys are gone, or will be. */
export class LeaseLostError extends Error {
  override readonly name = 'LeaseLostError'
}

/** What libraries put around a sentence, or behind it, and what is to stand in its place. */
const AROUND: readonly (readonly [RegExp, string])[] = [
  [/\s*Resolution note:\s*$/, ''],
  // gRPC's number, its heading, and the time
  [/^\d+ [A-Z_]+: /, ''],
  [/^No connection established\. Last error: (?:Error: )?([\s\S]*?)\.?$/, '$1'],
  [/\s*\(\d{4}-\d\d-\d\dT[\d:.]+Z\)/, ''],
  // OpenSSL's numbers, and the place in its sources
  [/^[\dA-F]+:error:[\dA-F]+:SSL routines:[^:]*:([^:]*):[\s\S]*$/, '$1'],
  // what Node.js advises: here the configuration names the authority
  [/; if the root CA is installed locally[\s\S]*$/, ''],
]

/** What any thrown value says, without what libraries put around it. */
export const sentenceOf = (error: unknown): string =>
  AROUND.reduce(
    (text, [around, instead]) => text.replace(around, instead),
    error instanceof Error ? error.message : String(error),
  )

/** The code of an error of the operating system, `ENOENT`. */
export const systemCode = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined

/** A pause that `wake` ends early: what a loop sleeps in. */
export class Pause {
  #timer: NodeJS.Timeout | undefined
  #resume: (() => void) | undefined
  #woken = false

  /** Waits `ms`, or until woken; not at all where `wake` came since the last time. */
  wait(ms: number): Promise<void> {
    if (this.#woken) {
      this.#woken = false
      return Promise.resolve()
    }
    return new Promise(resolve => {
      this.#resume = resolve
      this.#timer = setTimeout(() => this.#end(), ms)
    })
  }

  /** Ends the pause, or the next one at once. */
  wake(): void {
    if (this.#resume === undefined) this.#woken = true
    else this.#end()
  }

  #end(): void {
    clearTimeout(this.#timer)
    const resume = this.#resume
    this.#resume = undefined
    resume?.()
  }
}
