import test from 'ava'
import { type Prefix, prefix } from '../../../src/core/net/index.ts'
import type { Policy, Term } from '../../../src/core/policy/index.ts'
import type { ImportRules, PathSnapshot, PeerConfig } from '../../../src/core/speaker/index.ts'
import {
  type AsPathSegment,
  COMMUNITIES,
  type PathAttributes,
} from '../../../src/core/wire/index.ts'
import { checkAccepted, checkReferences } from '../../../src/sim/index.ts'
import { asn, Bench, LOCAL_AS, type Scripted } from './bench.ts'

/** Import rules, one test for each: what a peer says is kept, and what it counts as is another matter. */

const P = prefix('198.51.100.0/24')
const Q = prefix('203.0.113.0/24')

/** An external peer `a` under these rules, an internal one `i` and an external one `b` that listen. */
function listening(rules: ImportRules | undefined, changes: Partial<PeerConfig> = {}) {
  const bench = new Bench()
  const a = bench.peer('a', 65001, { ...(rules && { importRules: rules }), ...changes })
  const i = bench.peer('i', LOCAL_AS)
  const b = bench.peer('b', 65002)
  bench.configure()
  for (const peer of [a, i, b]) peer.up()
  for (const peer of [a, i, b]) peer.news()
  return { bench, a, i, b }
}

/** Gives a peer other rules, in its live session. */
function change({ bench, a }: { bench: Bench; a: Scripted }, rules: ImportRules | undefined): void {
  const { importRules: _before, ...rest } = a.config
  const at = bench.peers.indexOf(a)
  const config = { ...rest, ...(rules && { importRules: rules }) }
  Object.assign(a, { config })
  bench.peers[at] = a
  bench.configure()
}

const path = (...asns: number[]): AsPathSegment[] => [{ type: 'sequence', asns }]

const wrong = (bench: Bench): string[] => [...checkReferences(bench), ...checkAccepted(bench)]

function pathsOf(bench: Bench, target: Prefix = P): readonly PathSnapshot[] {
  return bench.speaker.lookup(target)[0]?.paths ?? []
}

const reasonOf = (bench: Bench): string | undefined => pathsOf(bench)[0]?.reason

/** The attributes with which a peer was told of a prefix, the last time. */
function toldOf(peer: Scripted, target: Prefix = P): PathAttributes | undefined {
  const news = peer.news().filter(each => 'announced' in each && each.announced === target)
  const last = news.at(-1)
  return last !== undefined && 'announced' in last ? last.attributes : undefined
}

const policy = (...terms: Term[]): Policy => ({ terms, otherwise: 'accept' })
const ofP = { prefixes: [{ prefix: P, lengthMin: 24, lengthMax: 24 }] }
const rejectP = policy({ match: ofP, actions: [], verdict: 'reject' })

const countsOf = ({ speaker }: Bench, name = 'a') => {
  const { id } = speaker.peer(name)!
  const { acceptances } = speaker.tables.locRibs.ipv4
  return {
    received: speaker.tables.locRibs.ipv4.adjRibIn(id).size,
    accepted: acceptances.accepted(id),
  }
}

test('RFC 4271 §9.1.2: a path with our own AS is a loop, and is kept', t => {
  const { bench, a, b } = listening(undefined)
  a.announce({ asPath: path(65001, LOCAL_AS) }, P)
  t.is(reasonOf(bench), 'our AS is in AS_PATH')
  t.deepEqual(b.brief(), [])
  t.deepEqual(countsOf(bench), { received: 1, accepted: 1 })
})

test('allowOwnAs: our own AS may be in the path so often, and no more', t => {
  const { bench, a, b } = listening({ allowOwnAs: 2 })
  a.announce({ asPath: path(65001, LOCAL_AS, 65009, LOCAL_AS) }, P)
  a.announce({ asPath: path(65001, LOCAL_AS, LOCAL_AS, LOCAL_AS) }, Q)
  t.deepEqual(b.brief(), [`+${P}`])
  t.true(pathsOf(bench, P)[0]?.best)
  t.is(pathsOf(bench, Q)[0]?.reason, 'our AS is in AS_PATH')
  t.deepEqual(wrong(bench), [])
})

test('allowOwnAs does not allow a reflection loop', t => {
  const { bench, i } = listening(undefined)
  Object.assign(i, { config: { ...i.config, importRules: { allowOwnAs: 9 } } })
  bench.configure()
  i.announce({ asPath: path(LOCAL_AS), originatorId: 0x0afffffe }, P)
  t.is(reasonOf(bench), 'ORIGINATOR_ID is this node')
})

test('an AS number that only another peer knows us by makes no loop', t => {
  const bench = new Bench()
  const a = bench.peer('a', 65001)
  const b = bench.peer('b', 65002, { localAs: asn(65100) })
  const c = bench.peer('c', 65003)
  bench.configure()
  for (const peer of [a, b, c]) peer.up()
  for (const peer of [a, b, c]) peer.news()
  a.announce({ asPath: path(65001, 65100) }, P)
  b.announce({ asPath: path(65002, 65100) }, Q)
  t.deepEqual(c.brief(), [`+${P}`])
  t.true(pathsOf(bench, P)[0]?.best)
  t.is(pathsOf(bench, Q)[0]?.reason, 'our AS is in AS_PATH')
  t.deepEqual(wrong(bench), [])
})

test('refuseAsSets: RFC 9774, a path with AS_SET is not used where that is asked for', t => {
  const asPath = [...path(65001), { type: 'set' as const, asns: [65007, 65008] }]
  const lenient = listening(undefined)
  lenient.a.announce({ asPath }, P)
  t.deepEqual(lenient.b.brief(), [`+${P}`])

  const strict = listening({ refuseAsSets: true })
  strict.a.announce({ asPath }, P)
  t.deepEqual(strict.b.brief(), [])
  t.like(pathsOf(strict.bench)[0], { refused: true, reason: 'AS_SET in AS_PATH', best: false })
  t.deepEqual(countsOf(strict.bench), { received: 1, accepted: 0 })
})

test('prependLocalAs: the AS that the peer knows us by is put in front of its paths', t => {
  const { bench, a, i, b } = listening({ prependLocalAs: true }, { localAs: asn(65100) })
  a.announce({}, P)
  t.deepEqual(toldOf(i)?.asPath, path(65100, 65001))
  t.deepEqual(toldOf(b)?.asPath, path(LOCAL_AS, 65100, 65001))
  t.like(pathsOf(bench)[0], { asPath: '65100 65001', received: { asPath: '65001' } })
  t.deepEqual(wrong(bench), [])
})

test('prependLocalAs puts nothing in front where the peer knows our real AS', t => {
  const { a, i } = listening({ prependLocalAs: true })
  a.announce({}, P)
  t.deepEqual(toldOf(i)?.asPath, path(65001))
})

test('RFC 8326 §4: GRACEFUL_SHUTDOWN of another AS is the last resort', t => {
  const { bench, a, i, b } = listening(undefined)
  a.announce({ communities: [COMMUNITIES.GRACEFUL_SHUTDOWN] }, P)
  const told = toldOf(i)
  t.is(told?.localPref, 0)
  t.deepEqual(told?.communities, [COMMUNITIES.GRACEFUL_SHUTDOWN])
  b.announce({ asPath: path(65002, 65003, 65004) }, P)
  t.deepEqual(
    pathsOf(bench).map(({ from, localPref, reason }) => [from, localPref, reason]),
    [
      ['b', undefined, undefined],
      ['a', 0, 'lower LOCAL_PREF'],
    ],
  )
  t.deepEqual(pathsOf(bench)[1]?.communities, ['graceful-shutdown'])
})

test('GRACEFUL_SHUTDOWN of an internal peer leaves its LOCAL_PREF alone', t => {
  const { bench, i } = listening(undefined)
  i.announce({ communities: [COMMUNITIES.GRACEFUL_SHUTDOWN], localPref: 70 }, P)
  t.like(pathsOf(bench)[0], { localPref: 70 })
})

test('GRACEFUL_SHUTDOWN wins over the LOCAL_PREF of a policy, which may take it away', t => {
  const prefer: Term = {
    match: {},
    actions: [{ type: 'set-local-pref', value: 200 }],
    verdict: 'accept',
  }
  const { bench, a, ...rest } = listening({ policy: policy(prefer) })
  a.announce({ communities: [COMMUNITIES.GRACEFUL_SHUTDOWN] }, P)
  t.like(pathsOf(bench)[0], { localPref: 0 })
  const communities = [COMMUNITIES.GRACEFUL_SHUTDOWN]
  const ignore: Term = {
    match: {},
    actions: [{ type: 'remove-communities', communities }],
    verdict: 'next',
  }
  change({ bench, a, ...rest }, { policy: policy(ignore, prefer) })
  t.like(pathsOf(bench)[0], { localPref: 200, communities: [] })
  t.deepEqual(wrong(bench), [])
})

test('RFC 7999 §3.2: BLACKHOLE of another AS stays in ours', t => {
  const { bench, a, i, b } = listening(undefined)
  a.announce({ communities: [COMMUNITIES.BLACKHOLE] }, P)
  t.deepEqual(toldOf(i)?.communities, [COMMUNITIES.BLACKHOLE, COMMUNITIES.NO_EXPORT])
  t.deepEqual(b.brief(), [])
  t.deepEqual(pathsOf(bench)[0]?.communities, ['blackhole', 'no-export'])
})

test('BLACKHOLE that says itself where it stays gets nothing added', t => {
  const { bench, a, i } = listening(undefined)
  a.announce({ communities: [COMMUNITIES.BLACKHOLE, COMMUNITIES.NO_ADVERTISE] }, P)
  t.deepEqual(i.brief(), [])
  t.deepEqual(pathsOf(bench)[0]?.communities, ['blackhole', 'no-advertise'])
})

test('BLACKHOLE of our own AS goes to the neighbours that it is meant for', t => {
  const { i, b } = listening(undefined)
  i.announce({ communities: [COMMUNITIES.BLACKHOLE] }, P)
  t.deepEqual(toldOf(b)?.communities, [COMMUNITIES.BLACKHOLE])
})

for (const role of ['provider', 'route-server'] as const)
  test(`RFC 9234 §5: to a ${role}, OTC from the other side is a leak`, t => {
    const { bench, a, b } = listening(undefined, { options: { role } })
    a.announce({ onlyToCustomer: 65009 }, P)
    a.announce({}, Q)
    t.deepEqual(b.brief(), [`+${Q}`])
    t.like(pathsOf(bench)[0], { refused: true, reason: 'a route leak: OTC from a customer' })
    t.deepEqual(countsOf(bench), { received: 2, accepted: 1 })
  })

for (const role of ['customer', 'peer', 'route-server-client'] as const)
  test(`RFC 9234 §5: a ${role} adds OTC where it is not there`, t => {
    const { bench, a, i } = listening(undefined, { options: { role } })
    a.announce({}, P)
    t.is(toldOf(i)?.onlyToCustomer, 65001)
    t.deepEqual(wrong(bench), [])
  })

test('RFC 9234 §5: OTC from a provider stays as it is', t => {
  const { a, i } = listening(undefined, { options: { role: 'customer' } })
  a.announce({ onlyToCustomer: 65009 }, P)
  t.is(toldOf(i)?.onlyToCustomer, 65009)
})

test('RFC 9234 §5: OTC from a lateral peer is its own, or a leak', t => {
  const { bench, a, i } = listening(undefined, { options: { role: 'peer' } })
  a.announce({ onlyToCustomer: 65001 }, P)
  t.is(toldOf(i)?.onlyToCustomer, 65001)
  a.announce({ onlyToCustomer: 65009 }, P)
  t.deepEqual(i.brief(), [`-${P}`])
  t.is(reasonOf(bench), 'a route leak: OTC of another AS from a lateral peer')
})

test('a policy refuses by prefix: what it refuses is kept, shown, and comes back with the policy', t => {
  const { bench, a, b, ...rest } = listening({ policy: rejectP })
  a.announce({}, P, Q)
  t.deepEqual(b.brief(), [`+${Q}`])
  t.like(pathsOf(bench)[0], { refused: true, reason: 'import policy refuses it', asPath: '65001' })
  t.deepEqual(countsOf(bench), { received: 2, accepted: 1 })
  change({ bench, a, ...rest }, undefined)
  t.deepEqual(b.brief(), [`+${P}`])
  t.deepEqual(countsOf(bench), { received: 2, accepted: 2 })
  change({ bench, a, ...rest }, { policy: rejectP })
  t.deepEqual(b.brief(), [`-${P}`])
  t.deepEqual(countsOf(bench), { received: 2, accepted: 1 })
  // neither a new session nor a ROUTE-REFRESH: the peer was not asked for anything
  t.is(bench.speaker.peer('a')?.session.counters.established, 1)
  a.withdraw(P, Q)
  t.deepEqual(countsOf(bench), { received: 0, accepted: 0 })
  t.deepEqual(wrong(bench), [])
})

test('a policy changes what it accepts, by prefix, though the attributes are the same', t => {
  const term: Term = {
    match: ofP,
    actions: [
      { type: 'set-local-pref', value: 50 },
      { type: 'set-med', value: 7 },
      { type: 'add-communities', communities: [0xfde80001] },
      { type: 'prepend', asns: [65001, 65001] },
    ],
    verdict: 'accept',
  }
  const { bench, a, i } = listening({ policy: policy(term) })
  a.announce({}, P, Q)
  t.like(pathsOf(bench, P)[0], {
    localPref: 50,
    med: 7,
    communities: ['65000:1'],
    asPath: '65001 65001 65001',
    received: { asPath: '65001', communities: [] },
  })
  t.false('received' in pathsOf(bench, Q)[0]!)
  const told = i.news().filter(each => 'announced' in each)
  t.deepEqual(
    told.map(each => 'announced' in each && [each.announced, each.attributes.localPref]),
    [
      [P, 50],
      [Q, 100],
    ],
  )
  t.deepEqual(wrong(bench), [])
})

test('two peers with opposite policies leave nothing behind', t => {
  // what one makes of a set is what the other has received, and the other way round
  const set = (value: number): ImportRules => ({
    policy: policy({ match: {}, actions: [{ type: 'set-local-pref', value }], verdict: 'accept' }),
  })
  const bench = new Bench()
  const hop = { nextHop: '192.0.2.77' as PathAttributes['nextHop'] & string }
  const c = bench.peer('c', LOCAL_AS, { importRules: set(200) })
  const d = bench.peer('d', LOCAL_AS, { importRules: set(100) })
  bench.configure()
  for (const peer of [c, d]) peer.up()
  c.announce({ ...hop, localPref: 100 }, P)
  d.announce({ ...hop, localPref: 200 }, P)
  t.deepEqual(
    pathsOf(bench).map(({ from, localPref, received }) => [from, localPref, received?.localPref]),
    [
      ['c', 200, 100],
      ['d', 100, 200],
    ],
  )
  c.withdraw(P)
  d.withdraw(P)
  t.is(bench.speaker.tables.sets.size, 0)
  t.deepEqual(wrong(bench), [])
})

test('RFC 7911: each path of a prefix is accepted, or refused, by itself', t => {
  const bench = new Bench()
  const a = bench.peer('a', 65001, {
    options: { addPath: { receive: true, send: false } },
    importRules: { refuseAsSets: true },
  })
  const b = bench.peer('b', 65002)
  bench.configure()
  a.up({ addPath: { send: true } })
  b.up()
  b.news()
  a.announcePath(1, { asPath: [{ type: 'set', asns: [65001] }] }, P)
  a.announcePath(2, { asPath: path(65001, 65003) }, P)
  t.deepEqual(countsOf(bench), { received: 2, accepted: 1 })
  t.deepEqual(
    pathsOf(bench).map(({ pathId, refused }) => [pathId, refused]),
    [
      [2, undefined],
      [1, true],
    ],
  )
  t.deepEqual(toldOf(b)?.asPath, path(LOCAL_AS, 65001, 65003))
  change({ bench, a }, undefined)
  t.deepEqual(countsOf(bench), { received: 2, accepted: 2 })
  t.is(pathsOf(bench)[0]?.pathId, 1)
  t.deepEqual(wrong(bench), [])
})

test('a prefix of which every path is refused is found by its name', t => {
  const { bench, a } = listening({ policy: rejectP })
  a.announce({}, P)
  t.like(bench.speaker.lookup(P)[0], { prefix: P, paths: [{ refused: true, best: false }] })
  t.is(bench.speaker.snapshot(bench.now).sessions[0]?.prefixes[0]?.accepted, 0)
})
