/** What a scenario is, and what all of them do: start the daemon, let sessions come up, measure a step. */
import type { Family } from '../../../src/core/net/index.ts'
import { DAEMON_AS, type Daemon, type Setting } from './daemons.ts'
import { DAEMON, type GeneratorProcess, type Host, peerAddress, type Usage } from './host.ts'
import type { NetlinkTool } from './kernel/tool.ts'
import type { Writer } from './kernel/writers.ts'
import type { Answer, Cast } from './load/generator.ts'

/** One number of one run. */
export interface Sample {
  readonly measure: string
  /** milliseconds, or what `unit` says */
  readonly value: number
  /** in place of milliseconds */
  readonly unit?: string
  /** half of the 95 % confidence interval, where the value is an estimate of its own */
  readonly margin?: number
  /** processor time that the daemon used meanwhile */
  readonly cpuSeconds?: number
  /** the largest the daemon has been until then */
  readonly peakMb?: number
  /** the same of processes that do not count */
  readonly besideMb?: number
  /** messages that the daemon sent meanwhile, where that says something */
  readonly messages?: number
  /** how busy the generator was, 0 to 1 */
  readonly busy?: number
  readonly remark?: string
  /** why there is no value, where the rest of the scenario went on */
  readonly gap?: string
}

/** What every scenario is given. */
export interface Place {
  readonly host: Host
  /** undefined without a C compiler */
  readonly tool: NetlinkTool | undefined
  /** a table to replay */
  readonly mrt: string | undefined
}

/** A run of one scenario with one daemon. */
export interface Stage extends Place {
  readonly daemon: Daemon
  readonly cores: string | undefined
  readonly speakerOptions: readonly string[]
  readonly generator: GeneratorProcess
}

interface Named {
  readonly name: string
  readonly what: string
  /** addresses that the generator needs */
  readonly peers: number
  /** runs only when it is named: it takes long, or needs what not everybody has */
  readonly named?: true
  /** runs with others only where `--only` names them */
  readonly ours?: true
}

/** A scenario for daemons, or one for writers of the kernel's table. */
export type Scenario =
  | (Named & { readonly for: 'daemons'; run(stage: Stage): Promise<Sample[]> })
  | (Named & { readonly for: 'writers'; run(place: Place, writer: Writer): Promise<Sample[]> })

/** How many of something there are, where the whole harness is only tried. */
export type Scaled = (count: number) => number

/** Thrown where a scenario cannot be played: the table names the gap. */
export class Gap extends Error {}

/** Within this every step must be done. */
export const WITHIN_MS = 180_000
const HOLD_SECONDS = 90
/** So long sessions are up before the clock starts: what a daemon does at first is not measured. */
const SETTLE_MS = 1_500
/** FRR gathers first updates for up to ten seconds where it has hundreds of peers. */
const CROWD_SETTLE_MS = 12_000
const CROWD = 100

/** Who speaks, and what. */
export interface Shape {
  readonly family?: Family
  readonly senders: number
  readonly receivers: number
  /** sessions of the other family, which are not sent the table */
  readonly quiet?: number
  /** of the quiet ones, those that `begin` leaves for later */
  readonly late?: number
  readonly prefixes: number
  readonly shared?: boolean
  readonly ranked?: boolean
  /** all are clients of the daemon; all but the last are in its AS */
  readonly internal?: 'clients' | 'mesh'
  readonly kernel?: boolean
  readonly holdSeconds?: number
  readonly mrt?: string
}

/** Starts the daemon and makes the generator's streams; no session is up yet. */
export async function prepare(stage: Stage, shape: Shape): Promise<Cast> {
  const { daemon, generator, host, cores, speakerOptions } = stage
  const { family = 'ipv4', internal, holdSeconds = HOLD_SECONDS, mrt } = shape
  const count = shape.senders + shape.receivers + (shape.quiet ?? 0)
  const speaking = shape.senders + shape.receivers
  const other = family === 'ipv4' ? 'ipv6' : 'ipv4'
  const locals = Array.from({ length: count }, (_, index) =>
    peerAddress(index, index < speaking ? family : other),
  )
  const asns = locals.map((_, index) => {
    const inside = internal === 'clients' || (internal === 'mesh' && index < count - 1)
    return inside ? DAEMON_AS : 1_000 + index
  })
  const cast: Cast = {
    family,
    remotes: DAEMON,
    port: 179,
    locals,
    asns,
    daemonAs: DAEMON_AS,
    senders: shape.senders,
    receivers: shape.receivers,
    prefixes: shape.prefixes,
    shared: shape.shared ?? false,
    ranked: shape.ranked ?? false,
    holdSeconds,
    ...(mrt !== undefined && { mrt }),
  }
  const setting: Setting = {
    family,
    peers: locals.map((address, index) => ({ address, asn: asns[index] ?? 0 })),
    reflector: internal === 'clients',
    kernel: shape.kernel ?? false,
    holdSeconds,
    cores,
    speakerOptions,
  }
  daemon.start(host, setting)
  const { prefixes = shape.prefixes } = await generator.ask({ do: 'cast', cast })
  return { ...cast, prefixes }
}

/** Connects all but those that come late, and lets the daemon come to rest. */
export async function connect(stage: Stage, cast: Cast, late = 0): Promise<void> {
  const to = cast.locals.length - late
  await stage.generator.ask({ do: 'connect', from: 0, to, withinMs: WITHIN_MS })
  await settle(cast)
}

/** Sessions are up: nothing is measured before the daemon has come to rest. */
export const settle = (cast: Cast): Promise<void> =>
  rest(cast.senders >= CROWD ? CROWD_SETTLE_MS : SETTLE_MS)

/** Both of these. */
export async function begin(stage: Stage, shape: Shape): Promise<Cast> {
  const cast = await prepare(stage, shape)
  await connect(stage, cast, shape.late)
  return cast
}

/** Runs one step, with what the daemon used for it. */
export async function measured(
  stage: Stage,
  measure: string,
  step: () => Promise<Answer>,
): Promise<Sample> {
  const { host, daemon } = stage
  const before = host.usage(daemon.processes)
  const { ms, busy } = await step()
  return { measure, value: ms, busy, ...usageSince(stage, before) }
}

/** What the daemon used since `before`. */
export function usageSince(
  { host, daemon }: Stage,
  before: Usage,
): Pick<Sample, 'cpuSeconds' | 'peakMb' | 'besideMb'> {
  const after = host.usage(daemon.processes)
  const beside = daemon.beside === undefined ? undefined : host.usage(daemon.beside).peakMb
  return {
    cpuSeconds: after.cpuSeconds - before.cpuSeconds,
    peakMb: after.peakMb,
    ...(beside !== undefined && { besideMb: beside }),
  }
}

/** Nothing happens for so long. */
export const rest = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))
