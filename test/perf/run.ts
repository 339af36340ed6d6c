/**
 * `npm run perf`: Martlet and the other daemons that are installed, in the same scenarios, in turns.
 *
 *   npm run perf                                  every scenario, everybody, three runs
 *   npm run perf -- A B --runs 5 --only bird,martlet
 *   npm run perf -- B --martlet old=/tmp/old/dist/main.js --martlet new=dist/main.js
 *   npm run perf -- MRT --mrt rib.gz              a table that somebody really has
 *   npm run perf -- soak E5000                    what takes long runs only when it is named
 *   npm run perf -- --scale 0.01                  to see that all of it runs
 *   npm run perf -- -o json                       the same as one document
 *
 * Prints medians, their spread, the ratio to the fastest other, and whether each target is met. It asserts nothing: a
 * machine that is busy proves nothing, and says so. Needs root, for network namespaces.
 */
import { cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { bird, type Daemon, FRR, GOBGP, martlet, OPENBGPD } from './bench/daemons.ts'
import { Host } from './bench/host.ts'
import { NetlinkTool } from './bench/kernel/tool.ts'
import { IP_BATCH, KernelHalf, MINIMAL, type Writer } from './bench/kernel/writers.ts'
import { Machine, Report, type Result, time } from './bench/report.ts'
import type { Sample, Scenario } from './bench/scenario.ts'
import { scenarios } from './bench/scenarios.ts'
import { TARGETS } from './bench/targets.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '3' },
    only: { type: 'string' },
    martlet: { type: 'string', multiple: true },
    bird3: { type: 'string' },
    /** the daemon's cores, as taskset takes them; by default it may use any */
    cores: { type: 'string' },
    /** a directory for CPU profiles of the speaker; `node test/perf/profile.ts DIR` reads them */
    profile: { type: 'string' },
    /** further options of Node.js for the speaker, separated by spaces */
    node: { type: 'string' },
    /** a TABLE_DUMP_V2 file, for the scenario MRT */
    mrt: { type: 'string' },
    /** a fraction of all sizes, to try the harness: such numbers say nothing */
    scale: { type: 'string', default: '1' },
    output: { type: 'string', short: 'o', default: 'text' },
    verbose: { type: 'boolean', default: false },
  },
})

const BUILT = join(import.meta.dirname, '..', '..', 'dist', 'main.js')
const asJson = values.output === 'json'
const say = (line: string): void => {
  const stream = asJson ? process.stderr : process.stdout
  stream.write(`${line}\n`)
}

const ours = (values.martlet ?? [`martlet=${BUILT}`]).map(given => {
  const at = given.indexOf('=')
  return { name: given.slice(0, at), main: given.slice(at + 1) }
})
const only = values.only?.split(',')
const chosen = <One extends { readonly name: string }>(all: readonly One[]): One[] =>
  all.filter(({ name }) => only?.some(one => name.startsWith(one)) ?? true)

const daemons: readonly Daemon[] = chosen([
  ...ours.map(({ name, main }) => martlet(name, main)),
  bird('bird', '/usr/sbin/bird'),
  ...(values.bird3 === undefined ? [] : [bird('bird3', values.bird3)]),
  FRR,
  OPENBGPD,
  GOBGP,
])
const writers: readonly Writer[] = chosen([
  ...ours.map(({ name, main }) => new KernelHalf(name, main)),
  MINIMAL,
  IP_BATCH,
])
const scale = Number(values.scale)
const all = scenarios(scale)
const played = all.filter(({ name, named }) =>
  positionals.length === 0 ? named === undefined : positionals.includes(name),
)
const strange = positionals.filter(name => !all.some(scenario => scenario.name === name))
if (strange.length > 0) {
  const names = all.map(({ name, what }) => `  ${name.padEnd(7)} ${what}`).join('\n')
  process.stderr.write(`there is no scenario ${strange.join(', ')}; there are\n${names}\n`)
  process.exit(2)
}

const host = new Host(`perf${process.pid}`)
const tool = NetlinkTool.make(host)
process.on('exit', () => {
  host.remove()
  tool?.remove()
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

const speakerOptions = [
  ...(values.node?.split(' ') ?? []),
  ...(values.profile === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', values.profile]),
]
const lastCore = String(cpus().length - 1)
const place = { host, tool, mrt: values.mrt }

async function withDaemon(
  scenario: Extract<Scenario, { for: 'daemons' }>,
  daemon: Daemon,
): Promise<Sample[]> {
  const generator = host.startGenerator(lastCore)
  try {
    return await scenario.run({ ...place, daemon, generator, cores: values.cores, speakerOptions })
  } finally {
    if (values.profile !== undefined) await host.stop()
    generator.end()
  }
}

/** Who takes part in a scenario, and a run of it with each. */
function entriesOf(scenario: Scenario): { who: Daemon | Writer; once: () => Promise<Sample[]> }[] {
  if (scenario.for === 'writers')
    return writers.map(who => ({ who, once: () => scenario.run(place, who) }))
  return daemons
    .filter(
      ({ name }) => scenario.ours !== true || only !== undefined || name.startsWith('martlet'),
    )
    .map(who => ({ who, once: () => withDaemon(scenario, who) }))
}

const machine = new Machine()
const results: Result[] = []
// the two halves of Martlet are of one build
const versions = new Map([...writers, ...daemons].map(who => [who.name, who.version()] as const))

async function play(scenario: Scenario): Promise<void> {
  for (const { who, once } of entriesOf(scenario)) {
    const at = { contender: who.name, scenario: scenario.name }
    const why = versions.get(who.name) === undefined ? 'not installed' : who.cannot[scenario.name]
    if (why !== undefined) {
      results.push({ ...at, samples: [], gap: why })
      continue
    }
    const busy = await machine.others()
    const before = machine.mark()
    try {
      host.make(scenario.peers)
      const samples = await once()
      results.push({ ...at, samples, others: { busy, stolen: machine.stolenSince(before) } })
      if (values.verbose) for (const sample of samples) say(`  ${who.name} ${lineOf(sample)}`)
    } catch (error) {
      // what a program said last is why it failed
      const said = error instanceof Error ? error.message : String(error)
      const gap = said.trim().split('\n').at(-1) ?? said
      say(`  ${who.name}: ${gap}`)
      results.push({ ...at, samples: [], gap })
    } finally {
      host.remove()
    }
  }
}

const lineOf = ({ measure, value, unit, margin, cpuSeconds, peakMb, ...rest }: Sample): string => {
  if (rest.gap !== undefined) return `${measure}: no: ${rest.gap}`
  const { besideMb, messages, busy, remark } = rest
  const words = [
    `${measure}: ${unit === undefined ? time(value) : `${value.toFixed(0)} ${unit}`}`,
    margin !== undefined && `± ${margin.toFixed(0)}`,
    cpuSeconds !== undefined && `CPU ${cpuSeconds.toFixed(2)} s`,
    peakMb !== undefined && `${peakMb.toFixed(0)} MB`,
    besideMb !== undefined && `beside ${besideMb.toFixed(0)} MB`,
    messages !== undefined && `${messages} messages`,
    busy !== undefined && `generator ${(busy * 100).toFixed(0)} %`,
    remark,
    `load ${loadavg()[0]?.toFixed(1)}`,
  ]
  return words.filter(Boolean).join(', ')
}

const command = ['npm run perf --', ...process.argv.slice(2)].join(' ')
say(`${machine.describe()}\n${command}`)
for (const [name, version] of versions) say(`${name}: ${version ?? 'not installed'}`)
if (scale !== 1) say(`sizes are ${scale} of those named: these numbers say nothing`)
for (const scenario of played) {
  say(`\n${scenario.name}: ${scenario.what}`)
  for (let run = 0; run < Number(values.runs); run++) await play(scenario)
}
const report = new Report(results, [...versions.keys()], scale === 1 ? TARGETS : [])
if (asJson) {
  const about = {
    command,
    machine: machine.describe(),
    runs: Number(values.runs),
    versions: Object.fromEntries([...versions].map(([name, version]) => [name, version ?? null])),
  }
  process.stdout.write(`${JSON.stringify({ ...about, ...report.toJSON() }, undefined, 2)}\n`)
} else for (const line of report.lines()) say(line)
process.exit(0)
