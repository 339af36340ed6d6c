import { closeSync, openSync } from 'node:fs'
import { checked, libc } from './libc.ts'

/** Giving up privileges, and the network namespaces that privileges open. */

const PR_SET_NO_NEW_PRIVS = 38
const CLONE_NEWNET = 0x40000000

/** From here on no program that this process starts can have more privileges than it. */
export function forbidNewPrivileges(): void {
  checked('prctl', libc().prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
}

/**
 * Moves the calling thread to a network namespace of its own, empty but for a loopback device that
 * is down. It ends with the last process in it. For tests and labs; needs CAP_SYS_ADMIN.
 */
export function enterNewNetwork(): void {
  checked('unshare', libc().unshare(CLONE_NEWNET))
}

/**
 * Runs `act` with the calling thread in the network namespace at `path` (`/run/netns/NAME`), then
 * comes back. Sockets that are made in `act` stay where they were made. `act` must not wait: what
 * it starts is of the namespace, what happens later is not. Needs CAP_SYS_ADMIN.
 */
export function inNetwork<Answer>(path: string, act: () => Answer): Answer {
  const home = openSync('/proc/thread-self/ns/net', 'r')
  try {
    const there = openSync(path, 'r')
    try {
      checked('setns', libc().setns(there, CLONE_NEWNET))
    } finally {
      closeSync(there)
    }
    try {
      return act()
    } finally {
      checked('setns', libc().setns(home, CLONE_NEWNET))
    }
  } finally {
    closeSync(home)
  }
}
