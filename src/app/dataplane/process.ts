import { setTimeout } from 'node:timers/promises'
import type { DataplaneConfig } from '../../core/dataplane/index.ts'
import {
  type RoutesServer,
  serveDataplane,
  serveRoutes,
  socketPaths,
} from '../../shell/link/index.ts'
import type { Log } from '../../shell/log/index.ts'
import { makeDataplane } from '../dataplane.ts'
import type { Running } from '../process.ts'

/** The dataplane's process: the kernel half behind its two sockets. */

/** What the dataplane is started with. */
export interface DataplaneProcessOptions {
  readonly runDirectory: string
  readonly config: DataplaneConfig
  readonly log: Log
}

/** A kernel that cannot be read for so long does not keep a speaker from its sessions. */
const ADOPTION_PATIENCE_MS = 2_000

/** Starts it. Rejects without CAP_NET_ADMIN, or when another dataplane has the sockets. */
export async function startDataplane(options: DataplaneProcessOptions): Promise<Running> {
  const { config, log } = options
  const paths = socketPaths(options.runDirectory)
  // nothing is tracked before a speaker is linked
  let routes: RoutesServer | undefined
  const dataplane = makeDataplane(config, { log, tell: answers => routes?.resolved(answers) })
  const control = await serveDataplane({
    path: paths.dataplane,
    log,
    intend: intent => dataplane.deliver({ type: 'Intent', intent }),
    snapshot: () => dataplane.snapshot(),
    lookup: prefixes => dataplane.lookUp(prefixes),
  })
  // a speaker is told at once whether its routes were kept: the kernel is read before
  await Promise.race([
    dataplane.adopted,
    setTimeout(ADOPTION_PATIENCE_MS, undefined, { ref: false }),
  ])
  const server = await serveRoutes({
    path: paths.routes,
    log,
    preserved: () => dataplane.preserved(),
    deliver: event => dataplane.deliver(event),
  })
  routes = server
  return {
    close: async () => {
      await Promise.all([server.close(), control.close()])
      await dataplane.close()
    },
  }
}
