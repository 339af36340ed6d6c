import { readFileSync } from 'node:fs'

/**
 * The privileges that a process has, as the kernel tells them in /proc/self/status.
 * capabilities(7).
 */

/** All capabilities in the order of their bits. capabilities(7), Linux 6.18 */
const NAMES = [
  'CHOWN',
  'DAC_OVERRIDE',
  'DAC_READ_SEARCH',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'LINUX_IMMUTABLE',
  'NET_BIND_SERVICE',
  'NET_BROADCAST',
  'NET_ADMIN',
  'NET_RAW',
  'IPC_LOCK',
  'IPC_OWNER',
  'SYS_MODULE',
  'SYS_RAWIO',
  'SYS_CHROOT',
  'SYS_PTRACE',
  'SYS_PACCT',
  'SYS_ADMIN',
  'SYS_BOOT',
  'SYS_NICE',
  'SYS_RESOURCE',
  'SYS_TIME',
  'SYS_TTY_CONFIG',
  'MKNOD',
  'LEASE',
  'AUDIT_WRITE',
  'AUDIT_CONTROL',
  'SETFCAP',
  'MAC_OVERRIDE',
  'MAC_ADMIN',
  'SYSLOG',
  'WAKE_ALARM',
  'BLOCK_SUSPEND',
  'AUDIT_READ',
  'PERFMON',
  'BPF',
  'CHECKPOINT_RESTORE',
] as const

/** A capability by the name that it has without `CAP_`. */
export type Capability = (typeof NAMES)[number]

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

/** What of `privileges` is beyond `allowed`, for people: `CAP_NET_RAW`, or `capability 41`. */
export function excess(privileges: Privileges, allowed: readonly Capability[]): string[] {
  let rest = privileges.effective
  for (const capability of allowed) rest &= ~bit(capability)
  const names: string[] = []
  for (let at = 0; rest !== 0n; at++, rest >>= 1n) if ((rest & 1n) !== 0n) names.push(nameOf(at))
  return names
}

const bit = (capability: Capability): bigint => 1n << BigInt(NAMES.indexOf(capability))

const nameOf = (at: number): string => {
  const name = NAMES[at]
  return name === undefined ? `capability ${at}` : `CAP_${name}`
}
