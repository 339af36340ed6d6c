import { invariant, Reader, Writer } from '../../base/index.ts'
import { MESSAGE_MAX, resetFault } from '../fault.ts'
import { HEADER_OCTETS, withHeader } from '../framer.ts'
import { ERROR_CODES, MESSAGE_TYPES, OPEN_ERROR } from '../iana.ts'
import type { Capability, Fault, Open } from '../message.ts'
import { decodeCapability, encodeCapability } from './capabilities.ts'

/**
 * OPEN. RFC 4271 §4.2, RFC 5492, RFC 9072. Its capabilities are read in capabilities.ts.
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

/** The capabilities in the data of a NOTIFICATION of 2/7, as far as they can be read. */
export function decodeCapabilities(data: Uint8Array): readonly Capability[] {
  const capabilities: Capability[] = []
  readCapabilities(new Reader(data), capabilities)
  return capabilities
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
    const fault = readCapabilities(new Reader(value), capabilities)
    if (fault !== undefined) return fault
  }
  return capabilities
}

function readCapabilities(from: Reader, into: Capability[]): Fault | undefined {
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

function openFault(subcode: number, why: string, data?: Uint8Array): Fault {
  return resetFault(ERROR_CODES.OPEN_MESSAGE, subcode, why, data)
}
