import test from 'ava'
import type { BgpFilterRule, BgpFilterSpec } from '../../../src/core/calico/index.ts'
import { filterTerms } from '../../../src/core/intent/policies/filters.ts'
import type { PathAttributes } from '../../../src/core/wire/index.ts'
import { filter } from '../../support/cluster.ts'
import { type AskedRoute, judged } from '../../support/routes.ts'

/** BGPFilters, field by field as Calico gives them to BIRD; `otherwise` says that a rule did not match. */

const sequence = (...asns: number[]) => ({ type: 'sequence' as const, asns })

function asked(spec: BgpFilterSpec, route: AskedRoute, internal = false, missing = false) {
  const direction = spec.importV4 || spec.importV6 ? 'import' : 'export'
  const terms = filterTerms(missing ? undefined : filter('f', spec), { direction, internal })
  return judged({ terms, otherwise: 'accept' }, route)
}

/** Which of the routes a rule with these conditions rejects. */
const matches = test.macro({
  exec(
    t,
    rule: Partial<BgpFilterRule>,
    hits: readonly (AskedRoute | string)[],
    misses: readonly (AskedRoute | string)[],
  ) {
    const route = (one: AskedRoute | string): AskedRoute =>
      typeof one === 'string' ? { prefix: one } : one
    const v6 = hits.some(one => String(route(one).prefix).includes(':'))
    const rules = [{ action: 'Reject' as const, ...rule }]
    for (const spec of [
      v6 ? { exportV6: rules } : { exportV4: rules },
      v6 ? { importV6: rules } : { importV4: rules },
    ]) {
      for (const one of hits) t.is(asked(spec, route(one)), undefined, JSON.stringify(one))
      for (const one of misses) t.not(asked(spec, route(one)), undefined, JSON.stringify(one))
    }
  },
  title: (name, rule) => name ?? `matches ${JSON.stringify(rule)}`,
})

const C = { cidr: '77.0.0.0/16' }
test(
  'no condition: every route of the family',
  matches,
  {},
  ['0.0.0.0/0', '77.0.0.1/32'],
  ['2001:db8::/32'],
)
test('rules of IPv6 are not asked of IPv4', matches, {}, ['::/0'], ['77.0.0.0/16'])
test(
  'cidr Equal',
  matches,
  { ...C, matchOperator: 'Equal' },
  ['77.0.0.0/16'],
  ['77.0.1.0/24', '77.0.0.0/15', '78.0.0.0/16'],
)
test(
  'cidr NotEqual',
  matches,
  { ...C, matchOperator: 'NotEqual' },
  ['77.0.1.0/24', '77.0.0.0/15'],
  ['77.0.0.0/16'],
)
test(
  'cidr In',
  matches,
  { ...C, matchOperator: 'In' },
  ['77.0.0.0/16', '77.0.3.4/32'],
  ['77.0.0.0/15', '78.0.0.0/24'],
)
test(
  'cidr NotIn',
  matches,
  { ...C, matchOperator: 'NotIn' },
  ['77.0.0.0/15', '78.0.0.0/24'],
  ['77.0.0.0/16', '77.0.3.4/32'],
)
test(
  'prefixLength of In',
  matches,
  { ...C, matchOperator: 'In', prefixLength: { min: 20, max: 24 } },
  ['77.0.16.0/20', '77.0.1.0/24'],
  ['77.0.0.0/16', '77.0.1.0/25'],
)
test(
  'prefixLength begins at the length of cidr',
  matches,
  { ...C, matchOperator: 'In', prefixLength: { min: 8, max: 17 } },
  ['77.0.0.0/16', '77.0.128.0/17'],
  ['77.0.0.0/8', '77.0.0.0/18'],
)
test(
  'prefixLength without max ends at the longest',
  matches,
  { ...C, matchOperator: 'In', prefixLength: { min: 31 } },
  ['77.0.0.1/32'],
  ['77.0.0.0/30'],
)
test(
  'prefixLength of NotIn',
  matches,
  { ...C, matchOperator: 'NotIn', prefixLength: { min: 24, max: 24 } },
  ['77.0.0.0/16', '77.0.1.0/25'],
  ['77.0.1.0/24'],
)
test(
  'prefixLength of Equal',
  matches,
  { ...C, matchOperator: 'Equal', prefixLength: { max: 20 } },
  ['77.0.0.0/16'],
  ['77.0.16.0/20'],
)
test(
  'cidr of IPv6',
  matches,
  { cidr: '2001:db8::/32', matchOperator: 'In', prefixLength: { max: 48 } },
  ['2001:db8::/32', '2001:db8:1::/48'],
  ['2001:db8:1:1::/64', '2001:db9::/32'],
)
test(
  'source RemotePeers: what was learned',
  matches,
  { source: 'RemotePeers' },
  ['10.0.0.0/8'],
  [{ prefix: '10.0.0.0/8', originated: true }],
)
test(
  'interface: a glob of the link of the next hop',
  matches,
  { interface: '*.calico' },
  [{ prefix: '10.0.0.0/8', link: 'vxlan.calico' }],
  [{ prefix: '10.0.0.0/8', link: 'eth0' }, '10.0.0.0/8'],
)

const carrying = (attributes: PathAttributes): AskedRoute => ({ prefix: '10.0.0.0/8', attributes })
test(
  'communities: standard',
  matches,
  { communities: { values: ['65000:42'] } },
  [carrying({ communities: [1, 65000 * 65536 + 42] })],
  [carrying({ communities: [42] }), '10.0.0.0/8'],
)
test(
  'communities: large',
  matches,
  { communities: { values: ['65000:4:2'] } },
  [carrying({ largeCommunities: [[65000, 4, 2]] })],
  [carrying({ largeCommunities: [[65000, 2, 4]] }), '10.0.0.0/8'],
)
test(
  'asPathPrefix: how the path begins',
  matches,
  { asPathPrefix: [65000, 65001] },
  [
    carrying({ asPath: [sequence(65000, 65001)] }),
    carrying({ asPath: [sequence(65000, 65001, 7)] }),
    carrying({ asPath: [sequence(65000), { type: 'set', asns: [3, 65001] }] }),
  ],
  [
    carrying({ asPath: [sequence(65001, 65000)] }),
    carrying({ asPath: [sequence(65000)] }),
    '10.0.0.0/8',
  ],
)
test(
  'priority: LOCAL_PREF is 2147483647 less it',
  matches,
  { priority: 512 },
  [carrying({ localPref: 2147483135 })],
  [carrying({ localPref: 2147482623 }), '10.0.0.0/8'],
)
test(
  'all conditions must hold',
  matches,
  { ...C, matchOperator: 'In', source: 'RemotePeers', priority: 1024 },
  [{ prefix: '77.0.1.0/24', attributes: { localPref: 2147482623 } }],
  [
    '77.0.1.0/24',
    { prefix: '77.0.1.0/24', attributes: { localPref: 2147482623 }, originated: true },
    carrying({ localPref: 2147482623 }),
  ],
)

test('peerType: rules for the other type of peer are not there', t => {
  const spec = (peerType: 'eBGP' | 'iBGP'): BgpFilterSpec => ({
    exportV4: [{ peerType, action: 'Reject' }],
  })
  const route = { prefix: '10.0.0.0/8' }
  t.is(asked(spec('eBGP'), route, false), undefined)
  t.not(asked(spec('eBGP'), route, true), undefined)
  t.is(asked(spec('iBGP'), route, true), undefined)
  t.not(asked(spec('iBGP'), route, false), undefined)
})

test('operations are done in order, and the listed AS numbers are leftmost', t => {
  const operations = [
    { addCommunity: { value: '65001:200' } },
    { addCommunity: { value: '65001:2:3' } },
    { prependASPath: { prefix: [65000, 65001] } },
    { setPriority: { value: 256 } },
  ]
  t.deepEqual(
    asked({ importV4: [{ action: 'Accept', operations }] }, carrying({ asPath: [sequence(7)] })),
    {
      asPath: [sequence(65000, 65001, 7)],
      communities: [65001 * 65536 + 200],
      largeCommunities: [[65001, 2, 3]],
      localPref: 2147483391,
    },
  )
})

test('operations of a rule that does not match are not done', t => {
  const spec: BgpFilterSpec = {
    exportV4: [{ priority: 1, action: 'Accept', operations: [{ setPriority: { value: 9 } }] }],
  }
  t.deepEqual(asked(spec, { prefix: '10.0.0.0/8' }), {})
})

test('the first rule that matches ends the filter', t => {
  const spec: BgpFilterSpec = {
    importV4: [{ ...C, matchOperator: 'In', action: 'Accept' }, { action: 'Reject' }],
  }
  t.deepEqual(asked(spec, { prefix: '77.0.0.0/24' }), {})
  t.is(asked(spec, { prefix: '78.0.0.0/24' }), undefined)
})

test('a filter that is not there lets nothing pass', t => {
  for (const prefix of ['10.0.0.0/8', '2001:db8::/32'])
    t.is(asked({}, { prefix }, false, true), undefined)
})

test('a value that is none closes the filter at its rule', t => {
  for (const rule of [
    { communities: { values: ['65536:1'] } },
    { cidr: '10.0.0.1/8', matchOperator: 'In' as const },
    { operations: [{ addCommunity: { value: 'x' } }] },
    { operations: [{}] },
  ])
    t.is(asked({ importV4: [{ action: 'Accept', ...rule }] }, { prefix: '10.0.0.0/8' }), undefined)
})
