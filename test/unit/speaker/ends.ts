import type { PeerConfig, SpeakerConfig } from '../../../src/core/speaker/index.ts'
import type { PathAttributes } from '../../../src/core/wire/index.ts'
import { Bench, type Offer, type Scripted } from './bench.ts'

/** A speaker between two peers: what one announces, the other is told. */

export interface Ends {
  readonly from: Scripted
  readonly to: Scripted
  readonly bench: Bench
}

/** How both ends and the speaker differ from the ordinary. */
export interface EndsOptions {
  readonly from?: Partial<PeerConfig>
  readonly to?: Partial<PeerConfig>
  readonly fromOffer?: Offer
  readonly toOffer?: Offer
  readonly speaker?: Partial<SpeakerConfig>
}

/** Two peers of these ASes, up; the receiver has been told nothing. */
export function ends(fromAs: number, toAs: number, options: EndsOptions = {}): Ends {
  const bench = new Bench()
  const from = bench.peer('from', fromAs, options.from)
  const to = bench.peer('to', toAs, options.to)
  bench.configure(options.speaker)
  from.up(options.fromOffer)
  to.up(options.toOffer)
  to.news()
  to.updates.length = 0
  return { bench, from, to }
}

/** The attributes that the receiver was told; undefined for nothing. */
export function told({ to }: Ends): PathAttributes | undefined {
  const [first] = to.news()
  return first !== undefined && 'announced' in first ? first.attributes : undefined
}

export const sequence = (...asns: number[]) => ({ type: 'sequence' as const, asns })
