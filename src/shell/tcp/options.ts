import { invariant } from '../../core/base/index.ts'
import {
  type Address,
  type Family,
  familyOf,
  formatAddress,
  hostPrefix,
  isLinkLocal,
  type Prefix,
  prefixParts,
} from '../../core/net/index.ts'
import { type Endpoint, PASSWORD_OCTETS_MAX, type Transport } from '../../core/speaker/index.ts'
import {
  domainOf,
  linkIndex,
  PosixSocket,
  SOCKADDR_STORAGE_OCTETS,
  setSocketOption,
  socketAddress,
  socketStructure,
} from '../posix/index.ts'
import type { SecuredTransport } from './transport.ts'

/**
 * TCP and IP options of a session's sockets, as Linux has them. tcp(7), ip(7), ipv6(7). None of
 * them needs a capability. Every function throws a `PosixError` where the kernel refuses.
 */

const SOCK_STREAM = 1

const SOL_SOCKET = 1
const SO_BINDTODEVICE = 25

const IPPROTO_TCP = 6
const TCP_INFO = 11
const TCP_MD5SIG = 14
const TCP_MD5SIG_EXT = 32

/** `tcpm_flags`: the key is for all addresses of a prefix. */
const TCP_MD5SIG_FLAG_PREFIX = 1

/** What a packet leaves with where its sender proves that it is near. RFC 5082 §3 */
const TTL_PROOF = 255

const IP_BIND_ADDRESS_NO_PORT = 24

/** The same thing has another name and number in each family. */
const IP = {
  ipv4: { level: 0, ttl: 2, ttlMin: 21, trafficClass: 1 },
  // IPV6_UNICAST_HOPS, IPV6_MINHOPCOUNT, IPV6_TCLASS
  ipv6: { level: 41, ttl: 16, ttlMin: 73, trafficClass: 67 },
} as const satisfies Record<Family, Readonly<Record<string, number>>>

/** A socket that is ready to connect to `endpoint`. Its descriptor is the caller's to close. */
export function openFor(endpoint: Endpoint, transport: SecuredTransport): number {
  const { address, localAddress } = endpoint
  const socket = new PosixSocket(domainOf(address), SOCK_STREAM, 0)
  try {
    if (transport.interface !== undefined) bindToLink(socket, transport.interface)
    setHops(socket.fd, familyOf(address), transport)
    if (transport.password !== undefined) setKey(socket.fd, hostPrefix(address), transport.password)
    if (localAddress !== undefined) bindTo(socket, localAddress, transport.interface)
    return socket.release()
  } catch (error) {
    socket.close()
    throw error
  }
}

/** Makes a socket that `remote` connected to be what its session is to have. */
export function setAccepted(fd: number, remote: Address, transport: SecuredTransport): void {
  setHops(fd, familyOf(remote), transport)
  // the key came with the listener's; this one is right even if it has changed since
  setKey(fd, hostPrefix(remote), transport.password)
}

/**
 * Makes a listening socket answer as every peer expects: a peer that demands a TTL of 255 demands
 * it of the SYN/ACK too, which only the listener can give.
 */
export function setListening(fd: number, family: Family, trafficClass: number): void {
  const { level, ttl, trafficClass: option } = IP[family]
  setSocketOption(fd, level, ttl, TTL_PROOF)
  setSocketOption(fd, level, option, trafficClass)
}

/**
 * Sets the TCP MD5 key of one peer, or of all addresses of a prefix, or takes it away (undefined).
 * On a connected socket what follows is signed with it, and so has to be what arrives. RFC 2385
 *
 *   sockaddr_storage 128 | flags 1 | prefix length 1 | key length 2 | link 4 | key 80
 */
export function setKey(fd: number, on: Prefix, password: string | undefined): void {
  const option = new Uint8Array(SOCKADDR_STORAGE_OCTETS + 8 + PASSWORD_OCTETS_MAX)
  const view = new DataView(option.buffer, SOCKADDR_STORAGE_OCTETS)
  const key = Buffer.from(password ?? '', 'utf8')
  invariant(key.length <= PASSWORD_OCTETS_MAX, 'a password fits the kernel')
  invariant(password !== '', 'a key is not taken away by an empty password')
  const { bytes, length } = prefixParts(on)
  option.set(socketAddress(formatAddress(bytes), 0))
  const isRange = length < 8 * bytes.length
  if (isRange) {
    view.setUint8(0, TCP_MD5SIG_FLAG_PREFIX)
    view.setUint8(1, length)
  }
  view.setUint16(2, key.length, true)
  option.set(key, SOCKADDR_STORAGE_OCTETS + 8)
  try {
    setSocketOption(fd, IPPROTO_TCP, isRange ? TCP_MD5SIG_EXT : TCP_MD5SIG, option)
  } catch (error) {
    // there was none
    if (password !== undefined || !isAbsent(error)) throw error
  }
}

/** How many connections wait to be accepted. `tcpi_unacked` of a listener. */
export const waiting = (fd: number): number =>
  socketStructure(fd, IPPROTO_TCP, TCP_INFO, 32).getUint32(24, true)

function setHops(fd: number, family: Family, transport: Transport): void {
  const { level, ttl, ttlMin, trafficClass } = IP[family]
  const { ttlSecurity } = transport
  setSocketOption(fd, level, trafficClass, transport.trafficClass)
  setSocketOption(fd, level, ttl, ttlSecurity === undefined ? transport.ttl : TTL_PROOF)
  // RFC 5082 §3: from a peer so many hops away nothing arrives with less
  if (ttlSecurity !== undefined) setSocketOption(fd, level, ttlMin, TTL_PROOF + 1 - ttlSecurity)
}

function bindToLink(socket: PosixSocket, link: string): void {
  socket.setOption(SOL_SOCKET, SO_BINDTODEVICE, Buffer.from(`${link}\0`, 'utf8'))
}

/** The port is chosen when connecting: many connections may have one source address. */
function bindTo(socket: PosixSocket, local: Address, link: string | undefined): void {
  socket.setOption(0, IP_BIND_ADDRESS_NO_PORT, 1)
  const scope = isLinkLocal(local) && link !== undefined ? linkIndex(link) : 0
  socket.bind(socketAddress(local, 0, scope))
}

const isAbsent = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT'
