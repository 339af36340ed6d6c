import { randomInt } from 'node:crypto'
import { Prng } from '../core/base/index.ts'
import {
  Dataplane,
  type DataplaneConfig,
  type DataplaneEvent,
  type DataplaneNote,
  type DataplaneSnapshot,
} from '../core/dataplane/index.ts'
import type { NextHopAnswer } from '../core/fib/index.ts'
import { Loop, now } from '../shell/clock/index.ts'
import { type Log, SILENT } from '../shell/log/index.ts'
import { NetlinkKernel } from '../shell/netlink/index.ts'

/**
 * The kernel half, wired to the kernel: the engine, its loop and netlink. Its links are elsewhere.
 */

/** What the kernel half is made with, beside its configuration. */
export interface DataplaneWiring {
  readonly log?: Log
  /** for jitter; from the system where absent */
  readonly chance?: Prng
  /** takes what the speaker is to hear of next hops */
  readonly tell?: (answers: readonly NextHopAnswer[]) => void
}

/** A running kernel half. */
export interface RunningDataplane {
  /** Hands it what the speaker or the controller says. */
  deliver(event: DataplaneEvent): void
  snapshot(): DataplaneSnapshot
  /** Resolves when the kernel's table is known. */
  readonly adopted: Promise<void>
  /** Whether what an earlier speaker wanted is still forwarded; not known before `adopted`. */
  preserved(): boolean
  /** Stops it. Routes in the kernel stay. */
  close(): Promise<void>
}

/**
 * Starts the kernel half in this network namespace: it reads the kernel's table at once, and
 * changes nothing before that. Throws a `PosixError` where there is no netlink.
 */
export function makeDataplane(
  config: DataplaneConfig,
  wiring: DataplaneWiring = {},
): RunningDataplane {
  const log = wiring.log ?? SILENT
  const chance = wiring.chance ?? new Prng(randomInt(2 ** 32))
  const adopted = Promise.withResolvers<void>()
  const kernel = new NetlinkKernel({
    config,
    deliver: event => loop.deliver(event),
    note: note => {
      if (note.code === 'KERNEL_ADOPTED') adopted.resolve()
      logNote(log, note)
    },
  })
  const { tell } = wiring
  const engine = new Dataplane(config, kernel, { chance, ...(tell && { tell }) })
  const loop = new Loop<DataplaneEvent>(engine)
  if (kernel.waitsBy === 'poll')
    log.warn('NETLINK_POLLED', 'this runtime cannot wait for netlink: it is looked at every 5 ms')
  loop.deliver({ type: 'Tick' })
  return {
    deliver: event => loop.deliver(event),
    snapshot: () => engine.snapshot(now()),
    adopted: adopted.promise,
    preserved: () => engine.preserved,
    async close() {
      loop.close()
      kernel.close()
    },
  }
}

/** Writes what the core reports as a line. */
function logNote(log: Log, note: DataplaneNote): void {
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
      log.warn(note.code, 'somebody took out a route of ours; it is back', { prefix: note.prefix })
      return
    case 'ROUTE_CONTESTED': {
      const { prefix, times, pause } = note
      log.error(note.code, 'somebody takes out a route of ours again and again', {
        prefix,
        times,
        pauseMs: pause,
      })
      return
    }
    case 'ROUTES_FULL':
      log.error(note.code, 'routesMax routes are in the kernel; no more are added', {
        limit: note.limit,
      })
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
