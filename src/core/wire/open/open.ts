import { invariant, Reader, Writer } from '../base/index.ts'
import { toAsn } from '../net/index.ts'
import { MESSAGE_MAX, resetFault } from './fault.ts'
import { HEADER_OCTETS, withHeader } from './framer.ts'
import { CAPABILITY_CODES, ERROR_CODES, MESSAGE_TYPES, OPEN_ERROR } from './iana.ts'
import type { Capability, Fault, GracefulRestartCapability, Open } from './message.ts'

/**
 * OPEN and its capabilities. RFC 4271 §4.2, RFC 5492, RFC 9072, RFC 4724.
 *
 *   octet  0      version
 *   octets 1..2   My Autonomous System
 *   octets 3..4   hold time, seconds
 *   octets 5..8   BGP Identifier
 *   octet  9      length of the optional parameters
 *   octets 10…    optional parameters: type, length, value
 *
 * RFC 9072: where octet 9 is not 0 and octet 10 is 255, octets 11..12 are the length and each
 * parameter's length has two octets.
 *
 * What the numbers mean for a session (is that the AS that was configured?) is the session's to
 * judge.
 */

/** The only version there is. RFC 4271 §4.2 */
export const BGP_VERSION = 4

/** Restart Time has twelve bits. RFC 4724 §3 */
export const RESTART_SECONDS_MAX = 4095

/** Flags of the graceful restart capability, and of a family in it. RFC 4724 §3, RFC 8538 §2 */
const RESTART_STATE = 0x8000
const NOTIFICATION_SUPPORT = 0x4000
const FORWARDING_STATE = 0x80

const PARAMETER_CAPABILITIES = 2
const PARAMETERS_EXTENDED = 255

/** Reads an OPEN's body. Values are copied. */
export function decodeOpen(body: Uint8Array): Open | Fault {
  const from = new Reader(body)
  const version = from.u8()
  // RFC 4271 §6.2: the data is "the largest, locally-supported version number"
  if (version !== BGP_VERSION)
    return openFault(
      OPEN_ERROR.UNSUPPORTED_VERSION_NUMBER,
      `the peer speaks BGP version ${version}, not ${BGP_VERSION}`,
      Uint8Array.of(0, BGP_VERSION),
    )
  const asn = from.u16()
  const holdSeconds = from.u16()
  const routerId = from.u32()
  const capabilities = decodeParameters(from)
  if ('remedy' in capabilities) return capabilities
  return { type: 'OPEN', version, asn, holdSeconds, routerId, capabilities }
}

/** The whole message. All capabilities go into one parameter, as RFC 5492 §4 asks. */
export function encodeOpen(open: Open): Uint8Array {
  const capabilities = new Writer(MESSAGE_MAX)
  for (const capability of open.capabilities) encodeCapability(capability, capabilities)
  const to = new Writer(MESSAGE_MAX - HEADER_OCTETS)
  to.u8(open.version)
  to.u16(open.asn)
  to.u16(open.holdSeconds)
  to.u32(open.routerId)
  const octets = capabilities.length
  if (octets === 0) to.u8(0)
  else if (octets + 2 <= 255) {
    to.u8(octets + 2)
    to.u8(PARAMETER_CAPABILITIES)
    to.u8(octets)
  } else {
    // RFC 9072 §2
    to.u8(PARAMETERS_EXTENDED)
    to.u8(PARAMETERS_EXTENDED)
    to.u16(octets + 3)
    to.u8(PARAMETER_CAPABILITIES)
    to.u16(octets)
  }
  to.put(capabilities.bytes())
  invariant(!to.overflow && !capabilities.overflow, 'our own OPEN fits a message')
  return withHeader(MESSAGE_TYPES.OPEN, to.bytes())
}

/** The bytes of capabilities one after another: what a NOTIFICATION of 2/7 carries. RFC 5492 §5 */
export function encodeCapabilities(capabilities: readonly Capability[]): Uint8Array {
  const to = new Writer(MESSAGE_MAX)
  for (const capability of capabilities) encodeCapability(capability, to)
  return to.bytes()
}

function decodeParameters(from: Reader): Capability[] | Fault {
  let octets = from.u8()
  let extended = false
  if (octets > 0 && from.bytes[from.offset] === PARAMETERS_EXTENDED) {
    from.u8()
    octets = from.u16()
    extended = true
  }
  if (from.overrun || octets !== from.remaining)
    return openFault(
      OPEN_ERROR.UNSPECIFIC,
      `the optional parameters are ${octets} octets long, but ${from.remaining} are there`,
    )
  const capabilities: Capability[] = []
  while (from.remaining > 0) {
    const type = from.u8()
    const value = from.view(extended ? from.u16() : from.u8())
    if (from.overrun)
      return openFault(OPEN_ERROR.UNSPECIFIC, 'an optional parameter runs past the end')
    // RFC 4271 §6.2
    if (type !== PARAMETER_CAPABILITIES)
      return openFault(
        OPEN_ERROR.UNSUPPORTED_OPTIONAL_PARAMETER,
        `optional parameter ${type} is not supported`,
      )
    const fault = decodeCapabilities(new Reader(value), capabilities)
    if (fault !== undefined) return fault
  }
  return capabilities
}

function decodeCapabilities(from: Reader, into: Capability[]): Fault | undefined {
  while (from.remaining > 0) {
    const code = from.u8()
    const value = from.view(from.u8())
    if (from.overrun) return openFault(OPEN_ERROR.UNSPECIFIC, 'a capability runs past the end')
    const capability = decodeCapability(code, value)
    if ('remedy' in capability) return capability
    into.push(capability)
  }
  return undefined
}

/**
 * One capability. One of a length that its definition does not know is carried like an unknown one,
 * and so not agreed upon; only the AS number is needed to go on at all.
 */
function decodeCapability(code: number, value: Uint8Array): Capability | Fault {
  const from = new Reader(value)
  switch (code) {
    case CAPABILITY_CODES.MULTIPROTOCOL: {
      // RFC 4760 §8: AFI, a reserved octet, SAFI
      if (value.length !== 4) break
      const afi = from.u16()
      from.u8()
      return { type: 'multiprotocol', afi, safi: from.u8() }
    }
    case CAPABILITY_CODES.ROUTE_REFRESH:
      if (value.length !== 0) break
      return { type: 'route-refresh' }
    case CAPABILITY_CODES.GRACEFUL_RESTART: {
      const restart = decodeRestart(from)
      if (restart === undefined) break
      return restart
    }
    case CAPABILITY_CODES.FOUR_OCTET_AS: {
      if (value.length !== 4)
        return openFault(
          OPEN_ERROR.UNSPECIFIC,
          `the four-octet AS capability has ${value.length} octets instead of 4`,
        )
      const number = from.u32()
      const asn = toAsn(number)
      // RFC 7607 §2
      if (asn === undefined)
        return openFault(OPEN_ERROR.BAD_PEER_AS, `the peer is AS ${number}, which nobody may be`)
      return { type: 'four-octet-as', asn }
    }
  }
  return { type: 'unknown', code, value: value.slice() }
}

/**
 * RFC 4724 §3: flags and time in two octets, then four for each family. Undefined for another
 * length.
 */
function decodeRestart(from: Reader): GracefulRestartCapability | undefined {
  if (from.remaining % 4 !== 2) return undefined
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

function encodeCapability(capability: Capability, to: Writer): void {
  switch (capability.type) {
    case 'multiprotocol':
      to.u8(CAPABILITY_CODES.MULTIPROTOCOL)
      to.u8(4)
      to.u16(capability.afi)
      to.u8(0)
      to.u8(capability.safi)
      return
    case 'route-refresh':
      to.u8(CAPABILITY_CODES.ROUTE_REFRESH)
      to.u8(0)
      return
    case 'four-octet-as':
      to.u8(CAPABILITY_CODES.FOUR_OCTET_AS)
      to.u8(4)
      to.u32(capability.asn)
      return
    case 'graceful-restart':
      to.u8(CAPABILITY_CODES.GRACEFUL_RESTART)
      to.counted8(() => encodeRestart(capability, to))
      return
    case 'unknown':
      to.u8(capability.code)
      to.counted8(() => to.put(capability.value))
      return
    default:
      capability satisfies never
  }
}

function openFault(subcode: number, why: string, data?: Uint8Array): Fault {
  return resetFault(ERROR_CODES.OPEN_MESSAGE, subcode, why, data)
}
