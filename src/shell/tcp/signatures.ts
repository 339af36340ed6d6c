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

/** How long a drop counts as recent. */
const RECENT_MS = 60_000

/** Which of the counters have grown of late: for whoever explains why a session does not open. */
export class SignatureWatch {
  readonly #read: () => SignatureCounters | undefined
  readonly #grown = new Map<keyof SignatureCounters, number>()
  #last: SignatureCounters | undefined

  /** @param read  where the counters come from */
  constructor(read: () => SignatureCounters | undefined = readSignatureCounters) {
    this.#read = read
    this.#last = read()
  }

  /** What has been dropped in the last minute, or since the last look. @param now  monotonic */
  look(now: number): Readonly<Record<keyof SignatureCounters, boolean>> {
    const counters = this.#read()
    const recent = (name: keyof SignatureCounters): boolean => {
      if ((counters?.[name] ?? 0) > (this.#last?.[name] ?? 0)) this.#grown.set(name, now)
      return now - (this.#grown.get(name) ?? Number.NEGATIVE_INFINITY) <= RECENT_MS
    }
    const found = {
      unsigned: recent('unsigned'),
      unexpected: recent('unexpected'),
      wrong: recent('wrong'),
    }
    this.#last = counters
    return found
  }
}
