/**
 * Prints where the time of a CPU profile went, function by function: itself alone.
 *
 *     node test/perf/profile.ts FILE.cpuprofile [lines]
 */
import { readFileSync } from 'node:fs'
import process from 'node:process'

interface Profile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { functionName: string; url: string; lineNumber: number }
  }[]
  readonly samples: readonly number[]
  /** microseconds before each sample */
  readonly timeDeltas: readonly number[]
}

const IDLE = '(idle)'

const [file, lines = '30'] = process.argv.slice(2)
if (file === undefined) throw new Error('which profile? node test/perf/profile.ts FILE [lines]')
const profile: Profile = JSON.parse(readFileSync(file, 'utf8'))
const names = new Map(
  profile.nodes.map(({ id, callFrame }) => {
    const { functionName, url, lineNumber } = callFrame
    const place = url === '' ? '' : `  ${url.split('/').slice(-2).join('/')}:${lineNumber + 1}`
    return [id, `${functionName || '(anonymous)'}${place}`]
  }),
)
const spent = new Map<string, number>()
for (const [at, id] of profile.samples.entries()) {
  const name = names.get(id) ?? String(id)
  spent.set(name, (spent.get(name) ?? 0) + (profile.timeDeltas[at] ?? 0))
}
spent.delete(IDLE)
const total = [...spent.values()].reduce((sum, time) => sum + time, 0)
process.stdout.write(`${(total / 1_000).toFixed(0)} ms in all, without idle\n`)
const most = [...spent].sort((a, b) => b[1] - a[1]).slice(0, Number(lines))
for (const [name, time] of most) {
  const share = ((100 * time) / total).toFixed(1).padStart(5)
  process.stdout.write(`${(time / 1_000).toFixed(0).padStart(6)} ms ${share} %  ${name}\n`)
}
