/** Secrets as files: what is read, what may be named, and what is noticed. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { SecretFiles } from '../../../src/shell/secrets/index.ts'

function directory(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'martlet-secrets-'))
  t.teardown(() => rmSync(path, { recursive: true }))
  return path
}

const BGP = { name: 'bgp', key: 'password' }

test('a secret is the content of its file, without the newline of an editor', t => {
  const path = directory(t)
  mkdirSync(join(path, 'bgp'))
  const files = new SecretFiles(path)
  for (const [content, text] of [
    ['sekret', 'sekret'],
    ['sekret\n', 'sekret'],
    ['sekret\r\n', 'sekret'],
    [' two words \n\n', ' two words \n'],
    ['', ''],
  ] as const) {
    writeFileSync(join(path, 'bgp', 'password'), content)
    t.deepEqual(files.now().read(BGP), { text })
  }
})

test('one answer stays the same, and what changed since is noticed', t => {
  const path = directory(t)
  const files = new SecretFiles(path)
  const first = files.now()
  const missing = `the file ${path}/bgp/password is not there; put the password into it`
  t.deepEqual(first.read(BGP), { missing })
  t.false(files.changed())
  mkdirSync(join(path, 'bgp'))
  writeFileSync(join(path, 'bgp', 'password'), 'one')
  t.true(files.changed())
  t.deepEqual(first.read(BGP), { missing })
  t.deepEqual(files.now().read(BGP), { text: 'one' })
  t.false(files.changed())
  writeFileSync(join(path, 'bgp', 'password'), 'two')
  t.true(files.changed())
  t.deepEqual(files.now().read(BGP), { text: 'two' })
  rmSync(join(path, 'bgp'), { recursive: true })
  t.true(files.changed())
  t.deepEqual(files.now().read(BGP), { missing })
})

test('what nobody asks for any more is not looked at', t => {
  const path = directory(t)
  const files = new SecretFiles(path)
  files.now().read(BGP)
  files.now()
  mkdirSync(join(path, 'bgp'))
  writeFileSync(join(path, 'bgp', 'password'), 'one')
  t.false(files.changed())
})

test('a mounted secret changes when its link is replaced', t => {
  const path = directory(t)
  const mount = join(path, 'bgp')
  for (const [version, text] of [
    ['..1', 'old'],
    ['..2', 'new'],
  ] as const) {
    mkdirSync(join(mount, version), { recursive: true })
    writeFileSync(join(mount, version, 'password'), text)
  }
  symlinkSync('..1', join(mount, '..data'))
  symlinkSync('..data/password', join(mount, 'password'))
  const files = new SecretFiles(path)
  t.deepEqual(files.now().read(BGP), { text: 'old' })
  symlinkSync('..2', join(mount, '..data_tmp'))
  renameSync(join(mount, '..data_tmp'), join(mount, '..data'))
  t.true(files.changed())
  t.deepEqual(files.now().read(BGP), { text: 'new' })
})

test('no reference leads out of the directory', t => {
  const path = directory(t)
  const inner = join(path, 'secrets')
  mkdirSync(join(inner, 'bgp'), { recursive: true })
  mkdirSync(join(path, 'other'))
  for (const file of [join(path, 'password'), join(path, 'other', 'password')])
    writeFileSync(file, 'stolen')
  const secrets = new SecretFiles(inner).now()
  const references = [
    { name: '..', key: 'password' },
    { name: '.', key: 'password' },
    { name: '../other', key: 'password' },
    { name: 'bgp', key: '..' },
    { name: 'bgp', key: '../../password' },
    { name: 'bgp', key: '' },
    { name: '', key: 'password' },
    { name: 'a/../..', key: 'password' },
    { name: 'bgp', key: 'pass\0word' },
  ]
  for (const reference of references) {
    const secret = secrets.read(reference)
    t.true('missing' in secret && / is not (the name|a key) of a secret/.test(secret.missing))
  }
})

test('a secret that cannot be read just now is still what it was', t => {
  const path = directory(t)
  const file = join(path, 'bgp', 'password')
  mkdirSync(join(path, 'bgp'))
  writeFileSync(file, 'one')
  const files = new SecretFiles(path)
  files.now().read(BGP)
  // EISDIR: neither gone nor readable
  rmSync(file)
  mkdirSync(file)
  t.false(files.changed())
  t.deepEqual(files.now().read(BGP), { text: 'one' })
  const fresh = new SecretFiles(path).now().read(BGP)
  t.regex('missing' in fresh ? fresh.missing : '', /cannot be read by user \d+ \(EISDIR\)/)
})
