/** Whatever a store does: what is followed is never an emptying, and what is mended is followed. */
import test from 'ava'
import fc from 'fast-check'
import { millis } from '../../../src/core/base/index.ts'
import { type Entry, HoldBack } from '../../../src/core/intent/index.ts'

const ROOT = '/calico/resources/v3/projectcalico.org/'
const NAMES = ['nodes/a', 'nodes/b', 'nodes/c', 'bgppeers/x', 'bgppeers/y', 'ippools/p']
const OWN = `${ROOT}nodes/a`

const step = fc.record({
  present: fc.subarray(NAMES),
  listed: fc.boolean(),
  passed: fc.constantFrom(0, 10, 300, 1100, 3100),
})

const entriesOf = (names: readonly string[], revision: number): Map<string, Entry> =>
  new Map(names.map(name => [ROOT + name, { key: ROOT + name, value: '{}', revision }]))

test('of a list without this Node and without any other is nothing followed, without a word', t => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 30 }), steps => {
      const holdBack = new HoldBack('a')
      let now = 0
      let followed: readonly string[] = []
      for (const [at, { present, listed, passed }] of steps.entries()) {
        now += passed
        const entries = entriesOf(present, at + 1)
        const judged = holdBack.judge({ entries, revision: at + 1, listed }, millis(now))
        const had = followed.includes('nodes/a')
        const nodesLeft = followed.some(name => name.startsWith('nodes/') && present.includes(name))
        if (listed && had && !nodesLeft) t.is(judged.what, 'hold')
        if (judged.what === 'follow') followed = present
      }
    }),
  )
})

test('what is said and stays said is followed in the end, but for an emptying', t => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), fc.subarray(NAMES), (steps, last) => {
      const holdBack = new HoldBack('a')
      let now = 0
      for (const [at, { present, listed, passed }] of steps.entries()) {
        now += passed
        const entries = entriesOf(present, at + 1)
        holdBack.judge({ entries, revision: at + 1, listed }, millis(now))
      }
      // the owner asks again when it is told to, and never for ever
      const entries = entriesOf(last, steps.length + 1)
      const view = { entries, revision: steps.length + 1, listed: false }
      let judged = holdBack.judge(view, millis(now))
      for (let asked = 0; judged.what !== 'follow' && asked < 5; asked++) {
        if (judged.what === 'pause' || judged.until === undefined) break
        t.true(judged.until > now)
        now = judged.until
        judged = holdBack.judge(view, millis(now))
      }
      if (judged.what === 'hold') t.false(entries.has(OWN))
      else t.is(judged.what, 'follow')
      const accepted = { ...view, accepted: steps.length + 2 }
      t.is(holdBack.judge(accepted, millis(now)).what, 'follow')
    }),
  )
})
