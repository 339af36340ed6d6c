import { type Address, addressBytes } from '../../core/net/index.ts'
import { checked, libc } from './libc.ts'

/** Addresses and links as system calls take them. */

/** Octets of a `sockaddr_storage`: room for an address of any family. */
export const SOCKADDR_STORAGE_OCTETS = 128

const AF_INET = 2
const AF_INET6 = 10

/** The family's number in `socket` and in a `sockaddr`. */
export const domainOf = (address: Address): number => (address.includes(':') ? AF_INET6 : AF_INET)

/**
 * `address` and `port` as a `sockaddr_in` or `sockaddr_in6`:
 *
 *   family 2, host order | port 2, network order | IPv4: address 4, zeros 8
 *                                                | IPv6: flow 4, address 16, scope 4, host order
 *
 * @param scope  the link's number, for a link-local address; else 0
 */
export function socketAddress(address: Address, port: number, scope = 0): Uint8Array {
  const bytes = addressBytes(address)
  const out = new Uint8Array(bytes.length === 4 ? 16 : 28)
  const view = new DataView(out.buffer)
  view.setUint16(0, domainOf(address), true)
  view.setUint16(2, port)
  out.set(bytes, bytes.length === 4 ? 4 : 8)
  if (bytes.length === 16) view.setUint32(24, scope, true)
  return out
}

/** The number of the link `name`. Throws a `PosixError`, ENODEV, where there is none. */
export function linkIndex(name: string): number {
  const index = libc().if_nametoindex(name)
  return checked('if_nametoindex', index === 0 ? -1 : index)
}
