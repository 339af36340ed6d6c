/**
 * What the decision and the export rules need to know of a set of attributes, read from its octets.
 *
 * Two walks over attributes as the wire has them (RFC 4271 §4.3: flags, code, length, value).
 * `readFacts` takes octets that the codec has written and so need no checks. `isPlain` says of
 * octets that a peer sent whether they are what the codec would have written, so that most sets are
 * never decoded into objects; it knows few attributes and doubts everything else.
 */

/** Facts that are single bits. */
export const FACTS = {
  /** an AS of ours is in AS_PATH: RFC 4271 §9.1.2 */
  AS_LOOP: 1,
  /** ORIGINATOR_ID is our router id: RFC 4456 §8 */
  ORIGINATOR_LOOP: 2,
  /** our cluster id is in CLUSTER_LIST: RFC 4456 §8 */
  CLUSTER_LOOP: 4,
  HAS_ORIGINATOR: 8,
  HAS_MED: 16,
  /** RFC 1997: NO_EXPORT, NO_ADVERTISE, NO_EXPORT_SUBCONFED */
  NO_EXPORT: 32,
  NO_ADVERTISE: 64,
  NO_EXPORT_SUBCONFED: 128,
  /** RFC 9494 §4.2: kept after its speaker went away, and the last resort */
  LLGR_STALE: 256,
  /** RFC 9234 §5: the attribute OTC is there */
  HAS_OTC: 512,
  /** RFC 7999 §5 */
  BLACKHOLE: 1024,
  /** RFC 9494 §3.3: not to be kept once its speaker's restart time is over */
  NO_LLGR: 2048,
  /** RFC 8326 §4 */
  GRACEFUL_SHUTDOWN: 4096,
  /** AS_SET or AS_CONFED_SET is in AS_PATH: RFC 9774 §3 */
  HAS_AS_SET: 8192,
} as const

/** Any of these makes a path a loop. */
export const LOOPS = FACTS.AS_LOOP | FACTS.ORIGINATOR_LOOP | FACTS.CLUSTER_LOOP

/** LOCAL_PREF of a path that came without: RFC 4271 leaves it open, everybody takes 100. */
export const LOCAL_PREF_DEFAULT = 100

/** Codes of the attributes that facts or export rules look at. */
export const CODES = {
  ORIGIN: 1,
  AS_PATH: 2,
  NEXT_HOP: 3,
  MED: 4,
  LOCAL_PREF: 5,
  ATOMIC_AGGREGATE: 6,
  AGGREGATOR: 7,
  COMMUNITIES: 8,
  ORIGINATOR_ID: 9,
  CLUSTER_LIST: 10,
  MP_REACH: 14,
  MP_UNREACH: 15,
  EXTENDED_COMMUNITIES: 16,
  LARGE_COMMUNITIES: 32,
  ONLY_TO_CUSTOMER: 35,
} as const

/** Flag of a length of two octets. RFC 4271 §4.3 */
export const EXTENDED_LENGTH = 0x10

const AS_SET = 1
const AS_SEQUENCE = 2
const AS_CONFED_SET = 4

const WELL_KNOWN: Readonly<Record<number, number>> = {
  4294901760: FACTS.GRACEFUL_SHUTDOWN,
  4294901766: FACTS.LLGR_STALE,
  4294901767: FACTS.NO_LLGR,
  4294902426: FACTS.BLACKHOLE,
  4294967041: FACTS.NO_EXPORT,
  4294967042: FACTS.NO_ADVERTISE,
  4294967043: FACTS.NO_EXPORT_SUBCONFED,
}

/** Who we are: what makes a path that contains it a loop. */
export interface Self {
  readonly asns: readonly number[]
  readonly routerId: number
  readonly clusterId: number
}

/** The facts of one set; one object is used for all. */
export class Facts {
  localPref = LOCAL_PREF_DEFAULT
  asPathLength = 0
  origin = 0
  med = 0
  neighbourAs = 0
  originatorId = 0
  clusterListLength = 0
  bits = 0
  /** where the value of NEXT_HOP starts; -1 without one */
  nextHopAt = -1

  /** As of a set without attributes. */
  reset(): void {
    this.localPref = LOCAL_PREF_DEFAULT
    this.asPathLength = 0
    this.origin = 0
    this.med = 0
    this.neighbourAs = 0
    this.originatorId = 0
    this.clusterListLength = 0
    this.bits = 0
    this.nextHopAt = -1
  }
}

/** Reads the facts of attributes that the codec wrote, with four-octet AS numbers. O(octets). */
export function readFacts(
  bytes: Uint8Array,
  start: number,
  end: number,
  self: Self,
  facts: Facts,
): void {
  facts.reset()
  let at = start
  while (at < end) {
    const code = bytes[at + 1]!
    const wide = (bytes[at]! & EXTENDED_LENGTH) !== 0
    const value = at + (wide ? 4 : 3)
    const length = wide ? word16(bytes, at + 2) : bytes[at + 2]!
    readFact(bytes, code, value, value + length, self, facts)
    at = value + length
  }
}

function readFact(
  bytes: Uint8Array,
  code: number,
  at: number,
  end: number,
  self: Self,
  facts: Facts,
): void {
  switch (code) {
    case CODES.ORIGIN:
      facts.origin = bytes[at]!
      return
    case CODES.AS_PATH:
      readAsPath(bytes, at, end, self, facts)
      return
    case CODES.NEXT_HOP:
      facts.nextHopAt = at
      return
    case CODES.MED:
      facts.med = word32(bytes, at)
      facts.bits |= FACTS.HAS_MED
      return
    case CODES.LOCAL_PREF:
      facts.localPref = word32(bytes, at)
      return
    case CODES.COMMUNITIES:
      for (let each = at; each < end; each += 4)
        if (bytes[each] === 0xff) facts.bits |= WELL_KNOWN[word32(bytes, each)] ?? 0
      return
    case CODES.ORIGINATOR_ID:
      facts.originatorId = word32(bytes, at)
      facts.bits |= FACTS.HAS_ORIGINATOR
      if (facts.originatorId === self.routerId) facts.bits |= FACTS.ORIGINATOR_LOOP
      return
    case CODES.CLUSTER_LIST:
      facts.clusterListLength = (end - at) >>> 2
      for (let each = at; each < end; each += 4)
        if (word32(bytes, each) === self.clusterId) facts.bits |= FACTS.CLUSTER_LOOP
      return
    case CODES.ONLY_TO_CUSTOMER:
      facts.bits |= FACTS.HAS_OTC
  }
}

/**
 * RFC 4271 §9.1.2.2 (a): a set counts as one, "no matter how many ASes are in the set". RFC 5065
 * §5.3: 0.
 */
function readAsPath(
  bytes: Uint8Array,
  from: number,
  end: number,
  { asns }: Self,
  facts: Facts,
): void {
  let at = from
  let first = true
  while (at < end) {
    const type = bytes[at]!
    const count = bytes[at + 1]!
    at += 2
    if (type === AS_SEQUENCE) {
      if (first && count > 0) facts.neighbourAs = word32(bytes, at)
      facts.asPathLength += count
    } else if (type === AS_SET) facts.asPathLength++
    if (type === AS_SEQUENCE || type === AS_SET) first = false
    if (type === AS_SET || type === AS_CONFED_SET) facts.bits |= FACTS.HAS_AS_SET
    for (let each = 0; each < count; each++, at += 4)
      for (let own = 0; own < asns.length; own++)
        if (asns[own] === word32(bytes, at)) facts.bits |= FACTS.AS_LOOP
  }
}

/**
 * What a peer's octets may hold to be plain: flags, least and most octets, octets of an element.
 */
const PLAIN: readonly (readonly [number, number, number, number] | undefined)[] = (() => {
  const rows: (readonly [number, number, number, number] | undefined)[] = []
  rows[CODES.ORIGIN] = [0x40, 1, 1, 1]
  rows[CODES.AS_PATH] = [0x40, 0, 255, 1]
  rows[CODES.NEXT_HOP] = [0x40, 4, 4, 4]
  rows[CODES.MED] = [0x80, 4, 4, 4]
  rows[CODES.LOCAL_PREF] = [0x40, 4, 4, 4]
  rows[CODES.ATOMIC_AGGREGATE] = [0x40, 0, 0, 1]
  rows[CODES.COMMUNITIES] = [0xc0, 4, 255, 4]
  rows[CODES.EXTENDED_COMMUNITIES] = [0xc0, 8, 255, 8]
  rows[CODES.LARGE_COMMUNITIES] = [0xc0, 12, 255, 12]
  rows[CODES.ONLY_TO_CUSTOMER] = [0xc0, 4, 4, 4]
  return rows
})()

/** The context in which attributes were received, as far as their meaning depends on it. */
export interface PlainContext {
  readonly external: boolean
  readonly fourOctetAs: boolean
}

/**
 * How a peer's octets are to be understood: the same octets mean different things from an external
 * peer and from an internal one, and with AS numbers of two octets and of four. A small number, 0
 * to 3.
 */
export const attributeContext = ({ external, fourOctetAs }: PlainContext): number =>
  (external ? 1 : 0) | (fourOctetAs ? 2 : 0)

/** What each of those numbers stands for. */
export const CONTEXTS: readonly PlainContext[] = Array.from({ length: 4 }, (_, at) => ({
  external: (at & 1) !== 0,
  fourOctetAs: (at & 2) !== 0,
}))

/**
 * True when the codec would decode this record without a fault and write the very same again. False
 * means only that it must be asked. O(octets), allocates nothing.
 *
 * @param record  as AttributeTable draws it: next hop of MP_REACH_NLRI, then attributes
 */
export function isPlain(record: Uint8Array, end: number, context: PlainContext): boolean {
  if (!context.fourOctetAs || !isPlainNextHop(record)) return false
  let at = 1 + record[0]!
  let last = 0
  let seen = 0
  while (at < end) {
    if (at + 3 > end) return false
    const code = record[at + 1]!
    const row = PLAIN[code]
    const length = record[at + 2]!
    const value = at + 3
    if (row === undefined || code <= last || record[at] !== row[0]) return false
    if (value + length > end || length < row[1] || length > row[2] || length % row[3] !== 0)
      return false
    if (!isPlainValue(record, code, value, value + length)) return false
    if (code <= CODES.LOCAL_PREF) seen |= 1 << code
    last = code
    at = value + length
  }
  return hasMandatory(seen, record[0] !== 0, context.external)
}

/** None, or one global address: 2000::/3 or fc00::/7. */
function isPlainNextHop(record: Uint8Array): boolean {
  if (record[0] === 0) return true
  return record[0] === 16 && ((record[1]! & 0xe0) === 0x20 || (record[1]! & 0xfe) === 0xfc)
}

/**
 * RFC 4271 §5: ORIGIN, AS_PATH, NEXT_HOP always; LOCAL_PREF from internal peers and only from them.
 */
function hasMandatory(seen: number, inReach: boolean, external: boolean): boolean {
  const always = (1 << CODES.ORIGIN) | (1 << CODES.AS_PATH)
  const nextHop = inReach ? 0 : 1 << CODES.NEXT_HOP
  const localPref = external ? 0 : 1 << CODES.LOCAL_PREF
  return (seen & ~(1 << CODES.MED)) === (always | nextHop | localPref)
}

function isPlainValue(bytes: Uint8Array, code: number, at: number, end: number): boolean {
  if (code === CODES.ORIGIN) return bytes[at]! <= 2
  if (code === CODES.NEXT_HOP) return isPlainHost(bytes[at]!)
  return code !== CODES.AS_PATH || isPlainPath(bytes, at, end)
}

/** The first octet of a unicast address: not 0/8, loopback, multicast or class E. */
const isPlainHost = (first: number): boolean => first !== 0 && first !== 127 && first < 224

/** One sequence of 1 to 63 AS numbers, none of them 0 or AS_TRANS, or nothing. */
function isPlainPath(bytes: Uint8Array, start: number, end: number): boolean {
  if (start === end) return true
  const count = bytes[start + 1]!
  if (bytes[start] !== AS_SEQUENCE || count === 0 || start + 2 + 4 * count !== end) return false
  for (let at = start + 2; at < end; at += 4) {
    const asn = word32(bytes, at)
    if (asn === 0 || asn === 23456 || asn === 0xffffffff) return false
  }
  return true
}

function word16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!
}

function word32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
  )
}
