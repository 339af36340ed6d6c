import { Socket } from 'node:net'
import { openPipe, PosixError, type PosixSocket } from '../posix/index.ts'

/** Being woken when the kernel says something, on a socket that the runtime does not know. */

/** What a source of datagrams tells. */
export interface DatagramListener {
  /** One datagram: the first `length` octets of `bytes`, valid during the call only. */
  datagram(bytes: Uint8Array, length: number): void
  /** Reading failed: the source is closed, and what the kernel wanted to say may be lost. */
  failed(error: Error): void
}

/** Datagrams of one socket, until it is closed. It owns the descriptor. */
export interface DatagramSource {
  /** how it waits, for the log */
  readonly kind: 'epoll' | 'poll'
  close(): void
}

/** Longest datagram; the kernel's notifications are some hundred octets. */
const DATAGRAM_OCTETS_MAX = 65_536

/** Between two looks, where the kernel cannot wake us. */
const POLL_MS = 5

/** Waits on `socket` in the best way that this runtime allows. */
export function listen(socket: PosixSocket, listener: DatagramListener): DatagramSource {
  const handle = adopt(socket)
  return handle === undefined ? poll(socket, listener) : wait(handle, listener)
}

/**
 * Makes a handle of the runtime from a descriptor that it would refuse: `net.Socket({ fd })` wants
 * a pipe or a stream. So a pipe shows us the class of its handle, and that class opens any
 * descriptor. Not documented; undefined where it does not work, and `poll` takes over.
 */
export function adopt(socket: PosixSocket): object | undefined {
  const [read, write] = openPipe()
  const sample = new Socket({ fd: read, readable: true, writable: false })
  // the other end is closed by a socket too: descriptors have one owner
  const other = new Socket({ fd: write, readable: false, writable: true })
  try {
    const pipe: unknown = Reflect.get(sample, '_handle')
    if (typeof pipe !== 'object' || pipe === null) return undefined
    const handle: unknown = Reflect.construct(pipe.constructor, [0])
    if (typeof handle !== 'object' || handle === null) return undefined
    const open: unknown = Reflect.get(handle, 'open')
    if (typeof open !== 'function') return undefined
    const errno: unknown = Reflect.apply(open, handle, [socket.fd])
    if (errno !== 0 && errno !== undefined) return undefined
    socket.release()
    return handle
  } catch (error) {
    // a runtime without such a handle: not a failure, only slower
    if (error instanceof TypeError || error instanceof Error) return undefined
    throw error
  } finally {
    sample.destroy()
    other.destroy()
  }
}

function wait(handle: object, listener: DatagramListener): DatagramSource {
  const options = {
    handle,
    readable: true,
    writable: false,
    onread: {
      // read(2) keeps the boundaries of datagrams
      buffer: new Uint8Array(DATAGRAM_OCTETS_MAX),
      callback(length: number, bytes: Uint8Array): boolean {
        listener.datagram(bytes, length)
        return true
      },
    },
  }
  // by reflection: the types know only documented handles
  const socket: Socket = Reflect.construct(Socket, [options])
  let closed = false
  socket.on('error', error => {
    if (closed) return
    closed = true
    socket.destroy()
    listener.failed(error)
  })
  return {
    kind: 'epoll',
    close() {
      closed = true
      socket.destroy()
    },
  }
}

/** Looks now and then. The fallback: a notification is seen up to `POLL_MS` late. */
export function poll(socket: PosixSocket, listener: DatagramListener): DatagramSource {
  const bytes = new Uint8Array(DATAGRAM_OCTETS_MAX)
  const close = (): void => {
    clearInterval(timer)
    socket.close()
  }
  const look = (): void => {
    try {
      for (let length = socket.receive(bytes); length >= 0; length = socket.receive(bytes))
        listener.datagram(bytes, length)
    } catch (error) {
      if (!(error instanceof PosixError)) throw error
      close()
      listener.failed(error)
    }
  }
  const timer = setInterval(look, POLL_MS)
  return { kind: 'poll', close }
}
