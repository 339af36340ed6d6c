import { type Log, type LogOptions, openLog } from '../shell/log/index.ts'
import { type Capability, excess, has, ownPrivileges, type Parent } from '../shell/process/index.ts'

/**
 * What every process of the agent does around its work: a log, an honest word on its privileges, an
 * end.
 */

/**
 * Why a process ends: somebody asked it to, or its supervisor has died, which is a crash of the
 * agent even where this process could still say goodbye.
 */
export type EndReason = 'asked' | 'abandoned'

/** Something that runs until it is closed. */
export interface Running {
  /** Ends it in order; resolves when nothing of it is left. */
  close(reason: EndReason): Promise<void>
}

/** One process of the agent. */
export interface Life {
  readonly name: 'supervisor' | 'controller' | 'speaker' | 'dataplane'
  readonly level: LogOptions['level']
  readonly supervisor?: Parent | undefined
  /** what it may have; more is reported. Absent: not looked at */
  readonly allowed?: readonly Capability[]
  /** of those, what it cannot work without */
  readonly needed?: readonly Capability[]
  start(log: Log): Promise<Running>
}

/** How long an end may take before the process goes anyway. */
const CLOSE_MS = 4_000

/** Runs `life` until SIGTERM, SIGINT or the end of its supervisor. Rejects when it cannot start. */
export async function live(life: Life): Promise<void> {
  const level = life.level ?? 'info'
  const log = await openLog({ level, fields: { process: life.name, pid: process.pid } })
  // whatever ends the process, what it said before is written
  process.on('uncaughtExceptionMonitor', error => {
    log.fatal('FAULT', error instanceof Error ? (error.stack ?? error.message) : String(error))
    log.flush()
  })
  if (life.allowed !== undefined) reportPrivileges(log, life.allowed, life.needed ?? [])
  const stopped = stopAsked(life.supervisor)
  try {
    const running = await life.start(log)
    const { reason, text } = await stopped
    log.info('STOPPING', `ending: ${text}`)
    await within(CLOSE_MS, running.close(reason))
  } finally {
    log.flush()
  }
}

function stopAsked(supervisor: Parent | undefined): Promise<{ reason: EndReason; text: string }> {
  return new Promise(resolve => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const)
      process.once(signal, () => resolve({ reason: 'asked', text: signal }))
    supervisor?.onGone(() => resolve({ reason: 'abandoned', text: 'the supervisor has gone' }))
  })
}

function reportPrivileges(
  log: Log,
  allowed: readonly Capability[],
  needed: readonly Capability[],
): void {
  const privileges = ownPrivileges()
  const more = excess(privileges, allowed)
  if (more.length > 0)
    log.warn(
      'PRIVILEGES_EXCESS',
      `this process has ${more.length} capabilities more than it needs; start it by ` +
        '`martlet run` as root, or take them away (setpriv, systemd, the container)',
      { excess: more },
    )
  const missing = needed.filter(capability => !has(privileges, capability))
  if (missing.length > 0)
    log.error('PRIVILEGES_MISSING', `this process lacks CAP_${missing.join(', CAP_')}`)
}

function within(limitMs: number, end: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, limitMs)
    end.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
