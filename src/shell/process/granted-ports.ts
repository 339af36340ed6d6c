import type { Server } from 'node:net'
import type { Address } from '../../core/net/index.ts'
import type { Log } from '../log/index.ts'

/**
 * Listeners that a supervisor opens for its speaker: TCP only, and below 1024 only at the ports
 * that BGP has here. Nothing else of its privileges can be had by asking.
 */

/** BGP's own port: the speaker may always have it. RFC 4271 §8 */
const BGP_PORT = 179
/** From here on any process may listen. */
const UNPRIVILEGED_PORT_MIN = 1_024

/** A port of one family. */
interface Place {
  readonly family: 'ipv4' | 'ipv6'
  readonly port: number
  /** of this host; absent: all of the family */
  readonly address?: Address
}

/** What the ports are opened with. */
export interface GrantedPortsOptions {
  readonly log: Log
  /** Rejects with the system's error. */
  listen(at: Place): Promise<Server>
  /** The system's error in a sentence. */
  explain(error: Error): string
}

/** The ports that the speaker may have now. */
export class GrantedPorts {
  readonly #options: GrantedPortsOptions
  #granted: ReadonlySet<number> = new Set([BGP_PORT])

  constructor(options: GrantedPortsOptions) {
    this.#options = options
  }

  /** The controller alone reads the store: where it names a port, the operator has. */
  allow(ports: readonly number[]): void {
    this.#granted = new Set([BGP_PORT, ...ports])
  }

  /** Opens one, and sends it as the answer to the question `id`, or why it cannot be had. */
  async open(at: Place, id: number, send: (answer: object, server?: Server) => void) {
    const { log, listen, explain } = this.#options
    const { family, port, address } = at
    if (port < UNPRIVILEGED_PORT_MIN && !this.#granted.has(port)) {
      const text = `port ${port} is not a listenPort of this node, as the controller last read it`
      log.warn('PORT_REFUSED', `the speaker may not have it: ${text}`, { family, port })
      send({ listen: id, code: 'EPERM', text })
      return
    }
    try {
      const server = await listen({ family, port, ...(address !== undefined && { address }) })
      // one that connects before the speaker has the listener: it will try again
      server.on('connection', socket => socket.destroy())
      log.info('PORT_OPENED', `opened ${family} port ${port} for the speaker`, { family, port })
      send({ listen: id }, server)
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error
      send({ listen: id, code: error.code, text: explain(error) })
    }
  }
}
