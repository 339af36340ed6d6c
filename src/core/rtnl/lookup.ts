import { type Address, addressBytes, familyOf } from '../net/index.ts'
import { EACCES, EHOSTUNREACH, EINVAL, ENETUNREACH } from './errno.ts'
import { beginMessage, endMessage } from './message.ts'
import type { NativeWriter } from './native.ts'
import {
  AF_INET,
  AF_INET6,
  NLM_F_REQUEST,
  RTA_DST,
  RTM_F_FIB_MATCH,
  RTM_GETROUTE,
  RTN_BLACKHOLE,
  RTN_LOCAL,
  RTN_PROHIBIT,
  RTN_THROW,
  RTN_UNREACHABLE,
} from './numbers.ts'
import type { RouteMessage } from './route.ts'
import type { TargetHop } from './target.ts'
import { readHops } from './target-reader.ts'

/** Which route a packet to an address would take: the kernel's rules and tables apply. */

/** What the kernel would do with a packet. */
export interface Found {
  /**
   * 0: it goes by `hops`. ENETUNREACH: there is no route. EHOSTUNREACH, EACCES, EINVAL: a route of
   * type unreachable, prohibit, blackhole. Others: the kernel could not be asked
   */
  readonly errno: number
  /** the address is this node's own */
  readonly local: boolean
  /** of the route that it takes */
  readonly protocol: number
  readonly metric: number
  readonly hops: readonly TargetHop[]
}

/** No way, because of `errno`. */
export const notFound = (errno: number): Found => ({
  errno,
  local: false,
  protocol: 0,
  metric: 0,
  hops: [],
})

/** Octets of one question, at most. */
export const LOOKUP_OCTETS_MAX = 48

/** Asks for the route to `address`: a route message answers, or an error. */
export function encodeLookup(to: NativeWriter, address: Address, sequence: number): void {
  const bytes = addressBytes(address)
  const at = beginMessage(to, RTM_GETROUTE, NLM_F_REQUEST, sequence)
  to.u8(familyOf(address) === 'ipv4' ? AF_INET : AF_INET6)
  to.u8(8 * bytes.length)
  to.zeros(6)
  to.u32(RTM_F_FIB_MATCH)
  to.u16(4 + bytes.length)
  to.u16(RTA_DST)
  to.put(bytes)
  endMessage(to, at)
}

/** What a packet finds that takes `route`. O(octets). */
export function foundIn(route: RouteMessage): Found {
  const { kind, protocol, metric } = route
  const errno = ERRNOS.get(kind)
  if (errno !== undefined) return { ...notFound(errno), protocol, metric }
  return { errno: 0, local: kind === RTN_LOCAL, protocol, metric, hops: readHops(route) }
}

/** What the kernel answers for types of routes that lead nowhere. */
const ERRNOS: ReadonlyMap<number, number> = new Map([
  [RTN_BLACKHOLE, EINVAL],
  [RTN_UNREACHABLE, EHOSTUNREACH],
  [RTN_PROHIBIT, EACCES],
  [RTN_THROW, ENETUNREACH],
])
