/** rtnetlink: bytes of the kernel to values and back, stateless. Layer 2. */

export {
  DEVICE_OCTETS_MAX,
  type Device,
  type DeviceChange,
  decodeDevice,
  encodeAddressDump,
  encodeDeviceChange,
  type Vxlan,
} from './device/device.ts'
export { parseMac } from './device/mac.ts'
export {
  decodeNeighbour,
  encodeNeighbourDump,
  NEIGHBOUR_FAMILIES,
  type Neighbour,
  neighbourLink,
} from './device/neighbour.ts'
export {
  EACCES,
  EADDRNOTAVAIL,
  EEXIST,
  EHOSTUNREACH,
  EINVAL,
  ENETDOWN,
  ENETUNREACH,
  ENOBUFS,
  ENODEV,
  ENOENT,
  EOPNOTSUPP,
  EPERM,
  ESRCH,
  errnoText,
  isShared,
  isUnreachable,
} from './errno.ts'
export {
  type AddressMessage,
  decodeAddress,
  decodeLink,
  encodeLinkDump,
  type LinkMessage,
} from './link.ts'
export { encodeLookup, type Found, foundIn, LOOKUP_OCTETS_MAX, notFound } from './lookup.ts'
export {
  type Answer,
  beginMessage,
  decodeAnswer,
  endMessage,
  MessageReader,
  requestAnswer,
} from './message.ts'
export { NativeWriter } from './native.ts'
export {
  decodeObject,
  encodeObject,
  encodeObjectDump,
  MEMBER_OCTETS,
  type NextHopObject,
  OBJECT_OCTETS_MAX,
  type ObjectMember,
  type ObjectMessage,
} from './nexthop.ts'
export {
  GROUP_IPV4_ADDRESS,
  GROUP_IPV4_ROUTE,
  GROUP_IPV6_ADDRESS,
  GROUP_IPV6_ROUTE,
  GROUP_LINK,
  GROUP_NEIGHBOUR,
  GROUP_NEXTHOP,
  NLM_F_DUMP_INTR,
  NLM_F_REPLACE,
  NLMSG_DONE,
  NLMSG_ERROR,
  NUD_FAILED,
  NUD_PERMANENT,
  RTM_DELADDR,
  RTM_DELLINK,
  RTM_DELNEIGH,
  RTM_DELNEXTHOP,
  RTM_DELROUTE,
  RTM_NEWADDR,
  RTM_NEWLINK,
  RTM_NEWNEIGH,
  RTM_NEWNEXTHOP,
  RTM_NEWROUTE,
} from './numbers.ts'
export {
  decodeRoute,
  emptyRoute,
  encodeRoute,
  encodeRouteDump,
  ROUTE_OCTETS_MAX,
  type RouteMessage,
  type RouteRequest,
  type RouteSlot,
  type RouteVerb,
  TargetEncoder,
} from './route.ts'
export {
  BLACKHOLE,
  type EncodedTarget,
  encodeTarget,
  objectTarget,
  otherTarget,
  type RouteTarget,
  type TargetHop,
  unicastTarget,
} from './target.ts'
export { TargetReader } from './target-reader.ts'
