/**
 * `kill -9` of each process of an agent, and of all of them, while pods ping every 10 ms in both
 * directions: no packet is lost, no route leaves the kernel, and whoever comes adopts what is
 * there. Its peers keep its routes meanwhile, by graceful restart.
 */
import test, { type ExecutionContext } from 'ava'
import { Lab } from '../../src/shell/lab/index.ts'
import { LABS, labsLeftOut, tellLogs, until } from './support/lab.ts'
import { AgentNode, Pings, SOON, watchRoutes } from './support/survival.ts'

const FILE = `${LABS}mesh.clab.yml`
const leftOut = labsLeftOut()
if (leftOut !== undefined) test.skip(`Left out: ${leftOut}`, t => t.pass())

const OTHERS = ['10.240.0.21', '10.240.0.22', 'fd00:10:240::21', 'fd00:10:240::22']
const FAR_PODS = ['10.200.1.0/24', '10.200.2.0/24', 'fd00:10:200:1::/64', 'fd00:10:200:2::/64']
const OWN_PODS = ['10.200.0.0/24', 'fd00:10:200::/64']
/** Routes of somebody else: to a place of their own, and beside one of ours. */
const FOREIGN = [
  '192.0.2.0/24 via 10.240.0.21 dev eth1 proto static metric 50',
  '10.200.2.0/24 via 10.240.0.21 dev eth1 proto bgp metric 2000',
]

const CHILDREN = ['speaker', 'dataplane', 'controller'] as const

interface Scene {
  readonly lab: Lab
  readonly worker: AgentNode
  readonly pings: Pings
}

let scene: Scene | undefined

test.before(async t => {
  if (leftOut !== undefined) return
  t.timeout(240_000)
  const lab = await Lab.up(FILE, { name: `survival-kill-${process.pid}` })
  const worker = new AgentNode(lab, 'worker-0')
  try {
    for (const route of FOREIGN) await worker.run('ip', 'route', 'add', ...route.split(' '))
    const pings = await Pings.start(
      lab,
      ['pod-0a', 'pod-1a', 'pod-2a'],
      new Map([
        ['pod-0a', ['10.200.1.10', 'fd00:10:200:2::10']],
        ['pod-1a', ['10.200.0.10']],
        ['pod-2a', ['fd00:10:200::10']],
      ]),
    )
    scene = { lab, worker, pings }
    await settled(worker)
  } catch (error) {
    tellLogs(t, lab)
    await lab.down()
    throw error
  }
})

test.after.always('the lab goes', async () => {
  scene?.pings.close()
  await scene?.lab.down()
})

function lab(title: string, body: (t: ExecutionContext, scene: Scene) => Promise<void>): void {
  if (leftOut !== undefined) return
  test.serial(title, async t => {
    t.timeout(240_000)
    if (scene === undefined) throw new Error('there is no lab')
    try {
      await body(t, scene)
    } catch (error) {
      tellLogs(t, scene.lab)
      throw error
    }
  })
}

/**
 * All sessions are Established, since `after` (milliseconds since the epoch), and the kernel half
 * has all that the speaker said.
 */
async function settled(worker: AgentNode, after = 0): Promise<void> {
  for (const other of OTHERS)
    await worker.untilSession(
      other,
      'is Established anew',
      ({ state, since }) => state === 'Established' && Date.parse(since) >= after,
    )
  await until(
    'the kernel is in sync',
    async () => {
      const { kernel } = await worker.state()
      const { inSync, speaker, routes } = kernel ?? {}
      if (inSync && speaker === 'up' && routes?.stale === 0 && routes.installed >= 4) return true
      throw new Error(JSON.stringify(kernel))
    },
    SOON,
  )
}

interface Harm {
  /** sessions end by it, and are made anew */
  readonly endsSessions: boolean
  do(): Promise<unknown>
}

/** Does `harm` while pods ping; nothing may be lost, and no route may change. */
async function unharmed(
  t: ExecutionContext,
  { lab, worker, pings }: Scene,
  harm: Harm,
): Promise<void> {
  const before = await allRoutes(worker)
  for (const prefix of [...FAR_PODS, ...OWN_PODS]) t.true(before.includes(prefix), prefix)
  const watch = await watchRoutes(lab, 'worker-0')
  await pings.begin()
  const from = performance.now()
  const at = Date.now()
  await harm.do()
  await settled(worker, harm.endsSessions ? at : 0)
  t.log(`whole again after ${Math.round(performance.now() - from)} ms`)
  const counts = await pings.count(t, t.title)
  for (const { from, target, lost, sent } of counts)
    t.is(lost, 0, `${from} to ${target}: ${lost} of ${sent} lost`)
  const seen = (await watch.end()).filter(line => /10\.200\.|fd00:10:200|192\.0\.2\./.test(line))
  t.deepEqual(seen, [], 'the kernel tells of no change, so of no deletion')
  t.is(await allRoutes(worker), before)
}

const allRoutes = async (worker: AgentNode): Promise<string> =>
  (await worker.run('ip', 'route')) + (await worker.run('ip', '-6', 'route', 'show', 'proto', '77'))

lab('kill -9 of the speaker costs no packet and no route', (t, scene) =>
  unharmed(t, scene, { endsSessions: true, do: () => scene.worker.murder('speaker') }),
)

lab('kill -9 of the dataplane costs no packet and no route', (t, scene) =>
  unharmed(t, scene, {
    endsSessions: false,
    do: async () => {
      const from = scene.worker.mark()
      await scene.worker.murder('dataplane')
      await scene.worker.said('KERNEL_ADOPTED', from)
    },
  }),
)

lab('kill -9 of the controller costs no packet and no route', (t, scene) =>
  unharmed(t, scene, {
    endsSessions: false,
    do: async () => {
      const from = scene.worker.mark()
      await scene.worker.murder('controller')
      await scene.worker.said('STORE_FRESH', from)
      t.false(scene.worker.lines(from).some(({ code }) => code === 'SESSION_DOWN'))
    },
  }),
)

lab('kill -9 of the supervisor, and so of all, costs no packet and no route', (t, scene) =>
  unharmed(t, scene, {
    endsSessions: true,
    do: async () => {
      const { worker } = scene
      const record = () => scene.lab.node('worker-0').record()
      const { restarts } = record()
      const pids = CHILDREN.map(name => worker.child(name))
      const from = worker.mark()
      await worker.signalMain('KILL')
      await until('it is started again', () => record().restarts > restarts, SOON)
      await worker.said('KERNEL_ADOPTED', from)
      const alive = await worker.run('sh', '-c', `ps -o pid= -p ${pids.join(',')} || true`)
      t.is(alive.trim(), '', 'the children of the one that was killed went with it')
    },
  }),
)

lab('a route that somebody deletes is back within a second', async (t, { lab, worker }) => {
  for (const [family, prefix] of [
    ['-4', '10.200.1.0/24'],
    ['-6', 'fd00:10:200:2::/64'],
    ['-4', '10.200.0.0/24'],
  ] as const) {
    const watch = await watchRoutes(lab, 'worker-0')
    const { kernel } = await worker.state()
    // on the node itself, so that nothing but the agent is timed
    const script =
      `ip ${family} route del ${prefix} proto 77 && from=$(date +%s%N) && ` +
      `until ip ${family} route show ${prefix} proto 77 | grep -q .; do :; done; ` +
      'echo $(( ($(date +%s%N) - from) / 1000 ))'
    const took = Number(await worker.run('timeout', '30', 'sh', '-c', script))
    t.log(`${prefix} was back after ${(took / 1000).toFixed(1)} ms`)
    t.true(took < 1_000_000)
    const lines = (await watch.end()).filter(line => line.includes(prefix))
    t.is(lines.length, 2, lines.join('\n'))
    t.regex(lines[0] ?? '', /^Deleted /)
    await until(
      'the repair is counted',
      async () => ((await worker.state()).kernel?.repaired ?? 0) > (kernel?.repaired ?? 0),
      SOON,
    )
  }
})

lab('routes of others are never touched', async (t, { worker }) => {
  const routes = (await worker.run('ip', 'route')).split('\n').map(line => line.trim())
  for (const route of FOREIGN) t.true(routes.includes(route), `${route}\n${routes.join('\n')}`)
})

lab('an unused pod address does not leave by the default route', async (t, { lab, worker }) => {
  // whoever is behind the default route answers for one address of our pods, and one of nobody's
  const { managementAddress = '' } = lab.node('worker-0').record()
  t.regex(await worker.run('ip', 'route', 'show', 'default'), /default via 172\.20\.20\.1/)
  const pods = ['ip', 'route', 'add', '10.200.0.0/24', 'via', managementAddress]
  for (const command of [
    ['ip', 'address', 'add', '10.200.0.99/32', 'dev', 'lo'],
    ['ip', 'address', 'add', '10.201.0.99/32', 'dev', 'lo'],
    pods,
  ])
    t.is((await lab.exec(command)).code, 0, command.join(' '))
  const ping = async (address: string, count: number): Promise<string> =>
    (await lab.node('pod-0b').exec(['ping', '-c', `${count}`, '-i', '0.1', '-W', '1', address]))
      .stdout
  const answered = async (): Promise<boolean> => (await ping('10.201.0.99', 1)).includes(' 0% ')
  await until('an address of nobody leaves by the default route', answered, SOON)
  t.regex(await ping('10.200.0.99', 5), /5 packets transmitted, 0 received/)
  const asked = ['10.200.0.99', 'from', '10.200.0.11', 'iif', 'pod1']
  const { stderr } = await lab.node('worker-0').exec(['ip', 'route', 'get', ...asked])
  t.regex(stderr, /Invalid argument/, 'which is how the kernel names a blackhole')
})
