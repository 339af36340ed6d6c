import type { Millis } from '../../base/index.ts'
import type { Prefix } from '../../net/index.ts'
import type { RequiredCapability, SessionOptions } from '../../session/index.ts'
import type { PeerConfig, PrefixLimits, SendPaths } from '../../speaker/index.ts'
import type { Role } from '../../wire/index.ts'

/**
 * What Calico's resources have no field for: how people ask for more of a session, in an annotation
 * or in a range of the node's configuration. How it is written is shell/config's.
 */

/** The annotation of a BGPPeer, and of the BGPConfiguration `default`. */
export const SESSION_ANNOTATION = 'martlet/session'

/** Each key as it is written; what is absent is not asked for. */
export interface SessionSettings {
  /** RFC 7911: whether we take several paths of a prefix, and which ones we send */
  readonly addPath?: { readonly receive: boolean; readonly send?: SendPaths }
  readonly extendedMessages?: boolean
  readonly extendedNextHop?: boolean
  readonly role?: Role
  readonly roleRequired?: boolean
  readonly longLived?: Millis
  readonly required?: readonly RequiredCapability[]
  readonly delayOpen?: Millis
  readonly allowOwnAs?: number
  readonly refuseAsSets?: boolean
  readonly localAs?: { readonly prependOnImport: boolean; readonly showRealAs: boolean }
  readonly overrideAs?: boolean
  readonly privateAs?: 'remove' | 'replace'
  readonly limits?: PrefixLimits
  readonly passive?: boolean
}

/** The settings that one resource carries. */
export interface AnnotatedSettings {
  readonly kind: 'BGPPeer' | 'BGPConfiguration'
  readonly name: string
  readonly settings: SessionSettings
  /**
   * keys that were not understood, of which at least one may protect: there is no session without
   */
  readonly withheldFor: readonly string[]
}

/**
 * Keys that a session can do without, should they not be understood: it has less then, and nothing
 * gets in or out that they would have kept from it. Any other key may be what protects somebody.
 */
export const HARMLESS: readonly string[] = [
  'addPath',
  'extendedMessages',
  'extendedNextHop',
  'longLivedSeconds',
  'delayOpenSeconds',
  'allowOwnAs',
  'localAs',
  'overrideAs',
  'passive',
] as const

/** The fields of a peer that settings have a say in. */
export type SettledFields = Pick<
  PeerConfig,
  'options' | 'sendPaths' | 'importRules' | 'exportRules' | 'limits'
>

/**
 * What `settings` ask of a session. Roles and rules about AS paths have no meaning inside an AS
 * (RFC 9234 §4.1), and are left out there.
 *
 * @param subnet  that we share with the peer, where we do
 */
export function settledFields(
  settings: SessionSettings,
  { external, subnet }: { readonly external: boolean; readonly subnet: Prefix | undefined },
): SettledFields {
  const { addPath, limits } = settings
  const options = optionsOf(settings, external)
  const importRules = {
    ...(settings.allowOwnAs && { allowOwnAs: settings.allowOwnAs }),
    ...(settings.refuseAsSets && { refuseAsSets: true }),
    ...(external && settings.localAs?.prependOnImport && { prependLocalAs: true }),
  }
  const exportRules = external
    ? {
        ...(settings.localAs?.showRealAs && { showRealAs: true }),
        ...(settings.overrideAs && { overrideAs: true }),
        ...(settings.privateAs && { privateAs: settings.privateAs }),
        ...(subnet !== undefined && { sharedSubnet: subnet }),
      }
    : {}
  return {
    ...(says(options) && { options }),
    ...(addPath?.send && { sendPaths: addPath.send }),
    ...(says(importRules) && { importRules }),
    ...(says(exportRules) && { exportRules }),
    ...(limits && { limits }),
  }
}

function optionsOf(settings: SessionSettings, external: boolean): SessionOptions {
  const { addPath, longLived, delayOpen, required = [] } = settings
  const needed = required.filter(capability => external || capability !== 'role')
  return {
    ...(addPath && { addPath: { receive: addPath.receive, send: addPath.send !== undefined } }),
    ...(settings.extendedMessages && { extendedMessages: true }),
    ...(settings.extendedNextHop && { extendedNextHop: true }),
    ...(external && settings.role && { role: settings.role }),
    ...(external && settings.roleRequired && { roleRequired: true }),
    ...(longLived && { longLived }),
    ...(needed.length > 0 && { required: needed }),
    ...(delayOpen && { delayOpen }),
  }
}

const says = (fields: object): boolean => Object.keys(fields).length > 0
