import { invariant, Reader, type Writer } from '../../base/index.ts'
import { toAsn } from '../../net/index.ts'
import { resetFault } from '../fault.ts'
import { CAPABILITY_CODES, ERROR_CODES, OPEN_ERROR } from '../iana.ts'
import type {
  AddPathCapability,
  Capability,
  ExtendedNextHopCapability,
  Fault,
  GracefulRestartCapability,
  LongLivedCapability,
} from '../message.ts'

/**
 * The capabilities of an OPEN: a code, a length in one octet, a value. RFC 5492 §4.
 *
 * Those that speak of families are lists of rows of one size: AFI, SAFI, and what is said of them.
 */

/** Restart Time has twelve bits. RFC 4724 §3 */
export const RESTART_SECONDS_MAX = 4095

/** Long-Lived Stale Time has 24 bits. RFC 9494 §3.1 */
export const STALE_SECONDS_MAX = 16_777_215

/** Flags of the graceful restart capability. RFC 4724 §3, RFC 8538 §2 */
const RESTART_STATE = 0x8000
const NOTIFICATION_SUPPORT = 0x4000

/** The flag of a family in it, and in that of RFC 9494. */
const FORWARDING_STATE = 0x80

/** "Send/Receive" of RFC 7911 §4: what the sender of the capability does */
const PATHS_RECEIVED = 1
const PATHS_SENT = 2

/** Octets of a row: AFI, SAFI (two octets in RFC 8950), and the rest. */
const RESTART_ROW = 4
const LONG_LIVED_ROW = 7
const ADD_PATH_ROW = 4
const NEXT_HOP_ROW = 6

/**
 * One capability. One of a length, or with a value, that its definition does not know is carried
 * like an unknown one, and so not agreed upon; only the AS number is needed to go on at all.
 */
export function decodeCapability(code: number, value: Uint8Array): Capability | Fault {
  return decodeKnown(code, value) ?? { type: 'unknown', code, value: value.slice() }
}

function decodeKnown(code: number, value: Uint8Array): Capability | Fault | undefined {
  const from = new Reader(value)
  const empty = value.length === 0
  switch (code) {
    case CAPABILITY_CODES.MULTIPROTOCOL: {
      // RFC 4760 §8: AFI, a reserved octet, SAFI
      if (value.length !== 4) return undefined
      const afi = from.u16()
      from.u8()
      return { type: 'multiprotocol', afi, safi: from.u8() }
    }
    case CAPABILITY_CODES.ROUTE_REFRESH:
      return empty ? { type: 'route-refresh' } : undefined
    case CAPABILITY_CODES.EXTENDED_NEXT_HOP:
      return decodeNextHops(from)
    case CAPABILITY_CODES.EXTENDED_MESSAGE:
      return empty ? { type: 'extended-message' } : undefined
    case CAPABILITY_CODES.ROLE:
      return value.length === 1 ? { type: 'role', role: from.u8() } : undefined
    case CAPABILITY_CODES.GRACEFUL_RESTART:
      return decodeRestart(from)
    case CAPABILITY_CODES.FOUR_OCTET_AS:
      return decodeFourOctetAs(value)
    case CAPABILITY_CODES.ADD_PATH:
      return decodeAddPath(from)
    case CAPABILITY_CODES.ENHANCED_ROUTE_REFRESH:
      return empty ? { type: 'enhanced-route-refresh' } : undefined
    case CAPABILITY_CODES.LONG_LIVED_GRACEFUL_RESTART:
      return decodeLongLived(from)
  }
  return undefined
}

/** RFC 6793 §4.2.1: without a number that can be read there is nobody to talk to. */
function decodeFourOctetAs(value: Uint8Array): Capability | Fault {
  const { OPEN_MESSAGE } = ERROR_CODES
  if (value.length !== 4) {
    const why = `the four-octet AS capability has ${value.length} octets instead of 4`
    return resetFault(OPEN_MESSAGE, OPEN_ERROR.UNSPECIFIC, why)
  }
  const number = new Reader(value).u32()
  const asn = toAsn(number)
  if (asn !== undefined) return { type: 'four-octet-as', asn }
  // RFC 7607 §2
  const why = `the peer is AS ${number}, which nobody may be`
  return resetFault(OPEN_MESSAGE, OPEN_ERROR.BAD_PEER_AS, why)
}

/** RFC 4724 §3: flags and time in two octets, then the rows. */
function decodeRestart(from: Reader): GracefulRestartCapability | undefined {
  if (from.remaining % RESTART_ROW !== 2) return undefined
  const head = from.u16()
  const families: GracefulRestartCapability['families'][number][] = []
  while (from.remaining > 0) {
    const afi = from.u16()
    const safi = from.u8()
    families.push({ afi, safi, forwarding: (from.u8() & FORWARDING_STATE) !== 0 })
  }
  return {
    type: 'graceful-restart',
    restarting: (head & RESTART_STATE) !== 0,
    notification: (head & NOTIFICATION_SUPPORT) !== 0,
    restartSeconds: head & RESTART_SECONDS_MAX,
    families,
  }
}

/** RFC 9494 §3.1 */
function decodeLongLived(from: Reader): LongLivedCapability | undefined {
  if (from.remaining % LONG_LIVED_ROW !== 0) return undefined
  const families: LongLivedCapability['families'][number][] = []
  while (from.remaining > 0) {
    const afi = from.u16()
    const safi = from.u8()
    const forwarding = (from.u8() & FORWARDING_STATE) !== 0
    families.push({ afi, safi, forwarding, staleSeconds: (from.u8() << 16) | from.u16() })
  }
  return { type: 'long-lived-graceful-restart', families }
}

/**
 * RFC 7911 §4: "If any other value is received, then the capability SHOULD be treated as not
 * understood and ignored".
 */
function decodeAddPath(from: Reader): AddPathCapability | undefined {
  if (from.remaining % ADD_PATH_ROW !== 0) return undefined
  const families: AddPathCapability['families'][number][] = []
  while (from.remaining > 0) {
    const afi = from.u16()
    const safi = from.u8()
    const does = from.u8()
    if (does === 0 || does > (PATHS_RECEIVED | PATHS_SENT)) return undefined
    const receive = (does & PATHS_RECEIVED) !== 0
    families.push({ afi, safi, receive, send: (does & PATHS_SENT) !== 0 })
  }
  return { type: 'add-path', families }
}

/** RFC 8950 §4: the SAFI has two octets here. */
function decodeNextHops(from: Reader): ExtendedNextHopCapability | undefined {
  if (from.remaining % NEXT_HOP_ROW !== 0) return undefined
  const families: ExtendedNextHopCapability['families'][number][] = []
  while (from.remaining > 0)
    families.push({ afi: from.u16(), safi: from.u16(), nextHopAfi: from.u16() })
  return { type: 'extended-next-hop', families }
}

const CODES: Readonly<Record<Exclude<Capability['type'], 'unknown'>, number>> = {
  multiprotocol: CAPABILITY_CODES.MULTIPROTOCOL,
  'route-refresh': CAPABILITY_CODES.ROUTE_REFRESH,
  'extended-next-hop': CAPABILITY_CODES.EXTENDED_NEXT_HOP,
  'extended-message': CAPABILITY_CODES.EXTENDED_MESSAGE,
  role: CAPABILITY_CODES.ROLE,
  'graceful-restart': CAPABILITY_CODES.GRACEFUL_RESTART,
  'four-octet-as': CAPABILITY_CODES.FOUR_OCTET_AS,
  'add-path': CAPABILITY_CODES.ADD_PATH,
  'enhanced-route-refresh': CAPABILITY_CODES.ENHANCED_ROUTE_REFRESH,
  'long-lived-graceful-restart': CAPABILITY_CODES.LONG_LIVED_GRACEFUL_RESTART,
}

/** A capability by its name alone, without a value: to name one that is not offered. */
export function namedCapability(type: keyof typeof CODES): Capability {
  return { type: 'unknown', code: CODES[type], value: new Uint8Array(0) }
}

/** Writes one capability, its code and length included. */
export function encodeCapability(capability: Capability, to: Writer): void {
  to.u8(capability.type === 'unknown' ? capability.code : CODES[capability.type])
  to.counted8(() => encodeValue(capability, to))
}

function encodeValue(capability: Capability, to: Writer): void {
  switch (capability.type) {
    case 'route-refresh':
    case 'extended-message':
    case 'enhanced-route-refresh':
      return
    case 'multiprotocol':
      to.u16(capability.afi)
      to.u8(0)
      to.u8(capability.safi)
      return
    case 'four-octet-as':
      to.u32(capability.asn)
      return
    case 'role':
      to.u8(capability.role)
      return
    case 'graceful-restart':
      encodeRestart(capability, to)
      return
    case 'long-lived-graceful-restart':
      encodeLongLived(capability, to)
      return
    case 'add-path':
      for (const { afi, safi, receive, send } of capability.families) {
        to.u16(afi)
        to.u8(safi)
        to.u8((receive ? PATHS_RECEIVED : 0) | (send ? PATHS_SENT : 0))
      }
      return
    case 'extended-next-hop':
      for (const { afi, safi, nextHopAfi } of capability.families) {
        to.u16(afi)
        to.u16(safi)
        to.u16(nextHopAfi)
      }
      return
    case 'unknown':
      to.put(capability.value)
      return
    default:
      capability satisfies never
  }
}

function encodeRestart(capability: GracefulRestartCapability, to: Writer): void {
  const { restarting, notification, restartSeconds, families } = capability
  invariant(restartSeconds <= RESTART_SECONDS_MAX, 'a restart time fits twelve bits')
  const flags = (restarting ? RESTART_STATE : 0) | (notification ? NOTIFICATION_SUPPORT : 0)
  to.u16(flags | restartSeconds)
  for (const { afi, safi, forwarding } of families) {
    to.u16(afi)
    to.u8(safi)
    to.u8(forwarding ? FORWARDING_STATE : 0)
  }
}

function encodeLongLived({ families }: LongLivedCapability, to: Writer): void {
  for (const { afi, safi, forwarding, staleSeconds } of families) {
    invariant(staleSeconds <= STALE_SECONDS_MAX, 'a stale time fits 24 bits')
    to.u16(afi)
    to.u8(safi)
    to.u8(forwarding ? FORWARDING_STATE : 0)
    to.u8(staleSeconds >>> 16)
    to.u16(staleSeconds & 0xffff)
  }
}
