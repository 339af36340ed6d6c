import { randomUUID } from 'node:crypto'
import { readdir, readFile, stat, unlink, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import type { Entry } from '../../../core/intent/index.ts'
import { LeaseLostError, systemCode } from '../errors.ts'
import type { LeaseMedium } from '../leased.ts'
import { makeFolder, STATE_FOLDER, writeWhole } from './files.ts'

/**
 * Leases of a directory store: one file a lease, which holds the keys under it and dies by its age.
 *
 *   .state/leases/<ttl seconds>-<uuid>.json   { "<key>": { "revision": 9, "value": {…} or "…" } }
 *
 * The file's modification time is when the lease was last renewed: a renewal writes no content.
 * Readers ignore what is older than its ttl; whoever writes next removes it.
 */

/**
 * An expired lease is removed this long after its end, so that its owner learns that it was late.
 */
const KEEP_MS = 60_000

const folderIn = (state: string): string => join(state, 'leases')

/** Every entry under a lease that lives. Of two leases with one key, the later revision counts. */
export async function leasedEntries(state: string): Promise<Map<string, Entry>> {
  const entries = new Map<string, Entry>()
  for (const name of await leaseFiles(state)) {
    const path = join(folderIn(state), name)
    if ((await ageMs(path)) > ttlMs(name)) continue
    for (const entry of parseLease(await readOrNothing(path))) {
      const other = entries.get(entry.key)
      if (other === undefined || other.revision < entry.revision) entries.set(entry.key, entry)
    }
  }
  return entries
}

/** Runs `change` under the directory's lock with the next revision. */
export type Numbered = (change: (revision: number) => Promise<void>) => Promise<void>

/** One lease of this process. */
export class FileLease implements LeaseMedium {
  readonly #root: string
  readonly #state: string
  readonly #ttlSeconds: number
  readonly #numbered: Numbered
  #name = ''
  #entries = new Map<string, { revision: number; value: string }>()

  constructor(root: string, ttlSeconds: number, numbered: Numbered) {
    this.#root = root
    this.#state = join(root, STATE_FOLDER)
    this.#ttlSeconds = ttlSeconds
    this.#numbered = numbered
  }

  /** @inheritDoc */
  async grant(): Promise<void> {
    this.#name = `${this.#ttlSeconds}-${randomUUID()}.json`
    this.#entries = new Map()
    await makeFolder(this.#root, folderIn(this.#state))
    await writeWhole(this.#path(), '{}\n', false)
    await this.#removeExpired()
  }

  /** @inheritDoc */
  async write(puts: ReadonlyMap<string, string>, deletes: readonly string[]): Promise<void> {
    await this.#mustLive()
    await this.#numbered(async revision => {
      const next = new Map(this.#entries)
      for (const [key, value] of puts) next.set(key, { revision, value })
      for (const key of deletes) next.delete(key)
      await writeWhole(this.#path(), textOf(next), false)
      this.#entries = next
    })
  }

  /** @inheritDoc */
  async renew(): Promise<void> {
    await this.#mustLive()
    const time = new Date()
    await utimes(this.#path(), time, time)
  }

  /** @inheritDoc */
  async revoke(): Promise<void> {
    // what was under it changes by this: readers must see another revision
    await this.#numbered(() => removeFile(this.#path()))
  }

  #path(): string {
    return join(folderIn(this.#state), this.#name)
  }

  async #mustLive(): Promise<void> {
    if ((await ageMs(this.#path())) > this.#ttlSeconds * 1000)
      throw new LeaseLostError(`the lease was not renewed for ${this.#ttlSeconds} s`)
  }

  async #removeExpired(): Promise<void> {
    for (const name of await leaseFiles(this.#state)) {
      const path = join(folderIn(this.#state), name)
      const age = await ageMs(path)
      if (age !== Number.POSITIVE_INFINITY && age > ttlMs(name) + KEEP_MS) await removeFile(path)
    }
  }
}

async function leaseFiles(state: string): Promise<string[]> {
  try {
    return (await readdir(folderIn(state))).filter(name => /^\d+-[\w-]+\.json$/.test(name))
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw error
  }
}

const ttlMs = (name: string): number => Number.parseInt(name, 10) * 1000

/** Infinite for a file that is not there. */
async function ageMs(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined)
  return found === undefined ? Number.POSITIVE_INFINITY : Date.now() - found.mtimeMs
}

const readOrNothing = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '{}')

async function removeFile(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error
  }
}

/** A value that is JSON as we write it is kept as JSON, for those who read the file. */
function textOf(entries: ReadonlyMap<string, { revision: number; value: string }>): string {
  const object: Record<string, { revision: number; value: unknown }> = {}
  for (const [key, { revision, value }] of entries)
    object[key] = { revision, value: asJson(value) ?? value }
  return pretty(object)
}

const pretty = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`

function asJson(text: string): object | undefined {
  if (!text.startsWith('{')) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && pretty(value) === text ? value : undefined
  } catch {
    return undefined
  }
}

function parseLease(text: string): Entry[] {
  let object: unknown
  try {
    object = JSON.parse(text)
  } catch {
    return []
  }
  if (typeof object !== 'object' || object === null) return []
  return Object.entries(object).flatMap(([key, entry]): Entry[] => {
    const revision: unknown = entry?.revision
    const value: unknown = entry?.value
    if (typeof revision !== 'number') return []
    return [{ key, revision, value: typeof value === 'string' ? value : pretty(value) }]
  })
}
