import { createConnection } from 'node:net'
import { type DataplaneConfig, Flush, type FlushResult } from '../../core/dataplane/index.ts'
import { loadConfig } from '../../shell/config/index.ts'
import { socketPaths } from '../../shell/link/index.ts'
import { NetlinkKernel } from '../../shell/netlink/index.ts'

/** `martlet dataplane flush`: all that is ours leaves the kernel of this network namespace. */

/** What is asked. */
export interface FlushRequest {
  readonly configPath: string | undefined
  /** count only */
  readonly dry: boolean
  /** though a dataplane runs */
  readonly force: boolean
}

/** What there was, and where; nothing was touched while a dataplane runs. */
export type FlushAnswer =
  | ({ readonly kind: 'done' } & FlushResult & Pick<DataplaneConfig, 'table' | 'protocol'>)
  | { readonly kind: 'running'; readonly socket: string }

/**
 * Takes out what is ours. Throws `ConfigurationError`, and `PosixError` where there is no netlink.
 */
export async function flushDataplane(request: FlushRequest): Promise<FlushAnswer> {
  const { kernel, runDirectory } = loadConfig(request.configPath)
  const socket = socketPaths(runDirectory).dataplane
  if (!request.dry && !request.force && (await answers(socket))) return { kind: 'running', socket }
  const result = await flush(kernel, request.dry)
  return { kind: 'done', ...result, table: kernel.table, protocol: kernel.protocol }
}

function flush(config: DataplaneConfig, dry: boolean): Promise<FlushResult> {
  return new Promise(resolve => {
    const kernel = new NetlinkKernel({
      config,
      deliver: event => flush.handle(event),
      note: () => {},
    })
    const flush = new Flush({
      ...{ output: kernel, protocol: config.protocol, dry },
      done: result => {
        kernel.close()
        resolve(result)
      },
    })
    flush.start()
  })
}

function answers(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = createConnection(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
