import type { Brand } from '../base/index.ts'

/** Autonomous system numbers: four octets, RFC 6793; written as a number or as asdot, RFC 5396. */

/** An autonomous system number. */
export type Asn = Brand<number, 'Asn'>

/** Stands for a four-octet number in a two-octet field. RFC 6793 §9 */
export const AS_TRANS = 23456 as Asn

/** Reads `65000` or asdot `1.10`; undefined outside 1 to 4294967294 (RFC 7607, RFC 7300). */
export function parseAsn(text: string): Asn | undefined {
  const match = /^(\d{1,10})(?:\.(\d{1,5}))?$/.exec(text)
  if (match === null) return undefined
  const [, high, low] = match
  if (low === undefined) return toAsn(Number(high))
  if (Number(high) > 0xffff || Number(low) > 0xffff) return undefined
  return toAsn(Number(high) * 65536 + Number(low))
}

/** The number as an `Asn`; undefined where no system can have it. */
export function toAsn(value: number): Asn | undefined {
  return Number.isInteger(value) && value >= 1 && value <= 4294967294 ? (value as Asn) : undefined
}

/** True for numbers that mean something inside one network only. RFC 6996 §5 */
export function isPrivateAsn(asn: number): boolean {
  return (asn >= 64512 && asn <= 65534) || (asn >= 4200000000 && asn <= 4294967294)
}
