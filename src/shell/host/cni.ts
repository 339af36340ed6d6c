import { readdir, readFile, rename, unlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { type CniFacts, conflistOf, isOurConflist } from '../../core/intent/index.ts'
import { type Address, type Prefix, parseAddress } from '../../core/net/index.ts'

/** The file that tells a container runtime where pods get their addresses. */
export class CniFile {
  readonly #path: string
  readonly #facts: CniFacts

  constructor({ path, ...facts }: CniFacts & { readonly path: string }) {
    this.#path = path
    this.#facts = facts
  }

  /**
   * Makes the file say `ranges`, in one step for whoever reads it; without any, it is removed. A
   * file that somebody else wrote stays as it is.
   *
   * @returns why nothing was written; undefined: the file is as it should be
   */
  async keep(ranges: readonly Prefix[]): Promise<string | undefined> {
    try {
      const found = await readFile(this.#path, 'utf8').catch(absent)
      if (found !== undefined && !isOurConflist(found))
        return 'is there already, and not written by Martlet; remove it, or choose another path'
      if (ranges.length === 0) {
        if (found !== undefined) await unlink(this.#path)
        return undefined
      }
      const text = conflistOf(this.#facts, ranges)
      if (found === text) return undefined
      // runtimes pass over a name that does not end in .conflist
      const temporary = join(dirname(this.#path), `.${basename(this.#path)}.${process.pid}.tmp`)
      await writeFile(temporary, text, { mode: 0o644 })
      await rename(temporary, this.#path)
      return undefined
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      return `cannot be written: ${why}; the controller's user needs its directory`
    }
  }
}

/** Where host-local notes which address is whose: a folder a network, a file an address. */
const HOST_LOCAL_FOLDER = '/var/lib/cni/networks'

/** The addresses that host-local has given to pods of a network; none where it has no folder. */
export async function hostLocalAddresses(
  network: string,
  folder = HOST_LOCAL_FOLDER,
): Promise<Address[]> {
  const names = (await readdir(join(folder, network)).catch(absent)) ?? []
  return names.flatMap(name => parseAddress(name) ?? [])
}

function absent(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
  throw error
}
