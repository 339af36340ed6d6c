import { isPrivateAsn } from '../../net/index.ts'
import type { AsPathSegment } from '../../wire/index.ts'

/**
 * What becomes of the AS numbers of a path that leaves our AS. RFC 4271 §5.1.2, and what operators
 * ask beyond it.
 */

/** What is done to a path on its way to an external peer. */
export interface PathRules {
  /** put in front, the first one outermost: our AS as the peer knows it, then our real one */
  readonly front: readonly number[]
  /** what stands in for a number that others are not to see: our AS as the peer knows it */
  readonly own: number
  /** the peer's AS, where it is to become ours: without this, the peer takes the path for a loop */
  readonly overridden?: number
  /** private numbers (RFC 6996 §5) leave the path, or become ours */
  readonly privateAs?: 'remove' | 'replace'
  /** the peer's AS: it stays where private ones go, so that the peer sees its loops */
  readonly peerAs?: number
}

/** No AS number: what is said of one that leaves the path. RFC 7607 */
export const GONE = 0

/** What a number of the path becomes; `GONE` where it leaves it. O(1) */
export function judgeAsn(rules: PathRules, asn: number): number {
  if (rules.privateAs !== undefined && asn !== rules.peerAs && isPrivateAsn(asn))
    return rules.privateAs === 'remove' ? GONE : rules.own
  return asn === rules.overridden ? rules.own : asn
}

/** True when rules look at the numbers that are in the path. */
export const judgesPath = ({ overridden, privateAs }: PathRules): boolean =>
  overridden !== undefined || privateAs !== undefined

/**
 * The path without what is ours alone, each number judged. RFC 5065 §4: confederation segments stay
 * inside.
 */
export function outsidePath(
  path: readonly AsPathSegment[],
  rules: PathRules,
): readonly AsPathSegment[] {
  const outside = path.filter(({ type }) => type === 'set' || type === 'sequence')
  if (!judgesPath(rules)) return outside
  return outside
    .map(({ type, asns }) => ({
      type,
      asns: asns.map(asn => judgeAsn(rules, asn)).filter(asn => asn !== GONE),
    }))
    .filter(({ asns }) => asns.length > 0)
}
