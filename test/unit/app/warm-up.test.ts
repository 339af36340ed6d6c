/** The exercise of a speaker that has just started. */
import test from 'ava'
import { warmUp } from '../../../src/app/warm-up.ts'

test('what is done before the first peer comes leaves others their turn, and ends', async t => {
  let turns = 0
  await warmUp(async () => {
    turns++
    return true
  })
  t.true(turns > 20, `${turns} turns: a slice is a few milliseconds`)
})

test('it ends at once where it is not wanted any more', async t => {
  let turns = 0
  await warmUp(async () => ++turns < 3)
  t.is(turns, 3)
})
