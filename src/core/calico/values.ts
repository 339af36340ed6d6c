import { type Millis, millis } from '../base/index.ts'
import {
  type Address,
  type Asn,
  familyOf,
  parseAddress,
  parseAsn,
  parseNetwork,
  toAsn,
} from '../net/index.ts'

/** Values as Calico's users write them, and what they are. */

/** Where a peer is, as `peerIP` says. */
export interface PeerEndpoint {
  readonly address: Address
  /** absent: the port of the Calico node with that address, else 179 */
  readonly port?: number
}

/** Reads `10.0.0.1`, `10.0.0.1:179`, `fd00::1` or `[fd00::1]:179`; undefined for anything else. */
export function parsePeerEndpoint(text: string): PeerEndpoint | undefined {
  const plain = parseAddress(text)
  if (plain !== undefined) return { address: plain }
  const match = /^(?:\[([^\]]+)\]|([^:]+)):([1-9]\d{0,4})$/.exec(text)
  const port = Number(match?.[3])
  const address = parseAddress(match?.[1] ?? match?.[2] ?? '')
  if (match === null || address === undefined || port > 65535) return undefined
  // brackets belong to IPv6, and IPv6 to brackets
  if ((familyOf(address) === 'ipv6') !== (match[1] !== undefined)) return undefined
  return { address, port }
}

/** A node's address, written alone or with the length of its network. */
export const parseNodeAddress = (text: string): Address | undefined =>
  parseNetwork(text)?.address ?? parseAddress(text)

const UNITS: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  us: 1e-3,
  µs: 1e-3,
  ns: 1e-6,
}

/** A duration as Go writes it, `90s` or `1h30m`; undefined for anything else. */
export function parseDuration(text: string): Millis | undefined {
  if (!/^(\d+(\.\d+)?(h|m|s|ms|us|µs|ns))+$/.test(text)) return undefined
  let total = 0
  for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)/g))
    total += Number(count) * UNITS[unit!]!
  return millis(total)
}

/** An AS number as a number, as text, or as asdot text. */
export function asNumberOf(value: unknown): Asn | undefined {
  if (typeof value === 'number') return toAsn(value)
  return typeof value === 'string' ? parseAsn(value) : undefined
}

/** True for `aa:nn` of 16 bits each (RFC 1997) and `aa:nn:mm` of 32 bits each (RFC 8092). */
export function isCommunity(text: string): boolean {
  if (!/^\d{1,10}(:\d{1,10}){1,2}$/.test(text)) return false
  const parts = text.split(':').map(Number)
  const most = parts.length === 2 ? 0xffff : 0xffff_ffff
  return parts.every(part => part <= most)
}
