import { readdir, readFile, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parseResourceKey, RESOURCES_ROOT } from '../../../core/calico/index.ts'
import type {
  Entry,
  LeasedKeys,
  Listing,
  Precondition,
  Problem,
  Store,
  WatchEvent,
  WriteResult,
} from '../../../core/intent/index.ts'
import { StoreError, sentenceOf, systemCode } from '../errors.ts'
import { LeasedSet } from '../leased.ts'
import { editText, yamlOf } from './edit.ts'
import {
  FileReader,
  keyOfObject,
  makeFolder,
  type Scan,
  STATE_FOLDER,
  writeWhole,
} from './files.ts'
import { FileLease, leasedEntries } from './leases.ts'
import { withLock } from './lock.ts'
import { nextRevisions, type Revisions, readRevisions, writeRevisions } from './revisions.ts'
import { FileWatch } from './watch.ts'

/**
 * A store that is a directory of YAML files: for one node, a lab, a first try. Any number of
 * processes of one machine share it.
 *
 *   <dir>/any/path/file.yaml       resources, any number a file, written by people or by us
 *   <dir>/<plural>/<name>.yaml     where a new resource goes
 *   <dir>/.state/keys/<key>.json   keys that are no resources
 *   <dir>/.state/leases/…          keys under a lease (leases.ts)
 *   <dir>/.state/revisions.json    revisions (revisions.ts)
 *   <dir>/.state/lock              held for the length of a write
 */

/** All that the directory holds, with revisions. */
export interface Contents {
  readonly revision: number
  /** sorted by key */
  readonly entries: readonly Entry[]
  readonly problems: readonly Problem[]
  readonly folders: readonly string[]
}

/** The directory at `path` as a `Store`. */
export class FileStore implements Store {
  readonly #root: string
  readonly #state: string
  readonly #deadlineMs: number
  readonly #onlyRead: boolean
  readonly #reader: FileReader
  readonly #watches = new Set<FileWatch>()
  /** revisions where the directory is read-only to us */
  #memory: Revisions | undefined
  #closed = false

  constructor(path: string, options: { readonly deadlineMs: number; readonly onlyRead: boolean }) {
    this.#root = path
    this.#state = join(path, STATE_FOLDER)
    this.#deadlineMs = options.deadlineMs
    this.#onlyRead = options.onlyRead
    this.#reader = new FileReader(path)
  }

  /** @inheritDoc */
  get(key: string): Promise<Entry | undefined> {
    return this.#within(async () => (await this.contents()).entries.find(one => one.key === key))
  }

  /** @inheritDoc */
  list(prefix: string | readonly string[], at?: number): Promise<Listing> {
    const prefixes = [prefix].flat()
    return this.#within(async () => {
      const { entries, revision, problems } = await this.contents()
      if (at !== undefined && at !== revision)
        throw new StoreError(
          'STORE_REVISION_GONE',
          `${this.#root} is a directory, which has no history: it is at revision ${revision} ` +
            `now, and nobody knows what it held at ${at}`,
        )
      const mine = entries.filter(({ key }) => prefixes.some(prefix => key.startsWith(prefix)))
      return { entries: mine, revision, problems }
    })
  }

  /** @inheritDoc */
  put(key: string, value: string, precondition?: Precondition): Promise<WriteResult> {
    return this.#within(() => this.#write(key, value, precondition))
  }

  /** @inheritDoc */
  delete(key: string, precondition?: Precondition): Promise<WriteResult> {
    return this.#within(() => this.#write(key, undefined, precondition))
  }

  /** @inheritDoc */
  watch(prefixes: readonly string[], listener: (event: WatchEvent) => void): { close(): void } {
    this.#mustBeOpen()
    const read = (): Promise<Contents> => this.#within(() => this.contents())
    const watch = new FileWatch(prefixes, read, listener)
    this.#watches.add(watch)
    return {
      close: () => {
        watch.close()
        this.#watches.delete(watch)
      },
    }
  }

  /** @inheritDoc */
  leased(ttlSeconds: number): LeasedKeys {
    this.#mustBeOpen()
    const lease = new FileLease(this.#root, ttlSeconds, change => this.#numbered(change))
    return new LeasedSet(lease, ttlSeconds)
  }

  /** @inheritDoc */
  async close(): Promise<void> {
    this.#closed = true
    for (const watch of this.#watches) watch.close()
    this.#watches.clear()
  }

  /** Everything, as it is now. Takes the lock only where somebody changed a file by hand. */
  async contents(): Promise<Contents> {
    const scan = await this.#reader.scan()
    const plain = await this.#plain(scan)
    const known = this.#memory ?? (await readRevisions(this.#state))
    const next = nextRevisions(known, valuesOf(plain))
    const revisions = next === known ? known : await this.#number()
    const entries = new Map<string, Entry>()
    for (const [key, { value, source }] of plain) {
      // written between our look and our lock: the next look will show it
      const revision = revisions.keys.get(key)?.revision ?? revisions.revision
      entries.set(key, { key, value, revision, ...(source === undefined ? {} : { source }) })
    }
    for (const [key, entry] of await leasedEntries(this.#state)) entries.set(key, entry)
    return {
      revision: revisions.revision,
      entries: [...entries.values()].toSorted((a, b) => (a.key < b.key ? -1 : 1)),
      problems: scan.problems,
      folders: scan.folders,
    }
  }

  /** Gives what was changed by hand its revision: for all, or where that is not ours, for us. */
  async #number(): Promise<Revisions> {
    if (this.#onlyRead) return await this.#numberHere()
    try {
      return await this.#locked(async () => {
        const last = await readRevisions(this.#state)
        const next = nextRevisions(last, valuesOf(await this.#plain(await this.#reader.scan())))
        if (next !== last) await writeRevisions(this.#state, next)
        return next
      })
    } catch (error) {
      if (!['EACCES', 'EPERM', 'EROFS'].includes(systemCode(error) ?? '')) throw error
      return await this.#numberHere()
    }
  }

  async #numberHere(): Promise<Revisions> {
    const plain = await this.#plain(await this.#reader.scan())
    const last = this.#memory ?? (await readRevisions(this.#state))
    this.#memory = nextRevisions(last, valuesOf(plain))
    return this.#memory
  }

  async #write(
    key: string,
    value: string | undefined,
    precondition: Precondition | undefined,
  ): Promise<WriteResult> {
    const place = placeOf(key, value)
    return await this.#locked(async () => {
      const scan = await this.#reader.scan()
      const before = await this.#plain(scan)
      const known = nextRevisions(await readRevisions(this.#state), valuesOf(before))
      const current = before.get(key)
      const entry = current && {
        key,
        value: current.value,
        revision: known.keys.get(key)?.revision ?? known.revision,
      }
      if (!holds(precondition, entry)) return { done: false, current: entry }
      if (value === undefined && entry === undefined) return { done: false, current: undefined }
      if (place.kind === 'resource')
        await this.#writeResource(key, value, place.path, current?.source)
      else if (value === undefined) await unlink(this.#keyPath(key))
      else await this.#writeFile(this.#keyPath(key), value)
      const after = valuesOf(before)
      if (value === undefined) after.delete(key)
      else after.set(key, place.kind === 'resource' ? canonical(value) : value)
      // the same content again is a write all the same, as in etcd
      const keys = new Map(known.keys)
      keys.delete(key)
      const next = nextRevisions({ revision: known.revision, keys }, after)
      const revision = known.revision + 1
      await writeRevisions(this.#state, { revision, keys: next.keys })
      for (const watch of this.#watches) watch.wake()
      return { done: true, revision }
    })
  }

  async #writeFile(path: string, text: string): Promise<void> {
    await makeFolder(this.#root, dirname(path))
    await writeWhole(path, text)
  }

  async #writeResource(
    key: string,
    value: string | undefined,
    fresh: string,
    source: string | undefined,
  ): Promise<void> {
    const path = join(this.#root, source?.replace(/:\d+$/, '') ?? fresh)
    const text = await readFile(path, 'utf8').catch(error => {
      if (systemCode(error) === 'ENOENT') return ''
      throw error
    })
    if (source === undefined) {
      const yaml = yamlOf(value ?? '')
      await this.#writeFile(
        path,
        text.trim() === '' ? yaml : `${text.replace(/\n?$/, '\n')}---\n${yaml}`,
      )
      return
    }
    const edited = editText(text, key, value)
    if (edited === undefined)
      throw new StoreError('STORE_REFUSED', `${path} is not valid YAML; repair it before writing`)
    if (edited.trim() === '') await unlink(path)
    else await writeWhole(path, edited)
  }

  /** Resources, and keys that are not under a lease. */
  async #plain(scan: Scan): Promise<Map<string, { value: string; source?: string }>> {
    const plain = new Map<string, { value: string; source?: string }>(scan.objects)
    const root = join(this.#state, 'keys')
    for (const path of await jsonUnder(root)) {
      const value = await readFile(join(root, path), 'utf8').catch(() => undefined)
      if (value !== undefined) plain.set(`/${path.slice(0, -'.json'.length)}`, { value })
    }
    return plain
  }

  #keyPath(key: string): string {
    return `${join(this.#state, 'keys', ...key.split('/'))}.json`
  }

  async #numbered(change: (revision: number) => Promise<void>): Promise<void> {
    await this.#within(() =>
      this.#locked(async () => {
        const known = await readRevisions(this.#state)
        const revision = known.revision + 1
        await change(revision)
        await writeRevisions(this.#state, { revision, keys: known.keys })
      }),
    )
    for (const watch of this.#watches) watch.wake()
  }

  async #locked<Result>(work: () => Promise<Result>): Promise<Result> {
    await makeFolder(this.#root, this.#state)
    return await withLock(join(this.#state, 'lock'), this.#deadlineMs, work)
  }

  /** A directory may be on a server that hangs: no promise of ours does. */
  async #within<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#mustBeOpen()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      const sentence = `${this.#root} does not answer within ${this.#deadlineMs} ms`
      timer = setTimeout(
        () => reject(new StoreError('STORE_UNAVAILABLE', sentence)),
        this.#deadlineMs,
      )
    })
    try {
      return await Promise.race([work(), late])
    } catch (error) {
      if (systemCode(error) === undefined || error instanceof StoreError) throw error
      const code = systemCode(error) === 'EACCES' ? 'STORE_REFUSED' : 'STORE_UNAVAILABLE'
      throw new StoreError(code, `${this.#root}: ${sentenceOf(error)}`, { cause: error })
    } finally {
      clearTimeout(timer)
    }
  }

  #mustBeOpen(): void {
    if (this.#closed) throw new StoreError('STORE_CLOSED', `${this.#root} was closed`)
  }
}

type Place = { readonly kind: 'resource'; readonly path: string } | { readonly kind: 'key' }

/** Where a key is stored. @throws StoreError for what cannot be stored */
function placeOf(key: string, value: string | undefined): Place {
  const segments = key.split('/').slice(1)
  if (!key.startsWith('/') || segments.some(part => part === '' || part === '.' || part === '..'))
    throw new StoreError('STORE_VALUE_INVALID', `"${key}" is not a key; it starts with "/"`)
  if (!key.startsWith(RESOURCES_ROOT)) return { kind: 'key' }
  const name = parseResourceKey(key)
  if (name === undefined)
    throw new StoreError('STORE_VALUE_INVALID', `"${key}" is not the key of a known resource`)
  if (value !== undefined && keyOfValue(value) !== key)
    throw new StoreError('STORE_VALUE_INVALID', `the object for ${key} has another kind or name`)
  const folders = [name.kind.plural, ...(name.namespace === undefined ? [] : [name.namespace])]
  return { kind: 'resource', path: join(...folders, `${name.name}.yaml`) }
}

function keyOfValue(value: string): string | undefined {
  try {
    const key = keyOfObject(JSON.parse(value))
    return typeof key === 'string' ? key : undefined
  } catch {
    return undefined
  }
}

/** As it will be read back. */
const canonical = (json: string): string => JSON.stringify(JSON.parse(json))

function holds(precondition: Precondition | undefined, current: Entry | undefined): boolean {
  if (precondition === undefined) return true
  if ('absent' in precondition) return current === undefined
  return current?.revision === precondition.revision
}

const valuesOf = (entries: ReadonlyMap<string, { value: string }>): Map<string, string> =>
  new Map([...entries].map(([key, { value }]) => [key, value]))

/** Paths of the JSON files under `folder`, relative to it. */
async function jsonUnder(folder: string, inside = ''): Promise<string[]> {
  const found: string[] = []
  const entries = await readdir(join(folder, inside), { withFileTypes: true }).catch(() => [])
  for (const entry of entries) {
    const path = join(inside, entry.name)
    if (entry.isDirectory()) found.push(...(await jsonUnder(folder, path)))
    else if (entry.name.endsWith('.json') && !entry.name.startsWith('.')) found.push(path)
  }
  return found
}
