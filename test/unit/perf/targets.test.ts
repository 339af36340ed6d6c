/** Targets are judged by the right number of the right contender. */
import test from 'ava'
import { Report, type Result } from '../../perf/bench/report.ts'
import type { Sample } from '../../perf/bench/scenario.ts'
import { scenarios } from '../../perf/bench/scenarios.ts'
import { judge, TARGETS, type Target } from '../../perf/bench/targets.ts'

const run = (contender: string, ...samples: readonly Sample[]): Result => ({
  contender,
  scenario: 'B',
  samples,
})
const took = (value: number, peakMb: number, measure = 'B'): Sample => ({ measure, value, peakMb })

const verdict = (results: readonly Result[], target: Target): string | undefined =>
  judge(new Report(results, ['martlet', 'bird', 'frr']), [target])[0]?.text

const results = [
  run('bird', took(1_000, 200)),
  run('martlet', took(900, 300)),
  run('frr', took(2_000, 100)),
  run('martlet', took(300, 250)),
  run('martlet', took(500, 280)),
]

test('a median is compared with the fastest other, its memory with that one’s', t => {
  const target: Target = { measure: 'B', against: 'fastest', most: 0.4 }
  t.is(verdict(results, target), 'not met: 0.50x of 0.4x')
  t.is(verdict(results, { ...target, most: 0.5 }), 'met: 0.50x of 0.5x')
  // FRR is smaller, and not the fastest
  t.is(verdict(results, { ...target, what: 'memory', most: 1 }), 'not met: 1.40x of 1x')
  t.is(verdict(results, { ...target, against: { name: 'frr' } }), 'met: 0.25x of 0.4x')
})

test('our own measures are compared, and limits held', t => {
  const more = [...results, run('martlet', took(1_600, 1, 'larger'))]
  const target: Target = { measure: 'larger', against: { own: 'B' }, most: 3 }
  t.is(verdict(more, target), 'not met: 3.20x of 3x')
  t.is(verdict(more, { ...target, against: 'limit', most: 1_600 }), 'met: 1600 of 1600 ms')
})

test('growth is met when it cannot be told from none', t => {
  const target: Target = { measure: 'soak', what: 'growth', against: 'limit', most: 0 }
  const grown = (value: number): Result =>
    run('martlet', { measure: 'soak', value, margin: 100, unit: 'octets a flap' })
  t.is(verdict([grown(90)], target), 'met: 90 ± 100 octets a flap, where 0 may be')
  t.is(verdict([grown(110)], target), 'not met: 110 ± 100 octets a flap, where 0 may be')
})

test('what nobody else did is no target met, and what we did not do is none', t => {
  const target: Target = { measure: 'B', against: 'fastest', most: 0.4 }
  t.is(verdict([run('martlet', took(1, 1))], target), 'no number to compare with')
  t.is(verdict([run('bird', took(1, 1))], target), undefined)
})

test('a gap stands in its cell, and is in the document', t => {
  const gap = { contender: 'frr', scenario: 'B', samples: [], gap: 'not installed' }
  const report = new Report([run('martlet', took(5, 1)), gap], ['martlet', 'frr'])
  t.true([...report.lines()].some(line => line.includes('| no: not installed |')))
  t.like(report.toJSON(), { gaps: [{ scenario: 'B', contender: 'frr', gap: 'not installed' }] })
})

test('a measure that failed alone is a gap of its own, and no number', t => {
  const failed = { measure: 'late', value: Number.NaN, gap: 'not there' }
  const report = new Report(
    [run('bird', took(5, 1), failed), run('frr', took(6, 1, 'late'))],
    ['bird', 'frr'],
  )
  t.is(report.other('late')?.value, 6)
  t.true([...report.lines()].some(line => line.startsWith('| late | no: not there | 6.00 ms')))
  t.like(report.toJSON(), { gaps: [{ contender: 'bird', measure: 'late', gap: 'not there' }] })
})

test('a machine that is busy and a generator that is are named', t => {
  const busy = {
    ...run('bird', { ...took(5, 1), busy: 0.9 }),
    others: { busy: 0.32, stolen: 0 },
  }
  const remarks = [...new Report([busy], ['bird']).remarks()]
  t.is(remarks.length, 2)
  t.regex(remarks[0] ?? '', /^B, bird, B: the generator, busy for 90 %/)
  t.regex(remarks[1] ?? '', /^this machine was busy: others used up to 32 %/)
  const idle = { ...run('bird', took(5, 1)), others: { busy: 0.05, stolen: 0 } }
  t.deepEqual([...new Report([idle], ['bird']).remarks()], [])
})

test('every target belongs to a scenario, by the word that its measure begins with', t => {
  t.true(TARGETS.length > 20)
  const names = new Set([...scenarios().map(({ name }) => name), 'one'])
  for (const { measure } of TARGETS) t.true(names.has(measure.split(/[ ,]/)[0] ?? ''), measure)
})
