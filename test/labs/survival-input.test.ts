/**
 * Mistakes of people, in a directory that agents follow, through `check` and `apply`, and in the
 * configuration of a node: each is told with its place, its field and its reason, and costs
 * nothing.
 */
import test, { type ExecutionContext } from 'ava'
import { Lab } from '../../src/shell/lab/index.ts'
import { FIXTURES, labsLeftOut, packagesMissing, tellLogs, until } from './support/lab.ts'
import { AgentNode, SOON, watchRoutes } from './support/survival.ts'

const FILE = `${FIXTURES}survival.clab.yml`
const STORE = '/var/lib/martlet/store'
const BETA = '10.9.0.2'
const TERN = '10.9.0.3'

const leftOut = labsLeftOut() ?? (packagesMissing(FILE, {}).join(' ') || undefined)
if (leftOut !== undefined) test.skip(`Left out: ${leftOut}`, t => t.pass())

let running: Lab | undefined

test.before(async t => {
  if (leftOut !== undefined) return
  t.timeout(240_000)
  running = await Lab.up(FILE, { name: `survival-input-${process.pid}` })
  try {
    await whole(new AgentNode(running, 'alpha'))
  } catch (error) {
    tellLogs(t, running)
    throw error
  }
})

test.after.always('the lab goes', () => running?.down())

async function whole(alpha: AgentNode): Promise<void> {
  await Promise.all([alpha.established(BETA), alpha.established(TERN)])
  await Promise.all([alpha.carries('10.99.2.0/24'), alpha.carries('198.51.100.0/24')])
}

/** A test that ends with the sessions and routes that it began with, the same ones. */
function lab(title: string, body: (t: ExecutionContext, alpha: AgentNode) => Promise<void>): void {
  if (leftOut !== undefined) return
  test.serial(title, async t => {
    t.timeout(240_000)
    if (running === undefined) throw new Error('there is no lab')
    const alpha = new AgentNode(running, 'alpha')
    try {
      await whole(alpha)
      const counts = async (): Promise<readonly (number | undefined)[]> => [
        (await alpha.session(BETA))?.counters.established,
        (await alpha.session(TERN))?.counters.established,
      ]
      const before = await counts()
      const watch = await watchRoutes(running, 'alpha')
      await body(t, alpha)
      await whole(alpha)
      t.deepEqual(await counts(), before, 'no session ended')
      const seen = (await watch.end()).filter(line => /10\.99\.|198\.51\.100\./.test(line))
      t.deepEqual(seen, [], 'no route changed')
    } catch (error) {
      tellLogs(t, running)
      throw error
    }
  })
}

const resource = (kind: string, name: string, more: string): string =>
  `apiVersion: projectcalico.org/v3\nkind: ${kind}\nmetadata: { name: ${name} }\n${more}\n`

const peer = (name: string, spec: string): string =>
  resource('BGPPeer', name, `spec: { node: alpha, ${spec} }`)

interface Mistake {
  readonly what: string
  readonly text: string
  /** where in the text; of the whole document where all resources had to meet first */
  readonly line: number
  readonly field: string
  readonly reason: RegExp
  /** found only where all resources meet, so that `apply` of this one alone cannot know */
  readonly together?: boolean
  /** whose fault it is in the end, where that is an object that was there before */
  readonly blames?: { readonly file: string; readonly key: string }
}

const MISTAKES: readonly Mistake[] = [
  {
    what: 'text that is not YAML',
    text: `${peer('torn', 'peerIP: 10.9.0.9')}  spec: [\n`,
    line: 5,
    field: '',
    reason: /is not YAML: .+/,
  },
  {
    what: 'a resource without its kind',
    text: 'apiVersion: projectcalico.org/v3\nmetadata: { name: what }\n',
    line: 1,
    field: 'kind',
    reason: /is missing/,
  },
  {
    what: 'an unknown field',
    text: peer('unknown', 'peerIP: 10.9.0.9, asNumbr: 64512'),
    line: 4,
    field: 'spec.asNumbr',
    reason: /"asNumbr" is not a known field; did you mean "asNumber"\?/,
  },
  {
    what: 'a wrong port of a peer',
    text: peer('port', 'peerIP: "10.9.0.9:99999", asNumber: 64512'),
    line: 4,
    field: 'spec.peerIP',
    reason: /"10\.9\.0\.9:99999" is not an address/,
  },
  {
    what: 'a wrong port to listen on',
    text: resource('BGPConfiguration', 'node.alpha', 'spec: { listenPort: 70000 }'),
    line: 4,
    field: 'spec.listenPort',
    reason: /70000 is too big; the most is 65535/,
  },
  {
    what: 'a peer equal to oneself',
    text: peer('myself', 'peerIP: 10.9.0.1, asNumber: 64512'),
    line: 1,
    field: 'spec.peerIP',
    reason: /10\.9\.0\.1 is the address of alpha itself; no node peers with itself/,
    together: true,
    blames: { file: '/tmp/mistake.yaml:1', key: 'bgppeers/myself' },
  },
  {
    what: 'overlapping pod CIDRs',
    text: resource('Node', 'gamma', 'status: { podCIDRs: [10.99.1.128/25] }'),
    line: 1,
    field: 'status.podCIDRs',
    reason: /10\.99\.1\.0\/24 of alpha overlaps 10\.99\.1\.128\/25 of gamma/,
    together: true,
    blames: { file: `${STORE}/cluster.yaml:`, key: 'nodes/alpha' },
  },
]

/** As the command line tells a problem: the place, the field, the reason. */
const toldOf = (place: string, field: string): string =>
  field === '' ? `${place}: ` : `${place}: ${field}: `

lab('check names file, line, field and reason of each mistake', async (t, alpha) => {
  for (const { what, text, line, field, reason, blames } of MISTAKES) {
    await write(alpha, '/tmp/mistake.yaml', text)
    const files = ['/tmp/mistake.yaml', `${STORE}/cluster.yaml`]
    const { code, output } = await attempt(alpha, 'check', ...files)
    t.is(code, 1, `${what}: ${output}`)
    const told = output.split('\n').find(one => reason.test(one)) ?? fail(`${what}: ${output}`)
    t.log(`${what}: ${told.trim()}`)
    const place = blames?.file ?? `/tmp/mistake.yaml:${line}`
    t.true(told.includes(place), told)
    t.true(told.includes(toldOf('', field)), told)
  }
})

lab('apply refuses them and writes nothing', async (t, alpha) => {
  const before = await alpha.run('sh', '-c', `cat ${STORE}/*.yaml`)
  for (const { what, text, line, field, reason, together } of MISTAKES) {
    if (together) continue
    await write(alpha, '/tmp/mistake.yaml', text)
    const { code, output } = await attempt(alpha, 'apply', '-f', '/tmp/mistake.yaml')
    t.is(code, 1, `${what}: ${output}`)
    t.regex(output, reason, what)
    t.true(output.includes(toldOf(`/tmp/mistake.yaml:${line}`, field)), output)
  }
  t.is(await alpha.run('sh', '-c', `cat ${STORE}/*.yaml`), before)
})

lab('an agent that meets them says so and goes on', async (t, alpha) => {
  const from = alpha.mark()
  for (const [at, { text }] of MISTAKES.entries())
    await write(alpha, `${STORE}/mistake-${at}.yaml`, text)
  for (const [at, { what, field, reason, blames }] of MISTAKES.entries()) {
    const place = blames?.key ?? `mistake-${at}.yaml:`
    const found = await until(
      `${what} is a problem`,
      async () =>
        (await alpha.state()).agent.problems.find(
          one => one.object.includes(place) && one.field === field && reason.test(one.reason),
        ),
      SOON,
    )
    t.log(`${found.object} ${found.field}: ${found.reason}`)
    const line = alpha
      .lines(from)
      .find(({ code, text }) => code === 'PROBLEM' && text?.includes(found.reason))
    t.true(line?.text?.startsWith(found.object), what)
  }
  await alpha.run('sh', '-c', `rm ${STORE}/mistake-*.yaml`)
  const solved = async (): Promise<boolean> => (await alpha.state()).agent.problems.length === 0
  await until('all are solved', solved, SOON)
})

lab('a file that is broken keeps in force what it last said', async (t, alpha) => {
  const good = await alpha.run('cat', `${STORE}/cluster.yaml`)
  // the quote that is not closed takes everything behind it
  await write(alpha, `${STORE}/cluster.yaml`, good.replace('name: alpha', 'name: "alpha'))
  const told = await until(
    'the agent says so',
    async () =>
      (await alpha.state()).agent.problems.find(({ object }) => object.startsWith('cluster.yaml:')),
    SOON,
  )
  t.log(`${told.object}: ${told.reason}`)
  // a change elsewhere is taken meanwhile
  const other = 'peerIP: 10.9.0.77, asNumber: 64512'
  await write(alpha, `${STORE}/extra.yaml`, peer('extra', other))
  await alpha.untilSession('10.9.0.77', 'is tried', ({ state }) => state !== 'Established')
  await alpha.run('rm', `${STORE}/extra.yaml`)
  // the next controller cannot read it either, and never has
  await alpha.murder('controller')
  await until(
    'the next controller says so too',
    async () => {
      const { agent } = await alpha.state()
      const isTold = agent.problems.some(({ object }) => object.startsWith('cluster.yaml:'))
      return agent.mode === 'running' && isTold
    },
    SOON,
  )
  await write(alpha, `${STORE}/cluster.yaml`, good)
  const solved = async (): Promise<boolean> => {
    const { agent } = await alpha.state()
    return agent.mode === 'running' && agent.problems.length === 0
  }
  await until('it is solved', solved, SOON)
  await until('the peer went', async () => (await alpha.session('10.9.0.77')) === undefined, SOON)
})

lab('a configuration with a typo: check and run name it', async (t, alpha) => {
  await write(alpha, '/tmp/typo.yaml', `store: { directory: ${STORE} }\nbgp: { holdSecond: 30 }\n`)
  for (const words of [
    ['check', '/tmp/typo.yaml'],
    ['run', '--config', '/tmp/typo.yaml'],
  ]) {
    const { code, output } = await attempt(alpha, ...words)
    t.log(output.trim().split('\n')[0])
    t.is(code, 1, output)
    const said = /typo\.yaml:2: bgp\.holdSecond: "holdSecond" is not a known field.*"holdSeconds"/
    t.regex(output, said)
    t.notRegex(output, /at .*\.ts:\d+/, 'no stack for a mistake of a person')
  }
})

function fail(what: string): never {
  throw new Error(what)
}

/** Writes a file as an editor that is not careful does: in place. */
async function write(node: AgentNode, path: string, text: string): Promise<void> {
  await node.run('sh', '-c', 'printf %s "$1" > "$2"', 'write', text, path)
}

/** Runs the command line; how it ended, and all that it said. */
async function attempt(
  node: AgentNode,
  ...words: readonly string[]
): Promise<{ code: number | null; output: string }> {
  if (running === undefined) throw new Error('there is no lab')
  const { code, stdout, stderr } = await running.node(node.name).exec(['martlet', ...words])
  return { code, output: stdout + stderr }
}
