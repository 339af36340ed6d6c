/** What must be reached: of issues 5 and 6, each with what it is compared with, and whether it is. */

/** The numbers of one measure and one contender: medians over all runs. */
export interface Summary {
  readonly value: number
  readonly least: number
  readonly most: number
  readonly unit: string | undefined
  readonly margin: number | undefined
  readonly cpuSeconds: number | undefined
  readonly peakMb: number | undefined
  readonly besideMb: number | undefined
  readonly messages: number | undefined
}

/** All that was measured, as targets ask for it. */
export interface Measured {
  /** of ours, the first that is named */
  ours(measure: string): Summary | undefined
  /** of the fastest other, or of the one named so */
  other(measure: string, name?: string): Summary | undefined
}

/** What must be reached. */
export interface Target {
  readonly measure: string
  /** what is looked at, time where absent */
  readonly what?: 'memory' | 'growth'
  /**
   * `limit`: at most so much itself. `fastest`: at most so many times the fastest other's. Otherwise so many times that
   * of the contender named, or of our own other measure.
   */
  readonly against: 'limit' | 'fastest' | { readonly name: string } | { readonly own: string }
  readonly most: number
}

/** Whether a target is reached. */
export interface Verdict {
  readonly target: Target
  /** a multiple, or a value in the measure's unit; undefined: no number */
  readonly reached: number | undefined
  readonly met: boolean
  /** in one line */
  readonly text: string
}

const beside = (measure: string, most: number): Target => ({ measure, against: 'fastest', most })
const memory = (measure: string, most: number): Target => ({
  measure,
  what: 'memory',
  against: 'fastest',
  most,
})
const limit = (measure: string, most: number): Target => ({ measure, against: 'limit', most })
const to = (measure: string, name: string, most: number): Target => ({
  measure,
  against: { name },
  most,
})
const growth = (measure: string, own: string, most: number): Target => ({
  measure,
  against: { own },
  most,
})

/** The targets, in the order of the issues' tables. */
export const TARGETS: readonly Target[] = [
  beside('A', 0.7),
  beside('B', 0.4),
  memory('B', 1),
  beside('C', 0.4),
  beside('D', 0.4),
  memory('D', 1.2),
  beside('E500', 1),
  memory('E500', 0.25),
  growth('E1000', 'E500', 3),
  beside('EC500', 1),
  beside('F withdraw', 1),
  beside('F again', 0.7),
  limit('one change, p99', 3),
  limit('G keepalive late, p99', 50),
  limit('G keepalive late, most', 250),
  limit('G sessions lost', 0),
  beside('A6', 0.7),
  { measure: 'soak, growth', what: 'growth', against: 'limit', most: 0 },
  to('W500 ids, added', 'netlink in C', 1.15),
  to('W500 gateways, added', 'netlink in C', 1.15),
  to('K500 in', 'bird', 0.6),
  limit('N100 a group, said', 10),
  growth('N100 a group, said', 'N1 a group, said', 2),
  limit('N100 a group, link down', 10),
  growth('N100 a group, link down', 'N1 a group, link down', 2),
  limit('R100 back, p99', 20),
  to('AD500', 'netlink in C', 1.5),
]

/** Looks at each target of which anything was measured. */
export function judge(measured: Measured, targets: readonly Target[]): Verdict[] {
  return targets.flatMap(target => {
    const ours = measured.ours(target.measure)
    return ours === undefined ? [] : [verdictOn(target, ours, measured)]
  })
}

function verdictOn(target: Target, ours: Summary, measured: Measured): Verdict {
  const { measure, what, against, most } = target
  if (what === 'growth') {
    // what cannot be told from none is none
    const { value, margin = Number.NaN } = ours
    const met = value - margin <= most
    const found = `${value.toFixed(0)} ± ${margin.toFixed(0)} ${ours.unit ?? ''}`
    return verdict(target, value, met, `${found}, where ${most} may be`)
  }
  if (against === 'limit') {
    const unit = ours.unit ?? 'ms'
    return verdict(
      target,
      ours.value,
      ours.value <= most,
      `${short(ours.value)} of ${most} ${unit}`,
    )
  }
  const reference =
    typeof against === 'object' && 'own' in against
      ? measured.ours(against.own)
      : measured.other(measure, against === 'fastest' ? undefined : against.name)
  const of = (one: Summary | undefined): number | undefined =>
    what === 'memory' ? one?.peakMb : one?.value
  const [mine, theirs] = [of(ours), of(reference)]
  if (mine === undefined || theirs === undefined)
    return { target, reached: undefined, met: false, text: 'no number to compare with' }
  const ratio = mine / theirs
  return verdict(target, ratio, ratio <= most, `${ratio.toFixed(2)}x of ${most}x`)
}

const verdict = (target: Target, reached: number, met: boolean, found: string): Verdict => ({
  target,
  reached,
  met,
  text: `${met ? 'met' : 'not met'}: ${found}`,
})

const short = (value: number): string => (value < 10 ? value.toFixed(2) : value.toFixed(0))

/** What a target is about, in words. */
export function subjectOf({ measure, what, against }: Target): string {
  const which = what === 'memory' ? `${measure}, memory` : measure
  if (against === 'limit') return which
  if (against === 'fastest') return `${which}, beside the fastest other`
  return `${which}, beside ${'own' in against ? against.own : against.name}`
}
