import type { Brand } from '../base/index.ts'
import { invariant } from '../base/index.ts'

/**
 * IP addresses as canonical text.
 *
 * An `Address` is parsed once, at the edge, and from then on equality is `===`, a `Map` finds it
 * and a diff of two configurations is a comparison of values. What is counted in millions never
 * meets this type: tables hold bytes and row numbers (prefix-table.ts).
 */

/** The address family of an address, a prefix or a table. */
export type Family = 'ipv4' | 'ipv6'

/** Both families, in the order in which anything is listed. */
export const FAMILIES: readonly Family[] = ['ipv4', 'ipv6']

/** An address in canonical text: dotted quad, or RFC 5952. No zone. */
export type Address = Brand<string, 'Address'>

/** How many octets an address of `family` has. */
export const addressOctets = (family: Family): 4 | 16 => (family === 'ipv4' ? 4 : 16)

/** The family of `address`. */
export const familyOf = (address: Address): Family => (address.includes(':') ? 'ipv6' : 'ipv4')

/**
 * Reads a dotted quad or an RFC 4291 §2.2 address; undefined for anything else (a zone included).
 */
export function parseAddress(text: string): Address | undefined {
  const bytes = text.includes(':') ? parseIpv6(text) : parseIpv4(text)
  return bytes === undefined ? undefined : formatAddress(bytes)
}

/** The address that `text` is; for constants of ours and for what was validated before. */
export function address(text: string): Address {
  const parsed = parseAddress(text)
  invariant(parsed !== undefined, `"${text}" is an IP address`)
  return parsed
}

/** The 4 or 16 octets of `address`. Allocates. */
export function addressBytes(address: Address): Uint8Array {
  const bytes = address.includes(':') ? parseIpv6(address) : parseIpv4(address)
  invariant(bytes !== undefined, 'an Address is canonical')
  return bytes
}

/**
 * The address in 4 or 16 octets. IPv6 as RFC 5952 writes it, IPv4-mapped ones with a dotted quad.
 */
export function formatAddress(bytes: Uint8Array): Address {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}` as Address
  invariant(bytes.length === 16, 'an address has 4 or 16 octets')
  return formatIpv6(bytes) as Address
}

/** A 32-bit number (router id, cluster id, IPv4 address) as a dotted quad. */
export function formatQuad(word: number): Address {
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}` as Address
}

/** The 32-bit number that a dotted quad is; undefined for anything else. */
export function parseQuad(text: string): number | undefined {
  const bytes = parseIpv4(text)
  if (bytes === undefined) return undefined
  return ((bytes[0]! << 24) | (bytes[1]! << 16) | (bytes[2]! << 8) | bytes[3]!) >>> 0
}

/** Orders by family, then by number: the order of every listing. Not the order of the text. */
export function compareAddresses(left: Address, right: Address): number {
  if (left === right) return 0
  const a = addressBytes(left)
  const b = addressBytes(right)
  return a.length - b.length || compareBytes(a, b)
}

/** Orders byte strings of one length as big-endian numbers. */
export function compareBytes(left: Uint8Array, right: Uint8Array): number {
  for (let at = 0; at < left.length; at++) {
    const difference = left[at]! - right[at]!
    if (difference !== 0) return difference
  }
  return 0
}

/** fe80::/10: an address that means something on one link only. RFC 4291 §2.5.6. */
export function isLinkLocal(address: Address): boolean {
  return address.includes(':') && isLinkLocalAt(addressBytes(address), 0)
}

/** The same for the IPv6 address at `bytes[at]`. Allocates nothing. */
export function isLinkLocalAt(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === 0xfe && (bytes[at + 1]! & 0xc0) === 0x80
}

/** An address that a host may have: not unspecified, not multicast, not class E, not loopback. */
export function isUnicast(address: Address): boolean {
  const bytes = addressBytes(address)
  const first = bytes[0]!
  if (bytes.length === 4) return first !== 0 && first !== 127 && first < 224
  if (first === 0xff) return false
  return bytes.subarray(0, 15).some(octet => octet !== 0) || bytes[15]! > 1
}

/** Character by character: peers are sorted by address whenever one comes. */
function parseIpv4(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(4)
  let part = 0
  let digits = 0
  let value = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === DOT) {
      if (digits === 0 || part === 3) return undefined
      bytes[part++] = value
      digits = 0
      value = 0
      continue
    }
    if (code < ZERO || code > ZERO + 9) return undefined
    // a leading zero is octal to some readers and decimal to others: refuse it
    if (digits > 0 && value === 0) return undefined
    value = 10 * value + code - ZERO
    digits++
    if (value > 255) return undefined
  }
  if (part !== 3 || digits === 0) return undefined
  bytes[3] = value
  return bytes
}

const DOT = 0x2e
const ZERO = 0x30

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = parseGroups(halves[0]!, halves.length === 1)
  const tail = halves.length === 2 ? parseGroups(halves[1]!, true) : []
  if (head === undefined || tail === undefined) return undefined
  const count = head.length + tail.length
  if (halves.length === 1 ? count !== 8 : count > 7) return undefined
  const groups = [...head, ...new Array<number>(8 - count).fill(0), ...tail]
  const bytes = new Uint8Array(16)
  for (const [at, group] of groups.entries()) {
    bytes[2 * at] = group >>> 8
    bytes[2 * at + 1] = group
  }
  return bytes
}

function parseGroups(text: string, mayEndInQuad: boolean): number[] | undefined {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [at, part] of parts.entries()) {
    if (mayEndInQuad && at === parts.length - 1 && part.includes('.')) {
      const word = parseQuad(part)
      if (word === undefined) return undefined
      groups.push(word >>> 16, word & 0xffff)
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16))
    else return undefined
  }
  return groups
}

function formatIpv6(bytes: Uint8Array): string {
  const groups: number[] = []
  for (let at = 0; at < 16; at += 2) groups.push((bytes[at]! << 8) | bytes[at + 1]!)
  if (groups.slice(0, 5).every(group => group === 0) && groups[5] === 0xffff)
    return `::ffff:${bytes[12]}.${bytes[13]}.${bytes[14]}.${bytes[15]}`
  const { start, length } = longestZeroRun(groups)
  const hex = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map(group => group.toString(16))
      .join(':')
  // RFC 5952 §4.2.2: "::" must not shorten just one group
  if (length < 2) return hex(0, 8)
  return `${hex(0, start)}::${hex(start + length, 8)}`
}

/** The first of the longest runs of zero groups. RFC 5952 §4.2.3 */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  for (let start = 0; start < groups.length; start++) {
    let length = 0
    while (groups[start + length] === 0) length++
    if (length > best.length) best = { start, length }
  }
  return best
}
