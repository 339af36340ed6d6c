import type { Millis, Prng } from '../base/index.ts'
import type { Negotiated } from '../wire/index.ts'
import type { Ending } from './ending.ts'
import type { Fsm } from './fsm.ts'
import type { RestartStanding, SessionConfig, SessionCounters, SessionOutput } from './types.ts'

/** What an FSM needs of the peer that it belongs to. */
export interface FsmOwner {
  readonly config: SessionConfig
  readonly output: SessionOutput
  readonly counters: SessionCounters
  readonly chance: Prng
  /** our OPENs have capabilities: the peer has not said that it knows of none. RFC 5492 §3 */
  readonly capable: boolean
  /** asked whenever an OPEN is sent */
  standing(): RestartStanding
  /**
   * RFC 4271 §6.8, on a valid OPEN: ends the connections that lose against `fsm`; false if it
   * loses.
   */
  prevails(fsm: Fsm, negotiated: Negotiated, now: Millis): boolean
  /** `fsm` is in Idle, for good. */
  ended(fsm: Fsm, ending: Ending, now: Millis): void
}
