/** docs/calico.md says of every field of every kind what it does here: no field missing, no row too many. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { z } from 'zod'
import {
  isReadKind,
  type ReadKind,
  resourceSchemas,
} from '../../../src/shell/config/schemas/index.ts'

const TEXT = readFileSync(join(import.meta.dirname, '../../../docs/calico.md'), 'utf8')

const STATES = ['same', 'better', 'on request', 'not applicable']

/** Objects of which a reader thinks as of one thing. */
const WHOLE: ReadonlySet<string> = new Set([
  'password',
  'nodeMeshPassword',
  'status.agent',
  'status.bgp',
  'status.routes',
  'prefixLength',
  'communities',
  'addCommunity',
  'prependASPath',
  'setPriority',
])

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly items?: JsonSchema
}

const isSchema = (value: unknown): value is JsonSchema =>
  typeof value === 'object' && value !== null

/** The fields of a schema; of objects in it, theirs, `bgp.asNumber`. */
function fieldsIn({ properties = {} }: JsonSchema, before = ''): string[] {
  return Object.entries(properties).flatMap(([name, inner]) => {
    const path = `${before}${name}`
    return inner.properties === undefined || WHOLE.has(path) ? path : fieldsIn(inner, `${path}.`)
  })
}

/** The fields of a kind as its table names them: those of `spec` by themselves. */
function fieldsOf(kind: ReadKind): string[] {
  const schema: unknown = z.toJSONSchema(resourceSchemas[kind], {
    io: 'input',
    unrepresentable: 'any',
  })
  const { spec = {}, status = {} } = (isSchema(schema) && schema.properties) || {}
  if (kind !== 'BGPFilter') return [...fieldsIn(spec), ...fieldsIn(status, 'status.')]
  // four lists of the same rules
  const rule = spec.properties?.exportV4?.items ?? {}
  const operation = rule.properties?.operations?.items ?? {}
  return [...fieldsIn(spec), ...fieldsIn(rule), ...fieldsIn(operation)]
}

interface Row {
  readonly names: readonly string[]
  readonly state: string
}

/** The rows of the tables below a heading, by what their first column names in code. */
function rowsUnder(heading: string): Row[] {
  const from = TEXT.indexOf(`\n## ${heading}\n`)
  const to = TEXT.indexOf('\n## ', from + 1)
  const section = from < 0 ? '' : TEXT.slice(from, to < 0 ? undefined : to)
  return section.split('\n').flatMap(line => {
    const [, first, state] = line.split('|').map(cell => cell.trim())
    if (first === undefined || state === undefined || /^-+$/.test(state)) return []
    const names = [...first.matchAll(/`([A-Za-z0-9.]+)`/g)].flatMap(([, name]) => name ?? [])
    return names.length === 0 ? [] : [{ names, state }]
  })
}

for (const kind of Object.keys(resourceSchemas).filter(isReadKind))
  test(`${kind}: each of its fields has a row, and each row a field and a state`, t => {
    const rows = rowsUnder(kind)
    const fields = fieldsOf(kind)
    t.true(fields.length > 0)
    t.deepEqual(rows.flatMap(({ names }) => names).toSorted(), fields.toSorted())
    for (const { names, state } of rows) t.true(STATES.includes(state), `${names}: ${state}`)
  })

test('all kinds that are read were asked about, and the states are those that are explained', t => {
  t.is(Object.keys(resourceSchemas).length, 12)
  const explained = [...TEXT.slice(0, TEXT.indexOf('\n## ')).matchAll(/^\| ([a-z ]+?) +\|/gm)]
  t.deepEqual(explained.map(([, state]) => state).slice(1), STATES)
})
