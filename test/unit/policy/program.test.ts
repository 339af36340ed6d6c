import test from 'ava'
import fc from 'fast-check'
import { contains, formatPrefix, prefix, prefixParts } from '../../../src/core/net/index.ts'
import {
  ACCEPT_ALL,
  type Action,
  canonicalText,
  KINDS_MAX,
  matchesGlob,
  ORIGINATED_ONLY,
  OUTCOMES_MAX,
  type Policy,
  PrefixSet,
  Programs,
  REJECTED,
  type RouteView,
  type Term,
  UNCHANGED,
} from '../../../src/core/policy/index.ts'
import type { PathAttributes } from '../../../src/core/wire/index.ts'

/** Policies, compiled and run; what is equal, and what an action does. */

const route = (text: string, originated = false): RouteView => {
  const { family, bytes, length } = prefixParts(prefix(text))
  return { originated, kind: 0, family, bytes, length }
}

const rule = (text: string, lengthMin: number, lengthMax: number) => ({
  prefix: prefix(text),
  lengthMin,
  lengthMax,
})

const term = (
  verdict: Term['verdict'],
  actions: readonly Action[] = [],
  match: Term['match'] = {},
): Term => ({
  match,
  actions,
  verdict,
})

const policy = (terms: Term[], otherwise: Policy['otherwise'] = 'reject'): Policy => ({
  terms,
  otherwise,
})

test('the first term that judges decides', t => {
  const program = new Programs().compile(
    policy([
      term('reject', [], { prefixes: [rule('10.0.0.0/8', 25, 32)] }),
      term('accept', [], { prefixes: [rule('10.0.0.0/8', 8, 32)] }),
    ]),
  )
  t.is(program.run(route('10.1.0.0/24')), UNCHANGED)
  t.is(program.run(route('10.1.0.0/25')), REJECTED)
  t.is(program.run(route('11.0.0.0/8')), REJECTED)
  t.true(program.looksAtPrefix)
})

test('actions of terms that go on are done by the one that accepts', t => {
  const program = new Programs().compile(
    policy([
      term('next', [{ type: 'add-communities', communities: [1] }]),
      term('next', [{ type: 'set-med', value: 9 }], { source: 'originated' }),
      term('accept', [{ type: 'set-local-pref', value: 50 }]),
    ]),
  )
  const learned = program.run(route('10.0.0.0/8'))
  const originated = program.run(route('10.0.0.0/8', true))
  t.not(learned, originated)
  t.deepEqual(program.apply(learned, {}), { communities: [1], localPref: 50 })
  t.deepEqual(program.apply(originated, {}), { communities: [1], med: 9, localPref: 50 })
  t.is(program.run(route('11.0.0.0/8')), learned, 'one outcome has one number')
})

test('nothing judges: otherwise does', t => {
  const programs = new Programs()
  t.is(programs.compile(ACCEPT_ALL).run(route('10.0.0.0/8')), UNCHANGED)
  t.is(programs.compile(ORIGINATED_ONLY).run(route('10.0.0.0/8')), REJECTED)
  t.is(programs.compile(ORIGINATED_ONLY).run(route('10.0.0.0/8', true)), UNCHANGED)
})

const acts = test.macro({
  exec: (t, action: Action, before: PathAttributes, after: PathAttributes) => {
    const program = new Programs().compile(policy([term('accept', [action])]))
    t.deepEqual(program.apply(program.run(route('10.0.0.0/8')), before), after)
  },
  title: (_, action: Action, before) => `${action.type} on ${JSON.stringify(before)}`,
})

test(acts, { type: 'set-med', value: 1 }, { med: 5 }, { med: 1 })
test(acts, { type: 'set-local-pref', value: 1 }, {}, { localPref: 1 })
test(
  acts,
  { type: 'add-communities', communities: [1, 2] },
  { communities: [2, 3] },
  { communities: [2, 3, 1] },
)
test(
  acts,
  { type: 'remove-communities', communities: [1, 2] },
  { communities: [2, 3] },
  { communities: [3] },
)
test(acts, { type: 'remove-communities', communities: [2] }, { communities: [2] }, {})
test(
  acts,
  { type: 'prepend', asns: [7, 8] },
  { asPath: [{ type: 'sequence', asns: [1] }] },
  { asPath: [{ type: 'sequence', asns: [7, 8, 1] }] },
)

test(
  acts,
  { type: 'add-large-communities', communities: [[1, 2, 3]] },
  { largeCommunities: [[3, 2, 1]] },
  {
    largeCommunities: [
      [3, 2, 1],
      [1, 2, 3],
    ],
  },
)
test(acts, { type: 'add-communities', communities: [] }, {}, {})
test(acts, { type: 'prepend', asns: [] }, {}, {})

test('what is asked of attributes is asked once a set, until it is forgotten', t => {
  const programs = new Programs()
  const program = programs.compile(policy([term('accept', [], { communities: [1] })]))
  t.true(program.looksAtAttributes)
  const asked: number[] = []
  const outcome = (set: number, ...communities: number[]): number => {
    const kind = program.kindOf(set, each => {
      asked.push(each)
      return { attributes: { communities } }
    })
    return program.run({ ...route('10.0.0.0/8'), kind })
  }
  t.is(outcome(5000, 1), UNCHANGED)
  t.is(outcome(5000, 2), UNCHANGED)
  t.is(outcome(7, 2), REJECTED)
  t.deepEqual(asked, [5000, 7])
  programs.forget(5000)
  t.is(outcome(5000, 2), REJECTED)
  t.is(outcome(7, 1), REJECTED)
})

test('a policy that looks at links is another program once they change', t => {
  const programs = new Programs()
  const asks = policy([term('accept', [], { links: ['eth*'] })])
  const program = programs.compile(asks)
  t.is(programs.compile(asks), program)
  t.true(program.looksAtLinks)
  const other = programs.compile(ACCEPT_ALL)
  programs.links++
  t.not(programs.compile(asks), program)
  t.is(programs.compile(ACCEPT_ALL), other)
})

test('routes of a kind beyond KINDS_MAX are refused, those before it stay what they are', t => {
  const bits = 13
  const terms = Array.from({ length: bits }, (_, bit) => term('next', [], { communities: [bit] }))
  const program = new Programs().compile(policy(terms, 'accept'))
  const outcomes = Array.from({ length: KINDS_MAX + 2 }, (_, set) => {
    const communities = terms.flatMap((_term, bit) => ((set >> bit) & 1 ? bit : []))
    const kind = program.kindOf(set, () => ({ attributes: { communities } }))
    return program.run({ ...route('10.0.0.0/8'), kind })
  })
  t.is(outcomes.filter(outcome => outcome === UNCHANGED).length, KINDS_MAX)
  t.deepEqual(outcomes.slice(KINDS_MAX), [REJECTED, REJECTED])
})

test('actions of earlier terms are not seen by what is asked of attributes', t => {
  const program = new Programs().compile(
    policy([
      term('next', [{ type: 'add-communities', communities: [1] }]),
      term('accept', [], { communities: [1] }),
    ]),
  )
  const kind = program.kindOf(0, () => ({ attributes: {} }))
  t.is(program.run({ ...route('10.0.0.0/8'), kind }), REJECTED)
})

test('every condition is part of what makes a policy the same as another', t => {
  const all: Term['match'][] = [
    {},
    { family: 'ipv4' },
    { family: 'ipv6' },
    { source: 'learned' },
    { prefixes: [rule('10.0.0.0/8', 8, 8)] },
    { notPrefixes: [rule('10.0.0.0/8', 8, 8)] },
    { prefixes: [] },
    { communities: [1] },
    { largeCommunities: [[1, 2, 3]] },
    { largeCommunities: [[1, 23, 3]] },
    { asPathPrefix: [1, 2] },
    { asPathPrefix: [2, 1] },
    { localPref: [1, 2] },
    { nextHops: [prefix('10.0.0.0/8')] },
    { links: ['eth*'] },
  ]
  const texts = all.map(match => canonicalText(policy([term('accept', [], match)])))
  t.is(new Set(texts).size, all.length)
})

test('a glob takes what the regular expression of it takes', t => {
  const letters = (...of: string[]): fc.Arbitrary<string> =>
    fc.array(fc.constantFrom(...of), { maxLength: 8 }).map(each => each.join(''))
  fc.assert(
    fc.property(letters('a', 'b', '.', '*', '?'), letters('a', 'b', '.'), (glob, name) => {
      const text = glob.replaceAll('.', '[.]').replaceAll('*', '.*').replaceAll('?', '.')
      return matchesGlob(glob, name) === new RegExp(`^${text}$`).test(name)
    }),
    { numRuns: 3000 },
  )
  t.pass()
})

test('policies that mean the same are one program', t => {
  const programs = new Programs()
  const one = policy([
    term('accept', [{ type: 'add-communities', communities: [2, 1] }], {
      prefixes: [rule('10.0.0.0/8', 8, 32), rule('10.1.0.0/16', 16, 16)],
    }),
  ])
  const same = policy([
    term('accept', [{ type: 'add-communities', communities: [1, 2] }], {
      prefixes: [rule('10.1.0.0/16', 16, 16), rule('10.0.0.0/8', 8, 32), rule('10.0.0.0/8', 8, 32)],
    }),
  ])
  t.is(programs.compile(one), programs.compile(same))
  t.not(canonicalText(one), canonicalText(policy([...one.terms], 'accept')))
  t.not(canonicalText(one), canonicalText(policy([term('accept', one.terms[0]!.actions)])))
  programs.keep(new Set())
  t.not(programs.compile(one), undefined)
})

test('equal actions are one outcome, whichever terms they come from', t => {
  const prefer: Action = { type: 'set-local-pref', value: 200 }
  const worsen: Action = { type: 'set-med', value: 9 }
  const within = (text: string) => ({ prefixes: [rule(text, 24, 24)] })
  const program = new Programs().compile(
    policy([
      term('next', [prefer], within('10.0.0.0/24')),
      term('accept', [worsen], within('10.0.0.0/24')),
      term('accept', [prefer, worsen], within('10.0.1.0/24')),
      term('accept', [prefer], within('10.0.2.0/24')),
    ]),
  )
  const [one, two, three] = ['10.0.0.0/24', '10.0.1.0/24', '10.0.2.0/24'].map(each =>
    program.run(route(each)),
  )
  t.is(one, two)
  t.not(one, three)
  t.is(program.run(route('10.0.0.0/24')), one ?? REJECTED)
  t.deepEqual(program.apply(one ?? REJECTED, {}), { localPref: 200, med: 9 })
})

test('outcomes beyond OUTCOMES_MAX are refused, those before them stay what they are', t => {
  const bits = 13
  const all = Array.from({ length: 1 << bits }, (_, at) => `10.${at >> 8}.${at & 255}.0/24`)
  const terms = Array.from({ length: bits }, (_, bit) => {
    const prefixes = all.filter((_, at) => ((at >> bit) & 1) === 1).map(each => rule(each, 24, 24))
    return term('next', [{ type: 'add-communities', communities: [bit] }], { prefixes })
  })
  const program = new Programs().compile(policy(terms, 'accept'))
  const outcomes = all.map(each => program.run(route(each)))
  const taken = outcomes.filter(outcome => outcome !== REJECTED)
  t.is(new Set(taken).size, taken.length)
  t.true(taken.length <= OUTCOMES_MAX && taken.length > OUTCOMES_MAX / 2)
  t.deepEqual(program.apply(outcomes[5]!, {}), { communities: [0, 2] })
  t.deepEqual(
    all.map(each => program.run(route(each))),
    outcomes,
  )
})

test('a set of prefix rules takes what some rule takes', t => {
  const few = fc.constantFrom(0, 10, 128)
  const anyPrefix = fc
    .tuple(few, few, fc.integer({ min: 0, max: 20 }))
    .map(([a, b, length]) => formatPrefix(Uint8Array.of(a, b, 0, 0), length))
  const anyRule = fc.tuple(anyPrefix, fc.nat(4), fc.nat(4)).map(([each, more, wide]) => {
    const lengthMin = prefixParts(each).length + more
    return { prefix: each, lengthMin, lengthMax: lengthMin + wide }
  })
  fc.assert(
    fc.property(fc.array(anyRule, { maxLength: 6 }), anyPrefix, (rules, asked) => {
      const { family, bytes, length } = prefixParts(asked)
      const expected = rules.some(
        each =>
          contains(each.prefix, asked) && length >= each.lengthMin && length <= each.lengthMax,
      )
      return new PrefixSet(rules).matches(family, bytes, 0, length) === expected
    }),
    { numRuns: 1000 },
  )
  t.pass()
})
