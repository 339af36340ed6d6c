/** Policies as sentences: each condition and each action, in the words of the resources. */
import test from 'ava'
import { filterTerms } from '../../../src/core/intent/policies/filters.ts'
import { rulesOf } from '../../../src/core/intent/policies/text.ts'
import { prefix } from '../../../src/core/net/index.ts'
import type { Action, Match, Term } from '../../../src/core/policy/index.ts'
import { filter } from '../../support/cluster.ts'

const said = test.macro({
  exec(t, term: Partial<Term>, expected: string) {
    const whole = { match: {}, actions: [], verdict: 'accept' as const, ...term }
    t.deepEqual(rulesOf({ terms: [whole], otherwise: 'reject' }), [expected, 'all else: reject'])
  },
  title: (_, __, expected: string) => expected,
})
const when = (match: Match): Partial<Term> => ({ match })
const does = (...actions: Action[]): Partial<Term> => ({ actions })
const inside = (text: string, lengthMin: number, lengthMax: number): Partial<Term> =>
  when({ prefixes: [{ prefix: prefix(text), lengthMin, lengthMax }] })

test(said, {}, 'all: accept')
test(said, { verdict: 'reject' }, 'all: reject')
test(said, { verdict: 'next' }, 'all: go on')
test(said, when({ family: 'ipv4' }), 'IPv4: accept')
test(said, when({ family: 'ipv6' }), 'IPv6: accept')
test(said, when({ source: 'learned' }), 'learned: accept')
test(said, when({ source: 'originated' }), 'its own: accept')
test(said, inside('10.0.0.0/8', 8, 8), 'equal 10.0.0.0/8: accept')
test(said, inside('10.0.0.0/8', 8, 32), 'in 10.0.0.0/8: accept')
test(said, inside('10.0.0.0/8', 16, 128), 'in 10.0.0.0/8 of length 16 to 32: accept')
test(said, inside('10.0.0.0/8', 8, 24), 'in 10.0.0.0/8 of length 8 to 24: accept')
test(said, inside('fd00::/8', 8, 128), 'in fd00::/8: accept')
test(said, when({ prefixes: [] }), 'in nothing: accept')
test(said, when({ notPrefixes: [] }), 'not in nothing: accept')
test(said, when({ communities: [65000 * 65536 + 42] }), 'community 65000:42: accept')
test(said, when({ largeCommunities: [[65000, 4, 2]] }), 'community 65000:4:2: accept')
test(said, when({ asPathPrefix: [65000, 1] }), 'AS path that begins 65000 1: accept')
test(
  said,
  when({ localPref: [2147483135, 2147483135] }),
  'LOCAL_PREF 2147483135 (priority 512): accept',
)
test(said, when({ links: ['eth*', 'lo'] }), 'over eth* or lo: accept')
test(said, when({ nextHops: [prefix('10.0.0.0/24')] }), 'next hop in 10.0.0.0/24: accept')
test(said, does({ type: 'set-med', value: 7 }), 'all: MED 7, accept')
test(said, does({ type: 'remove-communities', communities: [65537] }), 'all: remove 1:1, accept')
test(said, does({ type: 'prepend', asns: [65000, 1] }), 'all: prepend 65000 1, accept')
test(
  said,
  does({ type: 'set-local-pref', value: 2147483391 }),
  'all: LOCAL_PREF 2147483391 (priority 256), accept',
)

test('a rule of a filter has its conditions in one line, without a family that its prefix says', t => {
  const terms = filterTerms(
    filter('f', {
      importV6: [
        {
          cidr: 'fd00::/8',
          matchOperator: 'NotIn',
          prefixLength: { min: 64 },
          source: 'RemotePeers',
          action: 'Accept',
          operations: [
            { addCommunity: { value: '1:2' } },
            { addCommunity: { value: '1:2:3' } },
            { setPriority: { value: 1 } },
          ],
        },
      ],
    }),
    { direction: 'import', internal: true },
  )
  t.deepEqual(rulesOf({ terms, otherwise: 'accept' }), [
    'not in fd00::/8 of length 64 to 128, learned: add 1:2, add 1:2:3, LOCAL_PREF 2147483646 (priority 1), accept',
    'all else: accept',
  ])
})
