/** YAML as values: what a document may cost. */
import test from 'ava'
import { ALIASES_MAX, readYaml } from '../../../src/shell/config/yaml.ts'

/** A list, and so many aliases of it. */
const aliases = (count: number): string =>
  `list: &list [1]\nothers: [${Array(count).fill('*list').join(', ')}]\n`

test('an anchor and its aliases are ALIASES_MAX at most', t => {
  const [most] = readYaml(aliases(ALIASES_MAX - 1))
  t.is(most?.fault, undefined)
  t.like(most?.value, { list: [1], others: { length: ALIASES_MAX - 1 } })
  const [over] = readYaml(aliases(ALIASES_MAX))
  t.is(over?.value, undefined)
  t.regex(over?.fault?.reason ?? '', /alias/)
})

test('a billion laughs are one fault, and the document behind them is read', t => {
  const levels = 'abcdefghi'
  const lines = [...levels].map((name, at) => {
    const inner = at === 0 ? '"laugh"' : `*${levels[at - 1]}`
    return `${name}: &${name} [${Array(9).fill(inner).join(', ')}]\n`
  })
  const [laughs, next] = readYaml(`${lines.join('')}---\nkind: Node\n`)
  t.regex(laughs?.fault?.reason ?? '', /^is not usable YAML/)
  t.deepEqual(next?.value, { kind: 'Node' })
})
