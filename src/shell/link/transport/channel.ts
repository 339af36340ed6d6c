import type { Socket } from 'node:net'
import { fromBinary, type Message, toBinary } from '@bufbuild/protobuf'
import type { GenMessage } from '@bufbuild/protobuf/codegenv2'
import type { Hello } from '../generated/link_pb.ts'
import { LinkError } from './error.ts'
import { FrameReader, frame } from './frame.ts'

/**
 * One connection of a link: frames of one message type each way, after both said Hello.
 *
 * What is sent in one turn leaves as one write. The first fault closes the connection, once, with
 * its reason.
 */

/** Of proto/link.proto: changes with any change of it that an older half would misread. */
export const LINK_VERSION = 1

/** Octets of the longest message on any socket: a snapshot of thousands of routes is far below. */
export const MESSAGE_OCTETS_MAX = 16 << 20

/** A message whose `body` is one of several; every direction of every link has this shape. */
export type Envelope = Message & {
  body: { case: 'hello'; value: Hello } | { case: string; value: unknown } | { case: undefined }
}

/** What a connection carries, and who hears of it. */
export interface ChannelOptions<Out extends Message, In extends Envelope> {
  readonly outgoing: GenMessage<Out>
  readonly incoming: GenMessage<In>
  readonly hello: Out
  /** who the other side has to be */
  readonly peer: string
  /** both said Hello; `hello` is the other side's */
  open(hello: Hello): void
  /** a message after Hello; what it throws closes the connection */
  message(message: In): void
  /** called exactly once */
  closed(why: LinkError): void
}

/** One connection. */
export class Channel<Out extends Message, In extends Envelope> {
  readonly #socket: Socket
  readonly #options: ChannelOptions<Out, In>
  readonly #frames = new FrameReader(MESSAGE_OCTETS_MAX)
  #queue: Uint8Array[] = []
  #greeted = false
  #closed = false

  constructor(socket: Socket, options: ChannelOptions<Out, In>) {
    this.#socket = socket
    this.#options = options
    socket.on('data', chunk => this.#received(chunk))
    socket.on('error', cause => this.#end(new LinkError('LINK_CLOSED', cause.message, { cause })))
    socket.on('close', () => this.#end(new LinkError('LINK_CLOSED', 'the other side closed')))
    this.send(options.hello)
  }

  /** Sends `message` with all others of this turn. After the end: dropped. */
  send(message: Out): void {
    if (this.#closed) return
    if (this.#queue.length === 0) queueMicrotask(() => this.#flush())
    this.#queue.push(frame(toBinary(this.#options.outgoing, message)))
  }

  /** Ends the connection for `why`. */
  close(why: LinkError): void {
    this.#end(why)
  }

  #flush(): void {
    const queue = this.#queue
    this.#queue = []
    if (this.#closed) return
    this.#socket.write(queue.length === 1 ? queue[0]! : Buffer.concat(queue))
  }

  #received(chunk: Uint8Array): void {
    if (this.#closed) return
    try {
      for (const body of this.#frames.push(chunk)) {
        this.#message(parse(this.#options.incoming, body))
        if (this.#closed) return
      }
    } catch (error) {
      if (!(error instanceof LinkError)) throw error
      this.#end(error)
    }
  }

  #message(message: In): void {
    const { body } = message
    if (body.case === undefined || (message.$unknown?.length ?? 0) > 0)
      throw new LinkError('LINK_MESSAGE', 'a message that this socket does not carry')
    if (!this.#greeted) this.#greet(body)
    else if (body.case === 'hello') throw new LinkError('LINK_MESSAGE', 'a second Hello')
    else this.#options.message(message)
  }

  #greet(body: Envelope['body']): void {
    if (!isHello(body)) throw new LinkError('LINK_MESSAGE', 'the first message is not Hello')
    const { version, role } = body.value
    if (version !== LINK_VERSION)
      throw new LinkError(
        'LINK_VERSION',
        `the ${role} speaks version ${version} of the link and this process version ` +
          `${LINK_VERSION}; run both from the same release`,
      )
    if (role !== this.#options.peer)
      throw new LinkError('LINK_MESSAGE', `"${role}" is not the ${this.#options.peer}`)
    this.#greeted = true
    this.#options.open(body.value)
  }

  #end(why: LinkError): void {
    if (this.#closed) return
    this.#closed = true
    this.#queue = []
    this.#socket.destroy()
    this.#options.closed(why)
  }
}

const isHello = (body: Envelope['body']): body is { case: 'hello'; value: Hello } =>
  body.case === 'hello'

function parse<In extends Message>(schema: GenMessage<In>, body: Uint8Array): In {
  try {
    return fromBinary(schema, body)
  } catch (cause) {
    throw new LinkError('LINK_MESSAGE', 'a message that is not well formed', { cause })
  }
}
