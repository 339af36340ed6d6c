import type { DataplaneConfig } from '../core/dataplane/index.ts'
import { serveDataplane, serveRoutes, socketPaths } from '../shell/link/index.ts'
import type { Log } from '../shell/log/index.ts'
import { makeDataplane } from './dataplane.ts'
import type { Running } from './process.ts'

/** The dataplane's process: the kernel half behind its two sockets. */

/** What the dataplane is started with. */
export interface DataplaneProcessOptions {
  readonly runDirectory: string
  readonly config: DataplaneConfig
  readonly log: Log
}

/** Starts it. Rejects without CAP_NET_ADMIN, or when another dataplane has the sockets. */
export async function startDataplane(options: DataplaneProcessOptions): Promise<Running> {
  const { config, log } = options
  const paths = socketPaths(options.runDirectory)
  const dataplane = makeDataplane(config, { log })
  const routes = await serveRoutes({
    path: paths.routes,
    log,
    deliver: event => dataplane.deliver(event),
  })
  const control = await serveDataplane({
    path: paths.dataplane,
    log,
    intend: intent => dataplane.deliver({ type: 'Intent', intent }),
    snapshot: () => dataplane.snapshot(),
  })
  return {
    close: async () => {
      await Promise.all([routes.close(), control.close()])
      await dataplane.close()
    },
  }
}
