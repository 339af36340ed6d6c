/**
 * The small languages inside a topology file: variables, and command lines without a shell. Pure.
 */

/** What a word could not be read for. */
export interface WordFault {
  readonly fault: string
}

/**
 * Replaces `$V`, `${V}`, `${V:-d}`, `${V:=d}` and `$$` as containerlab's environment step does: an
 * unset variable without a default is nothing. Comments are expanded too, as there. O(length).
 */
export function expand(
  text: string,
  variables: Readonly<Record<string, string | undefined>>,
): string {
  const pattern = /\$(?:(\$)|\{([A-Za-z_]\w*)(?:(:?[-=])([^}]*))?\}|([A-Za-z_]\w*))/g
  return text.replace(pattern, (_whole, dollar, braced, operator, fallback, bare) => {
    if (dollar !== undefined) return '$'
    const value = variables[String(braced ?? bare)]
    const missing = operator?.startsWith(':') ? !value : value === undefined
    if (operator !== undefined && missing) return String(fallback)
    return value ?? ''
  })
}

/**
 * Splits a command line into its words as a POSIX shell would, quotes and backslashes included, and
 * does nothing else that a shell does: no pipes, no globs, no variables.
 */
export function splitCommand(line: string): readonly string[] | WordFault {
  const words: string[] = []
  let word: string | undefined
  for (let at = 0; at < line.length; at++) {
    const character = line[at] ?? ''
    if (character === "'") {
      const end = line.indexOf("'", at + 1)
      if (end < 0) return { fault: `a ' in "${line}" is not closed` }
      word = (word ?? '') + line.slice(at + 1, end)
      at = end
    } else if (character === '"') {
      const quoted = readQuoted(line, at + 1)
      if (quoted === undefined) return { fault: `a " in "${line}" is not closed` }
      word = (word ?? '') + quoted.text
      at = quoted.end
    } else if (character === '\\') {
      if (at + 1 >= line.length) return { fault: `"${line}" ends in a backslash` }
      word = (word ?? '') + line[++at]
    } else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else {
      word = (word ?? '') + character
    }
  }
  if (word !== undefined) words.push(word)
  return words
}

/** Inside double quotes a backslash quotes only itself and the quote. */
function readQuoted(line: string, from: number): { text: string; end: number } | undefined {
  let text = ''
  for (let at = from; at < line.length; at++) {
    const character = line[at]
    if (character === '"') return { text, end: at }
    const next = line[at + 1]
    if (character === '\\' && (next === '"' || next === '\\')) {
      text += next
      at++
    } else {
      text += character
    }
  }
  return undefined
}
