/** What numbers say together: medians, percentiles, and whether they rise. */

/** The middle one, or between the two in the middle; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2
}

/** The least value that `share` of all are not above (nearest rank); NaN of nothing. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}

/** A straight line through points, and how sure its slope is. */
export interface Slope {
  readonly slope: number
  /** half of its 95 % confidence interval */
  readonly margin: number
}

/** Blocks that points are gathered in. */
const BLOCKS = 20

/** Two-sided 95 % quantile of Student's t for as many degrees of freedom as blocks leave, two less. */
const STUDENT_T = 2.101

/**
 * The slope of `y` over `x` by least squares, through the means of 20 blocks of consecutive points. Memory goes up and
 * down in waves, so neighbours are not independent, and a line through single points would seem surer than it is;
 * blocks longer than a wave are. Throws for less than two points a block.
 */
export function slopeOf(points: readonly (readonly [x: number, y: number])[]): Slope {
  if (points.length < 2 * BLOCKS)
    throw new Error(`${points.length} points are too few for a slope: ${2 * BLOCKS} are needed`)
  const blocks = Array.from({ length: BLOCKS }, (_, at) => {
    const from = Math.floor((at * points.length) / BLOCKS)
    const to = Math.floor(((at + 1) * points.length) / BLOCKS)
    const block = points.slice(from, to)
    return [mean(block.map(([x]) => x)), mean(block.map(([, y]) => y))] as const
  })
  const [middleX, middleY] = [mean(blocks.map(([x]) => x)), mean(blocks.map(([, y]) => y))]
  const spread = sum(blocks.map(([x]) => (x - middleX) ** 2))
  const slope = sum(blocks.map(([x, y]) => (x - middleX) * (y - middleY))) / spread
  const rests = blocks.map(([x, y]) => y - middleY - slope * (x - middleX))
  const variance = sum(rests.map(rest => rest ** 2)) / (BLOCKS - 2)
  return { slope, margin: STUDENT_T * Math.sqrt(variance / spread) }
}

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0)
const mean = (values: readonly number[]): number => sum(values) / values.length
