/** What a run of the harness says: the machine, medians and ratios, targets, gaps, and what makes numbers doubtful. */
import { readFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import type { Sample } from './scenario.ts'
import { median } from './statistics.ts'
import { judge, type Measured, type Summary, subjectOf, TARGETS, type Target } from './targets.ts'

/** What came of one run of one scenario with one contender. */
export interface Result {
  /** who was measured */
  readonly contender: string
  readonly scenario: string
  readonly samples: readonly Sample[]
  /** why there are no samples */
  readonly gap?: string
  /** shares of the machine's time: what others used just before, and what was stolen from it meanwhile */
  readonly others?: { readonly busy: number; readonly stolen: number }
}

/** A generator that is busier than this may be what is measured. */
const GENERATOR_BUSY = 0.85
/** So much use by others before a run, or steal in it, makes its numbers doubtful. */
const BUSY_MAX = 0.1
const STOLEN_MAX = 0.02
const LOOK_MS = 500
/** The kernel takes a namespace of a million routes apart after it has gone. */
const LOOKS_MAX = 20

/** The machine that runs all this, and how busy others keep it. */
export class Machine {
  describe(): string {
    const memory = (totalmem() / 1e9).toFixed(0)
    const { model } = cpus()[0] ?? { model: 'unknown' }
    return `${cpus().length} cores (${model}), ${memory} GB, Linux ${release()}, load ${loadavg()
      .map(load => load.toFixed(1))
      .join(' ')}`
  }

  /** What others use of it while nothing of ours runs: waits ten seconds at most until that is little. */
  async others(): Promise<number> {
    let busy = 1
    for (let look = 0; look < LOOKS_MAX && busy > BUSY_MAX; look++) {
      const before = this.mark()
      await new Promise(resolve => setTimeout(resolve, LOOK_MS))
      const { all, idle } = this.mark()
      busy = 1 - (idle - before.idle) / Math.max(1, all - before.all)
    }
    return busy
  }

  /** Its time so far, in ticks of all cores. */
  mark(): Mark {
    const words = /^cpu\s+(.*)$/m.exec(readFileSync('/proc/stat', 'latin1'))?.[1]?.split(' ') ?? []
    const ticks = words.map(Number)
    const all = ticks.slice(0, 8).reduce((sum, value) => sum + value, 0)
    return { all, idle: (ticks[3] ?? 0) + (ticks[4] ?? 0), stolen: ticks[7] ?? 0 }
  }

  /** Which share of its time since `before` was not its own. */
  stolenSince(before: Mark): number {
    const { all, stolen } = this.mark()
    return (stolen - before.stolen) / Math.max(1, all - before.all)
  }
}

interface Mark {
  readonly all: number
  readonly idle: number
  readonly stolen: number
}

const isOurs = (name: string): boolean => name.startsWith('martlet')

/** The results of a whole run, asked for in several ways. */
export class Report implements Measured {
  readonly #results: readonly Result[]
  readonly #contenders: readonly string[]
  readonly #targets: readonly Target[]

  /**
   * @param contenders  who was to be measured, in the order of the columns
   * @param targets     none where sizes are not those that targets are about
   */
  constructor(
    results: readonly Result[],
    contenders: readonly string[],
    targets: readonly Target[] = TARGETS,
  ) {
    this.#results = results
    this.#contenders = contenders
    this.#targets = targets
  }

  ours(measure: string): Summary | undefined {
    return this.#summaries(measure, isOurs)[0]
  }

  other(measure: string, name?: string): Summary | undefined {
    const others = this.#summaries(measure, one =>
      name === undefined ? !isOurs(one) : one === name,
    )
    return others.toSorted((left, right) => left.value - right.value)[0]
  }

  /** The tables, the targets and the remarks, as lines of Markdown. */
  *lines(): Generator<string> {
    for (const scenarios of this.#tables()) yield* this.#table(scenarios)
    const verdicts = judge(this, this.#targets)
    if (verdicts.length > 0) {
      yield* ['', '| target | reached |', '| --- | --- |']
      for (const { target, text } of verdicts) yield `| ${subjectOf(target)} | ${text} |`
    }
    yield ''
    yield* this.remarks()
  }

  /** The same for programs. */
  toJSON(): object {
    const measures = this.#measures(this.#scenarios).map(measure => ({
      measure,
      contenders: Object.fromEntries(
        this.#contenders.flatMap(name => {
          const summary = this.#summary(measure, name)
          return summary === undefined ? [] : [[name, summary]]
        }),
      ),
    }))
    const targets = judge(this, this.#targets).map(({ target, ...rest }) => ({
      target: subjectOf(target),
      most: target.most,
      ...rest,
    }))
    return { measures, gaps: this.#gaps(), targets, remarks: [...this.remarks()] }
  }

  /** What makes numbers doubtful. */
  *remarks(): Generator<string> {
    for (const { contender, scenario, samples } of this.#results)
      for (const { measure, busy = 0 } of samples)
        if (busy > GENERATOR_BUSY)
          yield `${scenario}, ${contender}, ${measure}: the generator, busy for ${percent(busy)}, may be the bottleneck`
    const others = this.#results.flatMap(result => result.others ?? [])
    const busy = others.reduce((most, one) => Math.max(most, one.busy), 0)
    const stolen = others.reduce((most, one) => Math.max(most, one.stolen), 0)
    if (busy > BUSY_MAX || stolen > STOLEN_MAX)
      yield `this machine was busy: others used up to ${percent(busy)} of it, ${percent(stolen)} of its time was stolen`
  }

  get #scenarios(): string[] {
    return [...new Set(this.#results.map(({ scenario }) => scenario))]
  }

  /** Scenarios with the same contenders share a table. */
  #tables(): string[][] {
    const tables = new Map<string, string[]>()
    for (const scenario of this.#scenarios) {
      const columns = this.#columns([scenario]).join()
      tables.set(columns, [...(tables.get(columns) ?? []), scenario])
    }
    return [...tables.values()]
  }

  #columns(scenarios: readonly string[]): string[] {
    return this.#contenders.filter(name =>
      this.#results.some(one => one.contender === name && scenarios.includes(one.scenario)),
    )
  }

  *#table(scenarios: readonly string[]): Generator<string> {
    const columns = this.#columns(scenarios)
    yield ''
    yield `| measure | ${columns.join(' | ')} | Martlet beside the fastest other |`
    yield `| --- |${' --- |'.repeat(columns.length + 1)}`
    for (const scenario of scenarios) {
      const measures = this.#measures([scenario])
      for (const measure of measures.length === 0 ? [scenario] : measures) {
        const cells = columns.map(name => {
          const summary = this.#summary(measure, name)
          return summary === undefined ? this.#gap(scenario, name, measure) : text(summary)
        })
        yield `| ${measure} | ${cells.join(' | ')} | ${ratio(this.ours(measure), this.other(measure))} |`
      }
    }
  }

  #measures(scenarios: readonly string[]): string[] {
    const results = this.#results.filter(({ scenario }) => scenarios.includes(scenario))
    return [...new Set(results.flatMap(({ samples }) => samples.map(({ measure }) => measure)))]
  }

  #gap(scenario: string, name: string, measure: string): string {
    const found = this.#gaps().find(
      one =>
        one.scenario === scenario &&
        one.contender === name &&
        (one.measure === undefined || one.measure === measure),
    )
    return found === undefined ? '-' : `no: ${found.gap}`
  }

  /** What there is no number of: a whole scenario, or one measure of it. */
  #gaps(): { scenario: string; contender: string; measure?: string; gap: string }[] {
    return this.#results.flatMap(({ scenario, contender, samples, gap }) => [
      ...(gap === undefined ? [] : [{ scenario, contender, gap }]),
      ...samples.flatMap(one =>
        one.gap === undefined ? [] : [{ scenario, contender, measure: one.measure, gap: one.gap }],
      ),
    ])
  }

  #summaries(measure: string, of: (name: string) => boolean): Summary[] {
    return this.#contenders.filter(of).flatMap(name => this.#summary(measure, name) ?? [])
  }

  #summary(measure: string, name: string): Summary | undefined {
    const samples = this.#results
      .filter(({ contender }) => contender === name)
      .flatMap(result => result.samples)
      .filter(sample => sample.measure === measure && sample.gap === undefined)
    if (samples.length === 0) return undefined
    const values = samples.map(({ value }) => value)
    return {
      value: median(values),
      least: Math.min(...values),
      most: Math.max(...values),
      unit: samples[0]?.unit,
      margin: medianOf(samples, ({ margin }) => margin),
      cpuSeconds: medianOf(samples, ({ cpuSeconds }) => cpuSeconds),
      peakMb: medianOf(samples, ({ peakMb }) => peakMb),
      besideMb: medianOf(samples, ({ besideMb }) => besideMb),
      messages: medianOf(samples, ({ messages }) => messages),
    }
  }
}

function medianOf(
  samples: readonly Sample[],
  of: (sample: Sample) => number | undefined,
): number | undefined {
  const values = samples.flatMap(sample => of(sample) ?? [])
  return values.length === 0 ? undefined : median(values)
}

function text({ value, least, most, unit, margin, ...rest }: Summary): string {
  const { cpuSeconds, peakMb, besideMb, messages } = rest
  const one = (number: number): string =>
    unit === undefined ? time(number) : `${number.toFixed(0)} ${unit}`
  const sure = margin === undefined ? '' : ` ± ${margin.toFixed(0)}`
  const spread = least === most ? '' : ` (${one(least)} to ${one(most)})`
  const cpu = cpuSeconds === undefined ? '' : `, CPU ${cpuSeconds.toFixed(2)} s`
  const memory = peakMb === undefined ? '' : `, ${peakMb.toFixed(0)} MB`
  const beside = besideMb === undefined || besideMb === 0 ? '' : ` + ${besideMb.toFixed(0)}`
  const sent = messages === undefined ? '' : `, ${messages} messages`
  return `${one(value)}${sure}${spread}${cpu}${memory}${beside}${sent}`
}

/** Milliseconds, in a unit that fits. */
export function time(ms: number): string {
  if (ms >= 100) return `${(ms / 1_000).toFixed(2)} s`
  return `${ms.toFixed(ms < 10 ? 2 : 1)} ms`
}

function ratio(ours: Summary | undefined, fastest: Summary | undefined): string {
  if (ours === undefined || fastest === undefined || ours.unit !== undefined) return '-'
  const memory =
    ours.peakMb === undefined || fastest.peakMb === undefined
      ? ''
      : `, memory ${(ours.peakMb / fastest.peakMb).toFixed(2)}x`
  return `${(ours.value / fastest.value).toFixed(2)}x${memory}`
}

const percent = (share: number): string => `${(share * 100).toFixed(0)} %`
