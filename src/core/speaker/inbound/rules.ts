import type { Family, PrefixId } from '../../net/index.ts'
import { applyAction, type Program, REJECTED, UNCHANGED } from '../../policy/index.ts'
import {
  type Acceptor,
  AS_RECEIVED,
  type AttributeSetId,
  EVERY_SET,
  FACTS,
  NO_SET,
  REFUSED_FIRST,
} from '../../rib/index.ts'
import { COMMUNITIES, type PathAttributes, prepended, type Role } from '../../wire/index.ts'
import { Judge } from '../export/judge.ts'
import type { Tables } from '../tables.ts'

/**
 * What is asked of the paths of a peer, and what they become, before they are candidates: RFC 4271
 * §9.1.1 and §9.1.2, RFC 7999, RFC 8326, RFC 9234, RFC 9774, and what the operator wants.
 */

/** What decides what paths count as: peers with equal rules share the answers. */
export interface InboundRules {
  readonly family: Family
  readonly external: boolean
  /** our AS, and what the peer knows it as: a path with one of them is a loop, */
  readonly ownAses: readonly number[]
  /** unless it has each at most so often */
  readonly ownAsMost: number
  /** this node has AS numbers beside them, for other peers: alone, they make no loop here */
  readonly hasOtherAses: boolean
  /** departs from RFC 9774 §3 where it is false, the default: routers around still send them */
  readonly refuseAsSets: boolean
  /** put in front of the path */
  readonly prepend: number | undefined
  /** what we are to the peer, and which AS that is. RFC 9234 */
  readonly role: Role | undefined
  readonly peerAs: number | undefined
  /** undefined: everything is accepted as it is */
  readonly policy: Program | undefined
}

/** Rules as text: equal texts, equal answers. */
export function inboundText({ policy, ...rules }: InboundRules): string {
  return `${JSON.stringify(Object.entries(rules))}\n${policy?.text ?? ''}`
}

const REASONS = [
  'import policy refuses it',
  'AS_SET in AS_PATH',
  'a route leak: OTC from a customer',
  'a route leak: OTC of another AS from a lateral peer',
  'no room for what import rules add',
] as const

/** The number that stands for a reason in the tables. */
const refusal = (reason: (typeof REASONS)[number]): number =>
  REFUSED_FIRST - REASONS.indexOf(reason)

const BY_POLICY = refusal('import policy refuses it')

/** Applies one set of rules. The outcomes of the policy are its forms. */
export class RulesAcceptor implements Acceptor {
  readonly concerns: number
  readonly refuses: boolean
  readonly reasons = REASONS
  readonly #rules: InboundRules
  readonly #tables: Tables
  readonly #judge: Judge | undefined

  constructor(rules: InboundRules, tables: Tables) {
    this.#rules = rules
    this.#tables = tables
    const { family, policy, refuseAsSets, role } = rules
    this.concerns = concernsOf(rules)
    this.refuses = policy !== undefined || refuseAsSets || role !== undefined
    this.#judge = policy && new Judge(policy, family, tables)
  }

  form(row: PrefixId, set: AttributeSetId): number {
    const outcome = this.#judge?.outcome(row, set, false) ?? UNCHANGED
    return outcome === REJECTED ? BY_POLICY : outcome
  }

  make(set: AttributeSetId, outcome: number): number {
    const { sets } = this.#tables
    const facts = sets.facts[set]!
    const { refuseAsSets } = this.#rules
    if (refuseAsSets && (facts & FACTS.HAS_AS_SET) !== 0) return refusal('AS_SET in AS_PATH')
    if (outcome === UNCHANGED && !this.#mayMatter(facts)) return AS_RECEIVED
    const received = sets.attributes(set)
    const leak = this.#leak(received)
    if (leak !== undefined) return leak
    // the set is a loop, and remains one
    if ((facts & REFLECTION_LOOPS) !== 0) return AS_RECEIVED
    if ((facts & FACTS.AS_LOOP) !== 0 && this.#isLoop(received)) return AS_RECEIVED
    const accepted = sets.accepted(set, this.#changed(received, outcome))
    if (accepted === NO_SET) return refusal('no room for what import rules add')
    return accepted === set ? AS_RECEIVED : accepted
  }

  /** False where rules other than the policy leave the set alone: it need not be decoded. */
  #mayMatter(facts: number): boolean {
    const { prepend, role } = this.#rules
    return prepend !== undefined || role !== undefined || (facts & this.concerns) !== 0
  }

  /** RFC 9234 §5, the first two rules on ingress. */
  #leak({ onlyToCustomer }: PathAttributes): number | undefined {
    const { role, peerAs } = this.#rules
    if (onlyToCustomer === undefined) return undefined
    if (role === 'provider' || role === 'route-server')
      return refusal('a route leak: OTC from a customer')
    return role === 'peer' && onlyToCustomer !== peerAs
      ? refusal('a route leak: OTC of another AS from a lateral peer')
      : undefined
  }

  /** RFC 4271 §9.1.2, as far as the operator does not allow it. */
  #isLoop({ asPath = [] }: PathAttributes): boolean {
    const { ownAses, ownAsMost } = this.#rules
    const all = asPath.flatMap(({ asns }) => asns)
    return ownAses.some(own => all.filter(asn => asn === own).length > ownAsMost)
  }

  #changed(received: PathAttributes, outcome: number): PathAttributes {
    const { external, peerAs, policy, prepend, role } = this.#rules
    let attributes = received
    // RFC 9234 §5, the third rule on ingress
    if (peerAs !== undefined && addsOnlyToCustomer(role) && received.onlyToCustomer === undefined)
      attributes = { ...attributes, onlyToCustomer: peerAs }
    if (prepend !== undefined)
      attributes = { ...attributes, asPath: prepended(attributes.asPath ?? [], [prepend]) }
    if (policy !== undefined) attributes = policy.apply(outcome, attributes)
    return external ? fromOutside(attributes) : attributes
  }
}

const REFLECTION_LOOPS = FACTS.ORIGINATOR_LOOP | FACTS.CLUSTER_LOOP

/** What a set must be for the rules to matter to it: see `Acceptor.concerns`. */
export function concernsOf(rules: InboundRules): number {
  const { external, hasOtherAses, ownAsMost, policy, prepend, refuseAsSets, role } = rules
  const every = policy !== undefined || prepend !== undefined || addsOnlyToCustomer(role)
  return (
    (every ? EVERY_SET : 0) |
    (ownAsMost > 0 || hasOtherAses ? FACTS.AS_LOOP : 0) |
    (refuseAsSets ? FACTS.HAS_AS_SET : 0) |
    (role === undefined ? 0 : FACTS.HAS_OTC) |
    (external ? FACTS.BLACKHOLE | FACTS.GRACEFUL_SHUTDOWN : 0)
  )
}

/** True where the peer is a provider, a lateral peer or a route server. RFC 9234 §5 */
const addsOnlyToCustomer = (role: Role | undefined): boolean =>
  role === 'customer' || role === 'peer' || role === 'route-server-client'

/**
 * What communities of another AS ask of us, unless the policy has taken them away.
 *
 * RFC 7999 §3.2: a speaker that receives BLACKHOLE "SHOULD add the NO_ADVERTISE or NO_EXPORT
 * community": NO_EXPORT, so that all of our AS knows of it. What it asks for, discarding, is never
 * done by itself: §3.3 wants it agreed upon, §4 configured.
 *
 * RFC 8326 §4: GRACEFUL_SHUTDOWN has the lowest LOCAL_PREF, whatever the policy says of that.
 */
function fromOutside(attributes: PathAttributes): PathAttributes {
  const { communities = [] } = attributes
  const { BLACKHOLE, GRACEFUL_SHUTDOWN, NO_ADVERTISE, NO_EXPORT } = COMMUNITIES
  const confined = communities.includes(NO_ADVERTISE) || communities.includes(NO_EXPORT)
  const kept =
    communities.includes(BLACKHOLE) && !confined
      ? applyAction(attributes, { type: 'add-communities', communities: [NO_EXPORT] })
      : attributes
  return communities.includes(GRACEFUL_SHUTDOWN) ? { ...kept, localPref: 0 } : kept
}
