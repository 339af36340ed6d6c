import type { RouteTarget } from '../../rtnl/index.ts'

/** Whether a route of ours that nobody wants may go: not before who may want it has said all. */

/** Who has said all. */
export interface SweepRule {
  /** the speaker's table is complete, or it has been away for too long */
  speaker: boolean
  /** the node's intent is known */
  intent: boolean
}

/** In `told`, in the place of a generation: the node itself wanted the row last. */
export const BY_NODE = 0xffffffff

/** A route that nobody wants. */
export interface Leftover {
  readonly target: RouteTarget
  /** it leads to a single address */
  readonly host: boolean
  /** generation in which the speaker said it last, `BY_NODE`, or 0: nobody did in this life */
  readonly told: number
}

/**
 * True when a leftover may be deleted.
 *
 * Who wanted it in this life is known. What an earlier life left is told by its shape: only the
 * node drops packets and has destinations on a link, and of routes through a gateway it has those
 * to a single address, or through one that is on a link by decree. These the speaker may have too,
 * so they wait for both.
 */
export function maySweep({ target, host, told }: Leftover, sweep: SweepRule): boolean {
  const { kind, hops } = target
  if (kind === 'blackhole' || hops.some(({ gateway }) => gateway === undefined)) return sweep.intent
  if (told === BY_NODE) return sweep.intent
  if (told !== 0) return sweep.speaker
  const either = host || hops.some(({ onlink }) => onlink)
  return sweep.speaker && (sweep.intent || !either)
}
