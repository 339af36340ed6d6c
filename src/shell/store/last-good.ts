import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import type { Entry } from '../../core/intent/index.ts'

/**
 * What a controller last found valid in its store, kept for the one after it.
 *
 * A controller that starts beside a broken file, or a Node that somebody has just mistyped, knows
 * by this what its predecessor went by, and changes nothing. It is a memory, not a source: what the
 * store says and can be read always wins, and without the file the store alone counts.
 */
export class LastGood {
  readonly #path: string
  #text = ''

  /** @param path  of a file in a directory that the controller may write */
  constructor(path: string) {
    this.#path = path
  }

  /** What was kept; nothing where there is no file, or not one of ours. */
  load(): readonly Entry[] {
    try {
      const found: unknown = JSON.parse(readFileSync(this.#path, 'utf8'))
      return Array.isArray(found) ? found.flatMap(entryOf) : []
    } catch {
      // absent at the first start; torn by a crash of the machine: a memory that is lost
      return []
    }
  }

  /**
   * Keeps `entries`, where they have changed, by a new file in the place of the old one.
   *
   * @throws the operating system's error
   */
  save(entries: readonly Entry[]): void {
    const text = JSON.stringify(entries)
    if (text === this.#text) return
    writeFileSync(`${this.#path}.new`, text, { mode: 0o600 })
    renameSync(`${this.#path}.new`, this.#path)
    this.#text = text
  }
}

function entryOf(found: unknown): Entry[] {
  if (typeof found !== 'object' || found === null) return []
  const key: unknown = Reflect.get(found, 'key')
  const value: unknown = Reflect.get(found, 'value')
  const revision: unknown = Reflect.get(found, 'revision')
  const source: unknown = Reflect.get(found, 'source')
  if (typeof key !== 'string' || typeof value !== 'string' || typeof revision !== 'number')
    return []
  return [{ key, value, revision, ...(typeof source === 'string' && { source }) }]
}
