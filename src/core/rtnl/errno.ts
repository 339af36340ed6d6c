/** What the kernel answers when it refuses, by the number and for people. Linux on x86-64 and arm64. */

export const EPERM = 1
export const ENOENT = 2
export const ESRCH = 3
export const EEXIST = 17
export const ENODEV = 19
export const EINVAL = 22
export const ENETDOWN = 100
export const ENETUNREACH = 101
export const ENOBUFS = 105
export const EHOSTUNREACH = 113

const NAMES: ReadonlyMap<number, string> = new Map([
  [EPERM, 'EPERM (not permitted: CAP_NET_ADMIN is missing)'],
  [ENOENT, 'ENOENT (there is no such route or table)'],
  [ESRCH, 'ESRCH (there is no such route)'],
  [11, 'EAGAIN (try again)'],
  [12, 'ENOMEM (out of memory)'],
  [13, 'EACCES (permission denied)'],
  [16, 'EBUSY (busy)'],
  [EEXIST, 'EEXIST (another route has this destination and metric)'],
  [ENODEV, 'ENODEV (there is no such link)'],
  [EINVAL, 'EINVAL (invalid)'],
  [28, 'ENOSPC (no space)'],
  [34, 'ERANGE (out of range)'],
  [90, 'EMSGSIZE (too long)'],
  [95, 'EOPNOTSUPP (not supported by this kernel)'],
  [97, 'EAFNOSUPPORT (this address family is off)'],
  [99, 'EADDRNOTAVAIL (no such address)'],
  [ENETDOWN, 'ENETDOWN (the link is down)'],
  [ENETUNREACH, 'ENETUNREACH (the next hop is not on a connected network)'],
  [ENOBUFS, 'ENOBUFS (no buffer space)'],
  [110, 'ETIMEDOUT (timed out)'],
  [EHOSTUNREACH, 'EHOSTUNREACH (the next hop is not reachable)'],
])

/** The error's name with a gloss; the number where it is not one that routes meet. */
export const errnoText = (errno: number): string => NAMES.get(errno) ?? `errno ${errno}`

/**
 * True for a refusal that is about the next hop or its link: all routes through it would meet the same, and
 * it mends itself when a link comes up or an address is given. EINVAL is among them: IPv6 answers so for a
 * gateway that is one of the node's own addresses.
 */
export const isAboutNextHop = (errno: number): boolean =>
  errno === ENETUNREACH ||
  errno === EHOSTUNREACH ||
  errno === ENETDOWN ||
  errno === ENODEV ||
  errno === EINVAL
