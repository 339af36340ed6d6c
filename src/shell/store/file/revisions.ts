import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemCode } from '../errors.ts'
import { digestOf, writeWhole } from './files.ts'

/**
 * Revisions of what lies in a directory: one counter for all keys, as etcd has it.
 *
 *   .state/revisions.json { "revision": 7, "keys": { "<key>": { "revision": 5, "digest": "…" } } }
 *
 * Files are changed by people too, who count nothing: whoever first sees a content that the index
 * does not know gives it the next revision, under the directory's lock, and from then on all
 * processes agree.
 */

/** What the index says of one key. */
interface Known {
  readonly revision: number
  readonly digest: string
}

/** The index as it is, or is to be, written. */
export interface Revisions {
  readonly revision: number
  readonly keys: ReadonlyMap<string, Known>
}

const NONE: Revisions = { revision: 0, keys: new Map() }

/** Reads the index of the state folder; what cannot be read is an empty one. */
export async function readRevisions(state: string): Promise<Revisions> {
  let text: string
  try {
    text = await readFile(pathIn(state), 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return NONE
    throw error
  }
  return parse(text)
}

/** Replaces the index. The caller holds the lock. */
export async function writeRevisions(state: string, revisions: Revisions): Promise<void> {
  const keys = Object.fromEntries(revisions.keys)
  const text = `${JSON.stringify({ revision: revisions.revision, keys }, null, 1)}\n`
  await writeWhole(pathIn(state), text, false)
}

/** The index that knows `contents`; `last` itself where it knows them already. */
export function nextRevisions(last: Revisions, contents: ReadonlyMap<string, string>): Revisions {
  let changed = last.keys.size !== contents.size
  const revision = last.revision + 1
  const keys = new Map<string, Known>()
  for (const [key, content] of contents) {
    const digest = digestOf(content)
    const known = last.keys.get(key)
    if (known?.digest === digest) keys.set(key, known)
    else {
      keys.set(key, { revision, digest })
      changed = true
    }
  }
  return changed ? { revision, keys } : last
}

const pathIn = (state: string): string => join(state, 'revisions.json')

function parse(text: string): Revisions {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // torn by a crash of the machine: the contents are all that counts, they get new revisions
    return NONE
  }
  if (typeof value !== 'object' || value === null) return NONE
  const { revision, keys }: { revision?: unknown; keys?: unknown } = value
  if (typeof revision !== 'number' || typeof keys !== 'object' || keys === null) return NONE
  const known = new Map<string, Known>()
  for (const [key, entry] of Object.entries(keys))
    if (isKnown(entry)) known.set(key, { revision: entry.revision, digest: entry.digest })
  return { revision, keys: known }
}

const isKnown = (entry: unknown): entry is Known =>
  typeof entry === 'object' &&
  entry !== null &&
  'revision' in entry &&
  typeof entry.revision === 'number' &&
  'digest' in entry &&
  typeof entry.digest === 'string'
