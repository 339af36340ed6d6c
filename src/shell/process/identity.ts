import { existsSync, readFileSync, statSync } from 'node:fs'
import { type Capability, has, type Privileges } from './capabilities.ts'

/**
 * As whom the processes of an agent run, and how setpriv (util-linux) brings it about.
 *
 *              user                                             capabilities
 *   controller martlet-controller, else the owner of its files  none
 *   speaker    martlet-speaker, else 65521                      none
 *   dataplane  martlet-dataplane, else 65522                    CAP_NET_ADMIN
 *
 * The controller has to read credentials and to write a directory store, so it runs as whoever owns
 * them: as root's uid without any capability, unless the operator gave the files to somebody else.
 * The other two need no file, and their users own none: 65521 and 65522 lie in a range that
 * distributions and systemd leave alone.
 */

/** The three children of a supervisor. */
export type ChildName = 'controller' | 'speaker' | 'dataplane'

/** A user and its group. */
export interface Identity {
  readonly uid: number
  readonly gid: number
}

/** How children are started, and what could not be had. */
export interface Identities {
  readonly of: Readonly<Record<ChildName, Identity>>
  /** whether each child has its own user */
  readonly separate: boolean
  /** words before the command of a child; empty where nothing can be dropped */
  prefix(name: ChildName): readonly string[]
  /** what an operator should know: what is missing, and what it would take */
  readonly shortfalls: readonly string[]
}

/** What each process needs, whoever starts it. */
export const NEEDED: Readonly<Record<ChildName, readonly Capability[]>> = {
  controller: [],
  speaker: [],
  dataplane: ['NET_ADMIN'],
}

const SPEAKER_ID = 65_521
const DATAPLANE_ID = 65_522

/** What the machine lets this process do. */
export interface Machine {
  readonly privileges: Privileges
  /** whether setpriv is installed */
  readonly setpriv: boolean
  /** whether a user namespace maps the id; all are, outside of one */
  mapped(id: number): boolean
  /** of /etc/passwd */
  user(name: string): Identity | undefined
  /** of a file or directory; undefined where it is not there */
  owner(path: string): Identity | undefined
}

/** Plans the identities. @param files  what the controller needs, the first that exists decides */
export function planIdentities(machine: Machine, files: readonly string[]): Identities {
  const self: Identity = machine.privileges
  const owner = files.map(machine.owner).find(found => found !== undefined)
  const wanted = {
    controller: machine.user('martlet-controller') ?? owner ?? self,
    speaker: machine.user('martlet-speaker') ?? both(SPEAKER_ID),
    dataplane: machine.user('martlet-dataplane') ?? both(DATAPLANE_ID),
  }
  const shortfalls: string[] = []
  const separate = maySeparate(machine, Object.values(wanted), shortfalls)
  const mayDrop = has(machine.privileges, 'SETPCAP')
  if (!machine.setpriv) shortfalls.push('setpriv is not installed (package util-linux)')
  else if (!mayDrop) shortfalls.push('without CAP_SETPCAP the bounding sets stay as they are')
  if (!has(machine.privileges, 'NET_ADMIN'))
    shortfalls.push('without CAP_NET_ADMIN the dataplane cannot install routes')
  return {
    of: separate ? wanted : { controller: self, speaker: self, dataplane: self },
    separate,
    shortfalls,
    prefix: name => {
      if (!machine.setpriv) return []
      const capabilities = capabilityWords(name, machine.privileges, mayDrop)
      return ['setpriv', ...(separate ? userWords(wanted[name]) : []), ...capabilities]
    },
  }
}

function maySeparate(machine: Machine, wanted: readonly Identity[], shortfalls: string[]): boolean {
  if (!machine.setpriv) return false
  const { privileges } = machine
  if (!has(privileges, 'SETUID') || !has(privileges, 'SETGID') || !has(privileges, 'CHOWN')) {
    shortfalls.push(
      'without CAP_SETUID, CAP_SETGID and CAP_CHOWN all processes share one user, so the speaker ' +
        'could read what the controller can; start martlet as root, or its processes as services',
    )
    return false
  }
  if (wanted.every(({ uid, gid }) => machine.mapped(uid) && machine.mapped(gid))) return true
  shortfalls.push(
    'this user namespace has too few users, so all processes share one; capabilities are dropped',
  )
  return false
}

const userWords = ({ uid, gid }: Identity): string[] => [
  `--reuid=${uid}`,
  `--regid=${gid}`,
  '--clear-groups',
]

function capabilityWords(
  name: ChildName,
  privileges: Privileges,
  mayDropBounding: boolean,
): string[] {
  const kept = NEEDED[name]
    .filter(capability => has(privileges, capability))
    .map(capability => `,+${capability.toLowerCase()}`)
    .join('')
  const set = `-all${kept}`
  return [
    `--inh-caps=${set}`,
    `--ambient-caps=${set}`,
    ...(mayDropBounding ? [`--bounding-set=${set}`] : []),
    '--no-new-privs',
    // a supervisor that is killed takes its children along, however busy; no goodbye: it is a crash
    '--pdeathsig=KILL',
  ]
}

const both = (id: number): Identity => ({ uid: id, gid: id })

/** The machine that this process runs on. */
export function thisMachine(privileges: Privileges): Machine {
  const users = readLines('/etc/passwd').map(line => line.split(':'))
  const map = readLines('/proc/self/uid_map').map(line => line.trim().split(/\s+/).map(Number))
  const path = (process.env.PATH ?? '/usr/bin:/bin').split(':')
  return {
    privileges,
    setpriv: path.some(folder => existsSync(`${folder}/setpriv`)),
    mapped: id => map.some(([first = 0, , count = 0]) => id >= first && id < first + count),
    user: name => {
      const fields = users.find(([user]) => user === name)
      return fields && { uid: Number(fields[2]), gid: Number(fields[3]) }
    },
    owner: path => {
      const found = statSync(path, { throwIfNoEntry: false })
      return found && { uid: found.uid, gid: found.gid }
    },
  }
}

function readLines(path: string): string[] {
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []
}
