/** What any program has: bytes, ids, time as a number, invariants, chance from a seed. Layer 0. */

export { Bitset } from './bitset.ts'
export { ByteQueue } from './byte-queue.ts'
export { equalBytes, Reader, Writer } from './bytes.ts'
export {
  freeColumn,
  grownInt32,
  grownLength,
  grownUint8,
  grownUint16,
  grownUint32,
} from './columns.ts'
export type { Engine } from './engine.ts'
export { Heap } from './heap.ts'
export { after, type Brand, type Millis, millis, NEVER, seconds } from './ids.ts'
export { INTERNER_ROWS_MAX, Interner } from './interner.ts'
export { InvariantError, invariant } from './invariant.ts'
export { Prng } from './prng.ts'
