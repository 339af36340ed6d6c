import { isCollection, isMap, isNode, isPair, isScalar, LineCounter, parseAllDocuments } from 'yaml'

/** YAML 1.2 as values with line numbers, so that an error can say where it is. JSON is YAML too. */

/** One document of a file. */
export interface YamlDocument {
  readonly value: unknown
  /** of its first line, from 1 */
  readonly line: number
  /** why it cannot be read; its `value` is undefined then */
  readonly fault?: { readonly line: number; readonly reason: string }
  /** The line of what is at `path`, or of the nearest thing around it. */
  lineOf(path: readonly (string | number)[]): number
}

/**
 * Most times that an anchor counts, itself included, and once for each alias inside it at every
 * use: enough for people, too few for a "billion laughs".
 */
export const ALIASES_MAX = 100

/** The documents of `text`, empty ones left out. Never throws. */
export function readYaml(text: string): YamlDocument[] {
  const lines = new LineCounter()
  const lineAt = (offset: number | undefined): number => lines.linePos(offset ?? 0).line
  const parsed = parseAllDocuments(text, { lineCounter: lines, uniqueKeys: true })
  if (!Array.isArray(parsed)) return []
  const documents: YamlDocument[] = []
  for (const document of parsed) {
    const contents: unknown = document.contents
    const line = lineAt(startOf(contents) ?? document.range[0])
    const error = document.errors[0]
    if (error !== undefined) {
      const at = lineAt(error.pos[0])
      const reason = `is not YAML: ${sentenceOf(error)}`
      documents.push({ value: undefined, line, fault: { line: at, reason }, lineOf: () => at })
      continue
    }
    if (contents === null || (isScalar(contents) && contents.value === null)) continue
    documents.push({
      ...valueFrom(() => document.toJS({ maxAliasCount: ALIASES_MAX }), line),
      line,
      lineOf: path => lineAt(offsetOf(contents, path)),
    })
  }
  return documents
}

function valueFrom(
  read: () => unknown,
  line: number,
): { value: unknown; fault?: { line: number; reason: string } } {
  try {
    return { value: read() }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return { value: undefined, fault: { line, reason: `is not usable YAML: ${why}` } }
  }
}

const startOf = (node: unknown): number | undefined =>
  isNode(node) && node.range ? node.range[0] : undefined

function offsetOf(root: unknown, path: readonly (string | number)[]): number | undefined {
  let node = root
  let offset = startOf(root)
  for (const part of path) {
    if (isMap(node)) {
      const pair = node.items.find(
        item => isScalar(item.key) && String(item.key.value) === String(part),
      )
      if (pair === undefined) return offset
      offset = startOf(pair.key) ?? offset
      node = pair.value
    } else if (isCollection(node)) {
      const item: unknown = node.items[Number(part)]
      node = isPair(item) ? item.value : item
      offset = startOf(node) ?? offset
    } else return offset
  }
  return offset
}

/** What the parser says, without the excerpt, and without the place, which is told before it. */
const sentenceOf = ({ message }: { readonly message: string }): string =>
  (message.split('\n')[0] ?? '').replace(/ at line \d+, column \d+:?$/, '')
