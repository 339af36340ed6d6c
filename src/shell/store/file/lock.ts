import { open, readFile, rename, stat, unlink } from 'node:fs/promises'
import { now } from '../../clock/index.ts'
import { StoreError, systemCode } from '../errors.ts'

/** One writer at a time in a directory that several processes share. */

/** A lock this old belongs to a process that died with it: no holder needs a second. */
const STALE_MS = 5000
const RETRY_MS = 10

/**
 * Runs `work` while no other process holds the lock file at `path`.
 *
 * @throws StoreError where the lock cannot be had within `deadlineMs`
 */
export async function withLock<Result>(
  path: string,
  deadlineMs: number,
  work: () => Promise<Result>,
): Promise<Result> {
  const token = `${process.pid} ${now()} ${Math.random()}\n`
  const until = now() + deadlineMs
  while (!(await take(path, token))) {
    if (now() >= until)
      throw new StoreError('STORE_UNAVAILABLE', `${path} is held by another process`)
    await new Promise(resolve => setTimeout(resolve, RETRY_MS))
  }
  try {
    return await work()
  } finally {
    // a lock that we were too slow with is somebody else's by now
    if ((await readFile(path, 'utf8').catch(() => '')) === token) await unlink(path)
  }
}

async function take(path: string, token: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx')
    await file.writeFile(token)
    await file.close()
    return true
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
    await breakStale(path)
    return false
  }
}

/** By renaming: of two who find the lock stale, one gets it, and the other finds nothing. */
async function breakStale(path: string): Promise<void> {
  const held = await stat(path).catch(() => undefined)
  if (held === undefined || Date.now() - held.mtimeMs < STALE_MS) return
  const aside = `${path}.${process.pid}`
  await rename(path, aside).catch(() => undefined)
  await unlink(aside).catch(() => undefined)
}
