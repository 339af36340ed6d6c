import { createHash } from 'node:crypto'
import type { Stats } from 'node:fs'
import { chown, mkdir, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { kindNamed, resourceKey } from '../../../core/calico/index.ts'
import { type Problem, serviceObjectKey } from '../../../core/intent/index.ts'
import { isServiceKind, readYaml, type YamlDocument } from '../../config/index.ts'
import { sentenceOf, systemCode } from '../errors.ts'

/**
 * Files of a directory store: which there are, which objects they hold, and how one is replaced.
 */

/** Where the store keeps what is not a resource; not for people to edit. */
export const STATE_FOLDER = '.state'

/** Most bytes of a file of resources; a larger one is reported and left out. */
export const FILE_BYTES_MAX = 4 * 1024 * 1024
/** How deep folders are searched. */
export const DEPTH_MAX = 8

/** One object of a file. */
export interface FileObject {
  readonly key: string
  /** as JSON, in the order in which it was written */
  readonly value: string
  /** `path:line`, the path inside the directory */
  readonly source: string
}

interface ReadFile {
  /** size, time and inode: equal ones mean an unchanged file */
  readonly stamp: string
  readonly objects: readonly FileObject[]
  readonly problems: readonly Problem[]
}

/** All that a directory holds at one time. */
export interface Scan {
  readonly objects: ReadonlyMap<string, FileObject>
  readonly problems: readonly Problem[]
  /** every folder that was searched, the directory itself first */
  readonly folders: readonly string[]
}

/**
 * Reads a directory again and again, each file only when it changed.
 *
 * A file that cannot be read, or not to its end, keeps the objects that it last had: an editor that
 * has written half of it does not take the other half's sessions down.
 */
export class FileReader {
  readonly #root: string
  #files = new Map<string, ReadFile>()

  constructor(root: string) {
    this.#root = root
  }

  /** @throws the operating system's error where the directory itself cannot be listed */
  async scan(): Promise<Scan> {
    const folders: string[] = []
    const paths = await filesUnder(this.#root, folders, 0)
    const files = new Map<string, ReadFile>()
    for (const path of paths.toSorted()) {
      const read = await this.#readFile(path)
      if (read !== undefined) files.set(path, read)
    }
    this.#files = files
    return { ...gather(files.values()), folders }
  }

  async #readFile(path: string): Promise<ReadFile | undefined> {
    const name = relative(this.#root, path)
    const known = this.#files.get(path)
    const keep = (reason: string, stamp = ''): ReadFile => ({
      stamp,
      objects: known?.objects ?? [],
      problems: [{ object: name, field: '', reason }],
    })
    try {
      const { size, mtimeMs, ino } = await stat(path)
      const stamp = `${size} ${mtimeMs} ${ino}`
      if (known?.stamp === stamp) return known
      if (size > FILE_BYTES_MAX)
        return keep(`has ${size} bytes; the most is ${FILE_BYTES_MAX}`, stamp)
      return parseFile(await readFile(path, 'utf8'), name, stamp, known)
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined
      return keep(`cannot be read: ${sentenceOf(error)}`)
    }
  }
}

/** Of two objects with one key, the one in the file whose path is lower is meant. */
function gather(files: Iterable<ReadFile>): Pick<Scan, 'objects' | 'problems'> {
  const objects = new Map<string, FileObject>()
  const problems: Problem[] = []
  for (const file of files) {
    problems.push(...file.problems)
    for (const object of file.objects) {
      const first = objects.get(object.key)
      if (first === undefined) objects.set(object.key, object)
      else
        problems.push({
          object: object.source,
          field: 'metadata.name',
          reason: `is in ${first.source} too, which counts; remove one of the two`,
        })
    }
  }
  return { objects, problems }
}

async function filesUnder(folder: string, folders: string[], depth: number): Promise<string[]> {
  folders.push(folder)
  const files: string[] = []
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    // hidden ones are editors' and ours; Kubernetes' mounts are links into a hidden folder
    if (entry.name.startsWith('.')) continue
    const kind = entry.isSymbolicLink() ? await targetOf(path) : entry
    if (kind?.isDirectory() && depth < DEPTH_MAX)
      files.push(...(await filesUnder(path, folders, depth + 1).catch(() => [])))
    else if (kind?.isFile() && /\.(ya?ml|json)$/.test(entry.name)) files.push(path)
  }
  return files
}

const targetOf = (path: string): Promise<Stats | undefined> => stat(path).catch(() => undefined)

function parseFile(
  text: string,
  name: string,
  stamp: string,
  known: ReadFile | undefined,
): ReadFile {
  const objects: FileObject[] = []
  const problems: Problem[] = []
  let torn = false
  for (const document of readYaml(text)) {
    if (document.fault !== undefined) {
      torn = true
      problems.push({
        object: `${name}:${document.fault.line}`,
        field: '',
        reason: document.fault.reason,
      })
      continue
    }
    for (const { value, line } of itemsOf(document)) {
      const source = `${name}:${line}`
      const key = keyOfObject(value)
      if (typeof key === 'string') objects.push({ key, value: JSON.stringify(value), source })
      else problems.push({ object: source, ...key })
    }
  }
  if (!torn || known === undefined) return { stamp, objects, problems }
  const here = new Set(objects.map(object => object.key))
  const last = known.objects.filter(object => !here.has(object.key))
  return { stamp, objects: [...objects, ...last], problems }
}

/** The objects of one document: itself, or the items of a list. */
export function itemsOf(document: YamlDocument): { value: unknown; line: number }[] {
  const { value } = document
  const items: unknown = property(value, 'items')
  const kind = property(value, 'kind')
  if (typeof kind !== 'string' || !kind.endsWith('List') || !Array.isArray(items))
    return [{ value, line: document.line }]
  return items.map((item: unknown, at) => ({ value: item, line: document.lineOf(['items', at]) }))
}

/** The key of an object by its kind and name, or why it has none. */
export function keyOfObject(value: unknown): string | { field: string; reason: string } {
  const kindName = property(value, 'kind')
  const metadata = property(value, 'metadata')
  const name = property(metadata, 'name')
  const space = property(metadata, 'namespace')
  if (typeof kindName !== 'string')
    return { field: 'kind', reason: 'is missing; a resource has kind, apiVersion and metadata' }
  const kind = isServiceKind(kindName) ? kindName : kindNamed(kindName)
  if (kind === undefined)
    return { field: 'kind', reason: `"${kindName}" is not a kind of projectcalico.org/v3` }
  if (typeof name !== 'string' || name === '')
    return { field: 'metadata.name', reason: 'is missing; a resource has a name' }
  if (typeof kind === 'string') {
    const metadata = { namespace: typeof space === 'string' ? space : 'default', name }
    return serviceObjectKey({ kind, metadata })
  }
  return resourceKey({ kind, name, ...(typeof space === 'string' ? { namespace: space } : {}) })
}

const property = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined

/** A short name of a content: equal ones have equal digests. */
export const digestOf = (text: string): string =>
  createHash('sha256').update(text).digest('hex').slice(0, 16)

/**
 * Makes `folder` inside `root`, but never `root` itself: where that is absent, it is not mounted,
 * or its name was mistyped, and a new one would hide it.
 *
 * @throws ENOENT
 */
export async function makeFolder(root: string, folder: string): Promise<void> {
  await stat(root)
  const first = await mkdir(folder, { recursive: true })
  if (first === undefined) return
  for (let made = folder; made.length >= first.length; made = dirname(made))
    await giveToOwnerOf(root, made)
}

/**
 * What root makes belongs to whose directory it is: an operator who applies something as root must
 * not lock the controller out, which is another user.
 */
async function giveToOwnerOf(folder: string, made: string): Promise<void> {
  if (process.geteuid?.() !== 0) return
  const { uid, gid } = await stat(folder)
  try {
    if (uid !== 0 || gid !== 0) await chown(made, uid, gid)
  } catch (error) {
    // a root without that capability, or of a user namespace without that user
    if (!['EPERM', 'EINVAL'].includes(systemCode(error) ?? '')) throw error
  }
}

let writes = 0

/**
 * Replaces a file whole: a reader sees the old content or the new one, and a crash leaves one of
 * them.
 *
 * @param durable  wait until the disk has it; not worth it for what dies with its writer
 */
export async function writeWhole(path: string, text: string, durable = true): Promise<void> {
  const folder = dirname(path)
  const temporary = join(folder, `.${process.pid}-${writes++}.tmp`)
  try {
    const file = await open(temporary, 'w', 0o644)
    try {
      await file.writeFile(text)
      if (durable) await file.sync()
    } finally {
      await file.close()
    }
    await giveToOwnerOf(folder, temporary)
    await rename(temporary, path)
  } catch (error) {
    await unlink(temporary).catch(() => undefined)
    throw error
  }
  if (durable) await syncFolder(folder)
}

/** The name in the folder must be on the disk too, else a crash forgets the file. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
