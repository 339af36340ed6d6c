import { createServer, type Server, type Socket } from 'node:net'
import type { Address } from '../../core/net/index.ts'
import type { Log } from '../log/index.ts'
import { ListeningKeys } from './listening-keys.ts'
import { canonical } from './runtime.ts'
import { AllowedPeers } from './transport.ts'
import { explain } from './why.ts'

/**
 * The ports that peers connect to. The set changes live; a port that cannot be had now is tried
 * again for ever, while the sessions that are there go on. IPv4 and IPv6 listen separately, because
 * keys of TCP options are of one family.
 */

/** A port of one family. */
export interface ListenAddress {
  readonly family: 'ipv4' | 'ipv6'
  readonly port: number
  /** of this host; absent: all of the family */
  readonly address?: Address
}

/** What listeners need of their process. */
export interface ListenersOptions {
  readonly log: Log
  /** opens a listener: `listenHere`, or the supervisor by a message */
  bind(at: ListenAddress): Promise<Server>
  accepted(socket: Socket): void
  /** `state` has changed. Not called from inside a call. */
  changed?(): void
}

/** A port that was asked for. */
export interface ListenState extends ListenAddress {
  /** why it cannot be had now; absent while it is open */
  readonly error?: string
}

/** After a failure, and how it grows. */
const RETRY_MIN_MS = 200
const RETRY_MAX_MS = 10_000

/** Connections that may wait to be accepted. */
const BACKLOG = 128

/** Keeps the listeners that were last asked for. */
export class Listeners {
  readonly #options: ListenersOptions
  readonly #open = new Map<string, Port>()
  #peers = new AllowedPeers()

  constructor(options: ListenersOptions) {
    this.#options = options
  }

  /** Makes `wanted` the set of ports: closes the others, leaves those that stay alone. */
  set(wanted: readonly ListenAddress[]): void {
    const keys = new Set(wanted.map(keyOf))
    for (const [key, port] of this.#open) {
      if (keys.has(key)) continue
      port.close()
      this.#open.delete(key)
    }
    for (const at of wanted)
      if (!this.#open.has(keyOf(at)))
        this.#open.set(keyOf(at), new Port(at, this.#options, this.#peers))
  }

  /** The ports that were asked for, in that order, but for those of which nobody knows yet. */
  get state(): readonly ListenState[] {
    return [...this.#open.values()].flatMap(({ state }) => state ?? [])
  }

  /**
   * Says who may connect, and with which password: keys change on the sockets that are open, and
   * those that are opened later get them before anybody is accepted. Accepted connections stay.
   */
  allow(peers: AllowedPeers): void {
    this.#peers = peers
    for (const port of this.#open.values()) port.allow(peers)
  }

  /** Stops listening; accepted connections stay. */
  close(): void {
    this.set([])
  }
}

/** One port that is wanted: open, or tried again. */
class Port {
  readonly #at: ListenAddress
  readonly #options: ListenersOptions
  #server: Server | undefined
  #keys: ListeningKeys | undefined
  #peers: AllowedPeers
  #timer: NodeJS.Timeout | undefined
  #closed = false
  /** absent until the first answer */
  #state: ListenState | undefined
  #retryMs = RETRY_MIN_MS

  constructor(at: ListenAddress, options: ListenersOptions, peers: AllowedPeers) {
    this.#at = at
    this.#options = options
    this.#peers = peers
    this.#try()
  }

  get state(): ListenState | undefined {
    return this.#state
  }

  allow(peers: AllowedPeers): void {
    this.#peers = peers
    this.#keys?.keep(peers)
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#server?.close()
  }

  #try(): void {
    this.#options.bind(this.#at).then(
      server => this.#opened(server),
      (error: unknown) => this.#failed(error),
    )
  }

  #opened(server: Server): void {
    if (this.#closed) {
      server.close()
      return
    }
    this.#server = server
    this.#retryMs = RETRY_MIN_MS
    // before a connection is accepted its bytes wait in the kernel
    Reflect.set(server, 'pauseOnConnect', true)
    const { family, port } = this.#at
    this.#keys = new ListeningKeys(server, family, this.#options.log)
    this.#keys.keep(this.#peers)
    server.on('connection', socket => this.#accepted(socket))
    server.on('error', error => this.#failed(error))
    this.#become({ family, port })
    this.#options.log.info('LISTENING', `listening on ${family} port ${port}`, { family, port })
  }

  #accepted(socket: Socket): void {
    const remote = canonical(socket.remoteAddress)
    const password = remote && this.#peers.of(remote)?.password
    // where it has gone already, whoever takes it finds out
    if (remote === undefined || this.#keys?.proves(remote, password) !== false)
      this.#options.accepted(socket)
    else socket.destroy()
  }

  #failed(error: unknown): void {
    this.#server?.close()
    this.#server = undefined
    this.#keys = undefined
    if (this.#closed) return
    const { family, port } = this.#at
    const why = explain(error)
    this.#become({ family, port, error: why })
    this.#options.log.error(
      'LISTEN_FAILED',
      `cannot listen on ${family} port ${port}: ${why}; peers cannot connect to this node until ` +
        `it can (find the program with \`ss -ltnp sport = :${port}\`, or set listenPort)`,
      { family, port, retryMs: this.#retryMs },
    )
    this.#timer = setTimeout(() => this.#try(), this.#retryMs)
    this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MAX_MS)
  }

  #become(state: ListenState): void {
    this.#state = state
    this.#options.changed?.()
  }
}

/** Opens a listener in this process. Rejects with the system's error. */
export function listenHere(at: ListenAddress): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ pauseOnConnect: true })
    server.once('error', reject)
    const host = at.address ?? (at.family === 'ipv4' ? '0.0.0.0' : '::')
    server.listen({ host, port: at.port, ipv6Only: at.family === 'ipv6', backlog: BACKLOG }, () => {
      server.off('error', reject)
      resolve(server)
    })
  })
}

const keyOf = (at: ListenAddress): string => `${at.family} ${at.port} ${at.address ?? ''}`
