import test from 'ava'
import fc from 'fast-check'
import type { PrefixId } from '../../../src/core/net/index.ts'
import { type AttributeSetId, NO_SET, PathColumn } from '../../../src/core/rib/index.ts'

/** The Adj-RIB-In against its slow twin, a map. */

test('RFC 4724 §4.2: what is stale agrees with a set, and is what was not put again', t => {
  const act = fc.oneof(
    { weight: 12, arbitrary: fc.tuple(fc.integer({ min: 0, max: 40 }), fc.constantFrom(-1, 0, 1)) },
    { weight: 2, arbitrary: fc.constant('age' as const) },
    { weight: 1, arbitrary: fc.constant('renew' as const) },
  )
  let aged = 0
  fc.assert(
    fc.property(fc.array(act, { maxLength: 120 }), acts => {
      const adj = new PathColumn()
      const paths = new Map<number, boolean>()
      for (const each of acts) {
        if (each === 'age') adj.age()
        if (each === 'renew') adj.renew()
        if (typeof each === 'string') {
          for (const row of paths.keys()) paths.set(row, each === 'age')
          continue
        }
        const [row, set] = each
        adj.put(row as PrefixId, set as AttributeSetId)
        if (set === -1) paths.delete(row)
        else paths.set(row, false)
      }
      const stale = [...paths].filter(([, is]) => is).map(([row]) => row)
      if (adj.stale !== stale.length) return false
      const walked: number[] = []
      for (let row = adj.nextStale(0); row >= 0; row = adj.nextStale(row + 1)) walked.push(row)
      aged += walked.length
      return walked.join() === stale.sort((a, b) => a - b).join()
    }),
    { numRuns: 500 },
  )
  t.true(aged > 100, 'stale rows were met')
})

test('an Adj-RIB-In agrees with a map, and an empty one has no pages', t => {
  const act = fc.record({
    row: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.constantFrom(1023, 1024, 5000, 70_000)),
    set: fc.constantFrom(-1, -1, 0, 1, 2),
  })
  fc.assert(
    fc.property(fc.array(act, { maxLength: 200 }), acts => {
      const adj = new PathColumn()
      const slow = new Map<number, number>()
      for (const { row, set } of acts) {
        const last = adj.put(row as PrefixId, set as AttributeSetId)
        if (last !== (slow.get(row) ?? -1)) return false
        if (set === -1) slow.delete(row)
        else slow.set(row, set)
        if (adj.size !== slow.size) return false
      }
      const walked: number[] = []
      for (let row = adj.next(0); row >= 0; row = adj.next(row + 1)) walked.push(row)
      if (walked.join() !== [...slow.keys()].sort((a, b) => a - b).join()) return false
      for (const row of walked) adj.put(row as PrefixId, NO_SET)
      return adj.bytes === 0 && adj.size === 0
    }),
    { numRuns: 300 },
  )
  t.pass()
})
