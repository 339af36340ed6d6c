/**
 * The agent's processes on the real kernel: what each may do, and that the death of any of them
 * costs no route. Two nodes in namespaces peer over real TCP; the tests kill what they are about,
 * one after another.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import test from 'ava'
import { connectApi } from '../../src/shell/api/index.ts'
import { socketPaths } from '../../src/shell/link/index.ts'
import { until } from '../support/until.ts'
import { type LabNode, resourceOf, type TwoNodes, twoNodes } from './support/two-nodes.ts'

const NET_ADMIN = '0000000000001000'
const NONE = '0000000000000000'
const PROCESSES = ['speaker', 'controller', 'dataplane'] as const

const isRoot = process.getuid?.() === 0
// namespaces and users of their own need root; without it this file is named as left out
const lab = isRoot ? test.serial : test.serial.skip
if (!isRoot) console.error('left out: test/labs/processes.test.ts needs root')

const nodes = isRoot ? twoNodes('proc') : undefined

function both(): TwoNodes {
  if (nodes === undefined) throw new Error('there are no nodes without root')
  return nodes
}

test.before('two nodes peer', async () => {
  if (nodes === undefined) return
  nodes.left.start()
  nodes.right.start()
  await Promise.all([nodes.left.established(), nodes.right.established()])
  await Promise.all([carried(nodes.left, nodes.right), carried(nodes.right, nodes.left)])
})

test.after.always('nothing is left behind', async () => {
  await nodes?.down()
})

/** The pods of `to` are in the kernel of `from`, through `to`. */
async function carried(from: LabNode, to: LabNode): Promise<void> {
  const route = `${to.podCidr} via ${to.address} dev eth0 metric 1024`
  await until(() => from.routes().includes(route), `${from.name} has ${route}`, { everyMs: 50 })
}

/** What the kernel says of routes from now on, a line each. */
function monitor(node: LabNode): { lines: string[]; child: ChildProcess } {
  const words = ['netns', 'exec', node.namespace, 'ip', '-o', 'monitor', 'route']
  const child = spawn('ip', words, { stdio: ['ignore', 'pipe', 'ignore'] })
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', line => lines.push(line))
  return { lines, child }
}

/** Kills a process of `node` by SIGKILL, and waits until another one has taken its place. */
async function murder(node: LabNode, name: (typeof PROCESSES)[number]): Promise<void> {
  const before = node.childPid(name)
  process.kill(before, 'SIGKILL')
  await until(() => node.childPid(name) !== before, `another ${name} runs`)
}

const said = (node: LabNode, from: number, code: string): boolean =>
  node.lines.slice(from).some(line => line.code === code)

lab('each process has its own user and no more capabilities than it needs', t => {
  const { left } = both()
  const effective = PROCESSES.map(name => [name, left.status(name, 'CapEff')])
  t.deepEqual(effective, [
    ['speaker', NONE],
    ['controller', NONE],
    ['dataplane', NET_ADMIN],
  ])
  for (const name of PROCESSES) {
    t.is(left.status(name, 'CapBnd'), left.status(name, 'CapEff'), `${name} can get no more`)
    t.is(left.status(name, 'NoNewPrivs'), '1')
    t.is(left.status(name, 'Groups'), '')
  }
  const users = PROCESSES.map(name => left.status(name, 'Uid').split('\t')[1])
  t.is(new Set(users).size, 3)
  t.false(left.lines.some(line => line.code === 'PRIVILEGES_EXCESS'))
})

lab('each socket is for one listener and one group of connectors', t => {
  const { left } = both()
  const paths = socketPaths(left.runDirectory)
  const id = (name: string): number => Number(left.status(name, 'Uid').split('\t')[1])
  const owners = Object.values(paths).map(path => {
    const { uid, gid, mode } = statSync(path)
    const directory = statSync(dirname(path))
    t.is(mode & 0o777, 0o660)
    t.is(directory.mode & 0o7777, 0o2750)
    t.deepEqual([directory.uid, directory.gid], [uid, gid])
    return [uid, gid]
  })
  t.deepEqual(owners, [
    [id('dataplane'), id('speaker')],
    [id('speaker'), id('controller')],
    [id('dataplane'), id('controller')],
    [id('controller'), 0],
  ])
})

lab('the speaker cannot read the configuration, and does not need to', t => {
  const { left } = both()
  const uid = left.status('speaker', 'Uid').split('\t')[1]
  const file = join(left.directory, 'left.yaml')
  const words = [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', 'test', '-r', file]
  t.throws(() => left.exec('setpriv', ...words))
  t.notThrows(() => left.exec('test', '-r', file))
})

lab('the agent answers which route it has and why', async t => {
  const { left, right } = both()
  const client = await connectApi(socketPaths(left.runDirectory).api)
  const state = await until(async () => {
    const found = await client?.state()
    return found?.kernel?.inSync === true ? found : undefined
  }, 'the kernel half is in sync')
  t.is(state.agent.mode, 'running')
  t.deepEqual(state.agent.processes, { speaker: 'up', dataplane: 'up' })
  const routes = await client?.routes(right.podCidr)
  t.is(routes?.length, 1)
  t.is(routes?.[0]?.kernel, 'installed')
  t.is(routes?.[0]?.paths?.[0]?.nextHop, right.address)
  const [own] = (await client?.routes(left.podCidr)) ?? []
  t.is(own?.kernel, 'blackhole')
  t.deepEqual(await client?.routes('203.0.113.0/24'), [])
})

lab('a speaker that is killed costs no route and is adopted', async t => {
  const { left, right } = both()
  const watch = monitor(left)
  const from = left.lines.length
  await murder(left, 'speaker')
  await left.established()
  await carried(left, right)
  await until(() => said(left, from, 'SPEAKER_UP'), 'the dataplane has the new speaker')
  const client = await connectApi(socketPaths(left.runDirectory).api)
  await until(async () => {
    const kernel = (await client?.state())?.kernel
    return kernel?.speaker === 'up' && kernel.inSync && kernel.routes.stale === 0
  }, 'the new table is complete')
  watch.child.kill()
  const ours = watch.lines.filter(line => line.includes(right.podCidr))
  t.deepEqual(ours, [], 'the route was neither taken out nor written again')
})

lab('a dataplane that is killed leaves its routes, and the next one keeps them whole', async t => {
  const { left, right } = both()
  const watch = monitor(left)
  const from = left.lines.length
  await murder(left, 'dataplane')
  await until(() => said(left, from, 'KERNEL_ADOPTED'), 'the kernel was read')
  await until(() => said(left, from, 'DATAPLANE_UP'), 'the others have found it')
  const client = await connectApi(socketPaths(left.runDirectory).api)
  await until(async () => (await client?.state())?.kernel?.inSync === true, 'it is in sync')
  watch.child.kill()
  t.deepEqual(
    watch.lines.filter(line => line.includes(right.podCidr)),
    [],
  )
  left.exec('ip', 'route', 'del', right.podCidr, 'proto', '77')
  await carried(left, right)
  t.is((await left.session())?.state, 'Established')
})

lab('a controller that is killed costs no session, and the next one sees what changed', async t => {
  const { left, right, store } = both()
  const speaker = left.childPid('speaker')
  const from = left.lines.length
  await murder(left, 'controller')
  await until(() => said(left, from, 'STORE_FRESH'), 'the store was read')
  await left.established()
  t.is(left.childPid('speaker'), speaker)
  t.false(said(left, from, 'SESSION_DOWN'))
  rmSync(join(store, 'right.yaml'))
  await until(() => said(left, from, 'SESSION_DOWN'), 'the session with the removed node ends')
  await until(() => !left.routes().includes(right.podCidr), 'its routes leave')
  writeFileSync(join(store, 'right.yaml'), resourceOf(right))
  await Promise.all([left.established(), right.established()])
  await Promise.all([carried(left, right), carried(right, left)])
})

lab('the state of a node is in the store, and a copy stays when it goes', async t => {
  const { left, right } = both()
  const { FileStore } = await import('../../src/shell/store/file/store.ts')
  const store = new FileStore(both().store, { deadlineMs: 5_000, onlyRead: false })
  t.teardown(() => store.close())
  await until(async () => {
    const agent = await store.get('/martlet/v1/nodes/right/agent')
    return agent !== undefined && JSON.parse(agent.value).mode === 'running'
  }, 'the agent’s document')
  const from = left.lines.length
  await right.end('SIGTERM')
  await until(() => said(left, from, 'SESSION_DOWN'), 'the other side was told')
  const session = await until(async () => {
    const found = await left.session()
    return found?.text?.includes('stopping') ? found : undefined
  }, 'with a word on why')
  t.not(session.state, 'Established')
  t.true(right.routes().includes(left.podCidr), 'routes of a node that stops stay')
  t.true(right.routes().includes(`blackhole ${right.podCidr}`))
  t.is(await store.get('/martlet/v1/nodes/right/agent'), undefined)
  const last = await store.get('/martlet/v1/last/right')
  t.is(JSON.parse(last?.value ?? '{}').agent?.node, 'right')
  right.start()
  await Promise.all([left.established(), right.established()])
})

lab('a port in use is told with its remedy, and taken as soon as it is free', async t => {
  const { left, right } = both()
  await right.end('SIGTERM')
  const squat = `require('net').createServer().listen(179, '0.0.0.0', () => console.log('squats'))`
  const words = ['netns', 'exec', right.namespace, process.execPath, '-e', squat]
  const squatter = spawn('ip', words, { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise(resolve => squatter.stdout.once('data', resolve))
  const from = right.lines.length
  right.start()
  await until(() => said(right, from, 'LISTEN_FAILED'), 'the port in use is told')
  const line = right.lines.slice(from).find(({ code }) => code === 'LISTEN_FAILED')
  t.regex(line?.text ?? '', /ipv4 port 179: address in use.*ss -ltnp/)
  squatter.kill()
  await until(() => said(right, from, 'LISTENING'), 'the port is taken', { withinMs: 15_000 })
  await Promise.all([left.established(), right.established()])
  t.pass()
})

lab('the speaker listens at a low port that the store names, through its supervisor', async t => {
  const { left, right, store } = both()
  const from = left.lines.length
  const file = join(store, 'port.yaml')
  const port = [
    'kind: BGPConfiguration',
    'metadata: { name: node.left }',
    'spec: { listenPort: 180 }',
  ]
  writeFileSync(file, ['apiVersion: projectcalico.org/v3', ...port, ''].join('\n'))
  const opened = await until(
    () => left.lines.slice(from).find(line => line.code === 'PORT_OPENED'),
    'the supervisor opens it',
  )
  t.deepEqual([opened.process, opened.family, opened.port], ['supervisor', 'ipv4', 180])
  await until(() => said(left, from, 'LISTENING'), 'the speaker has it')
  t.regex(left.exec('ss', '-Hltn'), /0\.0\.0\.0:180 /)
  rmSync(file)
  await Promise.all([left.established(), right.established()])
  await until(() => !left.exec('ss', '-Hltn').includes('0.0.0.0:180 '), 'it listens at 179 again')
})

lab('the children of a supervisor that is killed end with it', async t => {
  const { left, right } = both()
  const pids = PROCESSES.map(name => right.childPid(name))
  await right.end('SIGKILL')
  await until(() => pids.every(pid => !existsSync(`/proc/${pid}`)), 'its children have ended')
  right.start()
  await Promise.all([left.established(), right.established()])
  await carried(left, right)
  t.pass()
})
