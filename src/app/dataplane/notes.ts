import type { DataplaneNote } from '../../core/dataplane/index.ts'
import type { Log } from '../../shell/log/index.ts'

/** What the kernel half reports, as lines of the log. */

/** Names the process that has or had a netlink port, where it was found. */
type Who = (port: number) => string | undefined

/** Writes what the core reports as a line. */
export function logNote(log: Log, note: DataplaneNote, who: Who): void {
  switch (note.code) {
    case 'KERNEL_ADOPTED': {
      const { routes, took } = note
      log.info(note.code, 'the kernel was read; what is wanted of it is kept', {
        routes,
        tookMs: Math.round(took),
      })
      return
    }
    case 'KERNEL_DUMP_FAILED':
      log.warn(note.code, `the kernel was not read: ${note.why}`, { retryMs: note.retry })
      return
    case 'NOTIFICATIONS_LOST':
      log.warn(note.code, 'the kernel said more than was read in time; all is read again')
      return
    case 'ROUTE_REFUSED':
      log.warn(note.code, `the kernel refused a route: ${note.error}`, { prefix: note.prefix })
      return
    case 'NEXT_HOP_REFUSED':
      log.warn(note.code, `the kernel refuses routes ${note.hops}: ${note.error}`)
      return
    case 'NEXT_HOP_BACK':
      log.info(note.code, `the kernel takes routes ${note.hops} again`)
      return
    case 'NEXT_HOP_ID_TAKEN':
      log.warn(note.code, 'a nexthop object of somebody else has an id of ours; it is left alone', {
        id: note.id,
      })
      return
    case 'ROUTE_REPAIRED':
    case 'ROUTE_LEFT':
    case 'ROUTE_CONTESTED':
    case 'PROTOCOL_SHARED':
      logHand(log, note, who)
      return
    case 'ROUTE_NOT_ALLOWED':
      log.error(note.code, `a route is not installed: ${note.why}`, { prefix: note.prefix })
      return
    case 'ROUTES_FULL':
      log.error(note.code, 'routesMax routes are in the kernel; no more are added', {
        limit: note.limit,
      })
      return
    case 'TUNNEL_REFUSED':
      log.warn(note.code, `the kernel refuses the tunnel ${note.name}: ${note.error}`)
      return
    case 'TUNNEL_BACK':
      log.info(note.code, `the tunnel ${note.name} is as it should be again`)
      return
    case 'WORKLOAD_LINK_REFUSED':
      log.warn(note.code, `the link ${note.name} of a workload: ${note.error}`)
      return
    case 'SWEEP':
      log.info(note.code, `routes that nobody wants go: ${note.why}`, { routes: note.routes })
      return
    case 'SPEAKER_MISTAKE':
      log.error(note.code, `the speaker said what cannot be: ${note.why}`)
      return
    default:
      note satisfies never
  }
}

/** What another hand did. */
function logHand(
  log: Log,
  note: Extract<DataplaneNote, { readonly by: number }>,
  whoHas: Who,
): void {
  const { prefix, by } = note
  const who = whoHas(by)
  const fields = { prefix, ...(by !== 0 && { port: by }), ...(who !== undefined && { who }) }
  const somebody = who ?? 'somebody'
  switch (note.code) {
    case 'ROUTE_REPAIRED':
      log.warn(note.code, `${somebody} ${note.what} a route of ours; it is as it was`, fields)
      return
    case 'ROUTE_LEFT': {
      const text = `${somebody} ${note.what} a route of ours; kernel.audit leaves it so`
      if (note.action === 'alert') log.error(note.code, text, fields)
      else log.info(note.code, text, fields)
      return
    }
    case 'ROUTE_CONTESTED': {
      const { times, pause } = note
      const text = `${somebody} takes out a route of ours again and again`
      log.error(note.code, text, { ...fields, times, pauseMs: pause })
      return
    }
    case 'PROTOCOL_SHARED':
      log.warn(note.code, `${somebody} writes routes of our protocol number`, fields)
      return
    default:
      note satisfies never
  }
}
