import { FAMILIES, type Family } from '../../net/index.ts'
import type { Program, Programs } from '../../policy/index.ts'
import type { ImportRules } from '../inbound/acceptance.ts'
import type { SpeakerConfig } from '../types.ts'
import type { FibFeed } from './fib-feed.ts'
import type { Exports } from './groups.ts'

/** Who has programs. */
export interface Users {
  readonly importRules: ImportRules
  readonly exports: Readonly<Record<Family, Exports>>
  readonly fib: FibFeed
}

/** The programs that anybody has. */
function* programsOf({ importRules, exports, fib }: Users): Iterable<Program> {
  yield* importRules.programs
  for (const family of FAMILIES) yield* exports[family].programs
  if (fib.program !== undefined) yield fib.program
}

/**
 * What the FIB is told goes by the configuration, where everything else does already: programs that
 * nobody has any more are forgotten. O(programs)
 */
export function setFibPolicy(config: SpeakerConfig, programs: Programs, users: Users): void {
  const { fibPolicy } = config
  users.fib.program = fibPolicy && programs.compile(fibPolicy)
  programs.keep(new Set(programsOf(users)))
}

/**
 * The links that next hops are reached by have changed: true where that makes other programs of
 * policies in use, which are to be asked for again.
 */
export function relinked(programs: Programs, links: number, users: Users): boolean {
  if (programs.links === links) return false
  programs.links = links
  return [...programsOf(users)].some(program => program.looksAtLinks)
}
