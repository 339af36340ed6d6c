import { parseDocument, stringify } from 'yaml'
import { keyOfObject } from './files.ts'

/** Changes one object in the text of a file and leaves the rest, comments included, as it was. */

/**
 * The text with the object of `key` replaced by `value` (JSON), or without it; empty where nothing
 * is left, undefined where no object of that key is in it.
 */
export function editText(text: string, key: string, value: string | undefined): string | undefined {
  const parts = partsOf(text)
  for (const [at, part] of parts.entries()) {
    const object = objectOf(part.body)
    const edited = keyOfObject(object) === key ? { object: value } : editList(object, key, value)
    if (edited === undefined) continue
    if (edited.object !== undefined)
      return textOf(parts.with(at, { ...part, body: yamlOf(edited.object) }))
    // what heads the file is about the file, not about its first object
    const left = at === 0 ? parts.with(0, { ...part, body: '' }) : parts.toSpliced(at, 1)
    return left.some(({ body }) => body.trim() !== '') ? textOf(left) : ''
  }
  return undefined
}

/** The object as YAML. */
export const yamlOf = (json: string): string => stringify(JSON.parse(json), { lineWidth: 0 })

/** One document of a file, as it is written. */
interface Part {
  /** the line that separates it from the one before; empty for the first */
  readonly marker: string
  /** comments and empty lines above the content */
  readonly head: string
  readonly body: string
}

/** `---` at the start of a line separates documents wherever it stands, even in a block of text. */
function partsOf(text: string): Part[] {
  return text.split(/^(?=---(?:\s|$))/m).map(part => {
    const marker = /^---[ \t]*(?:#[^\n]*)?(?:\n|$)/.exec(part)?.[0] ?? ''
    const rest = part.slice(marker.length)
    const head = /^(?:[ \t]*(?:#[^\n]*)?\n)*/.exec(rest)?.[0] ?? ''
    return { marker, head, body: rest.slice(head.length) }
  })
}

function textOf(parts: readonly Part[]): string {
  const texts = parts.map(({ marker, head, body }) => marker + head + body)
  // a document that was on the line of its marker has lost it
  return texts.reduce((before, part, at) => {
    const joined = before === '' || before.endsWith('\n') ? before : `${before}\n`
    return at === 0 || part.startsWith('---') ? joined + part : `${joined}---\n${part}`
  }, '')
}

function objectOf(body: string): unknown {
  const document = parseDocument(body)
  return document.errors.length > 0 ? undefined : document.toJS()
}

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
