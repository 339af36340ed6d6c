/** What a run of the harness says: the machine, the medians, the ratios, and what makes them doubtful. */
import { readFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import type { Sample } from './scenarios.ts'

/** What came of one run of one scenario with one daemon. */
export interface Result {
  readonly daemon: string
  readonly scenario: string
  readonly samples: readonly Sample[]
  /** why there are no samples */
  readonly gap?: string
  /** share of the machine's processor time that had been lost to steal */
  readonly others?: { readonly steal: number; readonly load: number }
}

/** A generator that is busier than this may be what is measured. */
const GENERATOR_BUSY = 0.85
/** So much load before a run, or steal in it, makes its numbers doubtful. */
const LOAD_MAX = 1.5
const STEAL_MAX = 0.02

/** The machine that runs all this, and how busy others keep it. */
export class Machine {
  describe(): string {
    const memory = (totalmem() / 1e9).toFixed(0)
    const { model } = cpus()[0] ?? { model: 'unknown' }
    return `${cpus().length} cores (${model}), ${memory} GB, Linux ${release()}, load ${loadavg()
      .map(load => load.toFixed(1))
      .join(' ')}`
  }

  mark(): Mark {
    const words = /^cpu\s+(.*)$/m.exec(readFileSync('/proc/stat', 'latin1'))?.[1]?.split(' ') ?? []
    const ticks = words.map(Number)
    const all = ticks.slice(0, 8).reduce((sum, value) => sum + value, 0)
    return { all, steal: ticks[7] ?? 0, load: loadavg()[0] ?? 0 }
  }

  othersSince({ all, steal, load }: Mark): { steal: number; load: number } {
    const now = this.mark()
    return { steal: (now.steal - steal) / Math.max(1, now.all - all), load }
  }
}

interface Mark {
  readonly all: number
  readonly steal: number
  readonly load: number
}

/** Prints a table of all results. */
export function print(
  results: readonly Result[],
  daemons: readonly string[],
  say: (line: string) => void,
): void {
  const measures = new Set(results.flatMap(({ samples }) => samples.map(({ measure }) => measure)))
  say('')
  say(`| measure | ${daemons.join(' | ')} | Martlet beside the fastest other |`)
  say(`| --- |${' --- |'.repeat(daemons.length + 1)}`)
  for (const measure of measures) {
    const cells = daemons.map(daemon => summaryOf(results, daemon, measure))
    const ours = cells.find((_, at) => daemons[at]?.startsWith('martlet'))
    const others = cells.filter((cell, at) => cell && !daemons[at]?.startsWith('martlet'))
    const fastest = others.reduce<Summary | undefined>(
      (best, cell) => (best === undefined || (cell && cell.ms < best.ms) ? cell : best),
      undefined,
    )
    say(`| ${measure} | ${cells.map(text).join(' | ')} | ${ratio(ours, fastest)} |`)
  }
  for (const remark of remarksOn(results)) say(remark)
}

interface Summary {
  readonly ms: number
  readonly least: number
  readonly most: number
  readonly cpuSeconds: number | undefined
  readonly peakMb: number | undefined
  readonly besideMb: number | undefined
}

function summaryOf(
  results: readonly Result[],
  daemon: string,
  measure: string,
): Summary | undefined {
  const samples = results
    .filter(result => result.daemon === daemon)
    .flatMap(result => result.samples.filter(sample => sample.measure === measure))
  if (samples.length === 0) return undefined
  const times = samples.map(({ ms }) => ms)
  return {
    ms: median(times),
    least: Math.min(...times),
    most: Math.max(...times),
    cpuSeconds: medianOf(samples, ({ cpuSeconds }) => cpuSeconds),
    peakMb: medianOf(samples, ({ peakMb }) => peakMb),
    besideMb: medianOf(samples, ({ besideMb }) => besideMb),
  }
}

function medianOf(
  samples: readonly Sample[],
  of: (sample: Sample) => number | undefined,
): number | undefined {
  const values = samples.flatMap(sample => of(sample) ?? [])
  return values.length === 0 ? undefined : median(values)
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2
}

function text(cell: Summary | undefined): string {
  if (cell === undefined) return '-'
  const { ms, least, most, cpuSeconds, peakMb, besideMb } = cell
  const spread = least === most ? '' : ` (${time(least)} to ${time(most)})`
  const cpu = cpuSeconds === undefined ? '' : `, CPU ${cpuSeconds.toFixed(2)} s`
  const memory = peakMb === undefined ? '' : `, ${peakMb.toFixed(0)} MB`
  const beside = besideMb === undefined || besideMb === 0 ? '' : ` + ${besideMb.toFixed(0)}`
  return `${time(ms)}${spread}${cpu}${memory}${beside}`
}

const time = (ms: number): string => {
  if (ms >= 100) return `${(ms / 1_000).toFixed(2)} s`
  return `${ms.toFixed(ms < 10 ? 2 : 1)} ms`
}

function ratio(ours: Summary | undefined, fastest: Summary | undefined): string {
  if (ours === undefined || fastest === undefined) return '-'
  const memory =
    ours.peakMb === undefined || fastest.peakMb === undefined
      ? ''
      : `, memory ${(ours.peakMb / fastest.peakMb).toFixed(2)}x`
  return `${(ours.ms / fastest.ms).toFixed(2)}x${memory}`
}

function* remarksOn(results: readonly Result[]): Generator<string> {
  const gaps = new Set(
    results.flatMap(({ daemon, scenario, gap }) =>
      gap === undefined ? [] : [`${scenario}, ${daemon}: no number: ${gap}`],
    ),
  )
  yield* gaps
  for (const { daemon, scenario, samples } of results)
    for (const { measure, busy = 0 } of samples)
      if (busy > GENERATOR_BUSY)
        yield `${scenario}, ${daemon}, ${measure}: the generator, busy for ${percent(busy)}, may be the bottleneck`
  const loads = results.flatMap(({ others }) => (others === undefined ? [] : [others.load]))
  const steals = results.flatMap(({ others }) => (others === undefined ? [] : [others.steal]))
  const [load, steal] = [Math.max(0, ...loads), Math.max(0, ...steals)]
  if (load > LOAD_MAX || steal > STEAL_MAX)
    yield `this machine was busy: load ${load.toFixed(1)}, up to ${percent(steal)} of its time stolen`
}

const percent = (share: number): string => `${(share * 100).toFixed(0)} %`
