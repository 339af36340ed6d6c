/**
 * System errors of TCP as sentences for the operator: what happened, and where it helps, what to
 * look at.
 */

const SENTENCES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused: nobody listens there, or a firewall rejects',
  ECONNRESET: 'the peer reset the connection',
  EPIPE: 'the peer closed the connection while we were sending',
  ETIMEDOUT: 'no answer from the peer: it is down, unreachable, or a password differs',
  EHOSTUNREACH: 'no route to the peer, or its link is down',
  ENETUNREACH: 'no route to the peer',
  EADDRNOTAVAIL: 'the local address is not on this node, or not yet',
  EADDRINUSE: 'address in use: another program has this port',
  EACCES: 'permission denied: ports below 1024 need the supervisor, or CAP_NET_BIND_SERVICE',
  ENOMEM: 'the kernel has no room for so many passwords: raise net.core.optmem_max',
  ENOPROTOOPT: 'the kernel has no TCP MD5 signatures (CONFIG_TCP_MD5SIG)',
  ENODEV: 'there is no such interface on this node',
  EINVAL: 'the addresses of both ends do not go together',
}

/** The sentence for `error`; the system's own text where there is none. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return ('code' in error ? SENTENCES[String(error.code)] : undefined) ?? error.message
}
