/** What can go wrong with a lab that is nobody's mistake in this code. */

/**
 * `LAB_TOPOLOGY` the file; `LAB_MISSING` this machine; `LAB_FAILED` a command in it; `LAB_UNKNOWN`
 * a name.
 */
export type LabErrorCode = 'LAB_TOPOLOGY' | 'LAB_MISSING' | 'LAB_FAILED' | 'LAB_UNKNOWN'

/** A fault of the world: its text says what, where, and what to do. */
export class LabError extends Error {
  override readonly name = 'LabError'
  readonly code: LabErrorCode

  constructor(code: LabErrorCode, message: string, options?: { cause: unknown }) {
    super(message, options)
    this.code = code
  }
}
