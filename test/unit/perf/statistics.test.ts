/** Medians, percentiles and slopes: a bug in them would make every number of the harness a lie. */
import test from 'ava'
import { Prng } from '../../../src/core/base/index.ts'
import { median, percentile, slopeOf } from '../../perf/bench/statistics.ts'

test('the median is the middle one, or between the two in the middle, in any order', t => {
  t.is(median([3, 1, 2]), 2)
  t.is(median([40, 10, 30, 20]), 25)
  t.is(median([7]), 7)
  t.is(median([]), Number.NaN)
})

test('a percentile is the least value that so many are not above', t => {
  const hundred = Array.from({ length: 100 }, (_, at) => 100 - at)
  t.is(percentile(hundred, 0.99), 99)
  t.is(percentile(hundred, 0.5), 50)
  t.is(percentile(hundred, 1), 100)
  t.is(percentile([5, 900], 0.99), 900)
  t.is(percentile([5, 900], 0.5), 5)
  t.is(percentile([], 0.5), Number.NaN)
})

/** Memory that goes up and down in waves, as a heap does, and rises by `rise` a step. */
const heap = (rise: number, seed: number): [number, number][] => {
  const chance = new Prng(seed)
  return Array.from({ length: 200 }, (_, at) => [
    at,
    1_000 + rise * at + 50 * (at % 5) + chance.below(40),
  ])
}

test('a line without noise has its slope, and no margin', t => {
  const { slope, margin } = slopeOf(Array.from({ length: 100 }, (_, at) => [3 * at, 7 - 2 * at]))
  t.true(Math.abs(slope + 2 / 3) < 1e-9)
  t.true(margin < 1e-9)
})

test('what only goes up and down has a slope that cannot be told from none, and what rises has not', t => {
  let none = 0
  for (let seed = 1; seed <= 100; seed++) {
    const flat = slopeOf(heap(0, seed))
    if (Math.abs(flat.slope) <= flat.margin) none++
    const rising = slopeOf(heap(1, seed))
    t.true(rising.slope - rising.margin > 0, `seed ${seed}: ${rising.slope} ± ${rising.margin}`)
    t.true(Math.abs(rising.slope - 1) < 0.2, `seed ${seed}: ${rising.slope}`)
  }
  // of a hundred intervals of 95 % some miss
  t.true(none >= 85 && none < 100, `${none} of 100`)
})

test('too few points have no slope', t => {
  t.throws(() => slopeOf([[1, 1]]), { message: /1 points are too few/ })
})
