import { Reader } from '../../base/index.ts'
import { type Address, formatAddress, isLinkLocal } from '../../net/index.ts'
import { familyOfAfiSafi } from '../families.ts'
import { severest, updateFault } from '../fault.ts'
import { FLAG, UPDATE_ERROR } from '../iana.ts'
import type { Fault, PathAttributes, Remedy, UnknownAttribute } from '../message.ts'
import { mergeFourOctet } from './four-octet.ts'
import { MP_REACH_NLRI } from './mp-reach.ts'
import { isHost, NEXT_HOP } from './next-hop.ts'
import type { AttributeContext, AttributeRules, Draft, Reach, Unreach } from './spec.ts'
import { type AttributeRow, rowOf } from './table.ts'

/**
 * The loop that reads a Path Attributes field by the table: it owns headers, flags, duplicates,
 * lengths, and what a NOTIFICATION would carry. RFC 4271 §4.3 and §6.3, RFC 7606.
 *
 *   octet 0      flags
 *   octet 1      code
 *   octet 2(..3) length; two octets where the flags say so
 *   octets …     value
 */

/**
 * Faults of one UPDATE that are kept; the remedy is of all of them. A message can hold thousands.
 */
export const UPDATE_FAULTS_MAX = 16

/** What a Path Attributes field says, and what is wrong with it. */
export interface DecodedAttributes {
  /** without those that were discarded; the next hop is MP_REACH_NLRI's where there is one */
  readonly attributes: PathAttributes
  readonly reach: Reach | undefined
  readonly unreach: Unreach | undefined
  /** NEXT_HOP itself: what the NLRI field of an UPDATE with MP_REACH_NLRI goes by */
  readonly nextHopAttribute: Address | undefined
  /** the first `UPDATE_FAULTS_MAX`, in the order of the field; one of them has `remedy` */
  readonly faults: readonly Fault[]
  /** the severest of all faults; see also `remedyOf` */
  readonly remedy: Remedy | undefined
}

/**
 * Decodes a Path Attributes field.
 *
 * Never throws; every fault is a value with its remedy. After a session reset nothing more is
 * decoded. Whether mandatory attributes are missing depends on the rest of the UPDATE:
 * `missingMandatory`.
 *
 * @param raw  the field. `reach` and `unreach` are views of it, everything else is copied
 */
export function decodeAttributes(raw: Uint8Array, context: AttributeContext): DecodedAttributes {
  const section = new Section(raw, context)
  section.walk()
  return section.finish()
}

class Section {
  readonly #raw: Uint8Array
  readonly #context: AttributeContext
  readonly #draft: Draft = {}
  /** codes below 32 as bits, and the others: a peer sends few of those */
  #seen = 0
  readonly #seenBeyond: number[] = []
  readonly #faults: Fault[] = []
  #unknown: UnknownAttribute[] | undefined
  #remedy: Remedy | undefined
  /** what is wrong with NEXT_HOP, which counts only where the routes go by it */
  #nextHopFault: Fault | undefined
  #reachWhole: Uint8Array | undefined
  /** where the attribute lies that is being read, header included */
  #start = 0
  #end = 0

  constructor(raw: Uint8Array, context: AttributeContext) {
    this.#raw = raw
    this.#context = context
  }

  walk(): void {
    const from = new Reader(this.#raw)
    while (from.remaining > 0 && this.#remedy !== 'session-reset') {
      this.#start = from.offset
      const flags = from.u8()
      const code = from.u8()
      const octets = (flags & FLAG.EXTENDED_LENGTH) === 0 ? from.u8() : from.u16()
      this.#end = from.offset + octets
      if (from.overrun || octets > from.remaining) {
        this.#truncated()
        return
      }
      this.#attribute(flags, code, new Reader(this.#raw, from.offset, this.#end))
      from.offset = this.#end
    }
  }

  finish(): DecodedAttributes {
    const draft = this.#draft
    const nextHopAttribute = draft.nextHop
    this.#judgeNextHop(draft)
    if (!this.#context.fourOctetAs) mergeFourOctet(draft)
    this.#takeNextHop(draft)
    if (this.#unknown !== undefined) draft.unknown = this.#unknown
    return {
      attributes: lasting(draft),
      reach: draft.reach,
      unreach: draft.unreach,
      nextHopAttribute,
      faults: this.#faults,
      remedy: this.#remedy,
    }
  }

  /**
   * RFC 7606 §4: the length of the whole field is relied upon, so that the NLRI behind it is found;
   * the routes are withdrawn.
   */
  #truncated(): void {
    this.#fault(
      updateFault(
        'treat-as-withdraw',
        UPDATE_ERROR.ATTRIBUTE_LENGTH_ERROR,
        `the attribute at octet ${this.#start} runs past the end of the attributes`,
        this.#raw.subarray(this.#start),
      ),
    )
  }

  /** The attribute as it came, flags octet included: what RFC 4271 §6.3 wants as data. */
  #whole(): Uint8Array {
    return this.#raw.subarray(this.#start, this.#end)
  }

  #attribute(flags: number, code: number, value: Reader): void {
    const row = rowOf(code)
    if (!this.#isFirst(code)) this.#duplicate(code, row)
    else if (row === undefined) this.#notKnown(flags, code, value)
    else this.#known(flags, row, value)
  }

  #isFirst(code: number): boolean {
    if (code >= 32) {
      if (this.#seenBeyond.includes(code)) return false
      this.#seenBeyond.push(code)
      return true
    }
    const bit = 1 << code
    const isFirst = (this.#seen & bit) === 0
    this.#seen |= bit
    return isFirst
  }

  /** RFC 7606 §3 (g): the first one counts, except for the two that carry routes. */
  #duplicate(code: number, row: AttributeRow | undefined): void {
    this.#fault(
      updateFault(
        row?.rules.once ? 'session-reset' : 'attribute-discard',
        UPDATE_ERROR.MALFORMED_ATTRIBUTE_LIST,
        `${row?.rules.name ?? `attribute ${code}`} appears more than once`,
        this.#whole(),
      ),
    )
  }

  /**
   * RFC 4271 §5 and §6.3: a well-known one must be known; optional transitive ones are passed on.
   */
  #notKnown(flags: number, code: number, value: Reader): void {
    if ((flags & FLAG.OPTIONAL) === 0)
      this.#fault(
        updateFault(
          'session-reset',
          UPDATE_ERROR.UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE,
          `attribute ${code} claims to be well-known, but is not`,
          this.#whole(),
        ),
      )
    else if ((flags & FLAG.TRANSITIVE) !== 0)
      this.#keep({ flags, code, value: value.rest().slice() })
  }

  #keep(attribute: UnknownAttribute): void {
    this.#unknown ??= []
    this.#unknown.push(attribute)
  }

  #known(flags: number, row: AttributeRow, value: Reader): void {
    const { rules } = row
    const stray = strayReason(rules, this.#context)
    if (stray !== undefined) {
      this.#fault(
        updateFault(
          'attribute-discard',
          UPDATE_ERROR.OPTIONAL_ATTRIBUTE_ERROR,
          stray,
          this.#whole(),
        ),
      )
      return
    }
    const fault = this.#read(flags, row, value)
    if (fault !== undefined && rules.code === NEXT_HOP.code) this.#nextHopFault = fault
    else if (fault !== undefined) this.#fault(fault)
    else if ((flags & FLAG.PARTIAL) !== 0 && isPassedOn(rules)) this.#isPartial(rules.code)
    if (rules.code === MP_REACH_NLRI.code) this.#reachWhole = this.#whole()
  }

  /** Flags, length, value: RFC 4271 §6.3, RFC 7606 §3 (c). Undefined where nothing is wrong. */
  #read(flags: number, row: AttributeRow, value: Reader): Fault | undefined {
    const { rules } = row
    const octets = value.remaining
    if ((flags & (FLAG.OPTIONAL | FLAG.TRANSITIVE)) !== rules.flags)
      return flagsFault(rules, flags, this.#whole())
    if (!rules.length(octets, this.#context)) {
      const why = `${rules.name} cannot be ${octets} octets long`
      const { ATTRIBUTE_LENGTH_ERROR } = UPDATE_ERROR
      return updateFault(rules.onMalformed, ATTRIBUTE_LENGTH_ERROR, why, this.#whole())
    }
    if (row.read(value, this.#context, this.#draft)) return undefined
    const why = `${rules.name} is malformed`
    return updateFault(rules.onMalformed, rules.subcode, why, this.#whole())
  }

  #isPartial(code: number): void {
    this.#draft.partial = [...(this.#draft.partial ?? []), code].sort((a, b) => a - b)
  }

  /**
   * The next hop of MP_REACH_NLRI, as an address or two. RFC 2545 §3, RFC 8950 §3
   *
   * Departs from RFC 7606 §7.11: an IPv6 next hop that was not agreed on costs the routes, not the
   * session. Its length is known, so that the NLRI behind it is found.
   */
  #takeNextHop(draft: Draft): void {
    const { reach } = draft
    if (reach === undefined) return
    const family = familyOfAfiSafi(reach.afi, reach.safi)
    if (family === undefined) return
    const { nextHop } = reach
    if (family === 'ipv4' && nextHop.length !== 4 && this.#context.extendedNextHop !== true) {
      this.#noNextHop(draft, 'an IPv4 route has an IPv6 next hop, which was not agreed on')
      return
    }
    const linkLocal = nextHop.length === 32 ? linkLocalIn(nextHop.subarray(16)) : undefined
    const own = nextHop.subarray(0, Math.min(nextHop.length, 16))
    if (isHost(own)) {
      draft.nextHop = formatAddress(own)
      if (linkLocal !== undefined) draft.linkLocalNextHop = linkLocal
      // BIRD's way of saying that it has no other address on the link
    } else if (linkLocal !== undefined && own.every(octet => octet === 0)) draft.nextHop = linkLocal
    else this.#noNextHop(draft, `${formatAddress(own)} cannot be the next hop of MP_REACH_NLRI`)
  }

  #noNextHop(draft: Draft, why: string): void {
    delete draft.nextHop
    const { INVALID_NEXT_HOP_ATTRIBUTE } = UPDATE_ERROR
    const whole = this.#reachWhole
    this.#fault(updateFault('treat-as-withdraw', INVALID_NEXT_HOP_ATTRIBUTE, why, whole))
  }

  /**
   * RFC 4760 §3: beside MP_REACH_NLRI the NEXT_HOP is to be ignored, and so is what is wrong with
   * it. Routes of the NLRI field, if there are any too, then lack one.
   */
  #judgeNextHop({ reach }: Draft): void {
    const fault = this.#nextHopFault
    if (fault === undefined) return
    this.#fault(reach === undefined ? fault : { ...fault, remedy: 'attribute-discard' })
  }

  /** Keeps the first faults, and always one that has the remedy of all. */
  #fault(fault: Fault): void {
    const remedy = severest(this.#remedy, fault.remedy)
    if (this.#faults.length < UPDATE_FAULTS_MAX) this.#faults.push(fault)
    else if (remedy !== this.#remedy) this.#faults[UPDATE_FAULTS_MAX - 1] = fault
    this.#remedy = remedy
  }
}

function linkLocalIn(octets: Uint8Array): Address | undefined {
  const address = formatAddress(octets)
  return isLinkLocal(address) ? address : undefined
}

/** What outlives the UPDATE: not its routes, nor what was merged into other attributes. */
function lasting(draft: Draft): PathAttributes {
  if (draft.reach ?? draft.unreach ?? draft.as4Path ?? draft.as4Aggregator) {
    const { reach: _r, unreach: _u, as4Path: _p, as4Aggregator: _a, ...attributes } = draft
    return attributes
  }
  return draft
}

/**
 * RFC 7606 §3 (c): a route with such an attribute is withdrawn. An attribute that carries routes is
 * taken for unreadable, and then nobody knows what to withdraw (§5.3, §3 j).
 */
function flagsFault(rules: AttributeRules, flags: number, whole: Uint8Array): Fault {
  const why = `${rules.name} has flags 0x${flags.toString(16).padStart(2, '0')}`
  return rules.once
    ? updateFault('session-reset', rules.subcode, why, whole)
    : updateFault('treat-as-withdraw', UPDATE_ERROR.ATTRIBUTE_FLAGS_ERROR, why, whole)
}

/** Whether an attribute keeps its Partial bit: what two-octet speakers are told is made anew. */
function isPassedOn({ flags, only }: AttributeRules): boolean {
  return flags === (FLAG.OPTIONAL | FLAG.TRANSITIVE) && only === undefined
}

/** Why an attribute that is known has no business on this session; undefined where it has. */
function strayReason(rules: AttributeRules, context: AttributeContext): string | undefined {
  if (rules.only === 'internal' && context.ebgp) return `${rules.name} from another AS`
  // RFC 6793 §4.1
  if (rules.only === 'two-octet' && context.fourOctetAs)
    return `${rules.name} from a peer that speaks four-octet AS numbers`
  return undefined
}

/**
 * The mandatory attribute that a route lacks: ORIGIN, AS_PATH, a next hop, and LOCAL_PREF inside an
 * AS.
 *
 * RFC 4271 §5 and §6.3, RFC 7606 §3 (d). To be asked only for an UPDATE that announces something.
 */
export function missingMandatory(
  attributes: PathAttributes,
  context: AttributeContext,
): Fault | undefined {
  if (attributes.origin === undefined) return missing(1, 'ORIGIN')
  if (attributes.asPath === undefined) return missing(2, 'AS_PATH')
  if (attributes.nextHop === undefined) return missing(3, 'NEXT_HOP')
  if (!context.ebgp && attributes.localPref === undefined) return missing(5, 'LOCAL_PREF')
  return undefined
}

/** RFC 4271 §6.3: "the Attribute Type Code of the missing, well-known attribute" is the data. */
function missing(code: number, name: string): Fault {
  return updateFault(
    'treat-as-withdraw',
    UPDATE_ERROR.MISSING_WELL_KNOWN_ATTRIBUTE,
    `${name} is missing`,
    Uint8Array.of(code),
  )
}
