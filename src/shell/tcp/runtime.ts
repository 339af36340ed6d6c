import { type Server, Socket, type SocketConstructorOpts } from 'node:net'
import { type Address, address, parseAddress } from '../../core/net/index.ts'
import { domainOf, PosixSocket, socketAddress } from '../posix/index.ts'

/**
 * What we use of Node.js that it does not document, each with what happens without it. Examined
 * when a process starts, because a new release may take any of it away.
 *
 *   descriptors   `_handle.fd` of sockets and servers     no password or ttlSecurity when accepting
 *   ownSockets    `new Socket({ fd, manualStart })`       no password, no ttlSecurity, no interface
 *                 connects a socket made by socket(2)     when connecting
 *   ownBuffer     `useUserBuffer` of an accepted handle   a buffer for each read
 */
export interface Runtime {
  readonly descriptors: boolean
  readonly ownSockets: boolean
  readonly ownBuffer: boolean
  /** sentences for the log, one for each that is missing */
  readonly missing: readonly string[]
}

/** A runtime in which all is there, for tests of what follows. */
export const RUNTIME_WHOLE: Runtime = {
  descriptors: true,
  ownSockets: true,
  ownBuffer: true,
  missing: [],
}

/** How long the examination may take. */
const EXAMINE_MS = 2_000

const LOOPBACK = address('127.0.0.1')
const SOCK_STREAM = 1

/** What the kernel answers where nobody listens, and where there is no loopback. */
const REFUSALS = new Set(['ECONNREFUSED', 'ENETUNREACH', 'EADDRNOTAVAIL', 'EHOSTUNREACH'])

/** The descriptor of a socket or server; -1 where it has none or the runtime does not tell. */
export function handleOf(of: Socket | Server): number {
  const handle: unknown = Reflect.get(of, '_handle')
  if (typeof handle !== 'object' || handle === null) return -1
  const fd: unknown = Reflect.get(handle, 'fd')
  return typeof fd === 'number' ? fd : -1
}

/** Whether an accepted socket's handle can read into a buffer that is given to it. */
export function ownsBuffer(of: Socket): boolean {
  const handle: unknown = Reflect.get(of, '_handle')
  return typeof handle === 'object' && handle !== null && 'useUserBuffer' in handle
}

/** An address as the runtime gives it: with a zone where it is link-local. */
export const canonical = (text: string | undefined): Address | undefined =>
  text === undefined ? undefined : parseAddress(text.replace(/%.*$/, ''))

/** A socket over a descriptor that is not connected yet; it is the socket's to close. */
export function ownSocket(fd: number, options: SocketConstructorOpts): Socket {
  // without manualStart it reads at once, and dies of ENOTCONN
  return new Socket(Object.assign({ manualStart: true }, options, { fd }))
}

/**
 * Tries each without a peer: connecting to a port of the loopback where nobody listens must be
 * refused, and by the kernel. Resolves within two seconds, and never rejects.
 */
export async function examineRuntime(): Promise<Runtime> {
  const missing: string[] = []
  const attempt = async (lost: string, act: () => unknown): Promise<boolean> => {
    try {
      await act()
      return true
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      missing.push(`${lost} with Node.js ${process.version}: ${why}`)
      return false
    }
  }
  return {
    ownSockets: await attempt(
      'connections of our own are without password, ttlSecurity and interface',
      connectsOwnSocket,
    ),
    descriptors: await attempt(
      'connections of peers are without password and ttlSecurity',
      tellsDescriptors,
    ),
    ownBuffer: await attempt('each read of a connection takes a buffer', () =>
      takesBuffer(plain()),
    ),
    missing,
  }
}

async function connectsOwnSocket(): Promise<void> {
  const closed = closedPort()
  try {
    const probe = new PosixSocket(domainOf(LOOPBACK), SOCK_STREAM, 0)
    const socket = ownSocket(probe.release(), {})
    const code = await new Promise<string>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error('connecting did not end')), EXAMINE_MS)
      socket.once('connect', () => resolve('connected'))
      socket.once('error', error => resolve(String(Reflect.get(error, 'code'))))
      socket.once('close', () => clearTimeout(late))
      socket.connect({ host: LOOPBACK, port: closed.port })
    }).finally(() => socket.destroy())
    if (!REFUSALS.has(code)) throw new Error(`connecting ended with ${code}`)
  } finally {
    closed.socket.close()
  }
}

function tellsDescriptors(): void {
  closedPort().socket.close()
  const socket = plain()
  const handle: unknown = Reflect.get(socket, '_handle')
  socket.destroy()
  if (
    typeof handle !== 'object' ||
    handle === null ||
    typeof Reflect.get(handle, 'fd') !== 'number'
  )
    throw new Error('a socket has no _handle.fd')
}

function takesBuffer(socket: Socket): void {
  const taken = ownsBuffer(socket)
  socket.destroy()
  if (!taken) throw new Error('a handle has no useUserBuffer')
}

/** A socket of the runtime's own, which fails soon: nobody listens where it connects. */
function plain(): Socket {
  const socket = new Socket()
  socket.on('error', () => {})
  return socket.connect({ host: LOOPBACK, port: 1 })
}

/** A port where nobody listens, and the socket that keeps it so. */
function closedPort(): { socket: PosixSocket; port: number } {
  const socket = new PosixSocket(domainOf(LOOPBACK), SOCK_STREAM, 0)
  socket.bind(socketAddress(address('0.0.0.0'), 0))
  const name = socket.name(16)
  return { socket, port: (name[2] ?? 0) * 256 + (name[3] ?? 0) }
}
