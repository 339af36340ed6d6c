/**
 * What is measured, and how: each scenario starts the daemon afresh, lets sessions come up, and gives the generator its
 * orders one after the other.
 */
import { kernelScenarios } from './kernel/scenarios.ts'
import {
  begin,
  connect,
  Gap,
  measured,
  prepare,
  rest,
  type Sample,
  type Scaled,
  type Scenario,
  type Shape,
  type Stage,
  settle,
  usageSince,
  WITHIN_MS,
} from './scenario.ts'
import { percentile, slopeOf } from './statistics.ts'

/** Senders say their tables, and receivers wait for all of them. */
const table = (name: string, what: string, shape: Shape): Scenario => ({
  name,
  what,
  for: 'daemons',
  peers: shape.senders + shape.receivers,
  run: async stage => {
    await begin(stage, shape)
    const announce = { do: 'announce', withinMs: WITHIN_MS } as const
    return [await measured(stage, name, () => stage.generator.ask(announce))]
  },
})

/** A table that somebody really has. */
const REPLAY: Scenario = {
  name: 'MRT',
  what: 'the table of an MRT file (--mrt FILE) in, one receiver',
  for: 'daemons',
  peers: 2,
  run: async stage => {
    const { mrt, generator } = stage
    if (mrt === undefined) throw new Gap('no file is given (--mrt FILE)')
    const { prefixes } = await begin(stage, { senders: 1, receivers: 1, prefixes: 0, mrt })
    const announce = { do: 'announce', withinMs: WITHIN_MS } as const
    const sample = await measured(stage, 'MRT', () => generator.ask(announce))
    return [{ ...sample, remark: `${prefixes} prefixes` }]
  },
}

const CHANGES = 500
/** Who has not said all again by then does not. */
const REFRESH_MS = 30_000

const everyday = (count: number): Scenario => ({
  name: 'F',
  what: `${count} prefixes: withdrawn, announced again, one changed, all asked for again`,
  for: 'daemons',
  peers: 2,
  run: async stage => {
    const { generator } = stage
    await begin(stage, { senders: 1, receivers: 1, prefixes: count })
    await generator.ask({ do: 'announce', withinMs: WITHIN_MS })
    const withdraw = () => generator.ask({ do: 'withdraw', withinMs: WITHIN_MS })
    const announce = () => generator.ask({ do: 'announce', variant: 1, withinMs: WITHIN_MS })
    const refresh = () => generator.ask({ do: 'refresh', withinMs: REFRESH_MS })
    const samples = [
      await measured(stage, 'F withdraw', withdraw),
      await measured(stage, 'F again', announce),
      await measured(stage, 'H refresh', refresh).catch(error => ({
        measure: 'H refresh',
        value: Number.NaN,
        gap: String(error),
      })),
    ]
    const { samples: latencies = [] } = await generator.ask({ do: 'changes', times: CHANGES })
    return [
      ...samples,
      { measure: 'one change, median', value: percentile(latencies, 0.5) },
      { measure: 'one change, p99', value: percentile(latencies, 0.99) },
    ]
  },
})

/** Everybody says a prefix, and has all that it is to have. */
async function everyone(
  stage: Stage,
  measure: string,
  how: { readonly connects: boolean; readonly mesh: boolean },
): Promise<Sample> {
  let messages = 0
  const sample = await measured(stage, measure, async () => {
    const order = { do: 'everyone', ...how, withinMs: WITHIN_MS } as const
    const answer = await stage.generator.ask(order)
    messages = answer.messages
    return answer
  })
  return { ...sample, messages }
}

/** By then every daemon listens; Martlet waits three seconds for a dataplane that is not there. */
const LISTENS_MS = 6_000

const reflector = (
  name: string,
  clients: number,
  { connects = false, named = false } = {},
): Scenario => ({
  name,
  what: `${clients} clients of a reflector, one prefix each, ${connects ? 'from the first connect' : 'sessions up'}`,
  for: 'daemons',
  peers: clients,
  ...(named && { named: true as const }),
  run: async stage => {
    const cast = await prepare(stage, {
      senders: clients,
      receivers: 0,
      prefixes: 0,
      internal: 'clients',
    })
    if (connects) await rest(LISTENS_MS)
    else await connect(stage, cast)
    return [await everyone(stage, name, { connects, mesh: false })]
  },
})

/** What one node of a full mesh bears: sessions with all others, a prefix of each, its own to each. */
const meshNode = (name: string, nodes: number): Scenario => ({
  name,
  what: `a node of a full mesh of ${nodes}, one prefix each: sessions, then routes`,
  for: 'daemons',
  peers: nodes,
  run: async stage => {
    const { generator, host, daemon } = stage
    // the others, and one outside the AS that stands for the node's own routes and its view of the others'
    const cast = await prepare(stage, {
      senders: nodes,
      receivers: 0,
      prefixes: 0,
      internal: 'mesh',
    })
    await rest(LISTENS_MS)
    const before = host.usage(daemon.processes)
    const order = { do: 'connect', from: 0, to: cast.locals.length, withinMs: WITHIN_MS } as const
    const { ms } = await generator.ask(order)
    const sessions = { measure: `${name} sessions`, value: ms, ...usageSince(stage, before) }
    await settle(cast)
    const routes = await everyone(stage, `${name} routes`, { connects: false, mesh: true })
    return [sessions, routes]
  },
})

const QUIET = 500
const QUESTION_EVERY_MS = 100

/** Asks the daemon as an operator would, until it is told to stop; times until each answer, in ms. */
async function question(stage: Stage, signal: AbortSignal): Promise<readonly number[]> {
  const { host, daemon } = stage
  const times: number[] = []
  while (!signal.aborted) {
    const start = performance.now()
    await daemon.ask(host)
    times.push(performance.now() - start)
    await rest(QUESTION_EVERY_MS)
  }
  return times
}

const quiet = (prefixes: number): Scenario => ({
  name: 'G',
  what: `${QUIET} quiet sessions, a KEEPALIVE a second, while ${prefixes} prefixes come and go; one more; questions`,
  for: 'daemons',
  peers: QUIET + 3,
  run: async stage => {
    const { generator } = stage
    const shape = { senders: 1, receivers: 1, quiet: QUIET + 1, late: 1, prefixes, holdSeconds: 3 }
    await begin(stage, shape)
    await generator.ask({ do: 'listen' })
    const stop = new AbortController()
    const asked = question(stage, stop.signal)
    // one that fails is heard of when all are awaited
    asked.catch(() => {})
    let lateMs = Number.NaN
    const load = await measured(stage, 'G load', async () => {
      const said = await generator.ask({ do: 'announce', late: true, withinMs: WITHIN_MS })
      lateMs = said.lateMs ?? Number.NaN
      return said
    })
    await generator.ask({ do: 'withdraw', withinMs: WITHIN_MS })
    await generator.ask({ do: 'announce', withinMs: WITHIN_MS })
    stop.abort()
    const answers = await asked
    const { samples = [], lost = 0 } = await generator.ask({ do: 'heard' })
    const remark = `${samples.length} KEEPALIVEs`
    return [
      load,
      { measure: 'G keepalive late, p99', value: percentile(samples, 0.99), remark },
      { measure: 'G keepalive late, most', value: percentile(samples, 1), remark },
      { measure: 'G sessions lost', value: lost, unit: 'sessions' },
      { measure: 'G new session up', value: lateMs },
      {
        measure: 'G question answered, p99',
        value: percentile(answers, 0.99),
        remark: `${answers.length} questions`,
      },
      { measure: 'G question answered, latest', value: percentile(answers, 1) },
    ]
  },
})

const FLAPS = 1_000
const FLAPS_AT_ONCE = 5
const SOAK_MS = 600_000
/** The first part of a soak is left out: a process grows until its heap has found its size. */
const WARM = 0.2

/** The memory of a daemon at rest, a table coming and going: whether it rises. */
const soak = (prefixes: number): Scenario => ({
  name: 'soak',
  what: `${prefixes} prefixes come and go ${FLAPS} times, ten minutes at most: memory when none is there`,
  for: 'daemons',
  peers: 2,
  named: true,
  ours: true,
  run: async stage => {
    const { generator, host, daemon } = stage
    await begin(stage, { senders: 1, receivers: 1, prefixes })
    const memory: [flap: number, octets: number][] = []
    const start = performance.now()
    for (let flap = 0; flap < FLAPS && performance.now() - start < SOAK_MS; flap += FLAPS_AT_ONCE) {
      await generator.ask({ do: 'flap', times: FLAPS_AT_ONCE, withinMs: WITHIN_MS })
      memory.push([flap + FLAPS_AT_ONCE, host.usage(daemon.processes).presentOctets])
    }
    const warm = memory.slice(Math.floor(memory.length * WARM))
    const { slope, margin } = slopeOf(warm)
    const [[firstFlap = 0] = [], [flaps = 0, last = 0] = []] = [warm[0], warm.at(-1)]
    const remark = `flaps ${firstFlap} to ${flaps}, ${(last / 1e6).toFixed(0)} MB in the end`
    return [{ measure: 'soak, growth', value: slope, margin, unit: 'octets a flap', remark }]
  },
})

/** Fewer of anything measure nothing. */
const LEAST = 10

/** All scenarios, in the order in which they run; to try them, a fraction of their sizes is enough. */
export function scenarios(scale = 1): readonly Scenario[] {
  const scaled: Scaled = count => Math.max(LEAST, Math.round(count * scale))
  const [few, many] = [scaled(100_000), scaled(1_000_000)]
  const one = { senders: 1, receivers: 1, prefixes: few }
  return [
    table('A', '100,000 prefixes in, one receiver', one),
    table('A6', 'the same, IPv6', { ...one, family: 'ipv6' }),
    table('B', '1,000,000 prefixes in, one receiver', { ...one, prefixes: many }),
    table('C', 'ten senders of the same 100,000 prefixes, one receiver', {
      ...one,
      senders: 10,
      shared: true,
    }),
    table('D', 'two senders of 500,000 prefixes each, ten receivers', {
      senders: 2,
      receivers: 10,
      prefixes: many,
    }),
    REPLAY,
    reflector('E500', scaled(500)),
    reflector('E1000', scaled(1_000)),
    reflector('E5000', scaled(5_000), { named: true }),
    reflector('EC500', scaled(500), { connects: true }),
    meshNode('M100', scaled(100)),
    meshNode('M500', scaled(500)),
    meshNode('M1000', scaled(1_000)),
    everyday(few),
    quiet(many),
    soak(few),
    ...kernelScenarios(scaled),
  ]
}
