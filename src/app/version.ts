import { readFileSync } from 'node:fs'

/** Which Martlet this is: the version of package.json, which lies beside `src` and `dist` alike. */
export const VERSION: string = read()

function read(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  const described: { readonly version?: unknown } = JSON.parse(text)
  return typeof described.version === 'string' ? described.version : 'unknown'
}
