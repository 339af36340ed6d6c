import type { PasswordSource } from '../../calico/index.ts'
import { PASSWORD_OCTETS_MAX } from '../../speaker/index.ts'
import { SECRETS_ROOT } from '../state/documents.ts'
import type { Entry } from '../store/ports.ts'

/**
 * Passwords of sessions: resources name them, and hold none. A password that cannot be had is never
 * "no password": whoever asks for one gets it, or the reason why there is no session.
 */

/** A secret by its name, and the key in it. */
export interface SecretReference {
  readonly name: string
  readonly key: string
}

/** What a reference leads to: the text, or a sentence that says why there is none. */
export type Secret = { readonly text: string } | { readonly missing: string }

/** All secrets of one moment: the same reference has the same answer. */
export interface Secrets {
  read(reference: SecretReference): Secret
}

/** Where nobody said where secrets are. */
export const NO_SECRETS: Secrets = {
  read: ({ name, key }) => ({
    missing:
      `names the key ${key} of the secret ${name}, and this node has no secrets; ` +
      'write "secrets: {directory: PATH}" or "secrets: {store: true}" into its configuration',
  }),
}

/** A name that Kubernetes gives, and one that is a single step of a path or key. */
const NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/
const KEY = /^(?!\.\.?$)[-._a-zA-Z0-9]+$/

/** Why a reference can name no secret, wherever they are; undefined where it can. */
export function notNaming({
  name,
  key,
}: SecretReference): { readonly missing: string } | undefined {
  if (!NAME.test(name)) return { missing: `"${name}" is not the name of a secret` }
  if (!KEY.test(key)) return { missing: `"${key}" is not a key of a secret` }
  return undefined
}

/** What a file or a key of the store holds: one newline at its end is an editor's or a shell's. */
export const secretText = (content: string): string => content.replace(/\r?\n$/, '')

/**
 * Secrets that the store holds, each the value of a key: those of `entries`, as they are now; what
 * else is among them does not matter. O(entries).
 */
export function storedSecrets(entries: Iterable<Entry>): Secrets {
  const values = new Map<string, string>()
  for (const { key, value } of entries) if (key.startsWith(SECRETS_ROOT)) values.set(key, value)
  return {
    read: reference => {
      const path = `${SECRETS_ROOT}${reference.name}/${reference.key}`
      const value = values.get(path)
      const missing = `the key ${path} is not in the store; put the password there`
      return (
        notNaming(reference) ?? (value === undefined ? { missing } : { text: secretText(value) })
      )
    },
  }
}

/**
 * The password that `source` names; undefined, and a reason told, where there is none to be had.
 * What the secret holds is not told.
 */
export function passwordOf(
  source: PasswordSource,
  secrets: Secrets,
  tell: (reason: string) => void,
): string | undefined {
  const { secretKeyRef } = source
  if (secretKeyRef === undefined) {
    tell('names no secret; write secretKeyRef: {name: NAME, key: KEY}')
    return undefined
  }
  const secret = secrets.read(secretKeyRef)
  if ('missing' in secret) {
    tell(secret.missing)
    return undefined
  }
  const octets = new TextEncoder().encode(secret.text).length
  if (octets > 0 && octets <= PASSWORD_OCTETS_MAX) return secret.text
  const { name, key } = secretKeyRef
  const what =
    octets === 0
      ? 'is empty'
      : `has ${octets} octets, of which TCP MD5 takes ${PASSWORD_OCTETS_MAX}`
  tell(`the key ${key} of the secret ${name} ${what}`)
  return undefined
}
