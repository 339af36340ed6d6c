import { NUD_FAILED, NUD_PERMANENT, RTM_NEWNEIGH } from '../../core/rtnl/index.ts'
import { PosixError, PosixSocket } from '../posix/index.ts'

/** Netlink sockets and their options. */

const AF_NETLINK = 16
const SOCK_RAW = 3
const NETLINK_ROUTE = 0

const SOL_SOCKET = 1
const SO_RCVBUF = 8
const SO_ATTACH_FILTER = 26
const SO_RCVBUFFORCE = 33

const SOL_NETLINK = 270
const NETLINK_CAP_ACK = 10
const NETLINK_EXT_ACK = 11
const NETLINK_GET_STRICT_CHK = 12

/** Octets of a `sockaddr_nl`: family 2, pad 2, port 4, groups 4. */
const ADDRESS_OCTETS = 12

/** A socket to the kernel's routing, and the port by which the kernel names it. */
export interface NetlinkSocket {
  readonly socket: PosixSocket
  readonly port: number
}

/**
 * Opens one. `groups` are the multicast groups that it hears. `receiveOctetsMax` is asked of the
 * kernel by force, and where that is not permitted as much as an ordinary process gets. Throws a
 * `PosixError`.
 */
export function openNetlink(groups: number, receiveOctetsMax: number): NetlinkSocket {
  const socket = new PosixSocket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)
  try {
    enlarge(socket, receiveOctetsMax)
    // errors carry a sentence and not the whole request; dumps are filtered by the kernel
    for (const option of [NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK])
      tryOption(socket, SOL_NETLINK, option, 1)
    const address = new Uint8Array(ADDRESS_OCTETS)
    const view = new DataView(address.buffer)
    view.setUint16(0, AF_NETLINK, true)
    view.setUint32(8, groups, true)
    socket.bind(address)
    const own = socket.name(ADDRESS_OCTETS)
    return { socket, port: new DataView(own.buffer).getUint32(4, true) }
  } catch (error) {
    socket.close()
    throw error
  }
}

function enlarge(socket: PosixSocket, octets: number): void {
  if (!tryOption(socket, SOL_SOCKET, SO_RCVBUFFORCE, octets))
    tryOption(socket, SOL_SOCKET, SO_RCVBUF, octets)
}

/** Sets an option that a kernel may lack or refuse; it is worse without it, and works. */
function tryOption(socket: PosixSocket, level: number, option: number, value: number): boolean {
  try {
    socket.setOption(level, option, value)
    return true
  } catch (error) {
    if (error instanceof PosixError) return false
    throw error
  }
}

/**
 * Makes the kernel drop, before they take space in the socket's buffer, notifications of what the
 * socket with `port` did: nobody needs to be told of half a million changes of his own. And of
 * neighbours all but what somebody wrote and what is gone: the kernel asks each of the others again
 * every minute.
 *
 *   0  ld  [12]            nlmsg_pid of the first message; numbers are read as big-endian
 *   1  jeq #port, 7, 2
 *   2  ldh [4]             nlmsg_type
 *   3  jeq #NEWNEIGH, 4, 6
 *   4  ldh [24]            ndm_state
 *   5  jset #PERMANENT | FAILED, 6, 7
 *   6  ret #-1             keep
 *   7  ret #0              drop
 */
export function ignoreChangesBy(socket: PosixSocket, port: number): void {
  const code = new Uint8Array(64)
  const view = new DataView(code.buffer)
  const instruction = (at: number, op: number, yes: number, no: number, k: number): void => {
    view.setUint16(at * 8, op, true)
    view.setUint8(at * 8 + 2, yes)
    view.setUint8(at * 8 + 3, no)
    view.setUint32(at * 8 + 4, k, true)
  }
  const swapped = new DataView(new ArrayBuffer(4))
  swapped.setUint32(0, port, true)
  instruction(0, 0x20, 0, 0, 12)
  instruction(1, 0x15, 5, 0, swapped.getUint32(0, false))
  instruction(2, 0x28, 0, 0, 4)
  instruction(3, 0x15, 0, 2, RTM_NEWNEIGH << 8)
  instruction(4, 0x28, 0, 0, 24)
  instruction(5, 0x45, 0, 1, (NUD_PERMANENT | NUD_FAILED) << 8)
  instruction(6, 0x06, 0, 0, 0xffffffff)
  instruction(7, 0x06, 0, 0, 0)
  socket.attachFilter(SOL_SOCKET, SO_ATTACH_FILTER, code)
}
