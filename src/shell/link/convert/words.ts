import { type Millis, millis } from '../../../core/base/index.ts'
import {
  type Address,
  type Asn,
  type Family,
  type Prefix,
  parseAddress,
  parsePrefix,
  toAsn,
} from '../../../core/net/index.ts'
import { parseMac } from '../../../core/rtnl/index.ts'
import { LinkError } from '../transport/error.ts'

/** Scalars of messages as the words of the core. What is none of them ends the connection. */

/** One of `words`. */
export function word<const Word extends string>(words: readonly Word[], text: string): Word {
  const found = words.find(candidate => candidate === text)
  if (found === undefined) throw bad(text, words.join(', '))
  return found
}

/** `ipv4` or `ipv6`. */
export const family = (text: string): Family => word(['ipv4', 'ipv6'], text)

/** An address in canonical text. */
export function address(text: string): Address {
  const parsed = parseAddress(text)
  if (parsed === undefined) throw bad(text, 'an address')
  return parsed
}

/** An address of a link, as this house writes it. */
export function mac(text: string): string {
  const parsed = parseMac(text)
  if (parsed === undefined) throw bad(text, 'the address of a link')
  return parsed
}

/** A prefix without host bits. */
export function prefix(text: string): Prefix {
  const parsed = parsePrefix(text)
  if (parsed === undefined) throw bad(text, 'a prefix')
  return parsed
}

/** A prefix, or an address. */
export const fromTarget = (text: string): Prefix | Address =>
  text.includes('/') ? prefix(text) : address(text)

/** An AS number that a system can have. */
export function asn(value: number): Asn {
  const parsed = toAsn(value)
  if (parsed === undefined) throw bad(String(value), 'an AS number')
  return parsed
}

/** The same, or 0: a speaker that was not configured yet has none. */
export const asnOrNone = (value: number): Asn => (value === 0 ? (0 as Asn) : asn(value))

/** A part of a message that has to be there. */
export function required<Value>(value: Value | undefined, name: string): Value {
  if (value === undefined) throw new LinkError('LINK_MESSAGE', `a message without its ${name}`)
  return value
}

/** `{ [name]: convert(value) }`, or nothing where there is no value. */
export function optional<Name extends string, From, To>(
  name: Name,
  value: From | undefined,
  convert: (value: From) => To,
): { readonly [Key in Name]?: To } {
  // computed keys widen to `string`; the brand of the key is put back here
  return value === undefined ? {} : ({ [name]: convert(value) } as { [Key in Name]: To })
}

/** A time or a duration. */
export const time = (value: number): Millis => millis(value)

/** For `optional` where both sides have one type. */
export const same = <Value>(value: Value): Value => value

const bad = (found: string, wanted: string): LinkError =>
  new LinkError('LINK_MESSAGE', `"${found}" is not ${wanted}`)
