/**
 * Readers that turn what a YAML file holds into typed values, and name what does not fit: the file,
 * the line, the path, what was seen, what to write instead. They collect all problems rather than
 * stop at the first.
 */
import { type Document, isNode, LineCounter, parseDocument } from 'yaml'

/** The way from the top of the file to a value. */
export type Path = readonly (string | number)[]

/** Where problems and notices of one file are collected. */
export interface Findings {
  /** Says that the value at `path` cannot be meant, and what would be. */
  problem(path: Path, text: string): void
  /** Says that the value at `path` is understood and has no effect here. */
  notice(path: Path, text: string): void
}

/** Reads one value; undefined after a problem was reported. */
export type Shape<T> = (value: unknown, path: Path, findings: Findings) => T | undefined

/** A file as parsed: its value, and the collected findings, each with its line. */
export interface ParsedFile {
  readonly value: unknown
  readonly findings: Findings
  readonly problems: string[]
  readonly notices: string[]
}

/** Parses YAML text and prepares findings that can point at a line of `file`. */
export function parseFile(text: string, file: string): ParsedFile {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, merge: true, uniqueKeys: true })
  const problems: string[] = []
  const notices: string[] = []
  for (const error of document.errors) {
    const line = lines.linePos(error.pos[0]).line
    problems.push(`${file}:${line}: ${error.message.split('\n')[0]}`)
  }
  const place = (path: Path): string => {
    const offset = offsetOf(document, path)
    const line = offset === undefined ? '' : `:${lines.linePos(offset).line}`
    return `${file}${line}: ${path.length === 0 ? 'the file' : path.join('.')}`
  }
  const findings: Findings = {
    problem: (path, said) => void problems.push(`${place(path)}: ${said}`),
    notice: (path, said) => void notices.push(`${place(path)}: ${said}`),
  }
  const value: unknown = document.errors.length === 0 ? document.toJS() : undefined
  return { value, findings, problems, notices }
}

/** The offset of the value at `path`, or of the nearest thing above it that the file has. */
function offsetOf(document: Document, path: Path): number | undefined {
  for (let length = path.length; length > 0; length--) {
    const node: unknown = document.getIn(path.slice(0, length), true)
    if (isNode(node) && node.range) return node.range[0]
  }
  return undefined
}

/** What a person would call `value`. */
function seen(value: unknown): string {
  if (value === null || value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a map'
  return JSON.stringify(value)
}

/** Text; numbers and booleans are taken as they are written, as containerlab does. */
export const text: Shape<string> = (value, path, findings) => {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  findings.problem(path, `is ${seen(value)}; write text`)
  return undefined
}

/** A whole number of at least `least`. */
export function whole(least: number): Shape<number> {
  return (value, path, findings) => {
    const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value
    if (typeof number === 'number' && Number.isInteger(number) && number >= least) return number
    findings.problem(path, `is ${seen(value)}; write a whole number, ${least} or more`)
    return undefined
  }
}

/** true or false. */
export const flag: Shape<boolean> = (value, path, findings) => {
  if (typeof value === 'boolean') return value
  findings.problem(path, `is ${seen(value)}; write true or false`)
  return undefined
}

/** One of the given words. */
export function oneOf<const W extends string>(...words: readonly W[]): Shape<W> {
  return (value, path, findings) => {
    const found = words.find(word => word === value)
    if (found === undefined)
      findings.problem(path, `is ${seen(value)}; write ${words.join(' or ')}`)
    return found
  }
}

/** Text that matches `pattern`; `remedy` says how it should look. */
export function matching(pattern: RegExp, remedy: string): Shape<string> {
  return (value, path, findings) => {
    if (typeof value === 'string' && pattern.test(value)) return value
    findings.problem(path, `is ${seen(value)}; ${remedy}`)
    return undefined
  }
}

/** A list whose elements are all of one shape. */
export function list<T>(shape: Shape<T>): Shape<readonly T[]> {
  return (value, path, findings) => {
    if (!Array.isArray(value)) {
      findings.problem(path, `is ${seen(value)}; write a list`)
      return undefined
    }
    const elements: T[] = []
    value.forEach((element: unknown, index) => {
      const read = shape(element, [...path, index], findings)
      if (read !== undefined) elements.push(read)
    })
    return elements
  }
}

/** A map with free keys; a key without a value (`tor1:`) reads as an empty map. */
export function mapOf<T>(shape: Shape<T>): Shape<Readonly<Record<string, T>>> {
  return (value, path, findings) => {
    const entries = entriesOf(value, path, findings)
    if (entries === undefined) return undefined
    const result: Record<string, T> = {}
    for (const [key, element] of entries) {
      const read = shape(element ?? undefined, [...path, key], findings)
      if (read !== undefined) result[key] = read
    }
    return result
  }
}

/** What a map with known keys may hold beside them. */
export interface StructOptions {
  /** understood, without effect here: a notice */
  readonly ignored?: readonly string[]
  /** containerlab's own, not in the subset: the remedy for each */
  readonly refused?: Readonly<Record<string, string>>
}

/** A map with known keys, each optional. Any other key is a problem that names it. */
export function struct<T extends object>(
  shapes: { readonly [K in keyof T]-?: Shape<NonNullable<T[K]>> },
  options: StructOptions = {},
): Shape<Partial<T>> {
  return (value, path, findings) => {
    const entries = entriesOf(value, path, findings)
    if (entries === undefined) return undefined
    const result: Partial<T> = {}
    const known = new Set<string>()
    for (const key in shapes) known.add(key)
    for (const [key] of entries) {
      if (options.ignored?.includes(key))
        findings.notice([...path, key], 'has no effect in this lab')
      else if (!known.has(key)) findings.problem([...path, key], unknownKey(key, known, options))
    }
    const given = new Map(entries)
    for (const key in shapes) {
      if (!given.has(key)) continue
      const read = shapes[key](given.get(key), [...path, key], findings)
      if (read !== undefined) result[key] = read
    }
    return result
  }
}

function unknownKey(key: string, known: ReadonlySet<string>, options: StructOptions): string {
  const remedy = options.refused?.[key]
  if (remedy !== undefined) return `"${key}" is outside the subset of containerlab here; ${remedy}`
  return `"${key}" is not a key here; remove it, or write one of ${[...known].sort().join(', ')}`
}

function entriesOf(
  value: unknown,
  path: Path,
  findings: Findings,
): readonly (readonly [string, unknown])[] | undefined {
  if (value === undefined || value === null) return []
  if (typeof value === 'object' && !Array.isArray(value)) return Object.entries(value)
  findings.problem(path, `is ${seen(value)}; write a map`)
  return undefined
}
