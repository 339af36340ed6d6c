import { create, type MessageInitShape } from '@bufbuild/protobuf'
import type {
  DataplaneIntent,
  DataplaneSnapshot,
  KernelRouteSnapshot,
} from '../../core/dataplane/index.ts'
import type { Prefix } from '../../core/net/index.ts'
import type { Log } from '../log/index.ts'
import {
  fromDataplaneSnapshot,
  fromIntent,
  fromKernelRoutes,
  toDataplaneSnapshot,
  toIntent,
  toKernelRoutes,
} from './convert/dataplane.ts'
import { prefix } from './convert/words.ts'
import { DataplaneReplySchema, DataplaneRequestSchema } from './generated/link_pb.ts'
import { RequestLink } from './request-link.ts'
import { Channel, LINK_VERSION } from './transport/channel.ts'
import { LinkError } from './transport/error.ts'
import { type Listener, listen } from './transport/listen.ts'

/** dataplane.sock: the controller says what it wants in the kernel, and asks what is there. */

type Request = NonNullable<MessageInitShape<typeof DataplaneRequestSchema>['body']>
type Reply = NonNullable<MessageInitShape<typeof DataplaneReplySchema>['body']>

const request = (body: Request) => create(DataplaneRequestSchema, { body })
const reply = (body: Reply) => create(DataplaneReplySchema, { body })

/** What the controller hears of its dataplane. */
export interface DataplaneLinkOptions {
  readonly path: string
  readonly log: Log
  /** a dataplane is there: it may be a new one, which knows nothing */
  up(): void
  down(): void
}

/** The controller's end. */
export class DataplaneLink {
  readonly #link
  #snapshot: DataplaneSnapshot | undefined

  constructor(options: DataplaneLinkOptions) {
    this.#link = new RequestLink({
      ...options,
      outgoing: DataplaneRequestSchema,
      incoming: DataplaneReplySchema,
      hello: request({ case: 'hello', value: { version: LINK_VERSION, role: 'controller' } }),
      peer: 'dataplane',
      down: () => {
        // versions of another process say nothing
        this.#snapshot = undefined
        options.down()
      },
    })
  }

  /** Whether a dataplane is there. */
  get isUp(): boolean {
    return this.#link.isUp
  }

  /** Says all that the controller wants; nothing while the dataplane is not there. */
  intend(intent: DataplaneIntent): void {
    this.#link.tell(request({ case: 'intent', value: toIntent(intent) }))
  }

  /**
   * What the kernel holds; the same object as before when nothing changed. Rejects with
   * `LinkError`.
   */
  async snapshot(): Promise<DataplaneSnapshot> {
    const had = this.#snapshot
    const value = had === undefined ? {} : { version: had.version }
    const { body } = await this.#link.ask(request({ case: 'snapshot', value }))
    if (body.case === 'unchanged' && had !== undefined) return had
    if (body.case !== 'snapshot') throw new LinkError('LINK_MESSAGE', 'not a snapshot')
    const snapshot = fromDataplaneSnapshot(body.value)
    this.#snapshot = snapshot
    return snapshot
  }

  /** What is known of the routes to exactly these prefixes. Rejects with `LinkError`. */
  async lookup(prefixes: readonly Prefix[]): Promise<readonly KernelRouteSnapshot[]> {
    const value = { prefixes: [...prefixes] }
    const { body } = await this.#link.ask(request({ case: 'lookup', value }))
    if (body.case !== 'lookup') throw new LinkError('LINK_MESSAGE', 'not the reply to a lookup')
    return fromKernelRoutes(body.value.routes)
  }

  /** Ends the link; the dataplane goes on as it was told. */
  close(): void {
    this.#link.close()
  }
}

/** What a dataplane does with what its controller says. */
export interface DataplaneServerOptions {
  readonly path: string
  readonly log: Log
  intend(intent: DataplaneIntent): void
  snapshot(): DataplaneSnapshot
  lookup(prefixes: readonly Prefix[]): readonly KernelRouteSnapshot[]
}

/** The dataplane's end: listens until closed. Rejects when it cannot. */
export function serveDataplane(options: DataplaneServerOptions): Promise<Listener> {
  const { log } = options
  let current: { close(why: LinkError): void } | undefined
  return listen(options.path, socket => {
    const channel = new Channel(socket, {
      outgoing: DataplaneReplySchema,
      incoming: DataplaneRequestSchema,
      hello: reply({ case: 'hello', value: { version: LINK_VERSION, role: 'dataplane' } }),
      peer: 'controller',
      open: () => {
        current?.close(new LinkError('LINK_CLOSED', 'another controller connected'))
        current = channel
        log.info('CONTROLLER_UP', 'the controller is linked')
      },
      message: ({ body }) => {
        switch (body.case) {
          case 'intent':
            return options.intend(fromIntent(body.value))
          case 'snapshot':
            return channel.send(reply(snapshotReply(options.snapshot(), body.value.version)))
          case 'lookup': {
            const routes = toKernelRoutes(options.lookup(body.value.prefixes.map(prefix)))
            return channel.send(reply({ case: 'lookup', value: { routes } }))
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
        log.warn('CONTROLLER_LOST', 'the controller is gone; the kernel stays as last told')
      },
    })
  })
}

function snapshotReply(snapshot: DataplaneSnapshot, known: number | undefined): Reply {
  if (snapshot.version === known) return { case: 'unchanged', value: {} }
  return { case: 'snapshot', value: toDataplaneSnapshot(snapshot) }
}
