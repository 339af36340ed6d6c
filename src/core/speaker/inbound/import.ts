import { Writer } from '../../base/index.ts'
import type { Family } from '../../net/index.ts'
import {
  type AttributeSetId,
  attributeContext,
  NO_SET,
  type PeerId,
  RECORD_OCTETS_MAX,
  writeNextHop,
} from '../../rib/index.ts'
import {
  type AttributeContext,
  checkNlri,
  decodeAttributes,
  type Fault,
  familyOfAfiSafi,
  locateReach,
  missingMandatory,
  type Negotiated,
  type PathAttributes,
  type Reach,
  type Remedy,
  reachAt,
  remedyOf,
  splitUpdate,
  type Unreach,
  type Update,
  unreachAt,
  updateFault,
} from '../../wire/index.ts'
import { FULL_PREFIXES, type Tables } from '../tables.ts'
import { type Bound, putBounded, type Shortage } from './bounded.ts'
import { announce, putIdentified, withdraw } from './put.ts'

/**
 * UPDATEs into the Adj-RIBs-In.
 *
 * The routes of an UPDATE are in four places: withdrawn routes and NLRI for IPv4, MP_UNREACH_NLRI
 * and MP_REACH_NLRI for any family. Attributes are looked up by their octets first, next hop in
 * front and the two attributes that carry routes cut out; the codec decodes only what was never
 * seen.
 */

/** Whose UPDATE it is. */
export interface Sender {
  readonly id: PeerId
  readonly external: boolean
  readonly negotiated: Negotiated
  /** the link that its session is bound to: link-local next hops are on it */
  readonly interface: string | undefined
  /** how many routes it may have; none where it may have any number */
  readonly bounds: ReadonlyMap<Family, Bound>
}

/** What an UPDATE did. One object for all calls. */
export interface Verdict extends Shortage {
  /** the session must be reset with this; nothing of the UPDATE was applied */
  reset: Fault | undefined
  /** milder faults, each with the remedy that was applied */
  readonly faults: Fault[]
  /** what it cost: routes that it named, and its attributes; at least 1 */
  rows: number
  /** it was the End-of-RIB of this family. RFC 4724 §2 */
  endOfRib: Family | undefined
}

/**
 * Octets of attributes that cost as much as a row of the tables. A peer may send other ones, and
 * many, with each route: they are looked up, and mostly decoded, written and looked up again.
 */
const ROW_OCTETS = 32

/** The parts of an UPDATE, located but not decoded. */
interface Parts {
  readonly update: Update
  readonly reach: Reach | undefined
  readonly unreach: Unreach | undefined
  /**
   * MP_REACH_NLRI or MP_UNREACH_NLRI are broken or there twice: only the codec can say what that
   * means
   */
  readonly sound: boolean
  /** attributes other than MP_UNREACH_NLRI are there */
  readonly beyondUnreach: boolean
}

/** Reads UPDATEs of any peer. Keeps nothing between two of them but memory to work in. */
export class Importer {
  readonly #tables: Tables
  readonly #record = new Writer(RECORD_OCTETS_MAX)
  readonly #verdict: Verdict = {
    reset: undefined,
    faults: [],
    rows: 1,
    endOfRib: undefined,
    full: undefined,
    crowded: false,
  }

  constructor(tables: Tables) {
    this.#tables = tables
  }

  /**
   * Applies one UPDATE.
   *
   * @param body  after the message's header
   * @returns one object for all calls: valid until the next one
   */
  update(body: Uint8Array, from: Sender): Readonly<Verdict> {
    const verdict = this.#verdict
    verdict.reset = undefined
    verdict.faults.length = 0
    verdict.rows = 1
    verdict.endOfRib = undefined
    verdict.full = undefined
    verdict.crowded = false
    const update = splitUpdate(body)
    if ('remedy' in update) {
      verdict.reset = update
      return verdict
    }
    verdict.rows += Math.floor(update.attributes.length / ROW_OCTETS)
    this.#apply(locate(update), from, verdict)
    return verdict
  }

  #apply(parts: Parts, from: Sender, verdict: Verdict): void {
    const { update, reach, unreach } = parts
    verdict.endOfRib = endOfRibOf(parts)
    if (verdict.endOfRib !== undefined) return
    const broken = this.#checkRoutes(parts, from, verdict)
    if (broken !== undefined) {
      verdict.reset = broken
      return
    }
    const announces = update.nlri.length > 0 || (reach !== undefined && reach.nlri.length > 0)
    const { sets } = this.#tables
    let set: AttributeSetId = NO_SET
    let reachSet: AttributeSetId = NO_SET
    if (!parts.sound || (parts.beyondUnreach && !announces)) {
      if (this.#judge(update, from, verdict)) return
    } else {
      if (update.nlri.length > 0) set = this.#known(update, undefined, from)
      if (reach !== undefined && reach.nlri.length > 0) reachSet = this.#known(update, reach, from)
      const missing =
        (update.nlri.length > 0 && set === NO_SET) ||
        (reach !== undefined && reach.nlri.length > 0 && reachSet === NO_SET)
      if (missing) {
        const decoded = this.#decode(update, reach, from, verdict)
        if (set !== NO_SET) sets.release(set)
        if (reachSet !== NO_SET) sets.release(reachSet)
        if (decoded === undefined) return
        set = decoded.set
        reachSet = decoded.reachSet
      }
    }
    this.#write(update.withdrawn, 'ipv4', NO_SET, from, verdict)
    if (unreach !== undefined) this.#write(unreach.nlri, familyIn(unreach), NO_SET, from, verdict)
    this.#write(update.nlri, 'ipv4', set, from, verdict)
    if (reach !== undefined) this.#write(reach.nlri, familyIn(reach), reachSet, from, verdict)
    if (set !== NO_SET) sets.release(set)
    if (reachSet !== NO_SET) sets.release(reachSet)
  }

  /** RFC 7606 §5.3: routes that do not parse reset the session, before anything is applied. */
  #checkRoutes(
    { update, reach, unreach }: Parts,
    { negotiated }: Sender,
    verdict: Verdict,
  ): Fault | undefined {
    return (
      countRoutes(update.withdrawn, 'ipv4', negotiated, verdict) ??
      countRoutes(update.nlri, 'ipv4', negotiated, verdict) ??
      (reach && countRoutes(reach.nlri, familyIn(reach), negotiated, verdict)) ??
      (unreach && countRoutes(unreach.nlri, familyIn(unreach), negotiated, verdict))
    )
  }

  /**
   * The set that was interned for these octets before, held; `NO_SET` where the codec must be
   * asked.
   */
  #known(update: Update, reach: Reach | undefined, from: Sender): AttributeSetId {
    if (reach !== undefined && !isAgreed(reach, from)) return NO_SET
    const length = this.#compose(update, reach, from)
    return this.#tables.sets.find(this.#record.buffer, length, contextOf(from))
  }

  #linkOf({ interface: name }: Sender): number {
    return name === undefined ? 0 : this.#tables.nextHops.link(name)
  }

  /** Writes the record of these octets; returns its length. */
  #compose({ attributes }: Update, reach: Reach | undefined, from: Sender): number {
    const record = this.#record
    record.reset()
    if (reach === undefined) record.u8(0)
    else writeNextHop(reach.nextHop, this.#linkOf(from), record)
    const at = locateReach(attributes)
    if (at.reachStart < 0 && at.unreachStart < 0) {
      record.put(attributes)
      return record.length
    }
    const unreachFirst = at.unreachStart >= 0 && at.unreachStart < at.reachStart
    const first = unreachFirst || at.reachStart < 0 ? at.unreachStart : at.reachStart
    const firstEnd = first === at.reachStart ? at.reachEnd : at.unreachEnd
    const second = first === at.reachStart ? at.unreachStart : at.reachStart
    record.put(attributes.subarray(0, first))
    if (second < 0) record.put(attributes.subarray(firstEnd))
    else {
      record.put(attributes.subarray(firstEnd, second))
      record.put(attributes.subarray(first === at.reachStart ? at.unreachEnd : at.reachEnd))
    }
    return record.length
  }

  /** Asks the codec. Undefined: the session is to be reset. `NO_SET`: the routes are withdrawn. */
  #decode(
    update: Update,
    reach: Reach | undefined,
    from: Sender,
    verdict: Verdict,
  ): { set: AttributeSetId; reachSet: AttributeSetId } | undefined {
    const context = contextFor(from)
    const decoded = decodeAttributes(update.attributes, context)
    const remedy = remedyOf(decoded, update)
    if (this.#faults(decoded.faults, remedy, verdict)) return undefined
    const none = { set: NO_SET, reachSet: NO_SET }
    if (remedy === 'treat-as-withdraw') return none
    const clean = decoded.faults.length === 0
    const result = { ...none }
    if (update.nlri.length > 0) {
      const { linkLocalNextHop: _linkLocal, nextHop: _nextHop, ...rest } = decoded.attributes
      const nextHop = decoded.nextHopAttribute
      const attributes = nextHop === undefined ? rest : { ...rest, nextHop }
      result.set = this.#intern(attributes, update, undefined, from, clean, verdict)
    }
    if (reach !== undefined && reach.nlri.length > 0)
      result.reachSet = this.#intern(decoded.attributes, update, reach, from, clean, verdict)
    return result
  }

  #intern(
    attributes: PathAttributes,
    update: Update,
    reach: Reach | undefined,
    from: Sender,
    clean: boolean,
    verdict: Verdict,
  ): AttributeSetId {
    const missing = missingMandatory(attributes, contextFor(from))
    if (missing !== undefined) {
      verdict.faults.push(missing)
      return NO_SET
    }
    const { sets } = this.#tables
    const link = this.#linkOf(from)
    const set = sets.intern(link === 0 ? attributes : { ...attributes, nextHopLink: link })
    if (set === NO_SET) verdict.full = sets.full
    else if (clean)
      sets.remember(this.#record.buffer, this.#compose(update, reach, from), contextOf(from), set)
    return set
  }

  /**
   * Attributes without routes, or broken ones. True when the session is to be reset. RFC 7606 §5.2
   */
  #judge(update: Update, from: Sender, verdict: Verdict): boolean {
    const decoded = decodeAttributes(update.attributes, contextFor(from))
    return this.#faults(decoded.faults, remedyOf(decoded, update), verdict)
  }

  #faults(faults: readonly Fault[], remedy: Remedy | undefined, verdict: Verdict): boolean {
    if (remedy !== 'session-reset') {
      verdict.faults.push(...faults)
      return false
    }
    const worst = faults.find(fault => fault.remedy === remedy) ?? faults[0]
    verdict.reset = { ...(worst ?? MALFORMED), remedy }
    return true
  }

  /** Puts `set` in the rows of `nlri`, or takes the peer's paths out for `NO_SET`. The hot loop. */
  #write(
    nlri: Uint8Array,
    family: Family | undefined,
    set: AttributeSetId,
    from: Sender,
    verdict: Verdict,
  ): void {
    if (nlri.length === 0 || family === undefined) return
    // RFC 4760 §7: routes of a family that was not agreed on are not looked at
    if (!from.negotiated.families.includes(family)) return
    const locRib = this.#tables.locRibs[family]
    const bound = from.bounds.get(family)
    if (bound !== undefined && set !== NO_SET) {
      const identified = from.negotiated.addPathReceive.includes(family)
      putBounded(locRib, nlri, from.id, { set, bound, identified }, verdict)
    } else if (from.negotiated.addPathReceive.includes(family))
      putIdentified(locRib, nlri, from.id, set, verdict)
    else if (set === NO_SET) withdraw(locRib, nlri, from.id)
    else if (!announce(locRib, nlri, from.id, set)) verdict.full = FULL_PREFIXES
  }
}

/** Adds the routes of a field to what the UPDATE cost; a fault where they do not parse. */
function countRoutes(
  nlri: Uint8Array,
  family: Family | undefined,
  { addPathReceive }: Negotiated,
  verdict: Verdict,
): Fault | undefined {
  if (nlri.length === 0 || family === undefined) return undefined
  const count = checkNlri(nlri, family, addPathReceive.includes(family))
  if (typeof count !== 'number') return count
  verdict.rows += count
  return undefined
}

/** What a reset says where the codec gave no fault of its own. */
const MALFORMED: Fault = updateFault('session-reset', 1, 'the attributes are malformed')

function locate(update: Update): Parts {
  const { attributes } = update
  if (attributes.length === 0)
    return { update, reach: undefined, unreach: undefined, sound: true, beyondUnreach: false }
  const at = locateReach(attributes)
  const { reachStart, reachEnd, unreachStart, unreachEnd } = at
  const reach = reachStart < 0 ? undefined : reachAt(attributes, reachStart, reachEnd)
  const unreach = unreachStart < 0 ? undefined : unreachAt(attributes, unreachStart, unreachEnd)
  const broken = isFault(reach) || isFault(unreach)
  const unreachOctets = unreachStart < 0 ? 0 : unreachEnd - unreachStart
  return {
    update,
    reach:
      isFault(reach) || reach === undefined || familyIn(reach) === undefined ? undefined : reach,
    unreach: isFault(unreach) ? undefined : unreach,
    sound: at.sound && !broken,
    beyondUnreach: attributes.length > unreachOctets,
  }
}

const isFault = (value: object | undefined): value is Fault =>
  value !== undefined && 'remedy' in value

/** RFC 4724 §2: an UPDATE without anything, or with an empty MP_UNREACH_NLRI and nothing else. */
function endOfRibOf({ update, unreach, sound, beyondUnreach }: Parts): Family | undefined {
  if (update.withdrawn.length > 0 || update.nlri.length > 0 || !sound || beyondUnreach)
    return undefined
  if (update.attributes.length === 0) return 'ipv4'
  return unreach !== undefined && unreach.nlri.length === 0 ? familyIn(unreach) : undefined
}

const familyIn = ({ afi, safi }: Reach | Unreach): Family | undefined => familyOfAfiSafi(afi, safi)

const contextFor = ({ external, negotiated }: Sender): AttributeContext => ({
  ebgp: external,
  fourOctetAs: negotiated.fourOctetAs,
  extendedNextHop: negotiated.extendedNextHop,
})

/** False for the IPv6 next hop of IPv4 routes that was not agreed on. RFC 8950 §4 */
const isAgreed = (reach: Reach, { negotiated }: Sender): boolean =>
  reach.nextHop.length === 4 || negotiated.extendedNextHop || familyIn(reach) !== 'ipv4'

const contextOf = ({ external, negotiated }: Sender): number =>
  attributeContext({ external, fourOctetAs: negotiated.fourOctetAs })
