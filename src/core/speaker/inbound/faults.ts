import type { Millis } from '../../base/index.ts'
import type { Fault, Remedy } from '../../wire/index.ts'
import type { FaultSnapshot } from '../types.ts'

/** What was wrong with the UPDATEs of a peer: how often, and the last ones with their octets. */

/** Faults of one peer that are kept. */
export const FAULTS_KEPT_MAX = 16

/** Octets that are kept of a fault. */
export const FAULT_OCTETS_MAX = 128

/** UPDATE faults by remedy. RFC 7606 §2 */
export interface FaultCounts {
  discarded: number
  withdrawn: number
  reset: number
}

const COUNTED_AS: Readonly<Record<Remedy, keyof FaultCounts>> = {
  'attribute-discard': 'discarded',
  'treat-as-withdraw': 'withdrawn',
  'session-reset': 'reset',
}

/** The faults of one peer since it was configured. At most about 4 kB, whatever it sends. */
export class FaultLog {
  readonly #counts: FaultCounts = { discarded: 0, withdrawn: 0, reset: 0 }
  #recent: readonly FaultSnapshot[] = []

  get counts(): Readonly<FaultCounts> {
    return this.#counts
  }

  /** The last ones, the newest last. */
  get recent(): readonly FaultSnapshot[] {
    return this.#recent
  }

  /**
   * Counts a fault, and keeps the attribute that it is about, or else the beginning of the UPDATE.
   *
   * @param body  of the UPDATE, after the header; copied where it is kept
   */
  add({ remedy, why, notification }: Fault, body: Uint8Array, at: Millis): void {
    this.#counts[COUNTED_AS[remedy]]++
    const named = notification.data.length > 1 ? notification.data : body
    const octets = named.slice(0, FAULT_OCTETS_MAX)
    const fault = { at, remedy, why, octets, octetsTotal: named.length }
    this.#recent = [...this.#recent.slice(1 - FAULTS_KEPT_MAX), fault]
  }
}
