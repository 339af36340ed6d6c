import type { Socket } from 'node:net'
import type { BirdView } from '../../core/intent/index.ts'
import { greeting, reply } from './replies.ts'

/** The connections of one control socket: a line is a question, and is answered at once. */

/** Octets of a question; who sends more is no client. */
const LINE_OCTETS_MAX = 1024
/** Tools come and go; who is one more than this is turned away. */
const CONNECTIONS_MAX = 32
/** How long one may say nothing. */
const IDLE_MS = 600_000

/** Takes connections until it is closed. */
export interface BirdSocket {
  accept(socket: Socket): void
  close(): void
}

/** Answers by `view`, which is asked for at each question. */
export function makeBirdSocket(view: () => BirdView): BirdSocket {
  const sockets = new Set<Socket>()
  return {
    accept(socket) {
      if (sockets.size >= CONNECTIONS_MAX) {
        socket.destroy()
        return
      }
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
      socket.on('error', () => socket.destroy())
      socket.setTimeout(IDLE_MS, () => socket.destroy())
      let rest = ''
      socket.on('data', octets => {
        const lines = (rest + octets.toString('latin1')).split('\n')
        rest = lines.pop() ?? ''
        if (rest.length > LINE_OCTETS_MAX || lines.some(line => line.length > LINE_OCTETS_MAX))
          socket.destroy()
        else for (const line of lines) socket.write(reply(line, view()))
      })
      socket.write(greeting(view()))
    },
    close() {
      for (const socket of sockets) socket.destroy()
    },
  }
}
