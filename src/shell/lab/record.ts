/**
 * What a running lab says about itself, in a file inside its own sandbox: others read it through
 * `/proc/<pid>/root`, so that nothing needs to be written on the machine, and nothing stays behind.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { AGENT_HOME } from './images.ts'

/** In the sandbox. */
export const LAB_DIRECTORY = '/run/lab'

/** The program, in the sandbox, that runs a command in a node: `$LAB_EXEC NODE COMMAND…`. */
export const LAB_EXEC = `${LAB_DIRECTORY}/exec`

/** In the command line of a sandbox's process 1: marker, name, file. */
export const MARKER = 'martlet-lab'

/** One node as it runs. */
export interface NodeRecord {
  readonly name: string
  readonly kind: 'linux' | 'bridge' | 'host'
  readonly group: string
  readonly image: string
  /** `martlet`, `bird`, …; empty where nothing runs */
  readonly program: string
  /** of its process 1, as the sandbox numbers processes; absent for bridge and host */
  readonly pid?: number
  readonly environment: Readonly<Record<string, string>>
  /** command and arguments that give up privileges before anything else runs in the node */
  readonly privileges: readonly string[]
  readonly managementAddress?: string
  /** of its main program; `none` where nothing is to run */
  readonly state: 'none' | 'waiting' | 'running' | 'stopped' | 'ended'
  readonly restarts: number
}

/** A lab as it runs. */
export interface LabRecord {
  readonly name: string
  readonly file: string
  /** ISO 8601 */
  readonly started: string
  readonly ready: boolean
  readonly nodes: readonly NodeRecord[]
  /** pairs of `node:interface` */
  readonly links: readonly (readonly string[])[]
}

/** A lab found on this machine. */
export interface RunningLab {
  /** of the sandbox's process 1, as this machine numbers processes */
  readonly pid: number
  readonly name: string
  readonly file: string
}

/** The PATH of every node: the agent's folder first, then what any Debian has. */
const PATH = '/.lab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** The environment of a command in a node, before the image's and the node's own. */
export function baseEnvironment(hostname: string): Record<string, string> {
  return { PATH, HOME: '/root', HOSTNAME: hostname, LANG: 'C.UTF-8', MARTLET_HOME: AGENT_HOME }
}

/** The command line that runs `command` in a node, for someone who is in the sandbox. */
export function inNode(node: NodeRecord, command: readonly string[]): readonly string[] {
  const variables = Object.entries(node.environment).map(([name, value]) => `${name}=${value}`)
  const inside = [...node.privileges, 'env', '-i', ...variables, ...command]
  if (node.pid === undefined) return inside
  return ['nsenter', ...namespacesOf(node.pid), '--', ...inside]
}

/** The command line that runs `command` in the sandbox, for someone on this machine. */
export function inSandbox(pid: number, command: readonly string[]): readonly string[] {
  const ours = readlinkSync('/proc/self/ns/user')
  const theirs = readlinkSync(`/proc/${pid}/ns/user`)
  const user = ours === theirs ? [] : ['--user', '--preserve-credentials']
  return ['nsenter', ...user, ...namespacesOf(pid), '--', ...command]
}

function namespacesOf(pid: number): readonly string[] {
  return ['--target', String(pid), '--mount', '--net', '--pid', '--uts', '--ipc']
}

/** The record of the lab whose process 1 is `pid`; undefined while it has none, or is gone. */
export function readRecord(pid: number): LabRecord | undefined {
  const file = `/proc/${pid}/root${LAB_DIRECTORY}/lab.json`
  if (!existsSync(file)) return undefined
  // written whole by our own host program, never by hand
  const record: LabRecord = JSON.parse(readFileSync(file, 'utf8'))
  return record
}

/** What the main program of a node has said, from the lab whose process 1 is `pid`. */
export function readLog(pid: number, node: string): string {
  const file = `/proc/${pid}/root${LAB_DIRECTORY}/log/${node}.log`
  return existsSync(file) ? readFileSync(file, 'utf8') : ''
}

/**
 * All labs that run on this machine and whose processes this user may see, by name. O(processes).
 */
export function runningLabs(): readonly RunningLab[] {
  const labs: RunningLab[] = []
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const words = commandLine(entry)
    const at = words.indexOf(MARKER)
    // `unshare` has the same words behind its own: only the shell begins with sh
    if (words[0] !== 'sh' || at < 0) continue
    labs.push({ pid: Number(entry), name: words[at + 1] ?? '', file: words[at + 2] ?? '' })
  }
  return labs.sort((a, b) => (a.name < b.name ? -1 : 1))
}

function commandLine(pid: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    // it ended between the listing and the reading
    return []
  }
}
