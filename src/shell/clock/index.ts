/** Time: the monotonic clock, and the loop that runs an engine by it. */
export { Loop, type LoopHost, type LoopOptions, type Tick } from './loop.ts'
export { now, wallOffset } from './now.ts'
