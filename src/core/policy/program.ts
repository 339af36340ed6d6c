import { comparePrefixes, type Family } from '../net/index.ts'
import type { PathAttributes } from '../wire/index.ts'
import { PrefixSet } from './prefix-set.ts'
import { type Action, applyAction, type Match, type Policy, type Term } from './term.ts'

/**
 * Policies compiled: run for each route, compared by text.
 *
 * A program never sees a session or a table. It says of a route which outcome it has, a small
 * number; the attributes are changed once for each set and outcome, by whoever remembers that.
 */

/**
 * Most different outcomes of one program; a policy that has more ends in a rejection of what is
 * beyond.
 */
export const OUTCOMES_MAX = 4_096

/** What a program looks at. One object may be used for many routes. */
export interface RouteView {
  originated: boolean
  family: Family
  /** network octets, and how many bits of them count */
  bytes: Uint8Array
  length: number
}

/** The outcome of a route that is not accepted. */
export const REJECTED = -1

/** The outcome of a route that is accepted as it is. */
export const UNCHANGED = 0

interface Step {
  readonly term: Term
  readonly prefixes: PrefixSet | undefined
}

/** A compiled policy. Made by `Programs`, so that equal policies are one object. */
export class Program {
  /** canonical: equal texts mean the same */
  readonly text: string
  /** false: the outcome depends only on who the route is from */
  readonly looksAtPrefix: boolean
  readonly #steps: readonly Step[]
  readonly #otherwise: 'accept' | 'reject'
  readonly #outcomes: (readonly Action[])[] = [[]]
  readonly #numbers = new Map<string, number>([['[]', UNCHANGED]])
  /** outcome before a step x steps + step -> outcome after its actions */
  readonly #followers = new Map<number, number>()

  constructor(policy: Policy, text: string) {
    this.text = text
    this.#otherwise = policy.otherwise
    this.#steps = policy.terms.map(term => ({
      term,
      prefixes: term.match.prefixes && new PrefixSet(term.match.prefixes),
    }))
    this.looksAtPrefix = policy.terms.some(({ match }) => match.prefixes !== undefined)
  }

  /**
   * `REJECTED`, or the number of what is to be done to the attributes. O(terms); allocates only for
   * an outcome that no route has had before.
   */
  run(route: Readonly<RouteView>): number {
    let outcome = UNCHANGED
    let at = -1
    for (const { term, prefixes } of this.#steps) {
      at++
      if (!matches(term.match, prefixes, route)) continue
      if (term.verdict === 'reject') return REJECTED
      if (term.actions.length > 0) outcome = this.#follow(outcome, at, term.actions)
      if (term.verdict === 'accept' || outcome === REJECTED) return outcome
    }
    return this.#otherwise === 'accept' ? outcome : REJECTED
  }

  /** Attributes as an outcome has them. Allocates unless the outcome is `UNCHANGED`. */
  apply(outcome: number, attributes: PathAttributes): PathAttributes {
    return (this.#outcomes[outcome] ?? []).reduce(applyAction, attributes)
  }

  #follow(outcome: number, at: number, actions: readonly Action[]): number {
    const key = outcome * this.#steps.length + at
    const known = this.#followers.get(key)
    if (known !== undefined) return known
    const next = this.#outcome([...(this.#outcomes[outcome] ?? []), ...actions])
    this.#followers.set(key, next)
    return next
  }

  #outcome(actions: readonly Action[]): number {
    const key = JSON.stringify(actions)
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    if (this.#outcomes.length >= OUTCOMES_MAX) return REJECTED
    this.#outcomes.push(actions)
    this.#numbers.set(key, this.#outcomes.length - 1)
    return this.#outcomes.length - 1
  }
}

/** The programs in use, each once: two policies that mean the same are the same program. */
export class Programs {
  readonly #byText = new Map<string, Program>()

  /** The program of a policy. */
  compile(policy: Policy): Program {
    const text = canonicalText(policy)
    const known = this.#byText.get(text)
    if (known !== undefined) return known
    const program = new Program(policy, text)
    this.#byText.set(text, program)
    return program
  }

  /** Forgets all that is not in `used`. */
  keep(used: ReadonlySet<Program>): void {
    for (const [text, program] of this.#byText) if (!used.has(program)) this.#byText.delete(text)
  }
}

/** A policy as text: terms in order, what has no order sorted, fields in one order. */
export function canonicalText({ terms, otherwise }: Policy): string {
  const lines = terms.map(({ match, actions, verdict }) =>
    JSON.stringify([
      match.source ?? '',
      match.prefixes === undefined ? '' : prefixTexts(match.prefixes),
      actions.map(canonicalAction),
      verdict,
    ]),
  )
  return [...lines, otherwise].join('\n')
}

function prefixTexts(rules: NonNullable<Match['prefixes']>): readonly string[] {
  const sorted = rules.toSorted(
    (a, b) =>
      comparePrefixes(a.prefix, b.prefix) || a.lengthMin - b.lengthMin || a.lengthMax - b.lengthMax,
  )
  const texts = sorted.map(rule => `${rule.prefix} ${rule.lengthMin}-${rule.lengthMax}`)
  return texts.filter((text, at) => text !== texts[at - 1])
}

function canonicalAction(action: Action): readonly unknown[] {
  switch (action.type) {
    case 'set-local-pref':
    case 'set-med':
      return [action.type, action.value]
    case 'add-communities':
    case 'remove-communities':
      return [action.type, ...action.communities.toSorted((a, b) => a - b)]
    case 'prepend':
      return [action.type, action.asn, action.count]
    default:
      return action satisfies never
  }
}

function matches(match: Match, prefixes: PrefixSet | undefined, route: RouteView): boolean {
  if (match.source !== undefined && (match.source === 'originated') !== route.originated)
    return false
  return prefixes === undefined || prefixes.matches(route.family, route.bytes, 0, route.length)
}
