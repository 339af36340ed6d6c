/** The command line as a whole: help, exit codes, what is printed when something fails. */
import { readFileSync } from 'node:fs'
import test from 'ava'
import { describeFailure, EXIT } from '../../../src/app/cli/failure.ts'
import { program } from '../../../src/app/cli/index.ts'
import { age, count, deadline, facts, since, table } from '../../../src/app/cli/output.ts'
import { MemoryStore, NOW, run } from './world.ts'

const tree = program().commands
const commands = tree.map(command => command.name())
/** What does something by itself, the commands of `lab` included. */
const leaves = tree.flatMap(command =>
  command.commands.length === 0
    ? [command.name()]
    : command.commands.map(child => `${command.name()} ${child.name()}`),
)

test('there are commands to test', t => {
  t.true(commands.length >= 12, commands.join(' '))
  t.is(leaves.length, commands.length + 6)
})

for (const name of leaves)
  test(`the help of ${name} has examples and exit codes`, async t => {
    const { code, printed } = await run([...name.split(' '), '--help'])
    t.is(code, 0)
    t.regex(printed, new RegExp(`Usage: martlet ${name}`))
    t.regex(printed, new RegExp(`Examples:\n +# .*\n +.*martlet ${name}`))
    t.true(printed.includes('Exit codes:'))
    for (const line of printed.split('\n')) t.true(line.length <= 100, line)
  })

test('each exit code is in the help and in the documentation', async t => {
  const { printed } = await run(['--help'])
  const documented = readFileSync('docs/operations.md', 'utf8')
  for (const code of Object.values(EXIT)) {
    t.regex(printed, new RegExp(`^ +${code} +\\w`, 'm'))
    t.regex(documented, new RegExp(`^\\| ${code} +\\|`, 'm'))
  }
})

test('each command is in the documentation', t => {
  const documented = readFileSync('docs/operations.md', 'utf8')
  for (const name of commands) t.regex(documented, new RegExp(`martlet ${name}\\b`), name)
})

test('what cannot be understood is code 2, said once, with what was probably meant', async t => {
  const typo = await run(['statu'])
  t.is(typo.code, 2)
  t.is(typo.printed, '')
  t.is(typo.remarks, "martlet: unknown command 'statu'\n(Did you mean status?)")
  const format = await run(['peers', '-o', 'xml'])
  t.is(format.code, 2)
  t.regex(format.remarks, /^martlet: option .*'xml' is invalid\. Write table, wide, json or yaml/)
  t.is((await run([])).code, 2)
})

test('help and version are no failures', async t => {
  t.is((await run(['--version'])).printed, '1.2.3')
  t.is((await run(['help', 'peers'])).code, 0)
})

test('processes are started with the configuration that was named', async t => {
  for (const name of ['run', 'controller', 'speaker', 'dataplane']) {
    t.is((await run([name, '-c', '/etc/m.yaml'])).printed, `started ${name} /etc/m.yaml`)
    t.is((await run([name])).printed, `started ${name}`)
  }
})

test('a fault of the world is one line, one of ours shows its stack', t => {
  const world = Object.assign(new Error('connect ECONNREFUSED\n 127.0.0.1'), {
    code: 'ECONNREFUSED',
  })
  t.deepEqual(describeFailure(world), {
    code: EXIT.failed,
    text: 'martlet: connect ECONNREFUSED: 127.0.0.1',
  })
  const ours = describeFailure(new TypeError('x is not a function'))
  t.is(ours.code, EXIT.failed)
  t.regex(ours.text, /fault of Martlet's own:\nTypeError: x is not a function\n +at /)
})

test('a store that does not answer is code 5, and it is closed all the same', async t => {
  const store = new MemoryStore()
  store.list = async () => {
    throw Object.assign(new Error('etcd at 10.0.0.1 does not answer'), {
      code: 'STORE_UNAVAILABLE',
    })
  }
  const { code, remarks } = await run(['get', 'nodes'], { store })
  t.is(code, 5)
  t.regex(remarks, /^martlet: etcd at 10\.0\.0\.1 does not answer; is it there\? .*$/)
  t.is(store.closed, 1)
})

const terminal = (columns: number) => ({
  columns,
  colour: false,
  print: () => {},
  remark: () => {},
  readText: async () => '',
  filesAt: async () => [],
})

test('a table that is too wide takes from the columns that yield, the last one first', t => {
  const columns = [
    { heading: 'A', text: (row: string) => row, yields: true },
    { heading: 'B', text: (row: string) => row },
    { heading: 'C', text: (row: string) => row, yields: true },
  ]
  const row = 'x'.repeat(20)
  const cut = (width: number): string => `${'x'.repeat(width - 1)}…`
  t.is(table(terminal(66), columns, [row]).split('\n')[1], `${row}   ${row}   ${row}`)
  t.is(table(terminal(60), columns, [row]).split('\n')[1], `${row}   ${row}   ${cut(14)}`)
  t.is(table(terminal(50), columns, [row]).split('\n')[1], `${cut(16)}   ${row}   ${cut(8)}`)
  t.is(table(terminal(10), columns, [row]).split('\n')[1], `${cut(8)}   ${row}   ${cut(8)}`)
  t.is(table(terminal(10), columns, [row], true).split('\n')[1], `${row}   ${row}   ${row}`)
  t.is(table(terminal(80), columns, []), 'A   B   C')
})

const AGES: readonly (readonly [number, string, string])[] = [
  [0, '0s', '10:15:33'],
  [59, '59s', '10:14:34'],
  [60, '1m00s', '10:14:33'],
  [3599, '59m59s', '09:15:34'],
  [3600, '1h00m', '09:15:33'],
  [86_399, '23h59m', '10:15:34'],
  [86_400, '1d00h', '2026-11-19'],
  [90 * 86_400, '90d00h', '2026-08-22'],
]
for (const [seconds, asAge, asSince] of AGES)
  test(`${seconds} seconds ago is ${asAge}, since ${asSince}`, t => {
    const instant = new Date(NOW.getTime() - seconds * 1000).toISOString()
    t.is(age(instant, NOW), asAge)
    t.is(since(instant, NOW), asSince)
  })

test('a clock that runs ahead gives no negative age', t => {
  t.is(age('2026-11-20T10:16:00.000Z', NOW), '0s')
})

test('what is to come is told with how long it is until then', t => {
  const at = new Date(NOW.getTime() + 110_000).toISOString()
  t.is(deadline(at, NOW), '2026-11-20 10:17:23 UTC (in 1m50s)')
})

test('facts without a value are left out, counts agree with their noun', t => {
  t.is(
    facts([
      ['A', '1'],
      ['Long', undefined],
      ['B', '2'],
    ]),
    'A      1\nB      2',
  )
  t.is(count(1, 'path'), '1 path')
  t.is(count(0, 'path'), '0 paths')
})
