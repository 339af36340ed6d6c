import type { Brand } from '../base/index.ts'
import { invariant } from '../base/index.ts'
import {
  type Address,
  addressBytes,
  addressOctets,
  compareBytes,
  type Family,
  familyOf,
  formatAddress,
  parseAddress,
} from './address.ts'

/**
 * IP prefixes as canonical text, for what is counted in hundreds: configuration, pools, filters,
 * listings.
 */

/** A prefix in canonical text, `address/length`, host bits zero. */
export type Prefix = Brand<string, 'Prefix'>

/** A prefix taken apart. */
export interface PrefixParts {
  readonly family: Family
  /** 4 or 16 octets, host bits zero */
  readonly bytes: Uint8Array
  /** bits of the network part */
  readonly length: number
}

/** Reads `address/length`; host bits must be zero. Undefined for anything else. */
export function parsePrefix(text: string): Prefix | undefined {
  const network = parseNetwork(text)
  return network !== undefined && network.hostBits === false ? network.prefix : undefined
}

/**
 * Reads `address/length`, as an interface is written: the address, and the prefix that it lies in.
 */
export function parseNetwork(
  text: string,
): { address: Address; prefix: Prefix; hostBits: boolean } | undefined {
  const slash = text.indexOf('/')
  const digits = text.slice(slash + 1)
  if (slash < 0 || !/^(0|[1-9]\d{0,2})$/.test(digits)) return undefined
  const address = parseAddress(text.slice(0, slash))
  const length = Number(digits)
  if (address === undefined || length > maxLength(familyOf(address))) return undefined
  const prefix = prefixOf(address, length)
  return { address, prefix, hostBits: prefix !== `${address}/${length}` }
}

/** The prefix that `text` is; for constants of ours and for what was validated before. */
export function prefix(text: string): Prefix {
  const parsed = parsePrefix(text)
  invariant(parsed !== undefined, `"${text}" is a prefix without host bits`)
  return parsed
}

/** The prefix of `length` bits that `address` lies in. */
export function prefixOf(address: Address, length: number): Prefix {
  return formatPrefix(addressBytes(address), length)
}

/**
 * The prefix of `length` bits at the start of `bytes` (4 or 16 octets); bits beyond are cleared.
 */
export function formatPrefix(bytes: Uint8Array, length: number): Prefix {
  const masked = bytes.slice()
  for (let at = length >>> 3; at < masked.length; at++)
    masked[at] = at === length >>> 3 ? masked[at]! & (0xff00 >>> (length & 7)) : 0
  return `${formatAddress(masked)}/${length}` as Prefix
}

/** Takes a prefix apart. Allocates. */
export function prefixParts(prefix: Prefix): PrefixParts {
  const slash = prefix.indexOf('/')
  const address = prefix.slice(0, slash) as Address
  return {
    family: familyOf(address),
    bytes: addressBytes(address),
    length: Number(prefix.slice(slash + 1)),
  }
}

/** Bits in an address of `family`: the length of a host prefix. */
export const maxLength = (family: Family): number => 8 * addressOctets(family)

/** The prefix that holds `address` alone. */
export const hostPrefix = (address: Address): Prefix =>
  `${address}/${maxLength(familyOf(address))}` as Prefix

/** True when every address of `inner` is in `outer`; a prefix contains itself. */
export function contains(outer: Prefix, inner: Prefix): boolean {
  return containsParts(prefixParts(outer), prefixParts(inner))
}

/** `contains`, where both are asked about often and were taken apart before. */
export const containsParts = (outer: PrefixParts, inner: PrefixParts): boolean =>
  outer.family === inner.family &&
  outer.length <= inner.length &&
  prefixBitsEqual(outer.bytes, inner.bytes, outer.length)

/** True when `address` is in `outer`. */
export const containsAddress = (outer: Prefix, address: Address): boolean =>
  contains(outer, hostPrefix(address))

/** True when some address is in both, that is when one contains the other. */
export const overlaps = (left: Prefix, right: Prefix): boolean =>
  contains(left, right) || contains(right, left)

/** Orders by family, then by address, then shorter first: the order of every listing. */
export function comparePrefixes(left: Prefix, right: Prefix): number {
  return compareParts(prefixParts(left), prefixParts(right))
}

const compareParts = (a: PrefixParts, b: PrefixParts): number =>
  a.bytes.length - b.bytes.length || compareBytes(a.bytes, b.bytes) || a.length - b.length

/** In that order, each prefix being taken apart once: for lists that may be long. */
export function inPrefixOrder<Item>(
  items: readonly Item[],
  prefixOf: (item: Item) => Prefix,
): Item[] {
  return items
    .map(item => ({ item, parts: prefixParts(prefixOf(item)) }))
    .toSorted((a, b) => compareParts(a.parts, b.parts))
    .map(({ item }) => item)
}

function prefixBitsEqual(left: Uint8Array, right: Uint8Array, length: number): boolean {
  const whole = length >>> 3
  for (let at = 0; at < whole; at++) if (left[at] !== right[at]) return false
  const mask = 0xff00 >>> (length & 7)
  return (length & 7) === 0 || ((left[whole]! ^ right[whole]!) & mask & 0xff) === 0
}
