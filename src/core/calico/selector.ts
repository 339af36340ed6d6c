/**
 * Calico's selectors: which objects are meant, by their labels. The language of its lib/selector.
 *
 *   expression  and ('||' and)*
 *   and         term ('&&' term)*
 *   term        '!'* ( '(' expression ')' | 'all()' | 'global()' | 'has(' LABEL ')' | comparison )
 *   comparison  LABEL ( '==' | '!=' | 'contains' | 'starts with' | 'ends with' ) STRING
 *             | LABEL ( 'in' | 'not in' ) '{' [ STRING (',' STRING)* ] '}'
 *   STRING      '…' or "…", without escapes
 */

/** The labels of an object. */
export type Labels = Readonly<Record<string, string>>

/** A selector that parses. */
export interface Selector {
  /** as it was written */
  readonly text: string
  /** O(length of the selector). */
  matches(labels: Labels): boolean
}

/** Why a text is no selector. */
export interface SelectorFault {
  /** what was expected, what stands there instead, and at which character, from 1 */
  readonly reason: string
}

/** Most operators inside one another: deeper ones are refused, so that no text costs the stack. */
export const SELECTOR_DEPTH_MAX = 64

type Test = (labels: Labels) => boolean

/** Reads a selector; the empty one selects everything, as Calico's does. O(length). */
export function parseSelector(text: string): Selector | SelectorFault {
  const parser = new Parser(text)
  const test = parser.whole()
  return test === undefined ? { reason: parser.fault } : { text, matches: test }
}

/** Recursive descent. The first fault is kept and ends everything: undefined goes up to the top. */
class Parser {
  fault = ''
  readonly #text: string
  #at = 0
  #depth = 0

  constructor(text: string) {
    this.#text = text
  }

  whole(): Test | undefined {
    this.#space()
    if (this.#at === this.#text.length) return () => true
    const test = this.#any()
    if (test === undefined) return undefined
    return this.#at === this.#text.length ? test : this.#fail('&&, || or the end')
  }

  #any(): Test | undefined {
    return this.#chain(
      '||',
      () => this.#all(),
      (tests, labels) => tests.some(test => test(labels)),
    )
  }

  #all(): Test | undefined {
    return this.#chain(
      '&&',
      () => this.#term(),
      (tests, labels) => tests.every(test => test(labels)),
    )
  }

  #chain(
    operator: string,
    next: () => Test | undefined,
    holds: (tests: readonly Test[], labels: Labels) => boolean,
  ): Test | undefined {
    const tests: Test[] = []
    do {
      const test = next()
      if (test === undefined) return undefined
      tests.push(test)
    } while (this.#take(operator))
    return tests.length === 1 ? tests[0] : labels => holds(tests, labels)
  }

  #term(): Test | undefined {
    if (++this.#depth > SELECTOR_DEPTH_MAX)
      return this.#fail(`at most ${SELECTOR_DEPTH_MAX} levels`)
    const test = this.#atom()
    this.#depth--
    return test
  }

  #atom(): Test | undefined {
    if (this.#take('!')) {
      const test = this.#term()
      return test && (labels => !test(labels))
    }
    if (this.#take('(')) {
      const test = this.#any()
      return test && (this.#take(')') ? test : this.#fail('")"'))
    }
    if (this.#take('all()')) return () => true
    // what has no namespace: all that is selected here
    if (this.#take('global()')) return () => true
    if (this.#take('has(')) {
      const label = this.#label()
      if (label === undefined) return undefined
      return this.#take(')') ? labels => Object.hasOwn(labels, label) : this.#fail('")"')
    }
    return this.#comparison()
  }

  /** A label that is not there is not equal to anything, and in no set. */
  #comparison(): Test | undefined {
    const label = this.#label()
    if (label === undefined) return undefined
    const held = (labels: Labels): string | undefined =>
      Object.hasOwn(labels, label) ? labels[label] : undefined
    if (this.#take('==')) return this.#withString(value => labels => held(labels) === value)
    if (this.#take('!=')) return this.#withString(value => labels => held(labels) !== value)
    if (this.#word('contains'))
      return this.#withString(value => labels => held(labels)?.includes(value) ?? false)
    if (this.#word('starts', 'with'))
      return this.#withString(value => labels => held(labels)?.startsWith(value) ?? false)
    if (this.#word('ends', 'with'))
      return this.#withString(value => labels => held(labels)?.endsWith(value) ?? false)
    const negated = this.#word('not', 'in')
    if (!negated && !this.#word('in'))
      return this.#fail('==, !=, in, not in, contains, starts with or ends with')
    const values = this.#set()
    if (values === undefined) return undefined
    return labels => {
      const value = held(labels)
      return (value !== undefined && values.has(value)) !== negated
    }
  }

  #withString(make: (value: string) => Test): Test | undefined {
    const value = this.#string()
    return value === undefined ? undefined : make(value)
  }

  #set(): ReadonlySet<string> | undefined {
    const values = new Set<string>()
    if (!this.#take('{')) return this.#fail('"{"')
    if (this.#take('}')) return values
    do {
      const value = this.#string()
      if (value === undefined) return undefined
      values.add(value)
    } while (this.#take(','))
    return this.#take('}') ? values : this.#fail('"," or "}"')
  }

  #label(): string | undefined {
    return this.#match(/[a-zA-Z0-9_./-]+/y)?.[0] ?? this.#fail('a label')
  }

  #string(): string | undefined {
    const found = this.#match(/'([^']*)'|"([^"]*)"/y)
    return found === undefined ? this.#fail('a string in quotes') : (found[1] ?? found[2])
  }

  /** Words with space between them, and no letter after. */
  #word(...words: readonly string[]): boolean {
    return this.#match(new RegExp(`${words.join('\\s+')}(?![a-zA-Z0-9_./-])`, 'y')) !== undefined
  }

  #take(symbol: string): boolean {
    if (!this.#text.startsWith(symbol, this.#at)) return false
    this.#at += symbol.length
    this.#space()
    return true
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)
    if (found === null) return undefined
    this.#at = pattern.lastIndex
    this.#space()
    return found
  }

  #space(): void {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at++
  }

  #fail(expected: string): undefined {
    const there = this.#text.slice(this.#at, this.#at + 12)
    const found = there === '' ? 'the end' : JSON.stringify(there)
    this.fault ||= `expected ${expected} at character ${this.#at + 1}, found ${found}`
  }
}
