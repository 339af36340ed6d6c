import { create, type MessageInitShape } from '@bufbuild/protobuf'
import type { Address, Prefix } from '../../core/net/index.ts'
import type { RouteSnapshot, SpeakerSnapshot } from '../../core/speaker/index.ts'
import type { Log } from '../log/index.ts'
import { fromConfigure, type SpeakerCommand, toConfigure } from './convert/speaker.ts'
import {
  fromRoute,
  fromSpeakerSnapshot,
  toRoute,
  toSpeakerSnapshot,
} from './convert/speaker-snapshot.ts'
import { fromTarget } from './convert/words.ts'
import { SpeakerReplySchema, SpeakerRequestSchema } from './generated/link_pb.ts'
import { RequestLink } from './request-link.ts'
import { Channel, LINK_VERSION } from './transport/channel.ts'
import { LinkError } from './transport/error.ts'
import { type Listener, listen } from './transport/listen.ts'

/**
 * speaker.sock: the controller says what the speaker should do and asks what it holds. Authority is
 * the connection: the last controller that connected has it.
 */

type Request = NonNullable<MessageInitShape<typeof SpeakerRequestSchema>['body']>
type Reply = NonNullable<MessageInitShape<typeof SpeakerReplySchema>['body']>

const request = (body: Request) => create(SpeakerRequestSchema, { body })
const reply = (body: Reply) => create(SpeakerReplySchema, { body })

/** What the controller hears of its speaker. */
export interface SpeakerLinkOptions {
  readonly path: string
  readonly log: Log
  /** a speaker is there: it may be a new one, which knows nothing */
  up(): void
  down(): void
}

/** The controller's end. */
export class SpeakerLink {
  readonly #link
  #snapshot: SpeakerSnapshot | undefined
  #lookups = 0

  constructor(options: SpeakerLinkOptions) {
    this.#link = new RequestLink({
      ...options,
      outgoing: SpeakerRequestSchema,
      incoming: SpeakerReplySchema,
      hello: request({ case: 'hello', value: { version: LINK_VERSION, role: 'controller' } }),
      peer: 'speaker',
      down: () => {
        // versions of another process say nothing
        this.#snapshot = undefined
        options.down()
      },
    })
  }

  /** Whether a speaker is there. */
  get isUp(): boolean {
    return this.#link.isUp
  }

  /** Says all that the speaker should do; nothing while it is not there. */
  configure(command: SpeakerCommand): void {
    this.#link.tell(request({ case: 'configure', value: toConfigure(command) }))
  }

  /**
   * What the speaker holds; the same object as before when nothing changed. Rejects with
   * `LinkError`.
   */
  async snapshot(): Promise<SpeakerSnapshot> {
    const had = this.#snapshot
    const value = had === undefined ? {} : { version: had.version }
    const { body } = await this.#link.ask(request({ case: 'snapshot', value }))
    if (body.case === 'unchanged' && had !== undefined) return had
    if (body.case !== 'snapshot') throw new LinkError('LINK_MESSAGE', 'not a snapshot')
    const snapshot = fromSpeakerSnapshot(body.value)
    this.#snapshot = snapshot
    return snapshot
  }

  /** All paths of a prefix, or of the longest match of an address. Rejects with `LinkError`. */
  async lookup(target: string): Promise<RouteSnapshot[]> {
    const id = ++this.#lookups
    const { body } = await this.#link.ask(request({ case: 'lookup', value: { id, target } }))
    if (body.case !== 'lookup' || body.value.id !== id)
      throw new LinkError('LINK_MESSAGE', 'not the reply to this lookup')
    return body.value.routes.map(fromRoute)
  }

  /**
   * Has a peer say all again. Answers why it was not asked; undefined where it was. Rejects with
   * `LinkError`.
   */
  async refresh(peer: string): Promise<string | undefined> {
    const { body } = await this.#link.ask(request({ case: 'refresh', value: { peer } }))
    if (body.case !== 'refresh') throw new LinkError('LINK_MESSAGE', 'not the reply to a refresh')
    return body.value.why
  }

  /** Ends the link; the speaker goes on as it was told. */
  close(): void {
    this.#link.close()
  }
}

/** What a speaker does with what its controller says. */
export interface SpeakerServerOptions {
  readonly path: string
  readonly log: Log
  configure(command: SpeakerCommand): void
  snapshot(): SpeakerSnapshot
  lookup(target: Prefix | Address): readonly RouteSnapshot[]
  /** why the peer was not asked; undefined where it was */
  refresh(peer: string): string | undefined
}

/** The speaker's end: listens until closed. Rejects when it cannot. */
export function serveSpeaker(options: SpeakerServerOptions): Promise<Listener> {
  const { log } = options
  let current: { close(why: LinkError): void } | undefined
  return listen(options.path, socket => {
    const channel = new Channel(socket, {
      outgoing: SpeakerReplySchema,
      incoming: SpeakerRequestSchema,
      hello: reply({ case: 'hello', value: { version: LINK_VERSION, role: 'speaker' } }),
      peer: 'controller',
      open: () => {
        current?.close(new LinkError('LINK_CLOSED', 'another controller connected'))
        current = channel
        log.info('CONTROLLER_UP', 'the controller is linked')
      },
      message: ({ body }) => {
        switch (body.case) {
          case 'configure':
            return options.configure(fromConfigure(body.value))
          case 'snapshot':
            return channel.send(reply(snapshotReply(options.snapshot(), body.value.version)))
          case 'lookup': {
            const { id, target } = body.value
            const routes = options.lookup(fromTarget(target)).map(toRoute)
            return channel.send(reply({ case: 'lookup', value: { id, routes } }))
          }
          case 'refresh': {
            const why = options.refresh(body.value.peer)
            return channel.send(reply({ case: 'refresh', value: why === undefined ? {} : { why } }))
          }
          case 'hello':
          case undefined:
            return
          default:
            return body satisfies never
        }
      },
      closed: why => {
        if (why.code !== 'LINK_CLOSED') log.warn(why.code, why.message)
        if (current !== channel) return
        current = undefined
        log.warn('CONTROLLER_LOST', 'the controller is gone; sessions go on as last told')
      },
    })
  })
}

function snapshotReply(snapshot: SpeakerSnapshot, known: number | undefined): Reply {
  if (snapshot.version === known) return { case: 'unchanged', value: {} }
  return { case: 'snapshot', value: toSpeakerSnapshot(snapshot) }
}
