import type { z } from 'zod'

/**
 * What zod found, in sentences for the one who wrote the file: the path, the value seen, what is
 * wrong, and where a key was probably misspelt, the key that was meant.
 */

/** A finding at a path of a document. */
export interface Finding {
  readonly path: readonly (string | number)[]
  readonly reason: string
  /** the key at the end of `path` is not known; the rest of the value may be fine without it */
  readonly unknownKey: boolean
}

/**
 * Puts the issues of one parse of `value` by `schema` into words, in the order of the document's
 * paths.
 */
export function findings(
  schema: z.core.$ZodType,
  value: unknown,
  issues: readonly z.core.$ZodIssue[],
): Finding[] {
  return issues.flatMap((issue): Finding[] => {
    const path = issue.path.filter(part => typeof part !== 'symbol')
    if (issue.code !== 'unrecognized_keys')
      return [{ path, reason: sentence(issue, valueAt(value, path)), unknownKey: false }]
    const known = keysAt(schema, path)
    return issue.keys.map(key => ({
      path: [...path, key],
      reason: unknownKey(key, known),
      unknownKey: true,
    }))
  })
}

/** The sentence for a key that nobody knows, with the one that was probably meant. */
export function unknownKey(key: string, known: readonly string[]): string {
  const near = nearest(key, known)
  if (near !== undefined) return `"${key}" is not a known field; did you mean "${near}"?`
  return `"${key}" is not a known field; known are ${known.toSorted().join(', ')}`
}

/** The candidate that is spelt almost like `word`; undefined where none is near. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined
  let distance = Math.max(2, Math.floor(word.length / 3)) + 1
  for (const candidate of candidates) {
    const far = editDistance(word.toLowerCase(), candidate.toLowerCase())
    if (far >= distance) continue
    best = candidate
    distance = far
  }
  return best
}

/** A path as people write it: `spec.addresses[0].type`. */
export function fieldOf(path: readonly (string | number)[]): string {
  let text = ''
  for (const part of path)
    if (typeof part === 'number') text += `[${part}]`
    else text += text === '' ? part : `.${part}`
  return text
}

/** The value as a reader recognises it, short. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length <= 60 ? text : `${text.slice(0, 57)}…`
}

function sentence(issue: z.core.$ZodIssue, seen: unknown): string {
  const absent = seen === undefined
  switch (issue.code) {
    case 'invalid_type':
      if (absent) return `is missing; it is ${nameOf(issue.expected)}`
      return `${shown(seen)} is not ${nameOf(issue.expected)}`
    case 'invalid_value':
      return `${shown(seen)} is not one of ${issue.values.map(String).join(', ')}`
    case 'too_small':
      if (issue.origin === 'array') return `is empty; at least ${issue.minimum} is needed`
      if (issue.origin === 'string') return 'is empty'
      return `${shown(seen)} is too small; the least is ${issue.minimum}`
    case 'too_big':
      if (issue.origin === 'number' || issue.origin === 'int')
        return `${shown(seen)} is too big; the most is ${issue.maximum}`
      return `is too long; the most is ${issue.maximum}`
    case 'custom':
      return absent ? issue.message : `${shown(seen)} ${issue.message}`
    case 'invalid_union':
    case 'invalid_format':
    case 'not_multiple_of':
    case 'unrecognized_keys':
    case 'invalid_key':
    case 'invalid_element':
      return `${shown(seen)} is not valid: ${issue.message}`
  }
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping of fields',
  record: 'a mapping of names',
}

const nameOf = (type: string): string => TYPE_NAMES[type] ?? type

function valueAt(value: unknown, path: readonly (string | number)[]): unknown {
  let at = value
  for (const part of path) {
    if (typeof at !== 'object' || at === null) return undefined
    at = Reflect.get(at, part)
  }
  return at
}

/** The keys that an object at `path` of `schema` may have; none where it is not an object. */
function keysAt(schema: z.core.$ZodType, path: readonly (string | number)[]): string[] {
  const shape = shapeOf(descend(schema, path))
  return shape === undefined ? [] : Object.keys(shape)
}

function descend(
  schema: z.core.$ZodType | undefined,
  path: readonly (string | number)[],
): z.core.$ZodType | undefined {
  let at = schema
  for (const part of path) {
    const { def } = bare(at)?._zod ?? {}
    at = shapeOf(at)?.[part] ?? partOf(def, 'element') ?? partOf(def, 'valueType')
  }
  return bare(at)
}

/** The schema inside `optional`, `default` and their like. */
function bare(schema: z.core.$ZodType | undefined): z.core.$ZodType | undefined {
  let at = schema
  for (;;) {
    const inner = partOf(at?._zod.def, 'innerType')
    if (inner === undefined) return at
    at = inner
  }
}

function shapeOf(
  schema: z.core.$ZodType | undefined,
): Readonly<Record<string, z.core.$ZodType>> | undefined {
  const def: object | undefined = bare(schema)?._zod.def
  return def === undefined || !('shape' in def) ? undefined : asShape(def.shape)
}

const asShape = (shape: unknown): Readonly<Record<string, z.core.$ZodType>> | undefined =>
  typeof shape === 'object' && shape !== null
    ? Object.fromEntries(Object.entries(shape).filter(([, part]) => isSchema(part)))
    : undefined

function partOf(def: object | undefined, name: string): z.core.$ZodType | undefined {
  const part: unknown = def === undefined ? undefined : Reflect.get(def, name)
  return isSchema(part) ? part : undefined
}

const isSchema = (value: unknown): value is z.core.$ZodType =>
  typeof value === 'object' && value !== null && '_zod' in value

/** Levenshtein's distance; both words are short. */
function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, at) => at)
  for (const [i, letter] of [...left].entries()) {
    const next = [i + 1]
    for (let j = 0; j < right.length; j++)
      next.push(Math.min(next[j]! + 1, row[j + 1]! + 1, row[j]! + (letter === right[j] ? 0 : 1)))
    row = next
  }
  return row[right.length]!
}
