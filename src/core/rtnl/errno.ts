/**
 * What the kernel answers when it refuses, by the number and for people. Linux on x86-64 and arm64.
 */

/** The privilege is missing. */
export const EPERM = 1
/** There is no such route to replace, or no such table. */
export const ENOENT = 2
/** There is no such route to delete. */
export const ESRCH = 3
/** Of a packet: a route forbids it. */
export const EACCES = 13
/** Something has this place. */
export const EEXIST = 17
/** There is no such link. */
export const ENODEV = 19
/** The request is wrong, or its next hop. */
export const EINVAL = 22
/** The family is not known here. */
export const EOPNOTSUPP = 95
/** Of an address: the link does not have it. */
export const EADDRNOTAVAIL = 99
/** The link is down. */
export const ENETDOWN = 100
/** IPv4: the next hop is not on a connected network. */
export const ENETUNREACH = 101
/** Answers or notifications were lost. */
export const ENOBUFS = 105
/** IPv6: the next hop is not on a connected network. */
export const EHOSTUNREACH = 113

const NAMES: ReadonlyMap<number, string> = new Map([
  [EPERM, 'EPERM (not permitted: CAP_NET_ADMIN is missing)'],
  [ENOENT, 'ENOENT (there is no such route or table)'],
  [ESRCH, 'ESRCH (there is no such route)'],
  [11, 'EAGAIN (try again)'],
  [12, 'ENOMEM (out of memory)'],
  [EACCES, 'EACCES (permission denied)'],
  [16, 'EBUSY (busy)'],
  [EEXIST, 'EEXIST (another route has this destination and metric)'],
  [ENODEV, 'ENODEV (there is no such link)'],
  [EINVAL, 'EINVAL (invalid)'],
  [28, 'ENOSPC (no space)'],
  [34, 'ERANGE (out of range)'],
  [90, 'EMSGSIZE (too long)'],
  [EOPNOTSUPP, 'EOPNOTSUPP (not supported by this kernel)'],
  [97, 'EAFNOSUPPORT (this address family is off)'],
  [EADDRNOTAVAIL, 'EADDRNOTAVAIL (no such address)'],
  [ENETDOWN, 'ENETDOWN (the link is down)'],
  [ENETUNREACH, 'ENETUNREACH (the next hop is not on a connected network)'],
  [ENOBUFS, 'ENOBUFS (no buffer space)'],
  [110, 'ETIMEDOUT (timed out)'],
  [EHOSTUNREACH, 'EHOSTUNREACH (the next hop is not reachable)'],
])

/** The error's name with a gloss; the number where it is not one that routes meet. */
export const errnoText = (errno: number): string => NAMES.get(errno) ?? `errno ${errno}`

/** True for a refusal that says that there is no way to a next hop now. */
export const isUnreachable = (errno: number): boolean =>
  errno === ENETUNREACH || errno === EHOSTUNREACH || errno === ENETDOWN || errno === ENODEV

/**
 * True for a refusal that all routes through the same next hops would meet, and that mends itself
 * for all of them: by a link that comes up, an address that is given, a privilege. EINVAL is among
 * them: IPv6 answers so for a gateway that is one of the node's own addresses.
 */
export const isShared = (errno: number): boolean =>
  isUnreachable(errno) || errno === EINVAL || errno === EPERM
