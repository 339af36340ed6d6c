import { join } from 'node:path'

/**
 * Where the processes meet: a directory for each socket, so that its owner and group say who may
 * listen and who may connect, and nobody who may listen on one can take the place of another.
 *
 *   <runDirectory>/routes/routes.sock         dataplane listens, speaker connects
 *   <runDirectory>/speaker/speaker.sock       speaker listens, controller connects
 *   <runDirectory>/dataplane/dataplane.sock   dataplane listens, controller connects
 *   <runDirectory>/api/api.sock               controller listens, operators connect
 */

/** The sockets of one node. */
export interface SocketPaths {
  readonly routes: string
  readonly speaker: string
  readonly dataplane: string
  readonly api: string
}

/** The sockets under `runDirectory`. */
export function socketPaths(runDirectory: string): SocketPaths {
  const path = (name: string): string => join(runDirectory, name, `${name}.sock`)
  return {
    routes: path('routes'),
    speaker: path('speaker'),
    dataplane: path('dataplane'),
    api: path('api'),
  }
}
