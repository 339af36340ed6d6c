import test from 'ava'
import fc from 'fast-check'
import { formatPrefix, type Prefix } from '../../../src/core/net/index.ts'
import { ACCEPT_ALL, type Match, type Policy, type Term } from '../../../src/core/policy/index.ts'
import type { PathAttributes } from '../../../src/core/wire/index.ts'
import { judged } from '../../support/routes.ts'
import { Bench } from '../../unit/speaker/bench.ts'

/** Policies of import, of export and of the FIB, changed while routes come and go, against one route at a time. */

const prefixOf = (at: number): Prefix => formatPrefix(Uint8Array.of(10, at, 0, 0), 16 + (at % 3))
const anyPrefix = fc.nat(5).map(prefixOf)
const community = fc.integer({ min: 1, max: 4 })
const asn = fc.integer({ min: 1, max: 3 })

const match: fc.Arbitrary<Match> = fc.record(
  {
    family: fc.constantFrom('ipv4', 'ipv6'),
    source: fc.constantFrom('learned', 'originated'),
    prefixes: fc.array(
      anyPrefix.map(prefix => ({ prefix, lengthMin: 16, lengthMax: 17 })),
      { maxLength: 3 },
    ),
    notPrefixes: fc.array(
      anyPrefix.map(prefix => ({ prefix, lengthMin: 16, lengthMax: 32 })),
      { maxLength: 2 },
    ),
    communities: fc.array(community, { maxLength: 2 }),
    asPathPrefix: fc.array(asn, { maxLength: 1 }).map(asns => [65001, ...asns]),
    localPref: fc.constantFrom([0, 99], [100, 100], [200, 300]) as fc.Arbitrary<[number, number]>,
  },
  { requiredKeys: [] },
)

const term: fc.Arbitrary<Term> = fc.record({
  match,
  actions: fc.array(
    fc.oneof(
      community.map(each => ({ type: 'add-communities' as const, communities: [each] })),
      fc.constantFrom(99, 200).map(value => ({ type: 'set-local-pref' as const, value })),
      fc.constant({ type: 'prepend' as const, asns: [7, 8] }),
    ),
    { maxLength: 2 },
  ),
  verdict: fc.constantFrom('accept', 'reject', 'next'),
})

const policy: fc.Arbitrary<Policy> = fc.record({
  terms: fc.array(term, { maxLength: 4 }),
  otherwise: fc.constantFrom('accept', 'reject'),
})

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      announce: anyPrefix,
      communities: fc.uniqueArray(community, { maxLength: 2 }),
      path: fc.array(asn, { maxLength: 2 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ withdraw: anyPrefix }) },
  { weight: 2, arbitrary: fc.record({ accept: policy, tell: policy, install: policy }) },
)

/** What somebody else would be told of a route: what import makes of it, then export. */
function expected(attributes: PathAttributes, prefix: Prefix, accept: Policy, tell: Policy) {
  const accepted = judged(accept, { prefix, attributes })
  return accepted && { accepted, told: judged(tell, { prefix, attributes: accepted }) }
}

const seen = ({ communities = [], localPref = 100, asPath = [] }: PathAttributes): string =>
  `${communities.toSorted()} ${localPref} ${asPath.flatMap(({ asns }) => asns)}`

test('whatever changes in whatever order, what is told and installed is what the policies say now', t => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 3, maxLength: 25 }), steps => {
      const bench = new Bench()
      const a = bench.peer('a', 65001)
      const inside = bench.peer('b', 65000)
      const configure = (accept: Policy, tell: Policy, install: Policy | undefined): void => {
        const peers = [
          { ...a.config, importRules: { policy: accept } },
          { ...inside.config, export: tell },
        ]
        bench.configure({ peers, ...(install && { fibPolicy: install }) })
      }
      let accept = ACCEPT_ALL
      let tell = ACCEPT_ALL
      let install = ACCEPT_ALL
      configure(accept, tell, undefined)
      bench.deliver({ type: 'FibUp', preserved: false })
      bench.deliver({ type: 'FibCredit', routes: 100_000 })
      for (const peer of [a, inside]) peer.up()
      const routes = new Map<Prefix, PathAttributes>()
      for (const one of steps)
        if ('announce' in one) {
          const asPath = [{ type: 'sequence' as const, asns: [65001, ...one.path] }]
          const { communities } = one
          const carried = communities.length === 0 ? {} : { communities }
          const attributes = a.attributes({ asPath, ...carried })
          routes.set(one.announce, attributes)
          a.announce(attributes, one.announce)
        } else if ('withdraw' in one) {
          routes.delete(one.withdraw)
          a.withdraw(one.withdraw)
        } else {
          accept = one.accept
          tell = one.tell
          install = one.install
          configure(accept, tell, install)
        }
      const has = new Map<Prefix, string>()
      for (const each of inside.news())
        if ('announced' in each) has.set(each.announced, seen(each.attributes))
        else if ('withdrawn' in each) has.delete(each.withdrawn)
      const wants = new Map<Prefix, string>()
      const installs: Prefix[] = []
      for (const [prefix, attributes] of routes) {
        const made = expected(attributes, prefix, accept, tell)
        if (made?.told !== undefined) wants.set(prefix, seen(made.told))
        if (made && judged(install, { prefix, attributes: made.accepted })) installs.push(prefix)
      }
      t.deepEqual([...has].sort(), [...wants].sort())
      t.deepEqual([...bench.fib.routes.keys()].sort(), installs.sort())
      t.deepEqual(bench.fib.faults, [])
    }),
    { numRuns: 300 },
  )
})
