/** The words of IP: addresses, prefixes, families, AS numbers. Layer 1. */
export {
  type Address,
  address,
  addressBytes,
  addressOctets,
  compareAddresses,
  compareBytes,
  FAMILIES,
  type Family,
  familyOf,
  formatAddress,
  formatQuad,
  isLinkLocal,
  isLinkLocalAt,
  isUnicast,
  parseAddress,
  parseQuad,
} from './address.ts'
export { AS_TRANS, type Asn, isPrivateAsn, parseAsn, toAsn } from './asn.ts'
export {
  comparePrefixes,
  contains,
  containsAddress,
  containsParts,
  formatPrefix,
  hostPrefix,
  inPrefixOrder,
  maxLength,
  overlaps,
  type Prefix,
  type PrefixParts,
  parseNetwork,
  parsePrefix,
  prefix,
  prefixOf,
  prefixParts,
} from './prefix.ts'
export { NO_PREFIX, PREFIX_TABLE_ROWS_MAX, type PrefixId, PrefixTable } from './prefix-table.ts'
