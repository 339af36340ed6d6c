/** Labs for tests: brought up for a file, ended with it, and asked until they answer. */
import type { ExecutionContext, TestFn } from 'ava'
import {
  imageOf,
  Lab,
  type LabOptions,
  loadTopology,
  missingPackages,
} from '../../../src/shell/lab/index.ts'
import { until as untilFound } from '../../support/until.ts'

/** The labs that come with Martlet. */
export const LABS = new URL('../../../config/labs/', import.meta.url).pathname
/** Topologies for tests only. */
export const FIXTURES = new URL('../fixtures/', import.meta.url).pathname

/** How long to go on asking. */
export interface Patience {
  readonly within: number
  /** between two attempts; 100 where absent */
  readonly every?: number
}

/**
 * Asks until `attempt` answers something other than undefined or false, and returns that. A lab is
 * slow to come up, so errors are answers too. Rejects with what it answered last, or threw last,
 * when the time (`within`, milliseconds) is over.
 */
export function until<T>(
  what: string,
  attempt: () => Promise<T | undefined | false> | T | undefined | false,
  { within, every = 100 }: Patience,
): Promise<T> {
  return untilFound(attempt, what, { withinMs: within, everyMs: every, forgiving: true })
}

/** Why labs cannot run here; undefined where they can. */
export function labsLeftOut(): string | undefined {
  if (process.platform !== 'linux') return 'labs need Linux'
  return process.getuid?.() === 0 ? undefined : 'labs of this suite need root'
}

/** A lab whose end is the end of the test file, come what may. */
export async function bringUp(test: TestFn, file: string, options: LabOptions = {}): Promise<Lab> {
  const lab = await Lab.up(file, options)
  test.after.always('the lab goes', () => lab.down())
  return lab
}

/** The Debian packages without which this topology cannot run here. */
export function packagesMissing(
  file: string,
  variables: Readonly<Record<string, string>>,
): readonly string[] {
  const images = new Set(
    loadTopology(file, variables)
      .nodes.filter(node => node.kind === 'linux')
      .map(node => node.image),
  )
  return [...images].flatMap(image => missingPackages(imageOf(image)))
}

/** What all programs of a lab said last: for the log of a test that failed. */
export function tellLogs(t: ExecutionContext, lab: Lab): void {
  for (const { name, state } of lab.record().nodes) {
    if (state === 'none') continue
    const said = lab.node(name).log().trim().split('\n').slice(-15)
    if (said.join('') !== '') t.log(`${name}:\n${said.join('\n')}`)
  }
}
