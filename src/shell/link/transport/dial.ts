import { createConnection, type Socket } from 'node:net'
import { now } from '../../clock/index.ts'
import { LinkError } from './error.ts'

/**
 * Keeps one connection to a unix socket: connects, and after each end connects again, for ever.
 * Processes of a node start in any order, so a socket that is not there yet is ordinary.
 */

/** After an end, and how it grows while nobody answers. */
const RETRY_MIN_MS = 50
const RETRY_MAX_MS = 1_000

/** A link that lasted so long was good: its end is news, and the next attempt is prompt. */
const LASTING_MS = 5_000

/** What a dialer tells. */
export interface DialOptions {
  readonly path: string
  /** A socket is connected. The answer is called when the dialer is closed. */
  connected(socket: Socket, tell: DialTell): () => void
  /** The link is not there: said once an outage, and again for another reason. */
  lost(why: LinkError): void
}

/** What the owner of a connection tells its dialer. */
export interface DialTell {
  /** the other side answers */
  greeted(): void
  /** it is over: connect again */
  ended(why: LinkError): void
}

/** Dials `options.path` until the answer is called. */
export function dial(options: DialOptions): () => void {
  let retryMs = RETRY_MIN_MS
  let timer: NodeJS.Timeout | undefined
  let hangUp: () => void = () => {}
  let closed = false
  let lastWhy: string | undefined
  let greetedAt: number | undefined

  const ended = (why: LinkError): void => {
    hangUp = () => {}
    if (closed) return
    if (greetedAt !== undefined && now() - greetedAt > LASTING_MS) retryMs = RETRY_MIN_MS
    greetedAt = undefined
    if (lastWhy !== why.message) options.lost(why)
    lastWhy = why.message
    timer = setTimeout(attempt, retryMs)
    retryMs = Math.min(2 * retryMs, RETRY_MAX_MS)
  }

  const greeted = (): void => {
    greetedAt = now()
    lastWhy = undefined
  }

  const attempt = (): void => {
    const socket = createConnection(options.path)
    const failed = (cause: NodeJS.ErrnoException): void =>
      ended(new LinkError('LINK_CLOSED', `${options.path}: ${reason(cause)}`, { cause }))
    hangUp = () => socket.destroy()
    socket.once('error', failed)
    socket.once('connect', () => {
      socket.off('error', failed)
      hangUp = options.connected(socket, { greeted, ended })
    })
  }

  attempt()
  return () => {
    closed = true
    clearTimeout(timer)
    hangUp()
  }
}

function reason(cause: NodeJS.ErrnoException): string {
  switch (cause.code) {
    case 'ENOENT':
      return 'the socket is not there; the process that listens is not running yet'
    case 'ECONNREFUSED':
      return 'nobody listens; the process that made the socket has gone'
    case 'EACCES':
      return 'permission denied; the socket belongs to another user'
    default:
      return cause.message
  }
}
