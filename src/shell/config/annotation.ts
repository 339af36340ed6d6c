import { invariant } from '../../core/base/index.ts'
import type { Resource } from '../../core/calico/index.ts'
import {
  type AnnotatedSettings,
  HARMLESS,
  SESSION_ANNOTATION,
  type SessionSettings,
} from '../../core/intent/index.ts'
import { type Finding, fieldOf, findings, shown } from './issues.ts'
import { sessionSchema, settingsOf } from './session-schema.ts'
import { readYaml } from './yaml.ts'

/**
 * The annotation `martlet/session`: YAML inside a resource, where Calico's tools carry it without
 * looking.
 */

/** What an annotation says, and what is wrong with it. */
export interface Annotation {
  readonly settings: AnnotatedSettings
  /** at the annotation; the key inside it is in the sentence */
  readonly findings: readonly Finding[]
}

const PATH = ['metadata', 'annotations', SESSION_ANNOTATION] as const

/**
 * The annotation of a resource; undefined where it has none, or is of a kind that has no sessions.
 * What is not understood is left out of the settings key by key, and withholds the session unless
 * all of it is harmless.
 */
export function annotationOf(resource: Resource): Annotation | undefined {
  const text = resource.metadata.annotations?.[SESSION_ANNOTATION]
  if (text === undefined || !isBgpResource(resource)) return undefined
  const { kind, metadata } = resource
  if (kind === 'BGPConfiguration' && metadata.name !== 'default') {
    const reason = 'has a meaning in the BGPConfiguration named "default" only'
    return made(resource, {}, [{ path: [], reason, unknownKey: false }], [])
  }
  const documents = readYaml(text)
  const [document] = documents
  const value = document?.value ?? {}
  const fault =
    document?.fault?.reason ??
    (documents.length > 1 ? 'holds a second document' : undefined) ??
    (isMapping(value) ? undefined : `${shown(value)} is not a mapping of keys`)
  if (fault !== undefined)
    return made(resource, {}, [{ path: [], reason: fault, unknownKey: false }], ['its keys'])
  return keysOf(resource, value)
}

function keysOf(resource: BgpResource, value: object): Annotation {
  const whole = { ...value }
  const found: Finding[] = []
  // zod does not run refinements of an object with faults: look again without them
  for (;;) {
    const result = sessionSchema.safeParse(whole)
    if (result.success) {
      const faulty = [...new Set(found.map(({ path }) => String(path[0])))]
      const harmful = faulty.some(key => !HARMLESS.includes(key))
      return made(resource, settingsOf(result.data), found, harmful ? faulty : [])
    }
    const next = findings(sessionSchema, whole, result.error.issues)
    invariant(
      next.length > 0 && next.every(({ path: [key] }) => key !== undefined && key in whole),
      'what is wrong with a mapping is wrong with a key of it',
    )
    found.push(...next)
    for (const { path } of next) Reflect.deleteProperty(whole, path[0] ?? '')
  }
}

type BgpResource = Extract<Resource, { readonly kind: AnnotatedSettings['kind'] }>

const isBgpResource = (resource: Resource): resource is BgpResource =>
  resource.kind === 'BGPPeer' || resource.kind === 'BGPConfiguration'

const made = (
  { kind, metadata }: BgpResource,
  settings: SessionSettings,
  found: readonly Finding[],
  withheldFor: readonly string[],
): Annotation => ({
  settings: { kind, name: metadata.name, settings, withheldFor },
  findings: found.map(({ path, reason, unknownKey }) => ({
    path: PATH,
    reason: path.length === 0 || unknownKey ? reason : `${fieldOf(path)}: ${reason}`,
    unknownKey: false,
  })),
})

const isMapping = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
