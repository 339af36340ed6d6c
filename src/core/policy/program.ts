import { grownUint16 } from '../base/index.ts'
import { comparePrefixes, type Family } from '../net/index.ts'
import type { PathAttributes } from '../wire/index.ts'
import { looksAtAttributes, matchesAttributes, type Subject } from './attribute-test.ts'
import { PrefixSet } from './prefix-set.ts'
import { type Action, applyAction, type Match, type Policy, type Term } from './term.ts'

/**
 * Policies compiled: run for each route, compared by text.
 *
 * A program never sees a session or a table. It says of a route which outcome it has, a small
 * number; the attributes are changed once for each set and outcome, by whoever remembers that. What
 * terms ask of attributes is found out once for each set, which is then of a kind, a small number
 * too: running a program looks at no attribute.
 */

/**
 * Most different outcomes of one program; a policy that has more ends in a rejection of what is
 * beyond.
 */
export const OUTCOMES_MAX = 4_096

/**
 * Most kinds of attributes that one program tells apart; routes with a further one are rejected.
 */
export const KINDS_MAX = 4_096

/** What a program looks at. One object may be used for many routes. */
export interface RouteView {
  originated: boolean
  /** of its attributes, as `kindOf` says; any number where no term looks at them */
  kind: number
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
  readonly notPrefixes: PrefixSet | undefined
}

/** The kind of attributes beyond `KINDS_MAX`. */
const KIND_NONE = -1

/** Of the memo of kinds: its length is a multiple of this. */
const SETS_STEP = 1024

/**
 * A compiled policy. Made by `Programs`, so that equal policies are one object.
 *
 *   set   memo   kind of its attributes + 1, 0 where it is not known   2 bytes
 *
 * The memo is there once a term looks at attributes: 2 bytes for each set and such program.
 */
export class Program {
  /** canonical: equal texts mean the same */
  readonly text: string
  /** false: the outcome does not depend on the prefix */
  readonly looksAtPrefix: boolean
  /** false: it does not depend on the attributes, and `kindOf` need not be asked */
  readonly looksAtAttributes: boolean
  /** false: it does not depend on the links that next hops are reached by */
  readonly looksAtLinks: boolean
  readonly #steps: readonly Step[]
  /** by kind: whether the attributes are what each step asks of them */
  readonly #kinds: (readonly boolean[])[] = []
  readonly #kindNumbers = new Map<string, number>()
  #memo = new Uint16Array(0)
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
      notPrefixes: term.match.notPrefixes && new PrefixSet(term.match.notPrefixes),
    }))
    this.looksAtPrefix = policy.terms.some(
      ({ match }) => match.prefixes !== undefined || match.notPrefixes !== undefined,
    )
    this.looksAtLinks = looksAtLinks(policy)
    this.looksAtAttributes = policy.terms.some(({ match }) => looksAtAttributes(match))
  }

  /**
   * Of which kind the attributes of `set` are: what `run` asks for. Remembered until `forget`.
   *
   * @param describe  asked for a set that is not known
   */
  kindOf<Set extends number>(set: Set, describe: (set: Set) => Subject): number {
    const known = set < this.#memo.length ? this.#memo[set]! : 0
    if (known !== 0) return known - 1
    const kind = this.#kindFor(describe(set))
    if (kind === KIND_NONE) return kind
    if (set >= this.#memo.length) this.#growMemo(set)
    this.#memo[set] = kind + 1
    return kind
  }

  /** The number of a set means another one from now on. O(1) */
  forget(set: number): void {
    if (set < this.#memo.length) this.#memo[set] = 0
  }

  /**
   * `REJECTED`, or the number of what is to be done to the attributes. O(terms); allocates only for
   * an outcome that no route has had before.
   */
  run(route: Readonly<RouteView>): number {
    const asked = this.looksAtAttributes ? this.#kinds[route.kind] : NOTHING_ASKED
    if (asked === undefined) return REJECTED
    let outcome = UNCHANGED
    let at = -1
    for (const step of this.#steps) {
      at++
      const { term } = step
      if (asked[at] === false || !matches(step, route)) continue
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

  #kindFor(subject: Subject): number {
    const asked = this.#steps.map(({ term }) => matchesAttributes(term.match, subject))
    const key = asked.map(Number).join('')
    const known = this.#kindNumbers.get(key)
    if (known !== undefined) return known
    if (this.#kinds.length >= KINDS_MAX) return KIND_NONE
    this.#kinds.push(asked)
    this.#kindNumbers.set(key, this.#kinds.length - 1)
    return this.#kinds.length - 1
  }

  #growMemo(set: number): void {
    const rows = Math.max(set + 1, this.#memo.length + (this.#memo.length >>> 1))
    this.#memo = grownUint16(this.#memo, Math.ceil(rows / SETS_STEP) * SETS_STEP)
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
  /** those that remember something of sets */
  readonly #lookers = new Set<Program>()
  /**
   * which state of the links the programs are for: a policy that looks at them is another program
   * once they change, so that whoever remembers what one said asks again
   */
  links = 0

  /** The program of a policy. */
  compile(policy: Policy): Program {
    const canonical = canonicalText(policy)
    const text = looksAtLinks(policy) ? `${canonical}\nlinks ${this.links}` : canonical
    const known = this.#byText.get(text)
    if (known !== undefined) return known
    const program = new Program(policy, text)
    this.#byText.set(text, program)
    if (program.looksAtAttributes) this.#lookers.add(program)
    return program
  }

  /** The number of a set of attributes means another one from now on. O(programs) */
  forget(set: number): void {
    for (const program of this.#lookers) program.forget(set)
  }

  /** Forgets all that is not in `used`. */
  keep(used: ReadonlySet<Program>): void {
    for (const [text, program] of this.#byText) {
      if (used.has(program)) continue
      this.#byText.delete(text)
      this.#lookers.delete(program)
    }
  }
}

/** A policy as text: terms in order, what has no order sorted, fields in one order. */
export function canonicalText({ terms, otherwise }: Policy): string {
  const lines = terms.map(({ match, actions, verdict }) =>
    JSON.stringify([canonicalMatch(match), actions.map(canonicalAction), verdict]),
  )
  return [...lines, otherwise].join('\n')
}

function canonicalMatch(match: Match): readonly unknown[] {
  const { prefixes, notPrefixes, communities, largeCommunities, links, nextHops } = match
  return [
    match.family ?? '',
    match.source ?? '',
    prefixes === undefined ? '' : prefixTexts(prefixes),
    notPrefixes === undefined ? '' : prefixTexts(notPrefixes),
    communities === undefined ? '' : sorted(communities),
    largeCommunities === undefined ? '' : sorted(largeCommunities.map(each => each.join(':'))),
    match.asPathPrefix ?? '',
    match.localPref ?? '',
    nextHops === undefined ? '' : sorted(nextHops),
    links === undefined ? '' : sorted(links),
  ]
}

/** Each once, in one order, whichever that is. */
const sorted = <Value extends number | string>(values: readonly Value[]): readonly Value[] =>
  [...new Set(values)].sort()

function prefixTexts(rules: NonNullable<Match['prefixes']>): readonly string[] {
  const inOrder = rules.toSorted(
    (a, b) =>
      comparePrefixes(a.prefix, b.prefix) || a.lengthMin - b.lengthMin || a.lengthMax - b.lengthMax,
  )
  const texts = inOrder.map(rule => `${rule.prefix} ${rule.lengthMin}-${rule.lengthMax}`)
  return texts.filter((text, at) => text !== texts[at - 1])
}

function canonicalAction(action: Action): readonly unknown[] {
  switch (action.type) {
    case 'set-local-pref':
    case 'set-med':
      return [action.type, action.value]
    case 'add-communities':
    case 'remove-communities':
      return [action.type, ...sorted(action.communities)]
    case 'add-large-communities':
      return [action.type, ...sorted(action.communities.map(each => each.join(':')))]
    case 'prepend':
      return [action.type, ...action.asns]
    default:
      return action satisfies never
  }
}

const looksAtLinks = ({ terms }: Policy): boolean =>
  terms.some(({ match }) => match.links !== undefined)

const NOTHING_ASKED: readonly boolean[] = []

function matches({ term, prefixes, notPrefixes }: Step, route: RouteView): boolean {
  const { source, family } = term.match
  if (family !== undefined && family !== route.family) return false
  if (source !== undefined && (source === 'originated') !== route.originated) return false
  const { bytes, length } = route
  if (prefixes?.matches(route.family, bytes, 0, length) === false) return false
  return notPrefixes?.matches(route.family, bytes, 0, length) !== true
}
