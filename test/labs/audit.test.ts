/**
 * What other hands do to a node's routes, on the real kernel and with the agent as users run it: who did it is
 * named by a process of least privilege, rules say what becomes of it, and nothing but what is allowed is installed.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type AgentState, connectApi } from '../../src/shell/api/index.ts'
import { socketPaths } from '../../src/shell/link/index.ts'
import { until } from '../support/until.ts'
import { resourceOf, type TwoNodes, twoNodes } from './support/two-nodes.ts'

const isRoot = process.getuid?.() === 0
// namespaces and users of their own need root; without it this file is named as left out
const lab = isRoot ? test.serial : test.serial.skip
if (!isRoot) console.error('left out: test/labs/audit.test.ts needs root')

/** Of the other node: put back, told, and not allowed. */
const RESTORED = '10.99.2.0/24'
const TOLD = '10.99.3.0/24'
const REFUSED = '10.99.4.0/24'

const KERNEL = [
  'kernel:',
  `  audit: [{ prefix: ${TOLD}, action: alert }]`,
  `  allow: { prefixes: [10.99.1.0/24, ${RESTORED}, ${TOLD}], interfaces: [eth*] }`,
  '',
].join('\n')

const nodes = isRoot ? twoNodes('audit') : undefined

function both(): TwoNodes {
  if (nodes === undefined) throw new Error('there are no nodes without root')
  return nodes
}

test.before('two nodes peer, one of which has rules', async () => {
  if (nodes === undefined) return
  const { left, right, store } = nodes
  appendFileSync(join(left.directory, 'left.yaml'), KERNEL)
  const more = resourceOf(right).replace(right.podCidr, [RESTORED, TOLD, REFUSED].join(', '))
  writeFileSync(join(store, 'right.yaml'), more)
  left.start()
  right.start()
  await Promise.all([left.established(), right.established()])
  await until(() => inKernel(RESTORED) && inKernel(TOLD), 'routes are in the kernel', {
    withinMs: 20_000,
    everyMs: 50,
  })
})

test.after.always('nothing is left behind', async () => {
  await nodes?.down()
})

const inKernel = (prefix: string): boolean =>
  both()
    .left.routes()
    .split('\n')
    .some(line => line.startsWith(prefix))

async function asked<Answer>(
  question: (client: NonNullable<Awaited<ReturnType<typeof connectApi>>>) => Promise<Answer>,
): Promise<Answer> {
  const client = await connectApi(socketPaths(both().left.runDirectory).api)
  if (client === undefined) throw new Error('the agent does not answer')
  const answer = await question(client)
  await client.close()
  return answer
}

const state = (): Promise<AgentState> => asked(client => client.state())

/** An `ip` that does what it is told line by line, and lives on. */
function hand(t: ExecutionContext): { child: ChildProcess; say(line: string): void } {
  const words = ['netns', 'exec', both().left.namespace, 'ip', '-batch', '-']
  const child = spawn('ip', words, { stdio: ['pipe', 'ignore', 'ignore'] })
  t.teardown(() => child.kill('SIGKILL'))
  return { child, say: line => void child.stdin.write(`${line}\n`) }
}

lab('what deletes a route is named while it lives, in the log and in the state', async t => {
  const { left } = both()
  const { child, say } = hand(t)
  say(`route del ${RESTORED} proto 77`)
  const repaired = await until(
    () => left.lines.find(line => line.code === 'ROUTE_REPAIRED'),
    'the repair is told',
  )
  t.true(inKernel(RESTORED))
  const name = new RegExp(`^ip \\(pid ${child.pid}, of \\S+\\)$`)
  t.regex(String(repaired.who), name)
  t.like(repaired, { prefix: RESTORED, port: child.pid })
  const { kernel } = await until(
    async () => {
      const found = await state()
      return found.kernel?.lastIntervention === undefined ? undefined : found
    },
    'the state says so',
    { everyMs: 100 },
  )
  t.like(kernel, { repaired: 1, yielded: 0, alerted: 0 })
  t.like(kernel?.lastIntervention, { prefix: RESTORED, what: 'removed', action: 'restore' })
  t.regex(kernel?.lastIntervention?.who ?? '', name)
})

lab(
  'what a rule wants to be told of stays out, and is a problem until it is right again',
  async t => {
    const { left } = both()
    const { child, say } = hand(t)
    say(`route del ${TOLD} proto 77`)
    const problem = async (): Promise<string | undefined> =>
      (await state()).agent.problems.find(({ field }) => field === TOLD)?.reason
    const reason = await until(problem, 'it is a problem', { everyMs: 100 })
    t.regex(reason, new RegExp(`^ip \\(pid ${child.pid}, of \\S+\\) removed this route`))
    t.false(inKernel(TOLD))
    const [route] = await asked(client => client.routes(TOLD))
    t.like(route, {
      kernel: 'foreign',
      kernelError: 'somebody removed it, and kernel.audit leaves it so',
    })
    const [same] = await asked(client => client.routes(RESTORED))
    const object = /^nexthop (\d+)/.exec(same?.kernelLeads ?? '')?.[1]
    left.exec(...`ip route add ${TOLD} nhid ${object} metric 1024 proto 77`.split(' '))
    await until(async () => (await problem()) === undefined, 'it is none any more', {
      everyMs: 100,
    })
    const [again] = await asked(client => client.routes(TOLD))
    t.is(again?.kernel, 'installed')
  },
)

lab(
  'what the configuration does not allow is refused by name, and the peer’s other routes are not',
  async t => {
    t.false(inKernel(REFUSED))
    const [route] = await asked(client => client.routes(REFUSED))
    t.like(route, {
      kernel: 'rejected',
      kernelError: 'kernel.allow.prefixes of this node does not have it',
    })
    const [other] = await asked(client => client.routes(RESTORED))
    t.like(other, {
      kernel: 'installed',
      kernelLeads: `nexthop 800032768: via ${both().right.address} dev eth0`,
    })
    const { kernel } = await state()
    t.like(kernel?.routes, { rejected: 1, foreign: 0, held: 0, failed: 1 })
    t.true(
      both().left.lines.some(
        ({ code, prefix }) => code === 'ROUTE_NOT_ALLOWED' && prefix === REFUSED,
      ),
    )
  },
)

lab('who writes routes of our protocol number is a problem, with his name', async t => {
  const { child, say } = hand(t)
  say('route add 198.51.100.0/24 via 192.0.2.2 proto 77 metric 1024')
  const reason = await until(
    async () =>
      (await state()).agent.problems.find(({ reason }) => /protocol 77/.test(reason))?.reason,
    'it is a problem',
    { everyMs: 100 },
  )
  t.regex(reason, new RegExp(`^ip \\(pid ${child.pid}, of .*kernel\\.protocol`))
  await until(() => !inKernel('198.51.100.0/24'), 'what is ours and nobody wants goes')
})

lab('a flush refuses while the agent runs; after it, all that is ours goes', async t => {
  const { left } = both()
  const flush = (...options: string[]) => {
    const config = join(left.directory, 'left.yaml')
    const words = ['src/main.ts', 'dataplane', 'flush', '-c', config, ...options]
    const { status, stdout, stderr } = spawnSync(
      'ip',
      ['netns', 'exec', left.namespace, process.execPath, ...words],
      { encoding: 'utf8' },
    )
    return { status, text: stdout + stderr }
  }
  left.exec(...`ip route add 203.0.113.0/24 via ${both().right.address} proto static`.split(' '))
  const refused = flush()
  t.is(refused.status, 4)
  t.regex(refused.text, /^martlet: a dataplane answers at \S+; stop the agent, or say --force$/m)
  await left.end('SIGTERM')
  const what = '3 routes, 2 nexthop objects, 0 tunnels of protocol 77 in table 254'
  t.deepEqual(flush('--dry-run'), { status: 0, text: `${what} would go\n` })
  t.true(inKernel(RESTORED))
  t.deepEqual(flush(), { status: 0, text: `${what} have gone\n` })
  t.is(left.routes(), '')
  t.regex(left.exec('ip', 'route', 'show', 'proto', 'static'), /^203\.0\.113\.0\/24/)
})
