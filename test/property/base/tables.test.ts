import test from 'ava'
import fc from 'fast-check'
import { Bitset, ByteQueue, Heap, Interner } from '../../../src/core/base/index.ts'

/** The tables of base against their slow twins. */

test('an interner agrees with a map of texts, and counts references', t => {
  const act = fc.record({
    release: fc.boolean(),
    // few and long strings: rows return, chunks fill and are rewritten
    text: fc.tuple(fc.integer({ min: 0, max: 40 }), fc.constantFrom(0, 1, 5, 300, 2000)),
  })
  fc.assert(
    fc.property(fc.array(act, { maxLength: 400, size: 'max' }), fc.integer(), (acts, seed) => {
      const interner = new Interner(seed)
      const slow = new Map<string, { row: number; count: number }>()
      for (const { release, text } of acts) {
        const bytes = new Uint8Array(4 + text[1]).fill(text[0])
        const key = bytes.join()
        const known = slow.get(key)
        if (interner.find(bytes) !== (known?.row ?? -1)) return false
        if (release && known !== undefined) {
          if (interner.release(known.row) !== (known.count === 1)) return false
          if (--known.count === 0) slow.delete(key)
        } else if (!release) {
          const row = interner.add(bytes)
          if (known !== undefined && known.row !== row) return false
          slow.set(key, { row, count: (known?.count ?? 0) + 1 })
        }
      }
      return (
        interner.size === slow.size &&
        new Set([...slow.values()].map(({ row }) => row)).size === slow.size &&
        [...slow].every(
          ([key, { row, count }]) =>
            interner.view(row).join() === key &&
            interner.length(row) === interner.view(row).length &&
            interner.count(row) === count,
        )
      )
    }),
    { numRuns: 200 },
  )
  t.pass()
})

test('an interner gives back the memory of strings that have gone', t => {
  const interner = new Interner()
  const empty = interner.bytes
  const long = (n: number): Uint8Array => new Uint8Array(500).fill(n & 255).fill(n >> 8, 0, 1)
  const rows = Array.from({ length: 10_000 }, (_, n) => interner.add(long(n)))
  const full = interner.bytes
  for (const row of rows.slice(0, 9_000)) interner.release(row)
  t.true(interner.bytes < full / 3, 'dead octets do not outweigh live ones')
  for (const [at, row] of rows.slice(9_000).entries())
    t.deepEqual(interner.view(row), long(9_000 + at))
  for (const row of rows.slice(9_000)) interner.release(row)
  t.is(interner.bytes, empty)
})

test('a bitset agrees with a set of numbers', t => {
  const act = fc.record({
    act: fc.constantFrom('add', 'add', 'delete', 'has', 'next', 'take'),
    at: fc.integer({ min: 0, max: 200 }),
  })
  fc.assert(
    fc.property(fc.array(act, { maxLength: 200 }), acts => {
      const bits = new Bitset()
      const slow = new Set<number>()
      for (const { act, at } of acts) {
        const had = slow.has(at)
        if (act === 'add') {
          slow.add(at)
          if (bits.add(at) === had) return false
        } else if (act === 'delete') {
          slow.delete(at)
          if (bits.delete(at) !== had) return false
        } else if (act === 'has') {
          if (bits.has(at) !== had) return false
        } else if (act === 'next') {
          const next = [...slow].filter(each => each >= at).sort((a, b) => a - b)[0] ?? -1
          if (bits.next(at) !== next) return false
        } else {
          const taken = bits.take()
          if (taken < 0 ? slow.size > 0 : !slow.delete(taken)) return false
        }
        if (bits.size !== slow.size) return false
      }
      return true
    }),
    { numRuns: 300 },
  )
  t.pass()
})

test('a byte queue gives back what was put in, in order', t => {
  const act = fc.oneof(
    fc.uint8Array({ maxLength: 700 }).map(bytes => ({ bytes })),
    fc.constant({ bytes: undefined }),
  )
  fc.assert(
    fc.property(fc.array(act, { maxLength: 300, size: 'max' }), acts => {
      const queue = new ByteQueue()
      const slow: Uint8Array[] = []
      for (const { bytes } of acts) {
        if (bytes === undefined) {
          if (queue.shift()?.join() !== slow.shift()?.join()) return false
        } else {
          queue.push(bytes)
          slow.push(bytes)
        }
        const octets = slow.reduce((sum, { length }) => sum + 4 + length, 0)
        if (queue.size !== slow.length || queue.octets !== octets) return false
      }
      return true
    }),
  )
  t.pass()
})

test('a buffer that one byte queue has no more use for is at most one other queue’s', t => {
  const queues = [new ByteQueue(), new ByteQueue()] as const
  const fill = (queue: ByteQueue, value: number): void => {
    for (let at = 0; at < 50; at++) queue.push(new Uint8Array(1_000).fill(value))
  }
  const empties = (queue: ByteQueue, value: number): boolean => {
    for (let at = 0; at < 50; at++) {
      const bytes = queue.shift()
      if (bytes?.length !== 1_000 || bytes.some(octet => octet !== value)) return false
    }
    return queue.size === 0
  }
  for (const queue of queues) fill(queue, 1)
  for (const queue of queues) t.true(empties(queue, 1))
  for (const [value, queue] of queues.entries()) fill(queue, 2 + value)
  for (const [value, queue] of queues.entries()) t.true(empties(queue, 2 + value), `queue ${value}`)
})

test('a heap gives back what was put in, least first', t => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.integer(), fc.constant(undefined))), acts => {
      const heap = new Heap<number>((a, b) => a - b)
      let slow: number[] = []
      for (const value of acts) {
        if (value !== undefined) {
          heap.push(value)
          slow = [...slow, value].sort((a, b) => a - b)
        } else if (heap.pop() !== slow.shift()) return false
        if (heap.peek() !== slow[0] || heap.size !== slow.length) return false
      }
      return true
    }),
  )
  t.pass()
})
