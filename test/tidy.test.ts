/**
 * The rules of the house that a machine can check. A style rule that no test checks is a wish.
 *
 * Layers and doors follow docs/ARCHITECTURE.md; sizes and words follow docs/STYLE.md, whose list of exceptions may
 * only shrink.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import test from 'ava'

/** Layer of each room; a room may import from lower layers and from itself. Strangers share a layer. */
const LAYERS: Readonly<Record<string, number>> = {
  'core/base': 0,
  'core/net': 1,
  'core/wire': 2,
  'core/fib': 2,
  'core/rtnl': 2,
  'core/calico': 2,
  'core/session': 3,
  'core/policy': 3,
  'core/rib': 3,
  'core/speaker': 4,
  'core/dataplane': 4,
  'core/intent': 5,
  sim: 6,
  'shell/posix': 6,
  'shell/bird': 6,
  'shell/kubernetes': 6,
  'shell/secrets': 6,
  'shell/clock': 6,
  'shell/log': 6,
  'shell/config': 6,
  'shell/store': 6,
  'shell/netlink': 6,
  'shell/tcp': 6,
  'shell/link': 6,
  'shell/api': 6,
  'shell/host': 6,
  'shell/lab': 6,
  'shell/process': 6,
  'shell/terminal': 6,
  'shell/transcript': 6,
  app: 7,
  'main.ts': 8,
}

/** Rooms of the shell that may be used by the others there: one thing of the world each, but these serve all. */
const SHARED_SHELL = new Set(['shell/posix', 'shell/clock', 'shell/log', 'shell/config'])

/** What only the room named may import. `core` imports no package at all. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  zod: ['shell/config'],
  koffi: ['shell/posix'],
  etcd3: ['shell/store'],
  '@kubernetes/client-node': ['shell/kubernetes'],
  pino: ['shell/log'],
  commander: ['app'],
}

const TOP_LEVEL = [
  '.biome.json',
  '.ci',
  '.dockerignore',
  '.gitignore',
  '.npmrc',
  'CHANGELOG.md',
  'LICENSE',
  'README.md',
  'config',
  'docker-compose.yml',
  'docs',
  'package-lock.json',
  'package.json',
  'proto',
  'src',
  'test',
  'tsconfig.json',
]

const LINE_COLUMNS_MAX = 100
/** The formatter does not break a test's title, nor the words of an expected message. */
const TEST_LINE_COLUMNS_MAX = 120
const FUNCTION_LINES_MAX = 70
const FILE_LINES_MAX = 400
const FILE_LINES_NEVER = 600
const ROOM_FILES_MAX = 12

const listed = (...options: readonly string[]): string[] =>
  execFileSync('git', ['ls-files', ...options], { encoding: 'utf8' })
    .split('\n')
    .filter(path => path !== '' && existsSync(path) && statSync(path).isFile())

/** What is in the project, and what is about to be. */
const tracked = listed('--cached', '--others', '--exclude-standard')

const written = tracked.filter(path => /\.ts$/.test(path) && !path.includes('/generated/'))
const sources = written.filter(path => path.startsWith('src/'))
const core = sources.filter(path => path.startsWith('src/core/'))
const text = new Map(tracked.map(path => [path, readFileSync(path, 'utf8')]))
const linesOf = (path: string): string[] => (text.get(path) ?? '').split('\n')

/** The room of a file or folder under src: `core/rib`, `shell/tcp`, `sim`, `app`, `main.ts`. */
function roomOf(path: string): string {
  const [first, second] = path.replace(/^src\//, '').split('/')
  return first === 'core' || first === 'shell' ? `${first}/${second}` : first!
}

/** Lines of a file without comments, keeping line numbers; strings stay. */
function codeOf(path: string): string[] {
  const blank = (match: string): string => match.replace(/[^\n]/g, ' ')
  return (text.get(path) ?? '')
    .replace(/\/\*[\s\S]*?\*\//g, blank)
    .replace(/(^|[\s;])\/\/.*$/gm, blank)
    .split('\n')
}

interface Import {
  readonly from: string
  readonly line: number
  readonly target: string
}

function importsOf(path: string): Import[] {
  const found: Import[] = []
  const pattern =
    /^(?:import|export)\b\s*(?:[^'"`;]*?\bfrom\s+)?'([^'\n]+)'|\bimport\('([^']+)'\)/gm
  for (const match of (text.get(path) ?? '').matchAll(pattern)) {
    const target = match[1] ?? match[2]!
    const line = (text.get(path) ?? '').slice(0, match.index).split('\n').length
    found.push({ from: path, line, target })
  }
  return found
}

/** Why this import may not be, or undefined. */
function refusal({ from, target }: Import): string | undefined {
  const room = roomOf(from)
  if (!target.startsWith('.')) return refusedPackage(room, target)
  const path = normalize(join(dirname(from), target))
  if (path === 'package.json') return undefined
  if (!path.startsWith('src/')) return 'leaves src'
  const there = roomOf(path)
  if (there === room) return undefined
  const [mine, theirs] = [LAYERS[room], LAYERS[there]]
  if (mine === undefined || theirs === undefined)
    return `${mine === undefined ? room : there} has no layer`
  if (room === 'sim' && there.startsWith('shell/')) return 'sim never sees shell'
  if (theirs > mine) return `climbs from layer ${mine} to ${theirs}`
  if (theirs === mine && !(room.startsWith('shell/') && SHARED_SHELL.has(there)))
    return `${room} and ${there} are strangers`
  if (room.startsWith('core/') && !there.startsWith('core/')) return 'core imports core only'
  if (!path.endsWith('/index.ts') && theirs < 7) return `${there} has one door, its index.ts`
  return undefined
}

function refusedPackage(room: string, name: string): string | undefined {
  if (room.startsWith('core/')) return 'core imports no package and no node: module'
  if (room === 'sim' && name.startsWith('node:')) return 'sim touches no world'
  const bare = name.startsWith('@') ? name.split('/').slice(0, 2).join('/') : name.split('/')[0]!
  const rooms = PACKAGES[bare]
  return rooms === undefined || rooms.includes(room)
    ? undefined
    : `${bare} stays in ${rooms.join(', ')}`
}

/** `file:line what` of every match in code. */
function offences(paths: readonly string[], pattern: RegExp): string[] {
  const found: string[] = []
  for (const path of paths)
    for (const [at, line] of codeOf(path).entries())
      if (pattern.test(line)) found.push(`${path}:${at + 1} ${line.trim()}`)
  return found
}

/** Exceptions that docs/STYLE.md lists: lines like "- `path` — 450 lines: why". */
const exceptions = new Set(
  [...(text.get('docs/STYLE.md') ?? '').matchAll(/^- `([^`]+)`/gm)].map(match => match[1]!),
)

test('there are files to check in every room', t => {
  t.true(sources.length > 60, `${sources.length} sources`)
  const rooms = new Set(sources.map(roomOf))
  for (const room of Object.keys(LAYERS)) t.true(rooms.has(room), `no file in ${room}`)
})

test('the top level is what was asked for', t => {
  // what somebody tries beside it, as README does, is not in the project
  const found = new Set(listed('--cached').map(path => path.split('/')[0]!))
  t.true(found.size > 10, `${found.size} names`)
  t.deepEqual(
    [...found].filter(name => !TOP_LEVEL.includes(name)),
    [],
  )
})

test('imports only go down, through doors, and never to strangers', t => {
  const all = sources.flatMap(importsOf)
  t.true(all.length > 100, `${all.length} imports read`)
  const refused = all.flatMap(found => {
    const why = refusal(found)
    return why === undefined ? [] : [`${found.from}:${found.line} imports ${found.target}: ${why}`]
  })
  t.deepEqual(refused, [])
})

test('a climbing import, a back door and a stranger are refused', t => {
  const ask = (from: string, target: string): string | undefined =>
    refusal({ from, line: 1, target })
  t.regex(ask('src/core/net/a.ts', '../rib/index.ts')!, /climbs/)
  t.regex(ask('src/core/rib/a.ts', '../net/prefix.ts')!, /door/)
  t.regex(ask('src/core/rib/a.ts', '../policy/index.ts')!, /strangers/)
  t.regex(ask('src/core/rib/a.ts', 'node:fs')!, /no package/)
  t.regex(ask('src/sim/a.ts', '../shell/tcp/index.ts')!, /never sees shell/)
  t.regex(ask('src/shell/tcp/a.ts', 'zod')!, /stays in/)
  t.is(ask('src/core/rib/a.ts', '../net/index.ts'), undefined)
})

test('the core has no clock, chance, wait or world', t => {
  const banned =
    /\b(Date\b(?!['"])|performance\.|Math\.random|set(Timeout|Interval|Immediate)|process\.|console\.|async\b|await\b)/
  t.deepEqual(offences(core, banned), [])
})

test('there is no enum, namespace, any, default export or suppressed check', t => {
  t.deepEqual(offences(sources, /^\s*(export )?(const )?(enum|namespace) /), [])
  t.deepEqual(offences(sources, /(:|<|as|=>)\s*any\b(?!['"])/), [])
  t.deepEqual(offences(sources, /export default/), [])
  const suppressed = written.filter(path =>
    /@ts-(ignore|nocheck|expect-error)/.test(codeless(path)),
  )
  t.deepEqual(suppressed, [])
})

/** The text of a file, for rules about comments; this file speaks of them and is left out. */
function codeless(path: string): string {
  return path === 'test/tidy.test.ts' ? '' : (text.get(path) ?? '')
}

test('only main.ts ends the process', t => {
  t.deepEqual(
    offences(
      sources.filter(path => path !== 'src/main.ts'),
      /process\.exit\(/,
    ),
    [],
  )
})

test('only one function writes the state of a session', t => {
  const writes = offences(
    core.filter(path => path.startsWith('src/core/session/')),
    /\.#?state = /,
  )
  t.is(writes.length, 1, writes.join('\n'))
})

test('lines, files and rooms keep their size', t => {
  const wide = written.flatMap(path =>
    linesOf(path).flatMap((line, at) =>
      line.length > (path.startsWith('src/') ? LINE_COLUMNS_MAX : TEST_LINE_COLUMNS_MAX)
        ? [`${path}:${at + 1} has ${line.length} columns`]
        : [],
    ),
  )
  t.deepEqual(wide, [])
  const long = written.flatMap(path => {
    const count = linesOf(path).length - 1
    if (count > FILE_LINES_NEVER)
      return [`${path} has ${count} lines, never over ${FILE_LINES_NEVER}`]
    // a test is a table of cases: only the ceiling holds for it
    return path.startsWith('src/') && count > FILE_LINES_MAX && !exceptions.has(path)
      ? [`${path} has ${count} lines`]
      : []
  })
  t.deepEqual(long, [])
  const crowded = Object.keys(LAYERS).flatMap(room => {
    const folder = `src/${room}`
    if (!statSync(folder).isDirectory()) return []
    const count = readdirSync(folder).length
    return count > ROOM_FILES_MAX && !exceptions.has(folder) ? [`${folder} has ${count} files`] : []
  })
  t.deepEqual(crowded, [])
})

test('functions keep their size', t => {
  // a function, a method, or a constant that is an arrow function, as the formatter writes them
  const plain = String.raw`(?:async )?function\*? \w+`
  const method = String.raw`(?:(?:static|async|override|readonly|get|set) )*#?\w+(?:<[^>]*>)?\((?!.*=>)`
  const arrow = String.raw`(?:(?:readonly|const) )?#?\w+[^=]*= (?:async )?\([^)]*\)[^=]*=>`
  const opening = new RegExp(`^(\\s*)(?:export )?(?:${plain}|${method}|${arrow})`)
  let seen = 0
  const long = sources.flatMap(path => {
    const lines = codeOf(path)
    return lines.flatMap((line, at) => {
      const match = opening.exec(line)
      if (match === null) return []
      seen++
      const close = `${match[1]}}`
      const end = lines.findIndex((other, index) => index > at && other.startsWith(close))
      const count = end - at + 1
      const within = lines
        .slice(at + 1, end)
        .every(
          other =>
            /^\s*$/.test(other) ||
            other.startsWith(`${match[1]} `) ||
            other.startsWith(`${match[1]})`),
        )
      return end > 0 && within && count > FUNCTION_LINES_MAX && !exceptions.has(path)
        ? [`${path}:${at + 1} is a function of ${count} lines`]
        : []
    })
  })
  t.true(seen > 800, `${seen} functions`)
  t.deepEqual(long, [])
})

test('every exported symbol has a doc comment, and every file says what it is', t => {
  const bare = sources.flatMap(path => {
    const lines = linesOf(path)
    return lines.flatMap((line, at) => {
      if (!/^export (?!type \{|\{|\*|type \*)/.test(line)) return []
      const above = (lines[at - 1] ?? '').trim()
      // overloads share a comment, and so do the lines of a table of numbers
      const shared = /^export (function|const \w+ = [\w <]+$)/.test(lines[at - 1] ?? '')
      return above.endsWith('*/') || shared ? [] : [`${path}:${at + 1} ${line}`]
    })
  })
  t.deepEqual(bare, [])
  const silent = written.filter(
    path =>
      !/^(#!.*\n)?(import [^\n]*\n|import [^;]*?from '[^']+'\n|\n)*\/\*\*/.test(
        text.get(path) ?? '',
      ),
  )
  t.deepEqual(silent, [])
})

test('every limit of the sources is in LIMITS.md, every RFC cited in RFC.md', t => {
  const limits = text.get('docs/LIMITS.md') ?? ''
  const names = sources.flatMap(path =>
    [...(text.get(path) ?? '').matchAll(/^(?:export )?const ([A-Z][A-Z0-9_]*_MAX)\b/gm)].map(
      match => match[1]!,
    ),
  )
  t.true(names.length > 5, `${names.length} limits`)
  t.deepEqual(
    [...new Set(names)].filter(name => !limits.includes(name)),
    [],
  )
  const lower = sources.filter(path =>
    /^(?:export )?const [a-z]\w*(?:Max|Min) = [\d(]/m.test(text.get(path) ?? ''),
  )
  t.deepEqual(lower, [], 'limits that are constants of a file are FOO_MAX')
  const table = text.get('docs/RFC.md') ?? ''
  const cited = sources.flatMap(path =>
    [...(text.get(path) ?? '').matchAll(/\bRFC (\d{3,5})\b/g)].map(match => match[1]!),
  )
  t.true(cited.length > 20, `${cited.length} citations`)
  t.deepEqual(
    [...new Set(cited)].filter(number => !new RegExp(`\\b${number}\\b`).test(table)),
    [],
  )
})

/** The cells of the tables of a document, a row each, without their heads. */
const rowsOf = (path: string): string[][] =>
  linesOf(path)
    .filter(line => /^\| .*\|$/.test(line) && !/^\| -+/.test(line))
    .map(line =>
      line
        .slice(1, -1)
        .split('|')
        .map(cell => cell.trim()),
    )

/** What a constant is: a number, a shift, a product, or seconds as milliseconds. */
function constantOf(expression: string): number | undefined {
  const inSeconds = /^seconds\(([\d_]+)\)$/.exec(expression)
  const plain = inSeconds?.[1] ?? expression
  if (!/^[\dxa-f_]+(?: (?:<<|\*|\+) [\d_]+)?$/.test(plain)) return undefined
  const [left = '', operator, right = ''] = plain.replaceAll('_', '').split(' ')
  const [a, b] = [Number(left), Number(right)]
  const value = operator === '<<' ? a * 2 ** b : operator === '*' ? a * b : operator ? a + b : a
  return inSeconds === null ? value : 1000 * value
}

test('every row of RFC.md has a file and a test that exist, every limit is what LIMITS.md says', t => {
  const rows = rowsOf('docs/RFC.md').filter(row => row.length === 5 && /^\d{3,5}$/.test(row[0]!))
  t.true(rows.length > 70, `${rows.length} rows`)
  for (const [rfc, section, , files, tests] of rows) {
    const named = [...files!.split(', '), ...tests!.split(', ')]
    t.deepEqual(
      named.filter(path => !existsSync(path)),
      [],
      `RFC ${rfc} ${section}`,
    )
    t.true(
      tests!.split(', ').every(path => path.startsWith('test/')),
      `RFC ${rfc} ${section}`,
    )
  }
  let compared = 0
  for (const [limit = '', told = '', where = ''] of rowsOf('docs/LIMITS.md')) {
    const name = /^`([A-Z][A-Z0-9_]*_MAX)`$/.exec(limit)?.[1]
    if (name === undefined) continue
    const source = text.get(`src/${where}`)
    const expression = new RegExp(`^(?:export )?const ${name} = (.*)$`, 'm').exec(source ?? '')?.[1]
    t.truthy(expression, `${name} is a constant of ${where}`)
    const value = constantOf((expression ?? '').replace(/ as \w+$/, ''))
    const [, number, unit] = /^(\d+)(?: (MiB))?/.exec(told) ?? []
    if (value === undefined || number === undefined) continue
    compared++
    t.is(Number(number) * (unit === 'MiB' ? 2 ** 20 : 1), value, `${name} in ${where}`)
  }
  t.true(compared > 50, `${compared} numbers compared`)
})

test('every attribute has its RFC and a vector', t => {
  const rows = sources.filter(path => /^src\/core\/wire\/attributes\/.*\.ts$/.test(path))
  const vectors = tracked
    .filter(path => path.endsWith('.vec'))
    .map(path => text.get(path))
    .join('\n')
  const specs = rows.flatMap(path =>
    [...(text.get(path) ?? '').matchAll(/: AttributeSpec<[\s\S]*?\n\}/g)].map(match => match[0]),
  )
  t.true(specs.length >= 14, `${specs.length} attributes`)
  for (const spec of specs) {
    const name = /name: '([^']+)'/.exec(spec)?.[1]
    t.truthy(name, spec)
    t.regex(spec, /rfc: '[^']*RFC \d+/, `${name} cites its RFC`)
    t.true(vectors.includes(name!), `${name} has a vector`)
  }
})

test('nothing is left to do without an issue, and the project speaks of itself alone', t => {
  const words = tracked.filter(path => !/package-lock\.json|LICENSE|tidy\.test\.ts$/.test(path))
  const todo = words.filter(path => /\b(TODO|FIXME|XXX)\b(?! \(#\d+\))/.test(text.get(path) ?? ''))
  t.deepEqual(todo, [])
  const machine = words.filter(path =>
    /\/work\/(main|shared)|registry\.npmjs|deb\.debian\.org/.test(text.get(path) ?? ''),
  )
  t.deepEqual(machine, [])
})
