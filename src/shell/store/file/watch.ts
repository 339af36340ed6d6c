import { type FSWatcher, watch } from 'node:fs'
import type { Entry, WatchEvent } from '../../../core/intent/index.ts'
import { changesBetween, isEmpty } from '../changes.ts'
import { Pause, sentenceOf } from '../errors.ts'
import type { Contents } from './store.ts'

/**
 * Follows a directory: woken by the kernel where it tells, and looking by itself where it does not.
 */

/**
 * How often it looks without being told: leases expire silently, and some file systems tell
 * nothing.
 */
const LOOK_MS = 1000
/** After a change, until the rest of it is there: an editor writes several times. */
const SETTLE_MS = 40
/**
 * An object that vanished may be on its way back (an editor replaces a file): it is looked for
 * again.
 */
const VANISHED_MS = 300
/** Between two looks while the directory cannot be read. */
const RETRY_MS = 500

/** One watch of some prefixes. */
export class FileWatch {
  readonly #prefixes: readonly string[]
  readonly #read: () => Promise<Contents>
  readonly #listener: (event: WatchEvent) => void
  readonly #pause = new Pause()
  readonly #watchers = new Map<string, FSWatcher>()
  #closed = false
  #told: ReadonlyMap<string, Entry> | undefined
  #toldProblems = '[]'
  #lost = false

  constructor(
    prefixes: readonly string[],
    read: () => Promise<Contents>,
    listener: (event: WatchEvent) => void,
  ) {
    this.#prefixes = prefixes
    this.#read = read
    this.#listener = listener
    void this.#run()
  }

  /** Looks at once. */
  wake(): void {
    this.#pause.wake()
  }

  /** Nothing is told after this. */
  close(): void {
    this.#closed = true
    for (const watcher of this.#watchers.values()) watcher.close()
    this.#watchers.clear()
    this.#pause.wake()
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      try {
        await this.#look()
        await this.#pause.wait(LOOK_MS)
      } catch (error) {
        this.#tellLost(sentenceOf(error))
        await this.#pause.wait(RETRY_MS)
      }
    }
  }

  async #look(): Promise<void> {
    let contents = await this.#read()
    let entries = this.#mine(contents)
    if (this.#told !== undefined && vanished(this.#told, entries)) {
      await new Promise(resolve => setTimeout(resolve, VANISHED_MS))
      contents = await this.#read()
      entries = this.#mine(contents)
    }
    if (this.#closed) return
    this.#follow(contents.folders)
    this.#tell(contents, entries)
  }

  #mine(contents: Contents): Map<string, Entry> {
    const mine = contents.entries.filter(({ key }) =>
      this.#prefixes.some(prefix => key.startsWith(prefix)),
    )
    return new Map(mine.map(entry => [entry.key, entry]))
  }

  #tell(contents: Contents, entries: ReadonlyMap<string, Entry>): void {
    const { revision, problems } = contents
    const told = this.#told
    this.#told = entries
    const toldProblems = this.#toldProblems
    this.#toldProblems = JSON.stringify(problems)
    if (told === undefined || this.#lost) {
      this.#lost = false
      this.#listener({ type: 'snapshot', entries: [...entries.values()], revision, problems })
      return
    }
    const changes = changesBetween(told, entries)
    if (isEmpty(changes) && toldProblems === this.#toldProblems) return
    this.#listener({ type: 'changes', ...changes, revision, problems })
  }

  #tellLost(why: string): void {
    if (this.#closed || this.#lost) return
    this.#lost = true
    this.#listener({ type: 'lost', why })
  }

  /**
   * Watches every folder of resources; looking by itself goes on, so a failure here costs a second.
   */
  #follow(folders: readonly string[]): void {
    for (const [folder, watcher] of this.#watchers)
      if (!folders.includes(folder)) {
        watcher.close()
        this.#watchers.delete(folder)
      }
    for (const folder of folders) {
      if (this.#watchers.has(folder)) continue
      const watcher = this.#watchFolder(folder)
      if (watcher !== undefined) this.#watchers.set(folder, watcher)
    }
  }

  #watchFolder(folder: string): FSWatcher | undefined {
    try {
      const watcher = watch(folder, { persistent: false }, (_, name) => {
        if (name?.startsWith('.') !== true) setTimeout(() => this.#pause.wake(), SETTLE_MS)
      })
      watcher.on('error', () => {
        watcher.close()
        this.#watchers.delete(folder)
      })
      return watcher
    } catch {
      // the folder went, or the kernel's limit of watches is reached
      return undefined
    }
  }
}

function vanished(told: ReadonlyMap<string, Entry>, entries: ReadonlyMap<string, Entry>): boolean {
  for (const key of told.keys()) if (!entries.has(key)) return true
  return false
}
