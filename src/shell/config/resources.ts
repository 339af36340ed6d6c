import {
  API_VERSION,
  KINDS,
  kindNamed,
  type Resource,
  writeFaults,
} from '../../core/calico/index.ts'
import type { Problem, ServiceObject } from '../../core/intent/index.ts'
import { annotationOf } from './annotation.ts'
import { type Finding, fieldOf, findings, nearest, shown } from './issues.ts'
import { isReadKind, type ReadKind, resourceSchemas } from './schemas/index.ts'
import { decodeService, isServiceKind } from './schemas/kubernetes.ts'
import { readYaml, type YamlDocument } from './yaml.ts'

/**
 * Resources from text and from JSON values: strictly for whoever writes them, tolerantly from the
 * store.
 */

/** A resource, and where it was written. */
export interface LocatedResource {
  readonly resource: Resource
  /** `file:line` */
  readonly source: string
}

/** Kubernetes' own object, and where it was written: not a resource that a store takes. */
export interface LocatedService {
  readonly object: ServiceObject
  /** `file:line` */
  readonly source: string
}

/** All that is in a text. */
export interface ParsedResources {
  readonly resources: readonly LocatedResource[]
  readonly services: readonly LocatedService[]
  readonly problems: readonly Problem[]
}

/**
 * What one object is. With a resource, the findings are unknown fields, which the resource is
 * without.
 */
export interface Decoded {
  readonly resource?: Resource
  readonly findings: readonly Finding[]
}

/**
 * Reads every resource of a YAML or JSON text with any number of documents; `kind: List` and
 * `…List` are taken apart. Strict: an unknown field is a problem and its resource is left out, as
 * is one of an unknown kind.
 *
 * @param source  the file's name, for the problems' `file:line`
 * @param namespace  of resources of namespaced kinds that name none; absent: they are not valid
 */
export function parseResources(text: string, source: string, namespace?: string): ParsedResources {
  const resources: LocatedResource[] = []
  const services: LocatedService[] = []
  const problems: Problem[] = []
  for (const { value, document, path } of objectsOf(readYaml(text))) {
    const kind = isMapping(value) ? value.kind : undefined
    if (isServiceKind(kind)) {
      const service = serviceFrom(kind, value, `${source}:${document.lineOf(path)}`)
      if ('object' in service) services.push(service)
      else problems.push(...service.problems)
      continue
    }
    const found = document.fault
      ? [{ path: [], reason: document.fault.reason, unknownKey: false }]
      : undefined
    const decoded =
      found === undefined ? decodeResource(placed(value, namespace)) : { findings: found }
    const rules =
      decoded.resource === undefined
        ? []
        : [...writeFaults(decoded.resource), ...(annotationOf(decoded.resource)?.findings ?? [])]
    for (const finding of [...decoded.findings, ...rules])
      problems.push({
        object: `${source}:${document.lineOf([...path, ...finding.path])}`,
        field: fieldOf(finding.path),
        reason: finding.reason,
      })
    if (decoded.resource !== undefined && decoded.findings.length + rules.length === 0)
      resources.push({
        resource: decoded.resource,
        source: `${source}:${document.lineOf(path)}`,
      })
  }
  return { resources, services, problems }
}

function serviceFrom(
  kind: ServiceObject['kind'],
  value: unknown,
  source: string,
): LocatedService | { readonly problems: readonly Problem[] } {
  const decoded = decodeService(kind, value)
  if ('object' in decoded) return { object: decoded.object, source }
  return { problems: decoded.faults.map(fault => ({ object: source, ...fault })) }
}

/** The value with the namespace, where it is of a kind that has one and names none. */
function placed(value: unknown, namespace: string | undefined): unknown {
  if (namespace === undefined || !isMapping(value)) return value
  const { kind, metadata } = value
  const isIn = typeof kind === 'string' && kindNamed(kind)?.namespaced === true
  if (!isIn || !isMapping(metadata) || metadata.namespace !== undefined) return value
  return { ...value, metadata: { ...metadata, namespace } }
}

const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * What `value` is, by its own `kind`. Unknown fields are found and left out, but for those of a
 * filter; any other fault leaves no resource.
 */
export function decodeResource(value: unknown): Decoded {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return fault([], `${shown(value)} is not a resource; it is a mapping with kind and metadata`)
  const kind: unknown = Reflect.get(value, 'kind')
  const apiVersion: unknown = Reflect.get(value, 'apiVersion')
  if (typeof kind !== 'string')
    return fault(
      ['kind'],
      `is ${kind === undefined ? 'missing' : shown(kind)}; write ${readable()}`,
    )
  if (apiVersion !== API_VERSION)
    return fault(
      ['apiVersion'],
      `is ${apiVersion === undefined ? 'missing' : shown(apiVersion)}; write ${API_VERSION}`,
    )
  if (!isReadKind(kind)) return fault(['kind'], unreadable(kind))
  return decodeKind(kind, value)
}

function decodeKind(kind: ReadKind, value: object): Decoded {
  const schema = resourceSchemas[kind]
  const first = schema.safeParse(value)
  if (first.success) return { resource: first.data, findings: [] }
  const found = findings(schema, value, first.error.issues)
  const unknown = found.filter(finding => finding.unknownKey)
  // without a condition that is not understood, a rule of a filter would let more pass
  if (unknown.length === 0 || kind === 'BGPFilter') return { findings: found }
  // zod does not run refinements of an object with unknown keys: look again without them
  const without = structuredClone(value)
  for (const { path } of unknown) removeAt(without, path)
  const second = schema.safeParse(without)
  if (second.success) return { resource: second.data, findings: unknown }
  return { findings: [...unknown, ...findings(schema, without, second.error.issues)] }
}

interface Found {
  readonly value: unknown
  readonly document: YamlDocument
  readonly path: readonly (string | number)[]
}

function objectsOf(documents: readonly YamlDocument[]): Found[] {
  return documents.flatMap((document): Found[] => {
    const { value } = document
    const items = itemsOf(value)
    if (items === undefined) return [{ value, document, path: [] }]
    return items.map((item, at) => ({ value: item, document, path: ['items', at] }))
  })
}

function itemsOf(value: unknown): readonly unknown[] | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const kind: unknown = Reflect.get(value, 'kind')
  const items: unknown = Reflect.get(value, 'items')
  return typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items)
    ? items
    : undefined
}

const readable = (): string => Object.keys(resourceSchemas).join(', ')

function unreadable(kind: string): string {
  if (kindNamed(kind) !== undefined)
    return `${kind} is a kind of Calico's that this version does not read; it reads ${readable()}`
  const near = nearest(
    kind,
    KINDS.map(known => known.kind),
  )
  return near === undefined
    ? `"${kind}" is not a known kind; known are ${readable()}`
    : `"${kind}" is not a known kind; did you mean "${near}"?`
}

const fault = (path: readonly string[], reason: string): Decoded => ({
  findings: [{ path, reason, unknownKey: false }],
})

function removeAt(root: object, path: readonly (string | number)[]): void {
  let at: unknown = root
  for (const part of path.slice(0, -1)) {
    if (typeof at !== 'object' || at === null) return
    at = Reflect.get(at, part)
  }
  const last = path.at(-1)
  if (typeof at === 'object' && at !== null && last !== undefined) Reflect.deleteProperty(at, last)
}
