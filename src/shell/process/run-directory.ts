import { chmodSync, chownSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Identity } from './identity.ts'

/**
 * Makes a directory that nobody but `owner` looks into.
 *
 * @throws the system's error
 */
export function makePrivateDirectory(directory: string, owner: Identity): void {
  mkdirSync(dirname(directory), { recursive: true, mode: 0o755 })
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  chownSync(directory, owner.uid, owner.gid)
}

/** Who listens in a directory, and the group that may enter and connect. */
export interface SocketDirectory {
  /** of the socket */
  readonly path: string
  readonly listener: Identity
  readonly connectorGid: number
}

/**
 * Makes the directories of sockets: owned by who listens, entered by the group of who connects.
 * With the set-group-ID bit a socket belongs to that group from the moment that it is made, and no
 * process needs to be a member of another's group.
 *
 * @throws the system's error
 */
export function makeSocketDirectories(directories: readonly SocketDirectory[]): void {
  for (const { path, listener, connectorGid } of directories) {
    const directory = dirname(path)
    mkdirSync(dirname(directory), { recursive: true, mode: 0o755 })
    mkdirSync(directory, { recursive: true })
    chownSync(directory, listener.uid, connectorGid)
    // after chown, which clears the bit
    chmodSync(directory, 0o2750)
  }
}
