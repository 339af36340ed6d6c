/** The documentation against the source: files that are named, numbers, keys. */
import { existsSync, globSync, readFileSync } from 'node:fs'
import test from 'ava'
import { parse } from 'yaml'
import { annotationOf, parseConfig, parseResources } from '../../../src/shell/config/index.ts'

const read = (path: string): string => readFileSync(path, 'utf8')

/** The cells of every row of every table of a page. */
const rowsOf = (page: string): string[][] =>
  read(page)
    .split('\n')
    .filter(line => line.startsWith('| ') && !line.startsWith('| ---'))
    .map(line =>
      line
        .slice(1, -1)
        .split('|')
        .map(cell => cell.trim()),
    )

test('every plain number in LIMITS.md is that of the source that it names', t => {
  let compared = 0
  for (const [name = '', value = '', where = ''] of rowsOf('docs/LIMITS.md')) {
    const constant = /^`([A-Z_]+_MAX|\w+Max)`$/.exec(name)?.[1]
    if (constant === undefined || !where.includes('/')) continue
    const source = read(`src/${where}`)
    const found = new RegExp(`^(?:export )?const ${constant}\\b[^=]*= (.*)$`, 'm').exec(source)
    t.truthy(found, `${constant} is in src/${where}`)
    const number = numberOf(found?.[1] ?? '')
    const documented = /^(\d+)( MiB)?/.exec(value)
    if (number === undefined || documented === null) continue
    compared += 1
    t.is(Number(documented[1]) * (documented[2] === undefined ? 1 : 1 << 20), number, constant)
  }
  t.true(compared >= 30, `${compared} numbers compared`)
})

/** `4_096`, `1 << 20`, `4 * 1024`, `millis(10_000)`, `65_535 + 34`; undefined for names. */
function numberOf(expression: string): number | undefined {
  const plain = expression.replace(/ as Millis$/, '').replace(/^millis\((.*)\)$/, '$1')
  const terms = plain.replaceAll('_', '').split(' ')
  if (!terms.every(term => /^(\d+|\+|\*|<<)$/.test(term))) return undefined
  let value = Number(terms[0])
  for (let at = 1; at < terms.length; at += 2) {
    const operand = Number(terms[at + 1])
    if (terms[at] === '+') value += operand
    else if (terms[at] === '*') value *= operand
    else value *= 2 ** operand
  }
  return value
}

test('every file that RFC.md names is there, and every row has one', t => {
  // a row of four cells is of what is left out, and says why instead
  const rows = rowsOf('docs/RFC.md').filter(row => /^\d+$/.test(row[0] ?? '') && row.length > 4)
  t.true(rows.length > 40, `${rows.length} rows`)
  for (const [rfc, section, , files = '', tests = ''] of rows) {
    t.true(files.startsWith('src/'), `${rfc} ${section}`)
    for (const path of [...files.split(', '), ...tests.split(', ').filter(path => path !== '-')])
      t.true(existsSync(path), `${path} of RFC ${rfc} ${section}`)
  }
})

test('links between pages lead somewhere', t => {
  const pages = ['README.md', 'CHANGELOG.md', ...globSync('docs/**/*.md')]
  t.true(pages.length > 15)
  let links = 0
  for (const page of pages)
    for (const [, target = ''] of read(page).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
      links += 1
      const folder = page.includes('/') ? page.slice(0, page.lastIndexOf('/') + 1) : ''
      t.true(existsSync(`${folder}${target}`), `${page} links to ${target}`)
    }
  t.true(links > 20, `${links} links`)
})

test('every page of a decision is in the list of decisions', t => {
  const list = read('docs/adr/README.md')
  const pages = globSync('docs/adr/[0-9]*.md')
  t.true(pages.length >= 10)
  for (const page of pages) t.true(list.includes(`](${page.slice('docs/adr/'.length)})`), page)
})

interface Schema {
  readonly default?: unknown
  readonly properties?: Readonly<Record<string, Schema>>
}

/** Every field of a schema by its path, with its default. */
function fieldsOf(schema: Schema, path: readonly string[] = []): [string, unknown][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const inner = fieldsOf(field, [...path, name])
    return inner.length > 0 ? inner : [[[...path, name].join('.'), field.default]]
  })
}

const codeOf = (page: string, language: string): string[] =>
  [...read(page).matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(
    ([, text = '']) => text,
  )

test('configuration.md shows every key of martlet.yaml with its default', t => {
  const [, all = ''] = codeOf('docs/configuration.md', 'yaml')
  const shown = parse(all)
  const fields = fieldsOf(JSON.parse(read('config/martlet.schema.json')))
  t.true(fields.length > 20, `${fields.length} fields`)
  const at = (path: string): unknown =>
    path.split('.').reduce((value: unknown, name) => Object(value)[name], shown)
  // a password is better in a file, and the page shows that
  for (const [path, value] of fields.filter(([path]) => path !== 'store.etcd.password')) {
    t.not(at(path), undefined, `${path} is shown`)
    if (value !== undefined) t.deepEqual(at(path), value, path)
  }
})

test('the examples of configuration.md are valid, and mean what is beside them', t => {
  const [, , transit = '', ranges = '', router = ''] = codeOf('docs/configuration.md', 'yaml')
  for (const example of [transit, router]) {
    const { resources, problems } = parseResources(example, 'configuration.md')
    t.deepEqual(problems, [])
    t.true(resources.length > 0)
  }
  const peer = parseResources(transit, 'configuration.md').resources[0]?.resource
  const settings = peer && annotationOf(peer)?.settings.settings
  const { properties } = JSON.parse(read('config/martlet.schema.json'))
  const keys = Object.keys(properties.bgp.properties.ranges.items.properties.session.properties)
  t.true(keys.length >= 15, `${keys.length} keys`)
  for (const key of keys) t.regex(transit, new RegExp(`^ +${key}: `, 'm'))
  t.is(Object.keys(settings ?? {}).length, keys.length, 'each of them is meant')
  const { facts } = parseConfig(ranges, 'configuration.md')
  t.like(facts.ranges?.[0], { name: 'leaves', peersMax: 40, ttlSecurity: 1 })
})

test('the examples of state.md are JSON', t => {
  const examples = codeOf('docs/state.md', 'json')
  t.is(examples.length, 7)
  for (const example of examples) t.is(typeof JSON.parse(example).node, 'string')
})
