/** The memory of what was valid: kept, replaced whole, and never a reason not to start. */
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { LastGood } from '../../../src/shell/store/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'martlet-last-good-'))
test.after.always(() => rmSync(folder, { recursive: true, force: true }))

const ENTRIES = [
  { key: '/a', value: '{}', revision: 3 },
  { key: '/b', value: '', revision: 4, source: 'b.yaml:1' },
]

test('what was saved is loaded, and nothing beside it is left', t => {
  const path = join(folder, 'kept.json')
  new LastGood(path).save(ENTRIES)
  t.deepEqual(new LastGood(path).load(), ENTRIES)
  t.deepEqual(
    readdirSync(folder).filter(name => name.startsWith('kept')),
    ['kept.json'],
  )
  t.is(statSync(path).mode & 0o777, 0o600)
})

test('no file, a torn one and one of somebody else are no memory', t => {
  const path = join(folder, 'odd.json')
  t.deepEqual(new LastGood(path).load(), [])
  for (const text of ['[{"key":"/a"', '{}', '[1, null, {"key": 1}]']) {
    writeFileSync(path, text)
    t.deepEqual(new LastGood(path).load(), [])
  }
})

test('a directory that cannot be written is told to the caller', t => {
  t.throws(() => new LastGood(join(folder, 'absent', 'x.json')).save(ENTRIES), { code: 'ENOENT' })
})
