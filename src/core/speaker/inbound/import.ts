import { invariant, type Writer } from '../../base/index.ts'
import type { Family } from '../../net/index.ts'
import {
  type AttributeSetId,
  attributeContext,
  NO_SET,
  type PeerId,
  writeNextHop,
} from '../../rib/index.ts'
import {
  type AttributeContext,
  checkNlri,
  decodeAttributes,
  type Fault,
  locateUpdate,
  missingMandatory,
  type Negotiated,
  type PathAttributes,
  type Remedy,
  type RoutesLocation,
  remedyOf,
  splitUpdate,
  type Update,
  type UpdateLocation,
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

/** An UPDATE, its parts located but not decoded, and whose it is. */
interface Received {
  readonly body: Uint8Array
  readonly at: Readonly<UpdateLocation>
  readonly from: Sender
}

/** Reads UPDATEs of any peer. Keeps nothing between two of them but memory to work in. */
export class Importer {
  readonly #tables: Tables
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
    const at = locateUpdate(body)
    if (at.fits) {
      verdict.rows += Math.floor((at.nlri - at.attributes) / ROW_OCTETS)
      this.#apply({ body, at, from }, verdict)
    } else verdict.reset = tooLong(body)
    return verdict
  }

  #apply(received: Received, verdict: Verdict): void {
    const { body, at, from } = received
    verdict.endOfRib = endOfRibOf(body, at)
    if (verdict.endOfRib !== undefined) return
    verdict.reset = checkRoutes(received, verdict)
    if (verdict.reset !== undefined) return
    const classic = at.nlri < body.length
    const reached = hasRoutes(at.reach)
    const { sets } = this.#tables
    let set: AttributeSetId = NO_SET
    let reachSet: AttributeSetId = NO_SET
    if (!at.sound || (isBeyondUnreach(at) && !classic && !reached)) {
      if (this.#judge(body, from, verdict)) return
    } else {
      if (classic) set = this.#known(received, false)
      if (reached) reachSet = this.#known(received, true)
      if ((classic && set === NO_SET) || (reached && reachSet === NO_SET)) {
        const decoded = this.#decode(received, verdict)
        if (set !== NO_SET) sets.release(set)
        if (reachSet !== NO_SET) sets.release(reachSet)
        if (decoded === undefined) return
        set = decoded.set
        reachSet = decoded.reachSet
      }
    }
    const { reach, unreach } = at
    this.#write(received, 2, at.withdrawnEnd, 'ipv4', NO_SET, verdict)
    this.#write(received, unreach.nlri, unreach.end, unreach.family, NO_SET, verdict)
    this.#write(received, at.nlri, body.length, 'ipv4', set, verdict)
    this.#write(received, reach.nlri, reach.end, reach.family, reachSet, verdict)
    if (set !== NO_SET) sets.release(set)
    if (reachSet !== NO_SET) sets.release(reachSet)
  }

  /**
   * The set that was interned for these octets before, held; `NO_SET` where the codec must be
   * asked.
   *
   * @param reached  for the routes of MP_REACH_NLRI
   */
  #known(received: Received, reached: boolean): AttributeSetId {
    const { at, from } = received
    if (reached && !isAgreed(at, from)) return NO_SET
    const { buffer, length } = this.#compose(received, reached)
    return this.#tables.sets.find(buffer, length, contextOf(from))
  }

  #linkOf({ interface: name }: Sender): number {
    return name === undefined ? 0 : this.#tables.nextHops.link(name)
  }

  /** Writes the record of these octets: without the two attributes that carry routes. */
  #compose({ body, at, from }: Received, reached: boolean): Writer {
    const { reach, unreach } = at
    const record = this.#tables.sets.draft
    record.reset()
    if (reached) writeNextHop(body, reach.nextHop, reach.nextHopEnd, this.#linkOf(from), record)
    else record.u8(0)
    const unreachFirst = unreach.start < reach.start
    const between = copyBefore(body, at.attributes, unreachFirst ? unreach : reach, record)
    const rest = copyBefore(body, between, unreachFirst ? reach : unreach, record)
    record.copy(body, rest, at.nlri)
    return record
  }

  /** Asks the codec. Undefined: the session is to be reset. `NO_SET`: the routes are withdrawn. */
  #decode(
    received: Received,
    verdict: Verdict,
  ): { set: AttributeSetId; reachSet: AttributeSetId } | undefined {
    const { body, at, from } = received
    const update = sectionsOf(body)
    const decoded = decodeAttributes(update.attributes, contextFor(from))
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
      result.set = this.#intern(attributes, received, { reached: false, clean }, verdict)
    }
    if (hasRoutes(at.reach)) {
      const how = { reached: true, clean }
      result.reachSet = this.#intern(decoded.attributes, received, how, verdict)
    }
    return result
  }

  #intern(
    attributes: PathAttributes,
    received: Received,
    { reached, clean }: { readonly reached: boolean; readonly clean: boolean },
    verdict: Verdict,
  ): AttributeSetId {
    const { from } = received
    const missing = missingMandatory(attributes, contextFor(from))
    if (missing !== undefined) {
      verdict.faults.push(missing)
      return NO_SET
    }
    const { sets } = this.#tables
    const link = this.#linkOf(from)
    const set = sets.intern(link === 0 ? attributes : { ...attributes, nextHopLink: link })
    if (set === NO_SET) verdict.full = sets.full
    else if (clean) {
      const { buffer, length } = this.#compose(received, reached)
      sets.remember(buffer, length, contextOf(from), set)
    }
    return set
  }

  /**
   * Attributes without routes, or broken ones. True when the session is to be reset. RFC 7606 §5.2
   */
  #judge(body: Uint8Array, from: Sender, verdict: Verdict): boolean {
    const update = sectionsOf(body)
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

  /**
   * Puts `set` in the rows of octets `start` to `end` of the body, or takes the peer's paths out
   * for `NO_SET`.
   */
  #write(
    { body, from }: Received,
    start: number,
    end: number,
    family: Family | undefined,
    set: AttributeSetId,
    verdict: Verdict,
  ): void {
    if (start >= end || family === undefined) return
    const { bounds, id: peer, negotiated } = from
    // RFC 4760 §7: routes of a family that was not agreed on are not looked at
    if (!negotiated.families.includes(family)) return
    const locRib = this.#tables.locRibs[family]
    const nlri = { bytes: body, start, end }
    const bound = bounds.get(family)
    const identified = negotiated.addPathReceive.includes(family)
    if (bound !== undefined && set !== NO_SET)
      putBounded(locRib, nlri, peer, { set, bound, identified }, verdict)
    else if (identified) putIdentified(locRib, nlri, peer, set, verdict)
    else if (set === NO_SET) withdraw(locRib, nlri, peer)
    else if (!announce(locRib, nlri, peer, set)) verdict.full = FULL_PREFIXES
  }
}

/** RFC 7606 §5.3: routes that do not parse reset the session, before anything is applied. */
function checkRoutes(received: Received, verdict: Verdict): Fault | undefined {
  const { body, at } = received
  const { reach, unreach } = at
  return (
    countRoutes(received, 2, at.withdrawnEnd, 'ipv4', verdict) ??
    countRoutes(received, at.nlri, body.length, 'ipv4', verdict) ??
    countRoutes(received, reach.nlri, reach.end, reach.family, verdict) ??
    countRoutes(received, unreach.nlri, unreach.end, unreach.family, verdict)
  )
}

/** Adds the routes of a field to what the UPDATE cost; a fault where they do not parse. */
function countRoutes(
  { body, from }: Received,
  start: number,
  end: number,
  family: Family | undefined,
  verdict: Verdict,
): Fault | undefined {
  if (start >= end || family === undefined) return undefined
  const identified = from.negotiated.addPathReceive.includes(family)
  const count = checkNlri(body, family, identified, start, end)
  if (typeof count !== 'number') return count
  verdict.rows += count
  return undefined
}

/** Copies what is before an attribute, from `start` on; returns where it goes on behind it. */
function copyBefore(body: Uint8Array, start: number, not: RoutesLocation, to: Writer): number {
  if (not.start < 0) return start
  to.copy(body, start, not.start)
  return not.end
}

/** What a reset says where the codec gave no fault of its own. */
const MALFORMED: Fault = updateFault('session-reset', 1, 'the attributes are malformed')

/** The sections as the codec takes them. */
function sectionsOf(body: Uint8Array): Update {
  const update = splitUpdate(body)
  invariant(!('remedy' in update), 'sections that fit are sections')
  return update
}

function tooLong(body: Uint8Array): Fault {
  const update = splitUpdate(body)
  return 'remedy' in update ? update : MALFORMED
}

const hasRoutes = ({ family, nlri, end }: RoutesLocation): boolean =>
  family !== undefined && nlri < end

/** Attributes other than MP_UNREACH_NLRI are there. */
function isBeyondUnreach({ attributes, nlri, unreach }: Readonly<UpdateLocation>): boolean {
  return nlri - attributes > (unreach.start < 0 ? 0 : unreach.end - unreach.start)
}

/** RFC 4724 §2: an UPDATE without anything, or with an empty MP_UNREACH_NLRI and nothing else. */
function endOfRibOf(body: Uint8Array, at: Readonly<UpdateLocation>): Family | undefined {
  const { unreach, withdrawnEnd, attributes, nlri } = at
  if (withdrawnEnd > 2 || nlri < body.length || !at.sound || isBeyondUnreach(at)) return undefined
  if (nlri === attributes) return 'ipv4'
  return unreach.nlri === unreach.end ? unreach.family : undefined
}

const contextFor = ({ external, negotiated }: Sender): AttributeContext => ({
  ebgp: external,
  fourOctetAs: negotiated.fourOctetAs,
  extendedNextHop: negotiated.extendedNextHop,
})

/** False for the IPv6 next hop of IPv4 routes that was not agreed on. RFC 8950 §4 */
const isAgreed = ({ reach }: Readonly<UpdateLocation>, { negotiated }: Sender): boolean =>
  reach.nextHopEnd - reach.nextHop === 4 || negotiated.extendedNextHop || reach.family !== 'ipv4'

const contextOf = ({ external, negotiated }: Sender): number =>
  attributeContext({ external, fourOctetAs: negotiated.fourOctetAs })
