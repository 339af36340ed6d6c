import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import type { Entry } from '../../core/intent/index.ts'

/** What a controller went by, kept on disk for the one after it. */

/** The format of the file; another one is somebody else's. */
const VERSION = 1

/** The last complete snapshot of a store that was followed. */
export interface Kept {
  /** which store, and whose: a memory of another one counts for nothing */
  readonly store: string
  readonly node: string
  /** when it was kept */
  readonly at: string
  /** of the store */
  readonly revision: number
  readonly entries: readonly Entry[]
  /** what else is in force: earlier contents of entries that are not valid now */
  readonly earlier: readonly Entry[]
}

/**
 * The file of it.
 *
 * A controller that starts beside a broken file, a Node that somebody has just mistyped, or a store
 * that does not answer, knows by this what its predecessor went by, and changes nothing. It is a
 * memory, not a source: what the store says and can be read always wins, and without the file the
 * store alone counts.
 */
export class LastGood {
  readonly #path: string
  #text = ''

  /** @param path  of a file, whose directory is made where it can be */
  constructor(path: string) {
    this.#path = path
  }

  /** What was kept; nothing where there is no file, or not one of ours. */
  load(): Kept | undefined {
    try {
      const found: unknown = JSON.parse(readFileSync(this.#path, 'utf8'))
      return keptOf(found)
    } catch {
      // absent at the first start; torn by a crash of the machine: a memory that is lost
      return undefined
    }
  }

  /**
   * Keeps it, where the entries have changed, by a new file in the place of the old one, on the
   * disk before that. O(entries), and as slow as the disk: not for every change.
   *
   * @throws the operating system's error
   */
  save(kept: Kept): void {
    const { store, node, entries, earlier } = kept
    const text = JSON.stringify({ store, node, entries, earlier })
    if (text === this.#text) return
    const directory = dirname(this.#path)
    mkdirSync(dirname(directory), { recursive: true })
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const file = openSync(`${this.#path}.new`, 'w', 0o600)
    try {
      writeFileSync(file, JSON.stringify({ version: VERSION, ...kept }))
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(`${this.#path}.new`, this.#path)
    this.#text = text
  }
}

function keptOf(found: unknown): Kept | undefined {
  const [version, store, node, at, revision, entries, earlier] = [
    ...['version', 'store', 'node', 'at', 'revision', 'entries', 'earlier'],
  ].map(name => fieldOf(found, name))
  if (version !== VERSION || typeof revision !== 'number' || !Array.isArray(entries))
    return undefined
  return {
    store: String(store),
    node: String(node),
    at: String(at),
    revision,
    entries: entries.flatMap(entryOf),
    earlier: Array.isArray(earlier) ? earlier.flatMap(entryOf) : [],
  }
}

function entryOf(found: unknown): Entry[] {
  const [key, value, revision, source] = ['key', 'value', 'revision', 'source'].map(name =>
    fieldOf(found, name),
  )
  if (typeof key !== 'string' || typeof value !== 'string' || typeof revision !== 'number')
    return []
  return [{ key, value, revision, ...(typeof source === 'string' && { source }) }]
}

const fieldOf = (found: unknown, name: string): unknown =>
  typeof found === 'object' && found !== null ? Reflect.get(found, name) : undefined
