import { readFileSync } from 'node:fs'

/**
 * The privileges that a process has, as the kernel tells them in /proc/self/status.
 * capabilities(7).
 */

/** The capabilities that anything here asks about, by their bit. */
const BITS = {
  CHOWN: 0,
  DAC_OVERRIDE: 1,
  SETGID: 6,
  SETUID: 7,
  SETPCAP: 8,
  NET_BIND_SERVICE: 10,
  NET_ADMIN: 12,
  NET_RAW: 13,
  SYS_ADMIN: 21,
} as const

/** A capability by the name that it has without `CAP_`. */
export type Capability = keyof typeof BITS

/** What a process may do. */
export interface Privileges {
  readonly uid: number
  readonly gid: number
  /** effective capabilities, one bit each */
  readonly effective: bigint
  /** what it could ever have again. */
  readonly bounding: bigint
  /** nothing that it executes gets more than it has */
  readonly noNewPrivileges: boolean
}

/** Of this process. Throws where there is no /proc. */
export const ownPrivileges = (): Privileges =>
  parsePrivileges(readFileSync('/proc/self/status', 'utf8'))

/** Of the process whose /proc/<pid>/status is `status`. */
export function parsePrivileges(status: string): Privileges {
  const field = (name: string): string =>
    new RegExp(`^${name}:\\s*(\\S+)(?:\\s+(\\S+))?`, 'm').exec(status)?.[1] ?? '0'
  const effectiveId = (name: string): number =>
    Number(new RegExp(`^${name}:\\s*\\S+\\s+(\\S+)`, 'm').exec(status)?.[1] ?? Number.NaN)
  return {
    uid: effectiveId('Uid'),
    gid: effectiveId('Gid'),
    effective: BigInt(`0x${field('CapEff')}`),
    bounding: BigInt(`0x${field('CapBnd')}`),
    noNewPrivileges: field('NoNewPrivs') === '1',
  }
}

/** Whether `privileges` has `capability` in effect. */
export const has = (privileges: Privileges, capability: Capability): boolean =>
  (privileges.effective & bit(capability)) !== 0n

/** What of `privileges` is beyond `allowed`, for people: `CAP_NET_RAW`, or `capability 37`. */
export function excess(privileges: Privileges, allowed: readonly Capability[]): string[] {
  let rest = privileges.effective
  for (const capability of allowed) rest &= ~bit(capability)
  const names: string[] = []
  for (let at = 0; rest !== 0n; at++, rest >>= 1n) if ((rest & 1n) !== 0n) names.push(nameOf(at))
  return names
}

const bit = (capability: Capability): bigint => 1n << BigInt(BITS[capability])

function nameOf(at: number): string {
  const found = Object.entries(BITS).find(([, position]) => position === at)
  return found === undefined ? `capability ${at}` : `CAP_${found[0]}`
}
