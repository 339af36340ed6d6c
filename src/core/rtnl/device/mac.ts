/** Addresses of links, six octets: `66:3d:01:02:03:04`, in lower case. */

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/

/** Octets of an address. */
export const MAC_OCTETS = 6

/** The address as this house writes it; undefined for what is none. `-` is taken for `:`. */
export function parseMac(text: string): string | undefined {
  const mac = text.toLowerCase().replaceAll('-', ':')
  return MAC.test(mac) ? mac : undefined
}

/** The octets of an address that `parseMac` let through. */
export const macBytes = (mac: string): Uint8Array =>
  Uint8Array.from(mac.split(':'), octet => Number.parseInt(octet, 16))

/** The address that `bytes` are. */
export const formatMac = (bytes: Uint8Array): string =>
  [...bytes].map(octet => octet.toString(16).padStart(2, '0')).join(':')
