import { create } from '@bufbuild/protobuf'
import type { RouteEvent } from '../../core/dataplane/index.ts'
import type {
  Epoch,
  FibWriter,
  GroupId,
  NextHopAnswer,
  NextHopGroup,
  NextHopName,
} from '../../core/fib/index.ts'
import type { Family } from '../../core/net/index.ts'
import type { Log } from '../log/index.ts'
import { BATCH_ANSWERS_MAX, fromAnswers, routeEvents, toAnswer } from './convert/routes.ts'
import {
  type FromSpeaker,
  FromSpeakerSchema,
  type ToSpeaker,
  ToSpeakerSchema,
} from './generated/link_pb.ts'
import { RouteStream } from './route-stream.ts'
import { Channel, LINK_VERSION } from './transport/channel.ts'
import { dial } from './transport/dial.ts'
import { LinkError } from './transport/error.ts'
import { type Listener, listen } from './transport/listen.ts'

/**
 * routes.sock: the speaker says what the kernel should hold, the dataplane gives credit for more of
 * it. One speaker at a time: a new one takes the place of the old, which is dead or about to be.
 */

/** Routes that may be under way from the speaker to the dataplane: about 1 MB. */
export const CREDIT_ROUTES_MAX = 65_536

/** What the speaker hears of its dataplane. Called from I/O, never from inside a write. */
export interface RoutesLinkOptions {
  readonly path: string
  readonly log: Log
  /**
   * a dataplane listens: begin an epoch. `preserved`: it forwards what an earlier speaker told it
   */
  up(preserved: boolean): void
  down(): void
  /** so many more routes may be written */
  credit(routes: number): void
  /** how next hops are reached that were tracked */
  resolved(answers: readonly NextHopAnswer[]): void
}

/**
 * The speaker's end. What is written while there is no dataplane goes nowhere: `up` asks for all of
 * it again. Writes of one turn leave together when the turn ends.
 */
export class RoutesLink implements FibWriter {
  readonly #hangUp: () => void
  #stream: RouteStream | undefined
  #flushAsked = false
  #wasUp = false

  constructor(options: RoutesLinkOptions) {
    const { path, log } = options
    this.#hangUp = dial({
      path,
      lost: why => {
        // before the first time it is only not there yet
        const level = this.#wasUp ? 'warn' : 'info'
        log[level]('DATAPLANE_LOST', `no link to the dataplane: ${why.message}`)
      },
      connected: (socket, tell) => {
        const channel = new Channel(socket, {
          outgoing: FromSpeakerSchema,
          incoming: ToSpeakerSchema,
          hello: create(FromSpeakerSchema, { sequence: 1, body: hello('speaker') }),
          peer: 'dataplane',
          open: ({ preserved }) => {
            tell.greeted()
            this.#wasUp = true
            log.info('DATAPLANE_UP', 'the dataplane is linked')
            this.#stream = new RouteStream(message => channel.send(message))
            options.up(preserved)
          },
          message: ({ body }) => {
            if (body.case === 'credit') options.credit(body.value.routes)
            if (body.case === 'nextHops') options.resolved(fromAnswers(body.value.answers))
          },
          closed: why => {
            const wasUp = this.#stream !== undefined
            this.#stream = undefined
            if (wasUp) options.down()
            tell.ended(why)
          },
        })
        return () => channel.close(new LinkError('LINK_CLOSED', 'this process ends'))
      },
    })
  }

  begin(epoch: Epoch): void {
    this.#open()?.begin(epoch)
  }

  group(id: GroupId, hops: NextHopGroup, metric: number): void {
    this.#open()?.group(id, hops, metric)
  }

  dropGroup(id: GroupId): void {
    this.#open()?.dropGroup(id)
  }

  route(family: Family, bytes: Uint8Array, offset: number, length: number, id: GroupId): void {
    this.#open()?.route(family, bytes, offset, length, id)
  }

  withdraw(family: Family, bytes: Uint8Array, offset: number, length: number): void {
    this.#open()?.withdraw(family, bytes, offset, length)
  }

  track(hop: NextHopName): void {
    this.#open()?.track(hop)
  }

  untrack(hop: NextHopName): void {
    this.#open()?.untrack(hop)
  }

  inSync(epoch: Epoch): void {
    this.#open()?.inSync(epoch)
  }

  /** Ends the link; routes in the kernel stay. */
  close(): void {
    this.#hangUp()
  }

  #open(): RouteStream | undefined {
    if (this.#stream !== undefined && !this.#flushAsked) {
      this.#flushAsked = true
      queueMicrotask(() => {
        this.#flushAsked = false
        this.#stream?.flush()
      })
    }
    return this.#stream
  }
}

/** What the dataplane does with what a speaker says. */
export interface RoutesServerOptions {
  readonly path: string
  readonly log: Log
  /** whether what an earlier speaker wanted is still forwarded: asked when one connects */
  preserved(): boolean
  deliver(event: RouteEvent): void
}

/** The dataplane's end. */
export interface RoutesServer extends Listener {
  /** Tells the speaker, where there is one, how next hops are reached. */
  resolved(answers: readonly NextHopAnswer[]): void
}

/** Listens until closed. Rejects when it cannot. */
export async function serveRoutes(options: RoutesServerOptions): Promise<RoutesServer> {
  const { deliver, log } = options
  let current: Channel<ToSpeaker, FromSpeaker> | undefined
  const listener = await listen(options.path, socket => {
    let sequence = 1
    let taken = 0
    const channel = new Channel(socket, {
      outgoing: ToSpeakerSchema,
      incoming: FromSpeakerSchema,
      hello: create(ToSpeakerSchema, { body: hello('dataplane', options.preserved()) }),
      peer: 'speaker',
      open: () => {
        current?.close(new LinkError('LINK_CLOSED', 'another speaker connected'))
        current = channel
        log.info('SPEAKER_UP', 'the speaker is linked')
        deliver({ type: 'SpeakerUp' })
        channel.send(creditMessage(CREDIT_ROUTES_MAX, 1))
      },
      message: message => {
        if (message.sequence !== ++sequence)
          throw new LinkError('LINK_MESSAGE', `message ${message.sequence}, not ${sequence}`)
        for (const event of routeEvents(message)) deliver(event)
        if (message.body.case === 'routes') taken += message.body.value.groups.length
        if (taken < CREDIT_ROUTES_MAX / 4) return
        channel.send(creditMessage(taken, sequence))
        taken = 0
      },
      closed: why => {
        if (current !== channel) {
          if (why.code !== 'LINK_CLOSED') log.warn(why.code, why.message)
          return
        }
        current = undefined
        log.warn('SPEAKER_LOST', `the speaker is gone, its routes stay: ${why.message}`)
        deliver({ type: 'SpeakerDown' })
      },
    })
  })
  return {
    close: () => listener.close(),
    resolved(answers) {
      for (let at = 0; at < answers.length; at += BATCH_ANSWERS_MAX)
        current?.send(answersMessage(answers.slice(at, at + BATCH_ANSWERS_MAX)))
    },
  }
}

const hello = (role: string, preserved = false) => ({
  case: 'hello' as const,
  value: { version: LINK_VERSION, role, preserved },
})

const creditMessage = (routes: number, sequence: number) =>
  create(ToSpeakerSchema, { body: { case: 'credit', value: { routes, sequence } } })

const answersMessage = (answers: readonly NextHopAnswer[]) =>
  create(ToSpeakerSchema, {
    body: { case: 'nextHops', value: { answers: answers.map(toAnswer) } },
  })
