import { readFileSync } from 'node:fs'

/**
 * What the kernel counts of TCP MD5 signatures. A peer with another password, or with none, is not
 * refused: what it sends is dropped, and both ends see a connection that never opens. These
 * counters are all that the kernel says of it, for all connections of the network namespace
 * together. RFC 2385 §4.4
 */
export interface SignatureCounters {
  /** segments without a signature from a peer that has a password here. TCPMD5NotFound */
  readonly unsigned: number
  /** segments with a signature from a peer that has no password here. TCPMD5Unexpected */
  readonly unexpected: number
  /** segments signed with another password. TCPMD5Failure */
  readonly wrong: number
}

/** The counters now; undefined where the kernel has none. */
export function readSignatureCounters(path = '/proc/net/netstat'): SignatureCounters | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    // another kernel than Linux, or /proc is not there
    return undefined
  }
  return parseSignatureCounters(text)
}

/** The counters in a /proc/net/netstat: a line of names, then a line of numbers. */
export function parseSignatureCounters(text: string): SignatureCounters | undefined {
  const [names = [], values = []] = text
    .split('\n')
    .filter(line => line.startsWith('TcpExt:'))
    .map(line => line.split(' '))
  const read = (name: string): number | undefined => {
    const at = names.indexOf(name)
    return at < 0 ? undefined : Number(values[at])
  }
  const unsigned = read('TCPMD5NotFound')
  const unexpected = read('TCPMD5Unexpected')
  const wrong = read('TCPMD5Failure')
  return unsigned === undefined || unexpected === undefined || wrong === undefined
    ? undefined
    : { unsigned, unexpected, wrong }
}

/** What was dropped between two readings, as a sentence; undefined where nothing was. */
export function describeSignatures(
  before: SignatureCounters,
  after: SignatureCounters,
): string | undefined {
  const parts = [
    [after.wrong - before.wrong, 'with a signature of another password'],
    [after.unsigned - before.unsigned, 'without the signature that a password asks for'],
    [after.unexpected - before.unexpected, 'with a signature where no password is configured'],
  ] as const
  const told = parts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`)
  return told.length === 0 ? undefined : `TCP segments dropped: ${told.join(', ')}`
}
