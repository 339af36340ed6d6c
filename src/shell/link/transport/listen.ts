import { chmodSync, mkdirSync, unlinkSync } from 'node:fs'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'

/**
 * Listens on a unix socket of mode 0660. A socket file that a dead process left behind is replaced,
 * one that somebody answers on is not.
 */

/** A listener that was opened. */
export interface Listener {
  /** Closes the listener and all connections; the file goes. */
  close(): Promise<void>
}

/** Octets of a path that the kernel takes: sun_path of sockaddr_un, with its zero. */
const PATH_OCTETS_MAX = 107

/** Rejects with the system's error, or with a sentence where another process answers at `path`. */
export async function listen(
  path: string,
  connection: (socket: Socket) => void,
): Promise<Listener> {
  if (Buffer.byteLength(path) > PATH_OCTETS_MAX)
    throw new Error(`${path} is longer than the ${PATH_OCTETS_MAX} octets of a socket's name`)
  // a run directory that nobody prepared: this process alone decides who may enter
  mkdirSync(dirname(path), { recursive: true, mode: 0o750 })
  if (await answered(path)) throw new Error(`${path}: another process listens there already`)
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    connection(socket)
  })
  removeFile(path)
  await bind(server, path)
  return {
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

function bind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      chmodSync(path, 0o660)
      resolve()
    })
  })
}

function removeFile(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
  }
}

function answered(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = createConnection(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
