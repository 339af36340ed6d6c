import type { Message } from '@bufbuild/protobuf'
import type { GenMessage } from '@bufbuild/protobuf/codegenv2'
import type { Log } from '../log/index.ts'
import { Channel, type Envelope } from './transport/channel.ts'
import { dial } from './transport/dial.ts'
import { LinkError } from './transport/error.ts'

/**
 * The asking end of a control link: requests in order, replies in the same order. A reply that does
 * not come within the deadline ends the connection, for who hangs is as good as gone.
 */

/** How long a reply may take. Snapshots are made between two slices of table work. */
export const REPLY_DEADLINE_MS = 5_000

/** Requests that may wait for their replies; another one is refused. */
const WAITING_MAX = 64

/** What the link is made of, and who hears of it. */
export interface RequestLinkOptions<Out extends Message, In extends Envelope> {
  readonly path: string
  readonly log: Log
  readonly outgoing: GenMessage<Out>
  readonly incoming: GenMessage<In>
  readonly hello: Out
  /** who listens */
  readonly peer: 'speaker' | 'dataplane'
  up(): void
  down(): void
}

interface Waiting<In> {
  resolve(reply: In): void
  reject(why: LinkError): void
}

/** The asking end; connects for ever until closed. */
export class RequestLink<Out extends Message, In extends Envelope> {
  readonly #hangUp: () => void
  #channel: Channel<Out, In> | undefined
  #wasUp = false
  #waiting: Waiting<In>[] = []
  #deadline: NodeJS.Timeout | undefined

  constructor(options: RequestLinkOptions<Out, In>) {
    const { path, peer, log } = options
    const name = peer.toUpperCase()
    this.#hangUp = dial({
      path,
      lost: why => {
        // before the first time it is only not there yet
        const level = this.#wasUp ? 'warn' : 'info'
        log[level](`${name}_LOST`, `no link to the ${peer}: ${why.message}`)
      },
      connected: (socket, tell) => {
        const channel: Channel<Out, In> = new Channel(socket, {
          ...options,
          open: () => {
            tell.greeted()
            this.#channel = channel
            this.#wasUp = true
            log.info(`${name}_UP`, `the ${peer} is linked`)
            options.up()
          },
          message: reply => this.#reply(reply),
          closed: why => {
            const wasUp = this.#channel === channel
            this.#channel = undefined
            this.#fail(why)
            if (wasUp) options.down()
            tell.ended(why)
          },
        })
        return () => channel.close(new LinkError('LINK_CLOSED', 'this process ends'))
      },
    })
  }

  /** Whether the other side is there. */
  get isUp(): boolean {
    return this.#channel !== undefined
  }

  /** Says what has no reply; goes nowhere while the link is down. */
  tell(message: Out): void {
    this.#channel?.send(message)
  }

  /**
   * Asks; rejects with a `LinkError` when the link is down or goes down, or the deadline passes.
   */
  ask(message: Out): Promise<In> {
    const channel = this.#channel
    if (channel === undefined) return Promise.reject(new LinkError('LINK_CLOSED', 'no link'))
    if (this.#waiting.length >= WAITING_MAX)
      return Promise.reject(new LinkError('LINK_DEADLINE', `${WAITING_MAX} requests wait already`))
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      if (this.#waiting.length === 1) this.#watch()
      channel.send(message)
    })
  }

  /** Ends the link. */
  close(): void {
    this.#hangUp()
    this.#channel = undefined
    this.#fail(new LinkError('LINK_CLOSED', 'this process ends'))
  }

  #reply(reply: In): void {
    const first = this.#waiting.shift()
    if (first === undefined) throw new LinkError('LINK_MESSAGE', 'a reply to nothing')
    this.#watch()
    first.resolve(reply)
  }

  /** Runs the deadline of the request that has waited longest. */
  #watch(): void {
    clearTimeout(this.#deadline)
    if (this.#waiting.length === 0) return
    this.#deadline = setTimeout(() => {
      const why = `no reply within ${REPLY_DEADLINE_MS} ms`
      this.#channel?.close(new LinkError('LINK_DEADLINE', why))
    }, REPLY_DEADLINE_MS)
  }

  #fail(why: LinkError): void {
    clearTimeout(this.#deadline)
    const waiting = this.#waiting
    this.#waiting = []
    for (const { reject } of waiting) reject(why)
  }
}
