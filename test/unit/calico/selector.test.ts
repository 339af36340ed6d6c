/** Calico's selectors: what they select, and what is said of a text that is none. */
import test from 'ava'
import fc from 'fast-check'
import { parseSelector, SELECTOR_DEPTH_MAX, type Selector } from '../../../src/core/calico/index.ts'

const LABELS = { rack: 'rack-1', role: 'rr', 'a/b.c-d_e': '', constructor: 'x' }

function parsed(text: string): Selector {
  const selector = parseSelector(text)
  if ('reason' in selector) throw new Error(selector.reason)
  return selector
}

const selects = test.macro({
  exec: (t, text: string, expected: boolean) => t.is(parsed(text).matches(LABELS), expected),
  title: (_, text, expected) => `${text === '' ? 'nothing' : text} is ${expected} of the labels`,
})

test(selects, '', true)
test(selects, 'all()', true)
test(selects, 'global()', true)
test(selects, 'has(rack)', true)
test(selects, 'has( rack )', true)
test(selects, '!has(rack)', false)
test(selects, 'has(toString)', false)
test(selects, 'has(a/b.c-d_e)', true)
test(selects, "rack == 'rack-1'", true)
test(selects, 'rack=="rack-1"', true)
test(selects, "rack == 'rack-2'", false)
test(selects, "rack != 'rack-2'", true)
test(selects, "absent == ''", false)
test(selects, "absent != 'x'", true)
test(selects, "a/b.c-d_e == ''", true)
test(selects, "rack in {'rack-2', 'rack-1'}", true)
test(selects, 'rack in {}', false)
test(selects, "rack not in {'rack-1'}", false)
test(selects, "absent not in {'rack-1'}", true)
test(selects, "absent in {'rack-1'}", false)
test(selects, "rack contains 'ack'", true)
test(selects, "absent contains ''", false)
test(selects, "rack starts with 'rack'", true)
test(selects, "rack ends  with '1'", true)
test(selects, "rack ends with '2'", false)
// && binds closer than ||, ! closest
test(selects, 'all() || has(absent) && has(absent)', true)
test(selects, '(all() || has(absent)) && has(absent)', false)
test(selects, '!has(absent) && has(rack)', true)
test(selects, '!(has(absent) || has(rack))', false)
test(selects, '!!has(rack)', true)
test(selects, "has(rack)&&role=='rr'||has(absent)", true)

const refused = test.macro({
  exec: (t, text: string, reason: string) => {
    const result = parseSelector(text)
    t.is('reason' in result ? result.reason : 'it parses', reason)
  },
  title: (_, text) => `${text} is no selector`,
})

test(refused, 'has(rack', 'expected ")" at character 9, found the end')
test(
  refused,
  "rack = 'x'",
  `expected ==, !=, in, not in, contains, starts with or ends with at character 6, found "= 'x'"`,
)
test(refused, 'rack == x', 'expected a string in quotes at character 9, found "x"')
test(refused, "rack == 'x", `expected a string in quotes at character 9, found "'x"`)
test(refused, "rack in {'a' 'b'}", `expected "," or "}" at character 14, found "'b'}"`)
test(refused, 'all() all()', 'expected &&, || or the end at character 7, found "all()"')
test(refused, 'all() &&', 'expected a label at character 9, found the end')
test(
  refused,
  "rack startswith 'x'",
  `expected ==, !=, in, not in, contains, starts with or ends with at character 6, found "startswith '"`,
)

test('a selector as deep as the limit parses, a deeper one is refused, whatever its depth', t => {
  const deep = (levels: number) => parseSelector(`${'('.repeat(levels)}all()${')'.repeat(levels)}`)
  t.false('reason' in deep(SELECTOR_DEPTH_MAX - 1))
  for (const levels of [SELECTOR_DEPTH_MAX, 100_000]) t.true('reason' in deep(levels))
})

test('any text is a selector or has a reason, and never throws', t => {
  const tokens = fc.constantFrom(
    'all()',
    'has(',
    ')',
    '(',
    '!',
    '&&',
    '||',
    'rack',
    '==',
    "'x'",
    'in',
    '{',
    '}',
    ',',
    'not',
    ' ',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(tokens).map(parts => parts.join('')),
      ),
      text => {
        const result = parseSelector(text)
        return 'reason' in result
          ? result.reason !== ''
          : typeof result.matches(LABELS) === 'boolean'
      },
    ),
  )
  t.pass()
})
