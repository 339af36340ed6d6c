import { dirname, join } from 'node:path'
import type { BirdView } from '../../core/intent/index.ts'
import { FAMILIES, type Family } from '../../core/net/index.ts'
import { makeBirdSocket } from '../../shell/bird/index.ts'
import { listen } from '../../shell/link/index.ts'
import type { Log } from '../../shell/log/index.ts'

/** The two control sockets that Calico's tools look for, where the configuration names them. */

/** For IPv6, beside the one for IPv4. */
const IPV6_NAME = 'bird6.ctl'

/**
 * Listens at `path` and beside it. What cannot be had is reported: nothing of the node's work
 * depends on it.
 */
export async function openBirdSockets(
  path: string,
  view: (family: Family) => BirdView,
  log: Log,
): Promise<{ close(): Promise<void> }> {
  const paths = { ipv4: path, ipv6: join(dirname(path), IPV6_NAME) }
  const open = await Promise.all(
    FAMILIES.map(async family => {
      const socket = makeBirdSocket(() => view(family))
      try {
        const listener = await listen(paths[family], connection => socket.accept(connection))
        return { socket, listener }
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause)
        log.warn(
          'BIRD_SOCKET',
          `${paths[family]} cannot be had: ${why}; no BIRD may run beside Martlet, and the ` +
            'controller’s user must be able to write that directory',
        )
        return undefined
      }
    }),
  )
  return {
    close: async () => {
      for (const one of open) {
        one?.socket.close()
        await one?.listener.close()
      }
    },
  }
}
