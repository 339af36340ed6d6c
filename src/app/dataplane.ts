import { randomInt } from 'node:crypto'
import { Prng } from '../core/base/index.ts'
import {
  Dataplane,
  type DataplaneConfig,
  type DataplaneEvent,
  type DataplaneSnapshot,
  type KernelEvent,
  type KernelRouteSnapshot,
} from '../core/dataplane/index.ts'
import type { NextHopAnswer } from '../core/fib/index.ts'
import type { Prefix } from '../core/net/index.ts'
import { Loop, now } from '../shell/clock/index.ts'
import { type Log, SILENT } from '../shell/log/index.ts'
import { NetlinkKernel } from '../shell/netlink/index.ts'
import { hazardsHere, Witnesses } from '../shell/process/index.ts'
import { logNote } from './dataplane/notes.ts'

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
  /** What is known of the routes to exactly these prefixes. */
  lookUp(prefixes: readonly Prefix[]): readonly KernelRouteSnapshot[]
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
  const witnesses = new Witnesses()
  const who = (port: number): string | undefined => witnesses.who(port)
  const hazards = new Map(hazardsHere().map(text => [text, text]))
  for (const hazard of hazards.values()) log.warn('HAZARD', hazard)
  const sharedBy = (port: number): string =>
    `${who(port) ?? 'another program'} writes routes of protocol ${config.protocol} to table ` +
    `${config.table}, which makes them ours: give one of the two another number (kernel.protocol)`
  const kernel = new NetlinkKernel({
    config,
    deliver: event => {
      const by = actorOf(event, config.protocol)
      // at once: who deletes a route may not live long
      if (by !== 0) witnesses.see(by)
      loop.deliver(event)
    },
    note: note => {
      if (note.code === 'KERNEL_ADOPTED') adopted.resolve()
      if (note.code === 'PROTOCOL_SHARED') hazards.set(note.code, sharedBy(note.by))
      logNote(log, note, who)
    },
  })
  const { tell } = wiring
  const engine = new Dataplane(config, kernel, {
    ...{ chance, who, hazards: () => [...hazards.values()] },
    ...(tell && { tell }),
  })
  const loop = new Loop<DataplaneEvent>(engine)
  if (kernel.waitsBy === 'poll')
    log.warn('NETLINK_POLLED', 'this runtime cannot wait for netlink: it is looked at every 5 ms')
  loop.deliver({ type: 'Tick' })
  return {
    deliver: event => loop.deliver(event),
    snapshot: () => engine.snapshot(now()),
    lookUp: prefixes => engine.lookUp(prefixes),
    adopted: adopted.promise,
    preserved: () => engine.preserved,
    async close() {
      loop.close()
      kernel.close()
    },
  }
}

/** The netlink port of who has just changed a route that may be ours; 0: nobody has. */
function actorOf(event: KernelEvent, protocol: number): number {
  if (event.type !== 'Route' || event.route.dump !== 0) return 0
  const { by, replaced, protocol: whose } = event.route
  return whose === protocol || replaced ? by : 0
}
