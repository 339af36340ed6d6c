/** What can go wrong with a link: the world's faults, never a reason to end. */
export type LinkErrorCode =
  /** the other side is of another release */
  | 'LINK_VERSION'
  /** a message that this socket does not carry, or one that is not well formed */
  | 'LINK_MESSAGE'
  /** longer than the limit of the socket */
  | 'LINK_FRAME'
  /** the other side is gone */
  | 'LINK_CLOSED'
  /** no answer within the deadline */
  | 'LINK_DEADLINE'

/** A fault of a link; the connection it happened on is closed, and made anew. */
export class LinkError extends Error {
  override readonly name = 'LinkError'
  readonly code: LinkErrorCode

  constructor(code: LinkErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
