import { readFileSync } from 'node:fs'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { now } from '../clock/index.ts'

/**
 * Which process did something over netlink, by the port that the kernel names it by.
 *
 * The first socket of a process has the process's own number for a port; of others only the table
 * of sockets tells, and the files of processes, which not everybody may read. A process in a PID
 * namespace of its own has a number there that is another's here: a name is a hint, not a proof.
 */

/** Ports that are remembered; beyond it the one that was seen first is forgotten. */
const WITNESSES_MAX = 256

/** Looks at processes in one second: who deletes from many ports at once is not always named. */
const LOOKS_MAX = 20

/** Processes that are searched for one socket. */
const PROCESSES_MAX = 4_096

/** Above it no process has its number: a port is another socket's. proc(5), pid_max */
const PID_MAX = 4_194_304

/** A process that ended gives its number to another one, after a while. */
const FRESH_MS = 1_000

/** Who was behind which port lately. */
export class Witnesses {
  readonly #proc: string
  readonly #now: () => number
  readonly #seen = new Map<number, { name: string | undefined; at: number }>()
  #looks = 0
  #second = Number.NEGATIVE_INFINITY
  #searching = false

  /** The parameters are for tests: where processes are told of, and what time it is. */
  constructor(proc = '/proc', time: () => number = now) {
    this.#proc = proc
    this.#now = time
  }

  /** Somebody did something by `port`: looks who that is, while it lives. Some reads of /proc. */
  see(port: number): void {
    const at = this.#now()
    const known = this.#seen.get(port)
    if (known !== undefined && at - known.at < FRESH_MS) return
    if (at - this.#second >= 1_000) {
      this.#second = at
      this.#looks = 0
    }
    if (++this.#looks > LOOKS_MAX) return
    const name = port <= PID_MAX ? nameOf(this.#proc, port) : undefined
    this.#remember(port, name, at)
    if (name === undefined && !this.#searching) void this.#search(port)
  }

  /** The process that has or had `port`: `ip (pid 4711, of bash)`. */
  who(port: number): string | undefined {
    return this.#seen.get(port)?.name
  }

  #remember(port: number, name: string | undefined, at: number): void {
    this.#seen.delete(port)
    if (this.#seen.size >= WITNESSES_MAX)
      for (const oldest of this.#seen.keys()) {
        this.#seen.delete(oldest)
        break
      }
    this.#seen.set(port, { name, at })
  }

  /** By the socket that has the port: slow, so one at a time, and beside everything else. */
  async #search(port: number): Promise<void> {
    this.#searching = true
    const pid = await pidOf(this.#proc, port)
    const name = pid === undefined ? undefined : nameOf(this.#proc, pid)
    if (name !== undefined) this.#remember(port, name, this.#now())
    this.#searching = false
  }
}

/** The name of a process that lives, with that of its parent. */
function nameOf(proc: string, pid: number): string | undefined {
  const name = commandOf(proc, pid)
  if (name === undefined) return undefined
  const parent = Number(/^PPid:\s*(\d+)/m.exec(read(`${proc}/${pid}/status`) ?? '')?.[1] ?? 0)
  const of = parent > 1 ? commandOf(proc, parent) : undefined
  return `${name} (pid ${pid}${of === undefined ? '' : `, of ${of}`})`
}

/** Anybody may give his process any name: what is not a plain character is left out. */
const commandOf = (proc: string, pid: number): string | undefined =>
  read(`${proc}/${pid}/comm`)
    ?.trim()
    .replace(/[^\w.:+@/-]/g, '?')

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    // it has ended, or is not ours to look at
    if (error instanceof Error) return undefined
    throw error
  }
}

/** The process that holds the netlink socket with `port`; undefined where that cannot be seen. */
async function pidOf(proc: string, port: number): Promise<number | undefined> {
  try {
    // sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode
    const rows = (await readFile(`${proc}/net/netlink`, 'utf8')).split('\n')
    const fields = rows.map(row => row.trim().split(/\s+/))
    const inode = fields.find(([, kind, owner]) => kind === '0' && owner === String(port))?.[9]
    if (inode === undefined) return undefined
    const pids = (await readdir(proc)).filter(name => /^\d+$/.test(name)).slice(0, PROCESSES_MAX)
    for (const pid of pids) if (await holds(`${proc}/${pid}/fd`, inode)) return Number(pid)
    return undefined
  } catch (error) {
    if (error instanceof Error) return undefined
    throw error
  }
}

async function holds(folder: string, inode: string): Promise<boolean> {
  const files = await readdir(folder).catch(() => [])
  for (const file of files)
    if ((await readlink(`${folder}/${file}`).catch(() => '')) === `socket:[${inode}]`) return true
  return false
}
