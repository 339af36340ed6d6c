/**
 * What is measured, and how: each scenario starts the daemon afresh, lets sessions come up, and gives the generator its
 * orders one after the other.
 */
import type { Family } from '../../../src/core/net/index.ts'
import { DAEMON_AS, type Daemon, type Setting } from './daemons.ts'
import type { Answer, Cast } from './generator.ts'
import { DAEMON, type GeneratorProcess, type Host, peerAddress, type Usage } from './host.ts'

/** One number of one run. */
export interface Sample {
  readonly measure: string
  readonly ms: number
  /** processor time that the daemon used meanwhile */
  readonly cpuSeconds?: number
  /** the largest the daemon has been until then */
  readonly peakMb?: number
  /** the same of processes that do not count */
  readonly besideMb?: number
  /** how busy the generator was, 0 to 1 */
  readonly busy?: number
  readonly remark?: string
}

/** A run of one scenario with one daemon. */
export interface Stage {
  readonly host: Host
  readonly daemon: Daemon
  readonly cores: string | undefined
  readonly speakerOptions: readonly string[]
  readonly generator: GeneratorProcess
}

/** A scenario. */
export interface Scenario {
  readonly name: string
  readonly what: string
  /** addresses that the generator needs */
  readonly peers: number
  run(stage: Stage): Promise<Sample[]>
}

const WITHIN_MS = 180_000
const HOLD_SECONDS = 90
/** So long sessions are up before the clock starts: what a daemon does at first is not measured. */
const SETTLE_MS = 1_500
/** FRR gathers first updates for up to ten seconds where it has hundreds of peers. */
const REFLECTOR_SETTLE_MS = 12_000

interface Shape {
  readonly family?: Family
  readonly senders: number
  readonly receivers: number
  readonly quiet?: number
  readonly prefixes: number
  readonly shared?: boolean
  readonly internal?: boolean
  readonly kernel?: boolean
  readonly holdSeconds?: number
}

/** Starts the daemon and makes the generator's streams; no session is up yet. */
async function prepare(stage: Stage, shape: Shape): Promise<Cast> {
  const { daemon, generator, host, cores, speakerOptions } = stage
  const { family = 'ipv4', internal = false, holdSeconds = HOLD_SECONDS } = shape
  const count = shape.senders + shape.receivers + (shape.quiet ?? 0)
  // the quiet ones carry the other family, and are not sent the table
  const speaking = shape.senders + shape.receivers
  const other = family === 'ipv4' ? 'ipv6' : 'ipv4'
  const locals = Array.from({ length: count }, (_, index) =>
    peerAddress(index, index < speaking ? family : other),
  )
  const asns = locals.map((_, index) => (internal ? DAEMON_AS : 1_000 + index))
  const cast: Cast = {
    family,
    remotes: DAEMON,
    port: 179,
    locals,
    asns,
    internal,
    senders: shape.senders,
    receivers: shape.receivers,
    prefixes: shape.prefixes,
    shared: shape.shared ?? false,
    holdSeconds,
  }
  const setting: Setting = {
    family,
    peers: locals.map((address, index) => ({ address, asn: asns[index] ?? 0 })),
    reflector: internal,
    kernel: shape.kernel ?? false,
    holdSeconds,
    cores,
    speakerOptions,
  }
  daemon.start(host, setting)
  await generator.ask({ do: 'cast', cast })
  return cast
}

async function begin(stage: Stage, shape: Shape): Promise<Cast> {
  const cast = await prepare(stage, shape)
  const to = cast.locals.length
  await stage.generator.ask({ do: 'connect', from: 0, to, withinMs: WITHIN_MS })
  const settleMs = shape.internal ? REFLECTOR_SETTLE_MS : SETTLE_MS
  await new Promise(resolve => setTimeout(resolve, settleMs))
  return cast
}

/** Runs one step, with what the daemon used for it. */
async function measured(
  stage: Stage,
  measure: string,
  step: () => Promise<Answer>,
): Promise<Sample> {
  const { host, daemon } = stage
  const before = host.usage(daemon.processes)
  const { ms, busy } = await step()
  return sample(stage, measure, ms, busy, before)
}

function sample(stage: Stage, measure: string, ms: number, busy: number, before: Usage): Sample {
  const { host, daemon } = stage
  const after = host.usage(daemon.processes)
  const beside = daemon.beside === undefined ? undefined : host.usage(daemon.beside).peakMb
  return {
    measure,
    ms,
    busy,
    cpuSeconds: after.cpuSeconds - before.cpuSeconds,
    peakMb: after.peakMb,
    ...(beside !== undefined && { besideMb: beside }),
  }
}

const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN

/** Senders say their tables, and receivers wait for all of them. */
const table = (name: string, what: string, shape: Shape): Scenario => ({
  name,
  what,
  peers: shape.senders + shape.receivers,
  run: async stage => {
    await begin(stage, shape)
    return [
      await measured(stage, name, () =>
        stage.generator.ask({ do: 'announce', withinMs: WITHIN_MS }),
      ),
    ]
  },
})

const CHANGES = 500

const everyday = (count: number): Scenario => ({
  name: 'F',
  what: `${count} prefixes: withdrawn, announced again, one changed, all asked for again`,
  peers: 2,
  run: async stage => {
    const { generator } = stage
    await begin(stage, { senders: 1, receivers: 1, prefixes: count })
    await generator.ask({ do: 'announce', withinMs: WITHIN_MS })
    const withdraw = () => generator.ask({ do: 'withdraw', withinMs: WITHIN_MS })
    const announce = () => generator.ask({ do: 'announce', variant: 1, withinMs: WITHIN_MS })
    const samples = [
      await measured(stage, 'F withdraw', withdraw),
      await measured(stage, 'F again', announce),
      await measured(stage, 'H refresh', () =>
        generator.ask({ do: 'refresh', withinMs: WITHIN_MS }),
      ),
    ]
    const { samples: latencies = [] } = await generator.ask({ do: 'changes', times: CHANGES })
    return [
      ...samples,
      { measure: 'one change, median', ms: percentile(latencies, 0.5) },
      { measure: 'one change, p99', ms: percentile(latencies, 0.99) },
    ]
  },
})

const reflector = (name: string, clients: number, connects: boolean): Scenario => ({
  name,
  what: `${clients} clients of a reflector, one prefix each, ${connects ? 'from the first connect' : 'sessions up'}`,
  peers: clients,
  run: async stage => {
    const shape = { senders: clients, receivers: 0, prefixes: 0, internal: true }
    const { generator } = stage
    if (connects) {
      await prepare(stage, shape)
      // the daemon listens: one session shows that, and goes
      await new Promise(resolve => setTimeout(resolve, LISTENS_MS))
    } else await begin(stage, shape)
    return [
      await measured(stage, name, () =>
        generator.ask({ do: 'everyone', connects, withinMs: WITHIN_MS }),
      ),
    ]
  },
})

/** By then every daemon listens; Martlet waits three seconds for a dataplane that is not there. */
const LISTENS_MS = 6_000

const QUIET = 500

const quiet = (prefixes: number): Scenario => ({
  name: 'G',
  what: `${QUIET} quiet sessions with a KEEPALIVE a second while ${prefixes} prefixes come and go`,
  peers: QUIET + 2,
  run: async stage => {
    const { generator } = stage
    await begin(stage, { senders: 1, receivers: 1, quiet: QUIET, prefixes, holdSeconds: 3 })
    await generator.ask({ do: 'listen' })
    const load = await measured(stage, 'G load', () =>
      generator.ask({ do: 'announce', withinMs: WITHIN_MS }),
    )
    await generator.ask({ do: 'withdraw', withinMs: WITHIN_MS })
    await generator.ask({ do: 'announce', withinMs: WITHIN_MS })
    const { samples = [], lost = 0 } = await generator.ask({ do: 'heard' })
    const remark = `${samples.length} KEEPALIVEs, ${lost} sessions lost`
    return [
      load,
      { measure: 'G keepalive late, p99', ms: percentile(samples, 0.99), remark },
      { measure: 'G keepalive late, most', ms: samples.at(-1) ?? Number.NaN, remark },
    ]
  },
})

const KERNEL_POLL_MS = 10

/** From the first octet of the table until the kernel has all of it, and until it has none. */
const kernel = (name: string, prefixes: number): Scenario => ({
  name,
  what: `${prefixes} prefixes from BGP into the kernel, and out of it`,
  peers: 2,
  run: async stage => {
    const { generator, host } = stage
    await begin(stage, { senders: 1, receivers: 1, prefixes, kernel: true })
    const own = host.kernelRoutes()
    const until = async (count: number, order: 'announce' | 'withdraw'): Promise<Answer> => {
      const start = performance.now()
      const said = generator.ask({ do: order, withinMs: WITHIN_MS })
      while (host.kernelRoutes() !== count) {
        if (performance.now() - start > WITHIN_MS)
          throw new Error(`the kernel has ${host.kernelRoutes()} routes, not ${count}`)
        await new Promise(resolve => setTimeout(resolve, KERNEL_POLL_MS))
      }
      const ms = performance.now() - start
      return { ...(await said), ms }
    }
    return [
      // with the marker
      await measured(stage, `${name} in`, () => until(own + prefixes + 1, 'announce')),
      await measured(stage, `${name} out`, () => until(own, 'withdraw')),
    ]
  },
})

/** All scenarios, in the order in which they run. */
export const SCENARIOS: readonly Scenario[] = [
  table('A', '100,000 prefixes in, one receiver', { senders: 1, receivers: 1, prefixes: 100_000 }),
  table('A6', 'the same, IPv6', { family: 'ipv6', senders: 1, receivers: 1, prefixes: 100_000 }),
  table('B', '1,000,000 prefixes in, one receiver', {
    senders: 1,
    receivers: 1,
    prefixes: 1_000_000,
  }),
  table('C', 'ten senders of the same 100,000 prefixes, one receiver', {
    senders: 10,
    receivers: 1,
    prefixes: 100_000,
    shared: true,
  }),
  table('D', 'two senders of 500,000 prefixes each, ten receivers', {
    senders: 2,
    receivers: 10,
    prefixes: 1_000_000,
  }),
  reflector('E500', 500, false),
  reflector('E1000', 1_000, false),
  reflector('EC500', 500, true),
  everyday(100_000),
  quiet(1_000_000),
  kernel('K100', 100_000),
  kernel('K500', 500_000),
]
