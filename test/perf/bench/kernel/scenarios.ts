/**
 * The kernel half: routes written by somebody who does nothing else, and by daemons that hear them by BGP; next hops
 * that die; routes that somebody deletes. What the kernel has is asked of the kernel, by a program that is no daemon's.
 */

import { type Host, peerAddress, SECOND_GATEWAY } from '../host.ts'
import { makeTable } from '../load/traffic.ts'
import {
  begin,
  Gap,
  measured,
  type Place,
  rest,
  type Sample,
  type Scaled,
  type Scenario,
  type Stage,
  WITHIN_MS,
} from '../scenario.ts'
import { percentile } from '../statistics.ts'
import { type NetlinkTool, NO_COMPILER } from './tool.ts'
import { KernelHalf, MINIMAL, type Step, type Ways } from './writers.ts'

/** Prefixes that are looked at one by one. */
const SAMPLES = 256
const RESTORED = 500
/** So long a watcher is ready before what it watches for happens. */
const READY_MS = 100

const GATEWAYS = [peerAddress(0, 'ipv4'), peerAddress(1, 'ipv4')] as const

function toolOf({ tool }: Place): NetlinkTool {
  if (tool === undefined) throw new Gap(NO_COMPILER)
  return tool
}

const sampleOf = (measure: string, { ms, cpuMs }: Step): Sample => ({
  measure,
  value: ms,
  ...(cpuMs !== undefined && { cpuSeconds: cpuMs / 1e3 }),
})

const samplesOf = (tool: NetlinkTool, count: number): string =>
  tool.prefixes(makeTable(count), { step: Math.max(1, Math.floor(count / SAMPLES)) })

/** Routes into an empty table, through other next hops, and out: by ids of nexthop objects, then by gateways. */
const written = (name: string, count: number): Scenario => ({
  name,
  what: `${count} routes written that are in memory already: added, replaced, removed`,
  for: 'writers',
  peers: 2,
  run: async (place, writer) => {
    const { host } = place
    const tool = toolOf(place)
    const samples: Sample[] = []
    for (const ways of ['ids', 'gateways'] satisfies Ways[]) {
      const own = host.kernelRoutes()
      const work = { host, tool, count, ways, gateways: GATEWAYS }
      const { add, replace, remove } = await writer.write(work)
      if (host.kernelRoutes() !== own)
        throw new Error(`${host.kernelRoutes() - own} routes are left`)
      samples.push(
        sampleOf(`${name} ${ways}, added`, add),
        sampleOf(`${name} ${ways}, replaced`, replace),
        sampleOf(`${name} ${ways}, removed`, remove),
      )
    }
    return samples
  },
})

/** A kernel half starts where another has left all routes: it is read, found as wanted, and nothing is written. */
const adopted = (name: string, count: number): Scenario => ({
  name,
  what: `${count} routes of a life before are adopted, beside a dump of them`,
  for: 'writers',
  peers: 2,
  run: async (place, writer) => {
    const { host } = place
    const tool = toolOf(place)
    if (writer === MINIMAL) {
      await tool.run('write', tool.prefixes(makeTable(count)), 'add', 'via', GATEWAYS[0], 'bgp0')
      // the first dump after so many changes is slower, for everybody
      await tool.run('dump')
      return [sampleOf(name, await tool.run('dump'))]
    }
    if (!(writer instanceof KernelHalf)) throw new Gap('it adopts nothing')
    const order = { do: 'start', count, objects: true, gateways: [GATEWAYS[0]] } as const
    const before = writer.open(host)
    await before.ask(order)
    before.end()
    await tool.run('dump')
    const half = writer.open(host)
    try {
      const { batches, installed, ...step } = await half.ask(order)
      if (batches > 0 || installed !== count)
        throw new Error(`${installed} routes are adopted, ${batches} batches were written`)
      return [sampleOf(name, step)]
    } finally {
      half.end()
    }
  },
})

/** Routes to all prefixes through one nexthop group of both gateways. */
async function writeGroup(tool: NetlinkTool, host: Host, count: number): Promise<void> {
  const ways = [
    ['1', 'via', GATEWAYS[0], 'dev', 'bgp0'],
    ['2', 'via', SECOND_GATEWAY, 'dev', 'bgp1'],
    ['3', 'group', '1/2'],
  ]
  for (const words of ways) host.run(['ip', 'nexthop', 'add', 'id', ...words])
  await tool.run('write', tool.prefixes(makeTable(count)), 'add', 'nhid', '3')
}

/** Two ways to all prefixes: one goes with its link; or the speaker says that it is gone. */
const lost = (name: string, count: number): Scenario => ({
  name,
  what: `${count} routes through a group of two next hops: one dies`,
  for: 'writers',
  peers: 2,
  run: async (place, writer) => {
    const { host } = place
    const tool = toolOf(place)
    const samples: Sample[] = []
    const both = [GATEWAYS[0], SECOND_GATEWAY]
    host.makeSecondLink()
    const file = samplesOf(tool, count)
    if (writer === MINIMAL) {
      // nobody watches: this is what the kernel takes by itself
      await writeGroup(tool, host, count)
      const { ms } = await tool.run('down', file, 'bgp0', SECOND_GATEWAY)
      return [{ measure: `${name} a group, link down`, value: ms }]
    }
    if (!(writer instanceof KernelHalf)) throw new Gap('it watches nothing')
    for (const objects of [true, false]) {
      const how = objects ? 'a group' : 'plain routes'
      const half = writer.open(host)
      try {
        await half.ask({ do: 'start', count, objects, gateways: both })
        const watch = tool.run('moved', file, SECOND_GATEWAY)
        await rest(READY_MS)
        const { from } = await half.ask({ do: 'move', gateways: [SECOND_GATEWAY] })
        samples.push({ measure: `${name} ${how}, said`, value: (await watch).at - from })
        await half.ask({ do: 'move', gateways: both })
        const { ms } = await tool.run('down', file, 'bgp0', SECOND_GATEWAY)
        samples.push({ measure: `${name} ${how}, link down`, value: ms })
        host.run(['ip', 'link', 'set', 'bgp0', 'up'])
        await half.ask({ do: 'remove' })
      } finally {
        half.end()
      }
    }
    return samples
  },
})

/** From the first octet of the table until the kernel has all of it, and until it has none. */
const throughBgp = (name: string, prefixes: number): Scenario => ({
  name,
  what: `${prefixes} prefixes from BGP into the kernel, and out of it`,
  for: 'daemons',
  peers: 2,
  run: async stage => {
    const { generator, host } = stage
    const tool = toolOf(stage)
    await begin(stage, { senders: 1, receivers: 1, prefixes, kernel: true })
    const own = host.kernelRoutes()
    const file = samplesOf(tool, prefixes)
    const until = (order: 'announce' | 'withdraw', state: string, count: number) => async () => {
      const watch = tool.run('settle', file, state, String(count))
      await rest(READY_MS)
      const said = await generator.ask({ do: order, withinMs: WITHIN_MS })
      return { ...said, ms: (await watch).at - (said.from ?? Number.NaN) }
    }
    return [
      // with the marker
      await measured(stage, `${name} in`, until('announce', 'present', own + prefixes + 1)),
      await measured(stage, `${name} out`, until('withdraw', 'absent', own)),
    ]
  },
})

/** Two neighbours say the same; the better one goes, and all is through the other one. */
const peerDies = (name: string, prefixes: number): Scenario => ({
  name,
  what: `${prefixes} prefixes in the kernel: the session of the best neighbour closes`,
  for: 'daemons',
  peers: 2,
  run: async stage => {
    const { generator } = stage
    const tool = toolOf(stage)
    const shape = { senders: 2, receivers: 0, prefixes, shared: true, ranked: true, kernel: true }
    await begin(stage, shape)
    const file = samplesOf(tool, prefixes)
    await generator.ask({ do: 'announce', withinMs: WITHIN_MS })
    await tool.run('moved', file, GATEWAYS[0])
    await settled(stage)
    const watch = tool.run('moved', file, GATEWAYS[1])
    await rest(READY_MS)
    const step = async () => {
      const said = await generator.ask({ do: 'vanish', withinMs: WITHIN_MS })
      return { ...said, ms: (await watch).at - (said.from ?? Number.NaN) }
    }
    return [await measured(stage, name, step)]
  },
})

const SETTLE_STEP_MS = 500
const SETTLE_STEPS_MAX = 120

/** Waits until the daemon uses no processor time. */
async function settled({ host, daemon }: Stage): Promise<void> {
  let before = -1
  for (let step = 0; step < SETTLE_STEPS_MAX; step++) {
    const { cpuSeconds } = host.usage(daemon.processes)
    if (cpuSeconds - before < 0.05) return
    before = cpuSeconds
    await rest(SETTLE_STEP_MS)
  }
  throw new Error('the daemon does not come to rest')
}

/** Routes are deleted by hand, one after the other: when each is back. */
const restored = (name: string, prefixes: number): Scenario => ({
  name,
  what: `${prefixes} prefixes in the kernel, ${RESTORED} of them deleted by another hand, one by one`,
  for: 'daemons',
  peers: 2,
  run: async stage => {
    const { generator, host } = stage
    const tool = toolOf(stage)
    await begin(stage, { senders: 1, receivers: 1, prefixes, kernel: true })
    const own = host.kernelRoutes()
    const watch = tool.run(
      'settle',
      samplesOf(tool, prefixes),
      'present',
      String(own + prefixes + 1),
    )
    await generator.ask({ do: 'announce', withinMs: WITHIN_MS })
    await watch
    await settled(stage)
    const step = Math.max(1, Math.floor(prefixes / RESTORED))
    const deleted = tool.prefixes(makeTable(prefixes), { step, from: 1 })
    const { samples, lost: gone, count } = await tool.run('restore', deleted)
    if (gone > 0) throw new Gap('a deleted route was not back within two seconds')
    const remark = `${count} deletions`
    return [
      { measure: `${name} back, median`, value: percentile(samples, 0.5), remark },
      { measure: `${name} back, p99`, value: percentile(samples, 0.99), remark },
      { measure: `${name} back, latest`, value: percentile(samples, 1), remark },
    ]
  },
})

/** The kernel's scenarios, in the order in which they run. */
export const kernelScenarios = (scaled: Scaled): readonly Scenario[] => [
  throughBgp('K100', scaled(100_000)),
  throughBgp('K500', scaled(500_000)),
  peerDies('P1', scaled(1_000)),
  peerDies('P100', scaled(100_000)),
  restored('R100', scaled(100_000)),
  written('W100', scaled(100_000)),
  written('W500', scaled(500_000)),
  adopted('AD500', scaled(500_000)),
  lost('N1', scaled(1_000)),
  lost('N100', scaled(100_000)),
]
