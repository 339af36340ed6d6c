import { FAMILIES, type Family } from '../../net/index.ts'
import type { Program, Programs } from '../../policy/index.ts'
import { Acceptance, type AttributeSetId, LOCAL_PEER } from '../../rib/index.ts'
import type { Peer } from '../peer.ts'
import type { Tables } from '../tables.ts'
import type { SpeakerConfig } from '../types.ts'
import { concernsOf, type InboundRules, inboundText, RulesAcceptor } from './rules.ts'

/** Which import rules each peer has: the counterpart of update groups. */

/** The AS numbers that this node has: its own, and those that peers know it by. Sorted. O(peers) */
function ownAsesOf({ localAs, peers, ranges = [] }: SpeakerConfig): readonly number[] {
  const others = [...peers, ...ranges.map(({ template }) => template)].map(peer => peer.localAs)
  return [...new Set<number>([localAs, ...others])].sort((a, b) => a - b)
}

/** What paths of `peer` are to be asked. */
function rulesOf(
  { config, external }: Peer,
  family: Family,
  speaker: SpeakerConfig,
  own: readonly number[],
  programs: Programs,
): InboundRules {
  const { allowOwnAs = 0, refuseAsSets = false, prependLocalAs, policy } = config.importRules ?? {}
  const known = [...new Set<number>([speaker.localAs, config.localAs])].sort((a, b) => a - b)
  // RFC 9234 §4: roles are for external sessions
  const role = external ? config.options?.role : undefined
  const prepends = prependLocalAs === true && external && config.localAs !== speaker.localAs
  return {
    family,
    external,
    ownAses: known,
    ownAsMost: allowOwnAs,
    hasOtherAses: own.some(asn => !known.includes(asn)),
    refuseAsSets,
    prepend: prepends ? config.localAs : undefined,
    role,
    peerAs: role && config.peerAs,
    policy: policy && programs.compile(policy),
  }
}

/** Gives peers their rules, and sees to it that equal ones are one. */
export class ImportRules {
  readonly #tables: Tables
  readonly #programs: Programs
  readonly #byText = new Map<string, Acceptance>()
  readonly #used = new Map<Acceptance, Program>()
  /** all our AS numbers */
  #own: readonly number[] = []

  constructor(tables: Tables, programs: Programs) {
    this.#tables = tables
    this.#programs = programs
    tables.onFreed(set => this.#forget(set))
  }

  /** All that are in use: for checks. */
  get all(): readonly Acceptance[] {
    return [...this.#byText.values()]
  }

  /** The programs in use. */
  get programs(): Iterable<Program> {
    return this.#used.values()
  }

  /**
   * Gives a peer the rules of its configuration. Its paths are decided again if that is news. Cheap
   * where it is none.
   */
  assign(peer: Peer, speaker: SpeakerConfig): void {
    for (const family of FAMILIES) {
      const { acceptances } = this.#tables.locRibs[family]
      const acceptance = this.#acceptanceOf(
        rulesOf(peer, family, speaker, this.#own, this.#programs),
      )
      if (acceptances.of(peer.id) !== acceptance) acceptances.assign(peer.id, acceptance)
    }
  }

  /**
   * The same for all peers; rules that none of them has any more go.
   *
   * @param all  every peer that may have paths, also those that are leaving
   */
  assignAll(peers: Iterable<Peer>, all: Iterable<Peer>, speaker: SpeakerConfig): void {
    for (const peer of peers) this.assign(peer, speaker)
    const used = new Set<Acceptance | undefined>()
    for (const { id } of all)
      for (const family of FAMILIES) used.add(this.#tables.locRibs[family].acceptances.of(id))
    for (const [text, acceptance] of this.#byText) {
      if (used.has(acceptance)) continue
      this.#byText.delete(text)
      this.#used.delete(acceptance)
      acceptance.clear()
    }
  }

  /**
   * Tells the tables who we are: loops are found by it. If that is news, all paths are decided
   * again.
   *
   * @param all  every peer that may have paths, also those that are leaving
   */
  identify(speaker: SpeakerConfig, all: Iterable<Peer>): void {
    const { routerId, clusterId = routerId } = speaker
    const { locRibs, peers, sets } = this.#tables
    peers.routerId[LOCAL_PEER] = routerId
    this.#own = ownAsesOf(speaker)
    if (!sets.identify({ asns: this.#own, routerId, clusterId })) return
    for (const acceptance of this.#byText.values()) acceptance.clear()
    for (const family of FAMILIES) locRibs[family].touchAll()
    for (const { id } of all)
      for (const family of FAMILIES) {
        const { acceptances } = locRibs[family]
        acceptances.assign(id, acceptances.of(id))
      }
  }

  /** Undefined where no set is concerned: the paths count as they are. */
  #acceptanceOf(rules: InboundRules): Acceptance | undefined {
    if (concernsOf(rules) === 0) return undefined
    const text = inboundText(rules)
    const known = this.#byText.get(text)
    if (known !== undefined) return known
    const acceptance = new Acceptance(this.#tables.sets, new RulesAcceptor(rules, this.#tables))
    this.#byText.set(text, acceptance)
    if (rules.policy !== undefined) this.#used.set(acceptance, rules.policy)
    return acceptance
  }

  #forget(set: AttributeSetId): void {
    for (const acceptance of this.#byText.values()) acceptance.forget(set)
  }
}
