import { constants } from 'node:os'

/** A system call that failed. */

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.errno).map(([name, errno]) => [errno, name]),
)

/** The name of an errno: `ENOBUFS`. */
export const errnoName = (errno: number): string => NAMES.get(errno) ?? `errno ${errno}`

/** What the kernel answered to a system call. */
export class PosixError extends Error {
  override readonly name = 'PosixError'
  readonly errno: number
  /** the errno's name */
  readonly code: string
  readonly call: string

  constructor(call: string, errno: number) {
    super(`${call}: ${errnoName(errno)}`)
    this.errno = errno
    this.code = errnoName(errno)
    this.call = call
  }
}
