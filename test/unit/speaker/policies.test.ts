import test from 'ava'
import { type Prefix, prefix } from '../../../src/core/net/index.ts'
import type { Match, Policy, Term } from '../../../src/core/policy/index.ts'
import type { SpeakerConfig } from '../../../src/core/speaker/index.ts'
import { Bench, LOCAL_AS } from './bench.ts'
import { ends, sequence, told } from './ends.ts'

/** Policies of export and of the FIB, and the LOCAL_PREF of what is originated. */

const P = prefix('10.1.0.0/16')
const Q = prefix('10.2.0.0/16')
const INSIDE = Number(LOCAL_AS)

const term = (verdict: Term['verdict'], match: Match = {}): Term => ({
  match,
  actions: [],
  verdict,
})
const only = (match: Match): Policy => ({ terms: [term('accept', match)], otherwise: 'reject' })
const allBut = (match: Match): Policy => ({ terms: [term('reject', match)], otherwise: 'accept' })
const within = (...prefixes: Prefix[]): Match => ({
  prefixes: prefixes.map(each => ({ prefix: each, lengthMin: 16, lengthMax: 32 })),
})

test('export by community: a set that takes the number of another is judged anew', t => {
  const { from, to } = ends(65001, 65002, { to: { export: only({ communities: [1] }) } })
  from.announce({ communities: [1, 5] }, P)
  t.deepEqual(to.brief(), [`+${P}`])
  from.withdraw(P)
  t.deepEqual(to.brief(), [`-${P}`])
  from.announce({ communities: [2] }, P)
  from.announce({ communities: [1] }, Q)
  t.deepEqual(to.brief(), [`+${Q}`])
})

test('export: attributes that change take a route out, and back', t => {
  const { from, to } = ends(65001, 65002, { to: { export: allBut({ asPathPrefix: [65001, 7] }) } })
  for (const asn of [6, 7, 6]) from.announce({ asPath: [sequence(65001, asn)] }, P)
  t.deepEqual(to.brief(), [`+${P}`, `-${P}`, `+${P}`])
})

test('export: what a policy prepends is behind our own AS, in its order', t => {
  const policy: Policy = {
    terms: [{ match: {}, actions: [{ type: 'prepend', asns: [7, 8] }], verdict: 'accept' }],
    otherwise: 'reject',
  }
  const all = ends(65001, 65002, { to: { export: policy } })
  all.from.announce({}, P)
  t.deepEqual(told(all)?.asPath, [sequence(INSIDE, 7, 8, 65001)])
})

test('what is originated has the LOCAL_PREF of the configuration inside, and none outside', t => {
  const originatedLocalPref = { ipv4: 2_147_482_623, ipv6: 5 }
  const bench = new Bench()
  const inside = bench.peer('inside', INSIDE)
  const outside = bench.peer('outside', 65001)
  bench.configure({ originated: [P], originatedLocalPref })
  for (const peer of [inside, outside]) peer.up()
  const localPrefs = (peer: typeof inside): unknown[] =>
    peer.news().flatMap(each => ('announced' in each ? [each.attributes.localPref] : []))
  t.deepEqual(localPrefs(inside), [2_147_482_623])
  t.deepEqual(localPrefs(outside), [undefined])
  bench.configure({ originated: [P], originatedLocalPref: { ipv4: 7, ipv6: 5 } })
  t.deepEqual(localPrefs(inside), [7])
  bench.configure({ originated: [P] })
  t.deepEqual(localPrefs(inside), [100])
})

test('export: a policy may ask for the LOCAL_PREF of what is originated; absent is 100', t => {
  const bench = new Bench()
  const peer = bench.peer('b', 65002, { export: only({ localPref: [100, 100] }) })
  bench.configure({ originated: [P] })
  peer.up()
  t.deepEqual(peer.brief(), [`+${P}`, 'ipv4 complete'])
  bench.configure({ originated: [P], originatedLocalPref: { ipv4: 101, ipv6: 0 } })
  t.deepEqual(peer.brief(), [`-${P}`])
})

/** A speaker whose dataplane listens, with routes P and Q of one peer. */
function installing(speaker: Partial<SpeakerConfig>) {
  const bench = new Bench()
  const a = bench.peer('a', 65001)
  bench.configure(speaker)
  bench.deliver({ type: 'FibUp', preserved: false })
  bench.deliver({ type: 'FibCredit', routes: 1000 })
  a.up()
  a.announce({ communities: [1] }, P)
  a.announce({ communities: [2] }, Q)
  return { bench, a, routes: () => [...bench.fib.routes.keys()].sort() }
}

test('FIB: what the policy rejects stays out of the kernel, and is announced all the same', t => {
  const bench = new Bench()
  const a = bench.peer('a', 65001)
  const b = bench.peer('b', 65002)
  bench.configure({ fibPolicy: allBut(within(P)) })
  bench.deliver({ type: 'FibUp', preserved: false })
  bench.deliver({ type: 'FibCredit', routes: 10 })
  for (const peer of [a, b]) peer.up()
  b.news()
  a.announce({}, P, Q)
  t.deepEqual([...bench.fib.routes.keys()], [Q])
  t.deepEqual(b.brief().sort(), [`+${P}`, `+${Q}`])
})

test('FIB: a policy that changes takes routes out and puts others in, and a dataplane that comes agrees', t => {
  const { bench, routes } = installing({})
  t.deepEqual(routes(), [P, Q])
  bench.configure({ fibPolicy: allBut(within(P)) })
  t.deepEqual(routes(), [Q])
  bench.configure({ fibPolicy: allBut(within(Q)) })
  t.deepEqual(routes(), [P])
  bench.deliver({ type: 'FibDown' })
  bench.deliver({ type: 'FibUp', preserved: false })
  bench.deliver({ type: 'FibCredit', routes: 1000 })
  bench.settle()
  t.deepEqual(routes(), [P])
  bench.configure({})
  t.deepEqual(routes(), [P, Q])
  t.deepEqual(bench.fib.faults, [])
})

test('FIB: attributes that change count, though the next hop is the same', t => {
  const { a, routes } = installing({ fibPolicy: only({ communities: [1] }) })
  t.deepEqual(routes(), [P])
  a.announce({ communities: [1] }, Q)
  t.deepEqual(routes(), [P, Q])
  a.announce({ communities: [3] }, P)
  t.deepEqual(routes(), [Q])
})

test('FIB: a policy by next hop', t => {
  const { routes } = installing({ fibPolicy: only({ nextHops: [prefix('198.51.100.0/24')] }) })
  t.deepEqual(routes(), [])
  const near = installing({ fibPolicy: only({ nextHops: [prefix('192.0.2.0/24')] }) })
  t.deepEqual(near.routes(), [P, Q])
})

test('links: what a policy asks of them is asked again when they become known, or change', t => {
  const bench = new Bench()
  const a = bench.peer('a', 65001, { importRules: { policy: allBut({ links: ['bad*'] }) } })
  const b = bench.peer('b', 65002, { export: allBut({ links: ['eth1'] }) })
  bench.configure({ fibPolicy: only({ links: ['eth?'] }) })
  bench.deliver({ type: 'FibUp', preserved: false })
  bench.deliver({ type: 'FibCredit', routes: 1000 })
  for (const peer of [a, b]) peer.up()
  b.news()
  a.announce({}, P)
  const said = (): unknown => [b.brief(), [...bench.fib.routes.keys()]]
  const by = (link: string): void => {
    const { address } = a.config
    const answer = { address, eligible: true, metric: 0, why: '', link }
    bench.deliver({ type: 'NextHops', answers: [answer] })
    bench.settle()
  }
  t.deepEqual(said(), [[`+${P}`], []], 'nobody knows the link')
  by('eth0')
  t.deepEqual(said(), [[], [P]])
  by('eth1')
  t.deepEqual(said(), [[`-${P}`], [P]])
  by('bad0')
  t.deepEqual(said(), [[], []])
  t.regex(bench.speaker.lookup(P)[0]?.paths[0]?.reason ?? '', /import policy/)
  by('wlan0')
  t.deepEqual(said(), [[`+${P}`], []])
  t.deepEqual(bench.fib.faults, [])
})
