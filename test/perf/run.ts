/**
 * `npm run perf`: Martlet and the other daemons that are installed, in the same scenarios, in turns.
 *
 *   npm run perf                                  every scenario, every daemon, three runs
 *   npm run perf -- A B --runs 5 --only bird,martlet
 *   npm run perf -- B --martlet old=/tmp/old/dist/main.js --martlet new=dist/main.js
 *
 * Prints medians, their spread, and the ratio to the fastest other daemon. It asserts nothing: a machine that is busy
 * proves nothing, and says so. Needs root, for network namespaces.
 */
import { cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { bird, type Daemon, FRR, GOBGP, martlet, OPENBGPD } from './bench/daemons.ts'
import { Host } from './bench/host.ts'
import { Machine, print, type Result } from './bench/report.ts'
import { type Sample, SCENARIOS, type Scenario } from './bench/scenarios.ts'

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
    verbose: { type: 'boolean', default: false },
  },
})

const BUILT = join(import.meta.dirname, '..', '..', 'dist', 'main.js')

const known: readonly Daemon[] = [
  ...(values.martlet ?? [`martlet=${BUILT}`]).map(given => {
    const at = given.indexOf('=')
    return martlet(given.slice(0, at), given.slice(at + 1))
  }),
  bird('bird', '/usr/sbin/bird'),
  ...(values.bird3 === undefined ? [] : [bird('bird3', values.bird3)]),
  FRR,
  OPENBGPD,
  GOBGP,
]
const only = values.only?.split(',')
const daemons = known.filter(({ name }) => only?.some(one => name.startsWith(one)) ?? true)
const scenarios = SCENARIOS.filter(
  ({ name }) => positionals.length === 0 || positionals.includes(name),
)
const strange = positionals.filter(name => !SCENARIOS.some(scenario => scenario.name === name))
if (strange.length > 0) {
  const names = SCENARIOS.map(({ name, what }) => `  ${name.padEnd(7)} ${what}`).join('\n')
  process.stderr.write(`there is no scenario ${strange.join(', ')}; there are\n${names}\n`)
  process.exit(2)
}

const host = new Host(`perf${process.pid}`)
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    host.remove()
    process.exit(1)
  })

const speakerOptions = [
  ...(values.node?.split(' ') ?? []),
  ...(values.profile === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', values.profile]),
]
const lastCore = String(cpus().length - 1)

async function once(scenario: Scenario, daemon: Daemon): Promise<Sample[]> {
  host.make(scenario.peers)
  const generator = host.startGenerator(lastCore)
  try {
    return await scenario.run({ host, daemon, generator, cores: values.cores, speakerOptions })
  } finally {
    if (values.profile !== undefined) await host.stop()
    generator.end()
    host.remove()
  }
}

const machine = new Machine()
const results: Result[] = []
const versions = daemons.map(daemon => ({ daemon, version: daemon.version() }))
process.stdout.write(`${machine.describe()}\n`)
for (const { daemon, version } of versions)
  process.stdout.write(`${daemon.name}: ${version ?? 'not installed'}\n`)
for (const scenario of scenarios) {
  process.stdout.write(`\n${scenario.name}: ${scenario.what}\n`)
  for (let run = 0; run < Number(values.runs); run++)
    for (const { daemon, version } of versions) {
      if (version === undefined) continue
      const why = daemon.cannot[scenario.name]
      if (why !== undefined) {
        results.push({ daemon: daemon.name, scenario: scenario.name, samples: [], gap: why })
        continue
      }
      const before = machine.mark()
      try {
        const samples = await once(scenario, daemon)
        const others = machine.othersSince(before)
        results.push({ daemon: daemon.name, scenario: scenario.name, samples, others })
        if (values.verbose)
          for (const { measure, ms, cpuSeconds, peakMb, besideMb, busy, remark } of samples)
            process.stdout.write(
              `  ${daemon.name} ${measure}: ${ms.toFixed(1)} ms, CPU ${cpuSeconds?.toFixed(2)} s, ` +
                `${peakMb?.toFixed(0)} MB, beside ${besideMb?.toFixed(0)} MB, generator ` +
                `${((busy ?? 0) * 100).toFixed(0)} %, load ${loadavg()[0]?.toFixed(1)} ${remark ?? ''}\n`,
            )
      } catch (error) {
        const gap = error instanceof Error ? error.message : String(error)
        process.stdout.write(`  ${daemon.name}: ${gap}\n`)
        results.push({ daemon: daemon.name, scenario: scenario.name, samples: [], gap })
      }
    }
}
print(
  results,
  daemons.map(({ name }) => name),
  line => process.stdout.write(`${line}\n`),
)
process.exit(0)
