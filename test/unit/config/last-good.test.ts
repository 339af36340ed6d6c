/** The memory of what the store said: kept, replaced whole, and never a reason not to start. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test from 'ava'
import { type Kept, LastGood } from '../../../src/shell/store/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'martlet-last-good-'))
test.after.always(() => rmSync(folder, { recursive: true, force: true }))

const KEPT: Kept = {
  store: 'http://10.240.0.10:2379',
  node: 'worker-0',
  at: '2026-11-20T10:20:30.123Z',
  revision: 7,
  entries: [
    { key: '/a', value: '{}', revision: 3 },
    { key: '/b', value: '', revision: 4, source: 'b.yaml:1' },
  ],
  earlier: [{ key: '/b', value: '{}', revision: 2 }],
}

test('what was saved is loaded, in a directory of its own, and nothing beside it is left', t => {
  const path = join(folder, 'deep', 'state', 'kept.json')
  new LastGood(path).save(KEPT)
  t.deepEqual(new LastGood(path).load(), KEPT)
  t.deepEqual(readdirSync(dirname(path)), ['kept.json'])
  t.is(statSync(path).mode & 0o777, 0o600)
  t.is(statSync(dirname(path)).mode & 0o777, 0o700)
})

test('what has not changed is not written again, whatever the time and the revision', t => {
  const path = join(folder, 'same.json')
  const memory = new LastGood(path)
  memory.save(KEPT)
  const { ino } = statSync(path)
  memory.save({ ...KEPT, at: '2026-11-20T10:20:31.000Z', revision: 8 })
  t.is(statSync(path).ino, ino)
  memory.save({ ...KEPT, revision: 9, entries: KEPT.entries.slice(1) })
  t.is(memory.load()?.revision, 9)
  t.is(memory.load()?.entries.length, 1)
})

test('no file, a torn one and one of somebody else are no memory', t => {
  const path = join(folder, 'odd.json')
  t.is(new LastGood(path).load(), undefined)
  const odd = ['[{"key":"/a"', '{}', '[1]', 'null', JSON.stringify({ ...KEPT, version: 2 })]
  for (const text of odd) {
    writeFileSync(path, text)
    t.is(new LastGood(path).load(), undefined)
  }
  writeFileSync(path, JSON.stringify({ version: 1, revision: 1, entries: [1, null, { key: 1 }] }))
  t.deepEqual(new LastGood(path).load()?.entries, [])
})

test('a file that cannot be written is told to the caller', t => {
  const path = join(folder, 'taken', 'x.json')
  mkdirSync(`${path}.new`, { recursive: true })
  t.throws(() => new LastGood(path).save(KEPT), { code: 'EISDIR' })
})
