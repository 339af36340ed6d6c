import type { PasswordSource } from '../calico/index.ts'
import { PASSWORD_OCTETS_MAX } from '../speaker/index.ts'

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
      'write "secrets: {directory: PATH}" into its configuration',
  }),
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
