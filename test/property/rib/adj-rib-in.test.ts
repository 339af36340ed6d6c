import test from 'ava'
import fc from 'fast-check'
import type { PrefixId } from '../../../src/core/net/index.ts'
import { AdjRibIn, type AttributeSetId, NO_SET } from '../../../src/core/rib/index.ts'

/** The Adj-RIB-In against its slow twin, a map. */

test('an Adj-RIB-In agrees with a map, and an empty one has no pages', t => {
  const act = fc.record({
    row: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.constantFrom(1023, 1024, 5000, 70_000)),
    set: fc.constantFrom(-1, -1, 0, 1, 2),
  })
  fc.assert(
    fc.property(fc.array(act, { maxLength: 200 }), acts => {
      const adj = new AdjRibIn()
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
