/** Reader and Writer: past the end is a value, never an exception. */
import test from 'ava'
import fc from 'fast-check'
import { equalBytes, Reader, Writer } from '../../../src/core/base/index.ts'

test('a reader past its end returns 0, says so, and stays at the end', t => {
  const reader = new Reader(Uint8Array.of(1, 2, 3))
  t.is(reader.u16(), 0x0102)
  t.is(reader.u16(), 0)
  t.true(reader.overrun)
  t.is(reader.remaining, 0)
  t.is(reader.u8(), 0)
  t.is(reader.u32(), 0)
  t.is(reader.view(1).length, 0)
})

test('a reader of a slice never sees beyond the slice', t => {
  const reader = new Reader(Uint8Array.of(1, 2, 3, 4, 5, 6), 1, 4)
  t.deepEqual([...reader.rest()], [2, 3, 4])
  t.is(reader.u8(), 0)
  t.true(reader.overrun)
})

test('a number of 32 bits is never negative', t => {
  t.is(new Reader(Uint8Array.of(255, 255, 255, 255)).u32(), 4294967295)
})

test('what does not fit is not written at all, and overflow stays', t => {
  const writer = new Writer(3)
  writer.u16(0x0102)
  writer.u16(0x0304)
  t.true(writer.overflow)
  t.deepEqual([...writer.bytes()], [1, 2])
  writer.reset()
  t.false(writer.overflow)
  t.is(writer.length, 0)
})

test('a counted field holds the length of what was written inside', t => {
  const writer = new Writer(300)
  writer.counted16(() => {
    writer.counted8(() => writer.u32(7))
  })
  t.deepEqual([...writer.bytes()], [0, 5, 4, 0, 0, 0, 7])
})

test('a counted field whose content is longer than it can say overflows', t => {
  const writer = new Writer(300)
  writer.counted8(() => writer.put(new Uint8Array(256)))
  t.true(writer.overflow)
})

test('what a writer wrote a reader reads', t => {
  fc.assert(
    fc.property(fc.nat(255), fc.nat(65535), fc.integer({ min: 0, max: 4294967295 }), (a, b, c) => {
      const writer = new Writer(7)
      writer.u8(a)
      writer.u16(b)
      writer.u32(c)
      const reader = new Reader(writer.bytes())
      return reader.u8() === a && reader.u16() === b && reader.u32() === c && !reader.overrun
    }),
  )
  t.pass()
})

test('bytes are equal when length and content are', t => {
  t.true(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2)))
  t.false(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3)))
  t.false(equalBytes(Uint8Array.of(1), Uint8Array.of(1, 2)))
})
