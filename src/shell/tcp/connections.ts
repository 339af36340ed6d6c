import { Socket, type SocketConstructorOpts } from 'node:net'
import { type Address, hostPrefix, isLinkLocal } from '../../core/net/index.ts'
import type { ConnectionId } from '../../core/session/index.ts'
import type { Endpoint, SpeakerEvent, SpeakerOutput } from '../../core/speaker/index.ts'
import { type Log, SILENT } from '../log/index.ts'
import { openFor, setAccepted, setKey } from './options.ts'
import { Patience } from './patience.ts'
import {
  canonical,
  handleOf,
  ownSocket,
  ownsBuffer,
  RUNTIME_WHOLE,
  type Runtime,
} from './runtime.ts'
import { AllowedPeers, type SecuredTransport, securedTransport } from './transport.ts'
import { explain } from './why.ts'

/**
 * The speaker's TCP connections: what it asks for becomes a socket, what happens to a socket
 * becomes an event.
 *
 * All sockets read into one buffer: the speaker takes what it needs before the call returns. What
 * is sent leaves once there is a good write of it, or nothing more happens. Events come from I/O
 * or after the turn, never from inside a call.
 */

/** Octets of one read. */
const READ_OCTETS = 65_536

/** Octets that may wait in a socket's queue, beside the kernel's, before it is Congested. */
export const UNSENT_OCTETS_MAX = 262_144

/** So many octets are a good write: what follows would be another. */
const WRITE_OCTETS = 65_536

/** How long a closed connection may take to deliver what was sent before. */
const LINGER_MS = 5_000

/**
 * Connections at a time, accepted ones included. A further one of a range is closed at once; one of
 * a peer that is configured by its address is not: each has two at most. As many may be saying
 * their last; for one more the oldest of them is reset.
 */
export const CONNECTIONS_MAX = 4_096

/** The part of the speaker's output that is TCP. */
export type ConnectionOutput = Pick<
  SpeakerOutput,
  'connect' | 'send' | 'close' | 'pause' | 'resume'
>

/** What connections need of their process. */
export interface ConnectionsOptions {
  readonly log?: Log
  /** what this release of Node.js can do */
  readonly runtime?: Runtime
  /** instead of `CONNECTIONS_MAX` */
  readonly connectionsMax?: number
}

interface Connection {
  readonly id: ConnectionId
  readonly socket: Socket
  /** the other end */
  readonly remote: Address
  password: string | undefined
  connected: boolean
  /** something was sent on it */
  spoken: boolean
  queue: Uint8Array[]
  /** octets in it */
  queued: number
  congested: boolean
  /** something that was written waits for room in the kernel */
  blocked: boolean
}

/** All connections of a speaker. */
export class Connections implements ConnectionOutput {
  readonly #deliver: (event: SpeakerEvent) => void
  readonly #connections = new Map<ConnectionId, Connection>()
  /** those that were closed and have something to say yet, and when each has gone */
  readonly #lingering = new Map<Socket, Promise<void>>()
  readonly #buffer = Buffer.allocUnsafe(READ_OCTETS)
  readonly #log: Log
  readonly #runtime: Runtime
  readonly #max: number
  readonly #patience = new Patience<Connection>(connection => this.#flush(connection))
  #peers = new AllowedPeers()
  #accepted = 1

  /** @param deliver  hands an event to the speaker */
  constructor(deliver: (event: SpeakerEvent) => void, options: ConnectionsOptions = {}) {
    this.#deliver = deliver
    this.#log = options.log ?? SILENT
    this.#runtime = options.runtime ?? RUNTIME_WHOLE
    this.#max = options.connectionsMax ?? CONNECTIONS_MAX
  }

  connect(id: ConnectionId, endpoint: Endpoint): void {
    const { address, port } = endpoint
    const transport = securedTransport(endpoint)
    let socket: Socket
    try {
      socket = this.#open(id, endpoint, transport)
    } catch (error) {
      // told later, as every failure: never from inside a call
      socket = new Socket().destroy(error instanceof Error ? error : new Error(String(error)))
    }
    this.#add(id, socket, { remote: address, password: transport.password, connected: false })
    if (socket.destroyed) return
    socket.once('connect', () => this.#connected(id))
    socket.connect({ host: zoned(address, transport), port, ...this.#source(endpoint) })
  }

  /** Takes a connection that a listener accepted. */
  accept(socket: Socket): void {
    const id = this.#accepted as ConnectionId
    const remote = canonical(socket.remoteAddress)
    const local = canonical(socket.localAddress)
    // it may be gone already
    if (remote === undefined || local === undefined) {
      socket.destroy()
      return
    }
    const transport = this.#peers.of(remote)
    if (
      !this.#hasRoom(remote) ||
      (transport !== undefined && !this.#prepared(socket, remote, transport))
    ) {
      socket.destroy()
      return
    }
    this.#accepted += 2
    const password = transport?.password
    this.#add(id, this.#adopt(id, socket), { remote, password, connected: true })
    this.#deliver({ type: 'Accepted', connection: id, remote, local })
  }

  /**
   * Says how connections that peers open are to be, from now on. A password that changed is changed
   * on connections that are open, too: when the other end changes it within the hold time, the
   * session does not notice.
   */
  allow(peers: AllowedPeers): void {
    this.#peers = peers
    for (const connection of this.#connections.values()) {
      const transport = peers.of(connection.remote)
      // nobody's any more: it is closed by whoever knows why
      if (transport !== undefined) this.#rekey(connection, transport.password)
    }
  }

  send(id: ConnectionId, bytes: Uint8Array): void {
    const connection = this.#connections.get(id)
    // the peer closed it, and the speaker has not been told yet
    if (connection === undefined) return
    connection.queue.push(bytes)
    connection.queued += bytes.length
    connection.spoken = true
    if (connection.queued < WRITE_OCTETS) this.#patience.wait(connection)
    else if (connection.queued - bytes.length < WRITE_OCTETS)
      queueMicrotask(() => this.#flush(connection))
  }

  close(id: ConnectionId): void {
    const connection = this.#connections.get(id)
    if (connection === undefined) return
    this.#connections.delete(id)
    if (connection.connected && connection.spoken) this.#linger(connection)
    else connection.socket.destroy()
  }

  pause(id: ConnectionId): void {
    this.#connections.get(id)?.socket.pause()
  }

  resume(id: ConnectionId): void {
    this.#connections.get(id)?.socket.resume()
  }

  /** Resolves when all that was sent on closed connections has left, or was given up. */
  async settled(): Promise<void> {
    while (this.#lingering.size > 0) await Promise.all(this.#lingering.values())
  }

  /** A socket with all that `transport` asks for; throws where it cannot have it. */
  #open(id: ConnectionId, endpoint: Endpoint, transport: SecuredTransport): Socket {
    if (this.#runtime.ownSockets) return ownSocket(openFor(endpoint, transport), this.#options(id))
    if (needsOptions(transport)) throw new Error(NEEDS_OPTIONS)
    return new Socket(this.#options(id))
  }

  /** The source address, where the socket is not bound to it already. */
  #source({ localAddress }: Endpoint): { localAddress?: Address } {
    return this.#runtime.ownSockets || localAddress === undefined ? {} : { localAddress }
  }

  /** There is a limit to everything; whoever has a name is not kept out by those who have none. */
  #hasRoom(remote: Address): boolean {
    if (this.#connections.size < this.#max || this.#peers.isNamed(remote)) return true
    const text = `a connection of ${remote} is closed: there are ${this.#max} already`
    this.#log.warn('CONNECTIONS_FULL', text, { remote })
    return false
  }

  /** Whether an accepted socket is what its session is to have. */
  #prepared(socket: Socket, remote: Address, transport: SecuredTransport): boolean {
    try {
      if (!this.#runtime.descriptors) {
        if (needsOptions(transport)) throw new Error(NEEDS_OPTIONS)
        return true
      }
      setAccepted(handleOf(socket), remote, transport)
      return true
    } catch (error) {
      const text = `a connection of ${remote} is closed: ${explain(error)}`
      this.#log.error('TCP_OPTION_REFUSED', text, { remote })
      return false
    }
  }

  #rekey(connection: Connection, password: string | undefined): void {
    const { remote, socket, id } = connection
    if (connection.password === password) return
    connection.password = password
    try {
      setKey(handleOf(socket), hostPrefix(remote), password)
    } catch (error) {
      const why = `its password could not be changed: ${explain(error)}`
      // not from inside a call
      setImmediate(() => this.#ended(id, why))
    }
  }

  #options(id: ConnectionId): SocketConstructorOpts & { writableHighWaterMark: number } {
    return {
      onread: {
        buffer: this.#buffer,
        callback: octets => {
          this.#received(id, this.#buffer.subarray(0, octets))
          return true
        },
      },
      writableHighWaterMark: UNSENT_OCTETS_MAX,
    }
  }

  /** The same connection reading into our buffer; where the runtime does not let us, as it came. */
  #adopt(id: ConnectionId, accepted: Socket): Socket {
    if (!ownsBuffer(accepted)) {
      accepted.on('data', bytes => this.#received(id, bytes))
      accepted.resume()
      return accepted
    }
    const handle: unknown = Reflect.get(accepted, '_handle')
    Reflect.set(accepted, '_handle', null)
    return new Socket(Object.assign(this.#options(id), { handle }))
  }

  #add(
    id: ConnectionId,
    socket: Socket,
    fields: Pick<Connection, 'remote' | 'password' | 'connected'>,
  ): void {
    this.#connections.set(id, {
      id,
      socket,
      ...fields,
      spoken: false,
      queue: [],
      queued: 0,
      congested: false,
      blocked: false,
    })
    socket.setNoDelay(true)
    socket.on('error', error => this.#ended(id, explain(error)))
    socket.on('end', () => this.#ended(id, 'the peer closed the connection'))
    socket.on('close', () => this.#ended(id, 'the connection was closed'))
    socket.on('drain', () => this.#drained(id))
  }

  #connected(id: ConnectionId): void {
    const connection = this.#connections.get(id)
    if (connection === undefined) return
    const local = canonical(connection.socket.localAddress)
    if (local === undefined) this.#ended(id, 'the connection was closed at once')
    else {
      connection.connected = true
      this.#deliver({ type: 'Connected', connection: id, local })
    }
  }

  #received(id: ConnectionId, bytes: Uint8Array): void {
    this.#patience.happened()
    // what comes after a close is read and dropped, so that the peer's FIN is seen
    if (this.#connections.has(id)) this.#deliver({ type: 'Received', connection: id, bytes })
  }

  #ended(id: ConnectionId, why: string): void {
    const connection = this.#connections.get(id)
    if (connection === undefined) return
    this.#connections.delete(id)
    connection.socket.destroy()
    this.#deliver({ type: connection.connected ? 'Closed' : 'Failed', connection: id, why })
  }

  #flush(connection: Connection): void {
    const { socket, queue, id } = connection
    connection.queue = []
    connection.queued = 0
    this.#patience.leave(connection)
    if (queue.length === 0 || socket.destroyed) return
    socket.cork()
    let room = true
    const last = queue.length - 1
    for (let at = 0; at < last; at++) socket.write(queue[at]!)
    if (last >= 0) room = socket.write(queue[last]!, () => this.#left(id))
    socket.uncork()
    if (!this.#connections.has(id)) return
    if (!connection.blocked && socket.writableLength > 0) this.#block(connection, true)
    if (room || connection.congested) return
    connection.congested = true
    this.#deliver({ type: 'Congested', connection: id })
  }

  /** What was written in one turn has left, or was given up. */
  #left(id: ConnectionId): void {
    const connection = this.#connections.get(id)
    if (connection?.blocked) this.#block(connection, connection.socket.writableLength > 0)
  }

  #block(connection: Connection, blocked: boolean): void {
    connection.blocked = blocked
    this.#deliver({ type: blocked ? 'Blocked' : 'Unblocked', connection: connection.id })
  }

  #drained(id: ConnectionId): void {
    const connection = this.#connections.get(id)
    if (connection === undefined || !connection.congested) return
    connection.congested = false
    this.#deliver({ type: 'Drained', connection: id })
  }

  /**
   * Sends what is queued and FIN, then waits for the peer's FIN: closing while octets of the peer
   * are unread would reset the connection, and the NOTIFICATION that says why would be lost.
   */
  #linger(connection: Connection): void {
    const { socket } = connection
    this.#flush(connection)
    const timer = setTimeout(() => socket.resetAndDestroy(), LINGER_MS)
    const gone = new Promise<void>(resolve => {
      socket.once('close', () => {
        clearTimeout(timer)
        this.#lingering.delete(socket)
        resolve()
      })
    })
    if (this.#lingering.size >= this.#max) this.#giveUpOldest()
    this.#lingering.set(socket, gone)
    socket.resume()
    socket.end()
  }

  #giveUpOldest(): void {
    const [oldest] = this.#lingering.keys()
    if (oldest === undefined) return
    this.#lingering.delete(oldest)
    oldest.resetAndDestroy()
  }
}

const NEEDS_OPTIONS =
  'this release of Node.js cannot give it the password, ttlSecurity or interface that it needs'

const needsOptions = ({ password, ttlSecurity, interface: link }: SecuredTransport): boolean =>
  password !== undefined || ttlSecurity !== undefined || link !== undefined

/** The address as it is connected to: with a zone where it is link-local. */
const zoned = (address: Address, { interface: link }: SecuredTransport): string =>
  isLinkLocal(address) && link !== undefined ? `${address}%${link}` : address
