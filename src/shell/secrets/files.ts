import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  notNaming,
  type Secret,
  type SecretReference,
  type Secrets,
  secretText,
} from '../../core/intent/index.ts'

/**
 * Secrets in a directory: the key KEY of the secret NAME is the file DIRECTORY/NAME/KEY, which is
 * where Kubernetes mounts it. One newline at the end is an editor's and not part of it.
 *
 * They are read when asked for, and looked at again by `changed`: mounted secrets change by a
 * symbolic link that takes another's place, in directories that come and go, and reading a few
 * small files tells that more surely than watching all of them.
 */

/** The secrets of one node. */
export class SecretFiles {
  readonly #directory: string
  #asked = new Map<string, Secret>()

  /** @param directory  where they are; an absolute path */
  constructor(directory: string) {
    this.#directory = directory
  }

  /**
   * The secrets as they are now. Each is read once, when it is asked for; those that nobody asks
   * this answer for are not looked at any more.
   */
  now(): Secrets {
    const before = this.#asked
    const asked = new Map<string, Secret>()
    this.#asked = asked
    return {
      read: reference => {
        const path = this.#path(reference)
        if (typeof path !== 'string') return path
        const secret = asked.get(path) ?? readSecret(path, before.get(path))
        asked.set(path, secret)
        return secret
      },
    }
  }

  /** Whether any secret that was asked for is another now. */
  changed(): boolean {
    for (const [path, known] of this.#asked) if (!same(known, readSecret(path, known))) return true
    return false
  }

  /** Resources say which file is read: nothing outside of the directory can be named. */
  #path(reference: SecretReference): string | Secret {
    return notNaming(reference) ?? join(this.#directory, reference.name, reference.key)
  }
}

/**
 * The secret at `path`. One that is gone is gone; one that cannot be read just now, for another
 * reason, is still what it was.
 */
function readSecret(path: string, before: Secret | undefined): Secret {
  try {
    return { text: secretText(readFileSync(path, 'utf8')) }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (code === 'ENOENT' || code === 'ENOTDIR')
      return { missing: `the file ${path} is not there; put the password into it` }
    if (before !== undefined && 'text' in before) return before
    const user = process.getuid?.() ?? 'unknown'
    return { missing: `the file ${path} cannot be read by user ${user} (${code})` }
  }
}

const same = (left: Secret, right: Secret): boolean =>
  'text' in left
    ? 'text' in right && left.text === right.text
    : !('text' in right) && left.missing === right.missing
