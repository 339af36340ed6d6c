/** `status`, `peers` and `routes` on a node that runs, and on one that does not any more. */
import test from 'ava'
import { Lab } from '../../src/shell/lab/index.ts'
import { LABS, labsLeftOut, tellLogs, until } from './support/lab.ts'

const leftOut = labsLeftOut()
const lab = leftOut === undefined ? test.serial : test.serial.skip
if (leftOut !== undefined) test.skip(`Left out: ${leftOut}`, t => t.pass())

let mesh: Lab

const martlet = (node: string, ...words: readonly string[]) =>
  mesh.node(node).exec(['martlet', ...words])

test.before(async t => {
  if (leftOut !== undefined) return
  t.timeout(120_000)
  mesh = await Lab.up(`${LABS}mesh.clab.yml`, { name: `cli-${process.pid}` })
  try {
    await until('worker-0 is well', async () => (await martlet('worker-0', 'status')).code === 0, {
      within: 60_000,
      every: 500,
    })
  } catch (error) {
    tellLogs(t, mesh)
    throw error
  }
})
test.after.always(() => mesh?.down())

lab('a healthy node says so, and every node is known from each', async t => {
  const { stdout } = await martlet('worker-0', 'status')
  t.regex(stdout, /All is well\.\s*$/)
  const all = await until(
    'the store knows all three to be well',
    async () => {
      const answer = await martlet('worker-1', 'status', '-A', '-o', 'json')
      return answer.code === 0 && JSON.parse(answer.stdout)
    },
    { within: 20_000, every: 500 },
  )
  t.deepEqual(
    all.map(({ node }: { node: string }) => node),
    ['worker-0', 'worker-1', 'worker-2'],
  )
})

lab('the agent and the store tell the same peers', async t => {
  const told = async (from: string) => {
    const { stdout } = await martlet('worker-0', 'peers', '--from', from, '-o', 'json')
    return JSON.parse(stdout).map(({ name, state }: { name: string; state: string }) => ({
      name,
      state,
    }))
  }
  const fromAgent = await told('api')
  t.true(fromAgent.length >= 2)
  t.true(fromAgent.every(({ state }: { state: string }) => state === 'Established'))
  const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1)
  t.deepEqual((await told('store')).toSorted(byName), fromAgent.toSorted(byName))
})

lab('a route tells its path and where the kernel has it, as the kernel does', async t => {
  const { stdout } = await martlet('worker-0', 'routes', '10.200.1.77', '-o', 'json')
  const [route] = JSON.parse(stdout)
  t.is(route.prefix, '10.200.1.0/24')
  t.is(route.kernel, 'installed')
  t.deepEqual(route.nextHops, ['10.240.0.21'])
  t.is(route.paths.length, route.pathsTotal)
  const kernel = await mesh.node('worker-0').exec(['ip', 'route', 'show', '10.200.1.0/24'])
  t.regex(kernel.stdout, /via 10\.240\.0\.21 .*proto 77/)
  t.is((await martlet('worker-0', 'routes', '192.0.2.0/24')).code, 3)
})

lab('a node that is not there any more is told from the store, and is a problem', async t => {
  const { code, stdout } = await martlet('worker-0', 'delete', 'node', 'worker-2')
  t.is(code, 0, stdout)
  const idle = await until(
    'worker-2 says that it is not to speak',
    async () => {
      // the others may have left it before it has judged its own loss: that is a problem too
      const answer = await martlet('worker-2', 'status', '-o', 'json')
      const told = answer.code === 1 && JSON.parse(answer.stdout)
      return told && told.agent.mode === 'idle' && told
    },
    { within: 30_000, every: 300 },
  )
  t.true(idle.troubles.includes('this node is not to speak BGP'))
  const peers = await until(
    'worker-0 has no session with it',
    async () => {
      const answer = await martlet('worker-0', 'peers', '-o', 'json')
      return !answer.stdout.includes('10.240.0.22') && answer
    },
    { within: 30_000, every: 300 },
  )
  t.is(peers.code, 0)
  t.is((await martlet('worker-0', 'peers', '10.240.0.22')).code, 3)
})
