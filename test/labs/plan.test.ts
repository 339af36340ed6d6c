/**
 * `martlet plan` as its own process, from a real etcd and from a directory: any node, any revision that
 * is kept, and nothing is touched. What it prints is judged in test/unit/cli/plans.
 */
import { execFile } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import type { Plan } from '../../src/core/intent/index.ts'
import { type EtcdMember, etcdMembers } from '../support/etcd.ts'

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname
const RESOURCES = new URL('../unit/cli/plans/reflectors/resources.yaml', import.meta.url).pathname
const NODES = ['reflector-0', 'reflector-1', 'worker-0', 'worker-1']

const folder = mkdtempSync(join(tmpdir(), 'martlet-plan-'))
const directory = join(folder, 'store')
let etcd: EtcdMember

interface Ended {
  readonly code: number
  readonly out: string
  readonly said: string
}

/** Runs a command with one of the two stores. */
function martlet(store: 'etcd' | 'directory', ...words: readonly string[]): Promise<Ended> {
  return new Promise(resolve => {
    const config = ['--config', join(folder, `${store}.yaml`)]
    const child = execFile(process.execPath, [MAIN, ...words, ...config], (error, out, said) => {
      const code = typeof error?.code === 'number' ? error.code : (child.exitCode ?? 0)
      resolve({ code, out, said })
    })
    child.stdin?.end()
  })
}

async function planned(store: 'etcd' | 'directory', ...words: readonly string[]): Promise<Plan> {
  const { code, out, said } = await martlet(store, 'plan', '-o', 'json', ...words)
  if (code !== 0) throw new Error(said)
  return JSON.parse(out)
}

const namesOf = ({ sessions }: Plan): string[] => sessions.map(({ name }) => name)

/** The revision of the whole store: it would grow by any write. */
async function revision(): Promise<number> {
  const answer: unknown = JSON.parse(await etcd.control('get', 'nothing', '-w', 'json'))
  return Number(Object(Object(answer).header).revision)
}

test.before(async () => {
  const [member] = await etcdMembers(1)
  if (member === undefined) throw new Error('one member was asked for')
  etcd = member
  await etcd.start()
  mkdirSync(directory)
  cpSync(RESOURCES, join(directory, 'all.yaml'))
  const stores = {
    etcd: `etcd: {endpoints: ['${etcd.endpoint}']}`,
    directory: `directory: ${directory}`,
  }
  for (const [name, store] of Object.entries(stores))
    writeFileSync(join(folder, `${name}.yaml`), `node: worker-0\nstore: {${store}}\n`)
  const { code, said } = await martlet('etcd', 'apply', '-f', RESOURCES)
  if (code !== 0) throw new Error(said)
})
test.after.always(async () => {
  await etcd?.remove()
  rmSync(folder, { recursive: true, force: true })
})

test.serial(
  'any node is planned alike from etcd and from a directory, and nothing is touched',
  async t => {
    const before = await revision()
    const file = join(directory, 'all.yaml')
    const seen = { files: readdirSync(directory), changed: statSync(file).mtimeMs }
    for (const node of NODES) {
      const { revision: _, ...there } = await planned('etcd', '--node', node)
      const { revision: __, ...here } = await planned('directory', '--node', node)
      t.deepEqual(there, here, node)
      t.is(there.node, node)
      t.true(there.sessions.length >= 2, node)
    }
    t.is(await revision(), before)
    t.deepEqual({ files: readdirSync(directory), changed: statSync(file).mtimeMs }, seen)
    t.is(readFileSync(file, 'utf8'), readFileSync(RESOURCES, 'utf8'))
  },
)

test.serial('--at plans what etcd held before, for as long as it is kept', async t => {
  const at = String((await planned('etcd')).revision)
  const deleted = await martlet('etcd', 'delete', 'bgppeer', 'tor-b')
  t.is(deleted.code, 0, deleted.said)
  const now = await planned('etcd', '--node', 'worker-1')
  const then = await planned('etcd', '--node', 'worker-1', '--at', at)
  t.is(String(then.revision), at)
  t.deepEqual(namesOf(then), [...namesOf(now), 'Node_192_0_2_1_port_1790'])
  await etcd.control('compact', String(now.revision))
  const gone = await martlet('etcd', 'plan', '--at', at)
  t.not(gone.code, 0)
  t.regex(gone.said, /revision/)
  const unborn = await martlet('etcd', 'plan', '--at', String((now.revision ?? 0) + 1000))
  t.not(unborn.code, 0)
  t.regex(unborn.said, /revision/)
})

test.serial('a directory has no history, and says so', async t => {
  const { code, said } = await martlet('directory', 'plan', '--at', '7')
  t.not(code, 0)
  t.regex(said, /is a directory, which has no history/)
})
