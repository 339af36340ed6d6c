/**
 * The kernel's numbers, from linux/netlink.h, linux/rtnetlink.h, linux/if_link.h: they never
 * change.
 */

/** Address families. */
export const AF_UNSPEC = 0
export const AF_INET = 2
export const AF_BRIDGE = 7
export const AF_INET6 = 10

/** Types of messages. */
export const NLMSG_ERROR = 2
export const NLMSG_DONE = 3
export const RTM_NEWLINK = 16
export const RTM_DELLINK = 17
export const RTM_GETLINK = 18
export const RTM_NEWADDR = 20
export const RTM_DELADDR = 21
export const RTM_GETADDR = 22
export const RTM_NEWROUTE = 24
export const RTM_DELROUTE = 25
export const RTM_GETROUTE = 26
export const RTM_NEWNEIGH = 28
export const RTM_DELNEIGH = 29
export const RTM_GETNEIGH = 30
export const RTM_NEWNEXTHOP = 104
export const RTM_DELNEXTHOP = 105
export const RTM_GETNEXTHOP = 106

/** Flags of messages. */
export const NLM_F_REQUEST = 0x1
export const NLM_F_ACK = 0x4
/** the table changed while it was dumped: what came is not one state of it */
export const NLM_F_DUMP_INTR = 0x10
export const NLM_F_DUMP = 0x300
export const NLM_F_REPLACE = 0x100
export const NLM_F_EXCL = 0x200
export const NLM_F_CREATE = 0x400
export const NLM_F_APPEND = 0x800
/** an error's echo of the request is its header only */
export const NLM_F_CAPPED = 0x100
/** an error carries attributes */
export const NLM_F_ACK_TLVS = 0x200
/** of an error: a sentence */
export const NLMSGERR_ATTR_MSG = 1

/** Attributes of routes. */
export const RTA_DST = 1
export const RTA_OIF = 4
export const RTA_GATEWAY = 5
export const RTA_PRIORITY = 6
export const RTA_PREFSRC = 7
export const RTA_METRICS = 8
export const RTA_MULTIPATH = 9
export const RTA_TABLE = 15
export const RTA_VIA = 18
export const RTA_ENCAP = 22
export const RTA_NH_ID = 30

/** Attributes of nexthop objects. */
export const NHA_ID = 1
export const NHA_GROUP = 2
export const NHA_GROUP_TYPE = 3
export const NHA_BLACKHOLE = 4
export const NHA_OIF = 5
export const NHA_GATEWAY = 6
export const NHA_ENCAP_TYPE = 7
export const NHA_ENCAP = 8
export const NHA_FDB = 11

/** Types of routes. */
export const RTN_UNICAST = 1
export const RTN_LOCAL = 2
export const RTN_BLACKHOLE = 6
export const RTN_UNREACHABLE = 7
export const RTN_PROHIBIT = 8
/** the search goes on in the next table */
export const RTN_THROW = 9

/** Scopes of routes; NOWHERE in a deletion means any. */
export const RT_SCOPE_UNIVERSE = 0
export const RT_SCOPE_LINK = 253
export const RT_SCOPE_NOWHERE = 255

/** Flags of routes and of next hops. */
export const RTM_F_CLONED = 0x200
/** of a question: the answer is the route itself, not what it means for one packet */
export const RTM_F_FIB_MATCH = 0x2000
export const RTNH_F_ONLINK = 4

/** Attributes of links, flags of links. */
export const IFLA_ADDRESS = 1
export const IFLA_IFNAME = 3
export const IFLA_MTU = 4
export const IFLA_LINKINFO = 18
export const IFLA_IFALIAS = 20
export const IFLA_INFO_KIND = 1
export const IFLA_INFO_DATA = 2
export const IFF_UP = 0x1
/** the carrier is there */
export const IFF_LOWER_UP = 0x10000

/** Attributes of VXLAN links, in IFLA_INFO_DATA. */
export const IFLA_VXLAN_ID = 1
export const IFLA_VXLAN_LINK = 3
export const IFLA_VXLAN_LOCAL = 4
export const IFLA_VXLAN_LEARNING = 7
export const IFLA_VXLAN_PORT = 15
export const IFLA_VXLAN_LOCAL6 = 17

/** Attributes, states and flags of neighbours. */
export const NDA_DST = 1
export const NDA_LLADDR = 2
/** nobody answers for it, or somebody has deleted it */
export const NUD_FAILED = 0x20
export const NUD_NOARP = 0x40
/** somebody wrote it: it stays until somebody deletes it */
export const NUD_PERMANENT = 0x80
/** of a link's own table: VXLAN's, not a bridge's */
export const NTF_SELF = 0x2

/** Attributes of addresses. */
export const IFA_ADDRESS = 1
export const IFA_LOCAL = 2
/** used at once: nobody else on the link is asked first */
export const IFA_F_NODAD = 0x2

/** Multicast groups as bits of the socket's address. */
export const GROUP_LINK = 1 << 0
export const GROUP_NEIGHBOUR = 1 << 2
export const GROUP_IPV4_ADDRESS = 1 << 4
export const GROUP_IPV4_ROUTE = 1 << 6
export const GROUP_IPV6_ADDRESS = 1 << 8
export const GROUP_IPV6_ROUTE = 1 << 10
export const GROUP_NEXTHOP = 2 ** 31
