/** `lab run`: brings a lab up, waits until all reach all, tells what it saw, and ends it. */
import { spawn } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { relative } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import {
  type HostEvent,
  Lab,
  type ObservedSession,
  Probes,
  type Roles,
  rolesOf,
  routesOf,
  sessionsOf,
} from '../../../shell/lab/index.ts'
import type { Terminal } from '../../../shell/terminal/index.ts'
import { CommandFailure, EXIT } from '../failure.ts'
import { type Format, printAs } from '../output.ts'
import { Progress } from './progress.ts'
import { beginReach, type Pair, planReach, readReach } from './reach.ts'
import { describeRun, type RunReport } from './report.ts'

/** What `lab run` was asked for. */
export interface RunOptions {
  readonly file: string
  readonly router: string
  readonly store: string
  readonly once: boolean
  readonly within: number
  readonly name?: string
  readonly output: Format
}

/** Between two looks at the probes, and at the sessions, while waiting. In milliseconds. */
const REACH_EVERY = 100
const SESSIONS_EVERY = 1000
/** A program that dies again and again is told of this often. */
const ENDED_MAX = 2

/** As shells say of a program that Ctrl-C ended. */
const EXIT_INTERRUPTED = 130

/**
 * Runs the lab; with a command, that runs in the sandbox instead of the wait and its exit code
 * counts.
 */
export async function runLab(
  terminal: Terminal,
  options: RunOptions,
  command: readonly string[],
): Promise<void> {
  const progress = new Progress(terminal)
  const interrupted = untilInterrupted()
  const { router, store } = options
  progress.say(`bringing up ${relative('.', options.file) || options.file}`)
  const deaths = new Deaths(progress)
  const lab = await Promise.race([
    Lab.up(options.file, {
      variables: { ROUTER: router, STORE: store },
      ...(options.name === undefined ? {} : { name: options.name }),
      onEvent: event => deaths.see(event),
    }),
    interrupted,
  ])
  if (lab === undefined) {
    // half a lab goes as a whole one does: its sandbox dies with this process
    progress.end()
    throw new CommandFailure(EXIT_INTERRUPTED, '')
  }
  try {
    if (command.length > 0) {
      const code = await attend(lab.enter(command))
      if (code !== 0) throw new CommandFailure(code, '')
      return
    }
    const roles = rolesOf(lab)
    const report = await Promise.race([observe(lab, roles, options, progress), interrupted])
    if (report === undefined) return
    progress.end()
    printAs(terminal, options.output, report, () => describeRun(terminal, report, roles.pods))
    if (!options.once) {
      terminal.remark(lookAround(lab, roles))
      await interrupted
    } else if (!report.reached) {
      throw new CommandFailure(EXIT.failed, '')
    }
  } finally {
    progress.end()
    await lab.down()
  }
}

/** Tells of main programs that end by themselves, with what they said last. */
class Deaths {
  readonly #progress: Progress
  readonly #counts = new Map<string, number>()

  constructor(progress: Progress) {
    this.#progress = progress
  }

  see(event: HostEvent): void {
    if (event.type === 'step') this.#progress.say(event.text)
    if (event.type !== 'ended') return
    const count = (this.#counts.get(event.node) ?? 0) + 1
    this.#counts.set(event.node, count)
    if (count > ENDED_MAX) return
    const more = count === ENDED_MAX ? ' (said no more if it does so again)' : ''
    const head = `${event.node}: its program ended with ${event.how} and is started again${more}`
    this.#progress.keep([head, ...event.said.map(line => `  ${line}`)].join('\n'))
  }
}

/** Waits for full reachability and Established sessions, or the end of patience. */
async function observe(
  lab: Lab,
  roles: Roles,
  options: RunOptions,
  progress: Progress,
): Promise<RunReport> {
  const { router, store } = options
  const deadline = performance.now() + options.within * 1000
  progress.say('all nodes are up; starting a probe in each pod and worker')
  const probes = await Probes.start(lab, [...roles.pods, ...roles.workers])
  const plan = await planReach(lab, roles)
  beginReach(probes, plan)
  const reached = await untilReached(() => readReach(probes, plan), deadline, progress)
  progress.say('asking all nodes for their sessions')
  const sessions = await untilEstablished(lab, deadline, progress)
  const routes = await routesOf(lab)
  const pairs = await readReach(probes, plan)
  probes.close()
  return {
    lab: lab.name,
    file: lab.file,
    router,
    store,
    reached:
      reached !== undefined &&
      pairs.every(pair => pair.well) &&
      sessions.every(session => session.state === 'Established'),
    ...(reached === undefined ? {} : { seconds: Math.round(reached) / 1000 }),
    sessions,
    routes,
    pairs,
  }
}

async function untilReached(
  read: () => Promise<readonly Pair[]>,
  deadline: number,
  progress: Progress,
): Promise<number | undefined> {
  for (;;) {
    const pairs = await read()
    const well = pairs.filter(pair => pair.well).length
    if (pairs.length > 0 && well === pairs.length) return performance.now()
    if (performance.now() > deadline) return undefined
    progress.say(`${well} of ${pairs.length} pairs of addresses reach each other`)
    await pause(REACH_EVERY)
  }
}

async function untilEstablished(
  lab: Lab,
  deadline: number,
  progress: Progress,
): Promise<readonly ObservedSession[]> {
  for (;;) {
    const sessions = await sessionsOf(lab)
    const well = sessions.filter(session => session.state === 'Established').length
    if (sessions.length > 0 && well === sessions.length) return sessions
    if (performance.now() > deadline) return sessions
    progress.say(`${well} of ${sessions.length} sessions are Established`)
    await pause(SESSIONS_EVERY)
  }
}

/** Runs a command line with this terminal, to its end; 128 and more for one that was killed. */
export function attend(command: readonly string[]): Promise<number> {
  const [program = '', ...rest] = command
  // Ctrl-C is for the command; we end when it does
  const ignore = (): void => {}
  process.on('SIGINT', ignore)
  const child = spawn(program, rest, { stdio: 'inherit' })
  return new Promise<number>((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code, signal) => resolve(signal === null ? (code ?? 1) : EXIT_INTERRUPTED))
  }).finally(() => process.off('SIGINT', ignore))
}

/** Resolves at the first signal; those that follow do not cut the lab's end short. */
function untilInterrupted(): Promise<undefined> {
  return new Promise(resolve => {
    // npm passes Ctrl-C on to us, who have had it from the terminal already
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => resolve(undefined))
  })
}

/** How this program is called from where the user is. */
export function ownCommand(): string {
  const main = process.argv[1] ?? 'martlet'
  const folders = (process.env.PATH ?? '').split(':')
  if (folders.some(folder => main === `${folder}/martlet`)) return 'martlet'
  // the Node.js of the packages has a shorter name than its own
  const short = 'node_modules/.bin/node'
  const same = existsSync(short) && realpathSync(short) === realpathSync(process.execPath)
  return `${same ? short : relative('.', process.execPath)} ${relative('.', main)}`
}

/** What to try next, with names of this lab. */
export function lookAround(lab: Lab, { pods, workers }: Roles): string {
  const which = Lab.running().length > 1 ? ` -l ${lab.name}` : ''
  const exec = `${ownCommand()} lab exec${which}`
  const worker = workers[0] ?? 'NODE'
  const [pod = 'NODE'] = pods
  return [
    '',
    `Lab ${lab.name} runs. From another terminal, for example:`,
    `  ${exec} ${worker} martlet status`,
    `  ${exec} ${worker} martlet routes`,
    `  ${exec} ${worker} ip route`,
    `  ${exec} ${pod}            # a shell in the pod`,
    'Ctrl-C here ends it and leaves nothing behind.',
  ].join('\n')
}
