/** What any program has: bytes, ids, time as a number, invariants, chance from a seed. Layer 0. */
export { equalBytes, Reader, Writer } from './bytes.ts'
export type { Engine } from './engine.ts'
export { after, type Brand, type Millis, millis, NEVER, seconds } from './ids.ts'
export { InvariantError, invariant } from './invariant.ts'
export { Prng } from './prng.ts'
