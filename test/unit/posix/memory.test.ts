/** Memory that the C library keeps. */
import test from 'ava'
import { returnMemory } from '../../../src/shell/posix/index.ts'

test('memory that was freed is the kernel’s again', t => {
  const pieces = Array.from({ length: 2_500 }, () => new ArrayBuffer(8_000))
  for (const piece of pieces) new Uint8Array(piece).fill(1)
  // those that stay keep the C library from giving back the others by itself
  for (const [at, piece] of pieces.entries()) if (at % 50 !== 0) piece.transfer(0)
  const before = process.memoryUsage.rss()
  t.true(returnMemory())
  const after = process.memoryUsage.rss()
  t.true(after < before - 4_000_000, `${before} octets before, ${after} after`)
  t.is(new Uint8Array(pieces[50]!)[0], 1)
})
