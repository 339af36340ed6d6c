import test from 'ava'
import fc from 'fast-check'
import { prefix } from '../../../src/core/net/index.ts'
import type { Policy, Term } from '../../../src/core/policy/index.ts'
import type { ImportRules, PeerConfig } from '../../../src/core/speaker/index.ts'
import { COMMUNITIES, type PathAttributes } from '../../../src/core/wire/index.ts'
import { checkAccepted, checkDecisions, checkReferences } from '../../../src/sim/index.ts'
import { asn, Bench, LOCAL_AS, type Scripted } from '../../unit/speaker/bench.ts'

/**
 * What counts depends on what peers have said and on the rules of now, not on how it came to that; and whatever
 * happens on the way, every reference is let go.
 */

const PREFIXES = ['10.0.0.0/24', '10.0.1.0/24', '10.0.2.0/23', '10.9.0.0/16'].map(prefix)

const term = (within: boolean, actions: Term['actions'], verdict: Term['verdict']): Term => ({
  match: within
    ? { prefixes: [{ prefix: prefix('10.0.0.0/16'), lengthMin: 24, lengthMax: 24 }] }
    : {},
  actions,
  verdict,
})

const policy = (...terms: Term[]): Policy => ({ terms, otherwise: 'accept' })

const prefers = (within: boolean, value: number): ImportRules => ({
  policy: policy(term(within, [{ type: 'set-local-pref', value }], 'accept')),
})

/** The first: none at all. What one makes of a set may be what another has received. */
const RULES: readonly (ImportRules | undefined)[] = [
  undefined,
  { allowOwnAs: 1 },
  { refuseAsSets: true },
  { prependLocalAs: true },
  prefers(false, 100),
  prefers(false, 200),
  prefers(true, 100),
  prefers(true, 200),
  { policy: policy(term(true, [], 'reject')) },
  { allowOwnAs: 2, refuseAsSets: true, policy: policy(term(true, [], 'reject')) },
]

const sequence = (...asns: number[]) => ({ type: 'sequence' as const, asns })

const nextHop = '192.0.2.99' as NonNullable<PathAttributes['nextHop']>

const SAID: readonly Partial<PathAttributes>[] = [
  { nextHop },
  { nextHop, localPref: 200 },
  { asPath: [sequence(65001, LOCAL_AS)] },
  { asPath: [sequence(65001, LOCAL_AS, LOCAL_AS)] },
  { asPath: [sequence(65001), { type: 'set', asns: [65010, 65011] }] },
  { communities: [COMMUNITIES.GRACEFUL_SHUTDOWN, 7] },
  { communities: [COMMUNITIES.BLACKHOLE] },
  { onlyToCustomer: 65001 },
  { onlyToCustomer: 65009 },
]

interface Place {
  readonly name: string
  readonly peerAs: number
  readonly changes: Partial<PeerConfig>
}

const PEERS: readonly Place[] = [
  { name: 'outside', peerAs: 65001, changes: {} },
  { name: 'renamed', peerAs: 65001, changes: { localAs: asn(65100) } },
  { name: 'lateral', peerAs: 65001, changes: { options: { role: 'peer' } } },
  { name: 'inside', peerAs: LOCAL_AS, changes: {} },
  { name: 'another', peerAs: LOCAL_AS, changes: {} },
]

type Step =
  | { readonly do: 'say'; readonly peer: number; readonly prefix: number; readonly said: number }
  | { readonly do: 'withdraw'; readonly peer: number; readonly prefix: number }
  | { readonly do: 'rule'; readonly peer: number; readonly rules: number }
  | { readonly do: 'fall'; readonly peer: number }

const below = (count: number) => fc.nat({ max: count - 1 })
const peer = below(PEERS.length)
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('say' as const),
        peer,
        prefix: below(4),
        said: below(9),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('withdraw' as const), peer, prefix: below(4) }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant('rule' as const), peer, rules: below(RULES.length) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('fall' as const), peer }) },
  ),
  { maxLength: 40 },
)

/** A bench, and what has been said and ruled on it. */
class Stage {
  readonly bench = new Bench()
  readonly peers: Scripted[]
  readonly rules: number[] = PEERS.map(() => 0)
  readonly said = PEERS.map(() => new Map<number, number>())

  constructor(rules: readonly number[]) {
    this.peers = PEERS.map(({ name, peerAs, changes }) => this.bench.peer(name, peerAs, changes))
    for (const [at, which] of rules.entries()) this.rule(at, which)
    this.bench.configure()
    for (const each of this.peers) each.up()
  }

  rule(at: number, which: number): void {
    this.rules[at] = which
    const scripted = this.peers[at]!
    const { importRules: _before, ...rest } = scripted.config
    const importRules = RULES[which]
    Object.assign(scripted, { config: { ...rest, ...(importRules && { importRules }) } })
  }

  run(step: Step): void {
    const scripted = this.peers[step.peer]!
    const said = this.said[step.peer]!
    switch (step.do) {
      case 'say':
        said.set(step.prefix, step.said)
        scripted.announce(SAID[step.said]!, PREFIXES[step.prefix]!)
        return
      case 'withdraw':
        said.delete(step.prefix)
        scripted.withdraw(PREFIXES[step.prefix]!)
        return
      case 'rule':
        this.rule(step.peer, step.rules)
        this.bench.configure()
        return
      case 'fall':
        said.clear()
        scripted.down()
        scripted.up()
        return
      default:
        step satisfies never
    }
  }

  /** All paths of all prefixes, and how many of each peer's count. */
  seen() {
    const { speaker } = this.bench
    const { acceptances } = speaker.tables.locRibs.ipv4
    return {
      routes: PREFIXES.map(each => speaker.lookup(each)[0]?.paths ?? []),
      accepted: PEERS.map(({ name }) => acceptances.accepted(speaker.peer(name)!.id)),
    }
  }

  wrong(): string[] {
    return [
      ...checkReferences(this.bench),
      ...checkAccepted(this.bench),
      ...checkDecisions(this.bench),
    ]
  }
}

test('what counts depends on what was said and on the rules, not on their order', t => {
  fc.assert(
    fc.property(steps, taken => {
      const stage = new Stage(PEERS.map(() => 0))
      for (const step of taken) stage.run(step)
      t.deepEqual(stage.wrong(), [])
      // rules first, then each route once, those of the last peer first
      const fresh = new Stage(stage.rules)
      for (const [at, said] of [...stage.said.entries()].reverse())
        for (const [which, what] of [...said].reverse())
          fresh.run({ do: 'say', peer: at, prefix: which, said: what })
      t.deepEqual(stage.seen(), fresh.seen())
    }),
    { numRuns: 150 },
  )
})

test('nothing is left when all has been withdrawn, whatever the rules were', t => {
  fc.assert(
    fc.property(steps, taken => {
      const stage = new Stage(PEERS.map(() => 0))
      for (const step of taken) stage.run(step)
      for (const scripted of stage.peers) scripted.withdraw(...PREFIXES)
      t.is(stage.bench.speaker.tables.sets.size, 0)
      t.deepEqual(stage.wrong(), [])
    }),
    { numRuns: 100 },
  )
})
