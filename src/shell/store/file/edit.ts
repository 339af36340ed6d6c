import { parseAllDocuments, stringify } from 'yaml'
import { keyOfObject } from './files.ts'

/**
 * Changes one object in the text of a file and leaves the rest, comments included, as people wrote
 * it.
 */

/**
 * The text with the object of `key` replaced by `value` (JSON), or without it; undefined where no
 * object of that key is in it.
 */
export function editText(text: string, key: string, value: string | undefined): string | undefined {
  const documents = parseAllDocuments(text)
  if (!Array.isArray(documents)) return undefined
  for (const document of documents) {
    if (document.errors.length > 0) continue
    const object: unknown = document.toJS()
    const edited = keyOfObject(object) === key ? { object: value } : editList(object, key, value)
    if (edited === undefined) continue
    const [start, , end] = document.range
    const before = text.slice(0, start)
    const after = text.slice(end)
    const inner = edited.object
    if (inner !== undefined) return before + separated(before, yamlOf(inner)) + after
    // a document's end marker belongs to the next one
    return /^\s*$/.test(before.replace(/^---\s*$/gm, '')) && after.trim() === ''
      ? ''
      : withoutEmpty(before, after)
  }
  return undefined
}

/** The object as YAML. */
export const yamlOf = (json: string): string => stringify(JSON.parse(json), { lineWidth: 0 })

function editList(
  list: unknown,
  key: string,
  value: string | undefined,
): { object: string | undefined } | undefined {
  if (typeof list !== 'object' || list === null || !('items' in list)) return undefined
  const { items } = list
  if (!Array.isArray(items)) return undefined
  const at = items.findIndex((item: unknown) => keyOfObject(item) === key)
  if (at < 0) return undefined
  const replacement: unknown[] = value === undefined ? [] : [JSON.parse(value)]
  const left = items.toSpliced(at, 1, ...replacement)
  return { object: left.length === 0 ? undefined : JSON.stringify({ ...list, items: left }) }
}

const separated = (before: string, yaml: string): string =>
  before === '' || before.endsWith('\n') ? yaml : `\n${yaml}`

/** Two separators with nothing between them are one. */
function withoutEmpty(before: string, after: string): string {
  const head = before.replace(/(^|\n)---[^\n]*\n?$/, '$1')
  return after.trim() === '' ? head : head === '' ? after.replace(/^---[^\n]*\n/, '') : head + after
}
